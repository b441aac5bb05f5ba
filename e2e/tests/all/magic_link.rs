//! Signing in by a link that is sent by mail, where that is configured.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use e2e::{Answer, Browser, Database, Look, MailServer, PASSWORD, PATIENCE, Setup, TestApp, Token, User, on_both};
use reqwest::Method;
use reqwest::header::{COOKIE, SET_COOKIE};
use serde_json::{Value, json};

use crate::mail::with_mail;

const WRONG: &str = "not the password 12";

async fn with_links(setup: Setup) -> (MailServer, TestApp) {
    let server = MailServer::start().await;
    let app = with_mail(setup, &server).env("USHER_AUTH__MAGIC_LINK", "true").start().await;
    (server, app)
}

/// Somebody whose address is known to be theirs.
async fn verified(app: &TestApp, root: &User, name: &str) -> User {
    let user = app.user(name).await;
    root.patch(&format!("/api/v1/users/{}", user.id), json!({"email_verified": true})).await.is(200);
    user
}

async fn ask(app: &TestApp, email: &str) -> Answer {
    app.post("/api/v1/auth/magic-link", json!({"email": email})).await
}

async fn confirm(app: &TestApp, token: &str) -> Answer {
    app.post("/api/v1/auth/magic-link/confirm", json!({"token": token})).await
}

