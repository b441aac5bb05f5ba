//! Handing a request on: to Usher's own services, here or elsewhere, or to an application.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderValue, Request, Response, header};
use futures_util::FutureExt as _;
use kernel::{Problem, RequestContext};
use tower::ServiceExt as _;
use verify::Claims;

use crate::access_log::UpstreamEntry;
use crate::answer::{From, Passed};
use crate::gateway::{Gateway, Own, REQUEST_TIMEOUT, Visit, cut};
use crate::identity::{self, Told};
use crate::refusals::{problem_of, too_much_at_once};
use crate::route::{Kind, Met, Route, Target};
use crate::table::Table;
use crate::upstream::{StillTrusted, Upstreams};
use crate::{body, builtin, own_stream};

impl Gateway {
    /// Everything that can end in a refusal.
    pub(crate) async fn pass<B>(
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
                let own = builtin::of(&crate::path::read(parts.uri.path()));
                self.pass_to_own(Request::from_parts(parts, body), own, visit).await
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
        // One that says that it is no larger than others needs no place among the large ones.
        let is_small = body.size_hint().upper().is_some_and(|most| most <= builtin::BODY_LIMIT as u64);
        let _room = if route.body_limit > builtin::BODY_LIMIT && !is_small {
            // What may be large is read for somebody who may send it, and for a few at once.
            let places = match self.who(route, &parts.headers, visit)? {
                Some(_) => &self.large_bodies,
                None if route.takes_services => &self.large_lists,
                None => &self.large_forms,
            };
            Some(places.try_acquire().map_err(|_| self.refuse(visit, "busy", too_much_at_once()))?)
        } else {
            None
        };
        let limit = if is_small { builtin::BODY_LIMIT.min(route.body_limit) } else { route.body_limit };
        let body = body::read(&parts.headers, body, limit).await?;
        let claims = self.who(route, &parts.headers, visit)?;
        self.limit(route, &parts.method, Some(claims.as_deref()), visit)?;
        let request = Request::from_parts(parts, Body::from(body));
        match &self.services {
            Own::Here(router) => {
                let passed = self.serve_here(router, request, claims.as_deref(), visit).await?;
                Ok(Passed { response: own_stream::watch(passed.response, self.still_trusted(route, claims)), ..passed })
            }
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

    async fn send(
        &self,
        upstreams: &Arc<Upstreams>,
        mut request: Request<Body>,
        route: &Route,
        claims: Option<Arc<Claims>>,
        visit: &mut Visit<'_>,
    ) -> Result<Passed, Problem> {
        let is_own = matches!(route.target, Target::Own);
        let signed = claims.as_ref().filter(|_| route.signs_identity);
        let user_token = match signed {
            Some(claims) => {
                let now = self.clock.now().unix_seconds();
                // A table that needs the key is not taken without it.
                let tokens = self.user_tokens.as_ref().ok_or_else(Problem::internal)?;
                Some(tokens.of(claims, route.name, now).ok_or_else(Problem::internal)?)
            }
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
        let still_trusted = self.still_trusted(route, claims);
        let answered = match upstreams.send(request, still_trusted).await {
            Ok(answered) => answered,
            Err(failed) => {
                let problem = problem_of(failed);
                return Err(self.refuse(visit, problem.code, problem));
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

    /// Asked as long as something is open that these claims opened.
    fn still_trusted(&self, route: &Route, claims: Option<Arc<Claims>>) -> Option<StillTrusted> {
        claims.map(|claims| {
            let (verifier, clock) = (self.verifier.clone(), self.clock.clone());
            let (needs, roles) = (route.needs.clone(), self.settings.roles.clone());
            Arc::new(move || {
                verifier.is_still_good(&claims, clock.now().unix_seconds())
                    && needs.are_met_by(&claims, &roles) == Met::Yes
            }) as StillTrusted
        })
    }

    fn keys(&self) -> Response<Body> {
        let jwks =
            self.user_tokens.as_ref().map_or_else(|| r#"{"keys":[]}"#.to_owned(), |keys| keys.jwks().to_string());
        let mut response = Response::new(Body::from(jwks));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
        response
    }
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
