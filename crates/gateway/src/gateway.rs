//! A request's way through the door.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use futures_util::FutureExt as _;
use kernel::{Clock, Problem, RequestContext, UserId};
use tower::ServiceExt as _;
use verify::{Claims, Refused, Verifier};

use crate::access_log::{AccessLog, Entry, UpstreamEntry};
use crate::address::{Network, client_address};
use crate::answer::{Answerer, From, Passed, ProblemPage, Shown};
use crate::asked::Asked;
use crate::current::Current;
use crate::ending::{self, Ended};
use crate::identity::{self, Identity, Told};
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::request_id::{CURRENT, RequestIds};
use crate::route::{Kind, Route, Target, forbidden};
use crate::spec::{AuthSpec, RouteSpec};
use crate::table::{Found, Permissions, RouteError, Table};
use crate::trace::{Trace, Traces};
use crate::upstream::{self, Pool, Upstreams};
use crate::user_token::{BadSeed, UserTokens};
use crate::{body, builtin};

/// A request to Usher itself that takes longer than this is answered with 503: its client is stuck, or
/// we are.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// What an operator can set for the door.
pub struct Settings {
    /// The public address, without a slash at the end.
    pub public_url: String,
    /// Whether the limits are applied.
    pub limits: bool,
    /// Proxies whose `X-Forwarded-For` is believed. None by default.
    pub trusted_proxies: Vec<Network>,
    /// How a person is shown a problem.
    pub problem_page: ProblemPage,
    /// Where the access log goes; nowhere if it is switched off.
    pub access_log: Option<AccessLog>,
    /// The seed of the key that signs `X-User-Token`.
    pub identity_seed: [u8; 32],
}

/// Where Usher's own services are.
pub enum Services {
    /// In this process.
    Here(Router),
    /// On other machines.
    There {
        /// `http://`, `https://` or `h2c://`, host and port.
        addresses: Vec<String>,
        /// What this process answers itself: how it is.
        local: Router,
    },
}

enum Own {
    Here(Router),
    There { upstreams: Arc<Upstreams>, local: Router },
}

/// The door.
pub struct Gateway {
    services: Own,
    verifier: Arc<Verifier>,
    clock: Clock,
    settings: Settings,
    https: bool,
    own_host: String,
    table: Current<Table>,
    pool: Pool,
    limits: Limits,
    ids: RequestIds,
    traces: Traces,
    user_tokens: UserTokens,
    answerer: Answerer,
    metrics: Metrics,
}

/// The door could not be made.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The signing key cannot be used.
    #[error(transparent)]
    Seed(#[from] BadSeed),
    /// An address of the services cannot be used.
    #[error("the address of Usher's services: {0}")]
    Services(String),
}

/// One request on its way.
pub(crate) struct Visit<'r> {
    pub(crate) id: &'r str,
    pub(crate) client: IpAddr,
    pub(crate) authority: &'r str,
    trace: Trace,
    /// Whether it comes from a proxy that the operator trusts.
    pub(crate) is_from_proxy: bool,
    pub(crate) entry: Entry,
    origin: Option<HeaderValue>,
    wants_page: bool,
    allow: Option<HeaderValue>,
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway").finish_non_exhaustive()
    }
}

impl Gateway {
    /// A door before these services, with no routes but their own.
    pub fn new(
        services: Services,
        verifier: Arc<Verifier>,
        clock: Clock,
        settings: Settings,
        metrics: Metrics,
    ) -> Result<Self, GatewayError> {
        let pool = Pool::new();
        let services = match services {
            Services::Here(router) => Own::Here(router),
            Services::There { addresses, local } => Own::There { upstreams: own_upstreams(&addresses, &pool)?, local },
        };
        let https = settings.public_url.starts_with("https://");
        let authority = settings.public_url.split_once("://").map_or("", |(_, authority)| authority);
        Ok(Self {
            services,
            verifier,
            clock,
            https,
            own_host: crate::asked::plain_host(authority).unwrap_or_default().into_owned(),
            table: Current::new(Table::empty()),
            pool,
            limits: Limits::new(),
            ids: RequestIds::new(),
            traces: Traces::new(),
            user_tokens: UserTokens::new(&settings.identity_seed, &settings.public_url)?,
            answerer: Answerer::new(https, settings.problem_page),
            metrics,
            settings,
        })
    }

