//! One piece of work in the background: how far it is, and what it left alone.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use kernel::{JobId, Permissions, Problem};
use users::api::officer::{UsersExport, UsersRead};
use users::job::{self, CancelJobError, Job, State as JobState, Viewer};

use super::chart::grouped;
use super::{Console, ConsoleForm, Desk, Frame, Section};
use crate::entry::see_other;
use crate::moment::Moment;
use crate::{Pages, page};

/// The pages of this part.
pub fn router() -> Router<Arc<Pages>> {
    Router::new()
        .route("/admin/jobs/{id}", get(show))
        .route("/admin/jobs/{id}/events", get(events))
        .route("/admin/jobs/{id}/cancel", post(cancel))
        .route("/admin/jobs/{id}/result", get(result))
}

#[derive(Template)]
#[template(path = "admin/job.html")]
struct JobPage {
    frame: Frame,
    job: Job,
    title: &'static str,
    state: &'static str,
    tone: &'static str,
    begun: Moment,
    result_until: Option<Moment>,
}

/// Whose jobs the visitor sees: everybody's, if they may do everything.
fn viewer(desk: &Desk) -> Viewer {
    let user = desk.visitor.account.id;
    match desk.permissions() {
        Permissions::Everything => Viewer::All(user),
        Permissions::These(_) => Viewer::Own(user),
    }
}

fn parse(id: &str) -> Result<JobId, Problem> {
    id.parse().map_err(|_| Problem::not_found())
}

/// `GET /admin/jobs/{id}`
async fn show(
    State(pages): State<Arc<Pages>>,
    Path(id): Path<String>,
    console: Console<UsersRead>,
) -> Result<Response, Problem> {
    let mut read = pages.auth.db().read().await?;
    let job = job::record::find(&mut read, viewer(&console.desk), parse(&id)?).await?.ok_or_else(Problem::not_found)?;
    drop(read);
    let now = pages.auth.clock().now();
    let own = job.actor == Some(console.desk.visitor.account.id);
    let (state, tone) = match job.state {
        JobState::Queued => ("Waits", ""),
        JobState::Running => ("Under way", "brand"),
        JobState::Done => ("Done", "ok"),
        JobState::Failed => ("Given up", "danger"),
        JobState::Cancelled => ("Stopped", "warn"),
    };
    let page_of = JobPage {
        frame: Frame::new(&pages, &console.desk, Section::Users),
        title: title(job.action.name()),
        state,
        tone,
        begun: Moment::new(job.created_at, now),
        result_until: job.result_until(now).filter(|_| own).map(Moment::precise),
        job,
    };
    page(StatusCode::OK, &page_of)
}

/// `GET /admin/jobs/{id}/events`: says that there is something new to show. The page asks for itself then, so that
/// what is shown is made in one place.
async fn events(
    State(pages): State<Arc<Pages>>,
    Path(id): Path<String>,
    console: Console<UsersRead>,
) -> Result<Response, Problem> {
    let viewer = viewer(&console.desk);
    let (auth, session) = (pages.auth.clone(), Arc::new(console.desk.visitor.session));
    let trusted = move || {
        let (auth, session) = (auth.clone(), Arc::clone(&session));
        async move { auth::browser::is_good(&auth, &session).await.unwrap_or(false) }
    };
    users::api::jobs::events(pages.auth.users(), viewer, parse(&id)?, trusted).await
}

fn title(action: &str) -> &'static str {
    match action {
        "grant_role" => "Giving a role",
        "take_role" => "Taking a role",
        "suspend" => "Banning",
        "sign_out" => "Signing out",
        "delete" => "Deleting",
        "export" => "Exporting",
        "notify" => "Telling people",
        _ => "Working",
    }
}

/// `POST /admin/jobs/{id}/cancel`
async fn cancel(
    State(pages): State<Arc<Pages>>,
    Path(id): Path<String>,
    form: ConsoleForm<UsersRead>,
) -> Result<Response, Problem> {
    let id = parse(&id)?;
    match job::cancel_job(pages.auth.users(), viewer(&form.desk), id).await {
        // One that is over meanwhile is shown as what it is.
        Ok(()) | Err(CancelJobError::Over) => Ok(see_other(&format!("/admin/jobs/{id}"))),
        Err(CancelJobError::NotFound) => Err(Problem::not_found()),
        Err(CancelJobError::Storage(cause)) => Err(cause.into()),
    }
}

/// `GET /admin/jobs/{id}/result`
async fn result(
    State(pages): State<Arc<Pages>>,
    Path(id): Path<String>,
    console: Console<UsersExport>,
) -> Result<Response, Problem> {
    users::api::jobs::download(pages.auth.users(), console.desk.authority, parse(&id)?).await
}

impl JobPage {
    /// How many were dealt with.
    fn dealt(&self) -> i64 {
        self.job.done.saturating_add(self.job.failed)
    }

    /// How far it is, in words.
    fn progress(&self) -> String {
        match self.job.total {
            Some(total) => format!("{} of {} accounts", grouped(self.dealt()), grouped(total)),
            None => format!("{} accounts so far", grouped(self.dealt())),
        }
    }
}
