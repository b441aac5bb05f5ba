//! A receiver of webhooks, over TLS, that keeps what it was told and answers as it is asked to.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_lc_rs::hmac;
use axum::body::{Body, Bytes};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::logs::lock;
use crate::process::free_address;
use crate::{Certificate, PATIENCE, TestApp, unix_now};

/// How it answers.
#[derive(Clone, Debug)]
pub enum HookManner {
    /// It takes what comes.
    Takes,
    /// It says this.
    Says(u16),
    /// It says this about this account, and takes the rest.
    SaysAbout(String, u16),
    /// It says this, with a header.
    SaysWith(u16, &'static str, String),
    /// It takes what comes, and then talks: this many bytes.
    Talks(u64),
    /// It takes what comes, and answers one byte a second.
    Trickles,
    /// It never answers.
    Hangs,
}

/// Something that it was told.
#[derive(Clone, Debug)]
pub struct Told {
    /// The headers, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: String,
    /// When.
    pub at: Instant,
    /// What it answered.
    pub answered: u16,
}

impl Told {
    /// A header; empty if there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("a body of JSON")
    }

    /// Whether one of the signatures is this secret's, as a receiver checks it, and how many there are.
    pub fn verify(&self, secret: &str) -> (bool, usize) {
        let key = STANDARD.decode(secret.trim().strip_prefix("whsec_").expect("a secret")).expect("base64");
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        let seconds: i64 = self.header("webhook-timestamp").parse().expect("a time");
        assert!((unix_now() - seconds).abs() < 300, "it was signed long ago");
        let signed = format!("{}.{seconds}.{}", self.header("webhook-id"), self.body);
        let all: Vec<&str> = self.header("webhook-signature").split(' ').collect();
        let is_good = |signature: &&str| {
            let tag = signature.strip_prefix("v1,").and_then(|text| STANDARD.decode(text).ok()).unwrap_or_default();
            hmac::verify(&key, signed.as_bytes(), &tag).is_ok()
        };
        (all.iter().any(is_good), all.len())
    }
}

struct Shared {
    manner: Mutex<HookManner>,
    told: Mutex<Vec<Told>>,
}

/// A running receiver; it ends with the test.
pub struct HookReceiver {
    /// Where it is, as a webhook has it.
    pub url: String,
    address: String,
    tls: TlsAcceptor,
    shared: Arc<Shared>,
    serving: Mutex<Option<JoinHandle<()>>>,
}

impl Drop for HookReceiver {
    fn drop(&mut self) {
        if let Some(serving) = lock(&self.serving).take() {
            serving.abort();
        }
    }
}

impl HookReceiver {
    /// One with this certificate, on a free port.
    pub async fn start(certificate: &Certificate) -> Self {
        let chain = CertificateDer::pem_file_iter(&certificate.certificate).expect("a certificate");
        let chain: Vec<_> = chain.map(|one| one.expect("a certificate")).collect();
        let key = PrivateKeyDer::from_pem_file(&certificate.key).expect("a key");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("TLS 1.2 and 1.3")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("a certificate and its key");
        let address = free_address();
        let port = address.rsplit(':').next().unwrap_or_default();
        let shared = Arc::new(Shared { manner: Mutex::new(HookManner::Takes), told: Mutex::default() });
        let receiver = Self {
            url: format!("https://localhost:{port}/told?by=usher"),
            address,
            tls: TlsAcceptor::from(Arc::new(config)),
            shared,
            serving: Mutex::default(),
        };
        receiver.comes_back().await;
        receiver
    }

    /// Listens again after [`goes`](Self::goes).
    pub async fn comes_back(&self) {
        let listener = TcpListener::bind(&self.address).await.expect("the port is free");
        *lock(&self.serving) = Some(tokio::spawn(serve(listener, self.tls.clone(), self.shared.clone())));
    }

    /// Listens no more, and ends all connections.
    pub async fn goes(&self) {
        let serving = lock(&self.serving).take();
        if let Some(serving) = serving {
            serving.abort();
            drop(serving.await);
        }
    }

    /// Answers in another way from now on.
    pub fn answers(&self, manner: HookManner) {
        *lock(&self.shared.manner) = manner;
    }

    /// Everything that it was told, also what it did not take.
    pub fn told(&self) -> Vec<Told> {
        lock(&self.shared.told).clone()
    }

    /// What it took, in the order in which it did.
    pub fn taken(&self) -> Vec<Told> {
        self.told().into_iter().filter(|told| told.answered == 200).collect()
    }

    /// Waits until it has taken so much.
    pub async fn has(&self, count: usize) -> Vec<Told> {
        self.until(&format!("{count} are taken"), |receiver| receiver.taken().len() >= count).await;
        self.taken()
    }

    /// Waits until something is so.
    pub async fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !is_so(self) {
            let told = self.told();
            assert!(begun.elapsed() < PATIENCE, "never so: {what}; it was told {}", told.len());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Registers it as an operator would, for these kinds of events, or all; its secret.
    pub async fn register(&self, app: &TestApp, name: &str, kinds: &[&str]) -> String {
        let mut words = vec!["webhooks", "create", name, "--url", &self.url];
        for kind in kinds {
            words.extend(["--kind", kind]);
        }
        let secret = app.cli_ok(&words).await.trim().to_owned();
        app.logs.never(&secret);
        secret
    }
}

async fn serve(listener: TcpListener, tls: TlsAcceptor, shared: Arc<Shared>) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, shared) = (tls.clone(), shared.clone());
        connections.spawn(async move {
            let Ok(stream) = tls.accept(stream).await else { return };
            let service = service_fn(move |request| answer(request, shared.clone()));
            drop(Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await);
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn answer(request: Request<Incoming>, shared: Arc<Shared>) -> Result<Response<Body>, Infallible> {
    let (parts, body) = request.into_parts();
    let text = |value: &hyper::header::HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let headers = parts.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    let Ok(body) = body.collect().await else { return Ok(Response::new(Body::empty())) };
    let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
    let manner = lock(&shared.manner).clone();
    let status = match &manner {
        HookManner::Says(status) | HookManner::SaysWith(status, ..) => *status,
        HookManner::SaysAbout(subject, status) if body.contains(&format!("\"subject\":\"{subject}\"")) => *status,
        HookManner::Hangs => 0,
        _ => 200,
    };
    lock(&shared.told).push(Told { headers, body, at: Instant::now(), answered: status });
    let response = Response::builder().status(if status == 0 { 200 } else { status });
    let answer = match manner {
        HookManner::SaysWith(_, name, value) => response.header(name, value).body(Body::empty()),
        HookManner::Talks(length) => response.header("content-length", length).body(talk(Duration::ZERO, 65_536)),
        HookManner::Trickles => response.body(talk(Duration::from_secs(1), 1)),
        HookManner::Hangs => std::future::pending().await,
        _ => response.body(Body::from("a secret of the receiver's neighbours")),
    };
    Ok(answer.expect("an answer"))
}

/// A body without an end.
fn talk(pause: Duration, piece: usize) -> Body {
    Body::from_stream(futures_util::stream::unfold((), move |()| async move {
        tokio::time::sleep(pause).await;
        Some((Ok::<_, Infallible>(Bytes::from(vec![b'x'; piece])), ()))
    }))
}
