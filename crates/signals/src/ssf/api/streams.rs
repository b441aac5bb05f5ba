//! Streams and their status (SSF 1.0 §8.1.1 and §8.1.2).

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use kernel::problem::ProblemDocument;
use kernel::{Problem, StrictJson};

use super::{Which, stream_id};
use crate::Signals;
use crate::caller::ReceiverCaller;
use crate::service_token::Service;
use crate::ssf::manage::{self, Rest};
use crate::ssf::stream;
use crate::ssf::wire::{StatusBody, StreamBody, StreamView, invalid};

/// Make a stream
///
/// A receiver has one. It carries what happens from now on.
#[utoipa::path(post, path = "/api/v1/ssf/stream", tag = "Shared Signals", security(("service_token" = [])),
    request_body = StreamBody,
    responses((status = 201, description = "The stream.", body = StreamView),
        (status = 400, description = "`invalid_stream`", body = ProblemDocument),
        (status = 401, description = "`unauthenticated`", body = ProblemDocument),
        (status = 409, description = "`stream_exists`", body = ProblemDocument)))]
pub(super) async fn create_stream(
    State(signals): State<Signals>,
    ReceiverCaller(receiver): ReceiverCaller,
    StrictJson(body): StrictJson<StreamBody>,
) -> Result<(StatusCode, Json<StreamView>), Problem> {
    let wanted = body.wanted(&signals.auth().settings().issuer)?;
    let stream = manage::create(&signals, &receiver, wanted).await?;
    Ok((StatusCode::CREATED, Json(StreamView::of(&signals, &stream)?)))
}

/// My streams
///
/// One stream with `stream_id`, or a list of all.
#[utoipa::path(get, path = "/api/v1/ssf/stream", tag = "Shared Signals", security(("service_token" = [])),
    params(Which),
    responses((status = 200, description = "The stream, or a list.", body = StreamView),
        (status = 401, description = "`unauthenticated`", body = ProblemDocument),
        (status = 404, description = "`not_found`: no such stream of yours.", body = ProblemDocument)))]
pub(super) async fn read_streams(
    State(signals): State<Signals>,
    ReceiverCaller(receiver): ReceiverCaller,
    query: Result<Query<Which>, QueryRejection>,
) -> Result<Response, Problem> {
    let Some(text) = Which::text(query)? else {
        let stream = stream::of_receiver(&mut signals.db().read().await?, receiver.id).await?;
        let views: Result<Vec<StreamView>, _> = stream.iter().map(|stream| StreamView::of(&signals, stream)).collect();
        return Ok(Json(views?).into_response());
    };
    let stream = find(&signals, &receiver, &text).await?;
    Ok(Json(StreamView::of(&signals, &stream)?).into_response())
}

/// Change parts of a stream
///
/// What is left out stays.
#[utoipa::path(patch, path = "/api/v1/ssf/stream", tag = "Shared Signals", security(("service_token" = [])),
    request_body = StreamBody,
    responses((status = 200, description = "The stream as it is now.", body = StreamView),
        (status = 400, description = "`invalid_stream`", body = ProblemDocument),
        (status = 401, description = "`unauthenticated`", body = ProblemDocument),
        (status = 404, description = "`not_found`: no such stream of yours.", body = ProblemDocument)))]
pub(super) async fn patch_stream(
    State(signals): State<Signals>,
    ReceiverCaller(receiver): ReceiverCaller,
    StrictJson(body): StrictJson<StreamBody>,
) -> Result<Json<StreamView>, Problem> {
    change(&signals, &receiver, body, Rest::Stays).await
}

/// Replace a stream's configuration
///
/// What is left out goes back to its default.
#[utoipa::path(put, path = "/api/v1/ssf/stream", tag = "Shared Signals", security(("service_token" = [])),
    request_body = StreamBody,
    responses((status = 200, description = "The stream as it is now.", body = StreamView),
        (status = 400, description = "`invalid_stream`", body = ProblemDocument),
        (status = 401, description = "`unauthenticated`", body = ProblemDocument),
        (status = 404, description = "`not_found`: no such stream of yours.", body = ProblemDocument)))]
