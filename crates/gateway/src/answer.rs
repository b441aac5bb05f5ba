//! Making an answer complete: problem documents, security headers, the request's id.

use axum::body::Body;
use axum::http::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY,
    RETRY_AFTER, STRICT_TRANSPORT_SECURITY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, Response, StatusCode};
use kernel::Problem;

use crate::route::Kind;

/// Shows a problem to a person.
pub type ProblemPage = fn(&Problem, &str) -> Response<Body>;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");

const CONTENT_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; \
     base-uri 'none'; frame-ancestors 'none'; object-src 'none'",
);
const PICTURE_POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; sandbox");
/// What the development inbox and the templates show is ours, and stands in a frame.
const INBOX_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; \
     frame-src 'self'; base-uri 'none'; frame-ancestors 'none'; object-src 'none'",
);
/// Mail has its style in itself, because mail programs take no other; and nothing else of it may happen.
const MAIL_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'; frame-ancestors 'self'; sandbox",
);
const HSTS: HeaderValue = HeaderValue::from_static("max-age=63072000; includeSubDomains");

/// An answer that came through.
pub(crate) struct Passed {
    pub(crate) response: Response<Body>,
    pub(crate) from: From,
}

/// Whose answer it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    /// Usher's, made in this process.
    Own,
    /// An application's, or Usher's own from another machine, which has completed it already.
    Elsewhere,
}

/// What an answer has to be shown for.
pub(crate) struct Shown<'a> {
    pub(crate) id: &'a str,
    pub(crate) wants_page: bool,
    /// What was asked for; nothing if no route was found.
    pub(crate) kind: Option<Kind>,
    pub(crate) has_bad_token: bool,
    pub(crate) allow: Option<HeaderValue>,
}

pub(crate) struct Answerer {
    https: bool,
    problem_page: ProblemPage,
}

/// How many headers there is room for at once: all that an answer of ours has, and not one more, for a map of headers grows
/// to the double, and HTTP/1.1's server keeps it for as long as the connection lasts.
const HEADERS: usize = 12;

impl Answerer {
    pub(crate) fn new(https: bool, problem_page: ProblemPage) -> Self {
        Self { https, problem_page }
    }

    /// The answer as it goes out. `allow` are the methods for a 405 of the door itself.
    pub(crate) fn complete(&self, outcome: Result<Passed, Problem>, visit: &Shown<'_>) -> Response<Body> {
        let (mut response, is_ours) = match outcome {
            Ok(Passed { mut response, from: From::Own }) => match problem_in(&mut response) {
                Some(problem) => (self.show(&problem, response.headers().get(ALLOW).cloned(), visit), true),
                None => (response, true),
            },
            Ok(Passed { response, from: From::Elsewhere }) => (response, false),
            Err(problem) => (self.show(&problem, visit.allow.clone(), visit), true),
        };
        let headers = response.headers_mut();
        headers.reserve(HEADERS.saturating_sub(headers.len()));
        if let Ok(id) = HeaderValue::from_str(visit.id) {
            headers.insert(REQUEST_ID, id);
        }
        if self.https {
            headers.insert(STRICT_TRANSPORT_SECURITY, HSTS);
        }
        if is_ours {
            secure(headers);
            match visit.kind {
                Some(Kind::Picture) => show_elsewhere(headers),
                Some(Kind::Inbox) => drop(headers.insert(CONTENT_SECURITY_POLICY, INBOX_POLICY)),
                Some(Kind::Mail) => drop(headers.insert(CONTENT_SECURITY_POLICY, MAIL_POLICY)),
                Some(Kind::Call | Kind::Page | Kind::Asset | Kind::Health) | None => {}
            }
            if !headers.contains_key(CACHE_CONTROL) && !matches!(visit.kind, Some(Kind::Asset | Kind::Picture)) {
                headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            }
        }
        response
    }

    fn show(&self, problem: &Problem, allow: Option<HeaderValue>, visit: &Shown<'_>) -> Response<Body> {
        let mut response =
            if visit.wants_page { (self.problem_page)(problem, visit.id) } else { document(problem, visit.id) };
        *response.status_mut() = problem.status;
        let headers = response.headers_mut();
        if let Some(seconds) = problem.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(challenge) = challenge(problem, visit.has_bad_token) {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if matches!(problem.status, StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT) {
            // The rest of the body may still be coming: this connection is of no more use.
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if let Some(allow) = allow {
            headers.insert(ALLOW, allow);
        }
        response
    }
}

/// What a client is told to do about its token (RFC 6750 §3).
fn challenge(problem: &Problem, has_bad_token: bool) -> Option<&'static str> {
    match problem.code {
        "unauthenticated" if has_bad_token => Some("Bearer error=\"invalid_token\""),
        "unauthenticated" => Some("Bearer"),
        "forbidden" => Some("Bearer error=\"insufficient_scope\""),
        _ => None,
    }
}

/// What is the same for every answer of our own. An application's answers are its own business.
fn secure(headers: &mut HeaderMap) {
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_SECURITY_POLICY, CONTENT_POLICY);
    // Our own forms need their `Origin`, which `no-referrer` would make `null`; nobody else is told. An answer to an
    // address with a secret in it has no form, and says more itself.
    headers.entry(REFERRER_POLICY).or_insert(HeaderValue::from_static("same-origin"));
    headers.insert(OPENER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(PERMISSIONS_POLICY, HeaderValue::from_static("camera=(), geolocation=(), microphone=()"));
}

/// What is different for pictures: pages of other sites show them, and as a page of its own a picture can do
/// nothing at all.
fn show_elsewhere(headers: &mut HeaderMap) {
    headers.insert(CONTENT_SECURITY_POLICY, PICTURE_POLICY);
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static("cross-origin"));
}

/// The problem that a handler answered with, or that its bare status means.
fn problem_in(response: &mut Response<Body>) -> Option<Problem> {
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        return Some(problem);
    }
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) || speaks_for_itself(response) {
        return None;
    }
    Some(match status {
        StatusCode::NOT_FOUND => Problem::not_found(),
        StatusCode::METHOD_NOT_ALLOWED => Problem::new(
            status,
            "method_not_allowed",
            "This address does not take that method",
            "Use one of the methods in the `Allow` header.",
        ),
        _ if status.is_client_error() => Problem {
            status,
            ..Problem::bad_request("bad_request", "Look at the address and the form of the request.")
        },
        _ => Problem { status, ..Problem::internal() },
    })
}

/// Whether a failure is already in a form that a person or a program can read.
fn speaks_for_itself(response: &Response<Body>) -> bool {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.starts_with("text/html") || kind.starts_with("application/json")
}

fn document(problem: &Problem, id: &str) -> Response<Body> {
    // A problem document is plain text and numbers: there is nothing in it that cannot be written.
    let body = serde_json::to_vec(&problem.document(id)).unwrap_or_default();
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    response
}
