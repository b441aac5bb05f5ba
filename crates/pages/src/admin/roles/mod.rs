//! Roles: what each comes to, who holds it, and making, changing and deleting one.

mod form;

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use kernel::Problem;
use kernel::permission::RoleBook;
use users::api::officer::{RolesRead, RolesWrite, exceeds, forbidden};
use users::roles::{self, Role};
use users::{DeleteRoleError, RoleName, account, delete_role, may};

use super::{Console, ConsoleForm, Desk, Frame, Section};
use crate::entry::see_other;
use crate::form::Fields;
use crate::shell::Notice;
use crate::{Pages, page};

/// As many as there can be: all of them are on one page.
const ALL: u32 = 500;
/// So many permissions of a role are shown in the list.
const SHOWN: usize = 8;

/// The pages of roles.
pub fn router() -> Router<Arc<Pages>> {
    Router::new()
        .route("/admin/roles", get(list))
        .route("/admin/roles/new", get(form::ask_new).post(form::make))
        .route("/admin/roles/{name}", get(form::show).post(form::change))
        .route("/admin/roles/{name}/delete", get(ask_delete).post(delete))
}

#[derive(Template)]
#[template(path = "admin/roles.html")]
struct RolesPage {
    frame: Frame,
    rows: Vec<Row>,
    may_write: bool,
    sees_people: bool,
}

/// A role in the list.
struct Row {
    role: Role,
    comes_to: Vec<String>,
    more: usize,
    may_change: bool,
    may_delete: bool,
}

impl Row {
    fn new(role: Role, desk: &Desk, book: &RoleBook) -> Self {
        let mut comes_to: Vec<String> = role.effective.names().into_iter().map(str::to_owned).collect();
        let more = comes_to.len().saturating_sub(SHOWN);
        comes_to.truncate(SHOWN);
        Self {
            may_change: may_change(&role, desk, book),
            may_delete: may_delete(&role, desk, book),
            comes_to,
            more,
            role,
        }
    }

    fn is_everything(&self) -> bool {
        self.role.effective == kernel::Permissions::Everything
    }
}

/// Whether to offer it; the use case asks for itself. Nobody changes a role that comes to more than they have.
fn may_change(role: &Role, desk: &Desk, book: &RoleBook) -> bool {
    let is_theirs = desk.permissions().covers(&role.effective) && desk.may_hand(book, &role.name);
    desk.may(may::ROLES_WRITE) && role.name != account::ADMIN && is_theirs
}

fn may_delete(role: &Role, desk: &Desk, book: &RoleBook) -> bool {
    may_change(role, desk, book) && !role.built_in && role.holders == 0
}

/// `GET /admin/roles`
async fn list(
    State(pages): State<Arc<Pages>>,
    console: Console<RolesRead>,
    query: Fields,
) -> Result<Response, Problem> {
    let found = roles::list(pages.auth.users(), None, ALL).await?;
    let desk = &console.desk;
    let book = pages.auth.users().roles.now();
    let rows = found.into_iter().map(|role| Row::new(role, desk, &book)).collect();
    let frame = Frame::new(&pages, desk, Section::Roles).saying(done(query.text("done")));
    let (may_write, sees_people) = (desk.may(may::ROLES_WRITE), desk.may(may::USERS_READ));
    page(StatusCode::OK, &RolesPage { frame, rows, may_write, sees_people })
}

/// The words for what was done. The code comes from the address bar, so it chooses among fixed texts.
fn done(code: &str) -> Option<Notice> {
    match code {
        "made" => Some(Notice::done("The role is made.", "Give it to people on their own pages.")),
        "changed" => {
            Some(Notice::done("The role is changed.", "It is in force for everybody who holds it in under 1 s."))
        }
        "deleted" => Some(Notice::done("The role is deleted.", "Nobody held it.")),
        _ => None,
    }
}

/// A role that is there. What cannot be a name is none.
async fn find(pages: &Pages, name: &str) -> Result<(RoleName, Role), Problem> {
    let name = RoleName::parse(name).map_err(|_| Problem::not_found())?;
    let role = roles::find(pages.auth.users(), name.as_str()).await?;
    Ok((name, role.ok_or_else(Problem::not_found)?))
}

#[derive(Template)]
#[template(path = "admin/role-delete.html")]
struct DeletePage {
    frame: Frame,
    role: Role,
    can: bool,
}

/// `GET /admin/roles/{name}/delete`
async fn ask_delete(
    State(pages): State<Arc<Pages>>,
    Path(name): Path<String>,
    console: Console<RolesWrite>,
) -> Result<Response, Problem> {
    let (_, role) = find(&pages, &name).await?;
    ask(&pages, &console.desk, role, StatusCode::OK, None)
}

/// `POST /admin/roles/{name}/delete`
async fn delete(
    State(pages): State<Arc<Pages>>,
    Path(name): Path<String>,
    form: ConsoleForm<RolesWrite>,
) -> Result<Response, Problem> {
    let (name, role) = find(&pages, &name).await?;
    let expected = form.fields.text("version").parse().ok();
    let refused = match delete_role(pages.auth.users(), form.desk.authority, &name, expected).await {
        Ok(()) => return Ok(see_other("/admin/roles?done=deleted")),
        Err(DeleteRoleError::Forbidden) => return Err(forbidden()),
        Err(DeleteRoleError::Exceeds) => return Err(exceeds()),
        Err(DeleteRoleError::NotFound) => return Err(Problem::not_found()),
        Err(DeleteRoleError::Storage(cause)) => return Err(cause.into()),
        Err(DeleteRoleError::BuiltIn) => Notice::failed("This role is always there.", "Nothing was changed."),
        Err(DeleteRoleError::InUse) => Notice::failed(
            "The role is in use.",
            "Nothing was changed. Somebody holds it, if only an account that was deleted and can come back, or another role includes it: take it away there first.",
        ),
        Err(DeleteRoleError::Stale) => Notice::failed(
            "Somebody changed the role meanwhile.",
            "Nothing was deleted. Look at what it is now, and delete it again if you still want to.",
        ),
    };
    ask(&pages, &form.desk, role, StatusCode::CONFLICT, Some(refused))
}

fn ask(
    pages: &Pages,
    desk: &Desk,
    role: Role,
    status: StatusCode,
    notice: Option<Notice>,
) -> Result<Response, Problem> {
    let frame = Frame::new(pages, desk, Section::Roles).saying(notice);
    page(status, &DeletePage { frame, can: may_delete(&role, desk, &pages.auth.users().roles.now()), role })
}
