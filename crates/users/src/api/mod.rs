//! The JSON face: `/api/v1/users/me` for everybody, `/api/v1/users/{id}` for administrators.

mod administration;
mod history;
mod me;
pub mod officer;

use axum::Json;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use kernel::{Problem, Timestamp, UserId};
use serde::Serialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::{Account, Users};

/// The calls of this crate.
pub fn router(users: Users) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(me::read_me, me::patch_me, me::put_me))
        .routes(routes!(administration::read_user, administration::delete_user))
        .routes(routes!(administration::ban_user))
        .routes(routes!(administration::unban_user))
        .routes(routes!(administration::sign_out_user))
        .routes(routes!(administration::restore_user))
        .routes(routes!(administration::put_roles))
        .routes(routes!(history::read_history))
        .with_state(users)
}

/// An account, as its owner and administrators see it.
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

fn stale() -> Problem {
    Problem::new(
        StatusCode::PRECONDITION_FAILED,
        "stale",
        "The account has changed meanwhile",
        "Read it again, repeat your change, and send the new version as If-Match.",
    )
}
