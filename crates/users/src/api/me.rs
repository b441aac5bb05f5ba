//! My own account: `/api/v1/users/me`.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use kernel::problem::ProblemDocument;
use kernel::{Caller, FieldError, Problem, StrictJson};
use serde::{Deserialize, Deserializer};

use super::{UserView, if_match, shown};
use crate::{Change, DisplayName, Locale, ProfileChange, UpdateProfileError, Users, account, update_profile};

/// Changes to a profile. A field that is left out stays; `null` clears it.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PatchProfile {
    /// The name to show: 1 to 100 characters.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, max_length = 100)]
    name: Change<String>,
    /// A language tag (BCP 47).
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, max_length = 35)]
    locale: Change<String>,
}

/// The whole profile. A field that is left out is cleared.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PutProfile {
    /// The name to show: 1 to 100 characters.
    #[schema(max_length = 100)]
    name: Option<String>,
    /// A language tag (BCP 47).
    #[schema(max_length = 35)]
    locale: Option<String>,
}

/// A field that is there: `null` clears it.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Change<String>, D::Error> {
    Option::<String>::deserialize(deserializer).map(Change::from)
}

/// My account
#[utoipa::path(get, path = "/api/v1/users/me", tag = "Users", security(("access_token" = [])),
    responses((status = 200, description = "The account of the caller.", body = UserView)))]
pub(super) async fn read_me(State(users): State<Users>, caller: Caller) -> Result<Response, Problem> {
    let account =
        account::find(&mut users.db.read().await?, caller.user).await?.ok_or_else(Problem::unauthenticated)?;
    Ok(shown(&account))
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
    StrictJson(patch): StrictJson<PatchProfile>,
) -> Result<Response, Problem> {
    change(&users, &caller, &headers, patch.name, patch.locale).await
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
    change(&users, &caller, &headers, put.name.into(), put.locale.into()).await
}

async fn change(
    users: &Users,
    caller: &Caller,
    headers: &HeaderMap,
    name: Change<String>,
    locale: Change<String>,
) -> Result<Response, Problem> {
    let expected = if_match(headers)?;
    let name = name.try_map(|typed| {
        DisplayName::parse(&typed).map_err(|error| FieldError::new("name", "invalid_name", error.to_string()))
    });
    let locale = locale.try_map(|tag| {
        let hint = "Use a language tag like en or pt-BR.";
        Locale::parse(&tag).ok_or_else(|| FieldError::new("locale", "invalid_locale", hint))
    });
    let change = match (name, locale) {
        (Ok(name), Ok(locale)) => ProfileChange { name, locale },
        (name, locale) => {
            return Err(Problem::invalid_input(name.err().into_iter().chain(locale.err()).collect()));
        }
    };
    let account = update_profile(users, caller.user, change, expected).await?;
    Ok(shown(&account))
}

impl From<UpdateProfileError> for Problem {
    fn from(error: UpdateProfileError) -> Self {
        match error {
            UpdateProfileError::Stale => super::stale(),
            UpdateProfileError::NotFound => Self::unauthenticated(),
            UpdateProfileError::Storage(error) => error.into(),
        }
    }
}
