//! Changing one's own address.

use axum::extract::State;
use axum::http::StatusCode;
use kernel::problem::ProblemDocument;
use kernel::{Caller, FieldError, Problem, StrictJson};
use serde::Deserialize;
use users::EmailAddress;

use super::entry::{busy, failed};
use super::password::wrong_password;
use crate::{Auth, RequestEmailChangeError};

/// Another address.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RequestEmailChange {
    /// The address to have.
    #[schema(max_length = 254, example = "ann.lee@example.com")]
    email: String,
    /// The password.
    #[schema(max_length = 1024)]
    current_password: String,
}

/// The token of a link.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ConfirmEmailChange {
    /// From the link that was sent to the new address.
    #[schema(max_length = 128)]
    token: String,
}

/// Ask for another address
///
/// It is mine when the link that is sent there is opened and confirmed, within an hour. The address until now is told
/// that this was asked for. The answer does not say whether somebody else has it. A link that was asked for before does
/// not work any more.
#[utoipa::path(post, path = "/api/v1/users/me/email", tag = "Users", security(("access_token" = [])),
    request_body = RequestEmailChange,
    responses((status = 202, description = "Asked for."),
        (status = 422, description = "`wrong_password` or `invalid_input`", body = ProblemDocument),
        (status = 429, description = "`too_many_attempts`: five an hour, of one account and to one address.", body = ProblemDocument),
        (status = 503, description = "`busy`: no room to hash.", body = ProblemDocument)))]
pub(super) async fn request_email_change(
    State(auth): State<Auth>,
    caller: Caller,
    StrictJson(body): StrictJson<RequestEmailChange>,
) -> Result<StatusCode, Problem> {
    let email = EmailAddress::parse(&body.email)
        .map_err(|error| Problem::invalid_input(vec![FieldError::new("email", "invalid_email", error.to_string())]))?;
    crate::request_email_change(&auth, caller.user, caller.session, &body.current_password, &email).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Confirm another address
///
/// All sessions but the one that asked end.
#[utoipa::path(post, path = "/api/v1/auth/confirm-email-change", tag = "Sign-in", request_body = ConfirmEmailChange,
    responses((status = 204, description = "The address is changed."),
        (status = 400, description = "`invalid_token`: used, old, replaced by a newer one, or not one of ours; or the address was taken meanwhile.", body = ProblemDocument),
        (status = 429, description = "`too_many_attempts`: too many from this address.", body = ProblemDocument)))]
pub(super) async fn confirm_email_change(
    State(auth): State<Auth>,
    StrictJson(body): StrictJson<ConfirmEmailChange>,
) -> Result<StatusCode, Problem> {
    crate::confirm_email_change(&auth, &body.token).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl From<RequestEmailChangeError> for Problem {
    fn from(error: RequestEmailChangeError) -> Self {
        match error {
            RequestEmailChangeError::WrongPassword => wrong_password(),
            RequestEmailChangeError::Gone => Self::unauthenticated(),
            RequestEmailChangeError::TooOften => too_often(),
            RequestEmailChangeError::Busy(_) => busy(),
            RequestEmailChangeError::Hash(cause) => failed(&cause),
            RequestEmailChangeError::Unsealable(cause) => failed(&cause),
            RequestEmailChangeError::Storage(error) => error.into(),
        }
    }
}

/// 429: mail was asked for too often.
pub(super) fn too_often() -> Problem {
    Problem {
        retry_after: Some(3_600),
        ..Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too_many_attempts",
            "Too many mails were asked for",
            "Use the newest link that you have, or try again in an hour.",
        )
    }
}
