//! Accepting connections, and letting them finish.

mod places;
#[cfg(test)]
mod tests;
mod version;

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{Request, Response, StatusCode, header};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::address::Network;
use crate::link::{Link, Streaming};
use crate::patient::Patient;
use crate::stream::Stream;
use crate::strict::Strict;
use crate::tls::Tls;
pub(crate) use places::Place;
use places::{Free, Places};

/// Connections at once, tunnels among them. One of HTTP/1.1 that waits or streams costs some 13 KiB and
/// one of HTTP/2 some 25 KiB, with TLS some more; what a client makes of it by sending much or reading
/// nothing is bounded below.
const MAX_CONNECTIONS: usize = 10_000;
/// How many of them one network of clients may have (an IPv4 address, or an IPv6 network of 64 bits).
/// It takes four to shut everybody else out. Trusted proxies and this machine may have all of them.
const SHARE: usize = MAX_CONNECTIONS / 4;
/// A client has this long to send the head of a request, and as long to send the next one.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection on which nothing moves for this long ends, unless it is the client who waits.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// The head of a request, in bytes; more is 431.
pub(crate) const MAX_HEAD: usize = 32 * 1024;
/// Requests at once on one HTTP/2 connection.
const MAX_STREAMS: u32 = 100;
/// Streams that a client opened and reset before they were looked at, and streams that we reset because
/// of its errors: a connection with more of them is an attack (CVE-2023-44487, CVE-2025-8671).
const MAX_RESETS_BEFORE_ACCEPT: usize = 20;
const MAX_RESETS_FOR_ERRORS: usize = 128;
/// A client of HTTP/2 is pinged this often, and has this long to answer.
const PING_EVERY: Duration = Duration::from_secs(20);
const PING_PATIENCE: Duration = Duration::from_secs(20);

/// What one HTTP/2 client may have sent that nobody has read yet, for each request and for all of them.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 512 * 1024;
/// What is kept of an answer over HTTP/2 that its client does not take.
const MAX_SEND_BUFFER: usize = 64 * 1024;

/// Serves until `stop` is done, then lets requests that are under way finish, for `patience` at
/// most. Whether all of them did. `proxies` bring many people through one address, and so they are not
/// held to the share of one; nor is this machine itself, where proxies and programs of the operator run.
pub async fn serve<H, F>(
    listener: TcpListener,
    tls: Option<Tls>,
    proxies: Vec<Network>,
    handler: H,
    stop: impl Future<Output = ()>,
    patience: Duration,
) -> bool
where
    H: Fn(Request<Incoming>, SocketAddr) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Response<Body>, Infallible>> + Send + 'static,
{
    let following = tls.clone().map(|tls| tokio::spawn(tls.follow()));
    let (stopping, stopped) = watch::channel(false);
    let this_machine = ["127.0.0.0/8", "::1"].iter().filter_map(|network| network.parse().ok());
    let places = Places::new(MAX_CONNECTIONS, SHARE, proxies.into_iter().chain(this_machine).collect());
    let meeting = Meeting { protocols: Protocols::new(), tls, handler, idle: IDLE_TIMEOUT, stopped };
    tokio::select! {
        () = meet(listener, places, meeting) => {}
        () = stop => {}
    }
    if let Some(following) = following {
        following.abort();
    }
    stopping.send_replace(true);
    // Every connection holds a receiver until it ends.
    tokio::time::timeout(patience, stopping.closed()).await.is_ok()
}

/// What every connection is met with.
#[derive(Clone)]
struct Meeting<H> {
    protocols: Arc<Protocols>,
    tls: Option<Tls>,
    handler: H,
    /// For how long nothing may move.
    idle: Duration,
    stopped: watch::Receiver<bool>,
}

/// Accepts connections for ever, each in a task of its own.
async fn meet<H, F>(listener: TcpListener, places: Arc<Places>, meeting: Meeting<H>)
where
    H: Fn(Request<Incoming>, SocketAddr) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Response<Body>, Infallible>> + Send + 'static,
{
    loop {
        let Some((stream, peer, free)) = accept(&listener, &places).await else { continue };
        let Some(place) = places.take(free, peer.ip()) else {
            tracing::debug!(client = %peer.ip(), "a connection was closed: its network has its share of them");
            continue;
        };
        // A reset here only means that the client is gone; the connection will tell.
        let _ = stream.set_nodelay(true);
        let mut meeting = meeting.clone();
        match meeting.tls.take() {
            None => {
                tokio::spawn(converse(Stream::Plain(stream), peer, place, meeting));
            }
            Some(tls) => {
                tokio::spawn(async move {
                    match shake_hands(&tls, stream, meeting.stopped.clone()).await {
                        // Boxed: the handshake is over, and its memory would otherwise stay beside.
                        Ok(stream) => Box::pin(converse(stream, peer, place, meeting)).await,
                        Err(error) => tracing::debug!(%error, "a TLS handshake failed"),
                    }
                });
            }
        }
    }
}

