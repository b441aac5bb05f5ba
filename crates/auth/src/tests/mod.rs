//! The use cases on both databases, with a clock that the tests move.

mod accounts;
mod administration;
mod keys;
mod known_devices;
mod lifecycle;
mod link_requests;
mod links;
mod sessions;
mod upkeep;
mod withdrawal;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use kernel::{Clock, MasterKeys, Timestamp};
use storage::Db;
use users::{EmailAddress, Users};

use crate::hashing::{Cost, HashSettings};
use crate::keys::Algorithm;
use crate::tokens::{self, SignedIn};
use crate::{
    Auth, Client, Credentials, NewAccount, Opened, Policy, RegisterError, Registered, SessionKind, Settings,
    SignInError, TokenSettings,
};

pub(super) const PASSWORD: &str = "purple lantern drifts slowly";
pub(super) const ISSUER: &str = "http://localhost:8080";

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
pub(super) struct World {
    pub(super) auth: Auth,
    pub(super) clock: Clock,
    pub(super) verifier: Arc<verify::Verifier>,
    pub(super) master: MasterKeys,
    _folder: Option<tempfile::TempDir>,
}

impl World {
    pub(super) async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = storage::Settings::sqlite(folder.path().join("usher.db"), 4);
        Self { _folder: Some(folder), ..Self::on(database).await }
    }

    pub(super) async fn postgres() -> Self {
        Self::on(storage::Settings::postgres(new_database().await, 8)).await
    }

    async fn on(mut database: storage::Settings) -> Self {
        // A connection that was dropped comes back a moment later, so that the next statement may open one more. That
        // takes seconds where all tests run at once, and is no failure.
        database.acquire_timeout = std::time::Duration::from_secs(30);
        let migrations = [storage::MIGRATIONS, users::MIGRATIONS, crate::MIGRATIONS].concat();
        let db = Db::open(&database, &migrations, true).await.unwrap();
        let clock = Clock::fixed(Timestamp::from_unix_seconds(1_795_000_000));
        let master = MasterKeys::generate();
        let users = Users::open(db, clock.clone(), users::Settings::default(), &master).await.unwrap();
        let auth = Auth::new(users, settings(Algorithm::EdDsa), &master).await.unwrap();
        auth.keys().keep_fresh().await.unwrap();
        let verifier = Arc::new(verify::Verifier::new(verify::Settings {
            issuer: ISSUER.into(),
            audience: ISSUER.into(),
            leeway_seconds: 0,
            cache_capacity: 100,
        }));
        verifier.set_keys(auth.keys().jwks().to_string().as_bytes()).unwrap();
        let applied = verifier.clone();
        auth.db().on_commit(Box::new(move |events| {
            for event in events {
                match &event.revokes {
                    Some(kernel::Revocation::Subject { subject, epoch }) => {
                        applied.revocations().end_subject(&subject.to_string(), *epoch, i64::MAX);
                    }
                    Some(kernel::Revocation::Sessions { sessions, .. }) => {
                        for session in sessions {
                            applied.revocations().end_session(&session.to_string(), i64::MAX);
                        }
                    }
                    Some(kernel::Revocation::Key { kid }) => applied.revocations().end_key(&kid.to_string(), i64::MAX),
                    None => {}
                }
            }
        }));
        Self { auth, clock, verifier, master, _folder: None }
    }

    /// The same where an address has to be verified before an account is used.
    pub(super) async fn requiring_verified_email(mut self) -> Self {
        let settings = Settings { require_verified_email: true, ..settings(Algorithm::EdDsa) };
        self.auth = Auth::new(self.auth.users().clone(), settings, &self.master).await.unwrap();
        self
    }

    /// Signs somebody up for the API.
    pub(super) async fn register(&self, email: &str) -> SignedIn {
        self.tokens(registered(&self.auth, new_account(email), &client()).await.unwrap())
    }

    /// Signs somebody in for the API.
    pub(super) async fn sign_in(&self, email: &str, password: &str) -> Result<SignedIn, SignInError> {
        self.sign_in_from(email, password, None).await
    }

    pub(super) async fn sign_in_from(
        &self,
        email: &str,
        password: &str,
        device: Option<&str>,
    ) -> Result<SignedIn, SignInError> {
        let credentials = Credentials { email: email.into(), password: password.into() };
        Ok(self.tokens(crate::sign_in(&self.auth, &credentials, device, &client()).await?))
    }

    fn tokens(&self, opened: Opened) -> SignedIn {
        tokens::issue(&self.auth, opened.account, opened.session, self.clock.now()).unwrap()
    }

    /// Whether a service would accept this access token now.
    pub(super) fn accepts(&self, signed_in: &SignedIn) -> bool {
        self.verifier.check(&signed_in.access_token, self.clock.now().unix_seconds()).is_ok()
    }
}

pub(super) fn settings(algorithm: Algorithm) -> Settings {
    Settings {
        issuer: ISSUER.into(),
        require_verified_email: false,
        lockout_failures: 5,
        lockout_minutes: 15,
        failures_told: 3,
        magic_link: true,
        session_days: 30,
        sessions_per_user: 3,
        policy: Policy { min_characters: 8 },
        hashing: HashSettings { cost: Cost { memory_kib: 7168, passes: 5, lanes: 1 }, threads: 2, queue: 1000 },
        tokens: TokenSettings { access_seconds: 900, refresh_seconds: 604_800, algorithm, rotation_days: 30 },
    }
}

pub(super) fn new_account(email: &str) -> NewAccount {
    NewAccount { email: EmailAddress::parse(email).unwrap(), password: PASSWORD.into(), name: None, locale: None }
}

pub(super) fn client() -> Client {
    Client {
        ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
        user_agent: "tests".into(),
        device_name: None,
        kind: SessionKind::Api,
        keep: true,
    }
}

/// Makes an account that is signed in at once.
pub(super) async fn registered(auth: &Auth, new: NewAccount, client: &Client) -> Result<Opened, RegisterError> {
    match crate::register(auth, new, client, None).await? {
        Registered::SignedIn(opened) => Ok(*opened),
        Registered::ByMail => panic!("nobody is signed in before the address is verified"),
    }
}

/// A database of its own on the server that `cargo xtask test` started.
async fn new_database() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let server =
        std::env::var("TEST_POSTGRES_URL").expect("run `cargo xtask test`: it starts a PostgreSQL for the tests");
    let name = format!("auth_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::SeqCst));
    let mut connection = <sqlx::PgConnection as sqlx::Connection>::connect(&server).await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await.unwrap();
    let (base, _) = server.rsplit_once('/').unwrap();
    format!("{base}/{name}")
}
