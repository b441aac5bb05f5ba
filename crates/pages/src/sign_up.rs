//! The sign-up page.

use std::sync::Arc;

use askama::Template;
use auth::Registered;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use kernel::{Problem, RequestContext};

use crate::applicant::{self, Refusal};
use crate::browser::{FormCookie, FormToken, MaybeVisitor};
use crate::entry::{admit, client, see_other};
use crate::form::{Fields, SignedOutForm};
use crate::return_address::ReturnAddress;
use crate::shell::{Mistakes, Notice, Shell};
use crate::{Pages, csrf, page, verify};

#[derive(Template)]
#[template(path = "sign-up.html")]
struct SignUpPage<'a> {
    shell: Shell,
    csrf: &'a str,
    next: Option<&'a ReturnAddress>,
    onward: String,
    name: &'a str,
    email: &'a str,
    least: usize,
    failed: bool,
    errors: &'a Mistakes,
    notice: Option<Notice>,
}

/// `GET /sign-up`
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
        &SignUpPage {
            shell: Shell::new(&context.request_id),
            csrf: &token.token,
            onward: next.as_ref().map(ReturnAddress::as_query).unwrap_or_default(),
            next: next.as_ref(),
            name: "",
            email: "",
            least: pages.auth.settings().policy.min_characters,
            failed: false,
            errors: &Mistakes::default(),
            notice: None,
        },
    )?;
    token.bind(shown)
}

/// `POST /sign-up`
pub async fn submit(
    State(pages): State<Arc<Pages>>,
    before: MaybeVisitor,
    context: RequestContext,
    FormCookie(browser): FormCookie,
    SignedOutForm(fields): SignedOutForm,
) -> Result<Response, Problem> {
    let next = ReturnAddress::parse(fields.text("next"));
    let refusal = match applicant::read(&fields) {
        Err(mistakes) => mistakes.into(),
        Ok(account) => match auth::register(&pages.auth, account, &client(&context, false), browser.as_deref()).await {
            Ok(Registered::SignedIn(opened)) => return admit(&pages, &opened, before, false, next.as_ref()).await,
            Ok(Registered::ByMail) => {
                let (csrf, email) = (fields.text(csrf::FIELD), fields.text("email"));
                return verify::check_mail(&context, csrf, email, false, &Mistakes::default());
            }
            Err(error) => Refusal::from_register(error)?,
        },
    };
    let again = page(
        refusal.status,
        &SignUpPage {
            shell: Shell::new(&context.request_id),
            csrf: fields.text(csrf::FIELD),
            onward: next.as_ref().map(ReturnAddress::as_query).unwrap_or_default(),
            next: next.as_ref(),
            name: fields.text("name"),
            email: fields.text("email"),
            least: pages.auth.settings().policy.min_characters,
            failed: true,
            errors: &refusal.mistakes,
            notice: refusal.notice,
        },
    )?;
    Ok(refusal.answer(again))
}
