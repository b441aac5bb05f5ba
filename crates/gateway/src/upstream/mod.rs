//! Handing requests on to upstreams, and their answers back.
//!
//! [`Upstreams::send`] is a request's way: choose the upstream that is well and has the least to do
//! (`member`, `health`), take a connection to it (`pool`, `connection`), send head and body
//! (`headers`, `outgoing`), and give back an answer whose body is watched over (`guard`), or join both
//! sides to a tunnel (`tunnel`). A request is sent again only if nothing can have come of it.

mod address;
mod checks;
mod connection;
mod guard;
mod headers;
mod health;
mod member;
mod outgoing;
mod pool;
mod send;
#[cfg(test)]
mod tests;
mod tunnel;

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use axum::body::Body;
use http::Response;

pub(crate) use address::Address;
use member::Member;
pub(crate) use pool::Pool;

/// Asked about once a second while a tunnel or a stream lasts; `false` cuts it off.
pub(crate) type StillTrusted = Arc<dyn Fn() -> bool + Send + Sync>;

/// What a route says about its upstreams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// At least one.
    pub(crate) addresses: Vec<Address>,
    /// For connecting, handshakes included.
    pub(crate) connect: Duration,
    /// From the last byte of the request to the first of its answer.
    pub(crate) first_byte: Duration,
    /// For all of it. Tunnels, event streams and gRPC go on when their head has come in time.
    pub(crate) total: Duration,
    /// How often a request that may be repeated is sent again.
    pub(crate) retries: u8,
    /// What is asked for with GET to see whether an upstream is well.
    pub(crate) health_path: Option<String>,
    pub(crate) health_every: Duration,
}

/// The upstreams of one route.
pub(crate) struct Upstreams {
    settings: Settings,
    pool: Pool,
    members: Vec<Arc<Member>>,
    turn: AtomicUsize,
}

/// How one upstream is, for metrics and people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) address: Arc<str>,
    pub(crate) healthy: bool,
    /// Requests whose answers are not complete, and tunnels.
    pub(crate) in_flight: usize,
}

/// An answer of an upstream.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) response: Response<Body>,
    /// From the call to the head of the answer, all attempts together.
    pub(crate) first_byte: Duration,
    /// Which upstream.
    pub(crate) address: Arc<str>,
    /// How often the request was tried.
    pub(crate) attempts: u8,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failed {
    /// All upstreams are out because they failed before; none was asked.
    #[error("no upstream is well")]
    NoneHealthy,
    /// All that are well have as many requests at once as they may; none was asked.
    #[error("all upstreams are at their limit")]
    Full,
    /// No connection came about in time, and nothing was sent.
    #[error("the upstream could not be connected to")]
    Connect,
    /// The request was sent and no answer began in time.
    #[error("the upstream did not begin to answer in time")]
    FirstByteTimeout,
    /// The whole took too long.
    #[error("the upstream took too long")]
    TotalTimeout,
    /// The connection broke, or what came over it was no HTTP.
    #[error("the upstream broke off")]
    Reset,
    /// The request's body is longer than the route allows.
    #[error("the body is too large")]
    BodyTooLarge,
    /// The client went away or stopped sending in the middle of its body.
    #[error("the client broke off")]
    ClientGone,
}

impl Upstreams {
    /// The upstreams of a route. Within a runtime, health checks and the closing of unused connections
    /// begin at once, and end when it is dropped; outside of one, where a configuration is only looked
    /// at, nothing begins.
    pub(crate) fn new(settings: Settings, pool: Pool) -> Arc<Self> {
        let members = settings.addresses.iter().map(|address| Arc::new(Member::new(pool.host(address)))).collect();
        let this = Arc::new(Self { settings, pool, members, turn: AtomicUsize::new(0) });
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            checks::begin(&this, &runtime);
        }
        this
    }

    /// How each upstream is.
    pub(crate) fn states(&self) -> Vec<State> {
        let state = |member: &Arc<Member>| State {
            address: member.name.clone(),
            healthy: member.health.is_well(),
            in_flight: member.in_flight(),
        };
        self.members.iter().map(state).collect()
    }
}
