//! Invitations: from whoever invites to the mail, and from the mail to an account that is in use.

use std::time::Duration;

use e2e::{Answer, Browser, Database, Look, MailServer, PASSWORD, Setup, TestApp, User, on_both, token_in};
use reqwest::Method;
use serde_json::{Value, json};

use crate::mail::with_mail;

const NOOR: &str = "noor@haddad.example";

async fn invite(app: &TestApp, by: &User, body: Value) -> Value {
    app.logs.never(NOOR);
    by.post("/api/v1/users/invitations", body).await.is(201).json()
}

async fn accept(app: &TestApp, token: &str) -> Answer {
    app.post("/api/v1/auth/accept-invitation", json!({"token": token, "password": PASSWORD})).await
}

/// The token of the invitation of an account, as an operator is shown it.
async fn token_of(app: &TestApp, email: &str) -> String {
    let shown: Value = serde_json::from_str(&app.cli_ok(&["users", "invite", email, "--json"]).await).unwrap();
    let link = shown["link"].as_str().unwrap();
    link.split_once("?token=").unwrap().1.to_owned()
}

/// Somebody whose role has these permissions.
async fn officer(app: &TestApp, root: &User, name: &str, permissions: &[&str]) -> User {
    let somebody = app.user(name).await;
    root.makes_role(name, permissions).await;
    let path = format!("/api/v1/users/{}/roles", somebody.id);
    Answer::of(root.request(Method::PUT, &path).json(&json!({"roles": [name]}))).await.is(200);
    app.again(&somebody).await
}

/// Moves every invitation, and what else was made then, into the past. The program is stopped.
async fn let_pass(app: &TestApp, seconds: i64) {
    let sql = match app.database {
        Database::Sqlite => format!("UPDATE links SET expires_at = expires_at - {}", seconds * 1_000_000),
        Database::Postgres => format!("UPDATE links SET expires_at = expires_at - INTERVAL '{seconds} seconds'"),
    };
    assert!(app.look().await.execute(&sql).await > 0);
}

