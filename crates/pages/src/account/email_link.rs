//! The link that makes another address somebody's: whoever opens it reads mail there, in whichever browser.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use kernel::{Problem, RequestContext};
use users::link::Purpose;

use crate::browser::FormToken;
use crate::form::{Fields, SignedOutForm};
use crate::link::{self, OpenedLink};
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

/// `GET /account/email/confirm`: looks at the link and leaves it as it is, because mail filters and previews open links
/// too.
pub async fn show(
    State(pages): State<Arc<Pages>>,
    context: RequestContext,
    form: FormToken,
    OpenedLink(opened): OpenedLink,
    query: Fields,
) -> Result<Response, Problem> {
    let in_address = query.text("token");
    let token = if in_address.is_empty() { opened.as_str() } else { in_address };
    let email = match query.text("done") {
        // With a token in the address it is the token that counts: what is put aside for later has to be good.
        "changed" if in_address.is_empty() => None,
        _ => Some(auth::check_email_change(&pages.auth, token).await.map_err(link::failed)?),
    };
    if !in_address.is_empty() {
        return link::out_of_the_address(&pages, Purpose::ChangeEmail.page(), token);
    }
    let shell = Shell::new(&context.request_id);
    let shown = page(StatusCode::OK, &ConfirmPage { shell, csrf: &form.token, token, email })?;
    form.bind(shown)
}

/// `POST /account/email/confirm`
pub async fn submit(
    State(pages): State<Arc<Pages>>,
    SignedOutForm(fields): SignedOutForm,
) -> Result<Response, Problem> {
    auth::confirm_email_change(&pages.auth, fields.text("token")).await.map_err(link::failed)?;
    link::onward(&pages, "/account/email/confirm?done=changed")
}
