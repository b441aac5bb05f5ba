//! What a person says of themselves, and changing it for them.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use kernel::Problem;
use users::api::officer::{UsersRead, UsersWrite, forbidden};
use users::{Account, Party, Status, UpdateAccountError, may, update_account};

use super::deed;
use super::draft::Draft;
use super::pass::{Pass, Tab};
use super::reach::Reach;
use crate::admin::{Console, ConsoleForm, Desk, Frame, Section};
use crate::entry::see_other;
use crate::form::Fields;
use crate::moment::Moment;
use crate::shell::{Mistakes, Notice};
use crate::{Pages, page};

#[derive(Template)]
#[template(path = "admin/user/profile.html")]
struct ProfilePage {
    frame: Frame,
    pass: Pass,
    draft: Draft,
    mistakes: Mistakes,
    may_change: bool,
    changed: Moment,
    reach: Option<Reach>,
}

/// `GET /admin/users/{id}`
pub async fn show(
    State(pages): State<Arc<Pages>>,
    Path(id): Path<String>,
    console: Console<UsersRead>,
    query: Fields,
) -> Result<Response, Problem> {
    let account = super::find(&pages, &id).await?;
    let draft = current(&pages, &account).await?;
    let notice = match query.text("done") {
        "saved" => Some(Notice::done("Profile saved.", "Applications see it the next time they ask.")),
        "created" => {
            Some(Notice::done("Account made.", "There is no password yet: they set one by the link of a reset."))
        }
        code => deed::done(code),
    };
    let returned = Returned { status: StatusCode::OK, draft, mistakes: Mistakes::default(), notice };
    render(&pages, &console.desk, account, returned).await
}

/// What the fields have now.
async fn current(pages: &Pages, account: &Account) -> Result<Draft, Problem> {
    let personal =
        pages.auth.users().personal_data(account, Party::Officers).await.map_err(UpdateAccountError::Personal)?;
    Ok(Draft::of(pages.auth.users(), account, &personal))
}

struct Returned {
    status: StatusCode,
    draft: Draft,
    mistakes: Mistakes,
    notice: Option<Notice>,
}

async fn render(pages: &Pages, desk: &Desk, account: Account, returned: Returned) -> Result<Response, Problem> {
    let pass = Pass::new(pages, desk, account, Tab::Profile).await?;
    let may_change = pass.may_touch && desk.may(may::USERS_WRITE) && pass.account.status != Status::Deleted;
    let Returned { status, draft, mistakes, notice } = returned;
    let frame = Frame::new(pages, desk, Section::Users).saying(notice);
    let changed = Moment::new(pass.account.updated_at, pages.auth.clock().now());
    let reach = Reach::of(pages, &pass);
    page(status, &ProfilePage { frame, pass, draft, mistakes, may_change, changed, reach })
}

/// `POST /admin/users/{id}`
pub async fn submit(
    State(pages): State<Arc<Pages>>,
    Path(id): Path<String>,
    form: ConsoleForm<UsersWrite>,
) -> Result<Response, Problem> {
    form.desk.require(may::USERS_READ)?;
    let account = super::find(&pages, &id).await?;
    let before = current(&pages, &account).await?;
    let draft = before.typed(&form.fields);
    let again = |status, mistakes, notice| Returned { status, draft: draft.clone(), mistakes, notice };
    let change = match draft.change(pages.auth.users(), &before) {
        Ok(change) => change,
        Err(mistakes) => {
            let returned = again(StatusCode::UNPROCESSABLE_ENTITY, mistakes, None);
            return render(&pages, &form.desk, account, returned).await;
        }
    };
    let expected = form.fields.text("version").parse().ok();
    let done = update_account(pages.auth.users(), form.desk.authority, account.id, &change, expected).await;
    let returned = match done {
        Ok(account) => return Ok(see_other(&Pass::after(&account, Tab::Profile, "saved"))),
        Err(UpdateAccountError::Forbidden) => return Err(forbidden()),
        Err(UpdateAccountError::NotFound) => return Err(Problem::not_found()),
        Err(failure @ (UpdateAccountError::Personal(_) | UpdateAccountError::Storage(_))) => return Err(failure.into()),
        Err(UpdateAccountError::EmailTaken) => again(
            StatusCode::CONFLICT,
            Mistakes::one("email", "email_taken", "Another account has this address. Choose another one."),
            None,
        ),
        Err(UpdateAccountError::OwnAccount) => again(
            StatusCode::CONFLICT,
            Mistakes::one("email", "own_account", "Change your own address on your account page, with your password."),
            None,
        ),
        Err(UpdateAccountError::Stale) => again(
            StatusCode::CONFLICT,
            Mistakes::default(),
            Some(Notice::failed(
                "The account changed meanwhile.",
                "Nothing was saved. What you typed is still here: open the page again to see what changed.",
            )),
        ),
        Err(UpdateAccountError::Deleted) => again(
            StatusCode::CONFLICT,
            Mistakes::default(),
            Some(Notice::failed("The account is deleted.", "Nothing was saved. Bring it back first.")),
        ),
    };
    let now = super::find(&pages, &id).await?;
    render(&pages, &form.desk, now, returned).await
}
