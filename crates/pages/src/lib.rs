//! What people see: sign-in, sign-up, the account, what went wrong, and the API's documentation.
//!
//! Every page is made on the server and works without JavaScript. A request goes router → handler →
//! use case of `auth` or `users` → template. A handler that changes something takes its form through
//! an extractor of [`form`], and can only be reached with a form that a page of ours gave out: that
//! is the whole protection against forged requests, so no `POST` may read its body another way. The one exception is
//! `unsubscribe`, which mail programs send: what proves it is in its address, and nothing of a browser counts.
//!
//! Templates are in `templates/`, what they refer to is in `assets/`. Text from people goes into a
//! page through askama's escaping only; no template has an inline script or style.
//!
//! This crate has no SQL and decides nothing: it must not know how a password is checked, nor what
//! a session is worth.

mod account;
mod admin;
mod agent;
mod applicant;
mod assets;
mod attributes;
mod bar;
mod browser;
mod csrf;
mod dev_inbox;
mod docs;
mod entry;
mod error;
mod form;
mod inbox;
mod invitation;
mod languages;
mod link;
mod moment;
mod reset;
mod return_address;
mod setup;
mod shell;
mod sign_in;
mod sign_in_link;
mod sign_out;
mod sign_up;
mod surroundings;
#[cfg(test)]
mod tests;
mod unsubscribe;
mod verify;

use std::sync::Arc;

use auth::Auth;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use kernel::Problem;
use notify::Notify;

pub use error::problem_page;
pub use surroundings::{About, ListenerRow, RouteRow, Setting, Surroundings, UpstreamRow};

/// What the pages work with.
#[derive(Clone)]
pub struct Pages {
    /// Who proves who they are, and where accounts are.
    pub auth: Auth,
    /// Who tells people.
    pub notify: Notify,
    /// Where people reach these pages: `scheme://host[:port]`, without a path. Forms are accepted from
    /// there only, and cookies are `Secure` if it is https.
    pub origin: String,
    /// The OpenAPI document, for the reader at `/docs`.
    pub openapi: Arc<serde_json::Value>,
    /// What the console is told about the process.
    pub surroundings: Surroundings,
}

impl Pages {
    fn is_secure(&self) -> bool {
        self.origin.starts_with("https://")
    }
}

/// The largest form, in bytes: far more than anybody types into these pages.
const MAX_FORM: usize = 64 * 1024;

/// Every page and what they are made of.
pub fn router(pages: Pages) -> Router {
    let documentation = docs::router(&pages);
    Router::new()
        .route("/", get(entry::home))
        .route("/sign-in", get(sign_in::show).post(sign_in::submit))
        .route("/sign-in/by-mail", get(sign_in_link::show).post(sign_in_link::submit))
        .route("/sign-in/link", get(sign_in_link::show_link).post(sign_in_link::submit_link))
        .route("/sign-up", get(sign_up::show).post(sign_up::submit))
        .route("/sign-out", post(sign_out::submit))
        .route("/verify", get(verify::show).post(verify::submit))
        .route("/verify/code", post(verify::submit_code))
        .route("/verify/again", get(verify::show_again).post(verify::submit_again))
        .route("/reset", get(reset::show).post(reset::submit))
        .route("/reset/new", get(reset::show_new).post(reset::submit_new))
        .route("/setup", get(setup::show).post(setup::submit))
        .route("/invitation", get(invitation::show).post(invitation::submit))
        .route("/account", get(account::show))
        .route("/account/profile", post(account::profile::submit))
        .route("/account/notifications", post(account::notifications::submit))
        .route("/account/preferences", post(account::profile::submit_preferences))
        .route("/account/picture", post(account::picture::submit))
        .route("/account/picture/remove", post(account::picture::remove))
        .route("/account/delete", get(account::delete::show).post(account::delete::submit))
        .route("/account/password", post(account::password::submit))
        .route("/account/email", post(account::email::submit))
        .route("/account/email/confirm", get(account::email_link::show).post(account::email_link::submit))
        .route("/account/push", post(account::push::submit))
        .route("/account/verify/code", post(account::verify::submit))
        .route("/account/verify/again", post(account::verify::again))
        .route("/account/sessions/end-others", post(account::sessions::end_others))
        .route("/account/sessions/{id}/end", post(account::sessions::end))
        .merge(inbox::router())
        .merge(unsubscribe::router())
        .merge(admin::router())
        .merge(dev_inbox::router())
        .layer(DefaultBodyLimit::max(MAX_FORM))
        .with_state(Arc::new(pages))
        .merge(documentation)
        .route("/favicon.svg", get(assets::favicon))
        .route("/account/service-worker.js", get(assets::service_worker))
        .route("/assets/{name}", get(assets::serve))
}

/// A page as an answer: never stored, because most pages say who somebody is.
fn page(status: StatusCode, template: &impl askama::Template) -> Result<Response, Problem> {
    use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
    use axum::response::IntoResponse as _;

    let html = template.render().map_err(|cause| {
        tracing::error!(%cause, "a page could not be made");
        Problem::internal()
    })?;
    Ok((status, [(CONTENT_TYPE, "text/html; charset=utf-8"), (CACHE_CONTROL, "no-store")], html).into_response())
}
