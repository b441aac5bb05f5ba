//! S3, S4 and S5 of assurance.md, over the API: what administrators do, and what is left of somebody's
//! tokens afterwards.

use std::time::Duration;

use e2e::{Answer, Database, PASSWORD, PATIENCE, TestApp, User, on_both};
use reqwest::Method;
use reqwest::header::{COOKIE, SET_COOKIE};
use serde_json::{Value, json};

async fn ask(by: &User, method: Method, path: &str, body: Value) -> Answer {
    let request = by.request(method, path);
    Answer::of(if body.is_null() { request } else { request.json(&body) }).await
}

fn path(user: &User, call: &str) -> String {
    format!("/api/v1/users/{}{call}", user.id)
}

async fn ban(by: &User, user: &User) -> Answer {
    by.post(&path(user, "/ban"), json!({"reason": "Spam, twice"})).await
}

/// Neither the token nor the session is worth anything any more.
async fn assert_dead(user: &User) {
    user.get("/api/v1/auth/me").await.is_problem(401, "unauthenticated");
    user.get("/api/v1/users/me").await.is_problem(401, "unauthenticated");
    user.get("/api/v1/auth/sessions").await.is_problem(401, "unauthenticated");
    user.refresh().await.is_problem(401, "invalid_refresh_token");
}

/// The cookies of a browser that signs in.
pub(crate) async fn cookies(app: &TestApp, user: &User) -> String {
    let page = app.get("/sign-in").await.is(200);
    let pairs = |answer: &Answer| {
        let set = answer.headers.get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
        set.filter_map(|cookie| cookie.split(';').next()).collect::<Vec<&str>>().join("; ")
    };
    let csrf = page.body.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let form = [("csrf", csrf.as_str()), ("email", &user.email), ("password", &user.password)];
    let request = app.request(Method::POST, "/sign-in").header(COOKIE, pairs(&page)).header("origin", &app.url);
    let answer = Answer::of(request.form(&form)).await.is(303);
    pairs(&answer)
}

async fn opens_account(app: &TestApp, cookies: &str) -> bool {
    Answer::of(app.request(Method::GET, "/account").header(COOKIE, cookies)).await.status == 200
}

/// The events of these kinds, as the ledger has them.
async fn events(app: &TestApp, kind: &str) -> Vec<Value> {
    app.settle().await;
    let mut view = app.look().await;
    let texts = view.texts("SELECT CAST(body AS TEXT) FROM ledger ORDER BY idx").await;
    let all = texts.iter().map(|text| serde_json::from_str::<Value>(text).unwrap());
    all.filter(|event| event["kind"] == kind).collect()
}

/// The moment so many seconds from now, as RFC 3339. The clock is the database's.
async fn moment(app: &TestApp, seconds: i64) -> String {
    let sql = match app.database {
        Database::Sqlite => format!("SELECT strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '{seconds} seconds')"),
        Database::Postgres => format!(
            "SELECT to_char((now() + interval '{seconds} seconds') AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"
        ),
    };
    app.look().await.texts(&sql).await.remove(0)
}

