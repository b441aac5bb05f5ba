//! What the layers of one connection of a client tell each other: the strict reader below the HTTP
//! server, the idle alarm below that, and the handler above.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};

use crate::server::Place;

/// One connection of a client. It is kept by what is left of the connection, a tunnel too, and so the
/// place is given back when that ends.
#[derive(Default)]
pub(crate) struct Link {
    upgrade: AtomicU8,
    /// Requests that wait for us and not for the client.
    working: AtomicU32,
    /// Answers of unknown length that are not complete.
    streaming: AtomicU32,
    /// Requests that have begun, ever; it may begin again at 0.
    begun: AtomicU32,
    /// Whether nothing was asked for so long that the client is to be told to go.
    deserted: AtomicBool,
    _place: Option<Place>,
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

/// An answer that streams.
pub(crate) struct Streaming(Arc<Link>);

impl Link {
    /// The link of a connection that has this place.
    pub(crate) fn holding(place: Place) -> Self {
        Self { _place: Some(place), ..Self::default() }
    }

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
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.working.fetch_add(1, Ordering::Relaxed);
        Working(self)
    }

    /// Says that an answer's length is not known, so that it may pause for long, until the value is
    /// dropped.
    pub(crate) fn stream(self: &Arc<Self>) -> Streaming {
        self.streaming.fetch_add(1, Ordering::Relaxed);
        Streaming(self.clone())
    }

    /// Whether silence of the client is no sign that it is gone.
    pub(crate) fn may_be_silent(&self) -> bool {
        self.streaming.load(Ordering::Relaxed) > 0
            || self.working.load(Ordering::Relaxed) > 0
            || self.upgrade() == Upgrade::Agreed
    }

    /// How many requests have begun.
    pub(crate) fn begun(&self) -> u32 {
        self.begun.load(Ordering::Relaxed)
    }

    /// Says that nothing was asked for too long.
    pub(crate) fn desert(&self) {
        self.deserted.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_deserted(&self) -> bool {
        self.deserted.load(Ordering::Relaxed)
    }
}

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.0.working.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Streaming {
    fn drop(&mut self) {
        self.0.streaming.fetch_sub(1, Ordering::Relaxed);
    }
}
