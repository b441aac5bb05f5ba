//! What has happened to one account, and how often what happens by the hour.

use std::time::Duration;

use e2e::{DatabaseView, TestApp, User, on_both};
use serde_json::{Value, json};

fn kinds(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|entry| entry["kind"].as_str().unwrap()).collect()
}

/// What was counted, and what there is to count.
async fn counted(view: &mut DatabaseView) -> (Vec<String>, Vec<String>) {
    let counts =
        "SELECT kind || ' ' || CAST(SUM(events) AS BIGINT) AS counted FROM event_counts GROUP BY kind ORDER BY kind";
    let ledger = "SELECT kind || ' ' || COUNT(*) AS counted FROM ledger GROUP BY kind ORDER BY kind";
    (view.texts(counts).await, view.texts(ledger).await)
}

async fn wait_until_counted(app: &TestApp) {
    app.settle().await;
    let mut view = app.look().await;
    for _ in 0..400 {
        let (counts, ledger) = counted(&mut view).await;
        if counts == ledger {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (counts, ledger) = counted(&mut view).await;
    assert_eq!(counts, ledger);
}

on_both! {
    async fn the_history_of_an_account_says_what_happened_who_did_it_and_why(app: TestApp) {
        let root = User::administrator(&app, "root").await;
        let (ann, bob) = (app.user("ann").await, app.user("bob").await);
        let path = format!("/api/v1/users/{}", ann.id);
        root.request(reqwest::Method::PUT, &format!("{path}/roles")).json(&json!({"roles": ["support"]})).send().await.unwrap();
        root.post(&format!("{path}/ban"), json!({"reason": "Spam"})).await.is(204);
        app.settle().await;
        let history = root.get(&format!("{path}/history")).await.is(200).json();
        assert_eq!(kinds(&history), ["account.suspended", "account.roles_changed", "account.registered"]);
        assert_eq!(history["next"], Value::Null);
        let [banned, changed, registered] = &history["items"].as_array().unwrap()[..] else { panic!("{history}") };
        assert_eq!((&banned["actor"], &banned["reason"]), (&json!(root.id), &json!("Spam")));
        assert_eq!((&changed["before"], &changed["after"]), (&json!(["user"]), &json!(["support", "user"])));
        assert_eq!(registered["actor"], json!(ann.id));
        assert_eq!(registered["session"], json!(ann.session));

        // Page by page it is the same, and somebody else's is not in it.
        let first = root.get(&format!("{path}/history?limit=2")).await.is(200).json();
        assert_eq!(kinds(&first), ["account.suspended", "account.roles_changed"]);
        let next = first["next"].as_str().unwrap();
        let second = root.get(&format!("{path}/history?limit=2&cursor={next}")).await.is(200).json();
        assert_eq!((kinds(&second), &second["next"]), (vec!["account.registered"], &Value::Null));
        root.get(&format!("{path}/history?cursor=x")).await.is_problem(422, "invalid_input");
        root.get(&format!("{path}/history?nonsense=1")).await.is_problem(400, "invalid_query");
        root.get("/api/v1/users/01890000-0000-7000-8000-000000000000/history").await.is_problem(404, "not_found");
        bob.get(&format!("{path}/history")).await.is_problem(403, "forbidden");
    }

    async fn every_event_is_counted_once_however_often_the_program_dies(app: TestApp) {
        for round in 0..3 {
            let ann = app.user(&format!("ann{round}")).await;
            ann.patch("/api/v1/users/me", json!({"name": "Ann"})).await.is(200);
            // Sometimes before the counting, sometimes in it, sometimes after.
            tokio::time::sleep(Duration::from_millis(2_450 * round)).await;
            app.restart().await;
        }
        wait_until_counted(&app).await;
        let hours = app.look().await.texts("SELECT kind FROM event_counts WHERE events < 1").await;
        assert!(hours.is_empty(), "{hours:?}");
    }
}
