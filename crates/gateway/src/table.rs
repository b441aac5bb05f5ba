//! The route table: made from what an operator wrote, whole or not at all.

mod reading;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use axum::http::Method;

use crate::builtin;
use crate::cors::Cors;
use crate::route::{Needs, Path, Route, Target};
use crate::spec::{self, AuthSpec, IdentitySpec, RouteSpec};
use crate::upstream::{self, Pool, Upstreams};
use reading::{
    headers_of, host_of, limits_of, methods_of, name_of, permissions_of, refuse_what_has_no_effect, rewriting_of,
    upstream_settings,
};

/// More routes than anybody can oversee.
const MOST_ROUTES: usize = 1_000;
/// The largest body of a request to an application, unless its route says otherwise.
const BODY_LIMIT: &str = "1MiB";

/// What is wrong with a table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the route `{route}`: {what}")]
pub struct RouteError {
    route: String,
    what: String,
}

/// The routes in the order in which they are tried.
pub(crate) struct Table {
    routes: Vec<Arc<Route>>,
    /// Upstreams by the route's name, with the settings that they were made with: a reload that changes
    /// nothing about them keeps their connections and what is known of their health.
    upstreams: BTreeMap<&'static str, (upstream::Settings, Arc<Upstreams>)>,
    /// Each route as it was written, by its name.
    specs: BTreeMap<&'static str, RouteSpec>,
}