/// Waits until everything that was asked for was answered and told.
async fn settled(app: &TestApp, server: &MailServer) {
    let begun = Instant::now();
    while !app.look().await.texts("SELECT CAST(created_at AS TEXT) FROM link_requests").await.is_empty() {
        assert!(begun.elapsed() < PATIENCE, "something is never answered");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // What happened before is told before this.
    let marker = format!("{}@example.com", uuid::Uuid::new_v4().simple());
    app.register(&marker, PASSWORD).await.is(201);
    server.wait_for(&marker, 1).await;
    while !app.look().await.texts("SELECT state FROM deliveries WHERE state IN ('queued', 'failed')").await.is_empty() {
        assert!(begun.elapsed() < PATIENCE, "something is never told");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The tokens that were mailed to an address, oldest first.
fn links(app: &TestApp, server: &MailServer, email: &str) -> Vec<String> {
    let mails = server.mails_to(email).into_iter().filter(|mail| mail.text().contains("/sign-in/link?token="));
    mails.map(|mail| e2e::token_in(&mail.text())).inspect(|token| app.logs.never(token)).collect()
}

/// Asks for a link, and takes it from the mailbox.
async fn link(app: &TestApp, server: &MailServer, email: &str) -> String {
    let before = links(app, server, email).len();
    ask(app, email).await.is(202);
    let begun = Instant::now();
    while links(app, server, email).len() == before {
        assert!(begun.elapsed() < PATIENCE, "no link came to {email}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut all = links(app, server, email);
    assert_eq!(all.len(), before + 1, "more than one link came to {email}");
    all.pop().unwrap()
}

/// Makes every link so much older. The program is stopped.
async fn let_pass(app: &TestApp, seconds: i64) {
    let sql = match app.database {
        Database::Sqlite => format!(
            "UPDATE links SET expires_at = expires_at - {0}, created_at = created_at - {0}",
            seconds * 1_000_000
        ),
        Database::Postgres => format!(
            "UPDATE links SET expires_at = expires_at - INTERVAL '{seconds} seconds',
                 created_at = created_at - INTERVAL '{seconds} seconds'"
        ),
    };
    assert!(app.look().await.execute(&sql).await > 0);
}

on_both! {
    async fn r7_where_it_is_not_configured_nothing_is_there(app: TestApp) {
        app.user("ann").await;
        ask(&app, "ann@example.com").await.is_problem(404, "not_found");
        confirm(&app, "x").await.is_problem(404, "not_found");
        for path in ["/sign-in/by-mail", "/sign-in/link", "/sign-in/link?token=x"] {
            app.get(path).await.is(404);
        }
        assert!(!app.get("/sign-in").await.is(200).body.contains("by-mail"));
        assert_eq!(app.look().await.texts("SELECT CAST(id AS TEXT) FROM link_requests").await.len(), 0);
    }

    async fn somebody_signs_in_by_a_link_and_the_tokens_say_how(setup: Setup) {
        let (server, app) = with_links(setup).await;
        let root = User::administrator(&app, "root").await;
        let ann = verified(&app, &root, "ann").await;
        let token = link(&app, &server, &ann.email).await;
        let answer = confirm(&app, &token).await.is(200);
        let again = User::from_answer(&app, &ann.email, PASSWORD, &answer);
        assert_eq!(again.id, ann.id);
        // What services see, also after a refresh.
        assert_eq!(Token::read(&again.access_token).claims["amr"], json!(["email"]));
        let again = again.refreshed(&app).await;
        assert_eq!(Token::read(&again.access_token).claims["amr"], json!(["email"]));
        assert_eq!(again.get("/api/v1/auth/me").await.is(200).json()["amr"], json!(["email"]));
        assert_eq!(ann.get("/api/v1/auth/me").await.is(200).json()["amr"], json!(["pwd"]));
        confirm(&app, &token).await.is_problem(400, "invalid_token");
        app.settle().await;
        let events = "SELECT CAST(body AS TEXT) FROM ledger WHERE kind = 'session.started'";
        let said = app.look().await.texts(events).await.join("\n");
        assert!(said.contains("\"amr\":\"email\""), "{said}");
    }

    async fn r1_every_address_is_answered_alike_and_only_one_gets_a_mail(setup: Setup) {
        let (server, app) = with_links(setup).await;
        let root = User::administrator(&app, "root").await;
        verified(&app, &root, "known").await;
        for name in ["locked", "suspended", "deleted", "officer"] {
            verified(&app, &root, name).await;
        }
        app.user("unverified").await;
        for _ in 0..5 {
            app.login("locked@example.com", WRONG).await.is(401);
        }
        app.cli_ok(&["users", "ban", "suspended@example.com"]).await;
        app.cli_ok(&["users", "delete", "deleted@example.com"]).await;
        app.cli_ok(&["users", "grant", "officer@example.com", "support"]).await;
        root.patch(&format!("/api/v1/users/{}", root.id), json!({"name": "Root"})).await.is(200);
        settled(&app, &server).await;
        let names = ["unknown", "known", "locked", "suspended", "deleted", "unverified", "officer", "root"];
        let mut shapes = Vec::new();
        let mut forms = Vec::new();
        for name in names {
            let email = format!("{name}@example.com");
            app.logs.never(&email);
            let before = app.metrics().await.hashes();
            shapes.push(ask(&app, &email).await.is(202).shape());
            assert_eq!(app.metrics().await.hashes(), before, "R2: no hash for anybody");
            forms.push(ask_in_a_browser(&app, &email).await.body.replace(&email, "…"));
        }
        assert!(shapes.iter().all(|shape| *shape == shapes[0]), "{shapes:?}");
        // But for what a form is bound to, and the request's id.
        let plain = |page: &String| page.split("name=\"csrf\"").next().unwrap().to_owned();
        assert!(forms.iter().all(|page| plain(page) == plain(&forms[0])));
        settled(&app, &server).await;
        let told: BTreeSet<String> = server.mails().into_iter()
            .filter(|mail| mail.text().contains("/sign-in/link")).map(|mail| mail.to[0].clone()).collect();
        assert_eq!(told, BTreeSet::from(["known@example.com".to_owned()]));
        // L11: the second one within a minute is not sent.
        assert_eq!(links(&app, &server, "known@example.com").len(), 1);
        for wrong in ["", "nobody", "a@b@c"] {
            ask(&app, wrong).await.is_problem(422, "invalid_input");
        }
    }

    async fn t2_a_link_works_once_for_a_hundred_at_once_and_not_after_a_restart(setup: Setup) {
        let (server, app) = with_links(setup).await;
        let root = User::administrator(&app, "root").await;
        let ann = verified(&app, &root, "ann").await;
        let token = link(&app, &server, &ann.email).await;
        let tries: Vec<_> = (0..100)
            .map(|_| {
                let request = app.request(Method::POST, "/api/v1/auth/magic-link/confirm").json(&json!({"token": token}));
                tokio::spawn(async move { Answer::of(request).await.status })
            })
            .collect();
        let mut used = 0;
        for one in tries {
            match one.await.unwrap() {
                200 => used += 1,
                // All at once, some wait so long for a connection that they are sent away.
                400 | 503 => {}
                other => panic!("{other}"),
            }
        }
        assert_eq!(used, 1);
        app.restart().await;
        confirm(&app, &token).await.is_problem(400, "invalid_token");
    }

    async fn t3_a_link_works_for_ten_minutes_and_only_the_newest_does(setup: Setup) {
        let (server, app) = with_links(setup).await;
        let root = User::administrator(&app, "root").await;
        let ann = verified(&app, &root, "ann").await;
        let first = link(&app, &server, &ann.email).await;
        let lives = match app.database {
            Database::Sqlite => "SELECT CAST((expires_at - created_at) / 1000000 AS TEXT) FROM links WHERE purpose = 'sign-in'",
            Database::Postgres => {
                "SELECT CAST(CAST(EXTRACT(EPOCH FROM expires_at - created_at) AS BIGINT) AS TEXT) FROM links
                 WHERE purpose = 'sign-in'"
            }
        };
        assert_eq!(app.look().await.texts(lives).await, ["600"]);
        // A minute later another one can be asked for.
        app.kill9();
        let_pass(&app, 61).await;
        app.start().await;
        let second = link(&app, &server, &ann.email).await;
        confirm(&app, &first).await.is_problem(400, "invalid_token");
        app.kill9();
        let_pass(&app, 601).await;
        app.start().await;
        confirm(&app, &second).await.is_problem(400, "invalid_token");
        app.get(&format!("/sign-in/link?token={second}")).await.is(410);
        let third = link(&app, &server, &ann.email).await;
        for edited in [&third[1..], &format!("A{}", &third[1..]), &format!("{third}A"), "", &"A".repeat(5_000)] {
            if edited != third {
                confirm(&app, edited).await.is_problem(400, "invalid_token");
            }
        }
        confirm(&app, &third).await.is(200);
    }

    async fn t10_l4_who_may_not_come_in_is_not_let_in_by_a_link_from_before(setup: Setup) {
        let (server, app) = with_links(setup).await;
        let root = User::administrator(&app, "root").await;
        for (name, words, back) in [
            ("banned", vec!["users", "ban", "banned@example.com"], vec!["users", "unban", "banned@example.com"]),
            ("gone", vec!["users", "delete", "gone@example.com"], vec!["users", "restore", "gone@example.com"]),
            ("risen", vec!["users", "grant", "risen@example.com", "support"], vec!["users", "revoke", "risen@example.com", "support"]),
        ] {
            let user = verified(&app, &root, name).await;
            let token = link(&app, &server, &user.email).await;
            app.cli_ok(&words).await;
            confirm(&app, &token).await.is_problem(400, "invalid_token");
            app.cli_ok(&back).await;
            confirm(&app, &token).await.is(200);
        }
        let ann = verified(&app, &root, "ann").await;
        let token = link(&app, &server, &ann.email).await;
        for _ in 0..5 {
            app.login(&ann.email, WRONG).await.is(401);
        }
        confirm(&app, &token).await.is_problem(400, "invalid_token");
        root.post(&format!("/api/v1/users/{}/unlock", ann.id), Value::Null).await.is(204);
        confirm(&app, &token).await.is(200);
        // The wrong passwords from before are told, and counted anew.
        settled(&app, &server).await;
        let told = server.mails_to(&ann.email).into_iter().filter(|mail| mail.text().contains("after 5 wrong passwords")).count();
        assert_eq!(told, 1);
        app.cli_ok(&["users", "erase", &ann.email, "--confirm", &ann.email]).await;
        assert_eq!(app.look().await.texts("SELECT purpose FROM links WHERE purpose = 'sign-in' AND used_at IS NULL").await.len(), 0);
    }

    async fn t4_t7_a_link_is_for_what_it_was_made_for_and_no_step_does_without_one(setup: Setup) {
        let (server, app) = with_links(setup).await;
        let root = User::administrator(&app, "root").await;
        let ann = verified(&app, &root, "ann").await;
        let vera = app.user("vera").await;
        root.post("/api/v1/users/invitations", json!({"email": "noor@haddad.example"})).await.is(201);
        let signing_in = link(&app, &server, &ann.email).await;
        app.post("/api/v1/auth/reset-password", json!({"email": ann.email})).await.is(202);
        let change = json!({"email": "ann2@example.com", "current_password": PASSWORD});
        ann.post("/api/v1/users/me/email", change).await.is(202);
        settled(&app, &server).await;
        let mailed = |email: &str, path: &str| {
            let mail = server.mails_to(email).into_iter().rev().find(|mail| mail.text().contains(path));
            e2e::token_in(&mail.unwrap_or_else(|| panic!("no mail with {path} to {email}")).text())
        };
        let tokens = [
            ("sign-in", signing_in),
            ("invitation", mailed("noor@haddad.example", "/invitation?")),
            ("reset", mailed(&ann.email, "/reset/new?")),
            ("change", mailed("ann2@example.com", "/account/email/confirm?")),
            ("verify", mailed(&vera.email, "/verify?")),
        ];
        // Every token at every door but its own; the doors of these two, last, with the right one.
        let doors = [
            ("verify", "/api/v1/auth/verify-email", json!({})),
            ("reset", "/api/v1/auth/reset-password/confirm", json!({"password": "nine dry herons paint 52 doors"})),
            ("change", "/api/v1/auth/confirm-email-change", json!({})),
            ("invitation", "/api/v1/auth/accept-invitation", json!({"password": PASSWORD})),
            ("sign-in", "/api/v1/auth/magic-link/confirm", json!({})),
        ];
        let knock = async |path: &str, body: &Value, token: &str| {
            let mut body = body.clone();
            body["token"] = token.into();
            app.post(path, body).await
        };
        for (door, path, body) in &doors {
            for (kind, token) in tokens.iter().filter(|(kind, _)| kind != door) {
                let answer = knock(path, body, token).await;
                assert_eq!(answer.status, 400, "{kind} at {door}: {}", answer.body);
                answer.is_problem(400, "invalid_token");
            }
            knock(path, body, "").await.is_problem(400, "invalid_token");
        }
        // Nor by the forms of the pages: without the secret, no step of theirs does anything.
        for path in ["/invitation", "/sign-in/link"] {
            app.get(path).await.is(410);
            for token in ["", "x", &tokens[2].1, &tokens[3].1] {
                let form = [("token", token), ("password", PASSWORD), ("email", &ann.email)];
                send_form(&app, path, &form).await.is(410);
            }
        }
        for kind in ["invitation", "sign-in"] {
            let (_, path, body) = doors.iter().find(|(door, ..)| *door == kind).unwrap();
            let (_, token) = tokens.iter().find(|(name, _)| *name == kind).unwrap();
            knock(path, body, token).await.is(200);
        }
    }
}

/// Sends a form of a signed-out page, as a browser does that has just opened the sign-in page.
async fn send_form(app: &TestApp, path: &str, form: &[(&str, &str)]) -> Answer {
    let page = app.get("/sign-in").await.is(200);
    let csrf = page.body.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let set = page.headers.get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
    let cookies: Vec<&str> = set.filter_map(|cookie| cookie.split(';').next()).collect();
    let mut fields = vec![("csrf", csrf.as_str())];
    fields.extend(form);
    let request = app.request(Method::POST, path).header(COOKIE, cookies.join("; ")).header("origin", &app.url);
    Answer::of(request.form(&fields)).await
}

async fn ask_in_a_browser(app: &TestApp, email: &str) -> Answer {
    send_form(app, "/sign-in/by-mail", &[("email", email)]).await.is(200)
}

/// In the browser that asked, and in another one, with and without scripts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t8_a_link_in_a_browser_signs_nobody_in_until_its_button_is_pressed() {
    let app = Setup::new(Database::Sqlite).env("USHER_AUTH__MAGIC_LINK", "true").start().await;
    let root = User::administrator(&app, "root").await;
    for (look, name) in [(Look::SCRIPTED, "ann"), (Look::PHONE, "bob")] {
        let user = verified(&app, &root, name).await;
        let browser = Browser::start(look).await;
        browser.open(&format!("{}/sign-in", app.url)).await;
        browser.screenshot(&format!("sign-in-with-mail-{}", look.width)).await;
        browser.submit("a[href='/sign-in/by-mail']").await;
        browser.assert_accessible("asking for a link").await;
        browser.screenshot(&format!("sign-in-by-mail-{}", look.width)).await;
        browser.fill("#email", &user.email).await;
        browser.submit("main form button[type=submit]").await;
        assert!(browser.title().await.contains("Check your mail"), "{}", browser.title().await);
        browser.assert_accessible("a link is on its way").await;
        browser.screenshot(&format!("sign-in-by-mail-sent-{}", look.width)).await;
        let address = mailed(&browser, &app, &user.email).await;

        // Opened elsewhere it asks, and signs nobody in by being looked at.
        let other = Browser::start(look).await;
        for _ in 0..3 {
            other.open(&address).await;
        }
        assert_eq!(other.address().await, format!("{}/sign-in/link", app.url), "the token is not in the address");
        let shown = other.text("main").await;
        assert!(shown.contains("Did you ask for this?") && shown.contains(&user.email), "{shown}");
        other.assert_accessible("a link in another browser").await;
        other.screenshot(&format!("sign-in-link-elsewhere-{}", look.width)).await;
        other.open(&format!("{}/account", app.url)).await;
        assert!(other.address().await.contains("/sign-in"));

        browser.open(&address).await;
        assert!(!browser.text("main").await.contains("another browser"));
        browser.assert_accessible("a link in the browser that asked").await;
        browser.screenshot(&format!("sign-in-link-{}", look.width)).await;
        browser.submit("main form button[type=submit]").await;
        assert_eq!(browser.address().await, format!("{}/account", app.url));
        assert!(browser.cookies().await.iter().all(|cookie| cookie["name"] != "usher_link"), "the link is used");
        other.open(&format!("{}/sign-in/link", app.url)).await;
        assert!(other.text("main").await.contains("This link no longer works"));
        browser.assert_quiet().await;
    }
}

/// Where the button of the newest mail to somebody leads, in the development inbox.
async fn mailed(browser: &Browser, app: &TestApp, email: &str) -> String {
    for _ in 0..1_000 {
        browser.open(&format!("{}/dev/inbox", app.url)).await;
        let first = if browser.count("ul li:first-child a").await == 0 {
            String::new()
        } else {
            browser.text("ul li:first-child").await
        };
        if first.contains(email) && first.contains("Sign in to") {
            browser.submit("ul li:first-child a").await;
            let link = browser.property(".mail-head a.btn-main", "href").await;
            return link.as_str().unwrap().to_owned();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("no link came to {email}");
}
