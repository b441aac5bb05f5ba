//! Telling other services that trust has ended.
//!
//! Two readers of the ledger, for two kinds of service. `feed` is for those that check our tokens
//! with our own verifier: a snapshot, then a stream of what is revoked, within milliseconds. `ssf` is
//! for everybody else's receivers: the same events as OpenID Shared Signals, pushed or polled. Both
//! know who is asking by a service token (`service_token`), which an operator makes; `caller` finds it
//! in a request, and `api` is the JSON face. A third kind of service may have messages sent: `senders` says to `notify`
//! which it is.
//!
//! It decides nothing about trust: what it tells was written by `users::revoke`.

pub mod api;
mod caller;
mod feed;
mod senders;
pub mod service_token;
pub(crate) mod ssf;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use auth::Auth;
use kernel::{Label, MacRing, MasterKeys};
use prometheus_client::registry::Registry;
use storage::{Db, Migration};

use caller::Callers;
use feed::Feed;

pub use feed::Connected;
pub use senders::{is_sender, recognise_senders};
pub use service_token::{Service, ServiceName, TokenKind};
pub use ssf::receivers::ReceiverStream;

/// What this crate works with. Cheap to clone.
#[derive(Clone)]
pub struct Signals(Arc<Parts>);

struct Parts {
    auth: Auth,
    tokens: MacRing,
    callers: Callers,
    feed: Arc<Feed>,
    ssf: ssf::State,
}

impl Signals {
    /// Puts the parts together.
    pub fn new(auth: Auth, master: &MasterKeys) -> Self {
        Self(Arc::new(Parts {
            tokens: master.mac_ring(Label::ServiceToken),
            callers: Callers::default(),
            feed: Arc::new(Feed::new()),
            ssf: ssf::State::new(master),
            auth,
        }))
    }

    /// Reads the ledger and tells the feed's listeners. It ends only with the process.
    pub async fn follow(&self) {
        self.0.feed.follow(self).await;
    }

    /// Reads the ledger for receivers of Shared Signals and sends them what they want pushed. It ends
    /// some seconds after [`Signals::stop`].
    pub async fn transmit(&self) {
        ssf::transmit(self).await;
    }

    /// Ends what services have open, so that the process can stop. They resume elsewhere.
    pub fn stop(&self) {
        self.0.feed.stop();
        self.0.ssf.stop();
    }

    /// The verifiers that have been heard of, and how far each of them has come.
    pub fn verifiers(&self) -> Vec<Connected> {
        self.0.feed.verifiers.list()
    }

    /// Seals what is kept sealed with the master key of today. How much an older one had sealed; nothing if some
    /// of it does not open with the keys that are given.
    pub async fn rewrap(&self) -> storage::Result<Option<u64>> {
        match ssf::rewrap(self).await {
            Ok(done) => Ok(Some(done)),
            Err(ssf::KeyError::Key) => Ok(None),
            Err(ssf::KeyError::Storage(error)) => Err(error),
        }
    }

    /// The streams that receivers have made, and how much waits on each.
    pub async fn receiver_streams(&self) -> storage::Result<Vec<ReceiverStream>> {
        ssf::receivers::list(&mut self.db().read().await?).await
    }

    /// How far the feed has read the ledger; nothing while it does not run.
    pub fn newest(&self) -> Option<i64> {
        self.0.feed.newest()
    }

    /// Registers what is counted.
    pub fn register(&self, registry: &mut Registry) {
        self.0.feed.register(registry);
    }

    pub(crate) fn auth(&self) -> &Auth {
        &self.0.auth
    }

    pub(crate) fn db(&self) -> &Db {
        self.0.auth.db()
    }

    pub(crate) fn token_key(&self) -> &MacRing {
        &self.0.tokens
    }

    pub(crate) fn callers(&self) -> &Callers {
        &self.0.callers
    }

    pub(crate) fn feed(&self) -> &Arc<Feed> {
        &self.0.feed
    }

    pub(crate) fn ssf(&self) -> &ssf::State {
        &self.0.ssf
    }
}

/// The tables of this crate.
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        owner: "signals",
        version: 1,
        name: "service tokens",
        shared: include_str!("../migrations/0001_service_tokens.sql"),
        sqlite: "",
        postgres: "",
    },
    Migration {
        owner: "signals",
        version: 2,
        name: "streams",
        shared: include_str!("../migrations/0002_streams.sql"),
        sqlite: "",
        postgres: "",
    },
    Migration {
        owner: "signals",
        version: 3,
        name: "keys of event tokens in turn",
        shared: include_str!("../migrations/0003_signal_keys.sql"),
        sqlite: "",
        postgres: "",
    },
    Migration {
        owner: "signals",
        version: 4,
        name: "senders",
        shared: "",
        sqlite: include_str!("../migrations/0004_senders.sqlite.sql"),
        postgres: include_str!("../migrations/0004_senders.postgres.sql"),
    },
];
