//! The link that makes another address somebody's: whoever opens it reads mail there, in whichever browser.

use std::sync::Arc;

use askama::Template;
use auth::ConfirmEmailChangeError;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use kernel::{Problem, RequestContext};

use crate::browser::FormToken;
use crate::entry::see_other;
use crate::form::{Fields, SignedOutForm};
use crate::shell::Shell;
use crate::{Pages, page};

#[derive(Template)]
#[template(path = "confirm-email.html")]
struct ConfirmPage<'a> {
    shell: Shell,
    csrf: &'a str,
    token: &'a str,
    /// The address to have; nothing once it is done.
    email: Option<String>,
}

/// `GET /account/email/confirm?token=…`: looks at the link and leaves it as it is, because mail filters and
/// previews open links too.
pub async fn show(
    State(pages): State<Arc<Pages>>,
    context: RequestContext,
    form: FormToken,
    query: Fields,
) -> Result<Response, Problem> {
    let token = query.text("token");
    let email = match query.text("done") {
        "changed" => None,
        _ => Some(auth::check_email_change(&pages.auth, token).await.map_err(failed)?),
    };
    let shell = Shell::new(&context.request_id);
    let shown = page(StatusCode::OK, &ConfirmPage { shell, csrf: &form.token, token, email })?;
    form.bind(shown)
}

/// `POST /account/email/confirm`
pub async fn submit(
    State(pages): State<Arc<Pages>>,
    SignedOutForm(fields): SignedOutForm,
) -> Result<Response, Problem> {
    auth::confirm_email_change(&pages.auth, fields.text("token")).await.map_err(failed)?;
    Ok(see_other("/account/email/confirm?done=changed"))
}

/// Used, too old, replaced, never ours, or for an address that somebody else has by now: to whoever holds the link,
/// it is all the same.
fn failed(error: ConfirmEmailChangeError) -> Problem {
    match error {
        ConfirmEmailChangeError::InvalidToken => Problem::new(
            StatusCode::GONE,
            "invalid_email_link",
            "This link no longer works",
            "A link for another address works once, for 60 minutes, and only until a newer one is asked for. Nothing was \
             changed. Ask for it again on your account page.",
        ),
        ConfirmEmailChangeError::Storage(cause) => cause.into(),
    }
}