pub(super) async fn put_stream(
    State(signals): State<Signals>,
    ReceiverCaller(receiver): ReceiverCaller,
    StrictJson(body): StrictJson<StreamBody>,
) -> Result<Json<StreamView>, Problem> {
    change(&signals, &receiver, body, Rest::Defaults).await
}

async fn change(
    signals: &Signals,
    receiver: &Service,
    body: StreamBody,
    rest: Rest,
) -> Result<Json<StreamView>, Problem> {
    let text = body.stream_id.as_deref().ok_or_else(|| invalid("Add `stream_id`."))?;
    let stream = find(signals, receiver, text).await?;
    body.agrees_with(&StreamView::of(signals, &stream)?)?;
    let wanted = body.wanted(&signals.auth().settings().issuer)?;
    let stream = manage::change(signals, receiver, stream.id, wanted, rest).await?;
    Ok(Json(StreamView::of(signals, &stream)?))
}

/// End a stream
///
/// What waits on it is gone.
#[utoipa::path(delete, path = "/api/v1/ssf/stream", tag = "Shared Signals", security(("service_token" = [])),
    params(Which),
    responses((status = 204, description = "It is gone."),
        (status = 401, description = "`unauthenticated`", body = ProblemDocument),
        (status = 404, description = "`not_found`: no such stream of yours.", body = ProblemDocument)))]
pub(super) async fn delete_stream(
    State(signals): State<Signals>,
    ReceiverCaller(receiver): ReceiverCaller,
    query: Result<Query<Which>, QueryRejection>,
) -> Result<StatusCode, Problem> {
    manage::delete(&signals, &receiver, Which::id(query)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The status of a stream
#[utoipa::path(get, path = "/api/v1/ssf/status", tag = "Shared Signals", security(("service_token" = [])),
    params(Which),
    responses((status = 200, description = "Its status.", body = StatusBody),
        (status = 401, description = "`unauthenticated`", body = ProblemDocument),
        (status = 404, description = "`not_found`: no such stream of yours.", body = ProblemDocument)))]
pub(super) async fn read_status(
    State(signals): State<Signals>,
    ReceiverCaller(receiver): ReceiverCaller,
    query: Result<Query<Which>, QueryRejection>,
) -> Result<Json<StatusBody>, Problem> {
    let id = Which::id(query)?;
    let stream = stream::find_of(&mut signals.db().read().await?, receiver.id, id).await?;
    Ok(Json(StatusBody::from(&stream.ok_or_else(Problem::not_found)?)))
}

/// Pause, disable or enable a stream
///
/// A paused stream keeps its events and sends them, in order, when it is enabled. A disabled one keeps none.
#[utoipa::path(post, path = "/api/v1/ssf/status", tag = "Shared Signals", security(("service_token" = [])),
    request_body = StatusBody,
    responses((status = 200, description = "Its status now.", body = StatusBody),
        (status = 400, description = "`invalid_stream`", body = ProblemDocument),
        (status = 401, description = "`unauthenticated`", body = ProblemDocument),
        (status = 404, description = "`not_found`: no such stream of yours.", body = ProblemDocument)))]
pub(super) async fn set_status(
    State(signals): State<Signals>,
    ReceiverCaller(receiver): ReceiverCaller,
    StrictJson(body): StrictJson<StatusBody>,
) -> Result<Json<StatusBody>, Problem> {
    body.check()?;
    let id = stream_id(&body.stream_id)?;
    let stream = manage::set_status(&signals, &receiver, id, body.status, body.reason).await?;
    Ok(Json(StatusBody::from(&stream)))
}

async fn find(signals: &Signals, receiver: &Service, text: &str) -> Result<stream::Stream, Problem> {
    let found = stream::find_of(&mut signals.db().read().await?, receiver.id, stream_id(text)?).await?;
    found.ok_or_else(Problem::not_found)
}
