//! Giving an export to whoever asked for it.

use kernel::{Event, JobId, Kind};
use storage::BlobError;

use super::{Action, Job, State, Viewer, parts, record};
use crate::{Authority, Users, may};

/// There is nothing to give.
#[derive(Debug, thiserror::Error)]
pub enum ResultError {
    /// Whoever asks lacks the permission for it.
    #[error("the permission for this is missing")]
    Forbidden,
    /// There is none, or it is not theirs, or it is too old.
    #[error("no such result")]
    NotFound,
    /// The store for files failed.
    #[error(transparent)]
    Blobs(#[from] BlobError),
    /// What is in the store was sealed for something else.
    #[error("a part of the export does not open")]
    Unsealable,
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

/// One part of a result.
pub type Part = Vec<u8>;

/// Finds the export that this authority has asked for, and records that it was fetched. To be called before
/// the first part is given.
pub async fn take_result(users: &Users, authority: Authority, id: JobId) -> Result<Job, ResultError> {
    let now = users.clock.now();
    let mut tx = users.db.begin().await?;
    if !authority.may(&mut tx, may::USERS_EXPORT).await? {
        return Err(ResultError::Forbidden);
    }
    // Whoever may do everything sees others' jobs, but not what these wrote down.
    let user = authority.actor().ok_or(ResultError::NotFound)?;
    let job = record::find(&mut tx, Viewer::Own(user), id).await?.ok_or(ResultError::NotFound)?;
    let is_export = matches!(job.action, Action::Export { .. }) && job.state == State::Done;
    if !is_export || job.result_until(now).is_none() {
        return Err(ResultError::NotFound);
    }
    let event = Event::new(Kind::JobResultFetched, now).with("job", job.id.to_string());
    tx.append(authority.sign(event));
    tx.commit().await?;
    Ok(job)
}

/// A part of it, opened; nothing after the last. The authority is asked again for each: to fetch a large
/// export can take longer than the trust in whoever fetches it.
pub async fn open_part(
    users: &Users,
    authority: Authority,
    id: JobId,
    number: i64,
) -> Result<Option<Part>, ResultError> {
    let mut tx = users.db.begin().await?;
    if !authority.may(&mut tx, may::USERS_EXPORT).await? {
        return Err(ResultError::Forbidden);
    }
    let found = record::part(&mut tx, id, number).await?;
    drop(tx);
    let Some(blob) = found else { return Ok(None) };
    let sealed = users.blobs.get(&parts::name(&blob)?).await?.ok_or(ResultError::NotFound)?;
    let opened = users.jobs.seal().open(&parts::place(id, number), &sealed).map_err(|_| ResultError::Unsealable)?;
    Ok(Some(opened.to_vec()))
}
