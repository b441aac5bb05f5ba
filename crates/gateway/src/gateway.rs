//! A request's way through the door.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use kernel::{Clock, Problem, RoleDirectory};
use tokio::sync::Semaphore;
use verify::Verifier;

use crate::access_log::{AccessLog, Entry};
use crate::address::{Network, client_address};
use crate::answer::{Answerer, ProblemPage, Shown};
use crate::asked::Asked;
use crate::current::Current;
use crate::ending::{self, Ended};
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::refusals::unknown_host;
use crate::request_id::{CURRENT, RequestIds};
use crate::route::Route;
use crate::spec::RouteSpec;
use crate::table::{Found, RouteError, Table};
use crate::trace::{Trace, Traces};
use crate::traffic::History;
use crate::upstream::{self, Pool, Upstreams};
use crate::user_token::{BadSeed, UserTokens};

/// A request to Usher itself that takes longer than this is answered with 503: its client is stuck, or
/// we are.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// How many bodies of more than the usual size may be in memory at once, each of some 5 MiB: of requests that
/// showed a token, of forms, which anybody may send, and of services, whose tokens are checked by the call. None of
/// them can take the others' places.
const LARGE_BODIES: usize = 12;
const LARGE_FORMS: usize = 4;
const LARGE_LISTS: usize = 4;

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
    /// The seed of the key that signs `X-User-Token`; without one no route may ask for that.
    pub identity_seed: Option<[u8; 32]>,
    /// What each role comes to, as it is at every moment. A gateway alone fills it itself
    /// ([`Gateway::follow_roles`]).
    pub roles: RoleDirectory,
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

/// The same, ready to be asked.
pub(crate) enum Own {
    Here(Router),
    There { upstreams: Arc<Upstreams>, local: Router },
}

/// The door.
pub struct Gateway {
    pub(crate) services: Own,
    pub(crate) verifier: Arc<Verifier>,
    pub(crate) clock: Clock,
    pub(crate) settings: Settings,
    pub(crate) https: bool,
    own_host: String,
    table: Current<Table>,
    pool: Pool,
    pub(crate) limits: Limits,
    /// A place for each body that may be large, while it is in memory.
    pub(crate) large_bodies: Semaphore,
    /// The same for forms of pages: who sends one is not known before it is there.
    pub(crate) large_forms: Semaphore,
    /// The same for services.
    pub(crate) large_lists: Semaphore,
    ids: RequestIds,
    traces: Traces,
    pub(crate) user_tokens: Option<UserTokens>,
    answerer: Answerer,
    pub(crate) metrics: Metrics,
    pub(crate) history: History,
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
    pub(crate) trace: Trace,
    /// Whether it comes from a proxy that the operator trusts.
    pub(crate) is_from_proxy: bool,
    pub(crate) entry: Entry,
    origin: Option<HeaderValue>,
    wants_page: bool,
    /// Whether there was a token and it was refused.
    pub(crate) has_bad_token: bool,
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
            large_bodies: Semaphore::new(LARGE_BODIES),
            large_forms: Semaphore::new(LARGE_FORMS),
            large_lists: Semaphore::new(LARGE_LISTS),
            ids: RequestIds::new(),
            traces: Traces::new(),
            user_tokens: settings.identity_seed.map(|seed| UserTokens::new(&seed, &settings.public_url)).transpose()?,
            answerer: Answerer::new(https, settings.problem_page),
            metrics,
            history: History::new(),
            settings,
        })
    }

    /// Takes these routes from now on, or none of them: then the ones from before stay. Requests that
    /// are under way go on by the routes that they began with.
    pub fn set_routes(&self, routes: &[RouteSpec]) -> Result<(), RouteError> {
        let table = Table::new(routes, &self.own_host, &self.pool, &self.table.get())?;
        if self.user_tokens.is_none() {
            table.refuse_signed_identity()?;
        }
        self.table.set(table);
        Ok(())
    }

    /// The host that the public address names, with its port.
    pub(crate) fn public_authority(&self) -> &str {
        self.settings.public_url.split_once("://").map_or("", |(_, authority)| authority)
    }

    /// Ends the tunnels that are open, so that the process can stop.
    pub fn stop(&self) {
        self.pool.stop();
    }

    /// The routes that are in use.
    pub(crate) fn table(&self) -> Arc<Table> {
        self.table.get()
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
            has_bad_token: false,
            allow: None,
        };
        let table = self.table.get();
        let (route, outcome) = match self.route(&request, &table, &mut visit) {
            Ok(route) => {
                visit.entry.route = route.name;
                visit.origin = route.cors.as_ref().and_then(|_| crate::cors::origin_of(request.headers()));
                visit.wants_page = route.shows_pages() && accepts_html(request.headers());
                // Boxed, because everything that waits for it would otherwise be some kilobytes large, and
                // be copied from one to the next of them for every request.
                let passing = Box::pin(self.pass(request, route, &table, &mut visit));
                (Some(route), CURRENT.scope(id.clone(), passing).await)
            }
            Err(problem) => (None, Err(problem)),
        };
        // Whatever did not pass was refused, wherever that was found out.
        if let (Err(problem), None) = (&outcome, visit.entry.refused) {
            visit.entry.refused = Some(problem.code);
            self.metrics.refused(visit.entry.route, problem.code);
        }
        let shown = Shown {
            id: &id,
            wants_page: visit.wants_page,
            kind: route.map(|route| route.kind),
            has_bad_token: visit.has_bad_token,
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
        let took = started.elapsed();
        self.metrics.count(visit.entry.route, response.status(), took);
        if let Some(route) = route {
            route.counted.count(response.status(), took, visit.entry.refused);
        }
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
        let knows_host =
            self.answers_for(&asked.host) || (visit.is_from_proxy && self.was_asked_for(request.headers()));
        match table.find(&asked.host, &asked.path, asked.method, knows_host) {
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

    /// Whether a trusted proxy, which came here under a name of its own, was asked for Usher.
    fn was_asked_for(&self, headers: &HeaderMap) -> bool {
        let mut said = headers.get_all("x-forwarded-host").iter();
        let (Some(host), None) = (said.next(), said.next()) else { return false };
        let host = host.to_str().ok().and_then(crate::asked::plain_host);
        host.is_some_and(|host| self.answers_for(&host))
    }

    /// Whether Usher itself is at this host: its public one, any bare address (nobody can be led there
    /// under another name), and the names of this machine while the public one is such a name.
    fn answers_for(&self, host: &str) -> bool {
        let is_local = |host: &str| host == "localhost" || host.ends_with(".localhost");
        host == self.own_host
            || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
            || (is_local(host) && (is_local(&self.own_host) || self.own_host.parse::<IpAddr>().is_ok()))
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

/// The first 256 bytes at most of what a client says, without tearing a character.
pub(crate) fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(256)]
}

fn accepts_html(headers: &HeaderMap) -> bool {
    headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).is_some_and(|accept| accept.contains("text/html"))
}
