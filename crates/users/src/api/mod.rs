//! The JSON face: `/api/v1/users/me` for everybody, `/api/v1/users` and `/api/v1/roles` for administrators,
//! `/api/v1/permissions` for whoever wants to know.

mod accounts;
mod administration;
mod avatars;
mod history;
pub mod jobs;
mod list;
mod me;
pub mod officer;
mod permissions;
mod profile_body;
mod ready;
mod roles;

use std::collections::BTreeMap;

use axum::Json;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use kernel::{Problem, Timestamp, UserId};
use serde::Serialize;
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use accounts::email_taken;
pub use administration::last_administrator;
pub use jobs::too_many_jobs;
pub use ready::ReadyViews;
pub use roles::RoleView;
pub use roles::unknown_role;

use crate::{Account, Authority, Party, PersonalData, Preferences, Users, account, may};

/// The calls of this crate.
pub fn router(users: Users) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(me::read_me, me::patch_me, me::put_me, me::delete_me))
        .routes(routes!(list::list_users, accounts::create_user))
        .routes(routes!(administration::read_user, administration::delete_user, accounts::patch_user))
        .routes(routes!(administration::ban_user))
        .routes(routes!(administration::unban_user))
        .routes(routes!(administration::sign_out_user))
        .routes(routes!(administration::restore_user))
        .routes(routes!(administration::put_roles))
        .routes(routes!(history::read_history))
        .merge(jobs::router())
        .routes(routes!(roles::list_roles, roles::post_role))
        .routes(routes!(roles::read_role, roles::patch_role, roles::remove_role))
        .routes(routes!(permissions::my_permissions))
        .routes(routes!(permissions::check_permission))
        .routes(routes!(avatars::put_avatar, avatars::delete_avatar))
        .routes(routes!(avatars::delete_avatar_of_user))
        .routes(routes!(avatars::show_picture))
        .routes(routes!(avatars::show_initials))
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
    /// `active`, `suspended` or `deleted`.
    #[schema(value_type = String)]
    pub status: &'static str,
    /// Its roles.
    pub roles: Vec<String>,
    /// Where its owner's picture is; a drawing of their initials if they have none.
    pub avatar_url: String,
    /// What its owner writes about themselves.
    pub bio: Option<String>,
    /// Where its owner's clock is (a name of the IANA database).
    pub timezone: Option<String>,
    /// The language its owner reads (BCP 47).
    pub locale: Option<String>,
    /// Its owner's telephone number (E.164).
    pub phone_number: Option<String>,
    /// Its owner's postal address.
    pub address: Option<String>,
    /// An application's own settings, exactly as they were sent.
    #[schema(value_type = Object)]
    pub preferences: Preferences,
    /// The attributes that the configuration adds, as far as whoever asks may see them.
    #[schema(value_type = Object)]
    pub attributes: BTreeMap<String, Value>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// When somebody last signed in to it.
    pub last_login_at: Option<Timestamp>,
    /// Counts changes: send it as `If-Match` to guard one.
    pub version: i64,
}

impl UserView {
    /// The account with what the reader may see of its personal data.
    pub fn new(account: &Account, personal: PersonalData, avatar_url: String) -> Self {
        Self {
            id: account.id,
            email: account.email.as_str().to_owned(),
            email_verified: account.email_verified,
            name: account.name.as_ref().map(|name| name.as_str().to_owned()),
            status: account.status.as_str(),
            roles: account.roles.clone(),
            avatar_url,
            bio: account.bio.as_ref().map(|bio| bio.as_str().to_owned()),
            timezone: account.timezone.as_ref().map(|zone| zone.as_str().to_owned()),
            locale: account.locale.as_ref().map(|locale| locale.as_str().to_owned()),
            phone_number: personal.phone_number.map(|number| number.as_str().to_owned()),
            address: personal.address.map(|address| address.as_str().to_owned()),
            preferences: account.preferences.clone(),
            attributes: personal.attributes,
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
        Problem::bad_request("invalid_if_match", "Send the `version` that you read in quotes, as in If-Match: \"3\".")
    })
}

async fn shown(users: &Users, account: &Account, reader: Party) -> Result<Response, Problem> {
    let etag = format!("\"{}\"", account.version);
    let view = users.view(account, reader).await?;
    Ok((StatusCode::OK, [(header::ETAG, etag)], Json(view)).into_response())
}

/// What whoever has changed an account is shown of it.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(untagged)]
enum AfterChange {
    Account(Box<UserView>),
    Changed(ChangedView),
}

/// An account for whoever may change it and not read it.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = ChangedUser)]
struct ChangedView {
    /// Its id.
    id: UserId,
    /// Counts changes: send it as `If-Match` to guard one.
    version: i64,
}

/// The account for whoever has changed it. To change is not to read: those who may not read accounts are told
/// its version, for their next change, and nothing that they did not know.
async fn shown_after(users: &Users, account: &Account, authority: Authority) -> Result<Response, Problem> {
    let held = match authority.actor() {
        Some(actor) => account::roles(&mut users.db.read().await?, actor).await?,
        None => Vec::new(),
    };
    let etag = format!("\"{}\"", account.version);
    let after = if users.roles.now().allows(held.iter().map(String::as_str), may::USERS_READ) {
        AfterChange::Account(Box::new(users.view(account, Party::Officers).await?))
    } else {
        AfterChange::Changed(ChangedView { id: account.id, version: account.version })
    };
    Ok((StatusCode::OK, [(header::ETAG, etag)], Json(after)).into_response())
}

fn stale() -> Problem {
    Problem::new(
        StatusCode::PRECONDITION_FAILED,
        "stale",
        "It has changed meanwhile",
        "Read it again, repeat your change, and send the new version as If-Match.",
    )
}