on_both! {
    async fn s4_a_banned_account_gets_no_token_by_any_grant(app: TestApp) {
        let root = User::administrator(&app, "root").await;
        let ann = app.user("ann").await;
        let (phone, bob) = (app.again(&ann).await, app.user("bob").await);
        let browser = cookies(&app, &ann).await;
        assert!(opens_account(&app, &browser).await);

        let answer = ban(&root, &ann).await.is(204);
        assert_eq!(answer.body, "");
        for user in [&ann, &phone] {
            assert_dead(user).await;
        }
        assert!(!opens_account(&app, &browser).await);
        app.login(&ann.email, PASSWORD).await.is_problem(401, "invalid_credentials");
        assert!(bob.is_signed_in().await && root.is_signed_in().await);
        assert_eq!(root.get(&path(&ann, "")).await.is(200).json()["status"], "suspended");
        ban(&root, &ann).await.is_problem(409, "wrong_status");

        app.restart().await;
        assert_dead(&ann).await;
        root.post(&path(&ann, "/unban"), Value::Null).await.is(204);
        assert_dead(&phone).await;
        assert!(!opens_account(&app, &browser).await, "what was ended stays ended");
        assert!(app.again(&ann).await.is_signed_in().await);

        let suspended = events(&app, "account.suspended").await;
        assert_eq!(suspended.len(), 1);
        assert_eq!(suspended[0]["actor"], root.id.as_str());
        assert_eq!(suspended[0]["subject"], ann.id.as_str());
        assert_eq!(suspended[0]["data"]["reason"], "Spam, twice");
    }

    async fn s4_a_deleted_account_gets_no_token_until_it_is_restored(app: TestApp) {
        let root = User::administrator(&app, "root").await;
        let ann = app.user("ann").await;
        let browser = cookies(&app, &ann).await;
        root.delete(&path(&ann, "")).await.is(204);
        assert_dead(&ann).await;
        assert!(!opens_account(&app, &browser).await);
        app.login(&ann.email, PASSWORD).await.is_problem(401, "invalid_credentials");
        root.delete(&path(&ann, "")).await.is_problem(409, "wrong_status");
        ban(&root, &ann).await.is_problem(409, "wrong_status");
        root.post(&path(&ann, "/restore"), Value::Null).await.is(204);
        assert_dead(&ann).await;
        assert!(app.again(&ann).await.is_signed_in().await);
    }

    async fn s4_a_locked_account_gets_no_new_session(app: TestApp) {
        let ann = app.user("ann").await;
        for _ in 0..5 {
            app.login(&ann.email, "not the password 12").await.is_problem(401, "invalid_credentials");
        }
        app.login(&ann.email, PASSWORD).await.is_problem(401, "invalid_credentials");
        // A stranger can bring this about, so it must not sign the owner out.
        assert!(ann.refreshed(&app).await.is_signed_in().await);
    }

    async fn s4_refreshes_and_sign_ins_beside_a_ban_leave_nothing_that_works(app: TestApp) {
        let root = User::administrator(&app, "root").await;
        let ann = app.user("ann").await;
        let busy = (0..4).map(|_| {
            let (client, url) = (app.client(), app.url.clone());
            let (email, mut refresh) = (ann.email.clone(), ann.refresh_token.clone());
            tokio::spawn(async move {
                let mut tokens = Vec::new();
                for round in 0..60 {
                    let (call, body) = if round % 3 == 0 {
                        ("login", json!({"email": email, "password": PASSWORD}))
                    } else {
                        ("refresh", json!({"refresh_token": refresh}))
                    };
                    let answer = Answer::of(client.post(format!("{url}/api/v1/auth/{call}")).json(&body)).await;
                    if answer.status == 200 {
                        let pair = answer.json();
                        pair["refresh_token"].as_str().unwrap().clone_into(&mut refresh);
                        tokens.push((pair["access_token"].as_str().unwrap().to_owned(), refresh.clone()));
                    }
                }
                tokens
            })
        });
        let busy = busy.collect::<Vec<_>>();
        tokio::time::sleep(Duration::from_millis(150)).await;
        ban(&root, &ann).await.is(204);
        for one in busy {
            for (access_token, refresh_token) in one.await.unwrap() {
                assert_dead(&ann.with_tokens(access_token, refresh_token)).await;
            }
        }
    }

    async fn s3_s5_an_administrator_signs_somebody_out_everywhere(app: TestApp) {
        let root = User::administrator(&app, "root").await;
        let ann = app.user("ann").await;
        let phone = app.again(&ann).await;
        let browser = cookies(&app, &ann).await;
        root.post(&path(&ann, "/sign-out"), Value::Null).await.is(204);
        for user in [&ann, &phone] {
            assert_dead(user).await;
        }
        assert!(!opens_account(&app, &browser).await);
        app.restart().await;
        assert_dead(&ann).await;
        let again = app.again(&ann).await;
        assert!(again.is_signed_in().await, "the account is as it was");
        let sessions = again.get("/api/v1/auth/sessions").await.is(200).json();
        assert_eq!(sessions["items"].as_array().unwrap().len(), 1, "those that were ended are not listed");
        let signed_out = events(&app, "account.signed_out").await;
        assert_eq!(signed_out[0]["actor"], root.id.as_str());
    }

    async fn other_roles_count_from_the_next_request(app: TestApp) {
        let root = User::administrator(&app, "root").await;
        let ann = app.user("ann").await;
        let roles = |names: &[&str]| json!({"roles": names});
        ban(&ann, &root).await.is_problem(403, "forbidden");
        let made = ask(&root, Method::PUT, &path(&ann, "/roles"), roles(&["admin"])).await.is(200).json();
        assert_eq!(made["roles"], json!(["admin", "user"]));
        ann.get("/api/v1/auth/me").await.is_problem(401, "unauthenticated");
        let ann = ann.refreshed(&app).await;
        assert_eq!(ann.get("/api/v1/auth/me").await.is(200).json()["roles"], json!(["admin", "user"]));
        let bob = app.user("bob").await;
        ban(&ann, &bob).await.is(204);

        let (version, stale) = (made["version"].as_i64().unwrap(), "\"1\"");
        let put = |expected: String| {
            let request = root.request(Method::PUT, &path(&ann, "/roles")).header("if-match", expected);
            Answer::of(request.json(&roles(&[])))
        };
        put(stale.to_owned()).await.is_problem(412, "stale");
        put(format!("\"{version}\"")).await.is(200);
        ann.post(&path(&bob, "/unban"), Value::Null).await.is_problem(401, "unauthenticated");
        let ann = ann.refreshed(&app).await;
        ann.post(&path(&bob, "/unban"), Value::Null).await.is_problem(403, "forbidden");

        let changed = events(&app, "account.roles_changed").await;
        assert_eq!(changed.len(), 2);
        assert_eq!(changed[1]["data"], json!({"before": ["admin", "user"], "after": ["user"]}));
        assert_eq!(changed[1]["actor"], root.id.as_str());
    }

    async fn administrators_cannot_lock_everybody_out(app: TestApp) {
        let root = User::administrator(&app, "root").await;
        ban(&root, &root).await.is_problem(409, "last_administrator");
        root.delete(&path(&root, "")).await.is_problem(409, "last_administrator");
        let resign = json!({"roles": ["user"]});
        ask(&root, Method::PUT, &path(&root, "/roles"), resign.clone()).await.is_problem(409, "last_administrator");
        assert!(root.is_signed_in().await);
        let second = User::administrator(&app, "second").await;
        ban(&root, &root).await.is_problem(409, "own_account");
        root.delete(&path(&root, "")).await.is_problem(409, "own_account");

        let tries = (0..50).map(|number| {
            let (by, target) = if number % 2 == 0 { (&root, &second) } else { (&second, &root) };
            let (by, target) = (by.clone(), target.clone());
            let resign = resign.clone();
            tokio::spawn(async move {
                match number % 3 {
                    0 => ban(&by, &target).await.status,
                    1 => by.delete(&path(&target, "")).await.status,
                    _ => ask(&by, Method::PUT, &path(&target, "/roles"), resign).await.status,
                }
            })
        });
        let mut done = 0;
        for one in tries.collect::<Vec<_>>() {
            let status = one.await.unwrap();
            // Fifty at once may also wait so long for a connection that they are sent away.
            assert!([200, 204, 401, 403, 409, 503].contains(&status), "{status}");
            done += usize::from(status < 300);
        }
        assert!(done >= 1, "one of them may go");
        let administrators = "SELECT users.email FROM users JOIN user_roles ON user_roles.user_id = users.id
             WHERE users.status = 'active' AND user_roles.role = 'admin'";
        assert_eq!(app.look().await.texts(administrators).await.len(), 1);
    }

    async fn what_is_wrong_with_a_call_is_said(app: TestApp) {
        let root = User::administrator(&app, "root").await;
        let ann = app.user("ann").await;
        for id in ["01890000-0000-7000-8000-000000000000", "not-an-id", "me"] {
            let path = |call: &str| format!("/api/v1/users/{id}{call}");
            root.post(&path("/ban"), json!({"reason": "x"})).await.is_problem(404, "not_found");
            for call in ["/unban", "/restore", "/sign-out"] {
                root.post(&path(call), Value::Null).await.is_problem(404, "not_found");
            }
            ask(&root, Method::PUT, &path("/roles"), json!({"roles": []})).await.is_problem(404, "not_found");
        }
        let (past, far) = (moment(&app, -60).await, moment(&app, 3700 * 86_400).await);
        for (body, field) in [
            (json!({"reason": ""}), "reason"),
            (json!({"reason": "é".repeat(501)}), "reason"),
            (json!({"reason": "a\nb"}), "reason"),
            (json!({"reason": "x", "until": past}), "until"),
            (json!({"reason": "x", "until": far}), "until"),
        ] {
            let answer = root.post(&path(&ann, "/ban"), body).await.is_problem(422, "invalid_input");
            assert_eq!(answer.json()["errors"][0]["field"], field, "{}", answer.body);
        }
        for until in ["tomorrow", "2026-13-01T00:00:00Z", ""] {
            let body = json!({"reason": "x", "until": until});
            root.post(&path(&ann, "/ban"), body).await.is_problem(400, "wrong_type");
        }
        root.post(&path(&ann, "/ban"), json!({})).await.is_problem(400, "missing_field");
        root.post(&path(&ann, "/ban"), json!({"reason": "x", "for": "ever"})).await.is_problem(400, "unknown_field");
        for wrong in ["Admin", "a b", "a,b", "", "ünder"] {
            let answer = ask(&root, Method::PUT, &path(&ann, "/roles"), json!({"roles": [wrong]})).await;
            assert_eq!(answer.is_problem(422, "invalid_input").json()["errors"][0]["field"], "roles", "{wrong}");
        }
        assert!(ann.is_signed_in().await, "nothing of it was done");
    }

    async fn a_ban_with_an_end_ends_by_itself(app: TestApp) {
        let root = User::administrator(&app, "root").await;
        let ann = app.user("ann").await;
        let until = moment(&app, 10).await;
        root.post(&path(&ann, "/ban"), json!({"reason": "Cool down", "until": until})).await.is(204);
        assert_dead(&ann).await;
        app.login(&ann.email, PASSWORD).await.is_problem(401, "invalid_credentials");
        let begun = std::time::Instant::now();
        while root.get(&path(&ann, "")).await.is(200).json()["status"] == "suspended" {
            assert!(begun.elapsed() < PATIENCE, "it is still not lifted");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert!(moment(&app, 0).await >= until, "it was lifted too early");
        assert_dead(&ann).await;
        app.again(&ann).await;
        assert_eq!(events(&app, "account.reinstated").await[0].get("actor"), None);
    }
}
