//! Servers to be upstreams, and the ways to ask them.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::net::TcpListener;

use crate::upstream::{Address, Answered, Failed, Pool, Settings, Upstreams};

/// A server that answers with what `handler` makes of a request, and counts requests.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    count: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<bool>,
}

impl Server {
    pub(super) async fn start<H, F>(handler: H) -> Self
    where
        H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        Self::start_at("127.0.0.1:0".parse().unwrap(), handler).await
    }

    pub(super) async fn start_at<H, F>(address: SocketAddr, handler: H) -> Self
    where
        H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let count = Arc::new(AtomicUsize::new(0));
        let counting = count.clone();
        let handler = move |request, _peer| {
            counting.fetch_add(1, Ordering::Relaxed);
            let answering = handler(request);
            async move { Ok::<_, Infallible>(answering.await) }
        };
        let task = tokio::spawn(crate::server::serve(
            listener,
            None,
            Vec::new(),
            handler,
            std::future::pending(),
            Duration::ZERO,
        ));
        Self { address, count, task }
    }

    pub(super) fn requests(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Says its name.
pub(super) async fn named(name: &'static str) -> Server {
    Server::start(move |_| async move { Response::new(Body::from(name)) }).await
}

/// An address where nobody listens.
pub(super) async fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

pub(super) fn settings(addresses: &[String]) -> Settings {
    Settings {
        addresses: addresses.iter().map(|address| address.parse::<Address>().unwrap()).collect(),
        connect: Duration::from_secs(1),
        first_byte: Duration::from_secs(2),
        total: Duration::from_secs(5),
        retries: 0,
        health_path: None,
        health_every: Duration::from_millis(50),
    }
}

pub(super) fn upstreams(addresses: &[String]) -> Arc<Upstreams> {
    Upstreams::new(settings(addresses), Pool::new())
}

pub(super) fn request(method: &str, path: &str, body: impl Into<Body>) -> Request<Body> {
    Request::builder().method(method).uri(path).body(body.into()).unwrap()
}

pub(super) async fn get(upstreams: &Arc<Upstreams>, path: &str) -> Result<Answered, Failed> {
    upstreams.send(request("GET", path, Body::empty()), None).await
}

pub(super) async fn text(answered: Answered) -> String {
    let bytes = answered.response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Waits until this is so.
pub(super) async fn until(is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("it is never so");
}
