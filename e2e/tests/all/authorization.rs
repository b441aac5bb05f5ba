//! Who may call what: every operation of the OpenAPI document, asked by every kind of caller, against one table.
//! An operation that is missing here fails; so does one whose documentation names another permission than the one
//! that is really needed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use e2e::{Forger, PASSWORD, TestApp, Token, User, on_both, unix_now};
use reqwest::Method;
use serde_json::{Value, json};

use Needs::{OneOf, Permission, PermissionOrSender, Public, Receiver, SignedIn, Verifier};

/// What an operation needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Needs {
    /// Nothing.
    Public,
    /// A session; it is about whoever asks.
    SignedIn,
    /// A role that comes to this permission.
    Permission(&'static str),
    /// A role that comes to one of these: what is asked for decides which.
    OneOf(&'static [&'static str]),
    /// The token of a service that follows the feed.
    Verifier,
    /// The token of a service that is sent Shared Signals.
    Receiver,
    /// A role that comes to this permission, or the token of a service that has messages sent.
    PermissionOrSender(&'static str),
}

/// One line for each operation. What an operation under `/health/` and `/.well-known/` needs is nothing.
const TABLE: &[(&str, Needs)] = &[
    ("POST /api/v1/auth/register", Public),
    ("POST /api/v1/auth/login", Public),
    ("POST /api/v1/auth/refresh", Public),
    ("POST /api/v1/auth/logout", SignedIn),
    ("GET /api/v1/auth/me", SignedIn),
    ("POST /api/v1/auth/change-password", SignedIn),
    ("GET /api/v1/auth/sessions", SignedIn),
    ("DELETE /api/v1/auth/sessions", SignedIn),
    ("DELETE /api/v1/auth/sessions/{id}", SignedIn),
    ("GET /api/v1/users/me", SignedIn),
    ("PATCH /api/v1/users/me", SignedIn),
    ("PUT /api/v1/users/me", SignedIn),
    ("GET /api/v1/users/{id}", Permission("users:read")),
    ("DELETE /api/v1/users/{id}", Permission("users:delete")),
    ("POST /api/v1/users/{id}/ban", Permission("users:ban")),
    ("POST /api/v1/users/{id}/unban", Permission("users:ban")),
    ("POST /api/v1/users/{id}/sign-out", Permission("users:ban")),
    ("POST /api/v1/users/{id}/restore", Permission("users:write")),
    ("PUT /api/v1/users/{id}/roles", Permission("roles:grant")),
    ("GET /api/v1/roles", Permission("roles:read")),
    ("POST /api/v1/roles", Permission("roles:write")),
    ("GET /api/v1/roles/{name}", Permission("roles:read")),
    ("PATCH /api/v1/roles/{name}", Permission("roles:write")),
    ("DELETE /api/v1/roles/{name}", Permission("roles:write")),
    ("GET /api/v1/permissions", SignedIn),
    ("GET /api/v1/permissions/check", SignedIn),
    ("PUT /api/v1/users/me/avatar", SignedIn),
    ("DELETE /api/v1/users/me/avatar", SignedIn),
    ("DELETE /api/v1/users/{id}/avatar", Permission("users:write")),
    ("GET /api/v1/users/{id}/history", Permission("audit:read")),
    ("POST /api/v1/users/bulk", OneOf(&["roles:grant", "users:ban", "users:delete", "users:export"])),
    ("GET /api/v1/notifications", SignedIn),
    ("POST /api/v1/notifications/{id}/read", SignedIn),
    ("POST /api/v1/notifications/read-all", SignedIn),
    ("GET /api/v1/notifications/stream", SignedIn),
    ("POST /api/v1/notifications/send", PermissionOrSender("notifications:send")),
    ("GET /api/v1/notifications/send/{id}", PermissionOrSender("notifications:send")),
    ("GET /api/v1/notifications/preferences", SignedIn),
    ("PUT /api/v1/notifications/preferences", SignedIn),
    ("GET /api/v1/notifications/deliveries", Permission("notifications:read")),
    ("POST /api/v1/notifications/deliveries/{id}/retry", Permission("notifications:write")),
    ("GET /api/v1/notifications/devices", SignedIn),
    ("POST /api/v1/notifications/devices", SignedIn),
    ("DELETE /api/v1/notifications/devices/{id}", SignedIn),
    ("GET /api/v1/webhooks", Permission("webhooks:read")),
    ("POST /api/v1/webhooks", Permission("webhooks:write")),
    ("GET /api/v1/webhooks/{id}", Permission("webhooks:read")),
    ("PATCH /api/v1/webhooks/{id}", Permission("webhooks:write")),
    ("DELETE /api/v1/webhooks/{id}", Permission("webhooks:write")),
    ("POST /api/v1/webhooks/{id}/rotate", Permission("webhooks:write")),
    ("POST /api/v1/webhooks/{id}/test", Permission("webhooks:write")),
    ("GET /api/v1/webhooks/{id}/deliveries", Permission("webhooks:read")),
    ("POST /api/v1/webhooks/{id}/deliveries/{delivery}/retry", Permission("webhooks:write")),
    ("GET /api/v1/jobs", SignedIn),
    ("GET /api/v1/jobs/{id}", SignedIn),
    ("DELETE /api/v1/jobs/{id}", SignedIn),
    ("GET /api/v1/jobs/{id}/events", SignedIn),
    ("GET /api/v1/jobs/{id}/result", Permission("users:export")),
    ("GET /avatars/{picture}/{size}", Public),
    ("GET /avatars/initials/{tint}/{letters}", Public),
    ("GET /api/v1/feed/roles", Verifier),
    ("GET /api/v1/users", Permission("users:read")),
    ("DELETE /api/v1/users/me", SignedIn),
    ("POST /api/v1/users", Permission("users:write")),
    ("PATCH /api/v1/users/{id}", Permission("users:write")),
    ("POST /api/v1/users/{id}/erase", Permission("users:erase")),
    ("POST /api/v1/users/{id}/unlock", Permission("users:write")),
    ("POST /api/v1/users/invitations", Permission("users:write")),
    ("GET /api/v1/users/{id}/invitation", Permission("users:read")),
    ("POST /api/v1/users/{id}/invitation", Permission("users:write")),
    ("DELETE /api/v1/users/{id}/invitation", Permission("users:delete")),
    ("POST /api/v1/auth/accept-invitation", Public),
    ("POST /api/v1/auth/magic-link", Public),
    ("POST /api/v1/auth/magic-link/confirm", Public),
    ("POST /api/v1/users/me/email", SignedIn),
    ("POST /api/v1/auth/confirm-email-change", Public),
    ("POST /api/v1/auth/verify-email", Public),
    ("POST /api/v1/auth/verify-email/code", SignedIn),
    ("POST /api/v1/auth/verify-email/resend", Public),
    ("POST /api/v1/auth/reset-password", Public),
    ("POST /api/v1/auth/reset-password/confirm", Public),
    ("GET /api/v1/feed/revocations", Verifier),
    ("PUT /api/v1/feed/position", Verifier),
    ("POST /api/v1/ssf/stream", Receiver),
    ("GET /api/v1/ssf/stream", Receiver),
    ("PATCH /api/v1/ssf/stream", Receiver),
    ("PUT /api/v1/ssf/stream", Receiver),
    ("DELETE /api/v1/ssf/stream", Receiver),
    ("GET /api/v1/ssf/status", Receiver),
    ("POST /api/v1/ssf/status", Receiver),
    ("POST /api/v1/ssf/verify", Receiver),
    ("POST /api/v1/ssf/poll/{stream_id}", Receiver),
];

