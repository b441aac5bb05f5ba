//! Services that may have messages sent to people: whose request it is, for a call of another crate.
//!
//! `notify` has the call, and knows nothing of services' tokens. So the request is looked at on its way there: who has
//! shown a sender's token is put beside it, as the gateway puts a person. Nobody else can: a request that comes in
//! carries nothing.

use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use kernel::caller::SendingService;
use kernel::id::ServiceTokenId;
use storage::Connection;

use crate::service_token::{self, TokenKind};
use crate::{Signals, caller};

/// Says which service asks, to calls that services may make with a sender's token. What has no such token goes on as it
/// is, and shows something else or nothing.
pub async fn recognise_senders(State(signals): State<Signals>, request: Request, next: Next) -> Response {
    if !matches!(*request.method(), Method::POST | Method::GET) || !caller::shows(request.headers(), TokenKind::Sender)
    {
        return next.run(request).await;
    }
    let (mut parts, body) = request.into_parts();
    match caller::service(&parts, &signals, TokenKind::Sender).await {
        Ok(service) => {
            parts.extensions.insert(SendingService { id: service.id, name: service.name });
            next.run(Request::from_parts(parts, body)).await
        }
        Err(problem) => problem.into_response(),
    }
}

/// Whether this token of a sender was not taken back.
pub async fn is_sender(on: &mut impl Connection, id: ServiceTokenId) -> storage::Result<bool> {
    Ok(service_token::find(on, id).await?.is_some_and(|service| service.kind == TokenKind::Sender))
}
