//! What api.md promises for each call of sign-up, sign-in and sessions.

use e2e::{PASSWORD, TestApp, User, on_both};
use serde_json::{Value, json};

/// The members of an object, sorted.
fn members(value: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

const SIGNED_IN: [&str; 7] =
    ["access_token", "expires_in", "refresh_expires_in", "refresh_token", "session_id", "token_type", "user"];

fn assert_signed_in(body: &Value) {
    assert_eq!(members(body), SIGNED_IN);
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["expires_in"], 900);
    assert_eq!(body["refresh_expires_in"], 604_800);
}

on_both! {
    async fn register_signs_in(app: TestApp) {
        let body = json!({"email": "Ann.Lee@Example.com", "password": PASSWORD, "name": "Ann Lee", "locale": "en"});
        let answer = app.post("/api/v1/auth/register", body).await.is(201);
        assert_eq!(answer.header("cache-control"), "no-store");
        let body = answer.json();
        assert_signed_in(&body);
        let user = &body["user"];
        assert_eq!(user["email"], "Ann.Lee@Example.com");
        assert_eq!(user["name"], "Ann Lee");
        assert_eq!(user["locale"], "en");
        assert_eq!(user["email_verified"], false);
        assert_eq!(user["status"], "active");
        assert_eq!(user["roles"], json!(["user"]));
        assert!(!answer.body.contains("hash"), "{}", answer.body);
        let ann = User::from_answer(&app, "Ann.Lee@Example.com", PASSWORD, &answer);
        assert!(ann.is_signed_in().await);
    }

    async fn register_refuses_a_taken_address(app: TestApp) {
        app.user("ann").await;
        app.register("ANN@example.com", "another good long phrase 7").await.is_problem(409, "email_taken");
        app.login("ann@example.com", PASSWORD).await.is(200);
    }

    async fn register_refuses_a_weak_password_and_says_why(app: TestApp) {
        for weak in ["iloveyou1", "short1", "aaaaaaaaaaaa"] {
            let answer = app.register("ann@example.com", weak).await.is_problem(422, "weak_password");
            let error = &answer.json()["errors"][0];
            assert_eq!(error["field"], "password");
            assert!(!error["message"].as_str().unwrap().is_empty());
            assert!(!answer.body.contains(weak), "the password came back: {}", answer.body);
        }
        app.register("ann@example.com", PASSWORD).await.is(201);
    }

    async fn register_refuses_what_is_no_address(app: TestApp) {
        for wrong in ["", "ann", "ann@", "@example.com", "a b@example.com", "ann@localhost"] {
            let answer = app.register(wrong, PASSWORD).await.is(422);
            assert_eq!(answer.json()["errors"][0]["field"], "email", "{wrong}: {}", answer.body);
        }
    }

    async fn login_signs_in(app: TestApp) {
        let ann = app.user("ann").await;
        let body = json!({"email": "ann@example.com", "password": PASSWORD, "device_name": "Ann's phone"});
        let answer = app.post("/api/v1/auth/login", body).await.is(200);
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_signed_in(&answer.json());
        let phone = User::from_answer(&app, &ann.email, PASSWORD, &answer);
        assert_eq!(phone.id, ann.id);
        assert_ne!(phone.session, ann.session);
        assert!(answer.json()["user"]["last_login_at"].is_string());
        let sessions = phone.get("/api/v1/auth/sessions").await.is(200).json();
        assert!(sessions["items"].as_array().unwrap().iter().any(|one| one["device_name"] == "Ann's phone"));
    }

    async fn login_refuses_a_wrong_password(app: TestApp) {
        app.user("ann").await;
        app.login("ann@example.com", "not the password 12").await.is_problem(401, "invalid_credentials");
        app.login("nobody@example.com", PASSWORD).await.is_problem(401, "invalid_credentials");
    }

    async fn refresh_gives_the_next_pair(app: TestApp) {
        let ann = app.user("ann").await;
        let answer = ann.refresh().await.is(200);
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_signed_in(&answer.json());
        let next = User::from_answer(&app, &ann.email, PASSWORD, &answer);
        assert_eq!(next.session, ann.session);
        assert_ne!(next.refresh_token, ann.refresh_token);
        assert_ne!(next.access_token, ann.access_token);
        assert!(next.is_signed_in().await);
        for wrong in ["", "x", "not-a-token", &ann.access_token] {
            let body = json!({"refresh_token": wrong});
            app.post("/api/v1/auth/refresh", body).await.is_problem(401, "invalid_refresh_token");
        }
    }

    async fn logout_ends_the_session(app: TestApp) {
        let ann = app.user("ann").await;
        let other = app.again(&ann).await;
        let answer = ann.logout().await.is(204);
        assert_eq!(answer.body, "");
        ann.get("/api/v1/auth/me").await.is_problem(401, "unauthenticated");
        assert!(other.is_signed_in().await);
    }

    async fn me_is_the_view_of_the_token(app: TestApp) {
        let ann = app.user("ann").await;
        let me = ann.get("/api/v1/auth/me").await.is(200).json();
        assert_eq!(members(&me), ["amr", "auth_time", "expires_at", "roles", "scope", "session_id", "user_id"]);
        assert_eq!(me["user_id"], ann.id);
        assert_eq!(me["session_id"], ann.session);
        assert_eq!(me["amr"], json!(["pwd"]));
        assert!(me["expires_at"].as_str().unwrap().ends_with('Z'));
        let anonymous = app.get("/api/v1/auth/me").await.is_problem(401, "unauthenticated");
        assert!(anonymous.header("www-authenticate").starts_with("Bearer"), "RFC 6750 §3");
    }

    async fn sessions_are_listed_and_ended(app: TestApp) {
        let ann = app.user("ann").await;
        let (phone, tablet) = (app.again(&ann).await, app.again(&ann).await);
        let list = ann.get("/api/v1/auth/sessions").await.is(200).json();
        assert_eq!(members(&list), ["items", "next"]);
        assert_eq!(list["next"], Value::Null);
        let items = list["items"].as_array().unwrap();
        assert_eq!(items.len(), 3);
        for item in items {
            assert_eq!(members(item), [
                "created_at", "current", "device_name", "id", "ip", "last_seen_at", "user_agent"
            ]);
            assert_eq!(item["current"], item["id"] == ann.session.as_str());
            assert_eq!(item["ip"], "127.0.0.1");
        }
        let page = ann.get("/api/v1/auth/sessions?limit=2").await.is(200).json();
        assert_eq!(page["items"].as_array().unwrap().len(), 2);
        let rest = ann.get(&format!("/api/v1/auth/sessions?limit=2&cursor={}", page["next"].as_str().unwrap())).await;
        assert_eq!(rest.is(200).json()["items"].as_array().unwrap().len(), 1);

        ann.delete(&format!("/api/v1/auth/sessions/{}", phone.session)).await.is(204);
        assert!(!phone.is_signed_in().await);
        phone.refresh().await.is_problem(401, "invalid_refresh_token");
        assert!(tablet.is_signed_in().await);

        ann.delete("/api/v1/auth/sessions").await.is(204);
        assert!(!tablet.is_signed_in().await);
        tablet.refresh().await.is_problem(401, "invalid_refresh_token");
        assert!(ann.is_signed_in().await);
    }

    async fn nobody_ends_the_session_of_another(app: TestApp) {
        let (ann, bob) = (app.user("ann").await, app.user("bob").await);
        bob.delete(&format!("/api/v1/auth/sessions/{}", ann.session)).await.is_problem(404, "not_found");
        bob.delete("/api/v1/auth/sessions/not-an-id").await.is(404);
        assert!(ann.is_signed_in().await);
    }

    async fn p13_change_password_needs_the_current_one_and_ends_other_sessions(app: TestApp) {
        let ann = app.user("ann").await;
        let phone = app.again(&ann).await;
        let change = |current: &str, new: &str| json!({"current_password": current, "new_password": new});
        let path = "/api/v1/auth/change-password";
        let new = "nine dry herons paint 52 doors";
        app.logs.never(new);

        ann.post(path, change("not the current one 1", new)).await.is_problem(422, "wrong_password");
        ann.post(path, change(PASSWORD, "password")).await.is_problem(422, "weak_password");
        assert!(phone.is_signed_in().await);
        app.login(&ann.email, PASSWORD).await.is(200);

        ann.post(path, change(PASSWORD, new)).await.is(204);
        assert!(ann.is_signed_in().await, "the session that changed it goes on");
        assert!(!phone.is_signed_in().await);
        phone.refresh().await.is_problem(401, "invalid_refresh_token");
        ann.refresh().await.is(200);
        app.login(&ann.email, PASSWORD).await.is_problem(401, "invalid_credentials");
        app.login(&ann.email, new).await.is(200);
    }

    async fn every_answer_has_a_request_id(app: TestApp) {
        let mut seen = std::collections::BTreeSet::new();
        for path in ["/health/live", "/api/v1/auth/me", "/nowhere", "/.well-known/jwks.json", "/sign-in"] {
            let answer = app.get(path).await;
            assert!(answer.header("x-request-id").len() >= 12, "{path}");
            assert!(seen.insert(answer.header("x-request-id").to_owned()), "{path}");
        }
        // Without a token nobody learns which calls there are.
        app.get("/api/v1/nowhere").await.is_problem(401, "unauthenticated");
        app.user("ann").await.get("/api/v1/nowhere").await.is_problem(404, "not_found");
    }
}
