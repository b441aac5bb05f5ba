//! The JSON face: `/api/v1/feed/…`, and that of Shared Signals.

use axum::Json;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderName, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use axum::response::IntoResponse as _;
use kernel::problem::{FieldError, ProblemDocument};
use kernel::{Problem, StrictJson};
use serde::{Deserialize, Serialize};
use users::role_record;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::caller::VerifierCaller;
use crate::feed::NotNow;
use crate::{Signals, ssf};

/// The calls of this crate.
pub fn router(signals: Signals) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(revocations))
        .routes(routes!(position))
        .routes(routes!(roles))
        .with_state(signals.clone())
        .merge(ssf::router(signals))
}

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const NO_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
struct After {
    /// The last ledger number that is known. `Last-Event-ID` does the same, and counts if both are sent.
    after: Option<i64>,
}

/// The revocation feed
///
/// Server-sent events: `snapshot` (in parts; the last has `"last": true`), then `revoked` and `keys`, and
/// every five seconds a comment with the ledger number that was reached. Resumed by number.
#[utoipa::path(get, path = "/api/v1/feed/revocations", tag = "Revocation feed", security(("service_token" = [])),
    params(After, ("Last-Event-ID" = Option<i64>, Header, description = "The last number that is known.")),
    responses((status = 200, description = "The stream.", content_type = "text/event-stream", body = String),
        (status = 401, description = "`unauthenticated`", body = ProblemDocument),
        (status = 503, description = "`feed_unavailable`: come back, or ask another node.", body = ProblemDocument)))]
async fn revocations(
    State(signals): State<Signals>,
    VerifierCaller(service): VerifierCaller,
    query: Result<Query<After>, axum::extract::rejection::QueryRejection>,
    headers: HeaderMap,
) -> Result<Response<Body>, Problem> {
    let unclear = || Problem::bad_request("invalid_query", "Use `after` with a ledger number, or leave it out.");
    let Query(After { after }) = query.map_err(|_| unclear())?;
    let resumed = headers.get(LAST_EVENT_ID).map(|id| id.to_str().ok().and_then(|id| id.parse().ok()));
    let after = match resumed {
        // An `EventSource` comes back with the address that it began with, and its place in the header.
        Some(Some(id)) => Some(id),
        Some(None) => return Err(unclear()),
        None => after,
    };
    if !accepts_events(&headers) {
        return Err(Problem::new(
            StatusCode::NOT_ACCEPTABLE,
            "not_acceptable",
            "This is a stream of events",
            "Send `Accept: text/event-stream`.",
        ));
    }
    let body = signals.feed().listen(&service, after).await.map_err(|why| {
        let detail = match why {
            NotNow::Full => "Too many services listen here. Ask another node, or come back.",
            NotNow::TokenFull => "Too many listen here with this token. Ask another node, or use several tokens.",
            NotNow::Incomplete => "Not everything that was revoked can be told now. Ask another node, or come back.",
            NotNow::Closed => "The feed is about to start or to stop. Come back.",
        };
        Problem::unavailable("feed_unavailable", detail, 1)
    })?;
    let mut response = Response::new(body);
    let answer = response.headers_mut();
    answer.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    answer.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer.insert(NO_BUFFERING, HeaderValue::from_static("no"));
    Ok(response)
}

fn accepts_events(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(ACCEPT).iter().peekable();
    values.peek().is_none()
        || values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).any(|kind| {
            let kind = kind.split(';').next().unwrap_or_default().trim();
            matches!(kind, "text/event-stream" | "text/*" | "*/*")
        })
}

/// All roles, as a gateway needs them to decide on permissions.
#[derive(Serialize, utoipa::ToSchema)]
struct RoleBook {
    /// Each with what it names; what it comes to follows from the includes.
    roles: Vec<RoleInBook>,
}

/// One of them.
#[derive(Serialize, utoipa::ToSchema)]
struct RoleInBook {
    /// What it is called.
    name: String,
    /// The permissions that it names; `*` for everything.
    permissions: Vec<String>,
    /// The roles whose permissions it has as well.
    includes: Vec<String>,
}

/// All roles
///
/// For services that decide on permissions themselves, as a gateway does. To be asked every second with
/// `If-None-Match`: while nothing has changed the answer is 304.
#[utoipa::path(get, path = "/api/v1/feed/roles", tag = "Revocation feed", security(("service_token" = [])),
    params(("If-None-Match" = Option<String>, Header, description = "The `ETag` of the answer that is known.")),
    responses((status = 200, description = "The roles.", body = RoleBook),
        (status = 304, description = "They are as they were."),
        (status = 401, description = "`unauthenticated`", body = ProblemDocument)))]
async fn roles(
    State(signals): State<Signals>,
    VerifierCaller(_service): VerifierCaller,
    headers: HeaderMap,
) -> Result<Response<Body>, Problem> {
    let tag = |revision: i64| format!("\"{revision}\"");
    let mut read = signals.db().read().await?;
    let known = headers.get(IF_NONE_MATCH).and_then(|tag| tag.to_str().ok());
    if let Some(known) = known
        && known == tag(role_record::revision(&mut read).await?)
    {
        return Ok((StatusCode::NOT_MODIFIED, [(ETAG, known.to_owned())]).into_response());
    }
    let written = role_record::written(&mut read).await?;
    let roles = written.definitions.into_iter().map(|role| RoleInBook {
        name: role.name,
        permissions: role.permissions,
        includes: role.includes,
    });
    Ok(([(ETAG, tag(written.revision))], Json(RoleBook { roles: roles.collect() })).into_response())
}

/// How far a service has come.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct Position {
    /// The last ledger number that it has applied.
    applied: i64,
}

/// Say how far you have followed the feed
///
/// So that operators see how far a ban has got. Every few seconds is enough.
#[utoipa::path(put, path = "/api/v1/feed/position", tag = "Revocation feed", security(("service_token" = [])),
    request_body = Position,
    responses((status = 204, description = "It was noted."),
        (status = 401, description = "`unauthenticated`", body = ProblemDocument),
        (status = 422, description = "`invalid_input`: not a number that the feed has reached.", body = ProblemDocument)))]
async fn position(
    State(signals): State<Signals>,
    VerifierCaller(service): VerifierCaller,
    StrictJson(position): StrictJson<Position>,
) -> Result<StatusCode, Problem> {
    // One that is believed unseen would hide how far the others are behind.
    let newest = signals.newest().unwrap_or(-1);
    if !(0..=newest).contains(&position.applied) {
        let message = "`applied` is a ledger number that the feed has reached.";
        return Err(Problem::invalid_input(vec![FieldError::new("applied", "not_reached", message)]));
    }
    signals.feed().verifiers.report(&service, position.applied);
    Ok(StatusCode::NO_CONTENT)
}
