//! Work on many accounts: `/api/v1/users/bulk` and `/api/v1/jobs`.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::ready;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRef, FromRequestParts, Path, Query, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use kernel::problem::ProblemDocument;
use kernel::{Caller, FieldError, JobId, Page, PageQuery, Permissions, Problem, StrictJson, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::officer::{May, UsersExport, exceeds, forbidden};
use crate::job::{
    self, Action, CancelJobError, Job, MAX_IDS, RawAction, ResultError, Seen, Selection, StartJobError, Viewer,
    WatchError,
};
use crate::search::{Filter, RawFilter};
use crate::{Authority, Officer, Users, may};

pub(super) fn router() -> OpenApiRouter<Users> {
    OpenApiRouter::new()
        .routes(routes!(start_bulk))
        .routes(routes!(list_jobs))
        .routes(routes!(read_job, cancel_job))
        .routes(routes!(watch_job))
        .routes(routes!(read_result))
}

/// What to do to many accounts, and which: `ids` or `filter`.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Bulk {
    /// `grant_role`, `take_role`, `suspend`, `sign_out`, `delete` or `export`.
    #[schema(max_length = 16)]
    action: String,
    /// The role to give or to take.
    #[schema(max_length = 64)]
    role: Option<String>,
    /// Why, for `suspend`, which needs one, and `delete`. Name nobody in it: it stays in the ledger.
    #[schema(max_length = 500)]
    reason: Option<String>,
    /// When a suspension ends by itself: to come, within ten years.
    until: Option<Timestamp>,
    /// The form of an export: `csv`, unless said, or `jsonl`.
    #[schema(max_length = 8)]
    format: Option<String>,
    /// These accounts, at most 1,000.
    #[schema(max_items = 1000, min_items = 1)]
    ids: Option<Vec<UserId>>,
    /// All accounts that there are now and that a list with these parameters would show. An empty one means all
    /// that are not deleted.
    filter: Option<BulkFilter>,
}

/// The parameters of `GET /api/v1/users`.
#[derive(Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BulkFilter {
    /// What stands in the name or the address.
    #[schema(max_length = 254)]
    q: Option<String>,
    /// A role that they have.
    #[schema(max_length = 64)]
    role: Option<String>,
    /// `active`, `suspended` or `deleted`.
    #[schema(max_length = 16)]
    status: Option<String>,
    /// Whether the address is verified.
    verified: Option<bool>,
    /// Made at this moment or later.
    created_after: Option<Timestamp>,
    /// Made before this moment.
    created_before: Option<Timestamp>,
    /// Signed in at this moment or later.
    last_login_after: Option<Timestamp>,
    /// A telephone number.
    #[schema(max_length = 32)]
    phone: Option<String>,
    /// What searchable attributes have to be, by name: four at most, the telephone number counted.
    #[serde(default)]
    attributes: BTreeMap<String, String>,
}

/// A piece of work that goes on in the background.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Job)]
pub struct JobView {
    id: JobId,
    /// Who asked for it; null for what a command or a service began.
    actor: Option<UserId>,
    /// `grant_role`, `take_role`, `suspend`, `sign_out`, `delete`, `export`, or `notify`, which tells people something.
    #[schema(value_type = String)]
    action: &'static str,
    /// The role that is given or taken.
    role: Option<String>,
    /// The message that people are told.
    template: Option<String>,
    /// `queued`, `running`, `done`, `failed` or `cancelled`.
    #[schema(value_type = String)]
    state: &'static str,
    /// How many accounts it is about; null until that was counted, and for more than a million.
    total: Option<i64>,
    /// How many are as wanted by now.
    done: i64,
    /// How many were left as they were.
    failed: i64,
    /// The first 20 of these, each with the `code` of the problem that its own call would have answered.
    refusals: Vec<RefusalView>,
    /// Why it was given up, as a `code`.
    trouble: Option<String>,
    /// Where the result of an export can be fetched.
    result: Option<String>,
    /// Until when.
    result_until: Option<Timestamp>,
    created_at: Timestamp,
    started_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
}

