//! One connection to an upstream, and the making of it.

use std::future::{Future as _, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::address::{Address, Protocol};
use super::outgoing::Outgoing;
use crate::stream::Stream;

/// The head of an answer, in bytes. An upstream that sends more is broken.
const MAX_HEAD: usize = 64 * 1024;
/// An upstream that says nothing for so long, and then does not answer a ping, is gone.
const PING_EVERY: Duration = Duration::from_secs(20);
const PING_PATIENCE: Duration = Duration::from_secs(10);

type Http1Connection = http1::Connection<TokioIo<Stream>, Outgoing>;

/// A connection that was just made.
pub(super) enum Made {
    One(Box<Http1>),
    Many(http2::SendRequest<Outgoing>),
}

/// A connection for one request at a time.
///
/// It has no task of its own: whoever waits for an answer on it drives it. That saves a switch
/// between tasks, often between threads, for every request and every answer.
pub(super) struct Http1 {
    sender: http1::SendRequest<Outgoing>,
    /// `None` when it has ended.
    connection: Option<Http1Connection>,
    /// When it was last used.
    pub(super) used: Instant,
}

impl Http1 {
    /// Moves bytes. To be called before anything that this connection could bring is looked for.
    pub(super) fn drive(&mut self, context: &mut Context<'_>) {
        if let Some(connection) = &mut self.connection
            && Pin::new(connection).poll(context).is_ready()
        {
            // What waits for an answer on it learns by this that there will be none.
            self.connection = None;
        }
    }

    /// Sends a request and waits for the head of its answer. The request comes back if nothing of
    /// it was sent.
    pub(super) async fn send(
        &mut self,
        request: Request<Outgoing>,
    ) -> Result<Response<Incoming>, TrySendError<Request<Outgoing>>> {
        let mut answering = pin!(self.sender.try_send_request(request));
        let connection = &mut self.connection;
        poll_fn(|context| {
            if let Some(open) = connection
                && Pin::new(open).poll(context).is_ready()
            {
                *connection = None;
            }
            // Only the connection can bring it, and the connection has just been asked with the
            // real waker: one more waker would wake the task that is running anyway.
            answering.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        })
        .await
    }

    /// Whether it can take another request. One that cannot is of no more use.
    pub(super) fn is_reusable(&mut self) -> bool {
        if !self.sender.is_ready() {
            self.drive(&mut Context::from_waker(Waker::noop()));
        }
        self.connection.is_some() && self.sender.is_ready()
    }

    /// Gives it a task of its own in which it can become a tunnel.
    pub(super) fn into_upgradeable(self) -> http1::SendRequest<Outgoing> {
        if let Some(connection) = self.connection {
            tokio::spawn(async move {
                if let Err(error) = connection.with_upgrades().await {
                    tracing::debug!(%error, "a connection to an upstream ended badly");
                }
            });
        }
        self.sender
    }
}

/// Connects to an upstream, within `patience` from the first packet to the last of the handshakes.
pub(super) async fn connect(address: &Address, tls: Option<Arc<ClientConfig>>, patience: Duration) -> io::Result<Made> {
    match tokio::time::timeout(patience, connect_unbounded(address, tls)).await {
        Ok(made) => made,
        Err(_elapsed) => Err(io::ErrorKind::TimedOut.into()),
    }
}

async fn connect_unbounded(address: &Address, tls: Option<Arc<ClientConfig>>) -> io::Result<Made> {
    let stream = TcpStream::connect((address.host(), address.port())).await?;
    stream.set_nodelay(true)?;
    let (stream, speaks_http2) = match tls {
        None => (Stream::Plain(stream), address.protocol() == Protocol::H2c),
        Some(config) => {
            let name = ServerName::try_from(address.host().to_owned()).map_err(io::Error::other)?;
            let stream = TlsConnector::from(config).connect(name, stream).await?;
            let speaks_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            (Stream::Tls(Box::new(stream.into())), speaks_http2)
        }
    };
    if speaks_http2 { http2(stream).await.map(Made::Many) } else { http1(stream).await.map(Made::One) }
}

async fn http1(stream: Stream) -> io::Result<Box<Http1>> {
    let mut builder = http1::Builder::new();
    builder.max_buf_size(MAX_HEAD).max_header_size(MAX_HEAD);
    let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    let mut made = Http1 { sender, connection: Some(connection), used: Instant::now() };
    // A connection counts as ready only after it has been driven once.
    poll_fn(|context| {
        made.drive(context);
        Poll::Ready(())
    })
    .await;
    Ok(Box::new(made))
}

async fn http2(stream: Stream) -> io::Result<http2::SendRequest<Outgoing>> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(MAX_HEAD).unwrap_or(u32::MAX))
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_PATIENCE)
        .keep_alive_while_idle(true);
    let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection to an upstream ended badly");
        }
    });
    Ok(sender)
}
