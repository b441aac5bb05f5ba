//! Starting and stopping: one command, one folder, one process on it, and nothing lost at the end.

use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use e2e::{Answer, Database, PASSWORD, PATIENCE, Setup, TestApp, on_both};
use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

on_both! {
    async fn f23_sigterm_finishes_what_is_in_flight_and_exits_0(app: TestApp) {
        app.user("ann").await;
        let before = app.metrics().await.hashes();
        // Sign-ins, because they take long enough to be in the middle of.
        let logins: Vec<_> = (0..6)
            .map(|_| {
                let body = json!({"email": "ann@example.com", "password": PASSWORD});
                let request = app.request(Method::POST, "/api/v1/auth/login").json(&body);
                tokio::spawn(async move { Answer::try_of(request).await })
            })
            .collect();
        while app.metrics().await.hashes() == before {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        app.sigterm();
        let mut finished = 0;
        for login in logins {
            match login.await.unwrap() {
                Ok(answer) => {
                    answer.is(200);
                    finished += 1;
                }
                Err(error) => assert!(error.is_connect(), "a request that was let in was cut off: {error:?}"),
            }
        }
        assert!(finished >= 1);
        let status = app.wait_for_exit_within(Duration::from_secs(30));
        assert!(status.success(), "{status}");
        app.start().await;
        app.login("ann@example.com", PASSWORD).await.is(200);
    }

    async fn f23_ready_turns_false_and_a_request_under_way_is_answered(app: TestApp) {
        let ann = app.user("ann").await;
        // A request whose end has not arrived yet is in flight as well.
        let mut slow = app.connect().await;
        let body = json!({"refresh_token": ann.refresh_token}).to_string();
        let head = format!(
            "POST /api/v1/auth/refresh HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        slow.write_all(head.as_bytes()).await.unwrap();
        let mut idle = app.connect().await;
        idle.write_all(b"GET /health/ready HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        let mut bytes = [0; 12];
        idle.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"HTTP/1.1 200");

        app.sigterm();
        let begun = Instant::now();
        loop {
            match Answer::try_of(app.request(Method::GET, "/health/ready")).await {
                Ok(answer) if answer.status == 200 => {}
                Ok(answer) => break drop(answer.is(503)),
                Err(_) => break,
            }
            assert!(begun.elapsed() < PATIENCE, "still ready");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        slow.write_all(body.as_bytes()).await.unwrap();
        slow.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"HTTP/1.1 200");
        drop((slow, idle));
        assert!(app.wait_for_exit_within(Duration::from_secs(30)).success());
    }

    async fn a_second_start_finds_everything(app: TestApp) {
        let ann = app.user("ann").await;
        app.sigterm();
        assert!(app.wait_for_exit_within(Duration::from_secs(30)).success());
        app.start().await;
        assert!(ann.is_signed_in().await);
        ann.refresh().await.is(200);
    }

    async fn health_says_little_in_public_and_more_in_private(app: TestApp) {
        for path in ["/health/live", "/health/ready"] {
            let answer = app.get(path).await.is(200);
            assert!(answer.body.len() < 64 && !answer.body.contains("database"), "{}", answer.body);
        }
        assert!(app.get("/metrics").await.status == 404, "metrics are not for the public");
        let verbose = Answer::of(app.client().get(format!("{}/health/ready?verbose", app.private_url))).await.is(200);
        assert!(verbose.body.contains("database"), "{}", verbose.body);
        let config = Answer::of(app.client().get(format!("{}/debug/config", app.private_url))).await.is(200);
        assert!(config.body.contains("lockout"), "{}", config.body);
    }

    async fn migrate_is_a_command_and_harmless_twice(setup: Setup) {
        let app = setup.prepare().await;
        app.cli_ok(&["migrate"]).await;
        app.cli_ok(&["migrate"]).await;
        app.start().await;
        app.user("ann").await;
    }

    async fn configuration_is_checked_and_shown(setup: Setup) {
        let app = setup.prepare().await;
        app.cli_ok(&["config", "check"]).await;
        let shown = app.cli_ok(&["config", "show"]).await;
        assert!(shown.contains("USHER_LISTEN"), "where each value came from: {shown}");
        for (key, value, named) in [
            ("USHER_TOKENS__ACESS_SECONDS", "60", "access_seconds"),
            ("USHER_PUBLIC_URL", "http://usher.example.com", "https"),
            ("USHER_TOKENS__ALGORITHM", "HS256", "algorithm"),
            ("USHER_LISTEN", "everywhere", "listen"),
        ] {
            let output = app.command(&["config", "check"]).env(key, value).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(!output.status.success(), "{key}={value} was accepted");
            assert!(said.contains(named), "{key}={value}: {said}");
        }
        assert_eq!(app.cli(&["no-such-word"]).await.status.code(), Some(2));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f32_a_second_process_on_the_same_file_is_refused() {
    let app: TestApp = Setup::new(Database::Sqlite).start().await;
    let output = app
        .command(&["serve"])
        .env("USHER_LISTEN", "127.0.0.1:0")
        .env("USHER_PRIVATE_LISTEN", "127.0.0.1:0")
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("another process"));
    app.get("/health/ready").await.is(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_folder_is_for_its_owner_only() {
    let app = Setup::new(Database::Sqlite).start().await;
    for entry in std::fs::read_dir(&app.data).unwrap() {
        let entry = entry.unwrap();
        let is_private = |mode: u32| mode & 0o777 | 0o700 == 0o700;
        let mode = entry.metadata().unwrap().permissions().mode();
        let folder = std::fs::metadata(&app.data).unwrap().permissions().mode();
        assert!(is_private(folder) || is_private(mode), "others can read {}", entry.path().display());
    }
}
