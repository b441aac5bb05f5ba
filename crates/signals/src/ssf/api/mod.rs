//! The JSON face of Shared Signals: `/api/v1/ssf/…` and its two `.well-known` documents.

mod delivery;
mod streams;
mod well_known;

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::http::StatusCode;
use kernel::Problem;
use kernel::id::StreamId;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::keys::KeyError;
use super::manage::{ManageError, VERIFICATION_INTERVAL};
use super::poll::PollError;
use super::wire::invalid;
use crate::Signals;

/// The calls of this part.
pub(crate) fn router(signals: Signals) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(well_known::configuration))
        .routes(routes!(well_known::jwks))
        .routes(routes!(
            streams::create_stream,
            streams::read_streams,
            streams::patch_stream,
            streams::put_stream,
            streams::delete_stream
        ))
        .routes(routes!(streams::read_status, streams::set_status))
        .routes(routes!(delivery::verify))
        .routes(routes!(delivery::poll))
        .with_state(signals)
}

/// Which stream.
#[derive(Deserialize, utoipa::IntoParams)]
struct Which {
    /// The stream's id.
    stream_id: Option<String>,
}

impl Which {
    /// The id; 400 without one, 404 for what cannot be one.
    fn id(query: Result<Query<Self>, QueryRejection>) -> Result<StreamId, Problem> {
        stream_id(&Self::text(query)?.ok_or_else(unclear)?)
    }

    fn text(query: Result<Query<Self>, QueryRejection>) -> Result<Option<String>, Problem> {
        query.map(|Query(which)| which.stream_id).map_err(|_| unclear())
    }
}

fn unclear() -> Problem {
    Problem::bad_request("invalid_query", "Add `stream_id` to the address, once.")
}

fn stream_id(text: &str) -> Result<StreamId, Problem> {
    text.parse().map_err(|_| Problem::not_found())
}

impl From<KeyError> for Problem {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Storage(error) => error.into(),
            KeyError::Key => {
                tracing::error!(%error, "a key of Shared Signals failed");
                Self::internal()
            }
        }
    }
}

impl From<ManageError> for Problem {
    fn from(error: ManageError) -> Self {
        match error {
            ManageError::NotFound => Self::not_found(),
            ManageError::Exists => Self::new(
                StatusCode::CONFLICT,
                "stream_exists",
                "There is a stream already",
                "A receiver has one stream. Read it, and change or replace it.",
            ),
            ManageError::Disabled => invalid("The stream is disabled: enable it first."),
            ManageError::TooSoon => Self {
                retry_after: Some(VERIFICATION_INTERVAL),
                ..Self::new(
                    StatusCode::TOO_MANY_REQUESTS,
                    "too_many_verifications",
                    "Too soon",
                    "Wait for `min_verification_interval` seconds between two verifications.",
                )
            },
            ManageError::NoAudience => invalid("This service has no audience: ask for a receiver's token."),
            ManageError::Key(error) => error.into(),
            ManageError::Storage(error) => error.into(),
        }
    }
}

impl From<PollError> for Problem {
    fn from(error: PollError) -> Self {
        match error {
            PollError::NotFound => Self::not_found(),
            PollError::Key(error) => error.into(),
            PollError::Storage(error) => error.into(),
        }
    }
}
