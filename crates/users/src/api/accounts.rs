//! Accounts that somebody makes or changes for others: `/api/v1/users` and `/api/v1/users/{id}`.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use kernel::problem::ProblemDocument;
use kernel::{FieldError, Problem, StrictJson, UserId};

use super::administration::parse;
use super::officer::{May, UsersWrite, forbidden};
use super::profile_body::{CreateAccount, PatchAccount};
use super::{AfterChange, UserView, if_match, shown, shown_after, stale};
use crate::{
    AccountChange, Change, CreateAccountError, EmailAddress, NewAccount, NewProfile, Party, Roles, UpdateAccountError,
    Users, create_account, update_account,
};

/// Make an account
///
/// It has no password: its owner sets one through a link to its address. Roles need the permission
/// `roles:grant`, and every permission that they come to.
#[utoipa::path(post, path = "/api/v1/users", tag = "Administration", security(("access_token" = ["users:write"])),
    request_body = CreateAccount,
    responses((status = 201, description = "The account.", body = UserView),
        (status = 403, description = "`forbidden`: the caller lacks the permission, or a role has more than the caller.", body = ProblemDocument),
        (status = 409, description = "`email_taken`", body = ProblemDocument),
        (status = 422, description = "`invalid_input`", body = ProblemDocument)))]
pub(super) async fn create_user(
    May { authority, .. }: May<UsersWrite>,
    State(users): State<Users>,
    StrictJson(mut body): StrictJson<CreateAccount>,
) -> Result<Response, Problem> {
    let mut errors = Vec::new();
    let email = read_email(&body.email, &mut errors);
    let roles = body.roles.as_deref().map(Roles::parse).transpose().unwrap_or_else(|error| {
        errors.push(FieldError::new("roles", "invalid_roles", error.to_string()));
        None
    });
    let mut profile = body.take_profile().read(&users.attributes, Party::Officers, errors)?;
    let Some(email) = email else { return Err(Problem::internal()) };
    let account = NewAccount {
        email,
        email_verified: body.email_verified,
        name: set(std::mem::take(&mut profile.name)),
        locale: set(std::mem::take(&mut profile.locale)),
    };
    let made = create_account(&users, authority, &NewProfile { account, roles, profile }).await?;
    let mut answer = shown(&users, &made, Party::Officers).await?;
    *answer.status_mut() = StatusCode::CREATED;
    Ok(answer)
}

/// Change an account
///
/// With another address all sessions of the account end.
#[utoipa::path(patch, path = "/api/v1/users/{id}", tag = "Administration", security(("access_token" = ["users:write"])),
    params(("id" = UserId, Path, description = "The account."),
        ("If-Match" = Option<String>, Header, description = "The `version` that the change was made from, in quotes.")),
    request_body = PatchAccount,
    responses((status = 200, description = "The account as it is now; for callers without `users:read` its id and version alone.", body = AfterChange),
        (status = 403, description = "`forbidden`: the caller lacks the permission, or the account has permissions that the caller lacks.", body = ProblemDocument),
        (status = 404, description = "`not_found`", body = ProblemDocument),
        (status = 409, description = "`email_taken`; `wrong_status`: it is deleted; `own_account`: your own email is changed by `/users/me/email`.", body = ProblemDocument),
        (status = 412, description = "`stale`: the account has changed since.", body = ProblemDocument),
        (status = 422, description = "`invalid_input`", body = ProblemDocument)))]
pub(super) async fn patch_user(
    May { authority, .. }: May<UsersWrite>,
    State(users): State<Users>,
    Path(id): Path<String>,
    headers: HeaderMap,
    StrictJson(mut body): StrictJson<PatchAccount>,
) -> Result<Response, Problem> {
    let (user, expected) = (parse(&id)?, if_match(&headers)?);
    let mut errors = Vec::new();
    let email = body.email.take().and_then(|typed| read_email(&typed, &mut errors));
    let profile = body.take_profile().read(&users.attributes, Party::Officers, errors)?;
    let change = AccountChange { email, email_verified: body.email_verified, profile };
    let account = update_account(&users, authority, user, &change, expected).await?;
    shown_after(&users, &account, authority).await
}

fn read_email(typed: &str, errors: &mut Vec<FieldError>) -> Option<EmailAddress> {
    let read = EmailAddress::parse(typed);
    read.map_err(|error| errors.push(FieldError::new("email", "invalid_email", error.to_string()))).ok()
}

fn set<T>(change: Change<T>) -> Option<T> {
    match change {
        Change::Set(value) => Some(value),
        Change::Keep | Change::Clear => None,
    }
}

/// 409: somebody has this address.
pub fn email_taken() -> Problem {
    Problem::new(StatusCode::CONFLICT, "email_taken", "There is an account with this email", "Use another email.")
}

impl From<CreateAccountError> for Problem {
    fn from(error: CreateAccountError) -> Self {
        match error {
            CreateAccountError::Forbidden => forbidden(),
            CreateAccountError::EmailTaken => email_taken(),
            CreateAccountError::Roles(error) => error.into(),
            CreateAccountError::Personal(error) => error.into(),
            CreateAccountError::Storage(error) => error.into(),
        }
    }
}

impl From<UpdateAccountError> for Problem {
    fn from(error: UpdateAccountError) -> Self {
        match error {
            UpdateAccountError::Forbidden => forbidden(),
            UpdateAccountError::NotFound => Self::not_found(),
            UpdateAccountError::Deleted => Self::new(
                StatusCode::CONFLICT,
                "wrong_status",
                "The account is in another status",
                "The account is deleted. Restore it first.",
            ),
            UpdateAccountError::Stale => stale(),
            UpdateAccountError::EmailTaken => email_taken(),
            UpdateAccountError::OwnAccount => Self::new(
                StatusCode::CONFLICT,
                "own_account",
                "This is your own account",
                "Nobody vouches for their own email: use /api/v1/users/me/email, which asks for your password.",
            ),
            UpdateAccountError::Personal(error) => error.into(),
            UpdateAccountError::Storage(error) => error.into(),
        }
    }
}
