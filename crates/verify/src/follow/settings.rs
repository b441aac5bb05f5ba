//! What a follower has to be told, and how long it waits for what.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::Trouble;

use crate::Staleness;
use crate::clock::{self, Clock};

/// Where Usher is and how its feed is followed.
#[derive(Clone)]
pub struct FollowSettings {
    /// Where Usher can be reached, without a path: `https://id.example.com`. It need not be the
    /// issuer's address. With `http://`, whoever can change what is on the way decides which keys
    /// are good: only inside one machine or one trusted network.
    pub url: String,
    /// Other addresses of the same Usher.
    more: Vec<String>,
    /// The service token that `usher verifier create` printed.
    pub feed_token: String,
    /// What happens while the feed cannot be heard.
    pub staleness: Staleness,
    clock: Clock,
    listener: Option<Arc<dyn Fn(Trouble) + Send + Sync>>,
    pub(crate) timing: Timing,
}

/// Tests have less time.
#[derive(Clone, Copy)]
pub(crate) struct Timing {
    /// For a connection, and then again for the head of an answer.
    pub(crate) answer: Duration,
    /// For a whole key set or a report.
    pub(crate) document: Duration,
    /// Between two portions of the feed, of which one comes every 5 seconds.
    pub(crate) silence: Duration,
    /// Between two complete events of it, or a server that sends a byte now and then is never left.
    pub(crate) event: Duration,
    /// How long a connection has to hold to count as good.
    pub(crate) settled: Duration,
    /// The first wait after a failure, and the longest.
    pub(crate) wait: Duration,
    pub(crate) longest_wait: Duration,
    /// Between two fetches of the keys, when nothing happens.
    pub(crate) keys: Duration,
    /// Between two fetches that unknown keys cause, and after one that failed.
    pub(crate) unknown_key: Duration,
    /// Between two fetches whatever happens.
    pub(crate) keys_at_least: Duration,
    pub(crate) report: Duration,
    pub(crate) sweep: Duration,
}

impl Timing {
    const USUAL: Self = Self {
        answer: Duration::from_secs(10),
        document: Duration::from_secs(10),
        silence: Duration::from_secs(15),
        event: Duration::from_secs(30),
        settled: Duration::from_secs(5),
        wait: Duration::from_millis(100),
        // Who waits this long is back within five seconds of the server.
        longest_wait: Duration::from_secs(4),
        keys: Duration::from_secs(300),
        unknown_key: Duration::from_secs(60),
        keys_at_least: Duration::from_millis(500),
        report: Duration::from_secs(5),
        sweep: Duration::from_secs(60),
    };
}

impl FollowSettings {
    /// Follows the Usher at this address and goes on with what is known when it cannot be heard.
    pub fn new(url: impl Into<String>, feed_token: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            more: Vec::new(),
            feed_token: feed_token.into(),
            staleness: Staleness::Continue,
            clock: clock::system(),
            listener: None,
            timing: Timing::USUAL,
        }
    }

    /// With another node of the same Usher, which has the same database, keys and service tokens. Nodes
    /// are asked in the order in which they were named; at each failure the next one is turned to, and
    /// who answers is kept.
    #[must_use]
    pub fn with_more(mut self, url: impl Into<String>) -> Self {
        self.more.push(url.into());
        self
    }

    pub(crate) fn urls(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.url).chain(&self.more).map(String::as_str)
    }

    /// With this policy for times when the feed cannot be heard.
    #[must_use]
    pub fn with_staleness(mut self, staleness: Staleness) -> Self {
        self.staleness = staleness;
        self
    }

    /// With another clock than the machine's, in Unix seconds. It has to be the one that
    /// [`Verifier::check`](crate::Verifier::check) is given.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Tells this function what goes wrong, for a log. It is called in the background and must not
    /// block; a server that is gone is told about with every attempt, at most every two seconds.
    #[must_use]
    pub fn with_listener(mut self, listener: impl Fn(Trouble) + Send + Sync + 'static) -> Self {
        self.listener = Some(Arc::new(listener));
        self
    }

    pub(crate) fn tell(&self, trouble: Trouble) {
        if let Some(listener) = &self.listener {
            listener(trouble);
        }
    }

    pub(crate) fn now(&self) -> i64 {
        (self.clock)()
    }
}

impl fmt::Debug for FollowSettings {
    /// The token is a secret.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("FollowSettings")
            .field("url", &self.url)
            .field("more", &self.more)
            .field("staleness", &self.staleness)
            .finish_non_exhaustive()
    }
}
