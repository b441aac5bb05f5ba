//! Work on many accounts in the background: each account as by its own call, however often the program dies.

pub(crate) mod crowd;
mod export;
mod rights;

use std::time::Duration;

use e2e::{Setup, TestApp, User, on_both};
use serde_json::{Value, json};

use crowd::{bulk, crowd, events_of, job, rows, wait_until_moved, wait_until_over};

/// Numbers that look random and can be had again from the seed that is printed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

/// What one call does to one account, and what the same does to many.
async fn same_as_alone(app: &TestApp, root: &User, action: Value, alone: (&str, reqwest::Method, &str, Value)) {
    let (name, method, path, body) = alone;
    let twin = app.look().await.texts("SELECT email FROM users WHERE email = 'twin0@example.com'").await;
    assert_eq!(twin.len(), 1, "a twin to compare with");
    let path = path.replace("{id}", &crowd::id_of(app, "twin0").await);
    let request = root.request(method, &path);
    let request = if body.is_null() { request } else { request.json(&body) };
    let answer = e2e::Answer::of(request).await;
    assert!(answer.status < 300, "{name}: {} {}", answer.status, answer.body);
    let started = bulk(root, action, json!({"filter": {"q": "many"}})).await;
    let ended = wait_until_over(root, &started).await;
    assert_eq!((&ended["state"], &ended["done"], &ended["failed"]), (&json!("done"), &json!(300), &json!(0)), "{name}");
    assert_eq!(ended["total"], 300);
    app.settle().await;
    assert_eq!(rows(app, "many").await, rows(app, "twin").await, "{name}: the rows");
    let (many, twin) = (events_of(app, "many").await, events_of(app, "twin").await);
    assert_eq!(many.len(), 300 * twin.len(), "{name}: one event for each account");
    let distinct: std::collections::BTreeSet<&String> = many.iter().collect();
    assert_eq!(distinct, twin.iter().collect(), "{name}: the events");
}

