//! Verifying an address: the page behind the link, the code for whoever signed up in this browser, and the mail once
//! more.

use std::sync::Arc;

use askama::Template;
use auth::{CodeError, Keep, VerifyEmailError};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use kernel::{Problem, RequestContext, UserId};
use users::EmailAddress;
use users::link::Purpose;

use crate::browser::{FormCookie, FormToken, MaybeVisitor};
use crate::entry::{retry_soon, see_other};
use crate::form::{Fields, SignedOutForm};
use crate::link::{self, OpenedLink};
use crate::shell::{Mistakes, Notice, Shell};
use crate::{Pages, csrf, page};

/// What is wrong with a code, whatever it is.
pub const WRONG_CODE: &str =
    "That is not the code. Type the six digits of the newest mail; after 10 minutes or five tries, ask for another.";

/// What the page behind the link shows.
enum View<'a> {
    /// Whose address it is, and whether it has to be shown that they signed up.
    Ask {
        email: &'a str,
        is_known: bool,
    },
    Verified,
    TakenOver,
}

#[derive(Template)]
#[template(path = "verify.html")]
struct VerifyPage<'a> {
    shell: Shell,
    csrf: &'a str,
    token: &'a str,
    view: View<'a>,
    errors: &'a Mistakes,
    notice: Option<Notice>,
}

/// `GET /verify`: looks at the link and leaves it as it is, because mail filters and previews open links too.
pub async fn show(
    State(pages): State<Arc<Pages>>,
    MaybeVisitor(visitor): MaybeVisitor,
    context: RequestContext,
    form: FormToken,
    FormCookie(browser): FormCookie,
    OpenedLink(opened): OpenedLink,
    query: Fields,
) -> Result<Response, Problem> {
    let in_address = query.text("token");
    let token = if in_address.is_empty() { opened.as_str() } else { in_address };
    let visitor = visitor.map(|visitor| visitor.account.id);
    let found;
    // With a token in the address it is the token that counts: what is put aside for later has to be good.
    let view = match query.text("done") {
        _ if !in_address.is_empty() => {
            auth::check_verification(&pages.auth, token, visitor, browser.as_deref()).await.map_err(link::failed)?;
            return link::out_of_the_address(&pages, Purpose::VerifyEmail.page(), token);
        }
        "verified" => View::Verified,
        "taken_over" => View::TakenOver,
        _ => {
            let asked = auth::check_verification(&pages.auth, token, visitor, browser.as_deref());
            found = asked.await.map_err(link::failed)?;
            View::Ask { email: &found.email, is_known: found.is_known }
        }
    };
    let shell = Shell::new(&context.request_id);
    let errors = &Mistakes::default();
    let shown = page(StatusCode::OK, &VerifyPage { shell, csrf: &form.token, token, view, errors, notice: None })?;
    form.bind(shown)
}

/// `POST /verify`
pub async fn submit(
    State(pages): State<Arc<Pages>>,
    MaybeVisitor(visitor): MaybeVisitor,
    context: RequestContext,
    FormCookie(browser): FormCookie,
    SignedOutForm(fields): SignedOutForm,
) -> Result<Response, Problem> {
    let token = fields.text("token");
    let visitor: Option<UserId> = visitor.map(|visitor| visitor.account.id);
    let asked = auth::check_verification(&pages.auth, token, visitor, browser.as_deref());
    let found = asked.await.map_err(link::failed)?;
    if fields.text("way") == "take_over" {
        auth::verify_email(&pages.auth, token, Keep::Nothing).await.map_err(link::failed)?;
        if let Ok(email) = EmailAddress::parse(&found.email) {
            auth::request_password_reset(&pages.auth, &email).await?;
        }
        return link::onward(&pages, "/verify?done=taken_over");
    }
    if found.is_known {
        auth::verify_email(&pages.auth, token, Keep::Everything).await.map_err(link::failed)?;
        return link::onward(&pages, "/verify?done=verified");
    }
    let password = fields.text("password");
    let (status, errors, notice) = if password.is_empty() {
        let missing = Mistakes::one("password", "missing", "Enter the password that you chose when you signed up.");
        (StatusCode::UNPROCESSABLE_ENTITY, missing, None)
    } else {
        match auth::verify_email_with_password(&pages.auth, token, password).await {
            Ok(()) => return link::onward(&pages, "/verify?done=verified"),
            Err(VerifyEmailError::InvalidToken) => return Err(link::dead()),
            Err(VerifyEmailError::WrongPassword) => {
                let words = "That is not the password that was chosen at sign-up. Check it, or take the account over.";
                let wrong = Mistakes::one("password", "wrong_password", words);
                (StatusCode::UNPROCESSABLE_ENTITY, wrong, None)
            }
            Err(VerifyEmailError::Busy(_)) => {
                (StatusCode::SERVICE_UNAVAILABLE, Mistakes::default(), Some(Notice::busy()))
            }
            Err(VerifyEmailError::Hash(cause)) => {
                tracing::error!(%cause, "a password could not be compared");
                return Err(Problem::internal());
            }
            Err(VerifyEmailError::Storage(error)) => return Err(error.into()),
        }
    };
    let view = View::Ask { email: &found.email, is_known: false };
    let shell = Shell::new(&context.request_id);
    let csrf = fields.text(csrf::FIELD);
    let again = page(status, &VerifyPage { shell, csrf, token, view, errors: &errors, notice })?;
    Ok(if status == StatusCode::SERVICE_UNAVAILABLE { retry_soon(again) } else { again })
}

