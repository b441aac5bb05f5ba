//! The body of an answer on its way to the client: it brings the connection that it comes on back to
//! the pool, keeps the upstream's place taken until it is complete, and ends when time or trust does.
//!
//! Time and trust are watched by a task of their own and not by who reads: nobody reads while the client
//! does not take what was read before, and a client that takes nothing would keep the upstream's
//! connection for as long as it likes.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use axum::body::{Body, Bytes};
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::StillTrusted;
use super::connection::Http1;
use super::member::{Member, Place};

/// How often it is asked whether a client that listens to a stream is still trusted.
const TRUST_CHECKED_EVERY: Duration = Duration::from_secs(1);

/// Where a body comes from.
pub(super) enum Source {
    /// This connection, which is driven by whoever reads the body.
    One(Box<Http1>),
    /// A connection with a task of its own.
    Many,
}

/// An answer's body.
pub(super) struct Guarded {
    /// A frame that was taken early.
    ahead: Option<Frame<Bytes>>,
    shared: Arc<Shared>,
    /// Watches over time and trust, unless there is no end to either.
    guard: Option<AbortHandle>,
}

/// What an answer's body is guarded by.
pub(super) struct Guards {
    /// When the whole answer has to be complete. Streams of events have no end to wait for.
    pub(super) deadline: Instant,
    pub(super) still_trusted: Option<StillTrusted>,
}

/// What reader and guard have in common. Only the reader holds the lock for longer than a moment, and
/// the guard takes it once at most.
#[derive(Default)]
struct Shared(Mutex<State>);

#[derive(Default)]
struct State {
    /// `None` when all has come, or it was cut.
    coming: Option<Coming>,
    /// Why it was cut, until the reader has been told.
    cut: Option<io::ErrorKind>,
    /// The reader, when it waits.
    reader: Option<Waker>,
}

/// The rest of an answer, and what is taken for as long as it has not come.
struct Coming {
    incoming: Incoming,
    source: Source,
    place: Place,
}

impl Guarded {
    /// The body as it goes to the client. One that has come completely with its head needs no guards
    /// and lets go of everything at once.
    pub(super) fn body(headers: &HeaderMap, incoming: Incoming, source: Source, place: Place, guards: Guards) -> Body {
        let mut coming = Coming { incoming, source, place };
        if coming.incoming.is_end_stream() {
            coming.finish();
            return Body::empty();
        }
        let endless = is_endless(headers);
        let streams = endless || !headers.contains_key(CONTENT_LENGTH);
        let ahead = if streams { None } else { coming.first() };
        if coming.incoming.is_end_stream() {
            coming.finish();
            return ahead.and_then(|frame| frame.into_data().ok()).map_or_else(Body::empty, Body::from);
        }
        let deadline = (!endless).then_some(guards.deadline);
        let still_trusted = guards.still_trusted.filter(|_| streams);
        let shared = Arc::new(Shared(Mutex::new(State { coming: Some(coming), ..State::default() })));
        let guard = (deadline.is_some() || still_trusted.is_some())
            .then(|| tokio::spawn(guard(shared.clone(), deadline, still_trusted)).abort_handle());
        Body::new(Self { ahead, shared, guard })
    }
}

/// Cuts an answer when its time is over or its client is no longer trusted.
async fn guard(shared: Arc<Shared>, deadline: Option<Instant>, still_trusted: Option<StillTrusted>) {
    let over = async {
        match deadline {
            Some(deadline) => tokio::time::sleep_until(deadline).await,
            None => std::future::pending().await,
        }
    };
    let why = tokio::select! {
        () = over => io::ErrorKind::TimedOut,
        () = trust_ends(still_trusted) => io::ErrorKind::PermissionDenied,
    };
    let mut state = shared.state();
    // Outside of the lock: with this, connection and place are given up, whether anybody reads or not.
    let coming = state.coming.take();
    if coming.is_some() {
        state.cut = Some(why);
    }
    let reader = state.reader.take();
    drop(state);
    drop(coming);
    if let Some(reader) = reader {
        reader.wake();
    }
}

