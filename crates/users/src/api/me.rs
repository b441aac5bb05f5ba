//! My own account: `/api/v1/users/me`.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use kernel::problem::ProblemDocument;
use kernel::{Caller, Problem, StrictJson};

use super::administration::last_administrator;
use super::profile_body::{PatchProfile, PutProfile};
use super::ready::Ready;
use super::{UserView, if_match, shown};
use crate::{
    DeleteOwnAccountError, Party, ProfileChange, Status, UpdateProfileError, Users, account, delete_own_account,
    update_profile,
};

/// My account
#[utoipa::path(get, path = "/api/v1/users/me", tag = "Users", security(("access_token" = [])),
    responses((status = 200, description = "The account of the caller.", body = UserView)))]
pub(super) async fn read_me(State(users): State<Users>, caller: Caller) -> Result<Response, Problem> {
    if let Some(ready) = users.views.get(caller.user) {
        return Ok(ready.into_response());
    }
    let seen = users.views.generation(caller.user);
    let account =
        account::find(&mut users.db.read().await?, caller.user).await?.ok_or_else(Problem::unauthenticated)?;
    let view = users.view(&account, Party::Owner).await?;
    let body = serde_json::to_vec(&view).map_err(|error| {
        tracing::error!(%error, "an account cannot be written as JSON");
        Problem::internal()
    })?;
    let ready = Ready { version: account.version, body: body.into() };
    if account.status == Status::Active {
        users.views.keep(caller.user, seen, ready.clone());
    }
    Ok(ready.into_response())
}

/// Change parts of my profile
#[utoipa::path(patch, path = "/api/v1/users/me", tag = "Users", security(("access_token" = [])),
    params(("If-Match" = Option<String>, Header, description = "The `version` that the change was made from, in quotes.")),
    request_body = PatchProfile,
    responses((status = 200, description = "The account as it is now.", body = UserView),
        (status = 412, description = "`stale`: the account has changed since.", body = ProblemDocument),
        (status = 422, description = "`invalid_input`", body = ProblemDocument)))]
pub(super) async fn patch_me(
    State(users): State<Users>,
    caller: Caller,
    headers: HeaderMap,
    StrictJson(mut patch): StrictJson<PatchProfile>,
) -> Result<Response, Problem> {
    let expected = if_match(&headers)?;
    let fields = patch.take_profile().keeping_own_avatar(users.pictures.origin());
    change(&users, &caller, expected, fields.read(&users.attributes, Party::Owner, Vec::new())?).await
}

/// Replace my profile
#[utoipa::path(put, path = "/api/v1/users/me", tag = "Users", security(("access_token" = [])),
    params(("If-Match" = Option<String>, Header, description = "The `version` that the change was made from, in quotes.")),
    request_body = PutProfile,
    responses((status = 200, description = "The account as it is now.", body = UserView),
        (status = 412, description = "`stale`: the account has changed since.", body = ProblemDocument),
        (status = 422, description = "`invalid_input`", body = ProblemDocument)))]
pub(super) async fn put_me(
    State(users): State<Users>,
    caller: Caller,
    headers: HeaderMap,
    StrictJson(put): StrictJson<PutProfile>,
) -> Result<Response, Problem> {
    let expected = if_match(&headers)?;
    let put = put.keeping_own_avatar(users.pictures.origin());
    change(&users, &caller, expected, put.read(&users.attributes, Party::Owner)?).await
}

/// Delete my account
///
/// All my sessions and tokens end at once, everywhere. For 30 days an administrator can bring the account
/// back; after that everything personal in it is destroyed.
#[utoipa::path(delete, path = "/api/v1/users/me", tag = "Users", security(("access_token" = [])),
    responses((status = 202, description = "It is deleted; it will be erased in 30 days."),
        (status = 409, description = "`last_administrator`", body = ProblemDocument)))]
pub(super) async fn delete_me(State(users): State<Users>, caller: Caller) -> Result<StatusCode, Problem> {
    delete_own_account(&users, caller.user).await?;
    Ok(StatusCode::ACCEPTED)
}

async fn change(
    users: &Users,
    caller: &Caller,
    expected: Option<i64>,
    change: ProfileChange,
) -> Result<Response, Problem> {
    let account = update_profile(users, caller.user, change, expected).await?;
    shown(users, &account, Party::Owner).await
}

impl From<DeleteOwnAccountError> for Problem {
    fn from(error: DeleteOwnAccountError) -> Self {
        match error {
            DeleteOwnAccountError::NotFound => Self::unauthenticated(),
            DeleteOwnAccountError::LastAdministrator => last_administrator(),
            DeleteOwnAccountError::Storage(error) => error.into(),
        }
    }
}

impl From<UpdateProfileError> for Problem {
    fn from(error: UpdateProfileError) -> Self {
        match error {
            UpdateProfileError::Stale => super::stale(),
            UpdateProfileError::NotFound => Self::unauthenticated(),
            UpdateProfileError::Personal(error) => error.into(),
            UpdateProfileError::Storage(error) => error.into(),
        }
    }
}
