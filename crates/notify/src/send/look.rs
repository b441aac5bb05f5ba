//! What has become of what somebody has asked to be said, for whoever asked.

use kernel::JobId;
use kernel::id::SendId;
use users::job::{self, Refusal, State};

use super::{Sender, Sent, record};
use crate::Notify;

/// How far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) id: SendId,
    /// The state of the job; done, where there is none.
    pub(crate) state: State,
    /// How many people it is for, where that was counted.
    pub(crate) total: Option<i64>,
    pub(crate) told: i64,
    /// How many were not told.
    pub(crate) not_told: i64,
    /// The first of these.
    pub(crate) refused: Vec<Refusal>,
    /// Why it was given up, as a code.
    pub(crate) trouble: Option<String>,
    pub(crate) job: Option<JobId>,
}

/// What has become of it; nothing if this sender has not asked for it, or longer ago than it is remembered.
pub(crate) async fn look(notify: &Notify, sender: &Sender, id: SendId) -> storage::Result<Option<Progress>> {
    let mut read = notify.db().read().await?;
    let answered = record::answered(&mut read, &sender.name(), id).await?;
    let Some(sent) = answered.and_then(|answer| serde_json::from_str::<Sent>(&answer).ok()) else { return Ok(None) };
    let Some(job) = sent.job else { return Ok(Some(said_at_once(sent))) };
    let job = job::record::whoever_asked(&mut read, job).await?;
    Ok(job.map(|job| Progress {
        id,
        state: job.state,
        total: job.total,
        told: job.done,
        not_told: job.failed,
        refused: job.refusals,
        trouble: job.trouble,
        job: Some(job.id),
    }))
}

fn said_at_once(sent: Sent) -> Progress {
    let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let (told, not_told) = (count(sent.told.unwrap_or(0)), count(sent.refused.len() as u64));
    Progress {
        id: sent.id,
        state: State::Done,
        total: Some(told + not_told),
        told,
        not_told,
        refused: sent.refused,
        trouble: None,
        job: None,
    }
}