/// What a request is for.
pub(crate) enum Found<'t> {
    /// An operator's route.
    Configured(&'t Arc<Route>),
    /// Usher's own.
    Own(&'static Route),
    /// The path is there, but not for this method.
    OtherMethods(Vec<Method>),
    /// The host is an operator's, and no route of it is for the path.
    Nothing,
    /// Nobody serves this host here.
    UnknownHost,
}

impl Table {
    /// No routes but Usher's own.
    pub(crate) fn empty() -> Self {
        Self { routes: Vec::new(), upstreams: BTreeMap::new(), specs: BTreeMap::new() }
    }

    /// Makes a table. Upstreams that `before` has already are taken over from it.
    pub(crate) fn new(specs: &[RouteSpec], own_host: &str, pool: &Pool, before: &Self) -> Result<Self, RouteError> {
        let mut table = Self::empty();
        let mut names = HashSet::new();
        for spec in specs {
            let wrong = |what: String| RouteError { route: spec.name.clone(), what };
            if specs.len() > MOST_ROUTES {
                return Err(wrong(format!("there are more than {MOST_ROUTES} routes")));
            }
            if !names.insert(spec.name.as_str()) {
                return Err(wrong("there is another route of this name".into()));
            }
            let route = table.read(spec, own_host, pool, before).map_err(wrong)?;
            if let Some(twin) = table.routes.iter().find(|other| is_same_place(other, &route)) {
                return Err(wrong(format!("it is for the same requests as the route `{}`", twin.name)));
            }
            table.specs.insert(route.name, spec.clone());
            table.routes.push(Arc::new(route));
        }
        table.routes.sort_by_cached_key(|route| {
            std::cmp::Reverse((!route.host.is_empty(), route.path.says(), !route.methods.is_empty()))
        });
        Ok(table)
    }

    /// The route for a request. `knows_host` says whether Usher itself answers for the host.
    pub(crate) fn find(&self, host: &str, path: &str, method: &Method, knows_host: bool) -> Found<'_> {
        let served = |route: &&Arc<Route>| !matches!(route.target, Target::ForwardAuth);
        find_among(self.routes.iter().filter(served), (host, path, method), knows_host)
    }

    /// The route for what another proxy was asked. It is none of Usher's own: that proxy does not serve
    /// those.
    pub(crate) fn find_for_others(&self, host: &str, path: &str, method: &Method) -> Found<'_> {
        match find_among(self.routes.iter(), (host, path, method), false) {
            Found::Own(_) => Found::Nothing,
            found => found,
        }
    }

    /// An error, if a route wants who asks signed, for a gateway that has nothing to sign with.
    pub(crate) fn refuse_signed_identity(&self) -> Result<(), RouteError> {
        match self.routes.iter().find(|route| route.signs_identity) {
            None => Ok(()),
            Some(route) => Err(RouteError {
                route: route.name.to_owned(),
                what:
                    "it wants a signed identity, and this process has neither `gateway.identity_key` nor a master key: \
                       make one with `openssl rand -base64 32` and give it to every gateway"
                        .into(),
            }),
        }
    }

    /// The upstreams of all routes.
    pub(crate) fn upstreams(&self) -> impl Iterator<Item = (&'static str, &Arc<Upstreams>)> {
        self.upstreams.iter().map(|(name, (_, upstreams))| (*name, upstreams))
    }

    /// The routes in order, each with how it was written.
    pub(crate) fn with_specs(&self) -> impl Iterator<Item = (&Arc<Route>, &RouteSpec)> {
        self.routes.iter().filter_map(|route| Some((route, self.specs.get(route.name)?)))
    }

    fn read(&mut self, spec: &RouteSpec, own_host: &str, pool: &Pool, before: &Self) -> Result<Route, String> {
        let name = name_of(&spec.name)?;
        let path = Path::read(&spec.path)?;
        let host = host_of(&spec.host)?;
        if (host.is_empty() || host == own_host) && spec.service.is_empty() && builtin::is_reserved(&path.beginning()) {
            return Err(format!(
                "`path` is `{}`, which is Usher's own on this host: use another path, or give the route a `host` of its own",
                spec.path
            ));
        }
        let target = match (spec.service.as_str(), spec.upstreams.is_empty()) {
            ("usher", true) => Target::Usher,
            ("forward-auth", true) => Target::ForwardAuth,
            ("", false) => Target::Upstreams(self.upstreams_of(name, spec, pool, before)?),
            ("", true) => return Err("it has no `upstreams`: name at least one, like http://127.0.0.1:9000".into()),
            ("usher" | "forward-auth", false) => return Err("it has `service` and `upstreams`: leave one out".into()),
            (other, _) => {
                return Err(format!("`service` is `{other}`: use usher or forward-auth, or `upstreams` instead"));
            }
        };
        refuse_what_has_no_effect(spec)?;
        let needs = Needs {
            roles: spec.roles.clone(),
            scopes: spec.scopes.clone(),
            permissions: permissions_of(&spec.permissions)?,
        };
        if spec.auth != AuthSpec::Required && !needs.is_nothing() {
            return Err("it needs roles, scopes or permissions, but `auth` is not `required`".into());
        }
        let text = if spec.body_limit.is_empty() { BODY_LIMIT } else { &spec.body_limit };
        let body_limit =
            spec::size(text).ok_or_else(|| format!("`body_limit` is `{text}`: write it like 64KiB or 1MiB"))?;
        Ok(Route {
            host,
            methods: methods_of(&spec.methods)?,
            auth: spec.auth,
            needs: Arc::new(needs),
            limits: limits_of(name, &spec.limits)?,
            body_limit,
            rewriting: rewriting_of(spec, &path)?,
            cors: spec.cors.as_ref().map(Cors::read).transpose()?,
            signs_identity: spec.identity == IdentitySpec::HeadersAndJwt,
            response_headers: headers_of(&spec.response_headers)?,
            ..Route::new(name, path, target)
        })
    }

    fn upstreams_of(
        &mut self,
        name: &'static str,
        spec: &RouteSpec,
        pool: &Pool,
        before: &Self,
    ) -> Result<Arc<Upstreams>, String> {
        let settings = upstream_settings(spec)?;
        let upstreams = match before.upstreams.get(name) {
            Some((same, upstreams)) if *same == settings => upstreams.clone(),
            Some(_) | None => Upstreams::new(settings.clone(), pool.clone()),
        };
        self.upstreams.insert(name, (settings, upstreams.clone()));
        Ok(upstreams)
    }
}

