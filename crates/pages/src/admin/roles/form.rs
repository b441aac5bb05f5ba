//! The form of a role: a new one, or one that is there.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use kernel::{Permissions, Problem};
use users::api::officer::{RolesRead, RolesWrite, exceeds, forbidden};
use users::roles::Role;
use users::{
    CreateRoleError, Includes, NewRole, OwnPermissions, RoleChange, RoleDescription, RoleName, UpdateRoleError,
    account, create_role, may, update_role,
};

use super::{find, may_change, may_delete};
use crate::admin::{Console, ConsoleForm, Desk, Frame, Section};
use crate::entry::see_other;
use crate::form::Fields;
use crate::shell::{Mistakes, Notice};
use crate::{Pages, page};

#[derive(Template)]
#[template(path = "admin/role.html")]
struct RolePage {
    frame: Frame,
    /// The role that is there; none while one is made.
    role: Option<Role>,
    typed: Typed,
    permissions: Vec<Choice>,
    includes: Vec<Choice>,
    comes_to: Vec<String>,
    may_change: bool,
    may_delete: bool,
    mistakes: Mistakes,
}

impl RolePage {
    fn action(&self) -> String {
        match &self.role {
            Some(role) => format!("/admin/roles/{}", role.name),
            None => "/admin/roles/new".to_owned(),
        }
    }

    fn heading(&self) -> &str {
        self.role.as_ref().map_or("A new role", |role| role.name.as_str())
    }

    fn verb(&self) -> &'static str {
        if self.role.is_some() { "Save role" } else { "Make role" }
    }
}

/// Something that can be ticked.
struct Choice {
    name: String,
    about: String,
    is_ticked: bool,
    /// Whether the visitor has it, and so can give it away.
    is_open: bool,
}

/// What stands in the form.
#[derive(Default)]
struct Typed {
    name: String,
    description: String,
    permissions: Vec<String>,
    /// Permissions that are not Usher's own, as text.
    others: String,
    includes: Vec<String>,
    version: String,
}

impl Typed {
    fn of(role: &Role) -> Self {
        let (own, others): (Vec<String>, Vec<String>) =
            role.permissions.iter().cloned().partition(|name| is_ours(name));
        Self {
            name: role.name.clone(),
            description: role.description.clone(),
            permissions: own,
            others: others.join("\n"),
            includes: role.includes.clone(),
            version: role.version.to_string(),
        }
    }

    fn read(fields: &Fields) -> Self {
        let all = |name: &str| fields.all(name).map(str::to_owned).collect();
        Self {
            name: fields.text("name").to_owned(),
            description: fields.text("description").to_owned(),
            permissions: all("permission"),
            others: fields.text("others").to_owned(),
            includes: all("include"),
            version: fields.text("version").to_owned(),
        }
    }

    /// The parts that both forms have, if all of them can be.
    fn parts(&self, mistakes: &mut Mistakes) -> Option<(RoleDescription, OwnPermissions, Includes)> {
        let others = self.others.split(|c: char| c.is_whitespace() || c == ',').filter(|name| !name.is_empty());
        let names: Vec<String> = self.permissions.iter().cloned().chain(others.map(str::to_owned)).collect();
        let mut keep = |field, wrong: String| mistakes.add(field, "invalid", wrong);
        let description = RoleDescription::parse(&self.description).map_err(|e| keep("description", e.to_string()));
        let permissions = OwnPermissions::parse(&names).map_err(|e| keep("others", e.to_string()));
        let includes = Includes::parse(&self.includes).map_err(|e| keep("includes", e.to_string()));
        Some((description.ok()?, permissions.ok()?, includes.ok()?))
    }
}

fn is_ours(permission: &str) -> bool {
    may::ALL.iter().any(|(name, _)| *name == permission)
}

/// `GET /admin/roles/new`
pub(super) async fn ask_new(
    State(pages): State<Arc<Pages>>,
    console: Console<RolesWrite>,
) -> Result<Response, Problem> {
    render(&pages, &console.desk, None, Typed::default(), Returned::default())
}

/// `GET /admin/roles/{name}`
pub(super) async fn show(
    State(pages): State<Arc<Pages>>,
    Path(name): Path<String>,
    console: Console<RolesRead>,
) -> Result<Response, Problem> {
    let (_, role) = find(&pages, &name).await?;
    let typed = Typed::of(&role);
    render(&pages, &console.desk, Some(role), typed, Returned::default())
}

/// What a form that failed leaves on the page.
#[derive(Default)]
struct Returned {
    status: StatusCode,
    mistakes: Mistakes,
    notice: Option<Notice>,
}

impl Returned {
    fn mistakes(mistakes: Mistakes) -> Self {
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, mistakes, notice: None }
    }

    fn notice(title: &'static str, text: &'static str) -> Self {
        let notice = Some(Notice::failed(title, text));
        Self { status: StatusCode::CONFLICT, mistakes: Mistakes::default(), notice }
    }
}

