//! The job record: all SQL that touches `jobs`, `job_lists` and `job_parts`.

use kernel::{JobId, Timestamp, UserId};
use storage::{Connection, Dialect, Error, Result, Tx, execute, fetch_all, fetch_one, fetch_optional};

use super::{Action, Job, Refusal, Selection, State, Viewer};

/// What proves that somebody works on a job: random, new each time that it is claimed.
pub(super) type Lease = [u8; 16];

#[derive(sqlx::FromRow)]
struct Row {
    id: JobId,
    actor: Option<UserId>,
    action: String,
    parameters: String,
    state: String,
    total: Option<i64>,
    done: i64,
    failed: i64,
    refusals: String,
    trouble: Option<String>,
    has_result: bool,
    created_at: Timestamp,
    started_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    selection: String,
    bound: Option<UserId>,
    position: Option<UserId>,
}

/// A job that was claimed, with what it takes to go on.
pub(super) struct Claimed {
    /// The job.
    pub(super) job: Job,
    /// Which accounts, as it was written down.
    pub(super) selection: String,
    /// The newest account when it began.
    pub(super) bound: Option<UserId>,
    /// The last account that was dealt with.
    pub(super) position: Option<UserId>,
    /// Whether a filter chooses the accounts.
    pub(super) by_filter: bool,
    /// What proves that we work on it.
    pub(super) lease: Lease,
}

fn broken(what: &str) -> Error {
    Error::Broken(sqlx::Error::Decode(what.into()))
}

impl Row {
    /// The job. An action that this program does not know is an error: another process may know it.
    fn job(self) -> Result<Job> {
        let action = Action::from_stored(&self.action, &self.parameters)
            .ok_or_else(|| broken("a job's action is not one of this program's"))?;
        Ok(Job {
            id: self.id,
            actor: self.actor,
            action,
            state: State::from_stored(&self.state),
            total: self.total,
            done: self.done,
            failed: self.failed,
            refusals: serde_json::from_str(&self.refusals).unwrap_or_default(),
            trouble: self.trouble,
            has_result: self.has_result,
            created_at: self.created_at,
            started_at: self.started_at,
            ended_at: self.ended_at,
        })
    }
}

/// Writes down a job that is to be done.
pub(super) async fn insert(tx: &mut Tx, job: &Job, selection: &Selection, bound: Option<UserId>) -> Result<()> {
    execute!(
        tx,
        "INSERT INTO jobs (id, actor, action, parameters, selection, bound, state, position, total, done, failed,
                           refusals, trouble, has_result, lease, lease_until, created_at, started_at, ended_at)
         VALUES ($1, $2, $3, $4, $5, $6, 'queued', NULL, $7, 0, 0, '[]', NULL, $8, NULL, NULL, $9, NULL, NULL)",
        job.id,
        job.actor,
        job.action.name(),
        job.action.to_stored(),
        selection.to_stored(),
        bound,
        job.total,
        job.has_result,
        job.created_at
    )?;
    Ok(())
}

/// A job that this viewer sees.
pub async fn find(on: &mut impl Connection, viewer: Viewer, id: JobId) -> Result<Option<Job>> {
    Ok(whoever_asked(on, id).await?.filter(|job| viewer.sees(job.actor)))
}

/// A job, whoever has asked for it: for a caller that knows that it was whoever is to see it.
pub async fn whoever_asked(on: &mut impl Connection, id: JobId) -> Result<Option<Job>> {
    let row: Option<Row> = fetch_optional!(
        on,
        "SELECT id, actor, action, parameters, state, total, done, failed, refusals, trouble, has_result, created_at,
                started_at, ended_at, selection, bound, position
         FROM jobs WHERE id = $1",
        id
    )?;
    row.map(Row::job).transpose()
}

