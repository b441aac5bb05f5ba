//! What administrators do with accounts: `/api/v1/users/{id}`.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use kernel::problem::ProblemDocument;
use kernel::{FieldError, Problem, StrictJson, Timestamp, UserId};
use serde::Deserialize;

use super::officer::{May, RolesGrant, UsersBan, UsersDelete, UsersRead, UsersWrite, exceeds, forbidden};
use super::roles::unknown_role;
use super::{AfterChange, UserView, if_match, shown, shown_after, stale};
use crate::{
    ChangeRolesError, ChangeStatusError, Party, Reason, Roles, SignOutEverywhereError, StatusChange, SuspensionEnd,
    Users, account, change_roles, change_status, sign_out_everywhere,
};

/// Why somebody is suspended, and until when.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Ban {
    /// For other administrators; the owner of the account does not see it. Name nobody else in it: it
    /// stays in the ledger.
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
    /// When it ends by itself: to come, within ten years. Without it, an administrator has to lift it.
    until: Option<Timestamp>,
}

/// The roles to have.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PutRoles {
    /// Each 1 to 64 of `a`–`z`, `0`–`9`, `:`, `_`, `-`; at most 32. `user` stays, whether named or not.
    #[schema(max_items = 32)]
    roles: Vec<String>,
}

/// What was typed in the path, as an id. What is no id is nobody's.
pub fn parse(id: &str) -> Result<UserId, Problem> {
    id.parse().map_err(|_| Problem::not_found())
}

/// Read an account
#[utoipa::path(get, path = "/api/v1/users/{id}", tag = "Administration", security(("access_token" = ["users:read"])),
    params(("id" = UserId, Path, description = "The account.")),
    responses((status = 200, description = "The account, whatever its status.", body = UserView),
        (status = 403, description = "`forbidden`: the caller lacks the permission, or the account has permissions that the caller lacks.", body = ProblemDocument),
        (status = 404, description = "`not_found`", body = ProblemDocument)))]
pub(super) async fn read_user(
    _proven: May<UsersRead>,
    State(users): State<Users>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let found = account::find(&mut users.db.read().await?, parse(&id)?).await?;
    shown(&users, &found.ok_or_else(Problem::not_found)?, Party::Officers).await
}

/// Suspend an account
///
/// Its sessions and tokens end at once, everywhere.
#[utoipa::path(post, path = "/api/v1/users/{id}/ban", tag = "Administration", security(("access_token" = ["users:ban"])),
    params(("id" = UserId, Path, description = "The account.")), request_body = Ban,
    responses((status = 204, description = "It is suspended."),
        (status = 403, description = "`forbidden`: the caller lacks the permission, or the account has permissions that the caller lacks.", body = ProblemDocument),
        (status = 404, description = "`not_found`", body = ProblemDocument),
        (status = 409, description = "`wrong_status`: it is not active. `last_administrator`, `own_account`", body = ProblemDocument),
        (status = 422, description = "`invalid_input`", body = ProblemDocument)))]
pub(super) async fn ban_user(
    May { authority, .. }: May<UsersBan>,
    State(users): State<Users>,
    Path(id): Path<String>,
    StrictJson(ban): StrictJson<Ban>,
) -> Result<StatusCode, Problem> {
    let user = parse(&id)?;
    let now = users.clock.now();
    let until = ban.until.map(|moment| SuspensionEnd::parse(moment, now)).transpose();
    let until = until.map_err(|error| FieldError::new("until", "invalid_until", error.to_string()));
    let (reason, until) = match (reason(&ban.reason), until) {
        (Ok(reason), Ok(until)) => (reason, until),
        (reason, until) => {
            return Err(Problem::invalid_input(reason.err().into_iter().chain(until.err()).collect()));
        }
    };
    change_status(&users, authority, user, StatusChange::Suspend { until }, &reason).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A reason that says something.
fn reason(typed: &str) -> Result<Reason, FieldError> {
    match Reason::parse(typed) {
        Ok(reason) if reason.is_empty() => Err(FieldError::new("reason", "empty", "Say why.")),
        Ok(reason) => Ok(reason),
        Err(error) => Err(FieldError::new("reason", "invalid_reason", error.to_string())),
    }
}

/// Lift a suspension
#[utoipa::path(post, path = "/api/v1/users/{id}/unban", tag = "Administration", security(("access_token" = ["users:ban"])),
    params(("id" = UserId, Path, description = "The account.")),
    responses((status = 204, description = "Its owner may sign in again. What was ended stays ended."),
        (status = 403, description = "`forbidden`: the caller lacks the permission, or the account has permissions that the caller lacks.", body = ProblemDocument),
        (status = 404, description = "`not_found`", body = ProblemDocument),
        (status = 409, description = "`wrong_status`: it is not suspended.", body = ProblemDocument)))]
pub(super) async fn unban_user(
    May { authority, .. }: May<UsersBan>,
    State(users): State<Users>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    change_status(&users, authority, parse(&id)?, StatusChange::Reinstate, &Reason::default()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Delete an account
///
/// Its sessions and tokens end at once, everywhere. It can be restored.
#[utoipa::path(delete, path = "/api/v1/users/{id}", tag = "Administration", security(("access_token" = ["users:delete"])),
    params(("id" = UserId, Path, description = "The account.")),
    responses((status = 204, description = "It is deleted."),
        (status = 403, description = "`forbidden`: the caller lacks the permission, or the account has permissions that the caller lacks.", body = ProblemDocument),
        (status = 404, description = "`not_found`", body = ProblemDocument),
        (status = 409, description = "`wrong_status`: it is not active. `last_administrator`, `own_account`", body = ProblemDocument)))]
