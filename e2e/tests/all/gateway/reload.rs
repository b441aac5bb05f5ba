//! New routes and certificates in a running program.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use e2e::{Certificate, Database, PATIENCE, Setup, Upstream};

use super::{behind, route};

const TAKEN: &str = "the new routes are in use";
const REFUSED: &str = "the new routes were refused";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn routes_change_under_load_and_no_request_is_dropped() {
    let (one, two) = (Upstream::start("one").await, Upstream::start("two").await);
    let to = |upstream: &Upstream| route("quiz", "/quiz/", &upstream.url, "auth = \"none\"");
    let app = Arc::new(behind(&to(&one)).await);
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..6)
        .map(|_| {
            let (app, stop) = (app.clone(), stop.clone());
            tokio::spawn(async move {
                let mut count = 0;
                while !stop.load(Ordering::Relaxed) {
                    // Neither a lost connection nor another answer than an upstream's.
                    app.get("/quiz/x").await.is(200);
                    count += 1;
                }
                count
            })
        })
        .collect();
    for round in 1..=10 {
        app.configure(&to(if round % 2 == 0 { &one } else { &two }));
        app.wait_until_said_times(TAKEN, round).await;
    }
    app.configure(&to(&two));
    app.wait_until_said_times(TAKEN, 11).await;
    stop.store(true, Ordering::Relaxed);
    let mut count = 0;
    for client in clients {
        count += client.await.unwrap();
    }
    assert!(count > 100, "only {count} requests were made meanwhile");
    assert!(one.count() > 0 && two.count() > 0);
    one.take();
    for _ in 0..10 {
        assert_eq!(app.get("/quiz/x").await.is(200).json()["upstream"], "two");
    }
    assert_eq!(one.count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g4_a_broken_table_is_refused_and_the_old_one_stays() {
    let upstream = Upstream::start("app").await;
    let good = route("quiz", "/quiz/", &upstream.url, "");
    let app = behind(&good).await;
    let ann = app.user("ann").await;
    app.cli_ok(&["config", "check"]).await;
    for (number, (broken, named)) in [
        (route("quiz", "/api/v1/quiz", &upstream.url, ""), "quiz"),
        (good.clone() + &good, "quiz"),
        (route("quiz", "/quiz/", "not an address", ""), "quiz"),
        (route("quiz", "/quiz/", &upstream.url, "auth = \"none\"\nroles = [\"player\"]"), "auth"),
        (route("quiz", "/quiz/", &upstream.url, "uath = \"none\""), "uath"),
        (route("quiz", "/quiz/", &upstream.url, "body_limit = \"much\""), "body_limit"),
        ("[[gateway.routes]\nname =".to_owned(), "usher.toml"),
    ]
    .into_iter()
    .enumerate()
    {
        app.configure(&broken);
        app.wait_until_said_times(REFUSED, number + 1).await;
        ann.get("/quiz/x").await.is(200);
        app.get("/quiz/x").await.is_problem(401, "unauthenticated");
        let checked = app.cli(&["config", "check"]).await;
        let said = String::from_utf8_lossy(&checked.stderr).into_owned();
        assert_eq!(checked.status.code(), Some(1), "`config check` takes {broken}: {said}");
        assert!(said.contains(named), "`config check` does not name `{named}`: {said}");
    }
    assert!(!app.logs.text().contains(TAKEN));
    app.configure(&route("quiz", "/quiz/", &upstream.url, "auth = \"none\""));
    app.wait_until_said(TAKEN).await;
    app.get("/quiz/x").await.is(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_does_not_start_with_a_broken_table() {
    let app = Setup::new(Database::Sqlite).config(&route("quiz", "/api/", "http://127.0.0.1:1", "")).prepare().await;
    app.spawn();
    let status = app.wait_for_exit_within(Duration::from_secs(20));
    assert_eq!(status.code(), Some(1));
    assert!(app.logs.text().contains("the route `quiz`"), "{}", app.logs.tail());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_takes_a_new_certificate_and_keeps_the_old_one_if_that_is_broken() {
    let folder = std::env::temp_dir().join(format!("usher-tls-{}", uuid::Uuid::new_v4().simple()));
    std::fs::create_dir(&folder).unwrap();
    let first = Certificate::write(&folder);
    let path = |path: &Path| path.to_string_lossy().into_owned();
    let app = Setup::new(Database::Sqlite)
        .env("USHER_TLS__CERTIFICATE", &path(&first.certificate))
        .env("USHER_TLS__KEY", &path(&first.key))
        .env("USHER_PUBLIC_URL", "https://localhost:8443")
        .config("")
        .prepare()
        .await;
    app.spawn();
    let address = app.url.trim_start_matches("http://").to_owned();
    let begun = Instant::now();
    while first.get(&address, "/health/ready", false).await != Ok(200) {
        assert!(begun.elapsed() < PATIENCE, "no TLS:\n{}", app.logs.tail());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(first.get(&address, "/health/live", true).await, Ok(200), "HTTP/2 is offered");

    std::fs::write(&first.key, "no key").unwrap();
    app.configure("");
    app.wait_until_said("the TLS certificate was refused").await;
    assert_eq!(first.get(&address, "/health/live", false).await, Ok(200), "the old certificate stays");

    let second = Certificate::write(&folder);
    // Files are looked at every five seconds; nobody has to say anything.
    let begun = Instant::now();
    while second.get(&address, "/health/live", false).await != Ok(200) {
        assert!(begun.elapsed() < PATIENCE, "the new certificate is not used:\n{}", app.logs.tail());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(first.get(&address, "/health/live", false).await.is_err(), "the old certificate is still shown");
    drop(app);
    std::fs::remove_dir_all(&folder).unwrap();
}