/// The jobs that this viewer sees, newest first, `limit` of those before `before`. Those of another version of
/// the program, which this one cannot show, are left out.
pub async fn list(on: &mut impl Connection, viewer: Viewer, before: Option<JobId>, limit: u32) -> Result<Vec<Job>> {
    let before = before.unwrap_or(JobId::from_bytes([0xff; 16]));
    let known = Action::known();
    let rows: Vec<Row> = match viewer {
        Viewer::Own(user) => fetch_all!(
            on,
            "SELECT id, actor, action, parameters, state, total, done, failed, refusals, trouble, has_result, created_at,
                    started_at, ended_at, selection, bound, position
             FROM jobs WHERE actor = $1 AND id < $2
                 AND $4 LIKE '%,' || action || ',%' ORDER BY id DESC LIMIT $3",
            user,
            before,
            i64::from(limit),
            known
        )?,
        Viewer::All(_) => fetch_all!(
            on,
            "SELECT id, actor, action, parameters, state, total, done, failed, refusals, trouble, has_result, created_at,
                    started_at, ended_at, selection, bound, position
             FROM jobs WHERE id < $1
                 AND $3 LIKE '%,' || action || ',%' ORDER BY id DESC LIMIT $2",
            before,
            i64::from(limit),
            known
        )?,
    };
    Ok(rows.into_iter().filter_map(|row| row.job().ok()).collect())
}

/// How many jobs are not over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Open {
    /// They wait.
    pub queued: i64,
    /// Somebody works on them.
    pub running: i64,
}

/// Counts the jobs that are not over.
pub async fn count_open(on: &mut impl Connection) -> Result<Open> {
    fetch_one!(
        on,
        "SELECT COUNT(*) FILTER (WHERE state = 'queued') AS queued, COUNT(*) FILTER (WHERE state = 'running') AS running
         FROM jobs WHERE state IN ('queued', 'running')"
    )
}

#[derive(sqlx::FromRow)]
struct Number {
    number: i64,
}

/// How many jobs of somebody are not over.
pub(super) async fn count_open_of(on: &mut impl Connection, actor: Option<UserId>) -> Result<i64> {
    let Some(actor) = actor else {
        let row: Number = fetch_one!(
            on,
            "SELECT COUNT(*) AS number FROM jobs WHERE state IN ('queued', 'running') AND actor IS NULL"
        )?;
        return Ok(row.number);
    };
    let row: Number = fetch_one!(
        on,
        "SELECT COUNT(*) AS number FROM jobs WHERE state IN ('queued', 'running') AND actor = $1",
        actor
    )?;
    Ok(row.number)
}

/// Whether there is a job that nobody works on and that this program can do: another version, which runs
/// beside it or was there before, may know other actions.
pub(super) async fn any_to_claim(on: &mut impl Connection, now: Timestamp) -> Result<bool> {
    let row: Number = fetch_one!(
        on,
        "SELECT COUNT(*) AS number FROM (
             SELECT 1 AS one FROM jobs
             WHERE state IN ('queued', 'running') AND (lease_until IS NULL OR lease_until < $1)
                 AND $2 LIKE '%,' || action || ',%' LIMIT 1) AS few",
        now,
        Action::known()
    )?;
    Ok(row.number > 0)
}

/// Takes the oldest job that nobody works on and that this program can do, until `until`. Two who ask at once never get the same.
pub(super) async fn claim(
    tx: &mut Tx,
    dialect: Dialect,
    lease: Lease,
    until: Timestamp,
    now: Timestamp,
) -> Result<Option<Claimed>> {
    let known = Action::known();
    let row: Option<Row> = match dialect {
        Dialect::Sqlite => fetch_optional!(
            tx,
            "UPDATE jobs SET state = 'running', lease = $1, lease_until = $2, started_at = COALESCE(started_at, $3)
             WHERE id = (SELECT id FROM jobs
                         WHERE state IN ('queued', 'running') AND (lease_until IS NULL OR lease_until < $3)
                             AND $4 LIKE '%,' || action || ',%'
                         ORDER BY id LIMIT 1)
             RETURNING id, actor, action, parameters, state, total, done, failed, refusals, trouble, has_result,
                       created_at, started_at, ended_at, selection, bound, position",
            lease.as_slice(),
            until,
            now,
            known
        )?,
        Dialect::Postgres => fetch_optional!(
            tx,
            "UPDATE jobs SET state = 'running', lease = $1, lease_until = $2, started_at = COALESCE(started_at, $3)
             WHERE id = (SELECT id FROM jobs
                         WHERE state IN ('queued', 'running') AND (lease_until IS NULL OR lease_until < $3)
                             AND $4 LIKE '%,' || action || ',%'
                         ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)
             RETURNING id, actor, action, parameters, state, total, done, failed, refusals, trouble, has_result,
                       created_at, started_at, ended_at, selection, bound, position",
            lease.as_slice(),
            until,
            now,
            known
        )?,
    };
    let Some(row) = row else { return Ok(None) };
    let (selection, bound, position) = (row.selection.clone(), row.bound, row.position);
    let by_filter = !Selection::is_ids(&selection);
    Ok(Some(Claimed { job: row.job()?, selection, bound, position, by_filter, lease }))
}

