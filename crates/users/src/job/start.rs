//! Asking for work on many accounts.

use kernel::{Event, JobId, Kind, Timestamp};

use super::{Action, Job, Selection, State, record};
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
        Selection::Ids(ids) => Selection::Ids(ids),
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
    let now = users.clock.now();
    let selection = as_of(selection, now);
    let mut tx = users.db.begin().await?;
    // Two requests at once do not each see room for the last job that they may have.
    if let Some(actor) = authority.actor() {
        account::lock(&mut tx, actor).await?;
    }
    let permissions = authority.permissions(&mut tx).await?;
    if !permissions.has(action.permission()) {
        return Err(StartJobError::Forbidden);
    }
    // How many a filter finds says something of what it looks for.
    if matches!(selection, Selection::Matching(_)) && !permissions.has(may::USERS_READ) {
        return Err(StartJobError::Forbidden);
    }
    if let Some(role) = action.role() {
        granting::check(&mut tx, authority, [role]).await?;
    }
    if record::count_open_of(&mut tx, authority.actor()).await? >= MOST_OPEN {
        return Err(StartJobError::TooMany);
    }
    let (total, bound) = match &selection {
        Selection::Ids(ids) => (i64::try_from(ids.len()).ok(), None),
        Selection::Matching(_) => (None, account::newest_id(&mut tx).await?),
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
    record::insert(&mut tx, &job, &selection, bound).await?;
    let event = Event::new(Kind::JobStarted, now)
        .with("job", job.id.to_string())
        .with("action", job.action.name())
        .with("accounts", total.map_or(serde_json::Value::Null, Into::into));
    let event = match job.action.role() {
        Some(role) => event.with("role", role),
        None => event,
    };
    tx.append(authority.sign(event));
    tx.commit().await?;
    users.jobs.nudge();
    Ok(job)
}
