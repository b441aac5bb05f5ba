//! Fetches the keys and follows the revocations of an Usher, in the background.
//!
//! [`follow`] starts four tasks, and a check never waits for any of them: `keys` fetches the key set,
//! `connection` reads the feed and connects again after every break, `report` tells Usher how far
//! this verifier is, `upkeep` forgets what nobody needs any more. If several `addresses` are known,
//! the first two turn to the next one at each failure. What the feed says is read in
//! `lines` (server-sent events) and `feed` (what they mean); neither knows a connection.
//!
//! All of it is bounded: an event by 1 MiB, a key set by 64 KiB, the revocations by
//! [`Verifier::with_most_revocations`], every wait for a server by seconds, and every server by two
//! connections at a time.

mod addresses;
mod backoff;
mod client;
mod connection;
pub(crate) mod feed;
mod keys;
pub(crate) mod lines;
pub(crate) mod settings;
mod upkeep;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

pub use client::Failed;
pub use settings::FollowSettings;

use crate::{KeysError, Verifier};
use client::Client;

/// Why following cannot even begin. Each is a mistake in the settings or in the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FollowError {
    /// An address is not `http://` or `https://` with a host and nothing behind it but a path.
    #[error("the address of Usher is not one that can be followed")]
    Url,
    /// The service token is empty, or cannot stand in a header.
    #[error("the service token is not one")]
    Token,
    /// The system has no root certificates to check Usher's certificate with.
    #[error("the system's root certificates cannot be read")]
    Roots,
    /// The caller is not inside a tokio runtime.
    #[error("there is no tokio runtime")]
    NoRuntime,
}

/// What went wrong in the background. It is tried again by itself; meanwhile checks go on with what
/// is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Trouble {
    /// The key set did not come.
    #[error("the key set cannot be fetched: {0}")]
    KeysNotFetched(Failed),
    /// The key set came and was not taken.
    #[error("the key set is not taken: {0}")]
    KeysNotTaken(KeysError),
    /// The feed could not be opened, or broke off.
    #[error("the feed cannot be heard: {0}")]
    Feed(Failed),
    /// The feed ended without an error, as it does when Usher is stopped or this reader is too slow.
    #[error("the feed has ended")]
    FeedEnded,
    /// Entries of the feed were missed. A snapshot heals it.
    #[error("the feed has a gap")]
    Gap,
    /// The feed said something that is not in the protocol. A snapshot heals it.
    #[error("the feed cannot be understood")]
    NotUnderstood,
}

/// The verifier was not ready in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub struct NotInTime {
    /// What went wrong last, if anything did.
    pub trouble: Option<Trouble>,
}

impl fmt::Display for NotInTime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.trouble {
            Some(trouble) => write!(formatter, "the verifier was not ready in time: {trouble}"),
            None => formatter.write_str("the verifier was not ready in time"),
        }
    }
}

/// Follows an Usher for as long as it is kept. When it is dropped, nothing is heard any more, and the
/// verifier's staleness grows.
pub struct Follower {
    shared: Arc<Shared>,
    tasks: [JoinHandle<()>; 4],
}

/// What the tasks have in common.
struct Shared {
    verifier: Arc<Verifier>,
    settings: FollowSettings,
    client: Client,
    state: watch::Sender<State>,
    /// The feed says that the key set has changed.
    keys_changed: Notify,
    /// By a clock that nobody sets.
    heard_at: Mutex<Option<Instant>>,
}

#[derive(Default, Clone, Copy)]
struct State {
    is_ready: bool,
    trouble: Option<Trouble>,
}

/// Starts to follow an Usher. From now on the verifier answers [`Refused::NotReady`] until it has the
/// keys and knows what is revoked, which takes a few milliseconds if Usher can be reached. Follow a
/// verifier once.
///
/// [`Refused::NotReady`]: crate::Refused::NotReady
pub fn follow(verifier: Arc<Verifier>, settings: FollowSettings) -> Result<Follower, FollowError> {
    let runtime = tokio::runtime::Handle::try_current().map_err(|_| FollowError::NoRuntime)?;
    let client = Client::new(&settings)?;
    verifier.expect_feed(settings.staleness);
    let shared = Arc::new(Shared {
        verifier,
        settings,
        client,
        state: watch::Sender::default(),
        keys_changed: Notify::new(),
        heard_at: Mutex::default(),
    });
    let tasks = [
        runtime.spawn(keys::keep_fetching(Arc::clone(&shared))),
        runtime.spawn(connection::keep_connected(Arc::clone(&shared))),
        runtime.spawn(upkeep::keep_reporting(Arc::clone(&shared))),
        runtime.spawn(upkeep::keep_tidy(Arc::clone(&shared))),
    ];
    Ok(Follower { shared, tasks })
}

impl Follower {
    /// Whether the keys are there and what is revoked was known once.
    pub fn is_ready(&self) -> bool {
        self.shared.verifier.is_ready()
    }

    /// Waits until [`is_ready`](Self::is_ready), at most this long.
    pub async fn wait_ready(&self, longest: Duration) -> Result<(), NotInTime> {
        let mut state = self.shared.state.subscribe();
        let ready = tokio::time::timeout(longest, state.wait_for(|state| state.is_ready)).await.is_ok();
        if ready { Ok(()) } else { Err(NotInTime { trouble: self.last_trouble() }) }
    }

    /// What went wrong last. It may be over: [`Verifier::staleness`] says how bad it is now.
    pub fn last_trouble(&self) -> Option<Trouble> {
        self.shared.state.borrow().trouble
    }

    /// Seconds since Usher was heard, by the clock of the settings. `None` before the first time.
    pub fn staleness(&self) -> Option<u64> {
        self.shared.verifier.staleness(self.shared.settings.now())
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Shared {
    fn trouble(&self, trouble: Trouble) {
        self.state.send_modify(|state| state.trouble = Some(trouble));
        self.settings.tell(trouble);
    }

    fn look_whether_ready(&self) {
        let is_ready = self.verifier.is_ready();
        self.state.send_if_modified(|state| std::mem::replace(&mut state.is_ready, is_ready) != is_ready);
    }

    /// Usher said something, and everything up to it is known.
    fn heard(&self) {
        let mut heard_at = self.heard_at.lock().unwrap_or_else(PoisonError::into_inner);
        *heard_at = Some(Instant::now());
        self.verifier.heard(self.settings.now());
        drop(heard_at);
        self.look_whether_ready();
    }

    /// If the machine's clock was put back, the staleness would be hidden for as long. The other
    /// direction is left: after a machine has slept, only its clock knows.
    fn correct_clock(&self) {
        let heard_at = self.heard_at.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(heard_at) = *heard_at {
            let ago = i64::try_from(heard_at.elapsed().as_secs()).unwrap_or(i64::MAX);
            let now = self.settings.now();
            let hidden = self.verifier.staleness(now).and_then(|seconds| i64::try_from(seconds).ok());
            // A second of rounding is no difference.
            if hidden.is_some_and(|seconds| seconds + 1 < ago) {
                self.verifier.heard(now.saturating_sub(ago));
            }
        }
    }
}
