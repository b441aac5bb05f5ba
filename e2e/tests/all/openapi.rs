//! Every operation of the API is in the unauthorised test and in the event test, or the build fails.

use e2e::{Answer, PASSWORD, PushService, Setup, TestApp, User, on_both, picture};
use reqwest::Method;
use serde_json::{Value, json};

/// What anybody may call. Everything else answers 401 without a token. This list may only become shorter.
const PUBLIC: [&str; 11] = [
    "POST /api/v1/auth/register",
    "POST /api/v1/auth/login",
    "POST /api/v1/auth/refresh",
    // Whoever is invited has no password yet.
    "POST /api/v1/auth/accept-invitation",
    // Whoever signs in by mail is not signed in yet.
    "POST /api/v1/auth/magic-link",
    "POST /api/v1/auth/magic-link/confirm",
    // Whoever reads mail at the new address may not be signed in there.
    "POST /api/v1/auth/confirm-email-change",
    // Nor whoever verifies an address, or does not know their password.
    "POST /api/v1/auth/verify-email",
    "POST /api/v1/auth/verify-email/resend",
    "POST /api/v1/auth/reset-password",
    "POST /api/v1/auth/reset-password/confirm",
];

/// An id that nothing has.
const NOBODY: &str = "01890000-0000-7000-8000-000000000000";

/// Every operation that the program says it has, as `METHOD /path`.
async fn operations(app: &TestApp) -> Vec<String> {
    let document = app.get("/openapi.json").await.is(200).json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"), "{}", document["openapi"]);
    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            assert!(operation["responses"].is_object(), "{method} {path} has no answers");
            assert!(!operation["summary"].as_str().unwrap_or_default().is_empty(), "{method} {path} has no summary");
            operations.push(format!("{} {path}", method.to_uppercase()));
        }
    }
    assert!(operations.len() >= 12, "{operations:?}");
    operations
}

fn split(operation: &str) -> (Method, String) {
    let (method, path) = operation.split_once(' ').unwrap();
    let query = if path == "/api/v1/permissions/check" { "?permission=users:read" } else { "" };
    let path = path
        .replace("{id}", NOBODY)
        .replace("{stream_id}", NOBODY)
        .replace("{delivery}", NOBODY)
        .replace("{name}", "spare");
    let path = path.replace("{tint}", "1").replace("{letters}", "AO.svg");
    (method.parse().unwrap(), path + query)
}

fn is_public(operation: &str) -> bool {
    // Whoever knows the address of a picture may look at it: pages of other sites show them.
    PUBLIC.contains(&operation)
        || ["GET /.well-known/", "GET /health/", "GET /avatars/"].iter().any(|open| operation.starts_with(open))
}

/// Whether it is for services with a token of their own, which is no user's.
fn is_for_services(operation: &str) -> bool {
    operation.contains(" /api/v1/feed/") || operation.contains(" /api/v1/ssf/")
}

/// Whether only administrators may call it. What is new under an account's id is for them, unless it
/// says otherwise here.
fn is_for_administrators(operation: &str) -> bool {
    let theirs = [
        " /api/v1/users/{id}",
        " /api/v1/roles",
        " /api/v1/notifications/deliveries",
        " /api/v1/notifications/send",
        " /api/v1/webhooks",
    ];
    theirs.iter().any(|path| operation.contains(path))
        || [" /api/v1/users", " /api/v1/users/invitations"].iter().any(|path| operation.ends_with(path))
}