/// An account that was left as it was.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Refusal)]
struct RefusalView {
    user: UserId,
    code: String,
}

impl JobView {
    fn new(job: Job, now: Timestamp) -> Self {
        let result_until = job.result_until(now);
        Self {
            id: job.id,
            actor: job.actor,
            action: job.action.name(),
            role: job.action.role().map(str::to_owned),
            template: job.action.template().map(str::to_owned),
            state: job.state.as_str(),
            total: job.total,
            done: job.done,
            failed: job.failed,
            refusals: job.refusals.into_iter().map(|one| RefusalView { user: one.user, code: one.code }).collect(),
            trouble: job.trouble,
            result: result_until.map(|_| format!("/api/v1/jobs/{}/result", job.id)),
            result_until,
            created_at: job.created_at,
            started_at: job.started_at,
            ended_at: job.ended_at,
        }
    }
}

/// Somebody who may do at least one of the things that can be done to many. Nobody else learns what is wrong
/// with their body.
pub(super) struct SomeOfThese(Caller);

impl<S: Sync> FromRequestParts<S> for SomeOfThese
where
    Users: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, state).await?;
        let users = Users::from_ref(state);
        let needed = [may::ROLES_GRANT, may::USERS_BAN, may::USERS_DELETE, may::USERS_EXPORT];
        let allowed = needed.iter().any(|permission| Officer::prove(&users.roles, &caller, permission).is_some());
        if allowed { Ok(Self(caller)) } else { Err(forbidden()) }
    }
}

/// Do something to many accounts
///
/// It goes on in the background, each account as by its own call: with its own event, and left as it is where its own
/// call would be refused. Your own account is left out. What was done when it is cancelled or dies stays done, and it
/// goes on where it was.
#[utoipa::path(post, path = "/api/v1/users/bulk", tag = "Administration",
    security(("access_token" = ["roles:grant"]), ("access_token" = ["users:ban"]), ("access_token" = ["users:delete"]), ("access_token" = ["users:export"])),
    request_body = Bulk,
    responses((status = 202, description = "It was written down. `Location` says where to look.", body = JobView,
            headers(("Location" = String, description = "The job."))),
        (status = 403, description = "`forbidden`: the caller lacks the permission for this action, or `users:read` for a filter, or the role comes to more than the caller may.", body = ProblemDocument),
        (status = 409, description = "`too_many_jobs`: 20 of yours are under way.", body = ProblemDocument),
        (status = 422, description = "`invalid_input`, `unknown_role`", body = ProblemDocument)))]
pub(super) async fn start_bulk(
    SomeOfThese(caller): SomeOfThese,
    State(users): State<Users>,
    StrictJson(bulk): StrictJson<Bulk>,
) -> Result<Response, Problem> {
    let (raw, selection) = bulk.split(&users);
    let (action, selection) = match (Action::parse(&raw, users.clock.now()), selection) {
        (Ok(action), Ok(selection)) => (action, selection),
        (action, selection) => {
            let errors = [action.err(), selection.err()];
            return Err(Problem::invalid_input(errors.into_iter().flatten().flatten().collect()));
        }
    };
    let officer = Officer::prove(&users.roles, &caller, action.permission()).ok_or_else(forbidden)?;
    let job = job::start_job(&users, Authority::Officer(officer), action, selection).await?;
    let location = format!("/api/v1/jobs/{}", job.id);
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, location)], Json(JobView::new(job, users.clock.now())))
        .into_response())
}

