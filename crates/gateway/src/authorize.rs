//! `/gateway/authorize`: the door's answer for people who keep their own proxy in front of their
//! applications. It decides on what that proxy says was asked, by the same table and the same checks.
//!
//! Only a trusted proxy may ask: for anybody else `X-Forwarded-…` would be a wish.

use std::borrow::Cow;

use axum::body::Body;
use axum::http::{HeaderMap, Method, Response, StatusCode, Uri};
use kernel::Problem;

use crate::answer::{From, Passed};
use crate::asked::Asked;
use crate::gateway::{Gateway, Visit};
use crate::identity;
use crate::route::forbidden;
use crate::table::{Found, Table};

/// Where Envoy puts the path that was asked for.
const BELOW: &str = "/gateway/authorize";

impl Gateway {
    /// 200 with who asks, or why not.
    pub(crate) fn authorize(
        &self,
        table: &Table,
        (method, uri, headers): (&Method, &Uri, &HeaderMap),
        visit: &mut Visit<'_>,
    ) -> Result<Passed, Problem> {
        if !visit.is_from_proxy {
            return Err(self.refuse(visit, "untrusted_proxy", untrusted()));
        }
        let said = Said::read(method, uri, headers, visit)?;
        let asked = Asked::new(&said.host, &said.uri, &said.method)?;
        let route = match table.find_for_others(&asked.host, &asked.path, asked.method) {
            Found::Configured(route) => route,
            Found::OtherMethods(_) => return Err(crate::asked::not_this_method()),
            // Nothing is open because nobody thought of it.
            Found::UnknownHost | Found::Nothing | Found::Own(_) => {
                return Err(self.refuse(visit, "no_route", forbidden()));
            }
        };
        visit.entry.route = route.name;
        self.limit(route, &said.method, None, visit)?;
        let claims = self.who(route, headers, visit)?;
        self.limit(route, &said.method, Some(claims.as_deref()), visit)?;
        let mut response = Response::new(Body::empty());
        if let Some(claims) = &claims {
            identity::tell_who(response.headers_mut(), claims).ok_or_else(Problem::internal)?;
        }
        *response.status_mut() = StatusCode::OK;
        Ok(Passed { response, from: From::Own })
    }
}

/// What the proxy says was asked.
struct Said<'h> {
    method: Method,
    uri: Uri,
    host: Cow<'h, str>,
}

impl<'h> Said<'h> {
    fn read(method: &Method, uri: &Uri, headers: &'h HeaderMap, visit: &Visit<'_>) -> Result<Self, Problem> {
        let header = |name: &str| {
            let mut values = headers.get_all(name).iter();
            match (values.next(), values.next()) {
                (None, _) => Ok(None),
                (Some(value), None) => value.to_str().map(Some).map_err(|_| unclear(name)),
                (Some(_), Some(_)) => Err(unclear(name)),
            }
        };
        let method = match header("x-forwarded-method")? {
            Some(said) => Method::from_bytes(said.as_bytes()).map_err(|_| unclear("x-forwarded-method"))?,
            None => method.clone(),
        };
        let below = uri.path_and_query().map_or("", |all| all.as_str()).strip_prefix(BELOW).unwrap_or_default();
        // Whoever names a path in a header names its host there, too, and in no second place.
        let (said, host) = match (header("x-forwarded-uri")?, header("x-forwarded-host")?, below.starts_with('/')) {
            (Some(uri), Some(host), false) => (uri, Cow::Borrowed(host)),
            (None, Some(host), true) => (below, Cow::Borrowed(host)),
            (None, None, true) => (below, Cow::Owned(visit.authority.to_owned())),
            (Some(_), _, true) | (None, _, false) => return Err(unclear("x-forwarded-uri")),
            (Some(_), None, false) => return Err(unclear("x-forwarded-host")),
        };
        if !said.starts_with('/') {
            return Err(unclear("x-forwarded-uri"));
        }
        Ok(Self { method, uri: said.parse().map_err(|_| unclear("x-forwarded-uri"))?, host })
    }
}

fn untrusted() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "untrusted_proxy",
        "Only a trusted proxy may ask this",
        "Put the address of the proxy into `trusted_proxies` of Usher's configuration.",
    )
}

fn unclear(name: &str) -> Problem {
    Problem::bad_request("unclear_question", format!("Send `{name}` once, as the client's request has it."))
}