on_both! {
    async fn somebody_is_invited_by_mail_chooses_a_password_and_is_signed_in(setup: Setup) {
        let server = MailServer::start().await;
        let app = with_mail(setup, &server).start().await;
        let root = User::administrator(&app, "root").await;
        let body = json!({"email": NOOR, "name": "Noor Haddad", "locale": "de", "roles": ["support"]});
        let invited = invite(&app, &root, body).await;
        assert_eq!((&invited["user"]["email"], &invited["user"]["email_verified"]), (&NOOR.into(), &false.into()));
        assert_eq!(invited["user"]["roles"], json!(["support", "user"]));
        let mail = server.wait_for(NOOR, 1).await.remove(0);
        assert_eq!(mail.header("Content-Language").unwrap(), "de");
        assert!(mail.text().contains(&format!("{}/invitation?token=", app.url)), "{}", mail.text());
        let token = token_in(&mail.text());
        app.logs.never(&token);

        // Nobody gets in before, by any other way.
        app.login(NOOR, PASSWORD).await.is_problem(401, "invalid_credentials");
        let weak = app.post("/api/v1/auth/accept-invitation", json!({"token": token, "password": "noor haddad"})).await;
        weak.is_problem(422, "weak_password");

        let accepted = accept(&app, &token).await.is(200);
        let noor = User::from_answer(&app, NOOR, PASSWORD, &accepted);
        let user = noor.get("/api/v1/users/me").await.is(200).json();
        assert_eq!((&user["email_verified"], &user["name"]), (&true.into(), &"Noor Haddad".into()));
        assert_eq!(noor.get("/api/v1/auth/me").await.json()["amr"], json!(["pwd"]));
        app.login(NOOR, PASSWORD).await.is(200);
        // What was accepted is told by no other mail, and who invited stands in the history.
        assert_eq!(server.mails_to(NOOR).len(), 1);
        app.settle().await;
        let history = root.get(&format!("/api/v1/users/{}/history", noor.id)).await.is(200).json();
        let kinds: Vec<&str> = history["items"].as_array().unwrap().iter().filter_map(|item| item["kind"].as_str()).collect();
        assert!(kinds.ends_with(&["invitation.accepted", "account.created"]), "{kinds:?}");
        assert_eq!(history["items"].as_array().unwrap().last().unwrap()["actor"], root.id.as_str());
    }

    async fn t2_an_invitation_is_accepted_once_by_a_hundred_at_once_and_after_a_restart(app: TestApp) {
        let root = User::administrator(&app, "root").await;
        invite(&app, &root, json!({"email": NOOR})).await;
        let token = token_of(&app, NOOR).await;
        let tries: Vec<_> = (0..100)
            .map(|number| {
                let body = json!({"token": token, "password": format!("{PASSWORD} {number}")});
                let request = app.request(Method::POST, "/api/v1/auth/accept-invitation").json(&body);
                tokio::spawn(async move { Answer::of(request).await.status })
            })
            .collect();
        let mut accepted = 0;
        for one in tries {
            match one.await.unwrap() {
                200 => accepted += 1,
                // A full queue is answered 503, as api.md says.
                400 | 503 => {}
                other => panic!("{other}"),
            }
        }
        assert_eq!(accepted, 1);
        app.restart().await;
        accept(&app, &token).await.is_problem(400, "invalid_token");
        app.settle().await;
        let view = &mut app.look().await;
        assert_eq!(view.texts("SELECT kind FROM ledger WHERE kind = 'invitation.accepted'").await.len(), 1);
        assert_eq!(view.texts("SELECT CAST(version AS TEXT) FROM passwords").await.len(), 2);
    }

    async fn t3_an_invitation_works_for_seven_days_and_not_a_second_longer(app: TestApp) {
        let root = User::administrator(&app, "root").await;
        let invited = invite(&app, &root, json!({"email": NOOR})).await;
        let moment = |field: &Value| time::OffsetDateTime::parse(field.as_str().unwrap(), &time::format_description::well_known::Rfc3339).unwrap();
        let invitation = &invited["invitation"];
        assert_eq!(moment(&invitation["expires_at"]) - moment(&invitation["sent_at"]), time::Duration::days(7));
        let token = token_of(&app, NOOR).await;
        app.kill9();
        // Ten minutes are left: enough for this test.
        let_pass(&app, 7 * 86_400 - 600).await;
        app.start().await;
        app.get(&format!("/invitation?token={token}")).await.is(303);
        app.kill9();
        let_pass(&app, 601).await;
        app.start().await;
        accept(&app, &token).await.is_problem(400, "invalid_token");
        app.get(&format!("/invitation?token={token}")).await.is(410);
        // It can be sent again.
        let id = invited["user"]["id"].as_str().unwrap();
        root.get(&format!("/api/v1/users/{id}/invitation")).await.is(404);
        root.post(&format!("/api/v1/users/{id}/invitation"), Value::Null).await.is(200);
        let token = token_of(&app, NOOR).await;
        accept(&app, &token).await.is(200);
    }

    async fn t2_only_the_newest_invitation_works_and_none_that_was_withdrawn(app: TestApp) {
        let root = User::administrator(&app, "root").await;
        let invited = invite(&app, &root, json!({"email": NOOR})).await;
        let id = invited["user"]["id"].as_str().unwrap();
        let first = token_of(&app, NOOR).await;
        let second = token_of(&app, NOOR).await;
        accept(&app, &first).await.is_problem(400, "invalid_token");
        root.delete(&format!("/api/v1/users/{id}/invitation")).await.is(204);
        accept(&app, &second).await.is_problem(400, "invalid_token");
        app.login(NOOR, PASSWORD).await.is_problem(401, "invalid_credentials");
        let gone = root.get(&format!("/api/v1/users/{id}")).await.is(200).json();
        assert_eq!(gone["status"], "deleted");
        root.delete(&format!("/api/v1/users/{id}/invitation")).await.is_problem(409, "not_invited");
        root.post(&format!("/api/v1/users/{id}/invitation"), Value::Null).await.is_problem(409, "not_invited");
        // Who comes back is not let in by an old link, and can be invited again.
        root.post(&format!("/api/v1/users/{id}/restore"), Value::Null).await.is(204);
        accept(&app, &second).await.is_problem(400, "invalid_token");
        root.post(&format!("/api/v1/users/{id}/invitation"), Value::Null).await.is(200);
        let third = token_of(&app, NOOR).await;
        accept(&app, &third).await.is(200);
        for call in [Method::POST, Method::DELETE] {
            let path = format!("/api/v1/users/{id}/invitation");
            Answer::of(root.request(call, &path)).await.is_problem(409, "not_invited");
        }
    }

    async fn t10_who_may_not_use_the_account_is_not_let_in_by_an_invitation(app: TestApp) {
        let root = User::administrator(&app, "root").await;
        for (number, words) in [["ban", "unban"], ["delete", "restore"]].into_iter().enumerate() {
            let email = format!("noor{number}@haddad.example");
            root.post("/api/v1/users/invitations", json!({"email": email})).await.is(201);
            let token = token_of(&app, &email).await;
            app.cli_ok(&["users", words[0], &email]).await;
            accept(&app, &token).await.is_problem(400, "invalid_token");
            app.get(&format!("/invitation?token={token}")).await.is(410);
            app.cli_ok(&["users", words[1], &email]).await;
            accept(&app, &token).await.is(200);
        }
        let email = "erased@haddad.example";
        root.post("/api/v1/users/invitations", json!({"email": email})).await.is(201);
        let token = token_of(&app, email).await;
        app.cli_ok(&["users", "erase", email, "--confirm", email]).await;
        accept(&app, &token).await.is_problem(400, "invalid_token");
        for none in ["", "x", &token[1..], &"A".repeat(64), &"A".repeat(5_000)] {
            accept(&app, none).await.is_problem(400, "invalid_token");
        }
    }

    async fn z3_nobody_invites_with_roles_that_they_lack(app: TestApp) {
        let root = User::administrator(&app, "root").await;
        root.makes_role("vip", &[]).await;
        let writer = officer(&app, &root, "writer", &["users:write"]).await;
        let granter = officer(&app, &root, "granter", &["users:write", "roles:grant", "users:read"]).await;
        let ask = async |by: &User, roles: Value| {
            by.post("/api/v1/users/invitations", json!({"email": NOOR, "roles": roles})).await
        };
        for roles in [json!(["admin"]), json!(["support"]), json!(["vip"]), json!(["granter", "admin"])] {
            ask(&granter, roles.clone()).await.is_problem(403, "forbidden");
            ask(&writer, roles).await.is_problem(403, "forbidden");
        }
        ask(&granter, json!(["no-such-role"])).await.is_problem(422, "unknown_role");
        let none = "SELECT email FROM users WHERE email LIKE 'noor%'";
        assert_eq!(app.look().await.texts(none).await, Vec::<String>::new());
        ask(&granter, json!(["granter"])).await.is(201);
        // Nor does anybody send the invitation of somebody who has more, or take it back.
        let above = root.post("/api/v1/users/invitations", json!({"email": "above@haddad.example", "roles": ["admin"]})).await;
        let above = above.is(201).json()["user"]["id"].as_str().unwrap().to_owned();
        for (by, call) in [(&writer, Method::POST), (&granter, Method::POST), (&granter, Method::DELETE)] {
            Answer::of(by.request(call, &format!("/api/v1/users/{above}/invitation"))).await.is_problem(403, "forbidden");
        }
        // To delete is another permission than to invite.
        let id = root.get("/api/v1/users?q=noor").await.is(200).json()["items"][0]["id"].as_str().unwrap().to_owned();
        writer.delete(&format!("/api/v1/users/{id}/invitation")).await.is_problem(403, "forbidden");
        // What a role comes to when somebody accepts is what it comes to then, and no more.
        let token = token_of(&app, NOOR).await;
        let noor = User::from_answer(&app, NOOR, PASSWORD, &accept(&app, &token).await.is(200));
        noor.post("/api/v1/roles", json!({"name": "more", "permissions": ["*"]})).await.is_problem(403, "forbidden");
    }

    async fn l11_invitations_to_one_address_are_few_an_hour(app: TestApp) {
        let root = User::administrator(&app, "root").await;
        let invited = invite(&app, &root, json!({"email": NOOR})).await;
        let path = format!("/api/v1/users/{}/invitation", invited["user"]["id"].as_str().unwrap());
        for _ in 0..4 {
            root.post(&path, Value::Null).await.is(200);
        }
        root.post(&path, Value::Null).await.is_problem(429, "too_many_attempts");
        root.get(&path).await.is(200);
    }

    async fn an_account_that_was_made_before_can_be_invited_and_one_in_use_cannot(app: TestApp) {
        let root = User::administrator(&app, "root").await;
        let made = root.post("/api/v1/users", json!({"email": NOOR})).await.is(201).json();
        let path = format!("/api/v1/users/{}/invitation", made["id"].as_str().unwrap());
        root.get(&path).await.is_problem(404, "not_found");
        // Nobody was invited yet: there is nothing to withdraw.
        root.delete(&path).await.is_problem(409, "not_invited");
        root.post(&path, Value::Null).await.is(200);
        root.get(&path).await.is(200);
        let ann = app.user("ann").await;
        let hers = format!("/api/v1/users/{}/invitation", ann.id);
        root.post(&hers, Value::Null).await.is_problem(409, "not_invited");
        root.delete(&hers).await.is_problem(409, "not_invited");
        assert!(ann.is_signed_in().await);
        root.post("/api/v1/users/invitations", json!({"email": "ANN@example.com"})).await.is_problem(409, "email_taken");
        let shown = app.cli_ok(&["users", "withdraw", NOOR]).await;
        assert!(shown.contains("withdrawn"), "{shown}");
        root.get(&path).await.is(404);
    }
}

