//! Doing something to many people: the list says to whom, a question what and why, a job does it.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use kernel::{FieldError, Problem, Timestamp, UserId};
use users::api::officer::{UsersRead, forbidden};
use users::job::{Action, MAX_IDS, RawAction, Selection, StartJobError, start_job};
use users::search::{Filter, RawFilter};
use users::{Users, may};

use super::asked::with_times;
use crate::admin::chart::grouped;
use crate::admin::{ConsoleForm, Desk, Frame, Section};
use crate::entry::see_other;
use crate::form::Fields;
use crate::shell::{Mistakes, Notice};
use crate::{Pages, page};

/// What can be done to many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errand {
    /// Give them a role.
    Grant,
    /// Take one away.
    Take,
    /// End every session.
    SignOut,
    /// Write them to a file.
    Export,
    /// Keep them out.
    Suspend,
    /// Take the accounts away, for 30 days to come back.
    Delete,
}

impl Errand {
    /// All of them, the gravest last.
    pub const ALL: [Self; 6] = [Self::Grant, Self::Take, Self::SignOut, Self::Export, Self::Suspend, Self::Delete];

    /// Its name in forms and in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Grant => "grant_role",
            Self::Take => "take_role",
            Self::SignOut => "sign_out",
            Self::Export => "export",
            Self::Suspend => "suspend",
            Self::Delete => "delete",
        }
    }

    /// What it needs.
    pub const fn permission(self) -> &'static str {
        match self {
            Self::Grant | Self::Take => may::ROLES_GRANT,
            Self::SignOut | Self::Suspend => may::USERS_BAN,
            Self::Export => may::USERS_EXPORT,
            Self::Delete => may::USERS_DELETE,
        }
    }

    /// Its words on a button.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Grant => "Give a role",
            Self::Take => "Take a role",
            Self::SignOut => "Sign out",
            Self::Export => "Export",
            Self::Suspend => "Ban",
            Self::Delete => "Delete",
        }
    }

    /// Its picture in the sprite.
    pub const fn icon(self) -> &'static str {
        match self {
            Self::Grant => "plus",
            Self::Take => "users",
            Self::SignOut => "log-out",
            Self::Export => "download",
            Self::Suspend => "ban",
            Self::Delete => "trash-2",
        }
    }

    /// Whether somebody loses something by it.
    pub const fn is_danger(self) -> bool {
        matches!(self, Self::Suspend | Self::Delete)
    }

    /// Whether it is about a role.
    pub const fn has_role(self) -> bool {
        matches!(self, Self::Grant | Self::Take)
    }

    /// Whether it has to be said why.
    pub const fn has_reason(self) -> bool {
        matches!(self, Self::Suspend | Self::Delete)
    }
}

/// To whom.
pub struct Chosen {
    /// The accounts that were ticked.
    pub ids: Vec<String>,
    /// The list, if all of it is meant.
    pub all: Option<String>,
}

impl Chosen {
    fn read(fields: &Fields) -> Self {
        let ids = fields.all("id").map(str::to_owned).collect();
        Self { ids, all: fields.is_ticked("all").then(|| fields.text("filter").to_owned()) }
    }

    /// How many, in words.
    pub fn words(&self) -> String {
        match (&self.all, self.ids.len()) {
            (Some(_), _) => "everybody that matches".to_owned(),
            (None, 1) => "1 person".to_owned(),
            (None, count) => format!("{} people", grouped(count)),
        }
    }

    /// As a job takes it; nothing if no one is chosen or the list cannot be read.
    fn selection(&self, users: &Users) -> Option<Selection> {
        if let Some(query) = &self.all {
            let mut pairs = Fields::of_query(query)?.into_pairs();
            let raw = RawFilter::take(&mut pairs).ok()?;
            // Whatever is not understood may have been meant to narrow it: then nobody is chosen.
            if !pairs.is_empty() {
                return None;
            }
            return Filter::parse(users, &with_times(raw)).ok().map(|filter| Selection::Matching(Box::new(filter)));
        }
        let ids: Option<Vec<UserId>> = self.ids.iter().map(|id| id.parse().ok()).collect();
        ids.filter(|ids| (1..=MAX_IDS).contains(&ids.len())).map(Selection::ids)
    }
}

