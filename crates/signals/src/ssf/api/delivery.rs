//! Asking for a verification, and coming for tokens.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use kernel::problem::ProblemDocument;
use kernel::{Problem, StrictJson};
use serde::{Deserialize, Serialize};

use super::stream_id;
use crate::Signals;
use crate::caller::ReceiverCaller;
use crate::ssf::wire::invalid;
use crate::ssf::{manage, poll, send};

/// How many tokens one request can settle.
const MOST_SETTLED: usize = 1000;

/// Which stream to send a verification on.
#[derive(Deserialize, utoipa::ToSchema)]
#[schema(as = VerificationRequest)]
pub(super) struct VerificationBody {
    /// Which stream.
    stream_id: String,
    /// Comes back in the event: at most 512 characters.
    #[schema(max_length = 512)]
    state: Option<String>,
}

/// Ask for a verification
///
/// An event comes on the stream, with the same `state`.
#[utoipa::path(post, path = "/api/v1/ssf/verify", tag = "Shared Signals", security(("service_token" = [])),
    request_body = VerificationBody,
    responses((status = 204, description = "It is on its way."),
        (status = 400, description = "`invalid_stream`", body = ProblemDocument),
        (status = 401, description = "`unauthenticated`", body = ProblemDocument),
        (status = 404, description = "`not_found`: no such stream of yours.", body = ProblemDocument),
        (status = 429, description = "`too_many_verifications`", body = ProblemDocument)))]
pub(super) async fn verify(
    State(signals): State<Signals>,
    ReceiverCaller(receiver): ReceiverCaller,
    StrictJson(body): StrictJson<VerificationBody>,
) -> Result<StatusCode, Problem> {
    if body.state.as_ref().is_some_and(|state| state.len() > 512) {
        return Err(invalid("`state` has at most 512 characters."));
    }
    manage::verify(&signals, &receiver, stream_id(&body.stream_id)?, body.state).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What a receiver has, and what it wants (RFC 8936 §2.2).
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PollRequest)]
pub(super) struct PollBody {
    /// At most so many tokens: up to 100. With 0 nothing is given, only taken.
    max_events: Option<u32>,
    /// Whether to answer at once when there is nothing; else the answer waits up to 25 seconds.
    #[serde(default)]
    return_immediately: bool,
    /// The tokens that the receiver has, by `jti`.
    #[serde(default)]
    ack: Vec<String>,
    /// Those that it refuses, by `jti`.
    #[serde(default)]
    set_errs: BTreeMap<String, SetError>,
}

/// Why a receiver refuses a token (RFC 8936 §2.6).
#[derive(Deserialize, utoipa::ToSchema)]
pub(super) struct SetError {
    /// A code.
    err: String,
}

/// Tokens (RFC 8936 §2.3).
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PollAnswer)]
pub(super) struct PollAnswer {
    /// Each token by its `jti`.
    sets: BTreeMap<String, String>,
    /// Whether there are more.
    more_available: bool,
}

/// Poll
///
/// Acknowledges tokens and fetches the next (RFC 8936). What is not acknowledged comes again.
#[utoipa::path(post, path = "/api/v1/ssf/poll/{stream_id}", tag = "Shared Signals", security(("service_token" = [])),
    params(("stream_id" = String, Path, description = "The stream.")),
    request_body = PollBody,
    responses((status = 200, description = "The next tokens.", body = PollAnswer),
        (status = 400, description = "`invalid_stream`", body = ProblemDocument),
        (status = 401, description = "`unauthenticated`", body = ProblemDocument),
        (status = 404, description = "`not_found`: no such stream of yours, or it is pushed.", body = ProblemDocument)))]
pub(super) async fn poll(
    State(signals): State<Signals>,
    ReceiverCaller(receiver): ReceiverCaller,
    Path(id): Path<String>,
    StrictJson(body): StrictJson<PollBody>,
) -> Result<Json<PollAnswer>, Problem> {
    let id = stream_id(&id)?;
    if body.ack.len() + body.set_errs.len() > MOST_SETTLED {
        return Err(invalid("`ack` and `setErrs` have at most 1000 entries together."));
    }
    let refused = body.set_errs.into_iter().map(|(jti, error)| (jti, send::error_code(&error.err))).collect();
    let request = poll::Poll {
        most: body.max_events.map_or(poll::MOST, |most| usize::try_from(most).unwrap_or(poll::MOST).min(poll::MOST)),
        waits: !body.return_immediately,
        acknowledged: body.ack,
        refused,
    };
    let polled = poll::poll(&signals, &receiver, id, &request).await?;
    Ok(Json(PollAnswer { sets: polled.sets.into_iter().collect(), more_available: polled.more }))
}
