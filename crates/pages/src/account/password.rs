//! A person changes their password.

use std::sync::Arc;

use auth::ChangePasswordError;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use kernel::{Problem, RequestContext};

use super::{Returned, render};
use crate::Pages;
use crate::entry::{retry_soon, see_other};
use crate::form::SignedInForm;
use crate::shell::{Mistakes, Notice};

/// `POST /account/password`
pub async fn submit(
    State(pages): State<Arc<Pages>>,
    context: RequestContext,
    form: SignedInForm,
) -> Result<Response, Problem> {
    let (current, new) = (form.fields.text("current"), form.fields.text("new"));
    let mut mistakes = Mistakes::default();
    if current.is_empty() {
        mistakes.add("current", "missing", "Enter the password that you have now.");
    }
    if new.is_empty() {
        mistakes.add("new", "missing", "Choose a new password.");
    }
    if mistakes.is_failed() {
        return refuse(&pages, &form, &context, StatusCode::UNPROCESSABLE_ENTITY, mistakes).await;
    }
    let (user, session) = (form.visitor.account.id, form.visitor.session.id);
    let mistakes = match auth::change_password(&pages.auth, user, session, current, new).await {
        Ok(()) => return Ok(see_other("/account?done=password")),
        Err(ChangePasswordError::WrongPassword) => {
            Mistakes::one("current", "wrong_password", "That is not your current password. Check it and try again.")
        }
        Err(ChangePasswordError::WeakPassword(weakness)) => Mistakes::one("new", weakness.code(), weakness.to_string()),
        Err(ChangePasswordError::Busy(_)) => {
            let returned = Returned { notice: Some(Notice::busy()), ..Returned::default() };
            let page = render(&pages, &form.visitor, &context, StatusCode::SERVICE_UNAVAILABLE, returned).await?;
            return Ok(retry_soon(page));
        }
        Err(failure @ (ChangePasswordError::Gone | ChangePasswordError::Hash(_) | ChangePasswordError::Storage(_))) => {
            return Err(failure.into());
        }
    };
    refuse(&pages, &form, &context, StatusCode::UNPROCESSABLE_ENTITY, mistakes).await
}

async fn refuse(
    pages: &Pages,
    form: &SignedInForm,
    context: &RequestContext,
    status: StatusCode,
    password: Mistakes,
) -> Result<Response, Problem> {
    render(pages, &form.visitor, context, status, Returned { password, ..Returned::default() }).await
}
