//! The sign-in page.

use std::sync::Arc;

use askama::Template;
use auth::{Credentials, SignInError};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use kernel::{Problem, RequestContext};

use crate::browser::{FormToken, KnownDevice, MaybeVisitor};
use crate::entry::{admit, client, retry_soon, see_other};
use crate::form::{Fields, SignedOutForm};
use crate::return_address::ReturnAddress;
use crate::shell::{Notice, Shell};
use crate::{Pages, csrf, page};

#[derive(Template)]
#[template(path = "sign-in.html")]
struct SignInPage<'a> {
    shell: Shell,
    csrf: &'a str,
    next: Option<&'a ReturnAddress>,
    onward: String,
    email: &'a str,
    keep: bool,
    keep_days: u32,
    failure: Option<Notice>,
    /// What was done before somebody came here.
    done: Option<Notice>,
    by_mail: ByMail,
}

/// What a mail can do for whoever comes here.
struct ByMail {
    /// Let them choose another password, since mail reaches anybody at all.
    resets: bool,
    /// Verify an address, which has to be before somebody comes in.
    verifies: bool,
    /// Sign them in.
    signs_in: bool,
}

impl ByMail {
    fn of(pages: &Pages) -> Self {
        let settings = pages.auth.settings();
        Self {
            resets: pages.notify.sends_mail(),
            verifies: settings.require_verified_email,
            signs_in: settings.magic_link,
        }
    }
}

/// The words for what came before. The code comes from the address bar, so it chooses among fixed texts.
fn done(code: &str) -> Option<Notice> {
    match code {
        "reset" => Some(Notice::done("Password changed.", "Every device is signed out. Sign in with the new one.")),
        "verified" => Some(Notice::done("Email verified.", "Sign in with the password that you chose.")),
        _ => None,
    }
}

/// One sentence for every reason, so that it tells nobody which accounts exist.
const REFUSED: Notice = Notice::failed("That email and password don’t match", "Check both and try again.");

/// `GET /sign-in`
pub async fn show(
    State(pages): State<Arc<Pages>>,
    MaybeVisitor(visitor): MaybeVisitor,
    context: RequestContext,
    token: FormToken,
    query: Fields,
) -> Result<Response, Problem> {
    let next = ReturnAddress::parse(query.text("next"));
    if visitor.is_some() {
        return Ok(see_other(next.as_ref().map_or("/account", ReturnAddress::as_str)));
    }
    let shown = page(
        StatusCode::OK,
        &SignInPage {
            shell: Shell::new(&context.request_id),
            csrf: &token.token,
            onward: next.as_ref().map(ReturnAddress::as_query).unwrap_or_default(),
            next: next.as_ref(),
            email: "",
            keep: false,
            keep_days: pages.auth.settings().session_days,
            failure: None,
            done: done(query.text("done")),
            by_mail: ByMail::of(&pages),
        },
    )?;
    token.bind(shown)
}

/// `POST /sign-in`
pub async fn submit(
    State(pages): State<Arc<Pages>>,
    before: MaybeVisitor,
    KnownDevice(device): KnownDevice,
    context: RequestContext,
    SignedOutForm(fields): SignedOutForm,
) -> Result<Response, Problem> {
    let next = ReturnAddress::parse(fields.text("next"));
    let keep = fields.is_ticked("keep");
    let credentials =
        Credentials { email: fields.text("email").to_owned(), password: fields.text("password").to_owned() };
    let (status, failure) =
        match auth::sign_in(&pages.auth, &credentials, device.as_deref(), &client(&context, keep)).await {
            Ok(opened) => return admit(&pages, &opened, before, keep, next.as_ref()).await,
            Err(SignInError::InvalidCredentials) => (StatusCode::UNAUTHORIZED, REFUSED),
            Err(SignInError::Busy(_)) => (StatusCode::SERVICE_UNAVAILABLE, Notice::busy()),
            Err(failure @ (SignInError::Hash(_) | SignInError::Storage(_))) => return Err(failure.into()),
        };
    let again = page(
        status,
        &SignInPage {
            shell: Shell::new(&context.request_id),
            csrf: fields.text(csrf::FIELD),
            onward: next.as_ref().map(ReturnAddress::as_query).unwrap_or_default(),
            next: next.as_ref(),
            email: fields.text("email"),
            keep,
            keep_days: pages.auth.settings().session_days,
            failure: Some(failure),
            done: None,
            by_mail: ByMail::of(&pages),
        },
    )?;
    Ok(if status == StatusCode::SERVICE_UNAVAILABLE { retry_soon(again) } else { again })
}
