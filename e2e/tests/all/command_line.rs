//! `usher users …` and `usher export`, beside a running server and without one.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use e2e::{Database, PATIENCE, Setup, TestApp, User, on_both};
use serde_json::{Value, json};

/// What a command answers a program.
async fn asked(app: &TestApp, words: &[&str]) -> Value {
    serde_json::from_str(&app.cli_ok(&[words, &["--json"]].concat()).await).unwrap()
}

/// That a command does not succeed, and says this.
async fn refused(app: &TestApp, words: &[&str], said: &str) {
    let output = app.cli(words).await;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && told.contains(said), "{words:?}: {:?} {told}", output.status.code());
}

fn emails(of: &Value) -> Vec<&str> {
    of["items"].as_array().unwrap().iter().map(|item| item["email"].as_str().unwrap()).collect()
}

/// Events of this kind, as the ledger has them.
async fn events(app: &TestApp, kind: &str) -> Vec<Value> {
    let sql = format!(
        "SELECT body FROM (SELECT body, at FROM ledger WHERE kind = '{kind}'
             UNION ALL SELECT body, at FROM outbox WHERE kind = '{kind}') AS events ORDER BY at"
    );
    app.look().await.texts(&sql).await.iter().map(|body| serde_json::from_str(body).unwrap()).collect()
}

/// Imports rows beside the program.
async fn import(app: &TestApp, rows: impl Iterator<Item = Value>) {
    let path = app.data.with_file_name("people.jsonl");
    let text: String = rows.flat_map(|row| [row.to_string(), "\n".to_owned()]).collect();
    std::fs::write(&path, text).unwrap();
    app.cli_ok(&["import", &path.to_string_lossy(), "--from", "jsonl"]).await;
}