/// How both kinds of HTTP are spoken.
struct Protocols {
    one: http1::Builder,
    two: http2::Builder<TokioExecutor>,
}

impl Protocols {
    fn new() -> Arc<Self> {
        let mut one = http1::Builder::new();
        one.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT).max_buf_size(MAX_HEAD);
        let mut two = http2::Builder::new(TokioExecutor::new());
        two.timer(TokioTimer::new())
            .max_header_list_size(u32::try_from(MAX_HEAD).unwrap_or(u32::MAX))
            .max_concurrent_streams(MAX_STREAMS)
            .max_pending_accept_reset_streams(Some(MAX_RESETS_BEFORE_ACCEPT))
            .max_local_error_reset_streams(Some(MAX_RESETS_FOR_ERRORS))
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buf_size(MAX_SEND_BUFFER)
            .keep_alive_interval(Some(PING_EVERY))
            .keep_alive_timeout(PING_PATIENCE);
        Arc::new(Self { one, two })
    }
}

/// Answers what comes over one connection, until it ends.
async fn converse<H, F>(stream: Stream, peer: SocketAddr, place: Place, meeting: Meeting<H>)
where
    H: Fn(Request<Incoming>, SocketAddr) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Response<Body>, Infallible>> + Send + 'static,
{
    let Meeting { protocols, handler, idle, mut stopped, .. } = meeting;
    let found = tokio::select! {
        found = version::is_http2(&stream, idle) => found,
        _ = stopped.wait_for(|stopped| *stopped) => return,
    };
    let Ok(is_http2) = found else { return };
    let link = Arc::new(Link::holding(place));
    let stream = Strict::new(Patient::linked(stream, idle, link.clone()), link.clone());
    let answering = link.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let wishes_upgrade = request.headers().contains_key(header::UPGRADE);
        let (handler, link) = (handler.clone(), answering.clone());
        // Boxed: a connection of HTTP/1.1 keeps the room for this, and most have no request under way.
        Box::pin(async move {
            let working = link.work();
            let response = handler(request, peer).await?;
            drop(working);
            if wishes_upgrade {
                link.decide(response.status() == StatusCode::SWITCHING_PROTOCOLS);
            }
            if response.body().size_hint().exact().is_some() {
                return Ok::<_, Infallible>(response);
            }
            Ok(response.map(|body| Body::new(Endless { body, _streaming: link.stream() })))
        })
    });
    let io = TokioIo::new(stream);
    // Boxed, so that it is not in here twice, once for each protocol.
    let ended = if is_http2 {
        let connection = Box::pin(protocols.two.serve_connection(io, service));
        finish(connection, http2::Connection::graceful_shutdown, link, stopped).await
    } else {
        let connection = Box::pin(protocols.one.serve_connection(io, service).with_upgrades());
        finish(connection, http1::UpgradeableConnection::graceful_shutdown, link, stopped).await
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended badly");
    }
}

/// Drives a connection to its end, and has it tell its client to go when it is deserted or the program
/// stops.
async fn finish<C: Future<Output = hyper::Result<()>>>(
    mut connection: Pin<Box<C>>,
    tell: impl Fn(Pin<&mut C>),
    link: Arc<Link>,
    mut stopped: watch::Receiver<bool>,
) -> hyper::Result<()> {
    let mut stop = pin!(stopped.wait_for(|stopped| *stopped));
    let mut told = false;
    poll_fn(|context| {
        loop {
            if let Poll::Ready(ended) = connection.as_mut().poll(context) {
                return Poll::Ready(ended);
            }
            // The idle alarm says that it is deserted, and rings in the poll above.
            if told || !(link.is_deserted() || stop.as_mut().poll(context).is_ready()) {
                return Poll::Pending;
            }
            told = true;
            tell(connection.as_mut());
        }
    })
    .await
}

/// The body of an answer whose end is not known. While it lasts, its client may be silent.
struct Endless {
    body: Body,
    _streaming: Streaming,
}

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

async fn shake_hands(tls: &Tls, stream: TcpStream, mut stopping: watch::Receiver<bool>) -> io::Result<Stream> {
    tokio::select! {
        accepted = tls.accept(stream) => Ok(Stream::Tls(Box::new(accepted?.into()))),
        _ = stopping.wait_for(|stopping| *stopping) => Err(io::ErrorKind::ConnectionAborted.into()),
    }
}

async fn accept(listener: &TcpListener, places: &Places) -> Option<(TcpStream, SocketAddr, Free)> {
    let free = places.free().await?;
    match listener.accept().await {
        Ok((stream, peer)) => Some((stream, peer, free)),
        Err(error) => {
            // Out of file descriptors, most likely: to try again at once would only burn a core.
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}