    /// Takes these routes from now on, or none of them: then the ones from before stay. Requests that
    /// are under way go on by the routes that they began with.
    pub fn set_routes(&self, routes: &[RouteSpec], permissions: &Permissions) -> Result<(), RouteError> {
        let table = Table::new(routes, permissions, &self.own_host, &self.pool, &self.table.get())?;
        self.table.set(table);
        Ok(())
    }

    /// Ends the tunnels that are open, so that the process can stop.
    pub fn stop(&self) {
        self.pool.stop();
    }

    /// How the upstreams of all routes are.
    pub(crate) fn upstream_states(&self) -> Vec<(&'static str, upstream::State)> {
        let own = match &self.services {
            Own::Here(_) => Vec::new(),
            Own::There { upstreams, .. } => upstreams.states().into_iter().map(|state| ("usher", state)).collect(),
        };
        let table = self.table.get();
        let theirs = table.upstreams().flat_map(|(name, all)| all.states().into_iter().map(move |state| (name, state)));
        own.into_iter().chain(theirs).collect()
    }

    /// Answers one request.
    pub async fn handle<B>(&self, request: Request<B>, peer: SocketAddr) -> Result<Response<Body>, Infallible>
    where
        B: http_body::Body<Data = axum::body::Bytes, Error: Into<axum::BoxError>> + Send + 'static,
    {
        let started = Instant::now();
        let is_from_proxy = crate::address::is_trusted(peer.ip(), &self.settings.trusted_proxies);
        let id = self.ids.take(request.headers(), is_from_proxy);
        let client = client_address(peer.ip(), request.headers(), &self.settings.trusted_proxies);
        let trace = self.traces.begin(request.headers(), is_from_proxy);
        let authority = authority_of(&request);
        let mut visit = Visit {
            id: &id,
            client,
            authority: &authority,
            trace,
            is_from_proxy,
            entry: Entry::begin(&request, &id, client, trace),
            origin: None,
            wants_page: false,
            allow: None,
        };
        let table = self.table.get();
        let (route, outcome) = match self.route(&request, &table, &mut visit) {
            Ok(route) => {
                visit.entry.route = route.name;
                visit.origin = route.cors.as_ref().and_then(|_| crate::cors::origin_of(request.headers()));
                visit.wants_page = route.shows_pages() && accepts_html(request.headers());
                let passing = self.pass(request, route, &table, &mut visit);
                (Some(route), CURRENT.scope(id.clone(), passing).await)
            }
            Err(problem) => (None, Err(problem)),
        };
        let shown = Shown {
            id: &id,
            wants_page: visit.wants_page,
            is_asset: route.is_some_and(|route| route.kind == Kind::Asset),
            allow: visit.allow,
        };
        let mut response = self.answerer.complete(outcome, &shown);
        if let Some(route) = route {
            if let Some(cors) = &route.cors {
                cors.complete(visit.origin.as_ref(), response.headers_mut());
            }
            for (name, value) in &route.response_headers {
                response.headers_mut().insert(name, value.clone());
            }
        }
        self.metrics.count(visit.entry.route, response.status(), started.elapsed());
        let Some(log) = &self.settings.access_log else { return Ok(response) };
        let ended = Ended::new(log.clone(), visit.entry, response.status(), started, self.clock.clone());
        Ok(ending::watch(response, ended))
    }

