//! Changing the password.

use axum::extract::State;
use axum::http::StatusCode;
use kernel::problem::ProblemDocument;
use kernel::{Caller, FieldError, Problem, StrictJson};
use serde::Deserialize;

use super::entry::{busy, failed, weak_password};
use crate::{Auth, ChangePasswordError};

/// A change of password.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangePassword {
    /// The password until now.
    #[schema(max_length = 1024)]
    current_password: String,
    /// 8 characters or more, at most 1,024 bytes, not a common one.
    #[schema(max_length = 1024)]
    new_password: String,
}

/// Change my password
///
/// All other sessions end; this one goes on.
#[utoipa::path(post, path = "/api/v1/auth/change-password", tag = "Sign-in", security(("access_token" = [])),
    request_body = ChangePassword,
    responses((status = 204, description = "Changed."),
        (status = 422, description = "`wrong_password` or `weak_password`", body = ProblemDocument),
        (status = 503, description = "`busy`: no room to hash.", body = ProblemDocument)))]
pub(super) async fn change_password(
    State(auth): State<Auth>,
    caller: Caller,
    StrictJson(body): StrictJson<ChangePassword>,
) -> Result<StatusCode, Problem> {
    crate::change_password(&auth, caller.user, caller.session, &body.current_password, &body.new_password).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// 422: the password of whoever is signed in is another one.
pub(super) fn wrong_password() -> Problem {
    Problem {
        code: "wrong_password",
        title: "The current password is not right",
        ..Problem::invalid_input(vec![FieldError::new(
            "current_password",
            "wrong_password",
            "Enter the password that you sign in with now.",
        )])
    }
}

impl From<ChangePasswordError> for Problem {
    fn from(error: ChangePasswordError) -> Self {
        match error {
            ChangePasswordError::WrongPassword => wrong_password(),
            ChangePasswordError::WeakPassword(weakness) => weak_password("new_password", weakness),
            ChangePasswordError::Gone => Self::unauthenticated(),
            ChangePasswordError::Busy(_) => busy(),
            ChangePasswordError::Hash(cause) => failed(&cause),
            ChangePasswordError::Storage(error) => error.into(),
        }
    }
}
