//! The middleware: no request gets through without a good token (RFC 6750).

use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::Either;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Request, Response, StatusCode};
use tower::{Layer, Service};

use crate::clock::{self, Clock};
use crate::{Claims, Denied, Refused, Requirements, Verifier};

/// A layer for services that only callers with a good token may reach.
///
/// The claims are put into the request's extensions as `Arc<Claims>`. Who has none is answered here,
/// with a problem document (RFC 9457) that never says why a token was refused; the reason is in the
/// response's extensions as [`Answer`], for logs.
#[derive(Clone)]
pub struct RequireToken {
    verifier: Arc<Verifier>,
    requirements: Arc<Requirements>,
    clock: Clock,
    is_optional: bool,
}

impl RequireToken {
    /// Any good token is enough.
    pub fn new(verifier: Arc<Verifier>) -> Self {
        Self { verifier, requirements: Arc::default(), clock: clock::system(), is_optional: false }
    }

    /// The token needs these roles and scopes.
    #[must_use]
    pub fn with_requirements(mut self, requirements: Requirements) -> Self {
        self.requirements = Arc::new(requirements);
        self
    }

    /// Lets requests through that have no token at all, without claims. A bad token stays refused: who
    /// sends one means to be somebody.
    #[must_use]
    pub fn or_nobody(mut self) -> Self {
        self.is_optional = true;
        self
    }

    /// With another clock than the machine's, in Unix seconds.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// What a request with these headers gets: claims, nobody (only with
    /// [`or_nobody`](Self::or_nobody)), or an answer.
    fn decide(&self, headers: &HeaderMap) -> Result<Option<Arc<Claims>>, Answer> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let Some(value) = values.next() else {
            return if self.is_optional { Ok(None) } else { Err(Answer::NoToken) };
        };
        // Two of them would let two readers disagree about who is asking.
        if values.next().is_some() {
            return Err(Answer::Denied(Denied::Refused(Refused::Malformed)));
        }
        let token = bearer(value.as_bytes()).ok_or(Answer::Denied(Denied::Refused(Refused::Malformed)))?;
        self.verifier.check_for(token, (self.clock)(), &self.requirements).map(Some).map_err(Answer::Denied)
    }
}

/// The token of `Bearer <token>` (RFC 6750 §2.1); the scheme's case does not matter.
fn bearer(value: &[u8]) -> Option<&str> {
    let (scheme, token) = std::str::from_utf8(value).ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_start_matches(' ')).filter(|token| !token.is_empty())
}

/// Why a request did not get through. It is in the extensions of the response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Answer {
    /// It has no token.
    NoToken,
    /// Its token is not taken, or not enough.
    Denied(Denied),
}

/// How an answer looks from outside.
struct Face {
    status: StatusCode,
    title: &'static str,
    code: &'static str,
    detail: &'static str,
    header: (HeaderName, HeaderValue),
}

impl Answer {
    /// The whole answer.
    pub fn response<B: From<String>>(self) -> Response<B> {
        let Face { status, title, code, detail, header: (name, value) } = self.face();
        let problem = serde_json::json!({
            "type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail, "code": code,
        });
        let mut response = Response::new(problem.to_string().into());
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        response.headers_mut().insert(name, value);
        response.extensions_mut().insert(self);
        response
    }

    fn face(self) -> Face {
        match self {
            Self::NoToken => Face {
                status: StatusCode::UNAUTHORIZED,
                title: "Unauthorized",
                code: "unauthenticated",
                detail: "An access token is needed.",
                header: (WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
            },
            Self::Denied(Denied::Forbidden) => Face {
                status: StatusCode::FORBIDDEN,
                title: "Forbidden",
                code: "forbidden",
                detail: "The access token lacks a role or a scope.",
                header: (WWW_AUTHENTICATE, HeaderValue::from_static("Bearer error=\"insufficient_scope\"")),
            },
            Self::Denied(Denied::Refused(reason)) if reason.is_ours() => Face {
                status: StatusCode::SERVICE_UNAVAILABLE,
                title: "Service Unavailable",
                code: if reason == Refused::Stale { "revocations_stale" } else { "not_ready" },
                detail: "Access tokens cannot be checked at the moment.",
                header: (RETRY_AFTER, HeaderValue::from_static("5")),
            },
            Self::Denied(Denied::Refused(_)) => Face {
                status: StatusCode::UNAUTHORIZED,
                title: "Unauthorized",
                code: "unauthenticated",
                detail: "The access token is not accepted.",
                header: (WWW_AUTHENTICATE, HeaderValue::from_static("Bearer error=\"invalid_token\"")),
            },
        }
    }
}

/// What [`RequireToken`] makes of a service.
#[derive(Clone)]
pub struct TokenRequired<S> {
    inner: S,
    rule: RequireToken,
}

impl<S> Layer<S> for RequireToken {
    type Service = TokenRequired<S>;

    fn layer(&self, inner: S) -> TokenRequired<S> {
        TokenRequired { inner, rule: self.clone() }
    }
}

impl<S, B, R> Service<Request<B>> for TokenRequired<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: From<String>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Either<S::Future, Ready<Result<Response<R>, S::Error>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        // Claims that somebody else put there are not ours, and would count where there is no token.
        request.extensions_mut().remove::<Arc<Claims>>();
        match self.rule.decide(request.headers()) {
            Ok(Some(claims)) => {
                request.extensions_mut().insert(claims);
                Either::Left(self.inner.call(request))
            }
            Ok(None) => Either::Left(self.inner.call(request)),
            Err(answer) => Either::Right(ready(Ok(answer.response()))),
        }
    }
}