    /// The route of a request, if what it asks for is clear.
    fn route<'t, B>(
        &self,
        request: &Request<B>,
        table: &'t Table,
        visit: &mut Visit<'_>,
    ) -> Result<&'t Route, Problem> {
        let asked = match Asked::of(request) {
            Ok(asked) => asked,
            Err(problem) => return Err(self.refuse(visit, problem.code, problem)),
        };
        let knows_host = visit.is_from_proxy || self.answers_for(&asked.host);
        match table.find(&asked.host, asked.path, asked.method, knows_host) {
            Found::Configured(route) => Ok(route),
            Found::Own(route) => Ok(route),
            Found::Nothing => Err(self.refuse(visit, "no_route", Problem::not_found())),
            Found::OtherMethods(methods) => {
                let listed = methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
                visit.allow = HeaderValue::from_str(&listed).ok();
                Err(self.refuse(visit, "method_not_allowed", crate::asked::not_this_method()))
            }
            Found::UnknownHost => Err(self.refuse(visit, "unknown_host", unknown_host())),
        }
    }

    /// Whether Usher itself is at this host: its public one, any bare address (nobody can be led there
    /// under another name), and the names of this machine while the public one is such a name.
    fn answers_for(&self, host: &str) -> bool {
        let is_local = |host: &str| host == "localhost" || host.ends_with(".localhost");
        host == self.own_host
            || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
            || (is_local(host) && (is_local(&self.own_host) || self.own_host.parse::<IpAddr>().is_ok()))
    }

    /// Everything that can end in a refusal.
    async fn pass<B>(
        &self,
        request: Request<B>,
        route: &Route,
        table: &Table,
        visit: &mut Visit<'_>,
    ) -> Result<Passed, Problem>
    where
        B: http_body::Body<Data = axum::body::Bytes, Error: Into<axum::BoxError>> + Send + 'static,
    {
        let preflight = |cors: &crate::cors::Cors| cors.preflight(request.method(), request.headers(), &route.methods);
        if let Some(response) = route.cors.as_ref().and_then(preflight) {
            return Ok(Passed { response, from: From::Own });
        }
        match &route.target {
            Target::Own => self.pass_to_own(request, route, visit).await,
            Target::Upstreams(upstreams) => self.pass_to_upstream(request, route, upstreams, visit).await,
            Target::Usher => {
                let (parts, body) = request.into_parts();
                self.check(route, &parts, visit)?;
                let path = parts.uri.path().to_owned();
                self.pass_to_own(Request::from_parts(parts, body), builtin::of(&path), visit).await
            }
            Target::ForwardAuth => Err(Problem::not_found()),
            Target::Authorize => self.authorize(table, (request.method(), request.uri(), request.headers()), visit),
            Target::Keys => Ok(Passed { response: self.keys(), from: From::Own }),
        }
    }

    /// To one of Usher's own services. The token is checked after the body has come, so that nobody
    /// can hold a request open with a good token and finish it when the token is dead.
    async fn pass_to_own<B>(&self, request: Request<B>, route: &Route, visit: &mut Visit<'_>) -> Result<Passed, Problem>
    where
        B: http_body::Body<Data = axum::body::Bytes, Error: Into<axum::BoxError>> + Send + 'static,
    {
        self.limit(route, request.method(), None, visit)?;
        let (parts, body) = request.into_parts();
        let body = body::read(&parts.headers, body).await?;
        let claims = self.who(route, &parts.headers, visit)?;
        self.limit(route, &parts.method, Some(claims.as_deref()), visit)?;
        let request = Request::from_parts(parts, Body::from(body));
        match &self.services {
            Own::Here(router) => self.serve_here(router, request, claims.as_deref(), visit).await,
            Own::There { local, .. } if route.kind == Kind::Health => {
                self.serve_here(local, request, None, visit).await
            }
            // The services check the token again: they do not take our word for it.
            Own::There { upstreams, .. } => self.send(upstreams, request, route, claims, visit).await,
        }
    }

    async fn serve_here(
        &self,
        router: &Router,
        mut request: Request<Body>,
        claims: Option<&Claims>,
        visit: &mut Visit<'_>,
    ) -> Result<Passed, Problem> {
        let headers = request.headers_mut();
        identity::strip(headers);
        let user_agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let context = RequestContext {
            request_id: visit.id.to_owned(),
            client_ip: visit.client,
            user_agent: cut(user_agent).to_owned(),
        };
        request.extensions_mut().insert(context);
        if let Some(claims) = claims {
            let caller = identity::caller(claims).ok_or_else(Problem::unauthenticated)?;
            request.extensions_mut().insert(caller);
        }
        let work = AssertUnwindSafe(router.clone().oneshot(request)).catch_unwind();
        let route = visit.entry.route;
        match tokio::time::timeout(REQUEST_TIMEOUT, work).await {
            Ok(Ok(Ok(response))) => Ok(Passed { response, from: From::Own }),
            Ok(Ok(Err(never))) => match never {},
            Ok(Err(_panic)) => {
                self.metrics.panicked();
                tracing::error!(route, "a request handler panicked");
                Err(Problem::internal())
            }
            Err(_elapsed) => {
                tracing::warn!(route, "a request took too long and was given up");
                Err(Problem::unavailable("timeout", "This took too long. Look whether it was done, then try again.", 5))
            }
        }
    }

    /// To somebody's application. Its body is passed on as it comes.
    async fn pass_to_upstream<B>(
        &self,
        request: Request<B>,
        route: &Route,
        upstreams: &Arc<Upstreams>,
        visit: &mut Visit<'_>,
    ) -> Result<Passed, Problem>
    where
        B: http_body::Body<Data = axum::body::Bytes, Error: Into<axum::BoxError>> + Send + 'static,
    {
        let (mut parts, body) = request.into_parts();
        let claims = self.check(route, &parts, visit)?;
        if body.size_hint().lower() > route.body_limit as u64 {
            body::drain(body).await;
            return Err(self.refuse(visit, "body_too_large", kernel::json::too_large()));
        }
        let body = if body.is_end_stream() {
            Body::empty()
        } else {
            Body::new(http_body_util::Limited::new(body, route.body_limit))
        };
        rewrite(route, &mut parts)?;
        identity::hide_cookies(&mut parts.headers);
        self.send(upstreams, Request::from_parts(parts, body), route, claims, visit).await
    }

    /// Limits and token, in the order in which they cost us.
    fn check(&self, route: &Route, parts: &Parts, visit: &mut Visit<'_>) -> Result<Option<Arc<Claims>>, Problem> {
        self.limit(route, &parts.method, None, visit)?;
        let claims = self.who(route, &parts.headers, visit)?;
        self.limit(route, &parts.method, Some(claims.as_deref()), visit)?;
        Ok(claims)
    }

    async fn send(
        &self,
        upstreams: &Arc<Upstreams>,
        mut request: Request<Body>,
        route: &Route,
        claims: Option<Arc<Claims>>,
        visit: &mut Visit<'_>,
    ) -> Result<Passed, Problem> {
        let is_own = matches!(route.target, Target::Own);
        let now = self.clock.now().unix_seconds();
        let signed = claims.as_ref().filter(|_| route.signs_identity);
        let user_token = match signed {
            Some(claims) => Some(self.user_tokens.of(claims, route.name, now).ok_or_else(Problem::internal)?),
            None => None,
        };
        let told = Told {
            claims: claims.as_deref().filter(|_| !is_own),
            user_token,
            client: visit.client,
            authority: visit.authority,
            https: self.https,
            request_id: visit.id,
            trace: visit.trace,
        };
        identity::strip(request.headers_mut());
        identity::tell(request.headers_mut(), told).ok_or_else(Problem::internal)?;
        let still_trusted = claims.map(|claims| {
            let verifier = self.verifier.clone();
            Arc::new(move || verifier.revocations().is_good(&claims)) as upstream::StillTrusted
        });
        let answered = match upstreams.send(request, still_trusted).await {
            Ok(answered) => answered,
            Err(failed) => {
                let (reason, problem) = problem_of(failed);
                return Err(self.refuse(visit, reason, problem));
            }
        };
        visit.entry.upstream = Some(UpstreamEntry {
            address: answered.address,
            first_byte: answered.first_byte,
            attempts: answered.attempts,
        });
        let mut response = answered.response;
        if !is_own {
            identity::keep_cookies(response.headers_mut());
        }
        Ok(Passed { response, from: From::Elsewhere })
    }

    /// Who asks, if they may.
    pub(crate) fn who(
        &self,
        route: &Route,
        headers: &HeaderMap,
        visit: &mut Visit<'_>,
    ) -> Result<Option<Arc<Claims>>, Problem> {
        if route.auth == AuthSpec::None {
            return Ok(None);
        }
        let claims = match identity::of(headers, &self.verifier, self.clock.now()) {
            Identity::Known(claims) => claims,
            Identity::Unknown if route.auth == AuthSpec::Optional => return Ok(None),
            Identity::Unknown => return Err(self.refuse(visit, "no_token", Problem::unauthenticated())),
            Identity::Refused(reason) => return Err(self.refuse(visit, reason.as_str(), refused(reason))),
        };
        visit.entry.user = claims.sub.parse().ok();
        if !route.needs.are_met_by(&claims) {
            return Err(self.refuse(visit, "forbidden", forbidden()));
        }
        Ok(Some(claims))
    }

    /// Takes a token from each bucket of the route: those of addresses first, before anybody knows who
    /// asks, and the others when it is known.
    #[expect(clippy::option_option, reason = "not known yet, known to be nobody, or known")]
    pub(crate) fn limit(
        &self,
        route: &Route,
        method: &Method,
        known: Option<Option<&Claims>>,
        visit: &mut Visit<'_>,
    ) -> Result<(), Problem> {
        if !self.settings.limits {
            return Ok(());
        }
        let user: Option<UserId> = known.flatten().and_then(|claims| claims.sub.parse().ok());
        let due = |limit: &&crate::limits::Limit| {
            limit.is_for_strangers() == known.is_none() && !(limit.writes_only && method.is_safe())
        };
        for limit in route.limits.iter().filter(due) {
            if let Err(wait) = self.limits.take(limit, visit.client, user) {
                return Err(self.refuse(visit, "rate_limit", too_many(wait)));
            }
        }
        Ok(())
    }

    /// Notes why a request is refused.
    pub(crate) fn refuse(&self, visit: &mut Visit<'_>, reason: &'static str, problem: Problem) -> Problem {
        visit.entry.refused = Some(reason);
        self.metrics.refused(visit.entry.route, reason);
        problem
    }

    fn keys(&self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.user_tokens.jwks().to_string()));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
        response
    }
}

