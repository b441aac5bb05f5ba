//! The caller as an argument of an axum handler.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::response::Response;
use http::request::Parts;

use crate::{Answer, Claims};

/// Who is asking, as [`RequireToken`](crate::RequireToken) found out. A handler that takes one and
/// stands behind no such layer answers 401 to everybody: forgetting the layer opens nothing.
///
/// `Option<Caller>` is for routes behind [`RequireToken::or_nobody`](crate::RequireToken::or_nobody).
#[derive(Debug, Clone)]
pub struct Caller(pub Arc<Claims>);

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        found(parts).ok_or_else(|| Answer::NoToken.response())
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(found(parts))
    }
}

fn found(parts: &Parts) -> Option<Caller> {
    parts.extensions.get::<Arc<Claims>>().cloned().map(Caller)
}
