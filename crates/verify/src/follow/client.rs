//! The three things that are said to Usher: keys, feed, position.

use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::crypto::aws_lc_rs::default_provider;

use super::FollowError;
use super::addresses::{Addresses, Turn};
use super::settings::{FollowSettings, Timing};
use crate::keys::LONGEST_DOCUMENT;

/// Why a request brought nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Failed {
    /// There was no connection, or it broke.
    #[error("the connection failed")]
    Connection,
    /// The answer, or the next part of it, did not come in time.
    #[error("the answer did not come in time")]
    Timeout,
    /// The service token is not known to Usher.
    #[error("the service token is not accepted")]
    Token,
    /// Another status than the one that says yes.
    #[error("the answer has status {0}")]
    Status(StatusCode),
    /// The right status over something else: a login page, a proxy's apology, an answer too long.
    #[error("the answer is not what was asked for")]
    Content,
}

pub(super) struct Client {
    http: HttpClient<HttpsConnector<HttpConnector>, Full<Bytes>>,
    addresses: Addresses,
    /// The keys and the feed each turn to the next address by themselves: a node may be able to give
    /// the one and not the other.
    keys_turn: Turn,
    feed_turn: Turn,
    authorization: HeaderValue,
    timing: Timing,
}

impl Client {
    pub(super) fn new(settings: &FollowSettings) -> Result<Self, FollowError> {
        let addresses = Addresses::parse(settings.urls())?;
        let mut authorization = HeaderValue::try_from(format!("Bearer {}", settings.feed_token))
            .ok()
            .filter(|_| !settings.feed_token.is_empty())
            .ok_or(FollowError::Token)?;
        authorization.set_sensitive(true);
        Ok(Self {
            http: HttpClient::builder(TokioExecutor::new())
                .pool_idle_timeout(Duration::from_secs(30))
                .pool_timer(TokioTimer::new())
                .pool_max_idle_per_host(1)
                .build(connector(&addresses, settings.timing.answer)?),
            addresses,
            keys_turn: Turn::default(),
            feed_turn: Turn::default(),
            authorization,
            timing: settings.timing,
        })
    }

    /// How many addresses there are to turn to.
    pub(super) fn addresses(&self) -> usize {
        self.addresses.count()
    }

    /// The keys are asked for at the next address from now on.
    pub(super) fn pass_keys(&self) {
        self.keys_turn.pass();
    }

    /// The feed is asked for at the next address from now on.
    pub(super) fn pass_feed(&self) {
        self.feed_turn.pass();
    }

    /// The text of the key set, whatever it is, if it is short enough to be one.
    pub(super) async fn keys(&self) -> Result<Bytes, Failed> {
        let address = self.addresses.now(&self.keys_turn).keys.clone();
        let request = request(Method::GET, address).header(ACCEPT, "application/json").body(Full::default());
        let answer = self.ask(request, StatusCode::OK);
        // One limit around it all, so that no server can keep us by sending slowly.
        let whole = tokio::time::timeout(self.timing.document, async {
            let body = Limited::new(answer.await?.into_body(), LONGEST_DOCUMENT);
            body.collect().await.map(http_body_util::Collected::to_bytes).map_err(|_| Failed::Content)
        });
        whole.await.unwrap_or(Err(Failed::Timeout))
    }

    /// Opens the feed after a ledger number, or from its beginning.
    pub(super) async fn feed(&self, after: Option<i64>) -> Result<Incoming, Failed> {
        let address = self.addresses.now(&self.feed_turn).feed(after);
        let request = Request::get(address)
            .header(AUTHORIZATION, self.authorization.clone())
            .header(ACCEPT, "text/event-stream")
            .body(Full::default());
        let answer = self.ask(request, StatusCode::OK).await?;
        let kind = answer.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if kind.eq_ignore_ascii_case("text/event-stream") { Ok(answer.into_body()) } else { Err(Failed::Content) }
    }

    /// Says how far the feed was applied, to the node that it was heard from.
    pub(super) async fn report(&self, applied: i64) -> Result<(), Failed> {
        let address = self.addresses.now(&self.feed_turn).position.clone();
        let request = request(Method::PUT, address)
            .header(AUTHORIZATION, self.authorization.clone())
            .header(CONTENT_TYPE, "application/json")
            .body(Full::from(format!("{{\"applied\":{applied}}}")));
        self.ask(request, StatusCode::NO_CONTENT).await.map(drop)
    }

    /// Redirects are not followed: the token and the keys belong to one address.
    async fn ask(
        &self,
        request: http::Result<Request<Full<Bytes>>>,
        expected: StatusCode,
    ) -> Result<Response<Incoming>, Failed> {
        let request = request.map_err(|_| Failed::Content)?;
        let answer = tokio::time::timeout(self.timing.answer, self.http.request(request)).await;
        let answer = answer.map_err(|_| Failed::Timeout)?.map_err(|_| Failed::Connection)?;
        match answer.status() {
            // Nobody asked for a compressed answer, so nobody here can read one.
            status if status == expected && !answer.headers().contains_key(CONTENT_ENCODING) => Ok(answer),
            status if status == expected => Err(Failed::Content),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(Failed::Token),
            status => Err(Failed::Status(status)),
        }
    }
}

fn request(method: Method, address: Uri) -> http::request::Builder {
    Request::builder().method(method).uri(address)
}

/// HTTP/1.1 only: the feed keeps one connection to itself, and a stream that a slow neighbour holds
/// up would look like a server that is gone. Certificates are checked against the system's roots, or
/// those of `SSL_CERT_FILE` and `SSL_CERT_DIR`.
fn connector(addresses: &Addresses, wait: Duration) -> Result<HttpsConnector<HttpConnector>, FollowError> {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_connect_timeout(Some(wait));
    http.set_keepalive(Some(Duration::from_secs(30)));
    let builder = HttpsConnectorBuilder::new();
    if addresses.iter().any(|address| address.is_https) {
        let roots = builder.with_provider_and_native_roots(default_provider()).map_err(|_| FollowError::Roots)?;
        let all_are = addresses.iter().all(|address| address.is_https);
        let builder = if all_are { roots.https_only() } else { roots.https_or_http() };
        return Ok(builder.enable_http1().wrap_connector(http));
    }
    // A machine without any roots can still speak plainly.
    let config = rustls::ClientConfig::builder_with_provider(default_provider().into())
        .with_safe_default_protocol_versions()
        .map_err(|_| FollowError::Roots)?
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    Ok(builder.with_tls_config(config).https_or_http().enable_http1().wrap_connector(http))
}
