//! Stopping a job. What it has done stays done.

use kernel::{Event, JobId};

use super::{State, Viewer, record, run};
use crate::Users;

/// The job was not stopped.
#[derive(Debug, thiserror::Error)]
pub enum CancelJobError {
    /// There is none of this id that they see.
    #[error("no such job")]
    NotFound,
    /// It is over.
    #[error("the job is over")]
    Over,
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

/// Stops a job that this viewer sees. Whoever works on it finds out in the next transaction, which changes
/// nothing any more.
pub async fn cancel_job(users: &Users, viewer: Viewer, id: JobId) -> Result<(), CancelJobError> {
    let now = users.clock.now();
    let mut tx = users.db.begin().await?;
    let mut job = record::find(&mut tx, viewer, id).await?.ok_or(CancelJobError::NotFound)?;
    let (done, failed) = record::cancel(&mut tx, id, now).await?.ok_or(CancelJobError::Over)?;
    (job.done, job.failed, job.state) = (done, failed, State::Cancelled);
    run::forget_words(users, &mut tx, &job.action).await?;
    tx.append(Event { actor: Some(viewer.user()), ..run::ended(&job, now) });
    tx.commit().await?;
    Ok(())
}