/// The body that a call needs, from somebody who is signed in.
fn body_of(operation: &str, user: &User) -> Value {
    match operation {
        "POST /api/v1/auth/register" => json!({"email": "new@example.com", "password": PASSWORD}),
        "POST /api/v1/auth/login" => json!({"email": user.email, "password": PASSWORD}),
        "POST /api/v1/auth/refresh" => json!({"refresh_token": user.refresh_token}),
        "POST /api/v1/auth/change-password" => {
            json!({"current_password": PASSWORD, "new_password": "nine dry herons paint 52 doors"})
        }
        "PATCH /api/v1/users/me" | "PUT /api/v1/users/me" | "PATCH /api/v1/users/{id}" => {
            json!({"name": "Somebody else"})
        }
        "POST /api/v1/users/me/email" => json!({"email": "other@example.com", "current_password": PASSWORD}),
        "POST /api/v1/auth/verify-email/resend"
        | "POST /api/v1/auth/reset-password"
        | "POST /api/v1/auth/magic-link" => json!({"email": user.email}),
        "POST /api/v1/users" => json!({"email": format!("made-{}", user.email)}),
        "POST /api/v1/users/invitations" => json!({"email": format!("invited-{}", user.email)}),
        "POST /api/v1/users/{id}/ban" => json!({"reason": "Spam"}),
        "POST /api/v1/notifications/send" => json!({"template": "news", "to": {"user": user.id}}),
        "PUT /api/v1/notifications/preferences" => json!({"categories": {"marketing": {"email": true}}}),
        "POST /api/v1/users/bulk" => long_job(),
        "PUT /api/v1/users/{id}/roles" => json!({"roles": ["player"]}),
        "POST /api/v1/roles" => json!({"name": "author", "permissions": ["quiz:author"]}),
        "PATCH /api/v1/roles/{name}" => json!({"description": "Somebody else's"}),
        "POST /api/v1/notifications/devices" => json!({"subscription": PushService::made_up().subscription()}),
        "POST /api/v1/webhooks" => json!({"name": "new", "url": "http://127.0.0.1:9/"}),
        "PATCH /api/v1/webhooks/{id}" => json!({"kinds": ["account.*"]}),
        "POST /api/v1/webhooks/{id}/rotate" => json!({}),
        _ => Value::Null,
    }
}

/// A job that takes a while and changes nobody.
fn long_job() -> Value {
    let ids: Vec<String> = (0..1_000).map(|number| format!("01890000-0000-7000-8000-{number:012x}")).collect();
    json!({"action": "sign_out", "ids": ids})
}

/// Whether it is for whoever has to do with jobs.
fn is_about_jobs(operation: &str) -> bool {
    operation == "POST /api/v1/users/bulk" || operation.contains(" /api/v1/jobs")
}