#[derive(Template)]
#[template(path = "check-mail.html")]
struct CheckMailPage<'a> {
    shell: Shell,
    csrf: &'a str,
    email: &'a str,
    /// Whether the mail was asked for once more: then nobody says that there is anything to verify.
    is_again: bool,
    errors: &'a Mistakes,
}

/// What is shown after a sign-up by mail: the same for every address.
pub fn check_mail(
    context: &RequestContext,
    csrf: &str,
    email: &str,
    is_again: bool,
    errors: &Mistakes,
) -> Result<Response, Problem> {
    let status = if errors.is_failed() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    page(status, &CheckMailPage { shell: Shell::new(&context.request_id), csrf, email, is_again, errors })
}

/// `POST /verify/code`: for whoever signed up in this browser.
pub async fn submit_code(
    State(pages): State<Arc<Pages>>,
    context: RequestContext,
    FormCookie(browser): FormCookie,
    SignedOutForm(fields): SignedOutForm,
) -> Result<Response, Problem> {
    let typed = fields.text("email");
    let (Ok(email), Some(browser)) = (EmailAddress::parse(typed), browser) else { return Err(link::dead()) };
    match auth::verify_email_by_code_here(&pages.auth, &email, &browser, fields.text("code")).await {
        Ok(()) => Ok(see_other("/sign-in?done=verified")),
        Err(CodeError::InvalidCode) => {
            let wrong = Mistakes::one("code", "invalid_code", WRONG_CODE);
            check_mail(&context, fields.text(csrf::FIELD), typed, fields.is_ticked("again"), &wrong)
        }
        Err(CodeError::Storage(error)) => Err(error.into()),
    }
}

#[derive(Template)]
#[template(path = "verify-again.html")]
struct AgainPage<'a> {
    shell: Shell,
    csrf: &'a str,
    email: &'a str,
    errors: &'a Mistakes,
}

/// `GET /verify/again`
pub async fn show_again(context: RequestContext, form: FormToken) -> Result<Response, Problem> {
    let (shell, errors) = (Shell::new(&context.request_id), &Mistakes::default());
    let shown = page(StatusCode::OK, &AgainPage { shell, csrf: &form.token, email: "", errors })?;
    form.bind(shown)
}

/// `POST /verify/again`
pub async fn submit_again(
    State(pages): State<Arc<Pages>>,
    context: RequestContext,
    FormCookie(browser): FormCookie,
    SignedOutForm(fields): SignedOutForm,
) -> Result<Response, Problem> {
    let (csrf, typed) = (fields.text(csrf::FIELD), fields.text("email"));
    match EmailAddress::parse(typed) {
        Ok(email) => {
            auth::request_verification(&pages.auth, &email, browser.as_deref()).await?;
            check_mail(&context, csrf, typed, true, &Mistakes::default())
        }
        Err(wrong) => {
            let errors = &Mistakes::one("email", "invalid_email", wrong.to_string());
            let shell = Shell::new(&context.request_id);
            page(StatusCode::UNPROCESSABLE_ENTITY, &AgainPage { shell, csrf, email: typed, errors })
        }
    }
}