/// What ends the session, or the account, that asks for it: asked last, in this order, each with a session of its own.
const LAST: [&str; 2] = ["POST /api/v1/auth/logout", "DELETE /api/v1/users/me"];

/// An id that nothing has.
const NOBODY: &str = "01890000-0000-7000-8000-000000000000";

fn needs(operation: &str) -> Option<Needs> {
    let open = operation.starts_with("GET /.well-known/") || operation.starts_with("GET /health/");
    let listed = TABLE.iter().find(|(name, _)| *name == operation).map(|(_, needs)| *needs);
    listed.or(open.then_some(Public))
}

/// What a caller has to show.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Shows {
    /// Nothing, or what proves nothing.
    Nothing,
    /// A session, and roles that come to these.
    Session(BTreeSet<String>),
    /// A session, and everything.
    Everything,
    VerifierToken,
    ReceiverToken,
    SenderToken,
}

/// Somebody who asks.
struct Asks {
    who: String,
    token: Option<String>,
    shows: Shows,
    /// Who it is, if their session may be ended by asking.
    user: Option<User>,
}

impl Asks {
    fn with(who: &str, token: impl Into<String>, shows: Shows) -> Self {
        Self { who: who.into(), token: Some(token.into().trim().to_owned()), shows, user: None }
    }

    fn user(who: &str, user: &User, shows: Shows) -> Self {
        Self { user: Some(user.clone()), ..Self::with(who, user.access_token.as_str(), shows) }
    }

