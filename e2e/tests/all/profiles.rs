//! Accounts and profiles: every field, its limits, and what nobody may set.

use std::time::Duration;

use e2e::{Answer, Setup, TestApp, User, on_both};
use reqwest::Method;
use serde_json::{Value, json};

const ME: &str = "/api/v1/users/me";

const ATTRIBUTES: &str = r#"
    [[users.attributes]]
    name = "team"
    type = "string"
    personal = false
    searchable = true
    write = ["self", "officers"]

    [[users.attributes]]
    name = "risk"
    type = "integer"
    read = ["officers"]
"#;

async fn put(user: &User, body: &Value) -> Answer {
    Answer::of(user.request(Method::PUT, ME).json(body)).await
}

on_both! {
    async fn a_profile_has_every_field_of_the_contract(app: TestApp) {
        let ann = app.user("ann").await;
        let exact = r#"{"theme":"dark","n":12345678901234567890.50,"deep":[[[[[[1]]]]]]}"#;
        let body = format!(
            r#"{{"name":"Ann Lee","bio":"One\ntwo","avatar_url":"https://example.com/a.png","phone_number":"+49 151 1234567",
                 "address":"Rue X 1\r\n75001 Paris","timezone":"europe/paris","locale":"PT-br","preferences":{exact}}}"#
        );
        let request = ann.request(Method::PATCH, ME).header("content-type", "application/json").body(body);
        let changed = Answer::of(request).await.is(200);
        let user = changed.json();
        for (field, value) in [
            ("name", "Ann Lee"), ("bio", "One\ntwo"), ("avatar_url", "https://example.com/a.png"),
            ("phone_number", "+491511234567"), ("address", "Rue X 1\n75001 Paris"), ("timezone", "Europe/Paris"),
            ("locale", "pt-BR"), ("status", "active"),
        ] {
            assert_eq!(user[field], value, "{field}");
        }
        assert!(changed.body.contains(&format!("\"preferences\":{exact}")), "{}", changed.body);
        let read = ann.get(ME).await.is(200);
        assert_eq!(read.body, changed.body);
        assert_eq!(read.header("etag"), format!("\"{}\"", user["version"]));
        assert_eq!(ann.refreshed(&app).await.get(ME).await.is(200).json()["phone_number"], "+491511234567");
        let signed_in = app.login(&ann.email, &ann.password).await.is(200).json();
        assert_eq!(signed_in["user"]["address"], "Rue X 1\n75001 Paris");
        // The same again is no change.
        let again = ann.patch(ME, json!({"name": "Ann Lee", "phone_number": "+491511234567"})).await.is(200);
        assert_eq!(again.json()["version"], user["version"]);
        // PUT clears what it does not name.
        let cleared = put(&ann, &json!({"name": "Ann"})).await.is(200).json();
        for field in ["bio", "phone_number", "address", "timezone", "locale"] {
            assert_eq!(cleared[field], Value::Null, "{field}");
        }
        assert_eq!(cleared["preferences"], json!({}));
    }

    async fn a_stale_change_is_refused_and_changes_nothing(app: TestApp) {
        let ann = app.user("ann").await;
        let version = ann.get(ME).await.json()["version"].clone();
        ann.patch(ME, json!({"phone_number": "+491511234567"})).await.is(200);
        for method in [Method::PUT, Method::PATCH] {
            let request = ann.request(method, ME).header("if-match", format!("\"{version}\""));
            Answer::of(request.json(&json!({"name": "Stale", "phone_number": null}))).await.is_problem(412, "stale");
        }
        assert_eq!(ann.get(ME).await.json()["phone_number"], "+491511234567");
    }

    async fn z4_nobody_sets_what_is_not_theirs_to_set(app: TestApp) {
        let ann = app.user("ann").await;
        let before = ann.get(ME).await.is(200).body;
        let stamp = "2020-01-01T00:00:00Z";
        for (field, value) in [
            ("role", json!("admin")), ("roles", json!(["admin"])), ("is_admin", json!(true)), ("tenant_id", json!("x")),
            ("email_verified", json!(true)), ("email", json!("x@example.com")), ("id", json!(ann.id)),
            ("created_at", json!(stamp)), ("password_hash", json!("x")), ("mfa_enabled", json!(false)),
            ("locked_until", json!(stamp)), ("status", json!("active")), ("version", json!(1)), ("user_id", json!(ann.id)),
            ("deleted_at", json!(null)), ("epoch", json!(9)),
        ] {
            for method in [Method::PATCH, Method::PUT] {
                let body = json!({"name": "Mallory", field: value});
                let answer = Answer::of(ann.request(method, ME).json(&body)).await;
                answer.is_problem(400, "unknown_field");
            }
        }
        assert_eq!(ann.get(ME).await.is(200).body, before);
    }

    async fn z5_who_it_is_about_never_comes_from_the_body(app: TestApp) {
        let (ann, bob) = (app.user("ann").await, app.user("bob").await);
        for name in ["userId", "user_id", "id", "sub", "actor"] {
            ann.patch(ME, json!({"name": "Mallory", name: bob.id})).await.is_problem(400, "unknown_field");
        }
        assert_eq!(bob.get(ME).await.json()["name"], Value::Null);
    }

    async fn i7_every_field_has_its_limit_and_says_so(app: TestApp) {
        let ann = app.user("ann").await;
        let mut nested = json!(1);
        for _ in 0..8 {
            nested = json!([nested]);
        }
        for (field, wrong) in [
            ("name", json!("x".repeat(101))), ("name", json!("a\u{202e}b")), ("bio", json!("x".repeat(1001))),
            ("bio", json!("a\u{1b}[31m")), ("avatar_url", json!("javascript:alert(1)")),
            ("avatar_url", json!("data:image/png;base64,AA")), ("avatar_url", json!("http://example.com/a.png")),
            ("avatar_url", json!(format!("https://example.com/{}", "a".repeat(2048)))), ("phone_number", json!("0151 1234567")),
            ("phone_number", json!("9".repeat(41))), ("address", json!("x".repeat(501))), ("timezone", json!("Mars/Olympus")),
            ("locale", json!("english")), ("preferences", json!([])), ("preferences", json!({"a": nested})),
            ("preferences", json!({"a": "x".repeat(16 * 1024)})),
        ] {
            let answer = ann.patch(ME, json!({field: wrong})).await.is_problem(422, "invalid_input");
            assert_eq!(answer.json()["errors"][0]["field"], field, "{}", answer.body);
        }
        let deep = format!("{{\"preferences\":{{\"a\":{}1{}}}}}", "[".repeat(20_000), "]".repeat(20_000));
        let request = ann.request(Method::PATCH, ME).header("content-type", "application/json").body(deep);
        let answer = Answer::of(request).await;
        assert!((400..500).contains(&answer.status), "{}", answer.status);
        assert_eq!(ann.get(ME).await.json()["version"], 1);
    }

    async fn i11_what_is_no_id_is_nobody(app: TestApp) {
        let root = User::administrator(&app, "root").await;
        for id in ["x", "..%2Fme", "1", "01890000-0000-7000-8000-00000000000g", "%00", "01890000000070008000"] {
            for (method, rest) in [(Method::GET, ""), (Method::PATCH, ""), (Method::POST, "/erase"), (Method::POST, "/unlock")] {
                let request = root.request(method.clone(), &format!("/api/v1/users/{id}{rest}")).json(&json!({}));
                let answer = Answer::of(request).await;
                assert!([400, 404].contains(&answer.status), "{method} {id}: {}", answer.status);
            }
        }
    }

    async fn the_answer_about_me_is_never_older_than_a_write_that_was_answered(app: TestApp) {
        let (root, ann) = (User::administrator(&app, "root").await, app.user("ann").await);
        let path = format!("/api/v1/users/{}", ann.id);
        for round in 0..40 {
            let (mine, theirs) = (format!("Mine {round}"), format!("Theirs {round}"));
            assert_eq!(ann.get(ME).await.is(200).status, 200);
            ann.patch(ME, json!({"name": mine})).await.is(200);
            assert_eq!(ann.get(ME).await.json()["name"], mine);
            root.patch(&path, json!({"name": theirs})).await.is(200);
            assert_eq!(ann.get(ME).await.json()["name"], theirs);
        }
    }

    async fn attributes_are_seen_and_changed_by_whom_the_configuration_says(setup: Setup) {
        let app = setup.config(ATTRIBUTES).start().await;
        let (root, ann) = (User::administrator(&app, "root").await, app.user("ann").await);
        let path = format!("/api/v1/users/{}", ann.id);
        let mine = ann.patch(ME, json!({"attributes": {"team": "Blue"}})).await.is(200).json();
        assert_eq!(mine["attributes"], json!({"team": "Blue"}));
        for (name, code) in [("risk", "unknown_attribute"), ("nothing", "unknown_attribute")] {
            let refused = ann.patch(ME, json!({"attributes": {name: 1}})).await.is_problem(422, "invalid_input");
            assert_eq!(refused.json()["errors"][0]["code"], code);
        }
        let theirs = root.patch(&path, json!({"attributes": {"risk": 7}})).await.is(200).json();
        assert_eq!(theirs["attributes"], json!({"team": "Blue", "risk": 7}));
        assert_eq!(ann.get(ME).await.json()["attributes"], json!({"team": "Blue"}));
        root.patch(&path, json!({"attributes": {"risk": "high"}})).await.is_problem(422, "invalid_input");
        // A replacement clears what its writer may write, and nothing else.
        put(&ann, &json!({})).await.is(200);
        assert_eq!(root.get(&path).await.json()["attributes"], json!({"risk": 7}));
    }

    async fn administrators_make_and_change_accounts(app: TestApp) {
        let root = User::administrator(&app, "root").await;
        let new = json!({"email": "made@example.com", "name": "Made", "email_verified": true, "phone_number": "+491511234567"});
        let made = root.post("/api/v1/users", new.clone()).await.is(201).json();
        assert_eq!((&made["email_verified"], &made["roles"]), (&json!(true), &json!(["user"])));
        assert_eq!(made["phone_number"], "+491511234567");
        root.post("/api/v1/users", new).await.is_problem(409, "email_taken");
        for word in ["password", "password_hash", "id"] {
            let body = json!({"email": "x@example.com", word: "purple lantern drifts"});
            root.post("/api/v1/users", body).await.is_problem(400, "unknown_field");
        }
        app.login("made@example.com", "purple lantern drifts").await.is_problem(401, "invalid_credentials");
        let ann = app.user("ann").await;
        let path = format!("/api/v1/users/{}", ann.id);
        root.patch(&path, json!({"email": "MADE@example.com"})).await.is_problem(409, "email_taken");
        assert!(ann.is_signed_in().await);
        let changed = root.patch(&path, json!({"email": "ann2@example.com", "email_verified": true})).await.is(200).json();
        assert_eq!((&changed["email"], &changed["email_verified"]), (&json!("ann2@example.com"), &json!(true)));
        assert!(!ann.is_signed_in().await, "whoever was signed in may not be the owner of the new address");
    }

    async fn a_support_role_makes_no_administrator_and_touches_none(app: TestApp) {
        let (root, sue) = (User::administrator(&app, "root").await, app.user("sue").await);
        let roles = Answer::of(root.request(Method::PUT, &format!("/api/v1/users/{}/roles", sue.id)).json(&json!({"roles": ["support"]})));
        roles.await.is(200);
        let sue = sue.refreshed(&app).await;
        sue.post("/api/v1/users", json!({"email": "a@example.com", "roles": ["admin"]})).await.is(403);
        sue.patch(&format!("/api/v1/users/{}", root.id), json!({"email": "mine@example.com"})).await.is(403);
        sue.post(&format!("/api/v1/users/{}/erase", root.id), Value::Null).await.is(403);
        sue.post("/api/v1/users", json!({"email": "a@example.com"})).await.is(201);
    }

    async fn whoever_leaves_is_out_at_once_and_can_be_brought_back(app: TestApp) {
        let (root, ann) = (User::administrator(&app, "root").await, app.user("ann").await);
        root.delete(ME).await.is_problem(409, "last_administrator");
        ann.delete(ME).await.is(202);
        assert!(!ann.is_signed_in().await);
        app.login(&ann.email, &ann.password).await.is(401);
        app.register(&ann.email, &ann.password).await.is(409);
        root.post(&format!("/api/v1/users/{}/restore", ann.id), Value::Null).await.is(204);
        app.again(&ann).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_process_hears_that_an_answer_is_old() {
    let app = Setup::new(e2e::Database::Postgres).start().await;
    let ann = app.user("ann").await;
    let beside = app.beside("gateway,auth,users,notify,pages,feed").await;
    let there = ann.at(&beside);
    assert_eq!(there.get(ME).await.is(200).json()["name"], Value::Null);
    ann.patch(ME, json!({"name": "Ann Lee"})).await.is(200);
    for _ in 0..100 {
        if there.get(ME).await.is(200).json()["name"] == "Ann Lee" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("after five seconds the other process still answers with the name from before");
}
