//! The feed and the tokens of services, through the router, on a database in a temporary folder.

mod feed;
mod ssf;
mod tokens;
mod upgrade;

use std::time::Duration;

use auth::hashing::{Cost, HashSettings};
use auth::keys::Algorithm;
use auth::{Auth, Policy, Settings, TokenSettings};
use axum::body::Body;
use axum::http::{Request, Response};
use http_body_util::BodyExt as _;
use kernel::{Clock, Event, Kind, MasterKeys, Revocation, SessionId, Timestamp, UserId};
use storage::Db;
use tower::ServiceExt as _;
use users::Users;

use crate::service_token::{self, TokenText};
use crate::{ServiceName, Signals, TokenKind};

/// One Usher of a test's own.
struct World {
    signals: Signals,
    clock: Clock,
    master: MasterKeys,
    /// Where a SQLite file is, for as long as the test lives.
    _folder: Option<tempfile::TempDir>,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = storage::Settings::sqlite(folder.path().join("usher.db"), 4);
        Self { _folder: Some(folder), ..Self::on(&database).await }
    }

    async fn on(database: &storage::Settings) -> Self {
        let clock = Clock::fixed(Timestamp::from_unix_seconds(1_795_000_000));
        let master = MasterKeys::generate();
        let signals = open(database, &clock, &master).await;
        Self { signals, clock, master, _folder: None }
    }

    /// One on PostgreSQL whose feed runs, and the task that numbers the ledger.
    async fn following_on_postgres() -> (Self, tokio::task::JoinHandle<()>) {
        let world = Self::on(&storage::Settings::postgres(ssf::new_database().await, 8)).await;
        let db = world.signals.db().clone();
        let numbering = tokio::spawn(async move { db.keep().await });
        follow(&world.signals);
        (world, numbering)
    }

    /// One whose feed runs.
    async fn following() -> Self {
        let world = Self::new().await;
        follow(&world.signals);
        world
    }

    /// Another process on the same database, which knows only what is in there.
    fn restarted(self) -> Self {
        self.signals.stop();
        let signals = Signals::new(self.signals.auth().clone(), &self.master);
        follow(&signals);
        Self { signals, ..self }
    }

    async fn token(&self, kind: TokenKind, name: &str) -> TokenText {
        let audience = (kind == TokenKind::Receiver).then_some("https://receiver.example.com");
        let name = ServiceName::parse(name).unwrap();
        service_token::create(&self.signals, kind, &name, audience).await.unwrap().1
    }

    async fn call(&self, request: Request<Body>) -> Response<Body> {
        let (router, _) = crate::api::router(self.signals.clone()).split_for_parts();
        router.oneshot(request).await.unwrap()
    }

    async fn feed(&self, authorization: Option<&str>, after: Option<i64>) -> Response<Body> {
        let query = after.map_or_else(String::new, |after| format!("?after={after}"));
        let mut request = Request::get(format!("/api/v1/feed/revocations{query}"));
        if let Some(value) = authorization {
            request = request.header("authorization", value);
        }
        self.call(request.body(Body::empty()).unwrap()).await
    }

    async fn listen(&self, token: &TokenText, after: Option<i64>) -> Body {
        let response = self.feed(Some(&format!("Bearer {}", token.reveal())), after).await;
        assert_eq!(response.status(), 200);
        response.into_body()
    }

    /// Says how far it is; the status of the answer.
    async fn report(&self, token: &TokenText, applied: &str) -> u16 {
        let request = Request::put("/api/v1/feed/position")
            .header("authorization", format!("Bearer {}", token.reveal()))
            .header("content-type", "application/json")
            .body(Body::from(format!("{{\"applied\": {applied}}}")));
        self.call(request.unwrap()).await.status().as_u16()
    }

    async fn revoke(&self, revocation: Revocation) {
        let mut event = Event::new(Kind::AccountSuspended, self.clock.now());
        event.revokes = Some(revocation);
        let mut tx = self.signals.db().begin().await.unwrap();
        tx.append(event);
        tx.commit().await.unwrap();
    }

    async fn suspend(&self, epoch: i64) -> UserId {
        let subject = UserId::new(self.clock.now());
        self.revoke(Revocation::Subject { subject, epoch }).await;
        subject
    }

    /// Suspends these in one transaction.
    async fn revoke_all(&self, subjects: &[UserId]) {
        let mut tx = self.signals.db().begin().await.unwrap();
        for subject in subjects {
            let mut event = Event::new(Kind::AccountSuspended, self.clock.now());
            event.revokes = Some(Revocation::Subject { subject: *subject, epoch: 2 });
            tx.append(event);
        }
        tx.commit().await.unwrap();
    }

    async fn end_sessions(&self, count: usize) -> Vec<SessionId> {
        let sessions: Vec<SessionId> = (0..count).map(|_| SessionId::new(self.clock.now())).collect();
        let subject = UserId::new(self.clock.now());
        self.revoke(Revocation::Sessions { subject, sessions: sessions.clone() }).await;
        sessions
    }

    /// Waits until the feed has read everything that is in the ledger; how far that is.
    async fn caught_up(&self) -> i64 {
        let newest = storage::ledger::newest(&mut self.signals.db().read().await.unwrap()).await.unwrap();
        let reached = async {
            while self.signals.newest() < Some(newest) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), reached).await.expect("the feed reads on");
        newest
    }
}

fn follow(signals: &Signals) {
    let signals = signals.clone();
    tokio::spawn(async move { signals.follow().await });
}

async fn open(database: &storage::Settings, clock: &Clock, master: &MasterKeys) -> Signals {
    let migrations = [storage::MIGRATIONS, users::MIGRATIONS, auth::MIGRATIONS, crate::MIGRATIONS].concat();
    // All tests run at once: a connection may be waited for longer than a request would.
    let patient = storage::Settings { acquire_timeout: Duration::from_secs(30), ..database.clone() };
    let db = Db::open(&patient, &migrations, true).await.unwrap();
    let users = Users::open(db, clock.clone(), users::Settings::default(), master).await.unwrap();
    let auth = Auth::new(users, settings(), master).await.unwrap();
    Signals::new(auth, master)
}

fn settings() -> Settings {
    let tokens =
        TokenSettings { access_seconds: 900, refresh_seconds: 604_800, algorithm: Algorithm::EdDsa, rotation_days: 30 };
    Settings {
        issuer: "http://localhost:8080".into(),
        require_verified_email: false,
        lockout_failures: 5,
        lockout_minutes: 15,
        failures_told: 3,
        magic_link: false,
        session_days: 30,
        sessions_per_user: 3,
        policy: Policy { min_characters: 8 },
        hashing: HashSettings { cost: Cost { memory_kib: 7168, passes: 5, lanes: 1 }, threads: 1, queue: 10 },
        tokens,
    }
}

/// What the body says next; nothing if it has ended.
async fn next(body: &mut Body) -> Option<String> {
    let frame = tokio::time::timeout(Duration::from_secs(10), body.frame()).await.expect("something is said");
    frame.map(|frame| String::from_utf8(frame.unwrap().into_data().unwrap().to_vec()).unwrap())
}

/// The next that is neither a heartbeat nor news of the key set.
async fn next_event(body: &mut Body) -> String {
    loop {
        let text = next(body).await.expect("the stream goes on");
        if !text.starts_with(':') && !text.contains("\"withdrawn\":[]") {
            return text;
        }
    }
}

/// Whether the body ends, whatever it says before.
async fn ends(body: &mut Body) -> bool {
    let end = async { while next(body).await.is_some() {} };
    tokio::time::timeout(Duration::from_secs(4), end).await.is_ok()
}
