//! Where a person is signed in, and ending that.

use std::sync::Arc;

use askama::Template;
use auth::{EndSessionOfError, Session};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use kernel::{Problem, SessionId, Timestamp};
use users::api::officer::{UsersBan, UsersRead, forbidden};
use users::may;

use super::pass::{Pass, Tab};
use crate::admin::{Console, ConsoleForm, Frame, Section};
use crate::agent::Device;
use crate::entry::see_other;
use crate::form::Fields;
use crate::moment::Moment;
use crate::shell::Notice;
use crate::{Pages, page};

#[derive(Template)]
#[template(path = "admin/user/sessions.html")]
struct SessionsPage {
    frame: Frame,
    pass: Pass,
    rows: Vec<Row>,
    may_end: bool,
}

struct Row {
    id: String,
    name: String,
    agent: String,
    address: String,
    begun: Moment,
    seen: Moment,
    ends: Moment,
}

impl Row {
    fn new(session: &Session, now: Timestamp) -> Self {
        let device = Device::from_user_agent(&session.user_agent);
        Self {
            id: session.id.to_string(),
            name: session.device_name.clone().unwrap_or(device.name),
            agent: session.user_agent.clone(),
            address: session.ip.clone(),
            begun: Moment::new(session.created_at, now),
            seen: Moment::brief(session.last_seen_at, now),
            ends: Moment::date(session.expires_at),
        }
    }
}

/// `GET /admin/users/{id}/sessions`
pub async fn show(
    State(pages): State<Arc<Pages>>,
    Path(id): Path<String>,
    console: Console<UsersRead>,
    query: Fields,
) -> Result<Response, Problem> {
    let account = super::find(&pages, &id).await?;
    let pass = Pass::new(&pages, &console.desk, account, Tab::Sessions).await?;
    let notice = (query.text("done") == "session")
        .then_some(Notice::done("Signed out.", "The next thing that device asks for is refused."));
    let now = pages.auth.clock().now();
    let rows = pass.sessions.iter().map(|session| Row::new(session, now)).collect();
    let may_end = pass.may_touch && console.desk.may(may::USERS_BAN);
    let frame = Frame::new(&pages, &console.desk, Section::Users).saying(notice);
    page(StatusCode::OK, &SessionsPage { frame, pass, rows, may_end })
}

/// `POST /admin/users/{id}/sessions/{session}/end`
pub async fn end(
    State(pages): State<Arc<Pages>>,
    Path((id, session)): Path<(String, String)>,
    form: ConsoleForm<UsersBan>,
) -> Result<Response, Problem> {
    let account = super::find(&pages, &id).await?;
    let session: SessionId = session.parse().map_err(|_| Problem::not_found())?;
    match auth::end_session_of(&pages.auth, form.desk.authority, account.id, session).await {
        // One that is over already is as it was wanted.
        Ok(()) | Err(EndSessionOfError::NotFound) => Ok(see_other(&Pass::after(&account, Tab::Sessions, "session"))),
        Err(EndSessionOfError::Forbidden) => Err(forbidden()),
        Err(EndSessionOfError::Storage(cause)) => Err(cause.into()),
    }
}
