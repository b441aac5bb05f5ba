//! Seeing how far a job has come, as it goes.

use std::time::Duration;

use kernel::JobId;
use storage::Connection;

use super::desk::Seat;
use super::{Job, Viewer, record};
use crate::{Status, Users, account};

/// How often it is looked: nobody is told more often.
const EVERY: Duration = Duration::from_millis(250);
/// Every how many looks there is something to hear, whatever happens.
const BEAT: u32 = 20;
/// Every how many looks it is asked whether whoever watches is still trusted.
const TRUST: u32 = 4;
/// After how many looks whoever watches has to come back and prove anew who they are: five minutes.
const LAST: u32 = 1_200;

/// Nobody can watch this.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// There is no such job that they see.
    #[error("no such job")]
    NotFound,
    /// Too many watch.
    #[error("too many watch jobs here")]
    Full,
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

/// What whoever watches is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// How far it is.
    Progress(Job),
    /// It is over. There is nothing after this.
    Ended(Job),
    /// Nothing has changed.
    Nothing,
}

/// A job that somebody watches.
pub struct Watched {
    users: Users,
    viewer: Viewer,
    id: JobId,
    /// The epoch of whoever watches when they began: a higher one means that their trust has ended.
    epoch: i64,
    looks: u32,
    told: Option<Job>,
    is_over: bool,
    _seat: Seat,
}

/// Begins to watch.
pub async fn watch(users: &Users, viewer: Viewer, id: JobId) -> Result<Watched, WatchError> {
    let mut read = users.db.read().await?;
    record::find(&mut read, viewer, id).await?.ok_or(WatchError::NotFound)?;
    let epoch = epoch(&mut read, viewer).await?.ok_or(WatchError::NotFound)?;
    let seat = users.jobs.seat(viewer.user()).ok_or(WatchError::Full)?;
    let users = users.clone();
    Ok(Watched { users, viewer, id, epoch, looks: 0, told: None, is_over: false, _seat: seat })
}

/// The epoch of whoever watches, while their account is active.
async fn epoch(on: &mut impl Connection, viewer: Viewer) -> storage::Result<Option<i64>> {
    let account = account::find(on, viewer.user()).await?;
    Ok(account.filter(|account| account.status == Status::Active).map(|account| account.epoch))
}

impl Watched {
    /// Waits for what there is to tell. Nothing when it is over, or they may not watch any more, or have done
    /// so for long enough, or the process is about to stop, or the database does not answer: then they come back.
    pub async fn next(&mut self) -> Option<Seen> {
        while !self.is_over && self.looks < LAST && !self.users.jobs.is_stopping() {
            if self.looks > 0 {
                tokio::time::sleep(EVERY).await;
            }
            self.looks += 1;
            let job = self.look().await.ok().flatten()?;
            if job.state.is_over() {
                self.is_over = true;
                return Some(Seen::Ended(job));
            }
            if self.told.as_ref() != Some(&job) {
                self.told = Some(job.clone());
                return Some(Seen::Progress(job));
            }
            if self.looks.is_multiple_of(BEAT) {
                return Some(Seen::Nothing);
            }
        }
        None
    }

    async fn look(&self) -> storage::Result<Option<Job>> {
        let mut read = self.users.db.read().await?;
        if self.looks.is_multiple_of(TRUST) && epoch(&mut read, self.viewer).await? != Some(self.epoch) {
            return Ok(None);
        }
        record::find(&mut read, self.viewer, self.id).await
    }
}