fn own_upstreams(addresses: &[String], pool: &Pool) -> Result<Arc<Upstreams>, GatewayError> {
    let read = |text: &String| text.parse().map_err(|error| GatewayError::Services(format!("{error}")));
    let settings = upstream::Settings {
        addresses: addresses.iter().map(read).collect::<Result<_, _>>()?,
        connect: Duration::from_secs(2),
        first_byte: REQUEST_TIMEOUT,
        total: 2 * REQUEST_TIMEOUT,
        retries: 1,
        health_path: Some("/health/ready".into()),
        health_every: Duration::from_secs(1),
    };
    Ok(Upstreams::new(settings, pool.clone()))
}

/// The host as the client wrote it, for telling others.
fn authority_of<B>(request: &Request<B>) -> String {
    let named = request.uri().authority().map(axum::http::uri::Authority::as_str);
    let host = || request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    cut(named.or_else(host).unwrap_or_default()).to_owned()
}

/// Gives the request the path that the upstream is to see.
fn rewrite(route: &Route, parts: &mut Parts) -> Result<(), Problem> {
    let Some(rewriting) = &route.rewriting else { return Ok(()) };
    let unclear = || Problem::bad_request("bad_path", "This path has no counterpart behind the gateway.");
    let path = rewriting.apply(parts.uri.path()).ok_or_else(unclear)?;
    let text = match parts.uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.into_owned(),
    };
    parts.uri = text.parse().map_err(|_| unclear())?;
    Ok(())
}

