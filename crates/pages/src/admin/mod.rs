//! The console: where those who look after others' accounts, and the doors, do it.
//!
//! A page takes a [`Console`], a form a [`ConsoleForm`]: each of them names the permission that it is
//! for, runs for nobody without it, and holds the [`users::Authority`] that use cases ask for. What a
//! page shows beyond its own permission (a button, an entry of the navigation) it asks of
//! [`Desk::may`]; the use case asks again, in its transaction.
//!
//! Every page works by its address alone, without JavaScript: filters, tabs and places in a list are
//! part of it, and each question that is asked before something is done is a page of its own.

mod chart;
mod doors;
mod frame;
mod happening;
mod health;
mod jobs;
mod keys;
mod messages;
mod overview;
pub mod people;
mod roles;
mod settings;
mod standing;
pub mod user;
mod visit;
mod webhooks;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use kernel::Problem;
use users::Account;
use users::api::officer::forbidden;

use crate::Pages;
use crate::browser::Visitor;
use crate::entry::see_other;

pub use frame::{Face, Frame, Section};
pub use visit::{Console, ConsoleForm, Desk};

/// Every page of the console.
pub fn router() -> Router<Arc<Pages>> {
    Router::new()
        .route("/admin", get(begin))
        .route("/admin/overview", get(overview::show))
        .merge(jobs::router())
        .merge(people::router())
        .merge(user::router())
        .merge(roles::router())
        .merge(doors::router())
        .merge(keys::router())
        .merge(webhooks::router())
        .merge(messages::router())
        .merge(settings::router())
}

/// `GET /admin`: the first page that the visitor may see.
async fn begin(State(pages): State<Arc<Pages>>, visitor: Visitor) -> Result<Response, Problem> {
    first_section(&pages, &visitor.account).map(|section| see_other(section.address())).ok_or_else(forbidden)
}

/// The first page of the console that this person may see; nothing if it is not open to them.
pub fn first_section(pages: &Pages, account: &Account) -> Option<Section> {
    let permissions = visit::permissions(pages, account);
    Section::ALL.into_iter().find(|section| permissions.has(section.permission()))
}
