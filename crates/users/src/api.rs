//! The JSON face: `/api/v1/users/me`.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use kernel::{Caller, FieldError, Problem, StrictJson, Timestamp, UserId};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::{Account, Change, DisplayName, Locale, ProfileChange, UpdateProfileError, Users, account, update_profile};

/// The calls of this crate.
pub fn router(users: Users) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(read_me, patch_me, put_me)).with_state(users)
}

/// An account, as its owner sees it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = User)]
pub struct UserView {
    /// Its id.
    pub id: UserId,
    /// Its address, as it was typed.
    pub email: String,
    /// Whether the address was shown to be the owner's.
    pub email_verified: bool,
    /// The name to show.
    pub name: Option<String>,
    /// The language its owner reads (BCP 47).
    pub locale: Option<String>,
    /// `active`, `suspended` or `deleted`.
    #[schema(value_type = String)]
    pub status: &'static str,
    /// Its roles.
    pub roles: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// When somebody last signed in to it.
    pub last_login_at: Option<Timestamp>,
    /// Counts changes: send it as `If-Match` to guard one.
    pub version: i64,
}

impl From<&Account> for UserView {
    fn from(account: &Account) -> Self {
        Self {
            id: account.id,
            email: account.email.as_str().to_owned(),
            email_verified: account.email_verified,
            name: account.name.as_ref().map(|name| name.as_str().to_owned()),
            locale: account.locale.as_ref().map(|locale| locale.as_str().to_owned()),
            status: account.status.as_str(),
            roles: account.roles.clone(),
            created_at: account.created_at,
            updated_at: account.updated_at,
            last_login_at: account.last_login_at,
            version: account.version,
        }
    }
}

/// Changes to a profile. A field that is left out stays; `null` clears it.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct PatchProfile {
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
struct PutProfile {
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
async fn read_me(State(users): State<Users>, caller: Caller) -> Result<Response, Problem> {
    let account =
        account::find(&mut users.db.read().await?, caller.user).await?.ok_or_else(Problem::unauthenticated)?;
    Ok(shown(&account))
}

/// Change parts of my profile
#[utoipa::path(patch, path = "/api/v1/users/me", tag = "Users", security(("access_token" = [])),
    params(("If-Match" = Option<String>, Header, description = "The `version` that the change was made from, in quotes.")),
    request_body = PatchProfile,
    responses((status = 200, description = "The account as it is now.", body = UserView),
        (status = 412, description = "`stale`: the account has changed since.", body = kernel::problem::ProblemDocument),
        (status = 422, description = "`invalid_input`", body = kernel::problem::ProblemDocument)))]
async fn patch_me(
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
        (status = 412, description = "`stale`: the account has changed since.", body = kernel::problem::ProblemDocument),
        (status = 422, description = "`invalid_input`", body = kernel::problem::ProblemDocument)))]
async fn put_me(
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

/// The version in `If-Match` (RFC 9110 §13.1.1); `*` means any.
fn if_match(headers: &HeaderMap) -> Result<Option<i64>, Problem> {
    let Some(value) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    text.trim_matches('"').parse().map(Some).map_err(|_| {
        Problem::bad_request("invalid_if_match", "Send the `version` of the account in quotes, as in If-Match: \"3\".")
    })
}

fn shown(account: &Account) -> Response {
    let etag = format!("\"{}\"", account.version);
    (StatusCode::OK, [(header::ETAG, etag)], Json(UserView::from(account))).into_response()
}

impl From<UpdateProfileError> for Problem {
    fn from(error: UpdateProfileError) -> Self {
        match error {
            UpdateProfileError::Stale => Self::new(
                StatusCode::PRECONDITION_FAILED,
                "stale",
                "The account has changed meanwhile",
                "Read it again, repeat your change, and send the new version as If-Match.",
            ),
            UpdateProfileError::NotFound => Self::unauthenticated(),
            UpdateProfileError::Storage(error) => error.into(),
        }
    }
}
