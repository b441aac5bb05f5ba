//! Mail through SendGrid: a server that behaves as its published API does, errors included.

use std::time::{Duration, Instant};

use e2e::{PASSWORD, PATIENCE, SENDGRID_KEY, SendGridManner, SendGridServer, Setup, TestApp, on_both};
use serde_json::json;

async fn start(setup: Setup, server: &SendGridServer) -> TestApp {
    let setup =
        setup.env("USHER_MAIL__URL", &server.url()).env("USHER_MAIL__FROM", "Harbour <no-reply@id.example.com>");
    let app = setup.start().await;
    app.logs.never(SENDGRID_KEY);
    app
}

/// The state and the reason of the delivery of a test, once it is in that state.
async fn reason_in(app: &TestApp, state: &str) -> String {
    let sql = format!("SELECT COALESCE(reason, '') FROM deliveries WHERE state = '{state}'");
    let begun = Instant::now();
    loop {
        if let Some(reason) = app.look().await.texts(&sql).await.pop() {
            return reason;
        }
        assert!(begun.elapsed() < PATIENCE, "it is never {state}");
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}

on_both! {
    async fn sendgrid_is_handed_one_mail_with_both_parts_and_counts_no_clicks(setup: Setup) {
        let server = SendGridServer::start().await;
        let app = start(setup, &server).await;
        let name = "Bob <x@evil.example>";
        app.post("/api/v1/auth/register", json!({"email": "ann@example.com", "password": PASSWORD, "name": name})).await.is(201);
        let mail = server.has(1).await.remove(0);
        let to = &mail["personalizations"][0]["to"];
        assert_eq!(to, &json!([{"email": "ann@example.com", "name": name}]));
        assert_eq!(mail["from"], json!({"email": "no-reply@id.example.com", "name": "Harbour"}));
        assert_eq!(mail["headers"]["Auto-Submitted"], "auto-generated");
        assert!(mail["headers"]["Message-ID"].as_str().unwrap().ends_with("@id.example.com>"));
        assert_eq!(mail["tracking_settings"]["click_tracking"]["enable"], false);
        assert!(mail["content"][0]["value"].as_str().unwrap().contains(&app.url));
        assert_eq!(reason_in(&app, "sent").await, "");
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(server.asked().len(), 1);
    }

    async fn f13_what_sendgrid_refuses_for_good_is_a_dead_letter_with_its_reason_and_the_next_goes(setup: Setup) {
        let server = SendGridServer::start().await;
        let app = start(setup, &server).await;
        app.user("never-1").await;
        let reason = reason_in(&app, "dead").await;
        assert_eq!(reason, "SendGrid said 400: Does not contain a valid address.");
        server.set_manner(SendGridManner::TooLarge);
        app.user("large").await;
        let begun = Instant::now();
        let dead = "SELECT reason FROM deliveries WHERE state = 'dead'";
        while !app.look().await.texts(dead).await.contains(&"SendGrid said 413: The message is too large".to_owned()) {
            assert!(begun.elapsed() < PATIENCE);
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        server.set_manner(SendGridManner::Takes);
        app.user("ann").await;
        assert_eq!(server.has(1).await.len(), 1);
    }

    async fn f13_sendgrid_is_left_alone_for_as_long_as_it_asks(setup: Setup) {
        let server = SendGridServer::start().await;
        let app = start(setup, &server).await;
        for (number, manner) in [SendGridManner::RetryAfter(10), SendGridManner::ResetIn(11)].into_iter().enumerate() {
            server.set_manner(manner);
            let asked = server.asked().len();
            app.user(&format!("ann{number}")).await;
            assert!(reason_in(&app, "failed").await.contains("429"));
            // Nobody else is sent in vain meanwhile.
            app.user(&format!("bob{number}")).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert_eq!(server.asked().len(), asked + 1);
            server.set_manner(SendGridManner::Takes);
            server.has(2 * (number + 1)).await;
            let waited = server.asked()[asked + 1].duration_since(server.asked()[asked]);
            assert!(waited > Duration::from_secs(8), "{waited:?}");
        }
        let mails = server.mails();
        let ids: std::collections::BTreeSet<String> = mails.iter().map(|mail| mail["headers"]["Message-ID"].to_string()).collect();
        assert_eq!((mails.len(), ids.len()), (4, 4));
    }

    async fn f13_mail_waits_while_sendgrid_fails_or_does_not_take_the_key(setup: Setup) {
        let server = SendGridServer::start().await;
        let app = start(setup, &server).await;
        for (number, (manner, status)) in
            [(SendGridManner::KnowsNoKey, "401"), (SendGridManner::Fails(500), "500"), (SendGridManner::Fails(503), "503")]
                .into_iter().enumerate()
        {
            server.set_manner(manner);
            app.user(&format!("ann{number}")).await;
            assert!(reason_in(&app, "failed").await.contains(status), "{status}");
            server.set_manner(SendGridManner::Takes);
            server.has(number + 1).await;
            reason_in(&app, "sent").await;
        }
        assert_eq!(server.mails().len(), 3);
    }
}
