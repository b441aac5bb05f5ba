//! Making an account for somebody. It has no password: whoever shows that the address is theirs sets one.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use kernel::Problem;
use users::api::officer::{UsersWrite, forbidden};
use users::{CreateAccountError, NewAccount, NewProfile, create_account};

use super::draft::Draft;
use super::pass::{Pass, Tab};
use crate::admin::{Console, ConsoleForm, Desk, Frame, Section};
use crate::entry::see_other;
use crate::shell::Mistakes;
use crate::{Pages, page};

#[derive(Template)]
#[template(path = "admin/user/new.html")]
struct NewPage {
    frame: Frame,
    draft: Draft,
    mistakes: Mistakes,
}

/// `GET /admin/users/new`
pub async fn show(State(pages): State<Arc<Pages>>, console: Console<UsersWrite>) -> Result<Response, Problem> {
    let empty = Draft::empty(pages.auth.users());
    render(&pages, &console.desk, StatusCode::OK, empty, Mistakes::default())
}

fn render(
    pages: &Pages,
    desk: &Desk,
    status: StatusCode,
    draft: Draft,
    mistakes: Mistakes,
) -> Result<Response, Problem> {
    page(status, &NewPage { frame: Frame::new(pages, desk, Section::Users), draft, mistakes })
}

/// `POST /admin/users/new`
pub async fn submit(State(pages): State<Arc<Pages>>, form: ConsoleForm<UsersWrite>) -> Result<Response, Problem> {
    let empty = Draft::empty(pages.auth.users());
    let draft = empty.typed(&form.fields);
    let (email, profile) = match draft.read(pages.auth.users(), &empty) {
        Ok(read) => read,
        Err(mistakes) => return render(&pages, &form.desk, StatusCode::UNPROCESSABLE_ENTITY, draft, mistakes),
    };
    let account = NewAccount { email, email_verified: false, name: None, locale: None };
    let new = NewProfile { account, roles: None, profile };
    match create_account(pages.auth.users(), form.desk.authority, &new).await {
        Ok(account) => Ok(see_other(&Pass::after(&account, Tab::Profile, "created"))),
        Err(CreateAccountError::EmailTaken) => {
            let mistakes =
                Mistakes::one("email", "email_taken", "Somebody has this address already. Look for them in the list.");
            render(&pages, &form.desk, StatusCode::CONFLICT, draft, mistakes)
        }
        // The form asks for no roles, so these are of somebody who lost the permission meanwhile.
        Err(CreateAccountError::Forbidden | CreateAccountError::Roles(_)) => Err(forbidden()),
        Err(failure @ (CreateAccountError::Personal(_) | CreateAccountError::Storage(_))) => Err(failure.into()),
    }
}
