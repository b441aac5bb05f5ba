//! A person changes their name.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use kernel::{Problem, RequestContext};
use users::{DisplayName, ProfileChange, UpdateProfileError};

use super::{Returned, render};
use crate::Pages;
use crate::entry::see_other;
use crate::form::SignedInForm;
use crate::shell::{Mistakes, Notice};

/// `POST /account/profile`
pub async fn submit(
    State(pages): State<Arc<Pages>>,
    context: RequestContext,
    form: SignedInForm,
) -> Result<Response, Problem> {
    let typed = form.fields.text("name");
    let again = |profile, notice| Returned { name: Some(typed.to_owned()), profile, notice, ..Returned::default() };
    // A name is not a must: whoever empties the field has none.
    let name = match DisplayName::parse(typed) {
        _ if typed.trim().is_empty() => None,
        Ok(name) => Some(name),
        Err(wrong) => {
            let mistakes = Mistakes::one("name", "invalid_name", wrong.to_string());
            return render(&pages, &form.visitor, &context, StatusCode::UNPROCESSABLE_ENTITY, again(mistakes, None))
                .await;
        }
    };
    let change = ProfileChange { name: name.into(), ..ProfileChange::default() };
    let expected = form.fields.text("version").parse().ok();
    match users::update_profile(pages.auth.users(), form.visitor.account.id, change, expected).await {
        Ok(_) => Ok(see_other("/account?done=profile")),
        Err(UpdateProfileError::Stale) => {
            let notice = Notice::failed(
                "The profile changed meanwhile.",
                "Nothing was saved. Look at it again, then save once more.",
            );
            render(&pages, &form.visitor, &context, StatusCode::CONFLICT, again(Mistakes::default(), Some(notice)))
                .await
        }
        Err(UpdateProfileError::NotFound) => Err(Problem::not_found()),
        Err(UpdateProfileError::Personal(cause)) => Err(cause.into()),
        Err(UpdateProfileError::Storage(cause)) => Err(cause.into()),
    }
}
