//! Making an account for somebody. It has no password: whoever shows that the address is theirs sets one, by a link that
//! is sent there at once if they are invited.

use std::sync::Arc;

use askama::Template;
use auth::InviteError;
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
    invite: bool,
    mistakes: Mistakes,
}

/// `GET /admin/users/new`
pub async fn show(State(pages): State<Arc<Pages>>, console: Console<UsersWrite>) -> Result<Response, Problem> {
    let empty = Draft::empty(pages.auth.users());
    render(&pages, &console.desk, StatusCode::OK, (empty, true), Mistakes::default())
}

fn render(
    pages: &Pages,
    desk: &Desk,
    status: StatusCode,
    (draft, invite): (Draft, bool),
    mistakes: Mistakes,
) -> Result<Response, Problem> {
    page(status, &NewPage { frame: Frame::new(pages, desk, Section::Users), draft, invite, mistakes })
}

/// `POST /admin/users/new`
pub async fn submit(State(pages): State<Arc<Pages>>, form: ConsoleForm<UsersWrite>) -> Result<Response, Problem> {
    let empty = Draft::empty(pages.auth.users());
    let draft = empty.typed(&form.fields);
    let invite = form.fields.is_ticked("invite");
    let (email, profile) = match draft.read(pages.auth.users(), &empty) {
        Ok(read) => read,
        Err(mistakes) => {
            return render(&pages, &form.desk, StatusCode::UNPROCESSABLE_ENTITY, (draft, invite), mistakes);
        }
    };
    let account = NewAccount { email, email_verified: false, name: None, locale: None };
    let new = NewProfile { account, roles: None, profile };
    let made = if invite {
        match auth::invite(&pages.auth, form.desk.authority, &new).await {
            Ok((account, _)) => Ok(account),
            Err(InviteError::Account(error)) => Err(error),
            Err(error @ InviteError::TooOften) => return Err(error.into()),
        }
    } else {
        create_account(pages.auth.users(), form.desk.authority, &new).await
    };
    match made {
        Ok(account) => Ok(see_other(&Pass::after(&account, Tab::Profile, if invite { "invited" } else { "created" }))),
        Err(CreateAccountError::EmailTaken) => {
            let mistakes =
                Mistakes::one("email", "email_taken", "Somebody has this address already. Look for them in the list.");
            render(&pages, &form.desk, StatusCode::CONFLICT, (draft, invite), mistakes)
        }
        // The form asks for no roles, so these are of somebody who lost the permission meanwhile.
        Err(CreateAccountError::Forbidden | CreateAccountError::Roles(_)) => Err(forbidden()),
        Err(failure @ (CreateAccountError::Personal(_) | CreateAccountError::Storage(_))) => Err(failure.into()),
    }
}
