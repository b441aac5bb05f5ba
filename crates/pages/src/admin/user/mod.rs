//! One person: who they are, what they may do, where they are signed in, and what can be done about it.

pub mod deed;
mod draft;
pub mod history;
pub mod new;
pub mod notifications;
mod pass;
pub mod profile;
mod reach;
pub mod roles;
pub mod security;
pub mod sessions;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use kernel::{Problem, UserId};
use users::Account;

pub use pass::offers;

use crate::Pages;

/// The pages of one person.
pub fn router() -> Router<Arc<Pages>> {
    Router::new()
        .route("/admin/users/new", get(new::show).post(new::submit))
        .route("/admin/users/{id}", get(profile::show).post(profile::submit))
        .route("/admin/users/{id}/roles", get(roles::show).post(roles::submit))
        .route("/admin/users/{id}/history", get(history::show))
        .route("/admin/users/{id}/notifications", get(notifications::show))
        .route("/admin/users/{id}/security", get(security::show))
        .route("/admin/users/{id}/sessions", get(sessions::show))
        .route("/admin/users/{id}/sessions/{session}/end", post(sessions::end))
        .route("/admin/users/{id}/do/{deed}", get(deed::show).post(deed::submit))
}

/// The account at an address, whatever its status.
async fn find(pages: &Pages, id: &str) -> Result<Account, Problem> {
    let id: UserId = id.parse().map_err(|_| Problem::not_found())?;
    let mut read = pages.auth.db().read().await?;
    users::account::find(&mut read, id).await?.ok_or_else(Problem::not_found)
}
