//! The body of an answer on its way to the client: it brings the connection that it comes on back to
//! the pool, keeps the upstream's place taken until it is complete, and ends when time or trust does.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use axum::body::{Body, Bytes};
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

use super::StillTrusted;
use super::connection::Http1;
use super::member::{Member, Place};

/// How often it is asked whether a client that listens to a stream is still trusted.
pub(super) const TRUST_CHECKED_EVERY: Duration = Duration::from_secs(1);

/// Where a body comes from.
pub(super) enum Source {
    /// This connection, which is driven by whoever reads the body.
    One(Box<Http1>),
    /// A connection with a task of its own.
    Many,
}

/// An answer's body.
pub(super) struct Guarded {
    incoming: Incoming,
    /// A frame that was taken early.
    ahead: Option<Frame<Bytes>>,
    source: Option<Source>,
    place: Option<Place>,
    /// When the whole answer has to be complete. Streams of events have no end to wait for.
    deadline: Option<Instant>,
    /// Set when it was waited for.
    alarm: Option<Pin<Box<Sleep>>>,
    trust: Option<Trust>,
}

struct Trust {
    still_trusted: StillTrusted,
    next: Pin<Box<Sleep>>,
}

/// What an answer's body is guarded by.
pub(super) struct Guards {
    pub(super) deadline: Instant,
    pub(super) still_trusted: Option<StillTrusted>,
}

impl Guarded {
    /// The body as it goes to the client. One that has come completely with its head needs no guards
    /// and lets go of everything at once.
    pub(super) fn body(headers: &HeaderMap, incoming: Incoming, source: Source, place: Place, guards: Guards) -> Body {
        let endless = is_endless(headers);
        let streams = endless || !headers.contains_key(http::header::CONTENT_LENGTH);
        let trust = guards
            .still_trusted
            .filter(|_| streams)
            .map(|still_trusted| Trust { still_trusted, next: Box::pin(tokio::time::sleep(TRUST_CHECKED_EVERY)) });
        let mut guarded = Self {
            incoming,
            ahead: None,
            source: Some(source),
            place: Some(place),
            deadline: (!endless).then_some(guards.deadline),
            alarm: None,
            trust,
        };
        if guarded.incoming.is_end_stream() {
            guarded.finish();
            return Body::empty();
        }
        if !streams && let Some(whole) = guarded.whole() {
            return Body::from(whole);
        }
        Body::new(guarded)
    }

    /// The body, if all of it is here.
    fn whole(&mut self) -> Option<Bytes> {
        if !matches!(self.source, Some(Source::One(_))) {
            return None;
        }
        let Poll::Ready(Some(Ok(frame))) =
            Pin::new(&mut self.incoming).poll_frame(&mut Context::from_waker(Waker::noop()))
        else {
            return None;
        };
        if !self.incoming.is_end_stream() {
            self.ahead = Some(frame);
            return None;
        }
        self.finish();
        frame.into_data().ok()
    }

    /// Lets go of connection and place, when all has come.
    fn finish(&mut self) {
        if let (Some(Source::One(connection)), Some(place)) = (self.source.take(), &self.place) {
            place.host().give_back(connection);
        }
        self.place = None;
        self.alarm = None;
        self.trust = None;
    }

    fn poll_incoming(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if let Some(frame) = self.ahead.take() {
            return Poll::Ready(Some(Ok(frame)));
        }
        let Some(Source::One(connection)) = &mut self.source else {
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

    /// Ready when it has to end before it is complete.
    fn poll_guards(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        if let Some(trust) = &mut self.trust {
            while trust.next.as_mut().poll(context).is_ready() {
                if !(trust.still_trusted)() {
                    return Poll::Ready(io::Error::new(io::ErrorKind::PermissionDenied, "no longer trusted"));
                }
                trust.next.as_mut().reset(Instant::now() + TRUST_CHECKED_EVERY);
            }
        }
        if let Some(deadline) = self.deadline {
            let alarm = self.alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
            if alarm.as_mut().poll(context).is_ready() {
                return Poll::Ready(io::ErrorKind::TimedOut.into());
            }
        }
        Poll::Pending
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
        if this.source.is_none() {
            return Poll::Ready(None);
        }
        let polled = this.poll_incoming(context);
        // Asked while it waits, and for what has no known end also while it flows.
        if (polled.is_pending() || this.trust.is_some())
            && let Poll::Ready(error) = this.poll_guards(context)
        {
            this.source = None;
            this.place = None;
            return Poll::Ready(Some(Err(error)));
        }
        match polled {
            Poll::Ready(Some(Ok(frame))) => {
                if this.incoming.is_end_stream() {
                    this.finish();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(None) => {
                this.finish();
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(error))) => {
                this.source = None;
                this.place = None;
                Poll::Ready(Some(Err(io::Error::other(error))))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.source.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        // What was taken early is still to come: with less than that the server would cut the answer short.
        let ahead = self.ahead.as_ref().and_then(Frame::data_ref).map_or(0, |data| data.len() as u64);
        let rest = self.incoming.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(ahead));
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(ahead));
        }
        hint
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
