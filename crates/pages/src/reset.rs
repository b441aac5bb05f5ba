//! Another password for somebody who does not know theirs: asking for the link, and the page behind it.

use std::sync::Arc;

use askama::Template;
use auth::ResetPasswordError;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use kernel::{Problem, RequestContext};
use users::EmailAddress;
use users::link::Purpose;

use crate::browser::FormToken;
use crate::entry::retry_soon;
use crate::form::{Fields, SignedOutForm};
use crate::link::{self, OpenedLink};
use crate::shell::{Mistakes, Notice, Shell, initials};
use crate::{Pages, csrf, page};

#[derive(Template)]
#[template(path = "reset.html")]
struct ResetPage<'a> {
    shell: Shell,
    csrf: &'a str,
    email: &'a str,
    errors: &'a Mistakes,
}

#[derive(Template)]
#[template(path = "reset-sent.html")]
struct SentPage<'a> {
    shell: Shell,
    csrf: &'a str,
    email: &'a str,
}

/// `GET /reset`
pub async fn show(context: RequestContext, form: FormToken) -> Result<Response, Problem> {
    let (shell, errors) = (Shell::new(&context.request_id), &Mistakes::default());
    let shown = page(StatusCode::OK, &ResetPage { shell, csrf: &form.token, email: "", errors })?;
    form.bind(shown)
}

/// `POST /reset`. The answer is the same whether somebody has the address or not.
pub async fn submit(
    State(pages): State<Arc<Pages>>,
    context: RequestContext,
    SignedOutForm(fields): SignedOutForm,
) -> Result<Response, Problem> {
    let (shell, csrf) = (Shell::new(&context.request_id), fields.text(csrf::FIELD));
    let typed = fields.text("email");
    match EmailAddress::parse(typed) {
        Ok(email) => {
            auth::request_password_reset(&pages.auth, &email).await?;
            page(StatusCode::OK, &SentPage { shell, csrf, email: typed })
        }
        Err(wrong) => {
            let errors = &Mistakes::one("email", "invalid_email", wrong.to_string());
            page(StatusCode::UNPROCESSABLE_ENTITY, &ResetPage { shell, csrf, email: typed, errors })
        }
    }
}

#[derive(Template)]
#[template(path = "reset-new.html")]
struct NewPage<'a> {
    shell: Shell,
    csrf: &'a str,
    token: &'a str,
    email: &'a str,
    initials: String,
    least: usize,
    errors: &'a Mistakes,
    notice: Option<Notice>,
}

/// `GET /reset/new`: looks at the link and leaves it as it is, because mail filters and previews open links too.
pub async fn show_new(
    State(pages): State<Arc<Pages>>,
    context: RequestContext,
    form: FormToken,
    OpenedLink(opened): OpenedLink,
    query: Fields,
) -> Result<Response, Problem> {
    let in_address = query.text("token");
    let token = if in_address.is_empty() { opened.as_str() } else { in_address };
    let email = auth::check_password_reset(&pages.auth, token).await.map_err(link::failed)?;
    if !in_address.is_empty() {
        return link::out_of_the_address(&pages, Purpose::ResetPassword.page(), token);
    }
    let shown = page(
        StatusCode::OK,
        &NewPage {
            shell: Shell::new(&context.request_id),
            csrf: &form.token,
            token,
            initials: initials(&email),
            email: &email,
            least: pages.auth.settings().policy.min_characters,
            errors: &Mistakes::default(),
            notice: None,
        },
    )?;
    form.bind(shown)
}

/// `POST /reset/new`
pub async fn submit_new(
    State(pages): State<Arc<Pages>>,
    context: RequestContext,
    SignedOutForm(fields): SignedOutForm,
) -> Result<Response, Problem> {
    let token = fields.text("token");
    let email = auth::check_password_reset(&pages.auth, token).await.map_err(link::failed)?;
    let (status, errors, notice) = if fields.text("password").is_empty() {
        (StatusCode::UNPROCESSABLE_ENTITY, Mistakes::one("password", "missing", "Choose a password."), None)
    } else {
        match auth::reset_password(&pages.auth, token, fields.text("password")).await {
            Ok(()) => return link::onward(&pages, "/sign-in?done=reset"),
            Err(ResetPasswordError::InvalidToken) => return Err(link::dead()),
            Err(ResetPasswordError::WeakPassword(weakness)) => {
                let weak = Mistakes::one("password", weakness.code(), weakness.to_string());
                (StatusCode::UNPROCESSABLE_ENTITY, weak, None)
            }
            Err(ResetPasswordError::Busy(_)) => {
                (StatusCode::SERVICE_UNAVAILABLE, Mistakes::default(), Some(Notice::busy()))
            }
            Err(failure @ (ResetPasswordError::Hash(_) | ResetPasswordError::Storage(_))) => return Err(failure.into()),
        }
    };
    let again = page(
        status,
        &NewPage {
            shell: Shell::new(&context.request_id),
            csrf: fields.text(csrf::FIELD),
            token,
            initials: initials(&email),
            email: &email,
            least: pages.auth.settings().policy.min_characters,
            errors: &errors,
            notice,
        },
    )?;
    Ok(if status == StatusCode::SERVICE_UNAVAILABLE { retry_soon(again) } else { again })
}
