//! L of assurance.md: guessing is slow, whoever guesses, and locks out nobody for good.

use std::time::Duration;

use e2e::{Answer, Database, PASSWORD, Setup, TestApp, on_both};
use reqwest::Method;
use serde_json::json;

const WRONG: &str = "not the password 12";

/// Makes the last failure `minutes` older, as if that much time had passed. The program is stopped.
async fn let_pass(app: &TestApp, minutes: u32) {
    let sql = match app.database {
        Database::Sqlite => {
            format!("UPDATE sign_in_attempts SET last_at = last_at - {}", u64::from(minutes) * 60_000_000)
        }
        Database::Postgres => format!("UPDATE sign_in_attempts SET last_at = last_at - INTERVAL '{minutes} minutes'"),
    };
    assert!(app.look().await.execute(&sql).await > 0);
}

/// A login that seems to come from an address, by a header.
async fn login_from(app: &TestApp, header: &str, value: &str, email: &str, password: &str) -> Answer {
    let body = json!({"email": email, "password": password});
    Answer::of(app.request(Method::POST, "/api/v1/auth/login").header(header, value).json(&body)).await
}

/// How many of this many wrong logins, each for another account, are let in before the first 429.
async fn until_limited(app: &TestApp, most: u32, header: &str, address: impl Fn(u32) -> String) -> Option<u32> {
    for number in 0..most {
        let answer = login_from(app, header, &address(number), &format!("nobody{number}@example.com"), WRONG).await;
        if answer.status == 429 {
            let answer = answer.is_problem(429, "too_many_attempts");
            assert!(answer.header("retry-after").parse::<u32>().unwrap() >= 1);
            return Some(number);
        }
        assert!(answer.status == 401 || answer.status == 503, "{}", answer.body);
    }
    None
}

