//! Doing the work: claim a job, deal with a few accounts at a time, and end it.

use std::time::Duration;

use kernel::secret::random_bytes;
use kernel::{Event, Kind, Timestamp, UserId};
use storage::{Error, Result};

use super::record::{self, Claimed};
use super::{Action, Job, Selection, State, batch, parts, tell};
use crate::search::{self, Count};
use crate::{Authority, Officer, Users, may};

/// For how many seconds a job is ours without a word from us.
const LEASE: i64 = 5;
/// How often we say one while something takes longer.
const KEEP_EVERY: Duration = Duration::from_secs(1);
/// How often it is looked whether another process has left a job behind.
const IDLE: Duration = Duration::from_secs(1);
/// How many accounts of a filter are counted, so that people see how far it is.
const MOST_COUNTED: u32 = 1_000_000;

/// What one step led to.
pub(super) enum Step {
    /// There may be more to do.
    On,
    /// It is over, or another has it: nothing more is to be done here.
    Over,
}

/// Works on jobs for ever, one at a time. Any number of these may run, in any number of processes.
pub async fn run(users: &Users) {
    while !users.jobs.is_stopping() {
        match claim(users).await {
            Ok(Some(claimed)) => {
                let at_work = users.jobs.begin();
                let (id, lease) = (claimed.job.id, claimed.lease);
                if let Err(error) = Box::pin(work(users, claimed)).await {
                    tracing::warn!(job = %id, %error, "a job could not go on; it is tried again");
                    tokio::time::sleep(IDLE).await;
                    give_back(users, id, lease).await;
                }
                drop(at_work);
            }
            Ok(None) => {
                tokio::select! {
                    () = users.jobs.nudged() => {}
                    () = users.jobs.stopping() => {}
                    () = tokio::time::sleep(IDLE) => {}
                }
            }
            Err(error) => {
                tracing::warn!(%error, "it cannot be seen whether there are jobs");
                tokio::time::sleep(IDLE).await;
            }
        }
    }
    // Who is begun again when it ends is not to begin in a process that stops.
    std::future::pending::<()>().await;
}

/// What this program worked on when it died can go on at once where there is no other process. To be called
/// once, at start.
pub async fn recover(users: &Users) -> Result<()> {
    if users.db.is_shared() {
        return Ok(());
    }
    let mut tx = users.db.begin().await?;
    record::release_all(&mut tx).await?;
    tx.commit().await
}

async fn claim(users: &Users) -> Result<Option<Claimed>> {
    let now = users.clock.now();
    // A write transaction every second would be felt by others; a look is not.
    if !record::any_to_claim(&mut users.db.read().await?, now).await? {
        return Ok(None);
    }
    let mut tx = users.db.begin().await?;
    let claimed = record::claim(&mut tx, users.db.dialect(), random_bytes(), lease_end(now), now).await?;
    tx.commit().await?;
    Ok(claimed)
}

pub(super) fn lease_end(now: Timestamp) -> Timestamp {
    now.plus_seconds(LEASE)
}

async fn give_back(users: &Users, id: kernel::JobId, lease: record::Lease) {
    let released = async {
        let mut tx = users.db.begin().await?;
        record::release(&mut tx, id, lease).await?;
        tx.commit().await
    }
    .await;
    if let Err(error) = released {
        tracing::warn!(job = %id, %error, "a job could not be given back: it waits for the end of its lease");
    }
}

/// Works on a job until it is over, is somebody else's, or the process is about to stop.
async fn work(users: &Users, mut claimed: Claimed) -> Result<()> {
    let worked = go_on(users, &mut claimed).await;
    match worked {
        Ok(()) => {
            if users.jobs.is_stopping() {
                give_back(users, claimed.job.id, claimed.lease).await;
            }
            Ok(())
        }
        // To try again would not help.
        Err(Error::Broken(cause)) => {
            tracing::error!(job = %claimed.job.id, %cause, "a job failed");
            fail(users, &mut claimed, "internal_error").await
        }
        Err(error @ (Error::Unavailable(_) | Error::Commit(_))) => Err(error),
    }
}

async fn go_on(users: &Users, claimed: &mut Claimed) -> Result<()> {
    // Another version of the program may have written something that this one does not know.
    let Some(selection) = Selection::from_stored(users, &claimed.selection) else {
        return fail(users, claimed, "internal_error").await;
    };
    let Some(()) = count(users, claimed, &selection).await? else { return Ok(()) };
    while !users.jobs.is_stopping() {
        let Some(ids) = kept(users, claimed, next(users, claimed, &selection)).await? else { return Ok(()) };
        if ids.is_empty() {
            return finish(users, claimed, State::Done, None).await;
        }
        let step = match claimed.job.action {
            Action::Export { format } => parts::write(users, claimed, format, &ids).await?,
            Action::Notify { send, .. } => tell::tell(users, claimed, send, &ids).await?,
            _ => batch::change(users, claimed, &ids).await?,
        };
        users.jobs.count_accounts(ids.len());
        if matches!(step, Step::Over) {
            return Ok(());
        }
    }
    Ok(())
}

/// In whose name a job is done. They proved their permission when they asked for it, and each step asks again.
pub(super) fn authority_of(job: &Job) -> Authority {
    job.actor.map_or(Authority::Operator, |user| Authority::Officer(Officer::resumed(user)))
}

