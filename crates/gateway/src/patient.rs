//! A connection that ends when nothing moves on it. A client that opens one and says nothing, or a
//! network that swallows everything, must not hold a place for ever.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use crate::link::Link;

/// How long a stream or tunnel may be silent. Most WebSocket libraries ping every minute, and most
/// event streams say something more often.
pub(crate) const SILENCE: Duration = Duration::from_secs(600);

/// A stream with a limit on how long it may be idle in both directions: at least `limit`, and less
/// than twice that, so that moving costs a flag and no look at the clock.
pub(crate) struct Patient<S> {
    stream: S,
    limit: Duration,
    /// Whether something was read or written since the alarm was set.
    moved: bool,
    /// Whether what we write is not taken.
    stuck: bool,
    alarm: Pin<Box<Sleep>>,
    link: Option<Arc<Link>>,
    /// How long it has been silent for a good reason.
    silent: Duration,
}

impl<S> Patient<S> {
    pub(crate) fn new(stream: S, limit: Duration) -> Self {
        Self {
            stream,
            limit,
            moved: false,
            stuck: false,
            alarm: Box::pin(tokio::time::sleep(limit)),
            link: None,
            silent: Duration::ZERO,
        }
    }

    /// A client's connection. While an answer is made for it, or streams, or it is a tunnel, it may be
    /// silent for [`SILENCE`], as long as it takes what we write.
    pub(crate) fn linked(stream: S, limit: Duration, link: Arc<Link>) -> Self {
        Self { link: Some(link), ..Self::new(stream, limit) }
    }

    /// Ready when it has been idle for too long.
    fn poll_alarm(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        while self.alarm.as_mut().poll(context).is_ready() {
            if std::mem::take(&mut self.moved) {
                self.silent = Duration::ZERO;
            } else {
                self.silent += self.limit;
                let may_be_silent = !self.stuck && self.link.as_ref().is_some_and(|link| link.may_be_silent());
                if !may_be_silent || self.silent >= SILENCE {
                    return Poll::Ready(io::ErrorKind::TimedOut.into());
                }
            }
            self.alarm.as_mut().reset(Instant::now() + self.limit);
        }
        Poll::Pending
    }

    fn after<T>(&mut self, polled: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.moved = true;
            return polled;
        }
        self.poll_alarm(context).map(Err)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.after(polled, context)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.stuck = polled.is_pending();
        self.after(polled, context)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.stuck = polled.is_pending();
        self.after(polled, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn an_idle_stream_ends_and_a_moving_one_does_not() {
        let (mut client, server) = tokio::io::duplex(64);
        let mut server = Patient::new(server, Duration::from_millis(200));
        let mut byte = [0];
        for _ in 0..6 {
            tokio::time::sleep(Duration::from_millis(60)).await;
            client.write_all(b"x").await.unwrap();
            server.read_exact(&mut byte).await.unwrap();
        }
        let begun = Instant::now();
        assert_eq!(server.read(&mut byte).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(begun.elapsed() >= Duration::from_millis(150));
    }
}
