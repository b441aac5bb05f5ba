//! Asking for work on many accounts.

use kernel::{Event, JobId, Kind, Timestamp};

use storage::Tx;

use super::{Action, Job, MAX_IDS, Selection, State, record, run};
use crate::granting::{self, GrantError};
use crate::{Authority, Users, account, may};

/// How many jobs of one person may be under way.
const MOST_OPEN: i64 = 20;

/// The job was not begun.
#[derive(Debug, thiserror::Error)]
pub enum StartJobError {
    /// Whoever asks lacks the permission for it.
    #[error("the permission for this is missing")]
    Forbidden,
    /// The role comes to permissions that whoever asks lacks.
    #[error("the role comes to permissions that whoever gives or takes it lacks")]
    Exceeds,
    /// There is no role of this name.
    #[error("there is no role `{0}`")]
    UnknownRole(String),
    /// So many of theirs are under way that another has to wait.
    #[error("too many jobs are under way")]
    TooMany,
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

impl From<GrantError> for StartJobError {
    fn from(error: GrantError) -> Self {
        match error {
            GrantError::UnknownRole(name) => Self::UnknownRole(name),
            GrantError::Exceeds => Self::Exceeds,
            GrantError::Storage(error) => Self::Storage(error),
        }
    }
}

/// The selection without accounts that are made from now on, whatever id they get.
fn as_of(selection: Selection, now: Timestamp) -> Selection {
    match selection {
        listed @ (Selection::Ids(_) | Selection::Listed) => listed,
        Selection::Matching(mut filter) => {
            filter.created_before = Some(filter.created_before.map_or(now, |before| before.min(now)));
            Selection::Matching(filter)
        }
    }
}

/// Writes down that this is to be done to these accounts. Whether each account may be touched is asked when
/// its turn comes; whether anything may be done at all, now and then again. A filter means the accounts that
/// there are now: one that is made while the job goes on is left alone.
pub async fn start_job(
    users: &Users,
    authority: Authority,
    action: Action,
    selection: Selection,
) -> Result<Job, StartJobError> {
    let mut tx = users.db.begin().await?;
    let job = start_job_in(users, &mut tx, (authority, None), action, selection).await?;
    tx.commit().await?;
    users.jobs.nudge();
    Ok(job)
}

/// The same in the caller's transaction, for a person or for a `service`. Whoever commits it nudges the desk.
pub async fn start_job_in(
    users: &Users,
    tx: &mut Tx,
    (authority, service): (Authority, Option<&str>),
    action: Action,
    selection: Selection,
) -> Result<Job, StartJobError> {
    let now = users.clock.now();
    let selection = as_of(selection, now);
    // Two requests at once do not each see room for the last job that they may have.
    if let Some(actor) = authority.actor() {
        account::lock(tx, actor).await?;
    }
    let permissions = authority.permissions(tx).await?;
    if !permissions.has(action.permission()) {
        return Err(StartJobError::Forbidden);
    }
    // How many a filter finds says something of what it looks for.
    let is_told = matches!(selection, Selection::Matching(_)) && action.needs_a_reader();
    if is_told && !permissions.has(may::USERS_READ) {
        return Err(StartJobError::Forbidden);
    }
    if let Some(role) = action.role() {
        granting::check(tx, authority, [role]).await?;
    }
    if record::count_open_of(tx, authority.actor()).await? >= MOST_OPEN {
        return Err(StartJobError::TooMany);
    }
    let (total, bound) = match &selection {
        Selection::Ids(ids) => (i64::try_from(ids.len()).ok(), None),
        Selection::Listed => (None, None),
        Selection::Matching(_) => (None, account::newest_id(tx).await?),
    };
    let job = Job {
        id: JobId::new(now),
        actor: authority.actor(),
        has_result: matches!(action, Action::Export { .. }),
        action,
        state: State::Queued,
        total,
        done: 0,
        failed: 0,
        refusals: Vec::new(),
        trouble: None,
        created_at: now,
        started_at: None,
        ended_at: None,
    };
    match &selection {
        // What is in the job's row is written anew whenever it moves on.
        Selection::Ids(ids) if ids.len() > MAX_IDS => {
            record::insert(tx, &job, &Selection::Listed, bound).await?;
            record::insert_list(tx, job.id, ids).await?;
        }
        selection => record::insert(tx, &job, selection, bound).await?,
    }
    let event = Event::new(Kind::JobStarted, now)
        .with("job", job.id.to_string())
        .with("action", job.action.name())
        .with("accounts", total.map_or(serde_json::Value::Null, Into::into));
    let event = run::named(event, &job.action);
    let event = match job.action.role() {
        Some(role) => event.with("role", role),
        None => event,
    };
    let event = match service {
        Some(name) => event.with("service", name),
        None => authority.sign(event),
    };
    tx.append(event);
    Ok(job)
}
