//! The first administrator, with the one-time link that the program prints where it was started.

use std::sync::Arc;

use askama::Template;
use auth::setup::{self, SetupError};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use kernel::{Problem, RequestContext};

use crate::applicant::{self, Refusal};
use crate::browser::{FormToken, MaybeVisitor};
use crate::entry::{admit, client};
use crate::form::{Fields, SignedOutForm};
use crate::shell::{Mistakes, Notice, Shell};
use crate::{Pages, csrf, page};

#[derive(Template)]
#[template(path = "setup.html")]
struct SetupPage<'a> {
    shell: Shell,
    csrf: &'a str,
    token: &'a str,
    name: &'a str,
    email: &'a str,
    least: usize,
    failed: bool,
    errors: &'a Mistakes,
    notice: Option<Notice>,
}

/// `GET /setup?token=…`: looks at the link and leaves it as it is, because mail filters and previews
/// open links too.
pub async fn show(
    State(pages): State<Arc<Pages>>,
    context: RequestContext,
    token: FormToken,
    query: Fields,
) -> Result<Response, Problem> {
    if !setup::check(&pages.auth, query.text("token")).await? {
        return Err(dead_link());
    }
    let shown = page(
        StatusCode::OK,
        &SetupPage {
            shell: Shell::new(&context.request_id),
            csrf: &token.token,
            token: query.text("token"),
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

/// `POST /setup`
pub async fn submit(
    State(pages): State<Arc<Pages>>,
    before: MaybeVisitor,
    context: RequestContext,
    SignedOutForm(fields): SignedOutForm,
) -> Result<Response, Problem> {
    let refusal = match applicant::read(&fields) {
        Err(mistakes) => mistakes.into(),
        Ok(account) => {
            match setup::redeem(&pages.auth, fields.text("token"), account, &client(&context, false)).await {
                Ok(opened) => return admit(&pages, &opened, before, false, None).await,
                Err(SetupError::InvalidLink) => return Err(dead_link()),
                Err(SetupError::Register(error)) => Refusal::from_register(error)?,
            }
        }
    };
    let again = page(
        refusal.status,
        &SetupPage {
            shell: Shell::new(&context.request_id),
            csrf: fields.text(csrf::FIELD),
            token: fields.text("token"),
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

/// Used, too old, or never ours: to whoever holds it, it is all the same.
fn dead_link() -> Problem {
    Problem::new(
        StatusCode::GONE,
        "invalid_setup_link",
        "This link no longer works",
        "A setup link works once, for 60 minutes, and only while there is no administrator. Start the program again for a new one.",
    )
}
