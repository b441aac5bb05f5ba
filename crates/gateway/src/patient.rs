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

/// Fewer bytes than this between two alarms may be pings alone, of HTTP/2 or of TLS.
const MORE_THAN_PINGS: usize = 1024;
/// So many alarms after which nothing was asked, and the client is told to go; after one more it has to.
const ALARMS_UNTIL_DESERTED: u8 = 2;

/// A stream with a limit on how long it may be idle in both directions: at least `limit`, and less
/// than twice that, so that moving costs an addition and no look at the clock.
pub(crate) struct Patient<S> {
    stream: S,
    limit: Duration,
    /// Bytes since the alarm was set, and 1 for the end of the stream.
    moved: usize,
    /// Whether what we write is not taken.
    stuck: bool,
    alarm: Pin<Box<Sleep>>,
    /// How long it has been silent for a good reason.
    silent: Duration,
    client: Option<Client>,
}

/// What is known of a client that may ask for things.
struct Client {
    link: Arc<Link>,
    /// Requests that had begun when the alarm was set.
    begun: u32,
    /// Alarms in a row after which nothing was asked and nothing was under way.
    unasked: u8,
}

impl<S> Patient<S> {
    pub(crate) fn new(stream: S, limit: Duration) -> Self {
        Self {
            stream,
            limit,
            moved: 0,
            stuck: false,
            alarm: Box::pin(tokio::time::sleep(limit)),
            silent: Duration::ZERO,
            client: None,
        }
    }

    /// A client's connection. While an answer is made for it, or streams, or it is a tunnel, it may be
    /// silent for [`SILENCE`], as long as it takes what we write. While there is nothing of that, it has
    /// to ask for something: pings alone keep it for two to three times `limit`. Then the link is said
    /// to be deserted, and after another `limit` the connection ends.
    pub(crate) fn linked(stream: S, limit: Duration, link: Arc<Link>) -> Self {
        Self { client: Some(Client { link, begun: 0, unasked: 0 }), ..Self::new(stream, limit) }
    }

    /// Ready when it has been idle for too long.
    fn poll_alarm(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        while self.alarm.as_mut().poll(context).is_ready() {
            let moved = std::mem::take(&mut self.moved);
            if moved > 0 {
                self.silent = Duration::ZERO;
            } else {
                self.silent += self.limit;
                let may_be_silent =
                    !self.stuck && self.client.as_ref().is_some_and(|client| client.link.may_be_silent());
                if !may_be_silent || self.silent >= SILENCE {
                    return Poll::Ready(io::ErrorKind::TimedOut.into());
                }
            }
            if self.client.as_mut().is_some_and(|client| client.has_left(moved)) {
                return Poll::Ready(io::ErrorKind::TimedOut.into());
            }
            self.alarm.as_mut().reset(Instant::now() + self.limit);
        }
        Poll::Pending
    }

    /// Notes what was read or written.
    fn after<T>(
        &mut self,
        polled: Poll<io::Result<T>>,
        bytes: impl FnOnce(&T) -> usize,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        match &polled {
            Poll::Ready(outcome) => {
                self.moved = self.moved.saturating_add(outcome.as_ref().map_or(0, bytes).max(1));
                polled
            }
            Poll::Pending => self.poll_alarm(context).map(Err),
        }
    }
}

impl Client {
    /// Whether nothing was asked for so long that it has to go. So many bytes moved since the last alarm.
    fn has_left(&mut self, moved: usize) -> bool {
        let begun = self.link.begun();
        let asked = std::mem::replace(&mut self.begun, begun) != begun;
        // A long answer may be on its way without a request beginning.
        if asked || self.link.may_be_silent() || moved > MORE_THAN_PINGS {
            self.unasked = 0;
            return false;
        }
        self.unasked += 1;
        if self.unasked >= ALARMS_UNTIL_DESERTED {
            self.link.desert();
        }
        self.unasked > ALARMS_UNTIL_DESERTED
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.after(polled, |()| buffer.filled().len() - before, context)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.stuck = polled.is_pending();
        self.after(polled, |&written| written, context)
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
        self.after(polled, |&written| written, context)
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
    /// Reads for ever while somebody else writes `size` bytes every 20 ms; how long that was possible.
    async fn lasts(link: &Arc<Link>, size: usize) -> Duration {
        let (mut client, server) = tokio::io::duplex(64 * 1024);
        let mut server = Patient::linked(server, Duration::from_millis(100), link.clone());
        let begun = Instant::now();
        let writing = async {
            while client.write_all(&vec![0; size]).await.is_ok() && begun.elapsed() < Duration::from_secs(1) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let reading = async {
            let mut bytes = vec![0; 4096];
            while server.read(&mut bytes).await.is_ok_and(|length| length > 0) {}
            begun.elapsed()
        };
        tokio::select! {
            () = writing => begun.elapsed(),
            lasted = reading => lasted,
        }
    }

    #[tokio::test]
    async fn g6_pings_alone_do_not_keep_a_connection() {
        let link = Arc::new(Link::default());
        let lasted = lasts(&link, 17).await;
        assert!((Duration::from_millis(280)..Duration::from_millis(800)).contains(&lasted), "{lasted:?}");
        assert!(link.is_deserted());
    }

    #[tokio::test]
    async fn what_is_asked_under_way_or_long_keeps_it() {
        let second = Duration::from_secs(1);
        let link = Arc::new(Link::default());
        let working = link.work();
        assert!(lasts(&link, 17).await >= second);
        drop(working);
        let streaming = link.stream();
        assert!(lasts(&link, 17).await >= second);
        drop(streaming);
        assert!(lasts(&link, 2048).await >= second);
        assert!(!link.is_deserted());
        let asking = async {
            loop {
                tokio::time::sleep(Duration::from_millis(70)).await;
                drop(link.work());
            }
        };
        tokio::select! {
            lasted = lasts(&link, 17) => assert!(lasted >= second),
            () = asking => {}
        }
        // None of it is remembered once it is over.
        assert!(lasts(&link, 17).await < second);
    }
}