fn refused(reason: Refused) -> Problem {
    match reason {
        Refused::NotReady => Problem::unavailable("not_ready", "The keys that check tokens are not here yet.", 5),
        Refused::Stale => {
            Problem::unavailable("revocations_stale", "It is not known whose access has ended. Try again soon.", 5)
        }
        _ => Problem::unauthenticated(),
    }
}

/// What the client is told, and why for the log.
fn problem_of(failed: upstream::Failed) -> (&'static str, Problem) {
    use upstream::Failed;
    let bad_gateway =
        |code, detail| (code, Problem::new(StatusCode::BAD_GATEWAY, code, "The application cannot be reached", detail));
    match failed {
        Failed::NoneHealthy => {
            let detail = "The application behind this address is down. Try again soon.";
            ("upstream_unavailable", Problem::unavailable("upstream_unavailable", detail, 5))
        }
        Failed::Connect => bad_gateway("upstream_unreachable", "The application behind this address does not answer."),
        Failed::Reset => bad_gateway("upstream_failed", "The application behind this address broke off its answer."),
        Failed::FirstByteTimeout | Failed::TotalTimeout => {
            let detail = "Look whether it was done, then try again.";
            let title = "The application takes too long";
            ("upstream_timeout", Problem::new(StatusCode::GATEWAY_TIMEOUT, "upstream_timeout", title, detail))
        }
        Failed::BodyTooLarge => ("body_too_large", kernel::json::too_large()),
        Failed::ClientGone => {
            ("incomplete_body", Problem::bad_request("incomplete_body", "The body ended before it was complete."))
        }
    }
}

/// The first 256 bytes at most of what a client says, without tearing a character.
pub(crate) fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(256)]
}

fn accepts_html(headers: &HeaderMap) -> bool {
    headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).is_some_and(|accept| accept.contains("text/html"))
}

fn unknown_host() -> Problem {
    Problem::new(
        StatusCode::MISDIRECTED_REQUEST,
        "unknown_host",
        "Nobody is here under this name",
        "Use the public address, or give a route this `host`.",
    )
}

fn too_many(wait: Duration) -> Problem {
    let seconds = u32::try_from(wait.as_secs()).unwrap_or(60).saturating_add(1);
    // Rounded up to whole quarters of a minute: how much is left is nobody's business.
    let coarse = seconds.div_ceil(15) * 15;
    Problem {
        retry_after: Some(coarse),
        ..Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too_many_attempts",
            "Too many attempts",
            "Wait a little, then try again.",
        )
    }
}
