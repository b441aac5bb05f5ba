//! What administrators do to accounts that is about signing in, or about all of an account.

use axum::extract::{FromRef, Path, State};
use axum::http::StatusCode;
use kernel::problem::ProblemDocument;
use kernel::{Problem, UserId};
use users::Users;
use users::api::last_administrator;
use users::api::officer::{May, UsersErase, UsersWrite, forbidden};

use crate::{Auth, EraseError, UnlockError};

impl FromRef<Auth> for Users {
    fn from_ref(auth: &Auth) -> Self {
        auth.users().clone()
    }
}

/// What was typed in the path, as an id. What is no id is nobody's.
pub(super) fn parse(id: &str) -> Result<UserId, Problem> {
    id.parse().map_err(|_| Problem::not_found())
}

/// Erase an account
///
/// What it says of a person is destroyed for good, with the key that it was encrypted with; its address is free
/// again, its sessions and tokens end at once. Its id stays, with nothing behind it. Nobody can undo this: to be
/// able to, delete the account instead.
#[utoipa::path(post, path = "/api/v1/users/{id}/erase", tag = "Administration", security(("access_token" = ["users:erase"])),
    params(("id" = UserId, Path, description = "The account.")),
    responses((status = 204, description = "It is erased."),
        (status = 403, description = "`forbidden`: the caller lacks the permission, or the account has permissions that the caller lacks.", body = ProblemDocument),
        (status = 404, description = "`not_found`", body = ProblemDocument),
        (status = 409, description = "`last_administrator`, `own_account`", body = ProblemDocument)))]
pub(super) async fn erase_user(
    May { authority, .. }: May<UsersErase>,
    State(auth): State<Auth>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    crate::erase(&auth, authority, parse(&id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Unlock an account
///
/// Failed sign-ins are forgotten: its owner may try again at once.
#[utoipa::path(post, path = "/api/v1/users/{id}/unlock", tag = "Administration", security(("access_token" = ["users:write"])),
    params(("id" = UserId, Path, description = "The account.")),
    responses((status = 204, description = "Nothing counts against it any more."),
        (status = 403, description = "`forbidden`: the caller lacks the permission, or the account has permissions that the caller lacks.", body = ProblemDocument),
        (status = 404, description = "`not_found`", body = ProblemDocument)))]
pub(super) async fn unlock_user(
    May { authority, .. }: May<UsersWrite>,
    State(auth): State<Auth>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    crate::unlock(&auth, authority, parse(&id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl From<EraseError> for Problem {
    fn from(error: EraseError) -> Self {
        match error {
            EraseError::Forbidden => forbidden(),
            EraseError::NotFound => Self::not_found(),
            EraseError::LastAdministrator => last_administrator(),
            EraseError::OwnAccount => Self::new(
                StatusCode::CONFLICT,
                "own_account",
                "This is your own account",
                "Ask another administrator to do this to your account.",
            ),
            EraseError::Storage(error) => error.into(),
        }
    }
}

impl From<UnlockError> for Problem {
    fn from(error: UnlockError) -> Self {
        match error {
            UnlockError::Forbidden => forbidden(),
            UnlockError::NotFound => Self::not_found(),
            UnlockError::Storage(error) => error.into(),
        }
    }
}