impl Bulk {
    fn split(self, users: &Users) -> (RawAction, Result<Selection, Vec<FieldError>>) {
        let Self { action, role, reason, until, format, ids, filter } = self;
        let selection = match (ids, filter) {
            (Some(ids), None) if (1..=MAX_IDS).contains(&ids.len()) => Ok(Selection::ids(ids)),
            (Some(_), None) => Err(vec![FieldError::new("ids", "wrong_number", "Name 1 to 1,000 accounts.")]),
            (None, Some(filter)) => filter.parse(users).map(|filter| Selection::Matching(Box::new(filter))),
            (Some(_), Some(_)) | (None, None) => {
                Err(vec![FieldError::new("ids", "ids_or_filter", "Send either `ids` or `filter`.")])
            }
        };
        (RawAction { action, role, reason, until, format }, selection)
    }
}

impl BulkFilter {
    fn parse(self, users: &Users) -> Result<Filter, Vec<FieldError>> {
        let moment = |moment: Option<Timestamp>| moment.map(|moment| moment.to_string());
        let parts = [
            ("q", self.q),
            ("role", self.role),
            ("status", self.status),
            ("verified", self.verified.map(|verified| verified.to_string())),
            ("created_after", moment(self.created_after)),
            ("created_before", moment(self.created_before)),
            ("last_login_after", moment(self.last_login_after)),
            ("phone", self.phone),
        ];
        let parts = parts.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        let attributes = self.attributes.into_iter().map(|(name, value)| (format!("attribute.{name}"), value));
        let mut pairs: Vec<(String, String)> = parts.chain(attributes).collect();
        // A part that is sent and says nothing was meant to leave accounts out.
        if let Some((name, _)) = pairs.iter().find(|(_, value)| value.is_empty()) {
            let field = format!("filter.{name}");
            return Err(vec![FieldError::new(field, "empty", "Leave it out, or say what to look for.")]);
        }
        let raw = RawFilter::take(&mut pairs)
            .map_err(|error| vec![FieldError::new("filter", "invalid_filter", error.to_string())])?;
        // What it does not know was meant to leave accounts out.
        if let Some((name, _)) = pairs.first() {
            return Err(vec![FieldError::new(format!("filter.{name}"), "unknown", "There is no such attribute.")]);
        }
        Filter::parse(users, &raw)
    }
}

/// Whose jobs this caller sees.
fn viewer(users: &Users, caller: &Caller) -> Viewer {
    let book = users.roles.now();
    match book.permissions_of(caller.roles.iter().map(String::as_str)) {
        Permissions::Everything => Viewer::All(caller.user),
        Permissions::These(_) => Viewer::Own(caller.user),
    }
}

fn parse(id: &str) -> Result<JobId, Problem> {
    id.parse().map_err(|_| Problem::not_found())
}

/// My jobs
///
/// Newest first; everybody's for whoever may do everything. They are remembered for 30 days.
#[utoipa::path(get, path = "/api/v1/jobs", tag = "Administration", security(("access_token" = [])),
    params(PageQuery),
    responses((status = 200, description = "A page of them.", body = Page<JobView>),
        (status = 422, description = "`invalid_input`: the cursor is none.", body = ProblemDocument)))]
pub(super) async fn list_jobs(
    caller: Caller,
    State(users): State<Users>,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<Page<JobView>>, Problem> {
    let Query(page) = query
        .map_err(|_| Problem::bad_request("invalid_query", "Use `limit` with a number, and `cursor`; nothing else."))?;
    let (before, viewer, now) = (page.after::<JobId>()?, viewer(&users, &caller), users.clock.now());
    let found = job::record::list(&mut users.db.read().await?, viewer, before, page.limit() + 1).await?;
    let views = found.into_iter().map(|job| JobView::new(job, now)).collect();
    Ok(Json(Page::from_rows(views, page.limit(), |view: &JobView| view.id)))
}

/// How far a job is
#[utoipa::path(get, path = "/api/v1/jobs/{id}", tag = "Administration", security(("access_token" = [])),
    params(("id" = JobId, Path, description = "The job.")),
    responses((status = 200, description = "The job.", body = JobView),
        (status = 404, description = "`not_found`: there is none, or it is somebody else's.", body = ProblemDocument)))]
