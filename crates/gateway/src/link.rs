//! What the layers of one connection of a client tell each other: the strict reader below the HTTP
//! server, the idle alarm below that, and the handler above.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};

/// One connection of a client.
#[derive(Default)]
pub(crate) struct Link {
    upgrade: AtomicU8,
    /// Requests that wait for us and not for the client.
    working: AtomicU32,
    streaming: AtomicBool,
}

/// What became of the wish to speak another protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Upgrade {
    /// There was none, or it has not been answered.
    Undecided,
    /// What follows is not HTTP.
    Agreed,
    /// What follows is HTTP, as before.
    Declined,
}

/// A request that is being worked on.
pub(crate) struct Working<'l>(&'l Link);

impl Link {
    pub(crate) fn upgrade(&self) -> Upgrade {
        match self.upgrade.load(Ordering::Acquire) {
            0 => Upgrade::Undecided,
            1 => Upgrade::Agreed,
            _ => Upgrade::Declined,
        }
    }

    /// Answers a request that wished to speak another protocol.
    pub(crate) fn decide(&self, agreed: bool) {
        self.upgrade.store(if agreed { 1 } else { 2 }, Ordering::Release);
    }

    /// The next request begins: what was decided on an earlier one is over.
    pub(crate) fn forget_decision(&self) {
        self.upgrade.store(0, Ordering::Release);
    }

    /// Says that a request is worked on, until the value is dropped.
    pub(crate) fn work(&self) -> Working<'_> {
        self.working.fetch_add(1, Ordering::Relaxed);
        Working(self)
    }

    /// Says that an answer's length is not known: it may pause for long.
    pub(crate) fn stream(&self) {
        self.streaming.store(true, Ordering::Relaxed);
    }

    /// Whether silence of the client is no sign that it is gone.
    pub(crate) fn may_be_silent(&self) -> bool {
        self.streaming.load(Ordering::Relaxed)
            || self.working.load(Ordering::Relaxed) > 0
            || self.upgrade() == Upgrade::Agreed
    }
}

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.0.working.fetch_sub(1, Ordering::Relaxed);
    }
}