/// Whether these routes would be taken by a gateway at this public address.
pub fn check_routes(routes: &[RouteSpec], public_url: &str) -> Result<(), RouteError> {
    let authority = public_url.split_once("://").map_or("", |(_, authority)| authority);
    let host = crate::asked::plain_host(authority).unwrap_or_default();
    Table::new(routes, &host, &Pool::new(), &Table::empty()).map(drop)
}

/// The first of the routes that is for a request; they come in the order in which they are tried.
fn find_among<'t>(
    routes: impl Iterator<Item = &'t Arc<Route>>,
    (host, path, method): (&str, &str, &Method),
    knows_host: bool,
) -> Found<'t> {
    let mut host_is_routed = false;
    let mut missed: Option<(&Route, Vec<Method>)> = None;
    for route in routes {
        if !route.host.is_empty() {
            if route.host != host {
                continue;
            }
            host_is_routed = true;
        }
        // The route that says most decides, also against a method: a broader one that would take it
        // may ask for less.
        let is_decided = |(first, _): &(&Route, _)| first.host != route.host || first.path != route.path;
        if !route.path.matches(path) || missed.as_ref().is_some_and(is_decided) {
            continue;
        }
        if route.takes(method) {
            return Found::Configured(route);
        }
        missed.get_or_insert((route, Vec::new())).1.extend(route.methods.iter().cloned());
    }
    if let Some((_, methods)) = missed {
        return Found::OtherMethods(methods);
    }
    if knows_host || (!host_is_routed && path.starts_with("/health/")) {
        return Found::Own(builtin::of(path));
    }
    if host_is_routed { Found::Nothing } else { Found::UnknownHost }
}