pub(super) async fn read_job(
    caller: Caller,
    State(users): State<Users>,
    Path(id): Path<String>,
) -> Result<Json<JobView>, Problem> {
    let id = parse(&id)?;
    let found = job::record::find(&mut users.db.read().await?, viewer(&users, &caller), id).await?;
    Ok(Json(JobView::new(found.ok_or_else(Problem::not_found)?, users.clock.now())))
}

/// Stop a job
///
/// What it has done stays done.
#[utoipa::path(delete, path = "/api/v1/jobs/{id}", tag = "Administration", security(("access_token" = [])),
    params(("id" = JobId, Path, description = "The job.")),
    responses((status = 204, description = "It does nothing more."),
        (status = 404, description = "`not_found`: there is none, or it is somebody else's.", body = ProblemDocument),
        (status = 409, description = "`job_over`", body = ProblemDocument)))]
pub(super) async fn cancel_job(
    caller: Caller,
    State(users): State<Users>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let id = parse(&id)?;
    job::cancel_job(&users, viewer(&users, &caller), id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Watch a job
///
/// Server-sent events: `progress` at most four times a second, with the job as `GET` gives it, and `ended` when it is
/// over; a comment every five seconds. Each says all there is to know, so whoever was cut off comes back and misses
/// nothing. It ends after five minutes, and when the caller is not trusted any more.
#[utoipa::path(get, path = "/api/v1/jobs/{id}/events", tag = "Administration", security(("access_token" = [])),
    params(("id" = JobId, Path, description = "The job.")),
    responses((status = 200, description = "The stream.", content_type = "text/event-stream", body = String),
        (status = 404, description = "`not_found`: there is none, or it is somebody else's.", body = ProblemDocument),
        (status = 503, description = "`too_many_watchers`: close another stream, or come back.", body = ProblemDocument)))]
pub(super) async fn watch_job(
    caller: Caller,
    State(users): State<Users>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id = parse(&id)?;
    events(&users, viewer(&users, &caller), id, || ready(true)).await
}

/// The stream of a job's progress, for whoever was shown to be this viewer: a caller, or a visitor of a page. Nothing
/// is told any more once they are not `trusted`, for whatever reason this crate does not know.
pub async fn events<T, F>(users: &Users, viewer: Viewer, id: JobId, trusted: T) -> Result<Response, Problem>
where
    T: Fn() -> F + Send + 'static,
    F: Future<Output = bool> + Send + 'static,
{
    let watched = job::watch(users, viewer, id).await?;
    let clock = users.clock.clone();
    let body =
        Body::from_stream(stream::unfold((watched, trusted, clock), |(mut watched, trusted, clock)| async move {
            let seen = watched.next().await?;
            let still = trusted();
            still.await.then(|| (Ok::<Bytes, Infallible>(text(seen, clock.now())), (watched, trusted, clock)))
        }));
    let mut response = Response::new(body);
    let answer = response.headers_mut();
    answer.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    answer.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    Ok(response)
}

/// One event as it is sent. The JSON has no line breaks.
fn text(seen: Seen, now: Timestamp) -> Bytes {
    let (name, job) = match seen {
        Seen::Progress(job) => ("progress", job),
        Seen::Ended(job) => ("ended", job),
        Seen::Nothing => return Bytes::from_static(b":\n\n"),
    };
    let id = job.done.saturating_add(job.failed);
    let data = serde_json::to_string(&JobView::new(job, now)).unwrap_or_default();
    Bytes::from(format!("id: {id}\nevent: {name}\ndata: {data}\n\n"))
}