    /// The status that refuses them, if they are refused.
    fn refused(&self, needs: Needs) -> Option<u16> {
        match (needs, &self.shows) {
            (Public, _)
            | (SignedIn, Shows::Session(_) | Shows::Everything)
            | (Permission(_) | OneOf(_), Shows::Everything)
            | (Verifier, Shows::VerifierToken)
            | (Receiver, Shows::ReceiverToken)
            | (PermissionOrSender(_), Shows::SenderToken | Shows::Everything) => None,
            (Permission(permission) | PermissionOrSender(permission), Shows::Session(permissions)) => {
                (!permissions.contains(permission)).then_some(403)
            }
            (OneOf(needed), Shows::Session(permissions)) => {
                (!needed.iter().any(|permission| permissions.contains(*permission))).then_some(403)
            }
            (SignedIn | Permission(_) | PermissionOrSender(_) | OneOf(_) | Verifier | Receiver, _) => Some(401),
        }
    }
}

/// The operations of the document, each with what its documentation says that it needs.
async fn operations(app: &TestApp) -> Vec<(String, Value)> {
    let document = app.get("/openapi.json").await.is(200).json();
    let mut found = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            found.push((format!("{} {path}", method.to_uppercase()), operation["security"].clone()));
        }
    }
    assert!(found.len() >= 30, "{}", found.len());
    found.sort_by_key(|(operation, _)| LAST.iter().position(|last| last == operation));
    found
}

/// What the documentation has to say about it.
fn documented(needs: Needs) -> Value {
    match needs {
        Public => Value::Null,
        SignedIn => json!([{"access_token": []}]),
        Permission(permission) => json!([{"access_token": [permission]}]),
        PermissionOrSender(permission) => json!([{"access_token": [permission]}, {"service_token": []}]),
        OneOf(permissions) => permissions.iter().map(|permission| json!({"access_token": [permission]})).collect(),
        Verifier | Receiver => json!([{"service_token": []}]),
    }
}