/// From the console to the mail and from the mail into the account, with and without scripts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t8_an_invitation_in_a_browser_changes_nothing_until_its_button_is_pressed() {
    let app = Setup::new(Database::Sqlite).start().await;
    let root = User::administrator(&app, "root").await;
    let name = json!({"name": "Root Adler"});
    root.patch("/api/v1/users/me", name).await.is(200);
    for (look, email) in [(Look::SCRIPTED, NOOR), (Look::PHONE, "ada@haddad.example")] {
        let browser = Browser::start(look).await;
        crate::pages::sign_in(&browser, &app, &root.email, PASSWORD).await;
        browser.open(&format!("{}/admin/users/new", app.url)).await;
        browser.fill("#email", email).await;
        browser.fill("#name", "Noor <b>Haddad</b>").await;
        browser.submit("main form .btn-main").await;
        assert!(browser.address().await.ends_with("?done=invited"), "{}", browser.address().await);
        let person = browser.address().await.replace("?done=invited", "");
        assert!(browser.text(".pass-stub").await.contains("Invited"));
        browser.open(&format!("{person}/security")).await;
        browser.assert_accessible("the security of somebody who is invited").await;
        browser.screenshot(&format!("user-invited-{}", look.width)).await;
        assert!(browser.text("main").await.contains("They are invited to choose one, until"));

        let guest = Browser::start(look).await;
        open_the_mail(&guest, &app, email).await;
        assert_eq!(guest.address().await, format!("{}/invitation", app.url), "the token is not in the address");
        let shown = guest.text("main").await;
        assert!(
            shown.contains("Root Adler made an account for you") && shown.contains("Hello Noor <b>Haddad</b>."),
            "{shown}"
        );
        guest.assert_accessible("an invitation").await;
        guest.screenshot(&format!("invitation-{}", look.width)).await;
        // A mail filter that opens it as often as it likes, and a preview, change nothing.
        for _ in 0..3 {
            guest.open(&format!("{}/invitation", app.url)).await;
        }
        app.login(email, PASSWORD).await.is(401);
        guest.script("document.querySelector('#password').required = false").await;
        guest.submit("main form button[type=submit]").await;
        assert!(guest.title().await.starts_with("Error: "), "{}", guest.title().await);
        guest.assert_accessible("an invitation without a password").await;
        guest.fill("#password", PASSWORD).await;
        guest.submit("main form button[type=submit]").await;
        assert_eq!(guest.address().await, format!("{}/account", app.url));
        assert!(guest.cookies().await.iter().all(|cookie| cookie["name"] != "usher_link"), "the link is used");
        guest.open(&format!("{}/invitation", app.url)).await;
        assert!(guest.text("main").await.contains("This link no longer works"));
        browser.open(&format!("{person}/security")).await;
        assert!(!browser.text("main").await.contains("They are invited"));
        guest.assert_quiet().await;
    }
}

/// Opens the newest mail to somebody in the development inbox, and the link in it.
async fn open_the_mail(browser: &Browser, app: &TestApp, email: &str) {
    for _ in 0..200 {
        browser.open(&format!("{}/dev/inbox", app.url)).await;
        if browser.text("ul").await.contains(email) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let first = browser.text("ul li:first-child").await;
    assert!(first.contains(email) && first.contains("invited"), "{first}");
    browser.submit("ul li:first-child a").await;
    browser.screenshot("mail-invitation").await;
    browser.submit(".mail-head a.btn-main").await;
}
