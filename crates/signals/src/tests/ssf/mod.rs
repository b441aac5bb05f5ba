//! Shared Signals on both databases, with receivers that really listen and a clock that the tests move.

mod delivery;
mod events;
mod keys;
mod order;
mod polling;
mod streams;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use auth::Auth;
use aws_lc_rs::signature;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Request};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http_body_util::BodyExt as _;
use kernel::{Clock, Event, Kind, MasterKeys, Revocation, SessionId, Timestamp, UserId};
use serde_json::{Value, json};
use storage::Db;
use tower::ServiceExt as _;
use users::Users;

use crate::service_token;
use crate::{ServiceName, Signals, TokenKind};

pub(super) const AUDIENCE: &str = "https://receiver.example.com";
const ISSUER: &str = "http://localhost:8080";

/// Makes a test of each function on each database.
macro_rules! on_both {
    ($($(#[$meta:meta])* async fn $name:ident($world:ident: World) $body:block)+) => {$(
        mod $name {
            use super::*;

            async fn story($world: World) $body

            $(#[$meta])*
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                story(World::sqlite().await).await;
            }

            $(#[$meta])*
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                story(World::postgres().await).await;
            }
        }
    )+};
}
use on_both;

/// One Usher of a test's own.
struct World {
    signals: Signals,
    clock: Clock,
    master: MasterKeys,
    database: storage::Settings,
    issuer: String,
    /// Where a SQLite file is, for as long as the test lives.
    folder: Option<tempfile::TempDir>,
}

impl World {
    async fn sqlite() -> Self {
        Self::with_issuer(ISSUER).await
    }

    async fn with_issuer(issuer: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = storage::Settings::sqlite(folder.path().join("usher.db"), 4);
        Self { folder: Some(folder), ..Self::on(database, issuer).await }
    }

    async fn postgres() -> Self {
        Self::on(storage::Settings::postgres(new_database().await, 8), ISSUER).await
    }

    async fn on(database: storage::Settings, issuer: &str) -> Self {
        let clock = Clock::fixed(Timestamp::from_unix_seconds(1_795_000_000));
        let master = MasterKeys::generate();
        let signals = open(&database, &clock, &master, issuer).await;
        Self { signals, clock, master, database, issuer: issuer.into(), folder: None }
    }

    /// Another process on the same PostgreSQL.
    async fn another_node(&self) -> Signals {
        open(&self.database, &self.clock, &self.master, &self.issuer).await
    }

    /// Reads the ledger and pushes, from now on.
    fn transmit(&self) -> tokio::task::JoinHandle<()> {
        let signals = self.signals.clone();
        tokio::spawn(async move { signals.transmit().await })
    }

    /// Waits until everything that happened has its number.
    async fn numbered(&self) {
        let db = self.signals.db();
        while db.is_shared() && storage::ledger::waiting(&mut db.read().await.unwrap(), 1).await.unwrap() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// A receiver's token.
    async fn receiver(&self, name: &str) -> String {
        let name = ServiceName::parse(name).unwrap();
        let made = service_token::create(&self.signals, TokenKind::Receiver, &name, Some(AUDIENCE)).await;
        made.unwrap().1.reveal().to_owned()
    }

    async fn call(&self, method: &str, path: &str, token: &str, body: Value) -> (u16, Value) {
        let (router, _) = crate::api::router(self.signals.clone()).split_for_parts();
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
        let request = request.header("authorization", format!("Bearer {token}")).body(body).unwrap();
        let response = router.oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let code = response.extensions().get::<kernel::Problem>().map(|problem| problem.code);
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        let value = serde_json::from_slice(&bytes).unwrap_or_else(|_| json!({ "code": code }));
        (status, value)
    }

    /// Makes a stream; its id.
    async fn stream(&self, token: &str, body: Value) -> String {
        let (status, stream) = self.call("POST", "/api/v1/ssf/stream", token, body).await;
        assert_eq!(status, 201, "{stream}");
        stream["stream_id"].as_str().unwrap().to_owned()
    }

    /// A stream that pushes to this receiver.
    async fn pushing(&self, name: &str, receiver: &Receiver) -> (String, String) {
        let token = self.receiver(name).await;
        let delivery = json!({ "method": "urn:ietf:rfc:8935", "endpoint_url": receiver.url,
            "authorization_header": "Bearer push-secret" });
        let stream = self.stream(&token, json!({ "delivery": delivery })).await;
        (token, stream)
    }

    async fn set_status(&self, token: &str, stream: &str, status: &str) {
        let body = json!({ "stream_id": stream, "status": status, "reason": "because" });
        assert_eq!(self.call("POST", "/api/v1/ssf/status", token, body.clone()).await, (200, body));
    }

    /// Polls once, at once.
    async fn poll(&self, token: &str, stream: &str, body: Value) -> Value {
        let mut request = json!({ "returnImmediately": true });
        request.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        let (status, polled) = self.call("POST", &format!("/api/v1/ssf/poll/{stream}"), token, request).await;
        assert_eq!(status, 200, "{polled}");
        polled
    }

    /// Polls until so many tokens wait; they are not acknowledged.
    async fn polled(&self, token: &str, stream: &str, count: usize) -> Vec<Set> {
        for _ in 0..500 {
            let polled = self.poll(token, stream, json!({})).await;
            let sets = polled["sets"].as_object().unwrap();
            if sets.len() >= count {
                assert_eq!(sets.len(), count, "{sets:?}");
                return sets.values().map(|set| Set::read(set.as_str().unwrap())).collect();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{count} tokens do not come");
    }

    async fn append(&self, event: Event) -> Event {
        let mut tx = self.signals.db().begin().await.unwrap();
        tx.append(event.clone());
        tx.commit().await.unwrap();
        event
    }

    /// Somebody signs out.
    async fn sign_out(&self) -> (UserId, SessionId) {
        let (user, session) = (UserId::new(self.clock.now()), SessionId::new(self.clock.now()));
        let event = Event::new(Kind::SessionEnded, self.clock.now()).by(user).in_session(session);
        self.append(ending(event, user, &[session])).await;
        (user, session)
    }

    /// Waits until nothing is being pushed, then for the longest that a receiver is left alone.
    async fn later(&self) {
        let idle = async {
            loop {
                let leased: Count = storage::fetch_one!(
                    &mut self.signals.db().read().await.unwrap(),
                    "SELECT COUNT(*) AS count FROM signal_streams WHERE leased_until IS NOT NULL"
                )
                .unwrap();
                if leased.count == 0 {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), idle).await.expect("a run ends");
        self.clock.advance(Duration::from_secs(301));
    }

    /// How many tokens wait, of all streams together.
    async fn waiting(&self) -> i64 {
        let count: Count = storage::fetch_one!(
            &mut self.signals.db().read().await.unwrap(),
            "SELECT COUNT(*) AS count FROM signal_events"
        )
        .unwrap();
        count.count
    }

    async fn jwks(&self) -> Value {
        let (status, jwks) = self.call("GET", "/.well-known/ssf-jwks.json", "", Value::Null).await;
        assert_eq!(status, 200);
        jwks
    }
}

#[derive(sqlx::FromRow)]
struct Count {
    count: i64,
}

fn ending(event: Event, user: UserId, sessions: &[SessionId]) -> Event {
    Event { revokes: Some(Revocation::Sessions { subject: user, sessions: sessions.to_vec() }), ..event }
}

async fn open(database: &storage::Settings, clock: &Clock, master: &MasterKeys, issuer: &str) -> Signals {
    let migrations = [storage::MIGRATIONS, users::MIGRATIONS, auth::MIGRATIONS, crate::MIGRATIONS].concat();
    // All tests run at once: a connection may be waited for longer than a request would.
    let patient = storage::Settings { acquire_timeout: Duration::from_secs(30), ..database.clone() };
    let db = Db::open(&patient, &migrations, true).await.unwrap();
    if db.is_shared() {
        let numbering = db.clone();
        tokio::spawn(async move { numbering.keep().await });
    }
    let settings = auth::Settings { issuer: issuer.into(), ..super::settings() };
    let users = Users::open(db, clock.clone(), users::Settings::default(), master).await.unwrap();
    let auth = Auth::new(users, settings, master).await.unwrap();
    Signals::new(auth, master)
}

/// A database of its own on the server that `cargo xtask test` started.
pub(super) async fn new_database() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let server =
        std::env::var("TEST_POSTGRES_URL").expect("run `cargo xtask test`: it starts a PostgreSQL for the tests");
    let name = format!("signals_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::SeqCst));
    let mut connection = <sqlx::PgConnection as sqlx::Connection>::connect(&server).await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await.unwrap();
    let (base, _) = server.rsplit_once('/').unwrap();
    format!("{base}/{name}")
}

/// A token, taken apart.
#[derive(Debug, Clone)]
struct Set {
    text: String,
    header: Value,
    claims: Value,
}

impl Set {
    fn read(text: &str) -> Self {
        let parts: Vec<&str> = text.split('.').collect();
        assert_eq!(parts.len(), 3);
        let json = |part: &str| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
        Self { text: text.to_owned(), header: json(parts[0]), claims: json(parts[1]) }
    }

    fn jti(&self) -> &str {
        self.claims["jti"].as_str().unwrap()
    }

    /// The last word of the one event's name, and its members.
    fn event(&self) -> (&str, &Value) {
        let events = self.claims["events"].as_object().unwrap();
        assert_eq!(events.len(), 1);
        let (uri, members) = events.iter().next().unwrap();
        (uri.rsplit('/').next().unwrap(), members)
    }

    /// Whether the key set has a key that this token was signed with.
    fn is_signed_by(&self, jwks: &Value) -> bool {
        let keys = jwks["keys"].as_array().unwrap();
        let Some(key) = keys.iter().find(|key| key["kid"] == self.header["kid"]) else { return false };
        assert_eq!(key["alg"], self.header["alg"]);
        let bytes = |name: &str| URL_SAFE_NO_PAD.decode(key[name].as_str().unwrap()).unwrap();
        let (message, signature) = self.text.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let message = message.as_bytes();
        match key["alg"].as_str().unwrap() {
            "EdDSA" => signature::UnparsedPublicKey::new(&signature::ED25519, bytes("x")).verify(message, &signature),
            "ES256" => {
                let point = [vec![4], bytes("x"), bytes("y")].concat();
                signature::UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point)
                    .verify(message, &signature)
            }
            _ => signature::RsaPublicKeyComponents { n: bytes("n"), e: bytes("e") }.verify(
                &signature::RSA_PKCS1_2048_8192_SHA256,
                message,
                &signature,
            ),
        }
        .is_ok()
    }
}

/// What a receiver does with a request.
#[derive(Clone, Debug)]
enum Reply {
    Status(u16),
    Error(&'static str),
    Redirect(String),
    Never,
}

/// A receiver that listens on this machine.
struct Receiver {
    url: String,
    got: Arc<Mutex<Vec<(HeaderMap, Set)>>>,
    replies: Arc<Mutex<Vec<Reply>>>,
}

impl Receiver {
    async fn listen() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/events", listener.local_addr().unwrap());
        let (got, replies): (Arc<Mutex<Vec<_>>>, Arc<Mutex<Vec<Reply>>>) = Default::default();
        let receiver = Self { url, got: got.clone(), replies: replies.clone() };
        let handler = move |headers: HeaderMap, body: Bytes| {
            let (got, replies) = (got.clone(), replies.clone());
            async move {
                got.lock().unwrap().push((headers, Set::read(std::str::from_utf8(&body).unwrap())));
                let reply = {
                    let mut replies = replies.lock().unwrap();
                    if replies.is_empty() { Reply::Status(202) } else { replies.remove(0) }
                };
                answer(reply).await
            }
        };
        let router = axum::Router::new().fallback(handler);
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        receiver
    }

    /// What the next answers are; after them, 202.
    fn answers(&self, replies: &[Reply]) {
        self.replies.lock().unwrap().extend_from_slice(replies);
    }

    fn sets(&self) -> Vec<Set> {
        self.got.lock().unwrap().iter().map(|(_, set)| set.clone()).collect()
    }

    /// Waits for so many requests.
    async fn has(&self, count: usize) -> Vec<Set> {
        for _ in 0..1000 {
            if self.sets().len() >= count {
                return self.sets();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{} of {count} came", self.sets().len());
    }

    /// That nothing more comes, for longer than a look takes.
    async fn stays_at(&self, count: usize) {
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert_eq!(self.sets().len(), count);
    }
}

async fn answer(reply: Reply) -> axum::response::Response {
    let response = axum::http::Response::builder();
    match reply {
        Reply::Status(status) => response.status(status).body(Body::empty()).unwrap(),
        Reply::Error(code) => {
            let body = json!({ "err": code, "description": "no" }).to_string();
            response.status(400).header("content-type", "application/json").body(Body::from(body)).unwrap()
        }
        Reply::Redirect(to) => response.status(307).header("location", to).body(Body::empty()).unwrap(),
        Reply::Never => std::future::pending().await,
    }
}