/// The job that a call is about, as far as it has to be.
async fn prepare_job(operation: &str, root: &User, target: &User) -> String {
    let body = match operation {
        "DELETE /api/v1/jobs/{id}" => long_job(),
        _ if operation.contains("/jobs/{id}") => json!({"action": "export", "ids": [target.id]}),
        _ => return String::new(),
    };
    let job = root.post("/api/v1/users/bulk", body).await.is(202).json()["id"].as_str().unwrap().to_owned();
    if operation != "DELETE /api/v1/jobs/{id}" {
        while root.get(&format!("/api/v1/jobs/{job}")).await.json()["ended_at"].is_null() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
    job
}

/// The id of the message that somebody who has just signed up is told.
async fn first_message(user: &User) -> String {
    loop {
        let inbox = user.get("/api/v1/notifications").await.is(200).json();
        if let Some(id) = inbox["items"][0]["id"].as_str() {
            return id.to_owned();
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// The webhook that a call is about, and what it was told and did not take where the call is about that too.
async fn prepare_webhook(operation: &str, root: &User, number: usize) -> (String, String) {
    // Nobody listens there.
    let body = json!({"name": format!("hook{number}"), "url": "http://127.0.0.1:9/", "kinds": ["webhook.created"]});
    let text = |value: &Value| value["id"].as_str().unwrap_or_default().to_owned();
    let webhook = text(&root.post("/api/v1/webhooks", body.clone()).await.is(201).json());
    if !operation.contains("{delivery}") {
        return (webhook, String::new());
    }
    let mut other = body;
    other["name"] = format!("other{number}").into();
    root.post("/api/v1/webhooks", other).await.is(201);
    let failed = format!("/api/v1/webhooks/{webhook}/deliveries?state=failed");
    loop {
        let found = root.get(&failed).await.is(200).json();
        if found["items"][0].is_object() {
            return (webhook, text(&found["items"][0]));
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// Waits until no job writes an event any more.
async fn jobs_are_over(app: &TestApp) {
    let mut view = app.look().await;
    while !view.texts("SELECT state FROM jobs WHERE ended_at IS NULL").await.is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// The body of a call that needs what came by mail.
async fn mailed_body(app: &TestApp, operation: &str, user: &User) -> Option<Value> {
    match operation {
        "POST /api/v1/auth/verify-email" => Some(json!({"token": app.mailed_token(&user.email, "Verify", 1).await})),
        "POST /api/v1/auth/verify-email/code" => Some(json!({"code": app.mailed_code(&user.email, 1).await})),
        "POST /api/v1/auth/magic-link/confirm" => {
            app.post("/api/v1/auth/magic-link", json!({"email": user.email})).await.is(202);
            Some(json!({"token": app.mailed_token(&user.email, "Sign in to", 1).await}))
        }
        "POST /api/v1/auth/reset-password/confirm" => {
            app.post("/api/v1/auth/reset-password", json!({"email": user.email})).await.is(202);
            let token = app.mailed_token(&user.email, "new password", 1).await;
            Some(json!({"token": token, "password": "nine dry herons paint 52 doors"}))
        }
        _ => None,
    }
}

/// Waits until what was asked for by naming an address is done.
async fn requests_are_answered(app: &TestApp) {
    let mut view = app.look().await;
    while !view.texts("SELECT CAST(created_at AS TEXT) FROM link_requests").await.is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

/// The one event that a call that changes something appends. A new operation has to be added here.
fn event_of(operation: &str) -> Option<&'static str> {
    match operation {
        "POST /api/v1/auth/register" => Some("account.registered"),
        "POST /api/v1/auth/login" | "POST /api/v1/auth/magic-link/confirm" => Some("session.started"),
        "POST /api/v1/auth/magic-link" => Some("sign_in.link_requested"),
        "POST /api/v1/auth/refresh" => Some("session.refreshed"),
        "POST /api/v1/auth/logout" | "DELETE /api/v1/auth/sessions/{id}" => Some("session.ended"),
        "DELETE /api/v1/auth/sessions" => Some("session.others_ended"),
        "POST /api/v1/auth/change-password" => Some("password.changed"),
        "PATCH /api/v1/users/me" | "PUT /api/v1/users/me" => Some("profile.updated"),
        "POST /api/v1/users/{id}/ban" => Some("account.suspended"),
        "POST /api/v1/users/{id}/unban" => Some("account.reinstated"),
        "DELETE /api/v1/users/{id}" | "DELETE /api/v1/users/me" | "DELETE /api/v1/users/{id}/invitation" => {
            Some("account.deleted")
        }
        "POST /api/v1/users" | "POST /api/v1/users/invitations" => Some("account.created"),
        "POST /api/v1/users/{id}/invitation" => Some("invitation.sent"),
        "POST /api/v1/auth/accept-invitation" => Some("invitation.accepted"),
        "PATCH /api/v1/users/{id}" => Some("account.updated"),
        "POST /api/v1/users/{id}/erase" => Some("account.erased"),
        "POST /api/v1/users/{id}/unlock" => Some("account.unlocked"),
        "POST /api/v1/users/me/email" => Some("email.change_requested"),
        "POST /api/v1/auth/confirm-email-change" => Some("email.changed"),
        "POST /api/v1/auth/verify-email" | "POST /api/v1/auth/verify-email/code" => Some("email.verified"),
        "POST /api/v1/auth/reset-password" => Some("password.reset_requested"),
        "POST /api/v1/auth/reset-password/confirm" => Some("password.reset"),
        "POST /api/v1/users/{id}/restore" => Some("account.restored"),
        "POST /api/v1/users/{id}/sign-out" => Some("account.signed_out"),
        "PUT /api/v1/users/{id}/roles" => Some("account.roles_changed"),
        "POST /api/v1/roles" => Some("role.created"),
        "PATCH /api/v1/roles/{name}" => Some("role.updated"),
        "DELETE /api/v1/roles/{name}" => Some("role.deleted"),
        "PUT /api/v1/users/me/avatar" | "DELETE /api/v1/users/me/avatar" | "DELETE /api/v1/users/{id}/avatar" => {
            Some("avatar.changed")
        }
        "POST /api/v1/notifications/devices" => Some("push_device.registered"),
        "DELETE /api/v1/notifications/devices/{id}" => Some("push_device.removed"),
        "POST /api/v1/webhooks" => Some("webhook.created"),
        "PATCH /api/v1/webhooks/{id}" => Some("webhook.updated"),
        "DELETE /api/v1/webhooks/{id}" => Some("webhook.deleted"),
        "POST /api/v1/webhooks/{id}/rotate" => Some("webhook.secret_rotated"),
        "POST /api/v1/webhooks/{id}/test" => Some("webhook.tested"),
        "POST /api/v1/webhooks/{id}/deliveries/{delivery}/retry" => Some("webhook.retried"),
        "POST /api/v1/notifications/send" => Some("notification.sent"),
        "PUT /api/v1/notifications/preferences" => Some("notification.preferences_changed"),
        "POST /api/v1/users/bulk" => Some("job.started"),
        "DELETE /api/v1/jobs/{id}" => Some("job.ended"),
        "GET /api/v1/jobs/{id}/result" => Some("job.result_fetched"),
        // What somebody has read is theirs to know; and when a mail went out less than a minute ago, no other is sent.
        "POST /api/v1/auth/verify-email/resend"
        | "POST /api/v1/notifications/{id}/read"
        | "POST /api/v1/notifications/read-all" => None,
        other if other.starts_with("GET ") => None,
        other => panic!("{other} is in no event test: add it to `event_of`"),
    }
}

/// Brings an account into the status that a call of administrators begins with.
async fn prepare_target(operation: &str, root: &User, target: &User) {
    let path = format!("/api/v1/users/{}", target.id);
    match operation {
        "POST /api/v1/users/{id}/unban" => {
            root.post(&format!("{path}/ban"), json!({"reason": "Spam"})).await.is(204);
        }
        "POST /api/v1/users/{id}/restore" => {
            root.delete(&path).await.is(204);
        }
        "PUT /api/v1/users/{id}/roles" => {
            root.makes_role("player", &[]).await;
        }
        other if other.contains(" /api/v1/roles/{name}") => {
            // It may be there already, from the call before.
            root.post("/api/v1/roles", json!({"name": "spare"})).await;
        }
        _ => {}
    }
}

fn guest(number: usize) -> String {
    format!("guest{number}@example.com")
}

/// Somebody who is invited, and has not come yet.
async fn invited(root: &User, number: usize) -> String {
    let made = root.post("/api/v1/users/invitations", json!({"email": guest(number)})).await.is(201).json();
    made["user"]["id"].as_str().unwrap().to_owned()
}

async fn kinds(app: &TestApp) -> Vec<String> {
    // PostgreSQL numbers an event a moment after its commit: until then it is in the outbox.
    app.settle().await;
    let mut view = app.look().await;
    view.texts("SELECT kind FROM ledger ORDER BY idx").await
}

on_both! {
    async fn without_a_token_every_operation_but_the_public_ones_is_401(app: TestApp) {
        let ann = app.user("ann").await;
        let gone = app.again(&ann).await;
        gone.logout().await.is(204);
        for operation in operations(&app).await.iter().filter(|operation| !is_public(operation)) {
            let (method, path) = split(operation);
            let request = || app.request(method.clone(), &path).json(&body_of(operation, &ann));
            Answer::of(request()).await.is_problem(401, "unauthenticated");
            Answer::of(request().bearer_auth("x")).await.is_problem(401, "unauthenticated");
            Answer::of(request().bearer_auth(&ann.refresh_token)).await.is_problem(401, "unauthenticated");
            Answer::of(request().bearer_auth(&gone.access_token)).await.is_problem(401, "unauthenticated");
            Answer::of(request().basic_auth("ann@example.com", Some(PASSWORD))).await.is_problem(401, "unauthenticated");
        }
        assert!(ann.is_signed_in().await);
    }

    async fn without_the_role_every_call_of_administrators_is_403(app: TestApp) {
        let (ann, bob) = (app.user("ann").await, app.user("bob").await);
        let operations = operations(&app).await;
        let theirs = operations.iter().filter(|operation| is_for_administrators(operation));
        let mut asked = 0;
        for operation in theirs {
            let (method, unknown) = split(operation);
            let known = format!("/api/v1/users/{}", bob.id);
            let known = unknown.replace("/api/v1/users/01890000-0000-7000-8000-000000000000", &known);
            for path in [&known, &unknown] {
                // The body is wrong for every call: nobody else learns even that.
                let request = ann.request(method.clone(), path).json(&json!({"nonsense": 1}));
                let answer = Answer::of(request).await.is_problem(403, "forbidden");
                assert_eq!(answer.header("www-authenticate"), "Bearer error=\"insufficient_scope\"", "{operation}");
                asked += 1;
            }
        }
        assert!(asked >= 14, "only {asked}");
        assert!(ann.is_signed_in().await && bob.is_signed_in().await);
    }

    async fn one_write_is_one_event_and_a_read_is_none(setup: Setup) {
        let app = setup.env("USHER_AUTH__MAGIC_LINK", "true").start().await;
        let root = User::administrator(&app, "root").await;
        let all = operations(&app).await;
        let called = all.iter().filter(|operation| !is_for_services(operation));
        // A message that has failed is needed for it: its event is seen in the tests of mail that is refused.
        let called = called.filter(|operation| !operation.ends_with("/deliveries/{id}/retry"));
        // A message of an application's own is needed for it: its event is seen in the tests of what is sent.
        let called = called.filter(|operation| !operation.contains("/notifications/send"));
        for (number, operation) in called.enumerate() {
            let user = app.user(&format!("user{number}")).await;
            let other = app.again(&user).await;
            let (method, mut path) = split(operation);
            if operation.ends_with("/sessions/{id}") {
                path = format!("/api/v1/auth/sessions/{}", other.session);
            }
            let administers = is_for_administrators(operation);
            if administers {
                prepare_target(operation, &root, &user).await;
                path = path.replace("01890000-0000-7000-8000-000000000000", &user.id);
            }
            if operation.starts_with("DELETE ") && operation.ends_with("/avatar") || path.contains("{picture}") {
                let url = user.puts_picture(picture()).await;
                path = path.replace("/avatars/{picture}/{size}", url.strip_prefix(&app.url).unwrap_or_default());
            }
            if operation.ends_with("/users/{id}/invitation") {
                path = path.replace(&user.id, &invited(&root, number).await);
            }
            if operation == "POST /api/v1/notifications/{id}/read" {
                path = path.replace(NOBODY, &first_message(&user).await);
            }
            if operation.ends_with("/notifications/stream") {
                // It goes on for a quarter of an hour: `inbox` has the tests of what it says.
                continue;
            }
            if is_about_jobs(operation) {
                let job = prepare_job(operation, &root, &user).await;
                path = path.replace(NOBODY, &job);
            }
            if operation.contains("/devices/{id}") {
                let body = json!({"subscription": PushService::made_up().subscription()});
                let made = user.post("/api/v1/notifications/devices", body).await.is(201).json();
                path = path.replace(NOBODY, made["id"].as_str().unwrap());
            }
            if operation.contains("/webhooks/{id}") {
                let (webhook, delivery) = prepare_webhook(operation, &root, number).await;
                path = split(operation).1.replacen(NOBODY, &webhook, 1).replace(NOBODY, &delivery);
            }
            let caller = if administers || is_about_jobs(operation) { &root } else { &user };
            let mut before = kinds(&app).await;
            let mut body = body_of(operation, &user);
            if operation == "POST /api/v1/auth/confirm-email-change" {
                let asked = json!({"email": "other@example.com", "current_password": PASSWORD});
                user.post("/api/v1/users/me/email", asked).await.is(202);
                body = json!({"token": user.email_token(&app).await});
                before = kinds(&app).await;
            }
            if operation == "POST /api/v1/auth/accept-invitation" {
                invited(&root, number).await;
                let shown = app.cli_ok(&["users", "invite", &guest(number), "--json"]).await;
                let shown: Value = serde_json::from_str(&shown).unwrap();
                let (_, token) = shown["link"].as_str().unwrap().split_once("?token=").unwrap();
                body = json!({"token": token, "password": PASSWORD});
                before = kinds(&app).await;
            }
            if operation.contains(" /api/v1/auth/magic-link") {
                root.patch(&format!("/api/v1/users/{}", user.id), json!({"email_verified": true})).await.is(200);
                before = kinds(&app).await;
            }
            if let Some(mailed) = mailed_body(&app, operation, &user).await {
                body = mailed;
                before = kinds(&app).await;
            }
            let request = caller.request(method, &path);
            let request = match operation.as_str() {
                "PUT /api/v1/users/me/avatar" => request.body(picture()),
                _ if body.is_null() => request,
                _ => request.json(&body),
            };
            let answer = Answer::of(request).await;
            assert!(answer.status < 300, "{operation}: {} {}", answer.status, answer.body);
            requests_are_answered(&app).await;
            let after = kinds(&app).await;
            let expected: Vec<&str> = event_of(operation).into_iter().collect();
            assert_eq!(after[before.len()..], expected, "{operation}");
            jobs_are_over(&app).await;
        }
    }

    async fn what_is_for_services_is_for_no_user_and_for_no_other_kind_of_service(app: TestApp) {
        let root = User::administrator(&app, "root").await;
        let verifier = app.cli_ok(&["verifier", "create", "orders"]).await;
        let receiver = app.cli_ok(&["receiver", "create", "siem", "--audience", "https://siem.example.com"]).await;
        let mut seen = 0;
        for operation in operations(&app).await.iter().filter(|operation| is_for_services(operation)) {
            let (method, path) = split(operation);
            let wrong_kind = if path.contains("/feed/") { &receiver } else { &verifier };
            for token in [root.access_token.as_str(), wrong_kind.trim(), "uvt_AAAA", "urt_AAAA"] {
                let request = app.request(method.clone(), &path).bearer_auth(token).json(&json!({}));
                Answer::of(request).await.is_problem(401, "unauthenticated");
            }
            seen += 1;
        }
        assert!(seen >= 10, "only {seen}");
    }

    async fn what_a_service_writes_is_one_event_too(app: TestApp) {
        let receiver = app.cli_ok(&["receiver", "create", "siem", "--audience", "https://siem.example.com"]).await;
        let verifier = app.cli_ok(&["verifier", "create", "orders"]).await;
        let before = kinds(&app).await;
        let ask = async |token: &str, method: &str, path: &str, body: Value| {
            let request = app.request(method.parse().unwrap(), path).bearer_auth(token.trim());
            let answer = Answer::of(if body.is_null() { request } else { request.json(&body) }).await;
            assert!(answer.status < 300, "{method} {path}: {} {}", answer.status, answer.body);
            answer
        };
        let made = ask(&receiver, "POST", "/api/v1/ssf/stream", json!({})).await.json();
        let id = json!({"stream_id": made["stream_id"]});
        let of_stream = format!("?stream_id={}", made["stream_id"].as_str().unwrap());
        ask(&receiver, "GET", &format!("/api/v1/ssf/stream{of_stream}"), Value::Null).await;
        ask(&receiver, "PATCH", "/api/v1/ssf/stream", json!({"stream_id": made["stream_id"], "description": "x"})).await;
        ask(&receiver, "PUT", "/api/v1/ssf/stream", id.clone()).await;
        let paused = json!({"stream_id": made["stream_id"], "status": "paused"});
        ask(&receiver, "POST", "/api/v1/ssf/status", paused).await;
        ask(&receiver, "GET", &format!("/api/v1/ssf/status{of_stream}"), Value::Null).await;
        ask(&receiver, "POST", "/api/v1/ssf/verify", id.clone()).await;
        let poll = json!({"maxEvents": 1, "returnImmediately": true});
        ask(&receiver, "POST", &format!("/api/v1/ssf/poll/{}", made["stream_id"].as_str().unwrap()), poll).await;
        ask(&receiver, "DELETE", &format!("/api/v1/ssf/stream{of_stream}"), Value::Null).await;
        ask(&verifier, "PUT", "/api/v1/feed/position", json!({"applied": 1})).await;
        let changes = [(); 4].map(|()| "stream.updated");
        // The first stream of an algorithm has its key made.
        let made = ["signing_key.created", "stream.created"];
        let expected = [made.as_slice(), &changes, &["stream.deleted"]].concat();
        assert_eq!(kinds(&app).await[before.len()..], expected);
    }

    async fn the_document_is_readable_from_the_program_itself(app: TestApp) {
        let page = app.get("/docs").await.is(200);
        assert!(page.header("content-type").starts_with("text/html"));
        assert!(page.body.contains("/api/v1/auth/register"), "the documentation names no call");
        for outside in ["src=\"http", "href=\"http", "cdn."] {
            assert!(!page.body.contains(outside), "the page loads something from outside");
        }
    }
}