/// Whether two routes are for exactly the same requests.
fn is_same_place(one: &Route, other: &Route) -> bool {
    let overlap = one.methods.is_empty()
        || other.methods.is_empty()
        || one.methods.iter().any(|method| other.methods.contains(method));
    one.host == other.host && one.path == other.path && overlap && one.methods.is_empty() == other.methods.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(name: &str, path: &str) -> RouteSpec {
        RouteSpec {
            name: name.into(),
            path: path.into(),
            upstreams: vec!["http://127.0.0.1:9000".into()],
            ..RouteSpec::default()
        }
    }

    fn table(specs: &[RouteSpec]) -> Result<Table, RouteError> {
        Table::new(specs, "accounts.example.com", &Pool::new(), &Table::empty())
    }

    fn name(table: &Table, host: &str, path: &str, method: &Method) -> String {
        match table.find(host, path, method, host == "accounts.example.com") {
            Found::Configured(route) => route.name.into(),
            Found::Own(route) => format!("own {}", route.name),
            Found::OtherMethods(methods) => format!("405 {methods:?}"),
            Found::Nothing => "404".into(),
            Found::UnknownHost => "421".into(),
        }
    }

    #[tokio::test]
    async fn what_says_more_wins_whatever_the_order() {
        let quiz = RouteSpec { host: "Quiz.example.com.".into(), ..route("host", "/") };
        let post = RouteSpec { methods: vec!["POST".into()], ..route("post", "/quiz/new") };
        let table = table(&[route("quiz", "/quiz/"), post, route("answers", "/quiz/{id}/answers"), quiz]).unwrap();
        let own = "accounts.example.com";
        assert_eq!(name(&table, own, "/quiz/7", &Method::GET), "quiz");
        assert_eq!(name(&table, own, "/quiz/7/answers", &Method::GET), "answers");
        assert_eq!(name(&table, own, "/quiz/new", &Method::POST), "post");
        assert_eq!(name(&table, own, "/quiz/new", &Method::PUT), "405 [POST]");
        assert_eq!(name(&table, own, "/api/v1/auth/me", &Method::GET), "own me");
        assert_eq!(name(&table, own, "/quizzes", &Method::GET), "own pages");
        assert_eq!(name(&table, "quiz.example.com", "/api/v1/auth/me", &Method::GET), "host");
    }

    #[tokio::test]
    async fn g7_hosts_that_nobody_serves_are_misdirected() {
        let table = table(&[RouteSpec { host: "quiz.example.com".into(), ..route("quiz", "/quiz/") }]).unwrap();
        assert_eq!(name(&table, "evil.io", "/sign-in", &Method::GET), "421");
        assert_eq!(name(&table, "quiz.example.com", "/sign-in", &Method::GET), "404");
        assert_eq!(name(&table, "quiz.example.com", "/health/ready", &Method::GET), "404");
        assert_eq!(name(&table, "10.0.0.7", "/health/ready", &Method::GET), "own health");
    }

    #[tokio::test]
    async fn other_methods_are_named() {
        let spec = RouteSpec { methods: vec!["GET".into(), "POST".into()], ..route("quiz", "/quiz/") };
        let put = RouteSpec { methods: vec!["PUT".into()], ..route("put", "/quiz/") };
        assert_eq!(
            name(&table(std::slice::from_ref(&spec)).unwrap(), "x", "/quiz/1", &Method::PUT),
            "405 [GET, POST, HEAD]"
        );
        assert_eq!(name(&table(&[spec, put]).unwrap(), "x", "/quiz/1", &Method::PUT), "put");
    }

    #[tokio::test]
    async fn mistakes_are_named() {
        let base = || route("quiz", "/quiz/");
        for (what, spec) in [
            ("name", route("Quiz", "/quiz/")),
            ("Usher's own", route("quiz", "/api/v1/quiz")),
            ("Usher's own", route("quiz", "/")),
            ("upstreams", RouteSpec { upstreams: vec![], ..base() }),
            ("upstreams", RouteSpec { upstreams: vec!["127.0.0.1:9000".into()], ..base() }),
            ("leave one out", RouteSpec { service: "usher".into(), ..base() }),
            ("service", RouteSpec { service: "auth".into(), upstreams: vec![], ..base() }),
            ("auth", RouteSpec { auth: AuthSpec::Optional, roles: vec!["player".into()], ..base() }),
            ("area:action", RouteSpec { permissions: vec!["*".into()], ..base() }),
            ("methods", RouteSpec { methods: vec!["TRACE".into()], ..base() }),
            ("strip_prefix", RouteSpec { strip_prefix: "/other".into(), ..base() }),
            ("body_limit", RouteSpec { body_limit: "1MB".into(), ..base() }),
            ("host", RouteSpec { host: "a:80".into(), ..base() }),
            (
                "response_headers",
                RouteSpec {
                    response_headers: std::collections::BTreeMap::from([("Content-Length".into(), "1".into())]),
                    ..base()
                },
            ),
            (
                "no effect",
                RouteSpec { service: "usher".into(), upstreams: vec![], strip_prefix: "/quiz".into(), ..base() },
            ),
            ("retries", RouteSpec { retries: 6, ..base() }),
        ] {
            let error = table(&[spec]).err().unwrap_or_else(|| panic!("{what}")).to_string();
            assert!(error.contains(what), "{what}: {error}");
        }
        let twice = table(&[route("one", "/quiz/"), route("two", "/quiz")]).err().unwrap().to_string();
        assert!(twice.contains("same requests"), "{twice}");
        assert!(table(&[base(), base()]).is_err());
    }

    #[tokio::test]
    async fn upstreams_that_did_not_change_are_kept() {
        let one = table(&[route("quiz", "/quiz/")]).unwrap();
        let again = |specs: &[RouteSpec]| Table::new(specs, "accounts.example.com", &Pool::new(), &one).unwrap();
        let kept = again(&[RouteSpec { auth: AuthSpec::None, ..route("quiz", "/quiz/") }]);
        assert!(Arc::ptr_eq(&one.upstreams["quiz"].1, &kept.upstreams["quiz"].1));
        let other = again(&[RouteSpec { retries: 1, ..route("quiz", "/quiz/") }]);
        assert!(!Arc::ptr_eq(&one.upstreams["quiz"].1, &other.upstreams["quiz"].1));
    }
}