/// Waits until a client is no longer trusted; for one that was never asked for trust, for ever.
pub(super) async fn trust_ends(still_trusted: Option<StillTrusted>) {
    let Some(still_trusted) = still_trusted else { return std::future::pending().await };
    while still_trusted() {
        tokio::time::sleep(TRUST_CHECKED_EVERY).await;
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Coming {
    /// The first piece of the body, if it came together with the head.
    fn first(&mut self) -> Option<Frame<Bytes>> {
        if !matches!(self.source, Source::One(_)) {
            return None;
        }
        match Pin::new(&mut self.incoming).poll_frame(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Some(Ok(frame))) => Some(frame),
            // What broke breaks again when it is read.
            _ => None,
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Source::One(connection) = &mut self.source else {
            return Pin::new(&mut self.incoming).poll_frame(context);
        };
        // The connection wakes with the real waker; what it brings is here as soon as it was driven.
        let mut quiet = Context::from_waker(Waker::noop());
        match Pin::new(&mut self.incoming).poll_frame(&mut quiet) {
            Poll::Pending => {
                connection.drive(context);
                Pin::new(&mut self.incoming).poll_frame(&mut quiet)
            }
            ready @ Poll::Ready(_) => ready,
        }
    }

    /// Lets go of connection and place, when all has come.
    fn finish(self) {
        if let Source::One(connection) = self.source {
            self.place.host().give_back(connection);
        }
    }
}

impl http_body::Body for Guarded {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = &mut *self;
        let mut state = this.shared.state();
        if let Some(why) = state.cut.take() {
            return Poll::Ready(Some(Err(why.into())));
        }
        let Some(coming) = &mut state.coming else { return Poll::Ready(None) };
        if let Some(frame) = this.ahead.take() {
            return Poll::Ready(Some(Ok(frame)));
        }
        let polled = coming.poll(context);
        let is_complete = match &polled {
            Poll::Ready(Some(Ok(_))) if !coming.incoming.is_end_stream() => return polled.map_err(io::Error::other),
            Poll::Pending => {
                if !state.reader.as_ref().is_some_and(|reader| reader.will_wake(context.waker())) {
                    state.reader = Some(context.waker().clone());
                }
                return Poll::Pending;
            }
            Poll::Ready(Some(Err(_))) => false,
            Poll::Ready(_) => true,
        };
        let coming = state.coming.take();
        drop(state);
        if let Some(guard) = this.guard.take() {
            guard.abort();
        }
        if is_complete && let Some(coming) = coming {
            coming.finish();
        }
        polled.map_err(io::Error::other)
    }

    fn is_end_stream(&self) -> bool {
        let state = self.shared.state();
        // One that was cut must not look complete.
        state.coming.is_none() && state.cut.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let state = self.shared.state();
        if state.cut.is_some() {
            return SizeHint::new();
        }
        // What was taken early is still to come: with less than that the server would cut the answer short.
        let ahead = self.ahead.as_ref().and_then(Frame::data_ref).map_or(0, |data| data.len() as u64);
        let rest = state.coming.as_ref().map_or_else(|| SizeHint::with_exact(0), |coming| coming.incoming.size_hint());
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(ahead));
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(ahead));
        }
        hint
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        if let Some(guard) = self.guard.take() {
            guard.abort();
            // The task that was aborted may hold its half for a moment longer.
            let coming = self.shared.state().coming.take();
            drop(coming);
        }
    }
}

/// Whether an answer goes on for as long as both sides like.
fn is_endless(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(CONTENT_TYPE) else { return false };
    let starts =
        |prefix: &[u8]| kind.as_bytes().get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    starts(b"text/event-stream") || starts(b"application/grpc")
}

/// Lets go of the answer to a check, keeping its connection if that is free already.
pub(super) fn discard(member: &Arc<Member>, mut body: Incoming, source: Source) {
    if let Source::One(connection) = source {
        let mut quiet = Context::from_waker(Waker::noop());
        while let Poll::Ready(Some(Ok(_))) = Pin::new(&mut body).poll_frame(&mut quiet) {}
        if body.is_end_stream() {
            member.host.give_back(connection);
        }
    }
}
