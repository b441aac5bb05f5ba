//! A person deletes their account: first a page that says what follows, then the deed.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use kernel::{Problem, RequestContext};
use users::{DeleteOwnAccountError, delete_own_account};

use crate::browser::Visitor;
use crate::csrf::Binding;
use crate::entry::see_other;
use crate::form::SignedInForm;
use crate::shell::{Mistakes, Notice, Shell};
use crate::{Pages, page};

#[derive(Template)]
#[template(path = "delete-account.html")]
struct DeletePage {
    shell: Shell,
    csrf: String,
    email: String,
    confirm: Mistakes,
    notice: Option<Notice>,
}

/// `GET /account/delete`
pub async fn show(
    State(pages): State<Arc<Pages>>,
    visitor: Visitor,
    context: RequestContext,
) -> Result<Response, Problem> {
    render(&pages, &visitor, &context, StatusCode::OK, (Mistakes::default(), None))
}

fn render(
    pages: &Pages,
    visitor: &Visitor,
    context: &RequestContext,
    status: StatusCode,
    (confirm, notice): (Mistakes, Option<Notice>),
) -> Result<Response, Problem> {
    page(
        status,
        &DeletePage {
            shell: Shell::new(&context.request_id),
            csrf: Binding::Session(visitor.session.id).token(pages.auth.cookie_key()),
            email: visitor.account.email.as_str().to_owned(),
            confirm,
            notice,
        },
    )
}

/// `POST /account/delete`
pub async fn submit(
    State(pages): State<Arc<Pages>>,
    context: RequestContext,
    form: SignedInForm,
) -> Result<Response, Problem> {
    let account = &form.visitor.account;
    // Typing it is what nobody does by mistake.
    if !form.fields.text("confirm").trim().eq_ignore_ascii_case(account.email.as_str()) {
        let wrong = Mistakes::one("confirm", "wrong", "Type the email address of this account.");
        return render(&pages, &form.visitor, &context, StatusCode::UNPROCESSABLE_ENTITY, (wrong, None));
    }
    match delete_own_account(pages.auth.users(), account.id).await {
        Ok(()) => Ok(see_other("/sign-in")),
        Err(DeleteOwnAccountError::LastAdministrator) => {
            let notice = Notice::failed(
                "You are the last administrator.",
                "Nothing was changed. Make somebody else an administrator first.",
            );
            let returned = (Mistakes::default(), Some(notice));
            render(&pages, &form.visitor, &context, StatusCode::CONFLICT, returned)
        }
        Err(DeleteOwnAccountError::NotFound) => Err(Problem::not_found()),
        Err(DeleteOwnAccountError::Storage(cause)) => Err(cause.into()),
    }
}
