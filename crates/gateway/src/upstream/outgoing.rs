//! The body of a request on its way to an upstream.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::LengthLimitError;
use tokio::time::Instant;

/// The last thing that happened is that the client was waited for.
const WAITING: u8 = 1;
/// It broke, and why.
const TOO_LARGE: u8 = 2;
const BROKE: u8 = 4;

/// What became of a request's body. The connection owns the body; this stays with who sent it.
#[derive(Clone, Default)]
pub(super) struct Fate(Option<Arc<Progress>>);

pub(super) struct Progress {
    begun: Instant,
    flags: AtomicU8,
    /// When it moved last, in milliseconds since `begun`.
    moved: AtomicU64,
}

/// How a body came to a bad end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    TooLarge,
    ClientGone,
}

impl Fate {
    fn flags(&self) -> u8 {
        self.0.as_ref().map_or(0, |progress| progress.flags.load(Ordering::Relaxed))
    }

    /// When the body moved last; `None` if there is none.
    pub(super) fn moved(&self) -> Option<Instant> {
        let progress = self.0.as_ref()?;
        Some(progress.begun + Duration::from_millis(progress.moved.load(Ordering::Relaxed)))
    }

    /// Whether everybody waits for the client to send more.
    pub(super) fn waits_for_client(&self) -> bool {
        self.flags() & WAITING != 0
    }

    pub(super) fn broken(&self) -> Option<Broken> {
        match self.flags() {
            flags if flags & TOO_LARGE != 0 => Some(Broken::TooLarge),
            flags if flags & BROKE != 0 => Some(Broken::ClientGone),
            _ => None,
        }
    }
}

/// A request's body without trailers: a client could name identity headers in them, and an upstream
/// that merges trailers into headers would believe it.
pub(super) enum Outgoing {
    Empty,
    Streaming { body: Body, declared: Option<u64>, fate: Arc<Progress> },
}

impl Outgoing {
    /// `declared`: what `Content-Length` says. The hint of the body itself is not asked: one with a
    /// limit on it claims to be as long as the limit, and a body cut there would look complete.
    pub(super) fn new(body: Body, declared: Option<u64>) -> (Self, Fate) {
        if body.is_end_stream() {
            return (Self::Empty, Fate(None));
        }
        let progress = Progress { begun: Instant::now(), flags: AtomicU8::new(0), moved: AtomicU64::new(0) };
        let fate = Arc::new(progress);
        (Self::Streaming { body, declared, fate: fate.clone() }, Fate(Some(fate)))
    }

    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }
}

impl http_body::Body for Outgoing {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Self::Streaming { body, fate, .. } = &mut *self else { return Poll::Ready(None) };
        loop {
            let polled = Pin::new(&mut *body).poll_frame(context);
            let (flags, dropped) = match &polled {
                Poll::Pending => (WAITING, false),
                Poll::Ready(Some(Err(error))) => (if is_too_large(error) { TOO_LARGE } else { BROKE }, false),
                Poll::Ready(Some(Ok(frame))) => (0, !frame.is_data()),
                Poll::Ready(None) => (0, false),
            };
            fate.flags.store(fate.flags.load(Ordering::Relaxed) & !WAITING | flags, Ordering::Relaxed);
            if polled.is_ready() {
                let moved = u64::try_from(fate.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
                fate.moved.store(moved, Ordering::Relaxed);
            }
            if !dropped {
                return polled;
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Streaming { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Streaming { declared: Some(length), .. } => SizeHint::with_exact(*length),
            Self::Streaming { declared: None, .. } => SizeHint::new(),
        }
    }
}

fn is_too_large(error: &axum::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.is::<LengthLimitError>() {
            return true;
        }
        cause = error.source();
    }
    false
}