/// Fetch an export
///
/// Only whoever asked for it, within 24 hours.
#[utoipa::path(get, path = "/api/v1/jobs/{id}/result", tag = "Administration", security(("access_token" = ["users:export"])),
    params(("id" = JobId, Path, description = "The job.")),
    responses((status = 200, description = "The accounts, as CSV (RFC 4180) or as a JSON object a line.", content_type = "text/csv", body = String),
        (status = 403, description = "`forbidden`: the caller lacks the permission.", body = ProblemDocument),
        (status = 404, description = "`not_found`: there is none, it is somebody else's, or it is older than 24 hours.", body = ProblemDocument)))]
pub(super) async fn read_result(
    May { authority, .. }: May<UsersExport>,
    State(users): State<Users>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    download(&users, authority, parse(&id)?).await
}

/// The file, for a caller or a visitor of a page. Each part is opened when the one before it has gone.
pub async fn download(users: &Users, authority: Authority, id: JobId) -> Result<Response, Problem> {
    let job = job::take_result(users, authority, id).await?;
    let Action::Export { format } = job.action else { return Err(Problem::not_found()) };
    let begun = (users.clone(), 0_i64);
    let body = Body::from_stream(stream::try_unfold(begun, move |(users, number)| async move {
        match job::open_part(&users, authority, id, number).await {
            Ok(Some(part)) => Ok(Some((Bytes::from(part), (users, number + 1)))),
            Ok(None) => Ok(None),
            Err(ResultError::Forbidden) => {
                tracing::info!(job = %id, "whoever fetched an export may not any more");
                Err(std::io::Error::other("the permission for this is gone"))
            }
            Err(error) => {
                tracing::error!(job = %id, %error, "an export broke off while it was fetched");
                Err(std::io::Error::other("a part is missing"))
            }
        }
    }));
    let mut response = Response::new(body);
    let answer = response.headers_mut();
    answer.insert(header::CONTENT_TYPE, HeaderValue::from_static(format.media_type()));
    answer.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let file = format!("attachment; filename=\"accounts-{id}.{}\"", format.as_str());
    answer.insert(header::CONTENT_DISPOSITION, HeaderValue::from_str(&file).map_err(|_| Problem::internal())?);
    Ok(response)
}

/// 409: somebody has enough under way.
pub fn too_many_jobs() -> Problem {
    Problem::new(
        StatusCode::CONFLICT,
        "too_many_jobs",
        "Too many jobs are under way",
        "Twenty of yours are not over yet. Wait for one of them, or stop one.",
    )
}

impl From<StartJobError> for Problem {
    fn from(error: StartJobError) -> Self {
        match error {
            StartJobError::Forbidden => forbidden(),
            StartJobError::Exceeds => exceeds(),
            StartJobError::UnknownRole(name) => super::roles::unknown_role("role", &name),
            StartJobError::TooMany => too_many_jobs(),
            StartJobError::Storage(error) => error.into(),
        }
    }
}

impl From<CancelJobError> for Problem {
    fn from(error: CancelJobError) -> Self {
        match error {
            CancelJobError::NotFound => Self::not_found(),
            CancelJobError::Over => Self::new(
                StatusCode::CONFLICT,
                "job_over",
                "The job is over",
                "It was done, failed or was stopped before. Read it to see which.",
            ),
            CancelJobError::Storage(error) => error.into(),
        }
    }
}

impl From<WatchError> for Problem {
    fn from(error: WatchError) -> Self {
        match error {
            WatchError::NotFound => Self::not_found(),
            WatchError::Full => Self::unavailable(
                "too_many_watchers",
                "Too many watch jobs here. Close another stream, or come back.",
                5,
            ),
            WatchError::Storage(error) => error.into(),
        }
    }
}

impl From<ResultError> for Problem {
    fn from(error: ResultError) -> Self {
        match error {
            ResultError::Forbidden => forbidden(),
            ResultError::NotFound => Self::not_found(),
            ResultError::Blobs(error) => error.into(),
            ResultError::Unsealable => {
                tracing::error!(%error, "an export cannot be read");
                Self::internal()
            }
            ResultError::Storage(error) => error.into(),
        }
    }
}
