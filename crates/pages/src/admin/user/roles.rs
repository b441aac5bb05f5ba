//! What a person may do: their roles, and what those come to.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use kernel::Problem;
use users::api::officer::{RolesGrant, UsersRead, forbidden};
use users::{Account, ChangeRolesError, Roles, account, change_roles, may};

use super::pass::{Pass, Tab};
use crate::admin::{Console, ConsoleForm, Desk, Frame, Section};
use crate::entry::see_other;
use crate::form::Fields;
use crate::shell::Notice;
use crate::{Pages, page};

#[derive(Template)]
#[template(path = "admin/user/roles.html")]
struct RolesPage {
    frame: Frame,
    pass: Pass,
    rows: Vec<Row>,
    permissions: Vec<String>,
    may_change: bool,
}

/// A role that could be given.
struct Row {
    name: String,
    description: String,
    permissions: Vec<String>,
    held: bool,
    /// Whether the visitor may give or take it: nobody grants what they lack.
    may_grant: bool,
}

/// `GET /admin/users/{id}/roles`
pub async fn show(
    State(pages): State<Arc<Pages>>,
    Path(id): Path<String>,
    console: Console<UsersRead>,
    query: Fields,
) -> Result<Response, Problem> {
    let account = super::find(&pages, &id).await?;
    let notice =
        (query.text("done") == "roles").then_some(Notice::done("Roles saved.", "In force everywhere in under 1 s."));
    render(&pages, &console.desk, account, StatusCode::OK, notice).await
}

async fn render(
    pages: &Pages,
    desk: &Desk,
    account: Account,
    status: StatusCode,
    notice: Option<Notice>,
) -> Result<Response, Problem> {
    let book = pages.auth.users().roles.now();
    let names = |permissions: &kernel::Permissions| permissions.names().into_iter().map(str::to_owned).collect();
    let pass = Pass::new(pages, desk, account, Tab::Roles).await?;
    let most = u32::try_from(users::role_record::MAX_ROLES).unwrap_or(u32::MAX);
    let rows = users::roles::list(pages.auth.users(), None, most)
        .await?
        .into_iter()
        .map(|role| Row {
            permissions: names(&role.effective),
            held: pass.account.roles.contains(&role.name),
            may_grant: role.name != account::USER && desk.may_hand(&book, &role.name),
            description: role.description,
            name: role.name,
        })
        .collect();
    let permissions = names(&book.permissions_of(pass.account.roles.iter().map(String::as_str)));
    let may_change = pass.may_touch && desk.may(may::ROLES_GRANT);
    let frame = Frame::new(pages, desk, Section::Users).saying(notice);
    page(status, &RolesPage { frame, pass, rows, permissions, may_change })
}

/// `POST /admin/users/{id}/roles`
pub async fn submit(
    State(pages): State<Arc<Pages>>,
    Path(id): Path<String>,
    form: ConsoleForm<RolesGrant>,
) -> Result<Response, Problem> {
    form.desk.require(may::USERS_READ)?;
    let account = super::find(&pages, &id).await?;
    let failed = |title, text| Some(Notice::failed(title, text));
    let wanted: Vec<String> = form.fields.all("role").map(str::to_owned).collect();
    let expected = form.fields.text("version").parse().ok();
    let Ok(roles) = Roles::parse(&wanted) else {
        let notice = failed("That is too many roles.", "Nothing was changed. An account can have at most 32.");
        return render(&pages, &form.desk, account, StatusCode::UNPROCESSABLE_ENTITY, notice).await;
    };
    let notice = match change_roles(pages.auth.users(), form.desk.authority, account.id, &roles, expected).await {
        Ok(account) => return Ok(see_other(&Pass::after(&account, Tab::Roles, "roles"))),
        Err(ChangeRolesError::Forbidden) => return Err(forbidden()),
        Err(ChangeRolesError::NotFound) => return Err(Problem::not_found()),
        Err(ChangeRolesError::Storage(cause)) => return Err(cause.into()),
        Err(ChangeRolesError::Stale) => failed(
            "The account changed meanwhile.",
            "Nothing was saved. This is how it is now: look at it again, then save once more.",
        ),
        Err(ChangeRolesError::Exceeds) => failed(
            "That is more than you may do yourself.",
            "Nothing was changed. Nobody gives or takes a role that comes to permissions that they lack, or to none and is not theirs.",
        ),
        Err(ChangeRolesError::UnknownRole(_)) => failed(
            "One of these roles is no more.",
            "Nothing was changed. These are the roles that there are now: choose once more.",
        ),
        Err(ChangeRolesError::LastAdministrator) => failed(
            "This is the last administrator.",
            "Nothing was changed. Make another one first: nobody could give the role back.",
        ),
    };
    let now = super::find(&pages, &id).await?;
    render(&pages, &form.desk, now, StatusCode::CONFLICT, notice).await
}