/// Waits until those who were imported are found by their names and addresses.
async fn wait_until_searchable(app: &TestApp) {
    let begun = Instant::now();
    while !app.look().await.texts("SELECT email FROM users WHERE NOT searchable LIMIT 1").await.is_empty() {
        assert!(begun.elapsed() < PATIENCE, "they are not made searchable");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The accounts in an export in lines of JSON, in its order.
fn accounts(export: &str) -> Vec<Value> {
    export.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

on_both! {
    async fn accounts_are_listed_made_and_shown(app: TestApp) {
        User::administrator(&app, "root").await;
        let words = ["users", "create", "--email", "Ann.Lee@example.com", "--name", "Ann \u{1b}[2J Lee", "--locale", "de", "--role", "support"];
        refused(&app, &words, "invisible characters").await;
        let made = asked(&app, &["users", "create", "--email", "Ann.Lee@example.com", "--name", "Ann Lee", "--locale", "de", "--role", "support"]).await;
        assert_eq!((&made["email"], &made["roles"], &made["email_verified"]), (&json!("Ann.Lee@example.com"), &json!(["support", "user"]), &json!(false)));
        assert_eq!(events(&app, "account.created").await.len(), 1);
        refused(&app, &["users", "create", "--email", "ann.lee@EXAMPLE.com"], "address").await;
        refused(&app, &["users", "create", "--email", "no address"], "").await;
        refused(&app, &["users", "create", "--email", "b@example.com", "--role", "nobodys"], "nobodys").await;
        refused(&app, &["users", "create", "--email", "b@example.com", "--locale", "x_y"], "language tag").await;
        let id = made["id"].as_str().unwrap();
        for who in [id, "ann.lee@example.com"] {
            assert_eq!(asked(&app, &["users", "show", who]).await, made);
        }
        let shown = app.cli_ok(&["users", "show", id]).await;
        assert!(shown.contains("roles          support, user") && shown.contains("locale         de"), "{shown}");
        refused(&app, &["users", "show", "nobody@example.com"], "there is no account").await;

        for number in 0..3 {
            app.user(&format!("person{number}")).await;
        }
        let list = async |words: &[&str]| asked(&app, &[&["users", "list"], words].concat()).await;
        assert_eq!(emails(&list(&["--sort", "email"]).await).len(), 5);
        assert_eq!(emails(&list(&["--query", "LEE@ex"]).await), ["Ann.Lee@example.com"]);
        assert_eq!(emails(&list(&["--role", "support"]).await), ["Ann.Lee@example.com"]);
        assert_eq!(emails(&list(&["--created-before", "2020-01-01T00:00:00Z"]).await), Vec::<&str>::new());
        let page = list(&["--query", "person", "--sort", "email", "--limit", "2"]).await;
        assert_eq!(emails(&page), ["person0@example.com", "person1@example.com"]);
        let next = page["next"].as_str().unwrap();
        let rest = list(&["--query", "person", "--sort", "email", "--limit", "2", "--cursor", next]).await;
        assert_eq!((emails(&rest), &rest["next"]), (vec!["person2@example.com"], &Value::Null));
        let table = app.cli_ok(&["users", "list", "--query", "person0"]).await;
        assert!(table.contains("person0@example.com") && table.contains("active"), "{table}");
        for (words, said) in [
            (["--status", "gone"], "status"), (["--verified", "maybe"], "verified"), (["--sort", "password"], "--sort"),
            (["--created-after", "yesterday"], "created_after"), (["--cursor", "x"], ""), (["--phone", "x"], "phone"),
            (["--attribute", "nothing=1"], "nothing"),
        ] {
            refused(&app, &[&["users", "list"], &words[..]].concat(), said).await;
        }
        assert_eq!(app.cli(&["users", "list", "--attribute", "x"]).await.status.code(), Some(2));
    }

    async fn accounts_are_suspended_unlocked_deleted_restored_and_erased(app: TestApp) {
        let root = User::administrator(&app, "root").await;
        let ann = app.user("ann").await;
        let show = async || asked(&app, &["users", "show", &ann.id]).await;
        app.cli_ok(&["users", "ban", &ann.email, "--reason", "Spam, twice"]).await;
        assert_eq!(show().await["status"], "suspended");
        assert!(!ann.is_signed_in().await);
        assert_eq!(events(&app, "account.suspended").await[0]["data"]["reason"], "Spam, twice");
        refused(&app, &["users", "ban", &ann.email], "not active").await;
        app.cli_ok(&["users", "unban", &ann.id]).await;
        assert_eq!(show().await["status"], "active");
        refused(&app, &["users", "unban", &ann.email], "not suspended").await;

        for _ in 0..5 {
            app.login(&ann.email, "wrong").await.is(401);
        }
        app.login(&ann.email, &ann.password).await.is(401);
        app.cli_ok(&["users", "unlock", &ann.email]).await;
        let ann = app.again(&ann).await;
        app.cli_ok(&["users", "sign-out", &ann.email]).await;
        assert!(!ann.is_signed_in().await);
        let ann = app.again(&ann).await;

        refused(&app, &["users", "email-link", &ann.email], "did not ask").await;
        let ask = json!({"email": "ann.lee@example.com", "current_password": ann.password});
        ann.post("/api/v1/users/me/email", ask).await.is(202);
        let link = asked(&app, &["users", "email-link", &ann.email]).await;
        assert_eq!(link["email"], "ann.lee@example.com");
        let confirm = json!({"token": link["token"]});
        app.post("/api/v1/auth/confirm-email-change", confirm).await.is(204);
        assert_eq!(show().await["email"], "ann.lee@example.com");

        app.cli_ok(&["users", "delete", &ann.id, "--reason", "Asked by mail"]).await;
        assert_eq!(show().await["status"], "deleted");
        assert_eq!(emails(&asked(&app, &["users", "list", "--status", "deleted"]).await), ["ann.lee@example.com"]);
        app.cli_ok(&["users", "restore", &ann.id]).await;
        assert_eq!(show().await["status"], "active");

        refused(&app, &["users", "erase", &ann.id, "--confirm", "another@example.com"], "--confirm").await;
        assert_eq!(app.cli(&["users", "erase", &ann.id]).await.status.code(), Some(2));
        assert_eq!(asked(&app, &["users", "erase", &ann.id, "--confirm", "ann.lee@example.com"]).await["erased"], true);
        app.login("ann.lee@example.com", &ann.password).await.is(401);
        for words in [&["users", "ban", &root.email][..], &["users", "delete", &root.email], &["users", "erase", &root.email, "--confirm", &root.email]] {
            refused(&app, words, "last administrator").await;
        }
        assert!(root.is_signed_in().await);
    }

    async fn an_export_is_chosen_by_the_words_of_the_list_and_is_an_event(app: TestApp) {
        let root = User::administrator(&app, "root").await;
        root.makes_role("-2", &["quiz:author"]).await;
        import(&app, (0..1_203).map(|number| match number % 10 {
            0 => json!({"email": format!("odd{number}@example.com"), "roles": ["-2", "support"], "phone_number": "+4915112345678"}),
            1 => json!({"email": format!("odd{number}@example.com"), "status": "suspended", "name": "'=1+1"}),
            _ => json!({"email": format!("user{number}@example.com"), "email_verified": true}),
        })).await;
        wait_until_searchable(&app).await;
        let all = accounts(&app.cli_ok(&["export"]).await);
        let ids: Vec<&str> = all.iter().map(|account| account["id"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), 1_204);
        assert!(ids.is_sorted_by(|one, next| one < next), "each once, by its id");
        for (words, found) in [
            (&["--role", "support"][..], 121),
            (&["--role=-2"], 121),
            (&["--status", "suspended"], 121),
            (&["--status", "deleted"], 0),
            (&["--verified", "true", "--query", "user"], 961),
            (&["--phone", "+49 151 12345678"], 121),
            (&["--query", "odd1001@"], 1),
            (&["--created-before", "2020-01-01T00:00:00Z"], 0),
            (&["--role", "support", "--status", "suspended"], 0),
        ] {
            let exported = accounts(&app.cli_ok(&[&["export"], words].concat()).await);
            assert_eq!(exported.len(), found, "{words:?}");
            let listed = asked(&app, &[&["users", "list", "--limit", "1000"], words].concat()).await;
            let of = |accounts: &[Value]| accounts.iter().map(|one| one["id"].to_string()).collect::<BTreeSet<String>>();
            assert_eq!(of(&exported), of(listed["items"].as_array().unwrap()), "{words:?}");
        }
        refused(&app, &["export", "--status", "gone"], "status").await;
        let told = events(&app, "accounts.exported").await;
        assert_eq!(told.len(), 10, "one for each that was finished, and none for one that was refused");
        assert_eq!((&told[0]["data"]["accounts"], &told[0]["data"]["filtered"]), (&json!(1_204), &json!(false)));
        assert_eq!((&told[1]["data"]["accounts"], &told[1]["data"]["filtered"]), (&json!(121), &json!(true)));
        assert!(told.iter().all(|event| event["actor"].is_null()), "the operator of this machine is nobody's account");
        assert!(!json!(told).to_string().contains("odd1001"), "what was looked for may be a person's name");

        // No cell is a formula, joined ones neither; and what was put before one is taken off again.
        let csv = app.cli_ok(&["export", "--format", "csv", "--query", "odd"]).await;
        assert_eq!(csv.matches(",'-2 support user,").count(), 121, "{}", &csv[..2_000]);
        assert_eq!(csv.matches(",''=1+1,").count(), 121);
        let path = app.data.with_file_name("odd.csv");
        std::fs::write(&path, &csv).unwrap();
        let odd = accounts(&app.cli_ok(&["export", "--query", "odd"]).await);
        let other = Setup::new(app.database).start().await;
        User::administrator(&other, "root").await.makes_role("-2", &["quiz:author"]).await;
        other.cli_ok(&["import", &path.to_string_lossy(), "--from", "csv"]).await;
        wait_until_searchable(&other).await;
        assert_eq!(accounts(&other.cli_ok(&["export", "--query", "odd"]).await), odd);
    }

    async fn without_a_server_the_same_words_do_the_same(setup: Setup) {
        let app = setup.prepare().await;
        if app.database == Database::Sqlite {
            refused(&app, &["users", "list"], "there is no database").await;
            refused(&app, &["export"], "there is no database").await;
        }
        app.cli_ok(&["migrate"]).await;
        let made = asked(&app, &["users", "create", "--email", "ann@example.com"]).await;
        app.cli_ok(&["users", "ban", "ann@example.com"]).await;
        assert_eq!(emails(&asked(&app, &["users", "list", "--status", "suspended"]).await), ["ann@example.com"]);
        let exported = accounts(&app.cli_ok(&["export", "--status", "suspended"]).await);
        assert_eq!((exported.len(), &exported[0]["id"]), (1, &made["id"]));
        assert_eq!(events(&app, "accounts.exported").await.len(), 1);
    }
}
