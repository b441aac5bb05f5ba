//! Wanting no more mail of a kind, from the mail itself (RFC 8058).
//!
//! The address has the proof, so nobody signs in, and mail programs can do it: they send the form without a browser's
//! cookies, without `Origin`, and from wherever they run. What a stranger's page could have a browser send here needs
//! that proof too. Opening the address changes nothing.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use kernel::{Problem, RequestContext};
use notify::preference::{self, Unsubscribing};

use crate::form::Fields;
use crate::shell::Shell;
use crate::{Pages, page};

/// The pages of this part.
pub fn router() -> Router<Arc<Pages>> {
    Router::new().route("/unsubscribe", get(show).post(submit))
}

#[derive(Template)]
#[template(path = "unsubscribe.html")]
struct UnsubscribePage {
    shell: Shell,
    token: String,
    /// What it is about.
    about: String,
    done: bool,
}

fn find(pages: &Pages, query: &Fields) -> Result<Unsubscribing, Problem> {
    Unsubscribing::parse(&pages.notify, query.text("token")).ok_or_else(|| {
        Problem::new(
            StatusCode::GONE,
            "invalid_unsubscribe_link",
            "This link leads nowhere any more",
            "It is not whole, or what it is about is not there any more. Sign in and choose under Notifications what you want to hear.",
        )
    })
}

/// `GET /unsubscribe?token=…`
async fn show(State(pages): State<Arc<Pages>>, context: RequestContext, query: Fields) -> Result<Response, Problem> {
    let about = find(&pages, &query)?.title;
    let token = query.text("token").to_owned();
    page(StatusCode::OK, &UnsubscribePage { shell: Shell::new(&context.request_id), token, about, done: false })
}

/// `POST /unsubscribe?token=…`. What the body says does not matter: it is always the same.
async fn submit(State(pages): State<Arc<Pages>>, context: RequestContext, query: Fields) -> Result<Response, Problem> {
    let who = find(&pages, &query)?;
    preference::unsubscribe(&pages.notify, &who).await?;
    let token = query.text("token").to_owned();
    let shown = UnsubscribePage { shell: Shell::new(&context.request_id), token, about: who.title, done: true };
    page(StatusCode::OK, &shown)
}
