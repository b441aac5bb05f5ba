//! A request's way through the door.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, Response, header};
use futures_util::FutureExt as _;
use kernel::{Caller, Clock, Problem, RequestContext};
use tower::ServiceExt as _;
use verify::Verifier;

use crate::access_log::{AccessLog, Entry};
use crate::address::{Network, client_address};
use crate::answer::{Answerer, ProblemPage};
use crate::body;
use crate::identity::{self, Identity};
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::request_id::{CURRENT, RequestIds};
use crate::routes::{Access, Route};

/// A request that takes longer than this is answered with 503: its client is stuck, or we are.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// What an operator can set for the door.
pub struct Settings {
    /// Whether the limits are applied.
    pub limits: bool,
    /// Proxies whose `X-Forwarded-For` is believed. None by default.
    pub trusted_proxies: Vec<Network>,
    /// Whether the public address is https.
    pub https: bool,
    /// How a person is shown a problem.
    pub problem_page: ProblemPage,
    /// Where the access log goes; nowhere if it is switched off.
    pub access_log: Option<AccessLog>,
}

/// The door.
pub struct Gateway {
    services: Router,
    verifier: Arc<Verifier>,
    clock: Clock,
    settings: Settings,
    limits: Limits,
    ids: RequestIds,
    answerer: Answerer,
    metrics: Metrics,
}

impl Gateway {
    /// A door before these services.
    pub fn new(services: Router, verifier: Arc<Verifier>, clock: Clock, settings: Settings, metrics: Metrics) -> Self {
        Self {
            services,
            verifier,
            clock,
            limits: Limits::new(),
            ids: RequestIds::new(),
            answerer: Answerer::new(settings.https, settings.problem_page),
            metrics,
            settings,
        }
    }

    /// Answers one request.
    pub async fn handle<B>(&self, request: Request<B>, peer: SocketAddr) -> Result<Response<Body>, Infallible>
    where
        B: http_body::Body<Data = axum::body::Bytes, Error: Into<axum::BoxError>> + Send + 'static,
    {
        let started = Instant::now();
        let id = self.ids.next();
        let route = Route::of(request.uri().path());
        let client = client_address(peer.ip(), request.headers(), &self.settings.trusted_proxies);
        let wants_page = route.is_page() && accepts_html(request.headers());
        let mut entry = Entry::begin(&request, &id, client, route.name);

        let passing = self.pass(request, route, client, &id, &mut entry);
        let outcome = CURRENT.scope(id.clone(), passing).await;
        let response = self.answerer.complete(outcome, route, &id, wants_page);
        let took = started.elapsed();
        self.metrics.count(route.name, response.status(), took);
        if let Some(log) = &self.settings.access_log {
            log.write(&entry, response.status().as_u16(), took, self.clock.now());
        }
        Ok(response)
    }

    /// Everything that can end in a refusal.
    async fn pass<B>(
        &self,
        request: Request<B>,
        route: &Route,
        client: IpAddr,
        id: &str,
        entry: &mut Entry,
    ) -> Result<Response<Body>, Problem>
    where
        B: http_body::Body<Data = axum::body::Bytes, Error: Into<axum::BoxError>> + Send + 'static,
    {
        if let (true, Some(limit)) = (self.settings.limits, route.limit_for(request.method())) {
            self.limits.take(limit, client).map_err(|wait| {
                entry.refused = Some("rate_limit");
                self.metrics.refused("rate_limit");
                too_many(wait)
            })?;
        }
        let (parts, body) = request.into_parts();
        let body = body::read(&parts.headers, body).await?;
        let caller = match route.access {
            Access::Public => None,
            Access::Required => match identity::of(&parts.headers, &self.verifier, self.clock.now()) {
                Identity::Known(caller) => Some(caller),
                Identity::Unknown => return Err(self.refuse("no_token", entry)),
                Identity::Refused(reason) => return Err(self.refuse(reason.as_str(), entry)),
            },
        };
        entry.user = caller.as_ref().map(|caller| caller.user);
        let request = prepare(Request::from_parts(parts, Body::from(body)), caller, client, id);
        let work = AssertUnwindSafe(self.services.clone().oneshot(request)).catch_unwind();
        match tokio::time::timeout(REQUEST_TIMEOUT, work).await {
            Ok(Ok(Ok(response))) => Ok(response),
            Ok(Ok(Err(never))) => match never {},
            Ok(Err(_panic)) => {
                self.metrics.panicked();
                tracing::error!(route = route.name, "a request handler panicked");
                Err(Problem::internal())
            }
            Err(_elapsed) => {
                tracing::warn!(route = route.name, "a request took too long and was given up");
                Err(Problem::unavailable("timeout", "This took too long. Look whether it was done, then try again.", 5))
            }
        }
    }

    fn refuse(&self, reason: &'static str, entry: &mut Entry) -> Problem {
        entry.refused = Some(reason);
        self.metrics.refused(reason);
        Problem::unauthenticated()
    }
}

/// The request as services get it: without what only the door may say, with what it found out.
fn prepare(mut request: Request<Body>, caller: Option<Caller>, client: IpAddr, id: &str) -> Request<Body> {
    identity::strip(request.headers_mut());
    let user_agent =
        request.headers().get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let context =
        RequestContext { request_id: id.to_owned(), client_ip: client, user_agent: cut(user_agent).to_owned() };
    request.extensions_mut().insert(context);
    if let Some(caller) = caller {
        request.extensions_mut().insert(caller);
    }
    request
}

/// The first 256 bytes at most of what a client says, without tearing a character.
pub(crate) fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(256)]
}

fn accepts_html(headers: &HeaderMap) -> bool {
    headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).is_some_and(|accept| accept.contains("text/html"))
}

fn too_many(wait: Duration) -> Problem {
    let seconds = u32::try_from(wait.as_secs()).unwrap_or(60).saturating_add(1);
    // Rounded up to whole quarters of a minute: how much is left is nobody's business.
    let coarse = seconds.div_ceil(15) * 15;
    Problem {
        retry_after: Some(coarse),
        ..Problem::new(
            axum::http::StatusCode::TOO_MANY_REQUESTS,
            "too_many_attempts",
            "Too many attempts from this address",
            "Wait a little, then try again.",
        )
    }
}
