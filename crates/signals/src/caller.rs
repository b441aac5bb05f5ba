//! Which service asks. The gateway lets these calls through without looking, so a handler that takes a
//! [`VerifierCaller`] or [`ReceiverCaller`] can only run for a service that has shown its token.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use kernel::Problem;
use kernel::id::ServiceTokenId;

use crate::Signals;
use crate::service_token::{self, Service, TokenKind};

/// For how long a row is believed without looking again.
const FRESH: Duration = Duration::from_secs(1);
/// How many rows are kept.
const MOST: usize = 10_000;

/// A service that follows the feed.
#[derive(Clone, Debug)]
pub struct VerifierCaller(pub Service);

/// A service that receives Shared Signals.
#[derive(Clone, Debug)]
pub struct ReceiverCaller(pub Service);

impl FromRequestParts<Signals> for VerifierCaller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, signals: &Signals) -> Result<Self, Problem> {
        service(parts, signals, TokenKind::Verifier).await.map(Self)
    }
}

impl FromRequestParts<Signals> for ReceiverCaller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, signals: &Signals) -> Result<Self, Problem> {
        service(parts, signals, TokenKind::Receiver).await.map(Self)
    }
}

/// The service that this request's token belongs to, if it is of this kind. Whatever is wrong, the
/// answer is the same.
pub(crate) async fn service(parts: &Parts, signals: &Signals, wanted: TokenKind) -> Result<Service, Problem> {
    let token = shown(&parts.headers);
    let (kind, id) =
        token.and_then(|token| service_token::parse(signals, token)).ok_or_else(Problem::unauthenticated)?;
    if kind != wanted {
        return Err(Problem::unauthenticated());
    }
    if let Some(known) = signals.callers().find(id) {
        return Ok(known);
    }
    let found = service_token::find(&mut signals.db().read().await?, id).await?;
    let service = found.ok_or_else(Problem::unauthenticated)?;
    signals.callers().remember(service.clone());
    Ok(service)
}

/// The token that a request shows: of one `Authorization: Bearer …`.
fn shown(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Whether a request shows what looks like a token of this kind.
pub(crate) fn shows(headers: &HeaderMap, kind: TokenKind) -> bool {
    shown(headers).is_some_and(|token| token.starts_with(kind.prefix()))
}

/// Services that have asked in the last second: a thousand verifiers report every few seconds.
#[derive(Default)]
pub(crate) struct Callers(Mutex<HashMap<ServiceTokenId, (Service, Instant)>>);

impl Callers {
    fn find(&self, id: ServiceTokenId) -> Option<Service> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&id).filter(|(_, at)| at.elapsed() < FRESH).map(|(service, _)| service.clone())
    }

    fn remember(&self, service: Service) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.retain(|_, (_, at)| at.elapsed() < FRESH);
        }
        known.insert(service.id, (service, Instant::now()));
    }

    pub(crate) fn forget(&self, id: ServiceTokenId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }
}
