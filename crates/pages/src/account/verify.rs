//! Verifying one's own address by code, and asking for the mail once more.

use std::sync::Arc;

use auth::CodeError;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use kernel::{Problem, RequestContext};

use super::{Returned, render};
use crate::Pages;
use crate::entry::see_other;
use crate::form::SignedInForm;
use crate::shell::Mistakes;
use crate::verify::WRONG_CODE;

/// `POST /account/verify/code`
pub async fn submit(
    State(pages): State<Arc<Pages>>,
    context: RequestContext,
    form: SignedInForm,
) -> Result<Response, Problem> {
    match auth::verify_email_by_code(&pages.auth, form.visitor.account.id, form.fields.text("code")).await {
        Ok(()) => Ok(see_other("/account?done=verified")),
        Err(CodeError::InvalidCode) => {
            let returned = Returned { code: Mistakes::one("code", "invalid_code", WRONG_CODE), ..Returned::default() };
            render(&pages, &form.visitor, &context, StatusCode::UNPROCESSABLE_ENTITY, returned).await
        }
        Err(CodeError::Storage(error)) => Err(error.into()),
    }
}

/// `POST /account/verify/again`
pub async fn again(State(pages): State<Arc<Pages>>, form: SignedInForm) -> Result<Response, Problem> {
    auth::request_verification(&pages.auth, &form.visitor.account.email, None).await?;
    Ok(see_other("/account?done=mail"))
}
