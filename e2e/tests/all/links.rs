//! T of assurance.md: one-time links, from the event to the mail, from the mail to what they do.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use e2e::{Answer, Database, MailServer, PASSWORD, PATIENCE, Setup, TestApp, on_both, send_raw, token_in};
use reqwest::Method;
use serde_json::{Value, json};

use crate::mail::with_mail;

on_both! {
    async fn r11_the_new_address_gets_the_link_and_the_one_before_is_told(setup: Setup) {
        let server = MailServer::start().await;
        let app = with_mail(setup, &server).start().await;
        let ann = app.user("ann").await;
        server.wait_for("ann@example.com", 1).await;
        let ask = json!({"email": "Ann.Lee@example.com", "current_password": ann.password});
        ann.post("/api/v1/users/me/email", ask).await.is(202);
        let link = server.wait_for("Ann.Lee@example.com", 1).await.remove(0);
        assert!(link.header("Subject").unwrap().contains("Confirm your new email"));
        assert!(link.text().contains(&format!("{}/account/email/confirm?token=", app.url)), "{}", link.text());
        let told = server.wait_for("ann@example.com", 2).await.remove(1);
        assert!(told.header("Subject").unwrap().contains("asked to change"), "{:?}", told.header("Subject"));
        assert!(!told.text().contains("token="), "the address before gets no link: {}", told.text());

        let token = token_in(&link.text());
        app.logs.never(&token);
        app.post("/api/v1/auth/confirm-email-change", json!({"token": token})).await.is(204);
        app.post("/api/v1/auth/confirm-email-change", json!({"token": token})).await.is_problem(400, "invalid_token");
        let told = server.wait_for("ann@example.com", 3).await.remove(2);
        assert!(told.text().contains("another address now"), "{}", told.text());
        assert_eq!(server.mails_to("Ann.Lee@example.com").len(), 1);
        assert_eq!(ann.get("/api/v1/users/me").await.is(200).json()["email"], "Ann.Lee@example.com");
        // Neither address stands in the ledger or among the messages.
        app.settle().await;
        let mut view = app.look().await;
        for sql in ["SELECT CAST(body AS TEXT) FROM ledger", "SELECT data FROM deliveries"] {
            let said = view.texts(sql).await.join("\n");
            assert!(!said.contains("ann@example.com") && !said.to_lowercase().contains("ann.lee@"), "{sql}: {said}");
        }
    }

    async fn r11_an_officers_change_of_an_address_is_told_to_the_one_before(setup: Setup) {
        let server = MailServer::start().await;
        let app = with_mail(setup, &server).start().await;
        let ann = app.user("ann").await;
        let root = e2e::User::administrator(&app, "root").await;
        let change = json!({"email": "ann.lee@example.com"});
        root.patch(&format!("/api/v1/users/{}", ann.id), change).await.is(200);
        let told = server.wait_for("ann@example.com", 2).await.remove(1);
        assert!(told.text().contains("another address now"), "{}", told.text());
    }

    async fn l11_links_to_addresses_that_are_not_the_accounts_are_few_an_hour(setup: Setup) {
        let server = MailServer::start().await;
        let app = with_mail(setup, &server).start().await;
        let (ann, bob) = (app.user("ann").await, app.user("bob").await);
        let ask = async |user: &e2e::User, email: &str| {
            let body = json!({"email": email, "current_password": user.password});
            user.post("/api/v1/users/me/email", body).await
        };
        for number in 0..5 {
            ask(&ann, &format!("victim{number}@example.com")).await.is(202);
        }
        let refused = ask(&ann, "victim9@example.com").await.is_problem(429, "too_many_attempts");
        assert_eq!(refused.header("retry-after"), "3600");
        // The newest link still works.
        assert!(!ann.email_token(&app).await.is_empty());
        // And one address gets no more from all accounts together.
        for _ in 0..4 {
            ask(&bob, "VICTIM0@example.com").await.is(202);
        }
        ask(&bob, "victim0@example.com").await.is_problem(429, "too_many_attempts");
        ask(&bob, "somebody@example.com").await.is(202);
        server.wait_for("somebody@example.com", 1).await;
        assert!(server.mails().iter().filter(|mail| mail.to[0].eq_ignore_ascii_case("victim0@example.com")).count() <= 5);
    }

    async fn t2_a_link_works_once_and_not_after_a_restart_either(app: TestApp) {
        let ann = app.user("ann").await;
        let verify = app.mailed_token(&ann.email, "Verify", 1).await;
        app.post("/api/v1/auth/reset-password", json!({"email": ann.email})).await.is(202);
        let reset = app.mailed_token(&ann.email, "new password", 1).await;
        // What was sent before a restart works after it.
        app.restart().await;
        verify_email(&app, &verify).await.is(204);
        let all = (0..100).map(|_| {
            let request = app.request(Method::POST, "/api/v1/auth/reset-password/confirm");
            let request = request.json(&json!({"token": reset, "password": NEW}));
            tokio::spawn(async move {
                loop {
                    let answer = Answer::of(request.try_clone().unwrap()).await;
                    if answer.status != 503 {
                        return answer;
                    }
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            })
        });
        let mut statuses = Vec::new();
        for one in all.collect::<Vec<_>>() {
            statuses.push(one.await.unwrap().status);
        }
        statuses.sort_unstable();
        assert_eq!((statuses[0], &statuses[1..]), (204, [400; 99].as_slice()));
        for _ in 0..2 {
            verify_email(&app, &verify).await.is_problem(400, "invalid_token");
            confirm(&app, &reset).await.is_problem(400, "invalid_token");
            app.restart().await;
        }
        app.login(&ann.email, PASSWORD).await.is(401);
        app.login(&ann.email, NEW).await.is(200);
    }

    async fn t4_used_old_foreign_and_edited_links_are_one_answer(app: TestApp) {
        let (ann, bob) = (app.user("ann").await, app.user("bob").await);
        let verify = app.mailed_token(&ann.email, "Verify", 1).await;
        app.post("/api/v1/auth/reset-password", json!({"email": bob.email})).await.is(202);
        let reset = app.mailed_token(&bob.email, "new password", 1).await;
        let ask = json!({"email": "new@example.com", "current_password": PASSWORD});
        ann.post("/api/v1/users/me/email", ask).await.is(202);
        let change = app.mailed_token("new@example.com", "Confirm", 1).await;
        let setup = {
            let edited = format!("{}{}", &verify[..20], &reset[20..]);
            [edited, "A".repeat(64), String::new(), format!("{verify}A"), "?".into()]
        };
        let endpoints = ["/api/v1/auth/verify-email", "/api/v1/auth/reset-password/confirm", "/api/v1/auth/confirm-email-change"];
        let tokens = [&verify, &reset, &change];
        let mut refusals = Vec::new();
        for (row, token) in tokens.iter().enumerate() {
            for (column, endpoint) in endpoints.iter().enumerate() {
                if row != column {
                    refusals.push(app.post(endpoint, body_of(endpoint, token)).await.is_problem(400, "invalid_token"));
                }
            }
        }
        for endpoint in endpoints {
            for token in &setup {
                refusals.push(app.post(endpoint, body_of(endpoint, token)).await.is_problem(400, "invalid_token"));
            }
        }
        // Nothing was used up by that; each does what it is for, once. (A change of address kills what was sent before.)
        for (endpoint, token) in endpoints.iter().zip(tokens) {
            app.post(endpoint, body_of(endpoint, token)).await.is(204);
            refusals.push(app.post(endpoint, body_of(endpoint, token)).await.is_problem(400, "invalid_token"));
        }
        let first = refusals[0].shape();
        for refusal in refusals {
            assert_eq!(refusal.shape(), first);
        }
    }

    async fn t5_a_link_begins_with_the_configured_address_whatever_a_request_says(app: TestApp) {
        let host = app.url.trim_start_matches("http://").to_owned();
        let body = |number: usize| format!("{{\"email\":\"ann{number}@example.com\"}}");
        let heads = [
            "POST /api/v1/auth/reset-password HTTP/1.1\r\nX-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: https\r\n",
            "POST /api/v1/auth/reset-password HTTP/1.1\r\nForwarded: host=evil.example;proto=https\r\nX-Original-Host: evil.example\r\n",
            "POST /api/v1/auth/reset-password HTTP/1.1\r\nX-Host: evil.example\r\nX-Forwarded-Server: evil.example\r\nOrigin: https://evil.example\r\n",
        ];
        for number in 0..=heads.len() {
            app.user(&format!("ann{number}")).await;
        }
        for (number, head) in heads.iter().enumerate() {
            let body = body(number);
            let text = format!("{head}Host: {host}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
            assert_eq!(send_raw(&app.url, text.as_bytes()).await.status(), 202, "{head}");
        }
        // A host that is not ours gets no answer at all, in the line or in the header.
        let last = body(heads.len());
        for (line, named) in [("/api/v1/auth/reset-password", "evil.example"), ("http://evil.example/api/v1/auth/reset-password", "evil.example")] {
            let text = format!("POST {line} HTTP/1.1\r\nHost: {named}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{last}", last.len());
            assert_eq!(send_raw(&app.url, text.as_bytes()).await.status(), 421, "{line}");
        }
        let absolute = format!("POST http://{host}/api/v1/auth/reset-password HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{last}", last.len());
        let answered = send_raw(&app.url, absolute.as_bytes()).await.status();
        for number in 0..heads.len() + usize::from(answered == 202) {
            let text = app.mail(&format!("ann{number}@example.com"), "new password", 1).await;
            assert!(text.contains(&format!("{}/reset/new?token=", app.url)) && !text.contains("evil"), "{text}");
        }
    }

    async fn t6_a_reset_is_told_ends_every_session_and_lifts_the_lock(app: TestApp) {
        let ann = app.user("ann").await;
        let other = app.again(&ann).await;
        for _ in 0..6 {
            app.login(&ann.email, "not the password 12").await.is(401);
        }
        app.login(&ann.email, PASSWORD).await.is(401);
        app.post("/api/v1/auth/reset-password", json!({"email": "ANN@example.com"})).await.is(202);
        let token = app.mailed_token(&ann.email, "new password", 1).await;
        let weak = json!({"token": token, "password": "password1"});
        app.post("/api/v1/auth/reset-password/confirm", weak).await.is_problem(422, "weak_password");
        let answer = confirm(&app, &token).await.is(204);
        assert!(answer.body.is_empty() && answer.header("set-cookie").is_empty(), "nobody is signed in by it");
        for session in [&ann, &other] {
            assert!(!session.is_signed_in().await);
            session.refresh().await.is(401);
        }
        app.login(&ann.email, NEW).await.is(200);
        app.mail(&ann.email, "password was changed", 1).await;
    }

    async fn t9_the_address_is_verified_by_the_step_for_it_alone(app: TestApp) {
        let ann = app.user("ann").await;
        let verified = async || ann.get("/api/v1/users/me").await.is(200).json()["email_verified"] == true;
        let token = app.mailed_token(&ann.email, "Verify", 1).await;
        // A mail filter opens the link, follows it, and asks with HEAD.
        for method in [Method::GET, Method::HEAD] {
            let opened = Answer::of(app.request(method, &format!("/verify?token={token}"))).await;
            assert_eq!((opened.status, opened.header("location"), opened.header("referrer-policy")), (303, "/verify", "no-referrer"));
            assert!(!opened.body.contains(&token));
        }
        assert!(!verified().await);
        ann.patch("/api/v1/users/me", json!({"name": "Ann", "email_verified": true})).await.is_problem(400, "unknown_field");
        ann.post("/api/v1/auth/verify-email/code", json!({"code": "12"})).await.is_problem(400, "invalid_code");
        assert!(!verified().await);
        let code = app.mailed_code(&ann.email, 1).await;
        ann.post("/api/v1/auth/verify-email/code", json!({"code": code})).await.is(204);
        assert!(verified().await);
        verify_email(&app, &token).await.is_problem(400, "invalid_token");
        app.mail(&ann.email, "Welcome", 1).await;
    }

    async fn t10_links_of_suspended_and_deleted_accounts_are_refused(app: TestApp) {
        for (name, deed) in [("suspended", "ban"), ("deleted", "delete")] {
            let who = app.user(name).await;
            let verify = app.mailed_token(&who.email, "Verify", 1).await;
            app.post("/api/v1/auth/reset-password", json!({"email": who.email})).await.is(202);
            let reset = app.mailed_token(&who.email, "new password", 1).await;
            app.cli_ok(&["users", deed, &who.email]).await;
            verify_email(&app, &verify).await.is_problem(400, "invalid_token");
            confirm(&app, &reset).await.is_problem(400, "invalid_token");
        }
    }

    async fn what_was_asked_for_before_a_crash_is_answered_after_it(setup: Setup) {
        let server = MailServer::start().await;
        let app = with_mail(setup, &server).start().await;
        app.user("ann").await;
        server.wait_for("ann@example.com", 1).await;
        for _ in 0..3 {
            app.post("/api/v1/auth/reset-password", json!({"email": "ann@example.com"})).await.is(202);
        }
        app.kill9();
        app.start().await;
        // What was being handed over when the program died is handed over once more, when its lease is over.
        let about = || -> BTreeSet<String> {
            let mails = server.mails_to("ann@example.com").into_iter().filter(|mail| mail.text().contains("/reset/new?token="));
            mails.map(|mail| mail.header("Message-ID").unwrap()).collect()
        };
        let begun = Instant::now();
        while about().is_empty() {
            assert!(begun.elapsed() < PATIENCE * 3, "no link came");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        while !app.look().await.texts("SELECT CAST(created_at AS TEXT) FROM link_requests").await.is_empty() {
            assert!(begun.elapsed() < PATIENCE);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(about().len(), 1, "l11: one a minute");
    }

    async fn r6_the_registration_whose_link_is_used_is_the_one_that_counts(setup: Setup) {
        let app = requiring(setup).start().await;
        let sign_up = async |password: &str| app.register("ann@example.com", password).await.is(202);
        sign_up(PASSWORD).await;
        let thiefs = app.mailed_token("ann@example.com", "Verify", 1).await;
        // As if a minute had passed.
        let sql = match app.database {
            Database::Sqlite => "UPDATE links SET created_at = created_at - 61000000",
            Database::Postgres => "UPDATE links SET created_at = created_at - INTERVAL '61 seconds'",
        };
        assert_eq!(app.look().await.execute(sql).await, 1);
        sign_up(NEW).await;
        let anns = app.mailed_token("ann@example.com", "Verify", 2).await;
        app.login("ann@example.com", NEW).await.is_problem(401, "invalid_credentials");
        verify_email(&app, &anns).await.is(204);
        app.login("ann@example.com", PASSWORD).await.is_problem(401, "invalid_credentials");
        app.login("ann@example.com", NEW).await.is(200);
        verify_email(&app, &thiefs).await.is_problem(400, "invalid_token");
    }

    async fn without_mail_nobody_is_asked_to_verify(setup: Setup) {
        let app = requiring(setup).env("USHER_PUBLIC_URL", "https://accounts.example.com").prepare().await;
        for words in [["config", "check"].as_slice(), &["serve"]] {
            let output = app.cli(words).await;
            assert!(!output.status.success(), "{words:?}");
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(said.contains("auth.require_verified_email") && said.contains("mail.url"), "{said}");
        }
    }
}

const NEW: &str = "nine dry herons paint 52 doors";

/// Where an address has to be verified before an account is used.
pub(crate) fn requiring(setup: Setup) -> Setup {
    setup.env("USHER_AUTH__REQUIRE_VERIFIED_EMAIL", "true")
}

async fn verify_email(app: &TestApp, token: &str) -> Answer {
    app.post("/api/v1/auth/verify-email", json!({"token": token})).await
}

async fn confirm(app: &TestApp, token: &str) -> Answer {
    app.post("/api/v1/auth/reset-password/confirm", json!({"token": token, "password": NEW})).await
}

fn body_of(endpoint: &str, token: &str) -> Value {
    if endpoint.contains("reset") { json!({"token": token, "password": NEW}) } else { json!({"token": token}) }
}
