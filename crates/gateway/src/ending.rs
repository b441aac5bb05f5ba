//! When a request is over: its line in the access log. An answer that is in memory, or short, is as
//! good as sent; a longer one is over when its last byte has gone, or when its client has.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::{Body, Bytes};
use axum::http::{Response, StatusCode};
use http_body::{Body as _, Frame, SizeHint};
use kernel::Clock;

use crate::access_log::{AccessLog, Ending, Entry};

/// Up to this many bytes nobody waits for the end.
const SHORT: u64 = 64 * 1024;

/// What there is to write when a request is over.
pub(crate) struct Ended {
    log: AccessLog,
    entry: Entry,
    status: StatusCode,
    started: Instant,
    clock: Clock,
}

impl Ended {
    pub(crate) fn new(log: AccessLog, entry: Entry, status: StatusCode, started: Instant, clock: Clock) -> Self {
        Self { log, entry, status, started, clock }
    }

    fn write(&self, bytes: u64) {
        let ending = Ending { status: self.status.as_u16(), took: self.started.elapsed(), bytes };
        self.log.write(&self.entry, ending, self.clock.now());
    }
}

/// Writes the line now, or when the answer is over.
pub(crate) fn watch(response: Response<Body>, ended: Ended) -> Response<Body> {
    match response.body().size_hint().exact() {
        Some(bytes) if bytes <= SHORT => {
            ended.write(bytes);
            response
        }
        _ => response.map(|body| Body::new(Watched { body, bytes: 0, ended })),
    }
}

struct Watched {
    body: Body,
    bytes: u64,
    ended: Ended,
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
        {
            self.bytes += data.len() as u64;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.ended.write(self.bytes);
    }
}