#[derive(Template)]
#[template(path = "admin/bulk.html")]
struct BulkPage {
    frame: Frame,
    errand: Errand,
    chosen: Chosen,
    role: String,
    reason: String,
    roles: Vec<String>,
    mistakes: Mistakes,
}

/// `POST /admin/users/bulk`: the question first, and once it is answered the job.
pub async fn submit(State(pages): State<Arc<Pages>>, form: ConsoleForm<UsersRead>) -> Result<Response, Problem> {
    let name = form.fields.text("do");
    let errand = Errand::ALL.into_iter().find(|errand| errand.name() == name).ok_or_else(Problem::not_found)?;
    if !form.desk.may(errand.permission()) {
        return Err(forbidden());
    }
    let chosen = Chosen::read(&form.fields);
    let Some(selection) = chosen.selection(pages.auth.users()) else {
        return Ok(see_other("/admin/users?done=nobody"));
    };
    if !form.fields.is_ticked("start") {
        return ask(&pages, &form, errand, chosen, StatusCode::OK, (Mistakes::default(), None));
    }
    let action = match Action::parse(&raw(errand, &form.fields, pages.auth.clock().now()), pages.auth.clock().now()) {
        Ok(action) => action,
        Err(errors) => return refuse(&pages, &form, errand, chosen, errors),
    };
    match start_job(pages.auth.users(), form.desk.authority, action, selection).await {
        Ok(job) => Ok(see_other(&format!("/admin/jobs/{}", job.id))),
        Err(StartJobError::Forbidden) => Err(forbidden()),
        Err(StartJobError::Exceeds) => {
            let words = "That role comes to more than you may do yourself. Choose another one.";
            refuse(&pages, &form, errand, chosen, vec![FieldError::new("role", "exceeds", words)])
        }
        Err(StartJobError::UnknownRole(_)) => {
            let words = "There is no such role any more. Choose another one.";
            refuse(&pages, &form, errand, chosen, vec![FieldError::new("role", "unknown_role", words)])
        }
        Err(StartJobError::TooMany) => {
            let notice = Notice::failed(
                "Too many of your jobs are under way.",
                "Nothing was begun. Wait for one of them, or stop one.",
            );
            ask(&pages, &form, errand, chosen, StatusCode::CONFLICT, (Mistakes::default(), Some(notice)))
        }
        Err(StartJobError::Storage(cause)) => Err(cause.into()),
    }
}

fn raw(errand: Errand, fields: &Fields, now: Timestamp) -> RawAction {
    let text = |name: &str| Some(fields.text(name).to_owned());
    let days = fields.text("until").parse::<i64>().ok().filter(|days| (1..=3_650).contains(days));
    RawAction {
        action: errand.name().to_owned(),
        role: errand.has_role().then(|| fields.text("role").to_owned()),
        reason: errand.has_reason().then(|| fields.text("reason").to_owned()),
        until: days.filter(|_| errand == Errand::Suspend).map(|days| now.plus_seconds(days * 86_400)),
        format: text("format").filter(|_| errand == Errand::Export),
    }
}

fn refuse(
    pages: &Pages,
    form: &ConsoleForm<UsersRead>,
    errand: Errand,
    chosen: Chosen,
    errors: Vec<FieldError>,
) -> Result<Response, Problem> {
    ask(pages, form, errand, chosen, StatusCode::UNPROCESSABLE_ENTITY, (Mistakes::from(errors), None))
}

fn ask(
    pages: &Pages,
    form: &ConsoleForm<UsersRead>,
    errand: Errand,
    chosen: Chosen,
    status: StatusCode,
    (mistakes, notice): (Mistakes, Option<Notice>),
) -> Result<Response, Problem> {
    let roles = grantable(pages, &form.desk);
    let frame = Frame::new(pages, &form.desk, Section::Users).saying(notice);
    let text = |name: &str| form.fields.text(name).to_owned();
    page(status, &BulkPage { frame, errand, chosen, role: text("role"), reason: text("reason"), roles, mistakes })
}

/// The roles that come to no more than the visitor may do.
fn grantable(pages: &Pages, desk: &Desk) -> Vec<String> {
    let book = pages.auth.users().roles.now();
    let given = book.roles().filter(|(name, _)| *name != users::account::USER && desk.may_hand(&book, name));
    given.map(|(name, _)| name.to_owned()).collect()
}
