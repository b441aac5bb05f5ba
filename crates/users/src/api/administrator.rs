//! The proof that an administrator asks, taken from the request.

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use kernel::{Caller, Problem};

use crate::{Administrator, Authority};

/// The authority of the caller: a handler that takes it runs for administrators only. It has to be
/// the first that a handler takes of a request, so that nobody else learns what is wrong with theirs.
pub(super) struct ByAdministrator(pub(super) Authority);

impl<S: Sync> FromRequestParts<S> for ByAdministrator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, state).await?;
        let administrator = Administrator::prove(&caller).ok_or_else(forbidden)?;
        Ok(Self(Authority::Administrator(administrator)))
    }
}

/// 403: signed in, but no administrator.
pub(super) fn forbidden() -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "forbidden", "You may not do this", "Only administrators may do this.")
}
