//! An application behind the gateway that keeps every request it got, as it came over the wire and as
//! an HTTP server reads it, and answers as it is told to.

mod tee;

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, Bytes};
use futures_util::{SinkExt as _, StreamExt as _};
use http_body_util::BodyExt as _;
use hyper::body::{Frame, Incoming};
use hyper::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::logs::lock;
use crate::process::free_address;
use tee::Tee;

/// A request as the application saw it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Whether it came over HTTP/2.
    pub is_http2: bool,
    /// The headers, names in lower case, as often as they came.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
    /// What came after the body.
    pub trailers: Vec<(String, String)>,
}

impl Seen {
    /// The values of a header.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(one, _)| one == name).map(|(_, value)| value.as_str()).collect()
    }

    /// The one value of a header; empty if there is none.
    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        let all = self.all(name);
        assert!(all.len() <= 1, "{name} came {} times: {all:?}", all.len());
        all.first().copied().unwrap_or_default()
    }
}

/// How it answers.
#[derive(Clone, Debug, Default)]
pub enum Manner {
    /// With what it saw, as JSON; a request for a WebSocket with one that echoes.
    #[default]
    Echo,
    /// The same, after a while.
    Slow(Duration),
    /// With this status.
    Fail(u16),
    /// With a connection that ends.
    BreakOff,
    /// With the request's body, as it comes.
    Stream,
    /// With an event every so often, for ever.
    Events(Duration),
    /// With these headers.
    Headers(Vec<(&'static str, &'static str)>),
}

#[derive(Default)]
struct Shared {
    name: String,
    seen: Mutex<Vec<Seen>>,
    wire: Arc<Mutex<Vec<u8>>>,
    manner: Mutex<Manner>,
}

/// The application.
pub struct Upstream {
    /// Host and port.
    pub address: String,
    /// The address as a route has it.
    pub url: String,
    shared: Arc<Shared>,
    serving: Mutex<Option<JoinHandle<()>>>,
}

impl Upstream {
    /// Starts one on a free port. Its name is in its answers.
    pub async fn start(name: &str) -> Self {
        let address = free_address();
        let shared = Arc::new(Shared { name: name.to_owned(), ..Shared::default() });
        let upstream = Self { url: format!("http://{address}"), address, shared, serving: Mutex::default() };
        upstream.resume().await;
        upstream
    }

    /// Listens again after [`stop`](Self::stop).
    pub async fn resume(&self) {
        let listener = TcpListener::bind(&self.address).await.expect("the port is free");
        *lock(&self.serving) = Some(tokio::spawn(serve(listener, self.shared.clone())));
    }

    /// Ends it with all its connections.
    pub async fn stop(&self) {
        let serving = lock(&self.serving).take();
        if let Some(serving) = serving {
            serving.abort();
            drop(serving.await);
        }
    }

    /// Answers in another way from now on.
    pub fn answer(&self, manner: Manner) {
        *lock(&self.shared.manner) = manner;
    }

    /// All requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.shared.seen).clone()
    }

    /// How many there were.
    pub fn count(&self) -> usize {
        lock(&self.shared.seen).len()
    }

    /// The requests so far, and forgets them and what was on the wire.
    pub fn take(&self) -> Vec<Seen> {
        lock(&self.shared.wire).clear();
        std::mem::take(&mut *lock(&self.shared.seen))
    }

    /// The one request since the last [`take`](Self::take).
    #[track_caller]
    pub fn one(&self) -> Seen {
        let mut seen = self.take();
        assert_eq!(seen.len(), 1, "the upstream saw {} requests instead of one: {seen:?}", seen.len());
        seen.remove(0)
    }

    /// Every byte that was sent to it, by whomever.
    pub fn wire(&self) -> Vec<u8> {
        lock(&self.shared.wire).clone()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        if let Some(serving) = lock(&self.serving).take() {
            serving.abort();
        }
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    // Aborting this task ends the connections with it.
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        drop(stream.set_nodelay(true));
        while connections.try_join_next().is_some() {}
        let shared = shared.clone();
        connections.spawn(async move {
            let stream = TokioIo::new(Tee::new(stream, shared.wire.clone()));
            let service = service_fn(move |request| answer(request, shared.clone()));
            // A connection that ends badly is what some tests are about.
            drop(Builder::new(TokioExecutor::new()).serve_connection_with_upgrades(stream, service).await);
        });
    }
}

/// Ends the connection when it is the answer to a request.
type Broken = std::io::Error;

async fn answer(mut request: Request<Incoming>, shared: Arc<Shared>) -> Result<Response<Body>, Broken> {
    let mut seen = Seen {
        method: request.method().to_string(),
        target: request.uri().path_and_query().map_or_else(|| request.uri().to_string(), ToString::to_string),
        is_http2: request.version() == hyper::Version::HTTP_2,
        headers: pairs(request.headers()),
        body: Bytes::new(),
        trailers: Vec::new(),
    };
    let manner = lock(&shared.manner).clone();
    if matches!(manner, Manner::Stream) {
        lock(&shared.seen).push(seen);
        return Ok(Response::new(Body::new(request.into_body())));
    }
    if let Some(key) = request.headers().get(SEC_WEBSOCKET_KEY) {
        let accept = derive_accept_key(key.as_bytes());
        lock(&shared.seen).push(seen);
        let upgraded = hyper::upgrade::on(&mut request);
        tokio::spawn(echo_messages(upgraded));
        let response = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS);
        let response = response.header(CONNECTION, "Upgrade").header(UPGRADE, "websocket");
        return Ok(response.header(SEC_WEBSOCKET_ACCEPT, accept).body(Body::empty()).expect("an answer"));
    }
    let collected = request.into_body().collect().await;
    let Ok(collected) = collected else { return Err(Broken::other("the request broke off")) };
    seen.trailers = collected.trailers().map(pairs).unwrap_or_default();
    seen.body = collected.to_bytes();
    let body = json!({
        "upstream": shared.name, "method": seen.method, "target": seen.target, "body_bytes": seen.body.len(),
    });
    lock(&shared.seen).push(seen);
    let mut response = Response::builder().header("x-upstream", &shared.name);
    match manner {
        Manner::Echo | Manner::Stream => {}
        Manner::Slow(wait) => tokio::time::sleep(wait).await,
        Manner::Fail(status) => response = response.status(status),
        Manner::BreakOff => return Err(Broken::other("as was asked")),
        Manner::Events(every) => {
            let body = Body::new(http_body_util::StreamBody::new(events(every)));
            return Ok(response.header("content-type", "text/event-stream").body(body).expect("an answer"));
        }
        Manner::Headers(headers) => {
            for (name, value) in headers {
                response = response.header(name, value);
            }
        }
    }
    Ok(response.header("content-type", "application/json").body(Body::from(body.to_string())).expect("an answer"))
}

fn pairs(headers: &hyper::HeaderMap) -> Vec<(String, String)> {
    let text = |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect()
}

fn events(every: Duration) -> impl futures_util::Stream<Item = Result<Frame<Bytes>, Infallible>> {
    futures_util::stream::unfold(0_u32, move |number| async move {
        if number > 0 {
            tokio::time::sleep(every).await;
        }
        let text = format!("id: {number}\ndata: event {number}\n\n");
        Some((Ok(Frame::data(Bytes::from(text))), number + 1))
    })
}

async fn echo_messages(upgraded: hyper::upgrade::OnUpgrade) {
    let Ok(upgraded) = upgraded.await else { return };
    let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
    while let Some(Ok(message)) = socket.next().await {
        if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
            return;
        }
    }
}