/// Somebody with a role that comes to these permissions and no other.
async fn somebody_with(app: &TestApp, root: &User, name: &str, permissions: &BTreeSet<String>) -> User {
    let somebody = app.user(name).await;
    root.post("/api/v1/roles", json!({"name": name, "permissions": permissions})).await.is(201);
    let path = format!("/api/v1/users/{}/roles", somebody.id);
    e2e::Answer::of(root.request(Method::PUT, &path).json(&json!({"roles": [name]}))).await.is(200);
    app.again(&somebody).await
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Tokens that prove nothing, each wrong in one thing.
async fn wrong_tokens(app: &TestApp, root: &User) -> Vec<Asks> {
    let genuine = Token::read(&root.access_token);
    let forger = Forger::of(app, &genuine).await;
    let same = forger.sign(&genuine, |_| {});
    e2e::Answer::of(app.request(Method::GET, "/api/v1/auth/me").bearer_auth(&same)).await.is(200);
    let long_ago = unix_now() - 3_600;
    let with = |claim: &str, value: Value| forger.sign(&genuine, |token| token.claims[claim] = value);
    let not_ours = genuine.with(|token| token.signature[0] ^= 1).write();
    [
        ("a token that is none", "x".to_owned()),
        ("a token that nobody signed", not_ours),
        ("a token that has expired", with("exp", json!(long_ago))),
        ("a token for somebody else", with("aud", json!("https://orders.example.com"))),
        ("a token of somebody else", with("iss", json!("https://usher.example.net"))),
        ("a token from before trust ended", with("epoch", json!(-1))),
        ("a refresh token", root.refresh_token.clone()),
    ]
    .into_iter()
    .map(|(who, token)| Asks::with(who, token, Shows::Nothing))
    .collect()
}

/// Everybody who asks for everything.
async fn everybody(app: &TestApp) -> Vec<Asks> {
    let root = User::administrator(app, "root").await;
    let (ann, bob) = (app.user("ann").await, app.user("bob").await);
    let gone = app.again(&ann).await;
    gone.logout().await.is(204);
    let banned = User::administrator(app, "banned").await;
    root.post(&format!("/api/v1/users/{}/ban", banned.id), json!({"reason": "A test"})).await.is(204);
    let verifier = app.cli_ok(&["verifier", "create", "orders"]).await;
    let receiver = app.cli_ok(&["receiver", "create", "siem", "--audience", "https://siem.example.com"]).await;
    let support = root.get("/api/v1/roles/support").await.is(200).json();
    let support: BTreeSet<String> = serde_json::from_value(support["effective_permissions"].clone()).unwrap();
    let helper = app.user("helper").await;
    let path = format!("/api/v1/users/{}/roles", helper.id);
    e2e::Answer::of(root.request(Method::PUT, &path).json(&json!({"roles": ["support"]}))).await.is(200);
    let helper = app.again(&helper).await;

    let mut all = wrong_tokens(app, &root).await;
    all.push(Asks { who: "nobody".into(), token: None, shows: Shows::Nothing, user: None });
    all.push(Asks::with("somebody who has signed out", gone.access_token, Shows::Nothing));
    all.push(Asks::with("an administrator who was suspended", banned.access_token, Shows::Nothing));
    all.push(Asks::with("a verifier", verifier, Shows::VerifierToken));
    all.push(Asks::with("a receiver", receiver, Shows::ReceiverToken));
    let sender = app.cli_ok(&["sender", "create", "shop"]).await;
    all.push(Asks::with("a sender", sender, Shows::SenderToken));
    all.push(Asks::user("somebody", &ann, Shows::Session(set(&[]))));
    all.push(Asks::user("somebody else", &bob, Shows::Session(set(&[]))));
    all.push(Asks::user("support", &helper, Shows::Session(support)));
    all.push(Asks::user("an administrator", &root, Shows::Everything));

    let every: BTreeSet<String> = TABLE
        .iter()
        .filter_map(|(_, needs)| match needs {
            Permission(name) | PermissionOrSender(name) => Some((*name).to_owned()),
            _ => None,
        })
        .collect();
    for (number, permission) in every.iter().enumerate() {
        let only = set(&[permission]);
        let with = somebody_with(app, &root, &format!("with-{number}"), &only).await;
        all.push(Asks::user(&format!("somebody with {permission} alone"), &with, Shows::Session(only)));
        let others: BTreeSet<String> = every.iter().filter(|name| *name != permission).cloned().collect();
        let without = somebody_with(app, &root, &format!("without-{number}"), &others).await;
        all.push(Asks::user(&format!("somebody with all but {permission}"), &without, Shows::Session(others)));
    }
    all
}

/// Asks; the status. What never ends has answered with its head.
async fn ask(app: &TestApp, operation: &str, token: Option<&str>) -> u16 {
    let (method, path) = operation.split_once(' ').unwrap();
    let path = ["{id}", "{stream_id}", "{picture}", "{delivery}"]
        .iter()
        .fold(path.to_owned(), |path, name| path.replace(name, NOBODY));
    let path = path.replace("{name}", "no-such-role").replace("{size}", "64");
    let path = path.replace("{tint}", "1").replace("{letters}", "AO");
    assert!(!path.contains('{'), "{operation}: say here what stands in its path");
    // The body is wrong for every call, so that nothing is done: whoever may not ask does not learn even that.
    let request = app.request(method.parse().unwrap(), &path).json(&json!({"nonsense": 1}));
    let request = request.timeout(Duration::from_secs(20));
    let request = if let Some(token) = token { request.bearer_auth(token) } else { request };
    request.send().await.unwrap().status().as_u16()
}

on_both! {
    async fn z1_every_operation_answers_every_kind_of_caller_as_the_table_says(app: TestApp) {
        let callers = everybody(&app).await;
        let mut wrong = Vec::new();
        let mut asked: BTreeMap<u16, u32> = BTreeMap::new();
        for (operation, security) in operations(&app).await {
            let Some(needs) = needs(&operation) else {
                wrong.push(format!("{operation} is not in the table: add a line"));
                continue;
            };
            if security != documented(needs) {
                wrong.push(format!("{operation}: documented with {security}, and needs {}", documented(needs)));
            }
            for caller in &callers {
                let own = match &caller.user {
                    Some(user) if LAST.contains(&operation.as_str()) && needs == SignedIn => {
                        Some(app.login(&user.email, PASSWORD).await.is(200).json()["access_token"].clone())
                    }
                    _ => None,
                };
                let token = own.as_ref().and_then(Value::as_str).or(caller.token.as_deref());
                let status = ask(&app, &operation, token).await;
                let is_right = match caller.refused(needs) {
                    Some(refused) => status == refused,
                    None => status != 401 && status != 403 && status < 500,
                };
                *asked.entry(status).or_default() += 1;
                if !is_right {
                    wrong.push(format!("{operation} by {}: {status}", caller.who));
                }
            }
        }
        for (operation, _) in TABLE {
            if !operations(&app).await.iter().any(|(name, _)| name == operation) {
                wrong.push(format!("{operation} is in the table and not in the program"));
            }
        }
        assert!(wrong.is_empty(), "{asked:?}\n{}", wrong.join("\n"));
        assert!(asked[&401] > 100 && asked[&403] > 100, "{asked:?}");
    }
}
