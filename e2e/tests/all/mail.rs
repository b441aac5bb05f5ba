//! E-mail: a real mail server that takes, refuses, hangs and lies, and the development inbox.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use e2e::{Answer, Certificate, MailManner, MailServer, PASSWORD, PATIENCE, Setup, TestApp, User, on_both};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

const FROM: &str = "Harbour <no-reply@id.example.com>";

pub(crate) fn with_mail(setup: Setup, server: &MailServer) -> Setup {
    setup.env("USHER_MAIL__URL", &server.url()).env("USHER_MAIL__FROM", FROM).env("USHER_MAIL__PRODUCT_NAME", "Harbour")
}

/// The states of all deliveries, with how many there are of each.
async fn states(app: &TestApp) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for state in app.look().await.texts("SELECT state FROM deliveries").await {
        *counts.entry(state).or_default() += 1;
    }
    counts
}

async fn wait_for_state(app: &TestApp, state: &str, count: usize) {
    let begun = Instant::now();
    while states(app).await.get(state).copied().unwrap_or(0) < count {
        assert!(begun.elapsed() < PATIENCE, "never {count} {state}: {:?}", states(app).await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

on_both! {
    async fn a_sign_up_is_told_by_mail_with_both_parts_and_no_header_too_many(setup: Setup) {
        let server = MailServer::start().await;
        let app = with_mail(setup, &server).start().await;
        app.user("ann").await;
        let mail = server.wait_for("ann@example.com", 1).await.remove(0);
        assert_eq!(mail.from, "no-reply@id.example.com");
        assert_eq!(mail.header("From").unwrap(), FROM);
        assert_eq!(mail.header("Auto-Submitted").unwrap(), "auto-generated");
        assert_eq!(mail.header("Content-Language").unwrap(), "en");
        let id = mail.header("Message-ID").unwrap();
        assert!(id.starts_with('<') && id.ends_with("@id.example.com>"), "{id}");
        assert!(mail.text().contains("Harbour") && mail.text().contains(&app.url), "{}", mail.text());
        assert!(mail.html().contains("<html lang=\"en\" dir=\"ltr\""), "{}", mail.html());
        wait_for_state(&app, "sent", 1).await;
        assert_eq!(server.mails().len(), 1);
    }

    async fn r10_a_name_is_one_recipient_no_header_and_text(setup: Setup) {
        let server = MailServer::start().await;
        let app = with_mail(setup, &server).start().await;
        let names = ["Bob <x@evil.example>", "<a href=\"https://evil.example\">here</a>", "{{7*7}}", "a, b@evil.example, c"];
        for (number, name) in names.iter().enumerate() {
            let email = format!("bob{number}@example.com");
            app.post("/api/v1/auth/register", json!({"email": email, "password": PASSWORD, "name": name})).await.is(201);
            let mail = server.wait_for(&email, 1).await.remove(0);
            assert_eq!(mail.to, std::slice::from_ref(&email), "{name}");
            let mut headers = mail.headers();
            headers.sort();
            assert!(headers.iter().all(|name| {
                ["Auto-Submitted", "Content-Language", "Content-Type", "Date", "From", "MIME-Version", "Message-ID", "Subject", "To"].contains(&name.as_str())
            }), "{headers:?}");
            assert!(mail.text().contains(&format!("Hello {name}.")), "{}", mail.text());
            assert!(!mail.html().contains("<a href=\"https://evil"), "{}", mail.html());
        }
        // One that breaks the line is refused before it can be in any mail.
        let breaking = json!({"email": "eve@example.com", "password": PASSWORD, "name": "Bob\r\nBcc: x@evil.example"});
        app.post("/api/v1/auth/register", breaking).await.is(422);
    }

    async fn f13_a_refusal_for_good_is_a_dead_letter_within_a_minute_and_one_for_now_is_not(setup: Setup) {
        let server = MailServer::start().await;
        let app = with_mail(setup, &server).start().await;
        let root = User::administrator(&app, "root").await;
        let never = app.user("never-1").await;
        app.user("later-1").await;
        wait_for_state(&app, "dead", 1).await;
        wait_for_state(&app, "failed", 1).await;
        let mut view = app.look().await;
        let reasons = view.texts("SELECT reason FROM deliveries WHERE state = 'dead'").await;
        assert!(reasons[0].contains("550") && reasons[0].contains("no such mailbox"), "{reasons:?}");
        // Reasons are read by people who have no need to know whose mailbox it is.
        assert!(!reasons[0].contains("never-1@example.com"), "{reasons:?}");
        let again = view.texts("SELECT reason FROM deliveries WHERE state = 'failed'").await;
        assert!(again[0].contains("450"), "{again:?}");

        // Whoever looks after it has it tried again, which is one event; the mail server has not changed its mind.
        let dead = root.get("/api/v1/notifications/deliveries?state=dead").await.is(200).json()["items"][0].clone();
        assert_eq!(dead["user"], never.id.as_str());
        let retry = format!("/api/v1/notifications/deliveries/{}/retry", dead["id"].as_str().unwrap());
        never.post(&retry, Value::Null).await.is_problem(403, "forbidden");
        assert!(root.post(&retry, Value::Null).await.status < 300);
        let retried = "SELECT kind FROM ledger WHERE kind = 'notification.retried'";
        let begun = Instant::now();
        while view.texts(retried).await.len() != 1 || states(&app).await.get("dead") != Some(&1) {
            assert!(begun.elapsed() < PATIENCE, "{:?}", states(&app).await);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn f13_who_hangs_or_trickles_holds_up_nobody_else(setup: Setup) {
        let server = MailServer::start().await;
        let app = with_mail(setup, &server).start().await;
        for number in 0..20 {
            app.user(&format!("hang-{number}")).await;
            app.user(&format!("trickle-{number}")).await;
        }
        let mut took = Vec::new();
        for number in 0..5 {
            app.user(&format!("good{number}")).await;
            let answered = Instant::now();
            let mail = server.wait_for(&format!("good{number}@example.com"), 1).await.remove(0);
            took.push(mail.at.saturating_duration_since(answered));
        }
        // Other tests run beside this one, so not each of them has to be quick; a hang lasts thirty seconds.
        took.sort();
        assert!(took[2] < Duration::from_secs(1) && took[4] < Duration::from_secs(10), "{took:?}");
        // A send has an end.
        wait_for_state(&app, "failed", 40).await;
        let reasons = app.look().await.texts("SELECT reason FROM deliveries WHERE state = 'failed'").await;
        assert!(reasons.iter().all(|reason| reason == "no end after 30 seconds"), "{reasons:?}");
    }

    async fn f13_without_a_mail_server_requests_are_as_quick_and_mail_comes_later(setup: Setup) {
        let server = MailServer::start().await;
        server.set_manner(MailManner::OutOfOrder);
        let app = with_mail(setup, &server).start().await;
        for number in 0..10 {
            app.user(&format!("ann{number}")).await;
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(server.mails().len(), 0);
        let tries: usize = app.look().await.texts("SELECT CAST(attempts AS TEXT) AS tries FROM deliveries").await
            .iter().map(|tries| tries.parse::<usize>().unwrap()).sum();
        assert!(tries <= 30, "the queue was run through {tries} times in vain");
        server.set_manner(MailManner::Serves);
        for number in 0..10 {
            server.wait_for(&format!("ann{number}@example.com"), 1).await;
        }
        wait_for_state(&app, "sent", 10).await;
        assert_eq!(server.mails().len(), 10);
    }

    async fn f12_killed_50_times_no_mail_is_lost_and_a_repeat_has_the_same_message_id(setup: Setup) {
        let server = MailServer::start().await;
        let app = with_mail(setup, &server).start().await;
        let mut dice = 7_u64;
        let mut asked = 0;
        // When each of its lives began.
        let mut lives = vec![Instant::now()];
        for _ in 0..50 {
            // Each account is one mail.
            let mut signing_up = JoinSet::new();
            for _ in 0..4 {
                asked += 1;
                let body = json!({"email": format!("user{asked}@example.com"), "password": PASSWORD});
                signing_up.spawn(Answer::try_of(app.request(Method::POST, "/api/v1/auth/register").json(&body)));
            }
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            // Somewhere between the first account and the last mail, however busy the machine is.
            signing_up.join_next().await.unwrap().unwrap().unwrap().is(201);
            tokio::time::sleep(Duration::from_millis((dice >> 33) % 160)).await;
            app.kill9();
            while signing_up.join_next().await.is_some() {}
            lives.push(Instant::now());
            app.start().await;
        }
        let accounts = app.look().await.texts("SELECT email FROM users").await;
        assert!(accounts.len() >= 50, "{}", accounts.len());
        // On PostgreSQL, what the dead process had taken up is free when its lease has ended.
        let begun = Instant::now();
        while accounts.iter().any(|email| server.mails_to(email).is_empty()) {
            assert!(begun.elapsed() < Duration::from_secs(120), "mail was lost: {:?}", states(&app).await);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        for email in &accounts {
            let mails = server.mails_to(email);
            let first = mails[0].header("Message-ID");
            assert!(mails.iter().all(|mail| mail.header("Message-ID") == first), "{email}");
            // A crash repeats what was under way, once: nothing is handed over twice in one life.
            let mut handed_over_in: Vec<usize> =
                mails.iter().map(|mail| lives.partition_point(|began| *began <= mail.connected_at)).collect();
            handed_over_in.sort_unstable();
            handed_over_in.dedup();
            assert_eq!(handed_over_in.len(), mails.len(), "{email} was told twice without a crash between");
        }
    }

    async fn the_development_inbox_shows_what_would_be_sent(app: TestApp) {
        app.user("ann").await;
        let begun = Instant::now();
        let id = loop {
            let list = app.get("/dev/inbox").await.is(200);
            if let Some((_, rest)) = list.body.split_once("href=\"/dev/inbox/") {
                break rest.split('"').next().unwrap().to_owned();
            }
            assert!(begun.elapsed() < PATIENCE, "{}", list.body);
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        let shown = app.get(&format!("/dev/inbox/{id}")).await.is(200);
        assert!(shown.body.contains("ann@example.com") && shown.body.contains(&format!("/dev/mail/{id}")), "{}", shown.body);
        assert!(shown.header("content-security-policy").contains("frame-src 'self'"));
        let body = app.get(&format!("/dev/mail/{id}")).await.is(200);
        let policy = body.header("content-security-policy");
        assert!(policy.contains("sandbox") && policy.contains("frame-ancestors 'self'") && !policy.contains("script"), "{policy}");
        assert!(body.body.contains("<html lang=\"en\""));
        let text = app.get(&format!("/dev/inbox/{id}?view=text")).await.is(200);
        assert!(text.body.contains("Reference"), "{}", text.body);
        app.get("/dev/inbox/nothing").await.is(404);
    }

    async fn with_a_mail_server_there_is_no_development_inbox(setup: Setup) {
        let server = MailServer::start().await;
        let app = with_mail(setup, &server).start().await;
        for path in ["/dev/inbox", "/dev/inbox/x", "/dev/mail/x"] {
            app.get(path).await.is(404);
        }
    }

    async fn behind_a_proxy_nobody_is_shown_the_mail_of_others(setup: Setup) {
        let app = setup.env("USHER_PUBLIC_URL", "https://accounts.example.com").start().await;
        app.user("ann").await;
        for path in ["/dev/inbox", "/dev/inbox/x", "/dev/mail/x"] {
            app.get(path).await.is(404);
        }
        wait_for_state(&app, "dropped", 1).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f13_mail_goes_over_tls_that_is_trusted_or_not_at_all() {
    let folder = tempfile_folder();
    let certificate = Certificate::write(&folder);
    for implicit in [false, true] {
        let server = MailServer::with_tls(&certificate, implicit).await;
        let port = server.address.rsplit(':').next().unwrap().to_owned();
        let scheme = if implicit { "smtps" } else { "smtp" };
        let url = format!("{scheme}://harbour:right@localhost:{port}");
        let setup = with_mail(Setup::new(e2e::Database::Sqlite), &server).env("USHER_MAIL__URL", &url);
        let strict = setup.clone().start().await;
        strict.user("ann").await;
        wait_for_state(&strict, "failed", 1).await;
        let reasons = strict.look().await.texts("SELECT reason FROM deliveries").await;
        assert!(reasons[0].to_lowercase().contains("certificate"), "{reasons:?}");
        assert_eq!(server.mails().len(), 0);
        let trusting = setup.env("USHER_MAIL__CA", &certificate.certificate.to_string_lossy()).start().await;
        trusting.user("bob").await;
        let mail = server.wait_for("bob@example.com", 1).await.remove(0);
        assert!(mail.over_tls);
        assert_eq!(mail.user.as_deref(), Some("harbour"));
    }
    drop(std::fs::remove_dir_all(folder));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f13_a_mail_server_that_nobody_knows_is_tried_again() {
    let setup = Setup::new(e2e::Database::Sqlite).env("USHER_MAIL__FROM", FROM);
    for url in ["smtp://mail.invalid:25?tls=required", "smtp://127.0.0.1:9"] {
        let app = setup.clone().env("USHER_MAIL__URL", url).start().await;
        app.user("ann").await;
        wait_for_state(&app, "failed", 1).await;
        let reasons = app.look().await.texts("SELECT reason FROM deliveries").await;
        assert!(reasons[0].starts_with("the mail server:"), "{reasons:?}");
    }
}

fn tempfile_folder() -> std::path::PathBuf {
    let folder = std::env::temp_dir().join(format!("usher-mail-{}", uuid::Uuid::new_v4().simple()));
    std::fs::create_dir(&folder).unwrap();
    folder
}