fn render(
    pages: &Pages,
    desk: &Desk,
    role: Option<Role>,
    typed: Typed,
    returned: Returned,
) -> Result<Response, Problem> {
    let mine = desk.permissions();
    let permissions = may::ALL.iter().map(|(name, about)| Choice {
        name: (*name).to_owned(),
        about: (*about).to_owned(),
        is_ticked: typed.permissions.iter().any(|ticked| ticked == name),
        is_open: mine.has(name),
    });
    let book = pages.auth.users().roles.now();
    let itself = role.as_ref().map(|role| role.name.as_str());
    let others = book.roles().filter(|(name, _)| *name != account::ADMIN && Some(*name) != itself);
    let includes = others.map(|(name, permissions)| Choice {
        name: name.to_owned(),
        about: words(permissions),
        is_ticked: typed.includes.iter().any(|ticked| ticked == name),
        is_open: mine.covers(permissions),
    });
    let comes_to = role.iter().flat_map(|role| role.effective.names()).map(str::to_owned).collect();
    let template = RolePage {
        frame: Frame::new(pages, desk, Section::Roles).saying(returned.notice),
        permissions: permissions.collect(),
        includes: includes.collect(),
        comes_to,
        may_change: role.as_ref().is_none_or(|role| may_change(role, desk, &book)),
        may_delete: role.as_ref().is_some_and(|role| may_delete(role, desk, &book)),
        mistakes: returned.mistakes,
        role,
        typed,
    };
    page(returned.status, &template)
}

fn words(permissions: &Permissions) -> String {
    let names = permissions.names();
    if names.is_empty() { "No permissions".to_owned() } else { names.join(", ") }
}

/// `POST /admin/roles/new`
pub(super) async fn make(State(pages): State<Arc<Pages>>, form: ConsoleForm<RolesWrite>) -> Result<Response, Problem> {
    let typed = Typed::read(&form.fields);
    let mut mistakes = Mistakes::default();
    let name = RoleName::parse(&typed.name).map_err(|wrong| mistakes.add("name", "invalid", wrong.to_string()));
    let parts = typed.parts(&mut mistakes);
    let (Ok(name), Some((description, permissions, includes))) = (name, parts) else {
        return render(&pages, &form.desk, None, typed, Returned::mistakes(mistakes));
    };
    let new = NewRole { name, description, permissions, includes };
    let returned = match create_role(pages.auth.users(), form.desk.authority, &new).await {
        Ok(_) => return Ok(see_other("/admin/roles?done=made")),
        Err(CreateRoleError::Forbidden) => return Err(forbidden()),
        Err(CreateRoleError::Exceeds) => return Err(exceeds()),
        Err(CreateRoleError::Storage(cause)) => return Err(cause.into()),
        Err(CreateRoleError::Taken) => {
            let message = "There is a role of this name. Choose another, or change the one that is there.";
            Returned::mistakes(Mistakes::one("name", "role_taken", message))
        }
        Err(CreateRoleError::UnknownRole(name)) => Returned::mistakes(unknown(&name)),
        Err(CreateRoleError::TooMuch) => Returned::mistakes(too_much()),
        Err(CreateRoleError::TooMany) => {
            Returned::notice("There are too many roles.", "Nothing was made. Delete one that nobody holds first.")
        }
    };
    render(&pages, &form.desk, None, typed, returned)
}

/// `POST /admin/roles/{name}`
pub(super) async fn change(
    State(pages): State<Arc<Pages>>,
    Path(name): Path<String>,
    form: ConsoleForm<RolesWrite>,
) -> Result<Response, Problem> {
    let (name, role) = find(&pages, &name).await?;
    let typed = Typed::read(&form.fields);
    let mut mistakes = Mistakes::default();
    let Some((description, permissions, includes)) = typed.parts(&mut mistakes) else {
        return render(&pages, &form.desk, Some(role), typed, Returned::mistakes(mistakes));
    };
    let change =
        RoleChange { description: Some(description), permissions: Some(permissions), includes: Some(includes) };
    let expected = typed.version.parse().ok();
    let returned = match update_role(pages.auth.users(), form.desk.authority, &name, &change, expected).await {
        Ok(_) => return Ok(see_other("/admin/roles?done=changed")),
        Err(UpdateRoleError::Forbidden) => return Err(forbidden()),
        Err(UpdateRoleError::Exceeds) => return Err(exceeds()),
        Err(UpdateRoleError::NotFound) => return Err(Problem::not_found()),
        Err(UpdateRoleError::Storage(cause)) => return Err(cause.into()),
        Err(UpdateRoleError::Unchangeable) => Returned::notice("This role stays as it is.", "Nothing was changed."),
        Err(UpdateRoleError::Stale) => Returned::notice(
            "Somebody changed the role meanwhile.",
            "Nothing was saved. Open the role again to see what it is now, then repeat your change.",
        ),
        Err(UpdateRoleError::TooMuch) => Returned::mistakes(too_much()),
        Err(UpdateRoleError::UnknownRole(name)) => Returned::mistakes(unknown(&name)),
        Err(UpdateRoleError::Circle(name)) => {
            let message = format!("{name} includes this role: roles cannot go in a circle.");
            Returned::mistakes(Mistakes::one("includes", "role_circle", message))
        }
    };
    render(&pages, &form.desk, Some(role), typed, returned)
}

fn too_much() -> Mistakes {
    Mistakes::one("includes", "too_many_permissions", "With what it includes, the role comes to too many permissions.")
}

fn unknown(name: &str) -> Mistakes {
    Mistakes::one("includes", "unknown_role", format!("There is no role {name} any more."))
}
