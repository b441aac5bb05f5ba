//! Accepting connections, and letting them finish.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, Response, StatusCode, header};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::link::Link;
use crate::patient::Patient;
use crate::stream::Stream;
use crate::strict::Strict;
use crate::tls::Tls;

/// Connections at once. One costs some 20 KiB, so that they stay within bounds.
const MAX_CONNECTIONS: usize = 10_000;
/// A client has this long to send the head of a request, and as long to send the next one.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection on which nothing moves for this long ends, unless it is the client who waits.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// The head of a request, in bytes; more is 431.
const MAX_HEAD: usize = 32 * 1024;
/// Requests at once on one HTTP/2 connection.
const MAX_STREAMS: u32 = 100;
/// Streams that a client opened and reset before they were looked at, and streams that we reset because
/// of its errors: a connection with more of them is an attack (CVE-2023-44487, CVE-2025-8671).
const MAX_RESETS_BEFORE_ACCEPT: usize = 20;
const MAX_RESETS_FOR_ERRORS: usize = 128;
/// A client of HTTP/2 is pinged this often, and has this long to answer.
const PING_EVERY: Duration = Duration::from_secs(20);
const PING_PATIENCE: Duration = Duration::from_secs(20);

/// Found among a request's extensions if it came over TLS.
#[derive(Clone, Copy, Debug)]
pub struct OverTls;

/// Serves until `stop` is done, then lets requests that are under way finish, for `patience` at
/// most. Whether all of them did.
pub async fn serve<H, F>(
    listener: TcpListener,
    tls: Option<Tls>,
    handler: H,
    stop: impl Future<Output = ()>,
    patience: Duration,
) -> bool
where
    H: Fn(Request<Incoming>, SocketAddr) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Response<Body>, Infallible>> + Send + 'static,
{
    let builder = Arc::new(builder());
    let graceful = GracefulShutdown::new();
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let (stopping, _) = watch::channel(false);
    let following = tls.clone().map(|tls| tokio::spawn(tls.follow()));
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &room) => accepted,
            () = &mut stop => break,
        };
        let Some((stream, peer, place)) = accepted else { continue };
        // A reset here only means that the client is gone; the connection will tell.
        let _ = stream.set_nodelay(true);
        let (builder, handler, watcher) = (builder.clone(), handler.clone(), graceful.watcher());
        match tls.clone() {
            None => {
                tokio::spawn(async move {
                    converse(&builder, Stream::Plain(stream), peer, handler, watcher).await;
                    drop(place);
                });
            }
            Some(tls) => {
                let stopping = stopping.subscribe();
                tokio::spawn(async move {
                    match shake_hands(&tls, stream, stopping).await {
                        Ok(stream) => converse(&builder, stream, peer, handler, watcher).await,
                        Err(error) => tracing::debug!(%error, "a TLS handshake failed"),
                    }
                    drop(place);
                });
            }
        }
    }
    drop(listener);
    stopping.send_replace(true);
    if let Some(following) = following {
        following.abort();
    }
    tokio::time::timeout(patience, graceful.shutdown()).await.is_ok()
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT).max_buf_size(MAX_HEAD);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(MAX_HEAD).unwrap_or(u32::MAX))
        .max_concurrent_streams(MAX_STREAMS)
        .max_pending_accept_reset_streams(Some(MAX_RESETS_BEFORE_ACCEPT))
        .max_local_error_reset_streams(Some(MAX_RESETS_FOR_ERRORS))
        .keep_alive_interval(Some(PING_EVERY))
        .keep_alive_timeout(PING_PATIENCE);
    builder
}

/// Answers what comes over one connection, until it ends.
async fn converse<H, F>(
    builder: &Builder<TokioExecutor>,
    stream: Stream,
    peer: SocketAddr,
    handler: H,
    watcher: Watcher,
) where
    H: Fn(Request<Incoming>, SocketAddr) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Response<Body>, Infallible>> + Send + 'static,
{
    let link = Arc::new(Link::default());
    let over_tls = matches!(stream, Stream::Tls(_));
    let stream = Strict::new(Patient::linked(stream, IDLE_TIMEOUT, link.clone()), link.clone());
    let service = service_fn(move |mut request: Request<Incoming>| {
        if over_tls {
            request.extensions_mut().insert(OverTls);
        }
        let wishes_upgrade = request.headers().contains_key(header::UPGRADE);
        let answering = handler(request, peer);
        let link = link.clone();
        async move {
            let working = link.work();
            let response = answering.await?;
            drop(working);
            if wishes_upgrade {
                link.decide(response.status() == StatusCode::SWITCHING_PROTOCOLS);
            }
            if response.body().size_hint().exact().is_none() {
                link.stream();
            }
            Ok::<_, Infallible>(response)
        }
    });
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).into_owned();
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "a connection ended badly");
    }
}

async fn shake_hands(tls: &Tls, stream: TcpStream, mut stopping: watch::Receiver<bool>) -> io::Result<Stream> {
    tokio::select! {
        accepted = tls.accept(stream) => Ok(Stream::Tls(Box::new(accepted?.into()))),
        _ = stopping.wait_for(|stopping| *stopping) => Err(io::ErrorKind::ConnectionAborted.into()),
    }
}

async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = room.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => Some((stream, peer, place)),
        Err(error) => {
            // Out of file descriptors, most likely: to try again at once would only burn a core.
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}