/// Whether whoever asked for it still may have it done.
pub(super) async fn may_go_on(tx: &mut storage::Tx, claimed: &Claimed) -> Result<bool> {
    let permissions = authority_of(&claimed.job).permissions(tx).await?;
    let needs_a_reader = claimed.by_filter && claimed.job.action.needs_a_reader();
    let may_choose = !needs_a_reader || permissions.has(may::USERS_READ);
    Ok(may_choose && permissions.has(claimed.job.action.permission()))
}

/// Counts what a filter wants, once. Nothing if the job is not ours any more.
async fn count(users: &Users, claimed: &mut Claimed, selection: &Selection) -> Result<Option<()>> {
    let Selection::Matching(filter) = selection else { return Ok(Some(())) };
    if claimed.job.total.is_some() || claimed.position.is_some() {
        return Ok(Some(()));
    }
    let Some(counted) = kept(users, claimed, search::count_up_to(users, filter, MOST_COUNTED)).await? else {
        return Ok(None);
    };
    let Count::Exactly(total) = counted else { return Ok(Some(())) };
    let mut tx = users.db.begin().await?;
    if !record::keep(&mut tx, claimed.job.id, claimed.lease, lease_end(users.clock.now())).await? {
        return Ok(None);
    }
    record::set_total(&mut tx, claimed.job.id, i64::from(total)).await?;
    tx.commit().await?;
    Ok(Some(()))
}

/// The accounts whose turn it is.
async fn next(users: &Users, claimed: &Claimed, selection: &Selection) -> Result<Vec<UserId>> {
    let limit = match claimed.job.action {
        Action::Export { .. } => parts::ACCOUNTS,
        Action::Notify { .. } => tell::ACCOUNTS,
        _ => batch::ACCOUNTS,
    };
    match selection {
        Selection::Ids(ids) => {
            let from = claimed.position.map_or(0, |position| ids.partition_point(|id| *id <= position));
            Ok(ids[from..].iter().take(limit).copied().collect())
        }
        Selection::Listed => {
            let mut read = users.db.read().await?;
            let mut ids = record::list_after(&mut read, claimed.job.id, claimed.position).await?;
            ids.truncate(limit);
            Ok(ids)
        }
        Selection::Matching(filter) => {
            let Some(bound) = claimed.bound else { return Ok(Vec::new()) };
            let limit = u32::try_from(limit).unwrap_or(u32::MAX);
            let mut ids = search::ids_after(&mut users.db.read().await?, filter, claimed.position, limit).await?;
            ids.retain(|id| *id <= bound);
            Ok(ids)
        }
    }
}

/// Does something that may take longer than a lease, and keeps the job meanwhile. Nothing if it is not ours
/// any more.
pub(super) async fn kept<T>(
    users: &Users,
    claimed: &Claimed,
    something: impl Future<Output = Result<T>>,
) -> Result<Option<T>> {
    let mut something = std::pin::pin!(something);
    loop {
        tokio::select! {
            outcome = &mut something => return outcome.map(Some),
            () = tokio::time::sleep(KEEP_EVERY) => {}
        }
        let mut tx = users.db.begin().await?;
        if !record::keep(&mut tx, claimed.job.id, claimed.lease, lease_end(users.clock.now())).await? {
            return Ok(None);
        }
        tx.commit().await?;
    }
}

/// What a job says to people, in the ledger: the message and the request, never its values.
pub(super) fn named(event: Event, action: &Action) -> Event {
    match action {
        Action::Notify { send, template } => event.with("send", send.to_string()).with("template", template.as_str()),
        _ => event,
    }
}

/// What the ledger is told when a job ends.
pub(super) fn ended(job: &Job, now: Timestamp) -> Event {
    let event = Event::new(Kind::JobEnded, now)
        .with("job", job.id.to_string())
        .with("action", job.action.name())
        .with("state", job.state.as_str())
        .with("done", job.done)
        .with("failed", job.failed);
    let event = named(event, &job.action);
    match &job.trouble {
        Some(trouble) => event.with("trouble", trouble.as_str()),
        None => event,
    }
}

/// Ends a job that is ours.
async fn finish(users: &Users, claimed: &mut Claimed, state: State, trouble: Option<&str>) -> Result<()> {
    let now = users.clock.now();
    let mut tx = users.db.begin().await?;
    if record::keep(&mut tx, claimed.job.id, claimed.lease, lease_end(now)).await? {
        finish_in(users, &mut tx, &mut claimed.job, state, trouble, now).await?;
        tx.commit().await?;
        users.jobs.count_ended(state == State::Done);
    }
    Ok(())
}

/// The same in a transaction that keeps the job.
pub(super) async fn finish_in(
    users: &Users,
    tx: &mut storage::Tx,
    job: &mut Job,
    state: State,
    trouble: Option<&str>,
    now: Timestamp,
) -> Result<()> {
    job.state = state;
    job.trouble = trouble.map(str::to_owned);
    record::end(tx, job.id, state, trouble, now).await?;
    tx.append(authority_of(job).sign(ended(job, now)));
    forget_words(users, tx, &job.action).await
}

/// Forgets what a job was to say that is over: it may be about people.
pub(super) async fn forget_words(users: &Users, tx: &mut storage::Tx, action: &Action) -> Result<()> {
    match (action, users.jobs.teller()) {
        (Action::Notify { send, .. }, Some(teller)) => teller.forget(tx, *send).await,
        _ => Ok(()),
    }
}

async fn fail(users: &Users, claimed: &mut Claimed, trouble: &str) -> Result<()> {
    finish(users, claimed, State::Failed, Some(trouble)).await
}
