//! A person asks for another email address.

use std::sync::Arc;

use auth::RequestEmailChangeError;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use kernel::{Problem, RequestContext};
use users::EmailAddress;

use super::{Returned, render};
use crate::Pages;
use crate::entry::{retry_soon, see_other};
use crate::form::SignedInForm;
use crate::shell::{Mistakes, Notice};

/// `POST /account/email`. The answer is the same whether somebody else has the address or not.
pub async fn submit(
    State(pages): State<Arc<Pages>>,
    context: RequestContext,
    form: SignedInForm,
) -> Result<Response, Problem> {
    let current = form.fields.text("email_password");
    let mut mistakes = Mistakes::default();
    let email = EmailAddress::parse(form.fields.text("new_email"));
    if let Err(wrong) = &email {
        mistakes.add("new_email", "invalid_email", wrong.to_string());
    }
    if current.is_empty() {
        mistakes.add("email_password", "missing", "Enter the password that you have now.");
    }
    let email = match email {
        Ok(email) if !mistakes.is_failed() => email,
        _ => return refuse(&pages, &form, &context, mistakes).await,
    };
    let (user, session) = (form.visitor.account.id, form.visitor.session.id);
    match auth::request_email_change(&pages.auth, user, session, current, &email).await {
        Ok(()) => Ok(see_other("/account?done=email")),
        Err(RequestEmailChangeError::WrongPassword) => {
            let words = "That is not your current password. Check it and try again.";
            refuse(&pages, &form, &context, Mistakes::one("email_password", "wrong_password", words)).await
        }
        Err(RequestEmailChangeError::TooOften) => {
            let words = "That was asked for too often. Use the newest link that you have, or try again in an hour.";
            refuse(&pages, &form, &context, Mistakes::one("new_email", "too_often", words)).await
        }
        Err(RequestEmailChangeError::Busy(_)) => {
            let new_email = form.fields.text("new_email").to_owned();
            let returned = Returned { notice: Some(Notice::busy()), new_email, ..Returned::default() };
            let page = render(&pages, &form.visitor, &context, StatusCode::SERVICE_UNAVAILABLE, returned).await?;
            Ok(retry_soon(page))
        }
        Err(
            failure @ (RequestEmailChangeError::Gone
            | RequestEmailChangeError::Hash(_)
            | RequestEmailChangeError::Unsealable(_)
            | RequestEmailChangeError::Storage(_)),
        ) => Err(failure.into()),
    }
}

async fn refuse(
    pages: &Pages,
    form: &SignedInForm,
    context: &RequestContext,
    email: Mistakes,
) -> Result<Response, Problem> {
    let new_email = form.fields.text("new_email").to_owned();
    let returned = Returned { email, new_email, ..Returned::default() };
    render(pages, &form.visitor, context, StatusCode::UNPROCESSABLE_ENTITY, returned).await
}