on_both! {
    async fn l1_five_failures_lock_and_time_opens(app: TestApp) {
        app.user("ann").await;
        let mut shapes = Vec::new();
        for _ in 0..5 {
            shapes.push(app.login("ann@example.com", WRONG).await.is(401).shape());
        }
        shapes.push(app.login("ann@example.com", PASSWORD).await.is(401).shape());
        assert!(shapes.windows(2).all(|pair| pair[0] == pair[1]), "a lock does not show");
        app.kill9();
        let_pass(&app, 14).await;
        app.start().await;
        app.login("ann@example.com", PASSWORD).await.is(401);
        app.kill9();
        let_pass(&app, 2).await;
        app.start().await;
        app.login("ann@example.com", PASSWORD).await.is(200);
        // A success clears the count.
        for _ in 0..4 {
            app.login("ann@example.com", WRONG).await.is(401);
        }
        app.login("ann@example.com", PASSWORD).await.is(200);
    }

    async fn l2_two_hundred_parallel_guesses_count_as_five(app: TestApp) {
        app.user("ann").await;
        let guesses: Vec<_> = (0..200)
            .map(|number| {
                let body = json!({"email": "ann@example.com", "password": format!("wrong guess {number}")});
                let request = app.request(Method::POST, "/api/v1/auth/login").json(&body);
                tokio::spawn(async move { Answer::of(request).await.status })
            })
            .collect();
        for guess in guesses {
            let status = guess.await.unwrap();
            assert!(status == 401 || status == 503, "{status}");
        }
        app.login("ann@example.com", PASSWORD).await.is(401);
        app.settle().await;
        let mut view = app.look().await;
        let failures = view.texts("SELECT CAST(failures AS TEXT) FROM sign_in_attempts").await;
        assert_eq!(failures, ["5"], "never more, never fewer");
        assert_eq!(view.texts("SELECT kind FROM ledger WHERE kind = 'account.locked'").await.len(), 1);
    }

    async fn l2_right_passwords_at_once_lock_nobody_out(setup: Setup) {
        // As on a machine with many cores, where more than five are compared at the same time.
        let app = setup.env("USHER_PASSWORDS__THREADS", "12").start().await;
        app.user("ann").await;
        let logins: Vec<_> = (0..12)
            .map(|_| {
                let body = json!({"email": "ann@example.com", "password": PASSWORD});
                let request = app.request(Method::POST, "/api/v1/auth/login").json(&body);
                tokio::spawn(async move { Answer::of(request).await })
            })
            .collect();
        for login in logins {
            // On a busy machine one may be sent away before it is compared.
            let answer = login.await.unwrap();
            assert!(answer.status == 200 || answer.status == 503, "{} {}", answer.status, answer.body);
        }
        app.login("ann@example.com", PASSWORD).await.is(200);
    }

    async fn l3_every_spelling_of_an_address_shares_the_count(app: TestApp) {
        app.user("ann").await;
        for spelling in ["ann@example.com", "ANN@example.com", " ann@example.com", "ann@EXAMPLE.com", "ann@example.com."] {
            app.login(spelling, WRONG).await.is(401);
        }
        app.login("ann@example.com", PASSWORD).await.is(401);
    }

    async fn l7_many_names_from_one_address_meet_the_address_limit(setup: Setup) {
        let app = setup.env("USHER_LIMITS__ENABLED", "true").start().await;
        let limited = until_limited(&app, 300, "x-nothing", |_| String::new()).await;
        assert!(limited.is_some(), "300 names from one address were let in");
    }

    async fn l7_many_addresses_for_one_name_meet_the_lock(setup: Setup) {
        let app = setup.env("USHER_LIMITS__ENABLED", "true").env("USHER_TRUSTED_PROXIES", "127.0.0.0/8").start().await;
        app.user("ann").await;
        for number in 0..5 {
            login_from(&app, "x-forwarded-for", &format!("198.51.100.{number}"), "ann@example.com", WRONG).await.is(401);
        }
        login_from(&app, "x-forwarded-for", "203.0.113.9", "ann@example.com", PASSWORD).await.is(401);
    }

    async fn l8_a_client_cannot_choose_its_address(setup: Setup) {
        let app = setup.env("USHER_LIMITS__ENABLED", "true").start().await;
        for header in ["x-forwarded-for", "x-real-ip", "forwarded", "true-client-ip", "cf-connecting-ip"] {
            let address = |number: u32| {
                let ip = format!("198.51.{}.{}", number / 250, number % 250);
                if header == "forwarded" { format!("for={ip}") } else { ip }
            };
            assert!(until_limited(&app, 300, header, address).await.is_some(), "{header} was believed");
        }
    }

    async fn l8_behind_a_trusted_proxy_the_rightmost_address_counts(setup: Setup) {
        let app = setup.env("USHER_LIMITS__ENABLED", "true").env("USHER_TRUSTED_PROXIES", "127.0.0.0/8").start().await;
        let mine = |number: u32| format!("10.9.{}.{}, 203.0.113.7", number / 250, number % 250);
        assert!(until_limited(&app, 300, "x-forwarded-for", mine).await.is_some(), "the left end was believed");
        let other = login_from(&app, "x-forwarded-for", "203.0.113.8", "nobody@example.com", WRONG).await;
        assert_eq!(other.status, 401, "another address has a bucket of its own");
        let neighbours = |number: u32| format!("2001:db8:7:7::{number:x}");
        assert!(until_limited(&app, 300, "x-forwarded-for", neighbours).await.is_some(), "IPv6 counts by /64");
        login_from(&app, "x-forwarded-for", "2001:db8:7:8::1", "nobody@example.com", WRONG).await.is(401);
    }

    async fn l13_a_lock_survives_a_kill(app: TestApp) {
        app.user("ann").await;
        for number in 0..5 {
            app.login("ann@example.com", WRONG).await.is(401);
            if number == 2 {
                app.restart().await;
            }
        }
        app.restart().await;
        app.login("ann@example.com", PASSWORD).await.is(401);
    }

    async fn l5_a_lock_does_not_end_the_sessions_of_the_owner(app: TestApp) {
        let ann = app.user("ann").await;
        for _ in 0..10 {
            app.login("ann@example.com", WRONG).await.is(401);
        }
        assert!(ann.is_signed_in().await);
        ann.refresh().await.is(200);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