on_both! {
    async fn each_action_does_to_many_what_its_own_call_does_to_one(setup: Setup) {
        use reqwest::Method;
        let app = crowd(setup, &[("many", 300), ("twin", 1)]).await;
        let root = User::administrator(&app, "root").await;
        let until = e2e::moment_in(3_600);
        let roles = |roles: Value| (Method::PUT, "/api/v1/users/{id}/roles", json!({"roles": roles}));
        let (method, path, body) = roles(json!(["support"]));
        same_as_alone(&app, &root, json!({"action": "grant_role", "role": "support"}), ("grant", method, path, body)).await;
        let path = "/api/v1/users/{id}/sign-out";
        same_as_alone(&app, &root, json!({"action": "sign_out"}), ("sign out", Method::POST, path, Value::Null)).await;
        let (method, path, body) = roles(json!([]));
        same_as_alone(&app, &root, json!({"action": "take_role", "role": "support"}), ("take", method, path, body)).await;
        let ban = json!({"reason": "Spam", "until": until});
        let action = json!({"action": "suspend", "reason": "Spam", "until": until});
        same_as_alone(&app, &root, action, ("suspend", Method::POST, "/api/v1/users/{id}/ban", ban)).await;
        // Who is suspended cannot be deleted: that is so for many, too.
        let refused = bulk(&root, json!({"action": "delete"}), json!({"filter": {"q": "many"}})).await;
        let ended = wait_until_over(&root, &refused).await;
        assert_eq!((&ended["done"], &ended["failed"]), (&json!(0), &json!(300)));
        assert_eq!(ended["refusals"][0]["code"], "wrong_status");
        assert_eq!(ended["refusals"].as_array().unwrap().len(), 20);
    }

    async fn deleting_many_is_deleting_each(setup: Setup) {
        let app = crowd(setup, &[("many", 300), ("twin", 1)]).await;
        let root = User::administrator(&app, "root").await;
        let path = "/api/v1/users/{id}";
        same_as_alone(&app, &root, json!({"action": "delete"}), ("delete", reqwest::Method::DELETE, path, Value::Null)).await;
        let listed = root.get("/api/v1/jobs?limit=1").await.is(200).json();
        assert_eq!(listed["items"][0]["action"], "delete");
        assert_eq!(listed["items"][0]["actor"], root.id);
        let kinds = "SELECT kind FROM ledger WHERE kind LIKE 'job.%' ORDER BY idx";
        assert_eq!(app.look().await.texts(kinds).await, ["job.started", "job.ended"]);
    }

    async fn f2_a_job_that_is_killed_20_times_does_everything_once(setup: Setup) {
        const MANY: usize = 8_000;
        let app = crowd(setup, &[("many", MANY), ("twin", 1)]).await;
        let root = User::administrator(&app, "root").await;
        let seed = u64::from(std::process::id()) ^ 0x5eed_0f1e_dead_beef;
        println!("seed {seed}");
        let mut dice = Dice(seed);
        root.post(&format!("/api/v1/users/{}/sign-out", crowd::id_of(&app, "twin0").await), Value::Null).await.is(204);
        let started = bulk(&root, json!({"action": "sign_out"}), json!({"filter": {"q": "many"}})).await;
        let mut kills = 0;
        while kills < 20 {
            if !wait_until_moved(&app).await {
                break;
            }
            tokio::time::sleep(Duration::from_millis(dice.roll(25))).await;
            app.kill9();
            kills += 1;
            app.spawn();
        }
        assert_eq!(kills, 20, "the job was over too soon to be killed 20 times");
        app.wait_until_ready().await;
        let ended = wait_until_over(&root, &started).await;
        assert_eq!((&ended["state"], &ended["done"], &ended["failed"]), (&json!("done"), &json!(MANY), &json!(0)));
        app.settle().await;
        assert_eq!(rows(&app, "many").await, rows(&app, "twin").await);
        let events = events_of(&app, "many").await;
        assert_eq!(events.len(), MANY, "one event for each account");
        let subjects = "SELECT DISTINCT body FROM ledger WHERE kind = 'account.signed_out'";
        assert_eq!(app.look().await.texts(subjects).await.len(), MANY + 1);
        assert_eq!(app.look().await.texts("SELECT kind FROM ledger WHERE kind = 'job.ended'").await.len(), 1);
    }

    async fn a_job_that_is_stopped_stops_within_a_second_and_what_it_did_stays(setup: Setup) {
        let app = crowd(setup, &[("many", 12_000)]).await;
        let root = User::administrator(&app, "root").await;
        let started = bulk(&root, json!({"action": "sign_out"}), json!({"filter": {"q": "many"}})).await;
        assert!(wait_until_moved(&app).await);
        let path = format!("/api/v1/jobs/{started}");
        root.delete(&path).await.is(204);
        let stopped = job(&root, &started).await;
        assert_eq!(stopped["state"], "cancelled");
        app.settle().await;
        let done = events_of(&app, "many").await.len();
        assert_eq!(stopped["done"], done);
        assert!((1..12_000).contains(&done), "{done}");
        tokio::time::sleep(Duration::from_secs(2)).await;
        app.settle().await;
        assert_eq!(events_of(&app, "many").await.len(), done, "it went on");
        root.delete(&path).await.is_problem(409, "job_over");
        assert_eq!(app.look().await.texts("SELECT kind FROM ledger WHERE kind = 'job.ended'").await.len(), 1);
        // What was typed to choose them is not kept.
        assert_eq!(app.look().await.texts("SELECT selection FROM jobs").await, [""]);
    }

    async fn progress_is_told_as_it_goes_and_the_stream_ends_with_the_job(setup: Setup) {
        let app = crowd(setup, &[("many", 6_000)]).await;
        let root = User::administrator(&app, "root").await;
        let started = bulk(&root, json!({"action": "sign_out"}), json!({"filter": {"q": "many"}})).await;
        let begun = std::time::Instant::now();
        let answer = root.get(&format!("/api/v1/jobs/{started}/events")).await.is(200);
        let took = begun.elapsed();
        assert_eq!(answer.header("content-type"), "text/event-stream");
        let events: Vec<&str> = answer.body.split("\n\n").filter(|event| event.contains("event: ")).collect();
        let told: Vec<i64> = events.iter().map(|event| {
            let data = event.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
            serde_json::from_str::<Value>(data).unwrap()["done"].as_i64().unwrap()
        }).collect();
        assert!(told.is_sorted() && told.last() == Some(&6_000), "{told:?}");
        assert!(events.len() >= 2 && events.last().unwrap().contains("event: ended"), "{events:?}");
        assert!(events[..events.len() - 1].iter().all(|event| event.contains("event: progress")));
        let most = took.as_millis() / 250 + 2;
        assert!((events.len() as u128) <= most, "{} events in {took:?}", events.len());
        // Whoever comes back is told the end at once.
        let again = root.get(&format!("/api/v1/jobs/{started}/events")).await.is(200);
        assert!(again.body.contains("id: 6000\nevent: ended\n"), "{}", again.body);
    }
}

/// Two processes have a job each, and nobody is dealt with twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f30_two_processes_share_the_work_and_do_nothing_twice() {
    let app = crowd(Setup::new(e2e::Database::Postgres), &[("many", 600), ("more", 600), ("rest", 600)]).await;
    let root = User::administrator(&app, "root").await;
    let beside = app.beside("users,auth").await;
    let mut started = Vec::new();
    for name in ["many", "more", "rest"] {
        started.push(bulk(&root, json!({"action": "sign_out"}), json!({"filter": {"q": name}})).await);
    }
    for id in &started {
        let ended = wait_until_over(&root, id).await;
        assert_eq!((&ended["state"], &ended["done"]), (&json!("done"), &json!(600)));
    }
    app.settle().await;
    for name in ["many", "more", "rest"] {
        assert_eq!(events_of(&app, name).await.len(), 600, "{name}");
    }
    let shares =
        [app.metrics().await.sum("usher_jobs_accounts_total"), beside.metrics().await.sum("usher_jobs_accounts_total")];
    println!("accounts by process: {shares:?}");
    assert!((shares.iter().sum::<f64>() - 1_800.0).abs() < 0.5, "{shares:?}");
    assert!(shares.iter().all(|share| *share > 0.0), "one did nothing: {shares:?}");
}