/// Keeps a job until `until`, if it is still ours: not cancelled, and not taken over by another. Whoever
/// asks this first in a transaction holds the row, so what it does then is done by the only one.
pub(super) async fn keep(tx: &mut Tx, id: JobId, lease: Lease, until: Timestamp) -> Result<bool> {
    let kept = execute!(
        tx,
        "UPDATE jobs SET lease_until = $1 WHERE id = $2 AND lease = $3 AND state = 'running'",
        until,
        id,
        lease.as_slice()
    )?;
    Ok(kept == 1)
}

/// Gives a job back to whoever wants it.
pub(super) async fn release(tx: &mut Tx, id: JobId, lease: Lease) -> Result<()> {
    execute!(
        tx,
        "UPDATE jobs SET lease = NULL, lease_until = NULL WHERE id = $1 AND lease = $2 AND state = 'running'",
        id,
        lease.as_slice()
    )?;
    Ok(())
}

/// Gives back the jobs that this program worked on when it died. Only where there is no other process.
pub(super) async fn release_all(tx: &mut Tx) -> Result<()> {
    execute!(tx, "UPDATE jobs SET lease = NULL, lease_until = NULL WHERE state = 'running' AND lease IS NOT NULL")?;
    Ok(())
}

/// Writes how far a job is that is kept.
pub(super) async fn advance(tx: &mut Tx, job: &Job, position: UserId) -> Result<()> {
    execute!(
        tx,
        "UPDATE jobs SET position = $1, done = $2, failed = $3, refusals = $4 WHERE id = $5",
        position,
        job.done,
        job.failed,
        serde_json::to_string(&job.refusals).unwrap_or_default(),
        job.id
    )?;
    Ok(())
}

/// Writes how many accounts a job is about that is kept.
pub(super) async fn set_total(tx: &mut Tx, id: JobId, total: i64) -> Result<()> {
    execute!(tx, "UPDATE jobs SET total = $1 WHERE id = $2", total, id)?;
    Ok(())
}

/// Ends a job that is kept. What it was about is forgotten: it may be what somebody typed about a person.
pub(super) async fn end(tx: &mut Tx, id: JobId, state: State, trouble: Option<&str>, now: Timestamp) -> Result<()> {
    execute!(
        tx,
        "UPDATE jobs SET state = $1, trouble = $2, selection = '', lease = NULL, lease_until = NULL, ended_at = $3
         WHERE id = $4",
        state.as_str(),
        trouble,
        now,
        id
    )?;
    forget_list(tx, id).await
}

/// Stops a job, if it is not over. How far it had come.
pub(super) async fn cancel(tx: &mut Tx, id: JobId, now: Timestamp) -> Result<Option<(i64, i64)>> {
    let row: Option<Counts> = fetch_optional!(
        tx,
        "UPDATE jobs SET state = 'cancelled', selection = '', lease = NULL, lease_until = NULL, ended_at = $1
         WHERE id = $2 AND state IN ('queued', 'running') RETURNING done, failed",
        now,
        id
    )?;
    if row.is_some() {
        forget_list(tx, id).await?;
    }
    Ok(row.map(|row| (row.done, row.failed)))
}

#[derive(sqlx::FromRow)]
struct Counts {
    done: i64,
    failed: i64,
}

/// How many accounts one piece of a list has.
const PIECE: usize = 1_000;

/// Writes down the accounts of a job in pieces, which are in order.
pub(super) async fn insert_list(tx: &mut Tx, id: JobId, ids: &[UserId]) -> Result<()> {
    for piece in ids.chunks(PIECE) {
        let Some(last) = piece.last() else { continue };
        execute!(
            tx,
            "INSERT INTO job_lists (job_id, last, ids) VALUES ($1, $2, $3)",
            id,
            *last,
            serde_json::to_string(piece).unwrap_or_default()
        )?;
    }
    Ok(())
}

