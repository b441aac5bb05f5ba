//! What people want to hear, where and when.

use std::time::{Duration, Instant};

use e2e::{Answer, Browser, Look, MailServer, PATIENCE, Setup, TestApp, User, on_both};
use reqwest::Method;
use serde_json::{Value, json};

use crate::pages::{check_page, sign_in};

const PREFERENCES: &str = "/api/v1/notifications/preferences";

async fn choose(user: &User, body: Value) -> Answer {
    Answer::of(user.request(Method::PUT, PREFERENCES).json(&body)).await
}

fn with_mail(setup: Setup, server: &MailServer) -> Setup {
    let from = "Harbour <no-reply@id.example.com>";
    setup.env("USHER_MAIL__URL", &server.url()).env("USHER_MAIL__FROM", from)
}

async fn inbox_has(user: &User, count: usize) {
    let begun = Instant::now();
    while user.get("/api/v1/notifications").await.is(200).json()["items"].as_array().unwrap().len() < count {
        assert!(begun.elapsed() < PATIENCE, "never {count} messages");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

on_both! {
    async fn everybody_has_what_holds_for_everybody_until_they_choose(setup: Setup) {
        let own = "[[notify.categories]]\nname = \"orders\"\ntitle = \"Your orders\"\nemail = false\n";
        let app = setup.config(own).start().await;
        let ann = app.user("ann").await;
        let before = ann.get(PREFERENCES).await.is(200).json();
        assert_eq!(before["categories"]["security"], json!({"email": true, "in_app": true, "push": true}));
        assert_eq!(before["categories"]["marketing"], json!({"email": false, "in_app": true, "push": false}));
        assert_eq!(before["categories"]["orders"], json!({"email": false, "in_app": true, "push": true}));
        assert_eq!((&before["quiet_hours"], &before["digest"], &before["digest_hour"]), (&Value::Null, &json!("off"), &json!(8)));
        let offered = before["offered"].as_array().unwrap();
        assert_eq!(offered[0], json!({"category": "security", "title": "Security", "always_on": ["email"], "in_digest": false}));
        assert_eq!(offered[4]["title"], "Your orders");

        let wanted = json!({"categories": {"orders": {"email": true}, "product": {"in_app": false}},
            "quiet_hours": {"from": "22:00", "to": "07:00"}, "digest": "weekly", "digest_hour": 0});
        let after = choose(&ann, wanted).await.is(200).json();
        assert_eq!(ann.get(PREFERENCES).await.is(200).json(), after);
        assert_eq!(after["categories"]["orders"], json!({"email": true, "in_app": true, "push": true}));
        assert_eq!(after["categories"]["product"], json!({"email": true, "in_app": false, "push": true}));
        assert_eq!(after["quiet_hours"], json!({"from": "22:00", "to": "07:00"}));
        assert_eq!((&after["digest"], &after["digest_hour"]), (&json!("weekly"), &json!(0)));
        // What is chosen is chosen as a whole, and one choice is one event; the same again is none.
        for _ in 0..2 {
            assert_eq!(choose(&ann, json!({})).await.is(200).json(), before);
        }
        assert_eq!(app.user("bob").await.get(PREFERENCES).await.is(200).json(), before);
    }

    async fn mail_about_security_cannot_be_switched_off(setup: Setup) {
        let server = MailServer::start().await;
        let app = with_mail(setup, &server).start().await;
        let ann = app.user("ann").await;
        let before = ann.get(PREFERENCES).await.is(200).json();
        let refused = choose(&ann, json!({"categories": {"security": {"email": false, "in_app": false}}})).await;
        let refused = refused.is_problem(422, "invalid_input").json();
        assert_eq!(refused["errors"][0]["code"], "always_on");
        for (wrong, code) in [
            (json!({"categories": {"nonsense": {"email": false}}}), "unknown_category"),
            (json!({"categories": {"product": {"pigeon": false}}}), "unknown_channel"),
            (json!({"quiet_hours": {"from": "22:00", "to": "22:00"}}), "invalid_time"),
            (json!({"quiet_hours": {"from": "25:00", "to": "07:00"}}), "invalid_time"),
            (json!({"digest": "hourly"}), "invalid_digest"),
            (json!({"digest": "daily", "digest_hour": 24}), "invalid_hour"),
        ] {
            let answer = choose(&ann, wrong.clone()).await.is_problem(422, "invalid_input").json();
            assert_eq!(answer["errors"][0]["code"], code, "{wrong}");
        }
        choose(&ann, json!({"offered": []})).await.is_problem(400, "unknown_field");
        assert_eq!(ann.get(PREFERENCES).await.is(200).json(), before, "nothing was changed");

        // The inbox can do without, and then it does; mail comes all the same.
        inbox_has(&ann, 1).await;
        server.wait_for(&ann.email, 1).await;
        choose(&ann, json!({"categories": {"security": {"in_app": false}},
            "quiet_hours": {"from": "00:00", "to": "23:59"}, "digest": "daily"})).await.is(200);
        let body = json!({"current_password": ann.password, "new_password": "nine dry herons paint 52 doors"});
        app.logs.never("nine dry herons paint 52 doors");
        ann.post("/api/v1/auth/change-password", body).await.is(204);
        let mails = server.wait_for(&ann.email, 2).await;
        assert_eq!(mails[1].header("Subject").unwrap(), "Your password was changed");
        assert!(mails.iter().all(|mail| mail.header("List-Unsubscribe").is_none()), "nobody ends what keeps them safe");
        let listed = ann.get("/api/v1/notifications").await.is(200).json();
        assert_eq!(listed["items"].as_array().unwrap().len(), 1, "{listed}");
    }

    async fn what_is_about_the_account_is_dropped_when_it_is_not_wanted(app: TestApp) {
        let ann = app.user("ann").await;
        inbox_has(&ann, 1).await;
        choose(&ann, json!({"categories": {"account": {"email": false, "in_app": false}}})).await.is(200);
        // A link that they ask for comes: it is what they asked for.
        let ask = json!({"email": "other@example.com", "current_password": ann.password});
        ann.post("/api/v1/users/me/email", ask).await.is(202);
        let begun = Instant::now();
        let sent = "SELECT template FROM deliveries WHERE state = 'sent' ORDER BY id";
        while !app.look().await.texts(sent).await.contains(&"change-email".to_owned()) {
            assert!(begun.elapsed() < PATIENCE, "{:?}", app.look().await.texts(sent).await);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn d6_what_somebody_chose_is_gone_with_them(app: TestApp) {
        let root = User::administrator(&app, "root").await;
        let ann = app.user("ann").await;
        choose(&ann, json!({"digest": "daily"})).await.is(200);
        let rows = "SELECT digest FROM notification_preferences";
        assert_eq!(app.look().await.texts(rows).await, ["daily"]);
        root.post(&format!("/api/v1/users/{}/erase", ann.id), Value::Null).await.is(204);
        let begun = Instant::now();
        while !app.look().await.texts(rows).await.is_empty() {
            assert!(begun.elapsed() < PATIENCE, "what an erased person chose is kept");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The same on the account page, without JavaScript.
    async fn the_account_page_has_what_somebody_wants_to_hear(app: TestApp) {
        let ann = app.user("ann").await;
        let browser = Browser::start(Look::PLAIN).await;
        sign_in(&browser, &app, &ann.email, &ann.password).await;
        assert_eq!(browser.count("#notifications input[name='security.email']").await, 0, "there is a lock, and no box");
        browser.click("#notifications input[name='marketing.email']").await;
        browser.click("#notifications input[name='security.in_app']").await;
        browser.script("document.querySelector('#quiet_from').value = '22:00'").await;
        browser.script("document.querySelector('#digest').value = 'daily'").await;
        browser.submit("#notifications button[type=submit]").await;
        assert!(browser.title().await.starts_with("Error: "), "a time without the other");
        assert_eq!(browser.property("#quiet_from", "value").await, "22:00");
        browser.script("document.querySelector('#quiet_to').value = '07:00'").await;
        check_page(&browser, "account-notifications-refused").await;
        browser.submit("#notifications button[type=submit]").await;
        assert!(browser.address().await.starts_with(&format!("{}/account?done=notifications", app.url)));
        let chosen = ann.get(PREFERENCES).await.is(200).json();
        assert_eq!(chosen["categories"]["marketing"]["email"], true);
        assert_eq!(chosen["categories"]["security"], json!({"email": true, "in_app": false, "push": true}));
        assert_eq!(chosen["quiet_hours"], json!({"from": "22:00", "to": "07:00"}));
        assert_eq!(chosen["digest"], "daily");
        assert_eq!(browser.property("#notifications input[name='marketing.email']", "checked").await, true);
        browser.script("document.querySelector('#notifications').scrollIntoView()").await;
        check_page(&browser, "account-notifications").await;
    }

    async fn a_link_to_unsubscribe_that_is_not_ours_is_none(app: TestApp) {
        for token in ["", "x", "AAAA", &"A".repeat(500)] {
            let address = format!("/unsubscribe?token={token}");
            let get = app.get(&address).await.is(410);
            assert!(get.body.contains("This link leads nowhere any more"), "{}", get.body);
            Answer::of(app.request(Method::POST, &address).body("List-Unsubscribe=One-Click")).await.is(410);
        }
    }
}