pub(super) async fn delete_user(
    May { authority, .. }: May<UsersDelete>,
    State(users): State<Users>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    change_status(&users, authority, parse(&id)?, StatusChange::Delete, &Reason::default()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Bring a deleted account back
#[utoipa::path(post, path = "/api/v1/users/{id}/restore", tag = "Administration", security(("access_token" = ["users:write"])),
    params(("id" = UserId, Path, description = "The account.")),
    responses((status = 204, description = "Its owner may sign in again. What was ended stays ended."),
        (status = 403, description = "`forbidden`: the caller lacks the permission, or the account has permissions that the caller lacks.", body = ProblemDocument),
        (status = 404, description = "`not_found`", body = ProblemDocument),
        (status = 409, description = "`wrong_status`: it is not deleted.", body = ProblemDocument)))]
pub(super) async fn restore_user(
    May { authority, .. }: May<UsersWrite>,
    State(users): State<Users>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    change_status(&users, authority, parse(&id)?, StatusChange::Restore, &Reason::default()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sign somebody out everywhere
///
/// All sessions and tokens end at once; the account stays as it is.
#[utoipa::path(post, path = "/api/v1/users/{id}/sign-out", tag = "Administration", security(("access_token" = ["users:ban"])),
    params(("id" = UserId, Path, description = "The account.")),
    responses((status = 204, description = "All its sessions are over, and so are their tokens."),
        (status = 403, description = "`forbidden`: the caller lacks the permission, or the account has permissions that the caller lacks.", body = ProblemDocument),
        (status = 404, description = "`not_found`", body = ProblemDocument)))]
pub(super) async fn sign_out_user(
    May { authority, .. }: May<UsersBan>,
    State(users): State<Users>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    sign_out_everywhere(&users, authority, parse(&id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Replace somebody's roles
///
/// Tokens with the old roles end at once, everywhere. The sessions go on: the next refresh gives tokens with the new ones.
#[utoipa::path(put, path = "/api/v1/users/{id}/roles", tag = "Administration", security(("access_token" = ["roles:grant"])),
    params(("id" = UserId, Path, description = "The account."),
        ("If-Match" = Option<String>, Header, description = "The `version` that the change was made from, in quotes.")),
    request_body = PutRoles,
    responses((status = 200, description = "The account as it is now; for callers without `users:read` its id and version alone.", body = AfterChange),
        (status = 403, description = "`forbidden`: the caller lacks the permission, or the account has, or a role that is given or taken comes to, permissions that the caller lacks.", body = ProblemDocument),
        (status = 404, description = "`not_found`", body = ProblemDocument),
        (status = 409, description = "`last_administrator`", body = ProblemDocument),
        (status = 412, description = "`stale`: the account has changed since.", body = ProblemDocument),
        (status = 422, description = "`invalid_input`, `unknown_role`", body = ProblemDocument)))]
pub(super) async fn put_roles(
    May { authority, .. }: May<RolesGrant>,
    State(users): State<Users>,
    Path(id): Path<String>,
    headers: HeaderMap,
    StrictJson(put): StrictJson<PutRoles>,
) -> Result<Response, Problem> {
    let (user, expected) = (parse(&id)?, if_match(&headers)?);
    let roles = Roles::parse(&put.roles)
        .map_err(|error| Problem::invalid_input(vec![FieldError::new("roles", "invalid_roles", error.to_string())]))?;
    shown_after(&users, &change_roles(&users, authority, user, &roles, expected).await?, authority).await
}

/// 409: without this account nobody could administer.
pub fn last_administrator() -> Problem {
    Problem::new(
        StatusCode::CONFLICT,
        "last_administrator",
        "This is the last administrator",
        "Make somebody else an administrator first: without one, nobody could do this again.",
    )
}

impl From<ChangeStatusError> for Problem {
    fn from(error: ChangeStatusError) -> Self {
        match error {
            ChangeStatusError::Forbidden => forbidden(),
            ChangeStatusError::NotFound => Self::not_found(),
            ChangeStatusError::NotIn(status) => Self::new(
                StatusCode::CONFLICT,
                "wrong_status",
                "The account is in another status",
                format!("The account is not {}. Read it to see what it is.", status.as_str()),
            ),
            ChangeStatusError::TooLate => Self::new(
                StatusCode::CONFLICT,
                "too_late",
                "The account cannot come back",
                "It was deleted more than 30 days ago, or erased. Make a new account instead.",
            ),
            ChangeStatusError::LastAdministrator => last_administrator(),
            ChangeStatusError::OwnAccount => Self::new(
                StatusCode::CONFLICT,
                "own_account",
                "This is your own account",
                "Ask another administrator to do this to your account.",
            ),
            ChangeStatusError::Storage(error) => error.into(),
        }
    }
}

impl From<ChangeRolesError> for Problem {
    fn from(error: ChangeRolesError) -> Self {
        match error {
            ChangeRolesError::Forbidden => forbidden(),
            ChangeRolesError::Exceeds => exceeds(),
            ChangeRolesError::UnknownRole(name) => unknown_role("roles", &name),
            ChangeRolesError::NotFound => Self::not_found(),
            ChangeRolesError::Stale => stale(),
            ChangeRolesError::LastAdministrator => last_administrator(),
            ChangeRolesError::Storage(error) => error.into(),
        }
    }
}

impl From<SignOutEverywhereError> for Problem {
    fn from(error: SignOutEverywhereError) -> Self {
        match error {
            SignOutEverywhereError::Forbidden => forbidden(),
            SignOutEverywhereError::NotFound => Self::not_found(),
            SignOutEverywhereError::Storage(error) => error.into(),
        }
    }
}