#[derive(sqlx::FromRow)]
struct PieceRow {
    ids: String,
}

/// The piece of a job's list that has the accounts behind `position`; nothing behind the last.
pub(super) async fn list_after(on: &mut impl Connection, id: JobId, position: Option<UserId>) -> Result<Vec<UserId>> {
    let position = position.unwrap_or(UserId::from_bytes([0; 16]));
    let row: Option<PieceRow> = fetch_optional!(
        on,
        "SELECT ids FROM job_lists WHERE job_id = $1 AND last > $2 ORDER BY last LIMIT 1",
        id,
        position
    )?;
    let Some(row) = row else { return Ok(Vec::new()) };
    let ids: Vec<UserId> = serde_json::from_str(&row.ids).map_err(|_| broken("a job's list cannot be read"))?;
    Ok(ids.into_iter().filter(|id| *id > position).collect())
}

async fn forget_list(tx: &mut Tx, id: JobId) -> Result<()> {
    execute!(tx, "DELETE FROM job_lists WHERE job_id = $1", id)?;
    Ok(())
}

/// Adds the next part of an export.
pub(super) async fn insert_part(tx: &mut Tx, id: JobId, number: i64, blob: &str) -> Result<()> {
    execute!(tx, "INSERT INTO job_parts (job_id, number, blob) VALUES ($1, $2, $3)", id, number, blob)?;
    Ok(())
}

/// How many parts an export has.
pub(super) async fn count_parts(on: &mut impl Connection, id: JobId) -> Result<i64> {
    let row: Number = fetch_one!(on, "SELECT COUNT(*) AS number FROM job_parts WHERE job_id = $1", id)?;
    Ok(row.number)
}

#[derive(sqlx::FromRow)]
struct PartRow {
    blob: String,
}

/// The name of one part in the store, if there is that one.
pub(super) async fn part(on: &mut impl Connection, id: JobId, number: i64) -> Result<Option<String>> {
    let row: Option<PartRow> =
        fetch_optional!(on, "SELECT blob FROM job_parts WHERE job_id = $1 AND number = $2", id, number)?;
    Ok(row.map(|row| row.blob))
}

#[derive(sqlx::FromRow)]
struct IdRow {
    id: JobId,
}

/// Jobs whose result nobody can fetch any more: done before `done`, or ended otherwise before `ended`.
pub(super) async fn with_old_results(
    on: &mut impl Connection,
    done: Timestamp,
    ended: Timestamp,
    limit: i64,
) -> Result<Vec<JobId>> {
    let rows: Vec<IdRow> = fetch_all!(
        on,
        "SELECT id FROM jobs WHERE has_result AND ended_at IS NOT NULL
             AND (ended_at < $1 OR (state <> 'done' AND ended_at < $2)) ORDER BY ended_at LIMIT $3",
        done,
        ended,
        limit
    )?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// Forgets the result of a job whose files are gone.
pub(super) async fn forget_result(tx: &mut Tx, id: JobId) -> Result<()> {
    execute!(tx, "DELETE FROM job_parts WHERE job_id = $1", id)?;
    execute!(tx, "UPDATE jobs SET has_result = $1 WHERE id = $2", false, id)?;
    Ok(())
}

/// Removes jobs that ended before then and have no result, at most `limit`. How many they were.
pub(super) async fn remove_ended(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64> {
    execute!(
        tx,
        "DELETE FROM jobs WHERE id IN (
             SELECT id FROM jobs WHERE ended_at < $1 AND has_result = $2 ORDER BY ended_at LIMIT $3)",
        before,
        false,
        limit
    )
}

/// How many accounts that were refused are named.
const NAMED: usize = 20;

impl Job {
    /// Counts one that is as wanted.
    pub(super) fn count_done(&mut self) {
        self.done += 1;
    }

    /// Counts one that was left as it was.
    pub(super) fn count_refused(&mut self, user: UserId, code: &str) {
        self.failed += 1;
        if self.refusals.len() < NAMED {
            self.refusals.push(Refusal { user, code: code.to_owned() });
        }
    }
}
