//! The record of what applications have asked to be said: all SQL that touches `sends`.

use kernel::Timestamp;
use kernel::id::SendId;
use storage::{Connection, Result, Tx, execute, fetch_all, fetch_one, fetch_optional};

/// A piece of work that an application has asked for.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct Send {
    pub(super) id: SendId,
    pub(super) fingerprint: Vec<u8>,
    pub(super) leased_until: Option<Timestamp>,
    pub(super) answer: Option<String>,
}

/// Writes down that this is being done, unless somebody has asked for something with this key before. Whether it is new.
pub(super) async fn claim(
    tx: &mut Tx,
    (id, sender, key): (SendId, &str, &[u8]),
    fingerprint: &[u8],
    until: Timestamp,
    now: Timestamp,
) -> Result<bool> {
    let inserted = execute!(
        tx,
        "INSERT INTO sends (id, sender, key_hash, fingerprint, template, sealed, leased_until, answer, created_at)
         VALUES ($1, $2, $3, $4, NULL, NULL, $5, NULL, $6) ON CONFLICT DO NOTHING",
        id,
        sender,
        key,
        fingerprint,
        until,
        now
    )?;
    Ok(inserted == 1)
}

/// What somebody has asked for with this key.
pub(super) async fn find(on: &mut impl Connection, sender: &str, key: &[u8]) -> Result<Option<Send>> {
    fetch_optional!(
        on,
        "SELECT id, fingerprint, leased_until, answer FROM sends WHERE sender = $1 AND key_hash = $2",
        sender,
        key
    )
}

/// Goes on with what a process has begun that is gone: check and act in one statement. Whether it is ours now.
pub(super) async fn take_over(tx: &mut Tx, id: SendId, until: Timestamp, now: Timestamp) -> Result<bool> {
    let taken = execute!(
        tx,
        "UPDATE sends SET leased_until = $1 WHERE id = $2 AND answer IS NULL AND leased_until < $3",
        until,
        id,
        now
    )?;
    Ok(taken == 1)
}

/// Writes down what was answered, if it was still to be. Whether it was.
pub(super) async fn answer(tx: &mut Tx, id: SendId, answer: &str) -> Result<bool> {
    let answered =
        execute!(tx, "UPDATE sends SET answer = $1, leased_until = NULL WHERE id = $2 AND answer IS NULL", answer, id)?;
    Ok(answered == 1)
}

/// Forgets what was not done: whoever asks again begins anew.
pub(super) async fn forget(tx: &mut Tx, id: SendId) -> Result<()> {
    execute!(tx, "DELETE FROM sends WHERE id = $1 AND answer IS NULL", id)?;
    Ok(())
}

/// Keeps what a job says.
pub(super) async fn keep(
    tx: &mut Tx,
    (id, sender): (SendId, &str),
    fingerprint: &[u8],
    (template, sealed): (&str, &[u8]),
    now: Timestamp,
) -> Result<()> {
    execute!(
        tx,
        "INSERT INTO sends (id, sender, key_hash, fingerprint, template, sealed, leased_until, answer, created_at)
         VALUES ($1, $2, NULL, $3, $4, $5, NULL, NULL, $6)
         ON CONFLICT (id) DO UPDATE SET template = excluded.template, sealed = excluded.sealed",
        id,
        sender,
        fingerprint,
        template,
        sealed,
        now
    )?;
    Ok(())
}

/// What a job says.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct Said {
    pub(super) sender: String,
    pub(super) template: Option<String>,
    pub(super) sealed: Option<Vec<u8>>,
    pub(super) created_at: Timestamp,
}

/// What this job says.
pub(super) async fn said(on: &mut impl Connection, id: SendId) -> Result<Option<Said>> {
    fetch_optional!(on, "SELECT sender, template, sealed, created_at FROM sends WHERE id = $1", id)
}

/// Forgets the values of what a job has said.
pub(super) async fn forget_values(tx: &mut Tx, id: SendId) -> Result<()> {
    execute!(tx, "UPDATE sends SET sealed = NULL WHERE id = $1", id)?;
    Ok(())
}

#[derive(sqlx::FromRow)]
struct Sealed {
    id: SendId,
    sealed: Vec<u8>,
}

/// What all jobs are still to say: as many as there can be jobs that are not over.
pub(super) async fn sealed(on: &mut impl Connection) -> Result<Vec<(SendId, Vec<u8>)>> {
    let rows: Vec<Sealed> =
        fetch_all!(on, "SELECT id, sealed FROM sends WHERE sealed IS NOT NULL ORDER BY id LIMIT 1000")?;
    Ok(rows.into_iter().map(|row| (row.id, row.sealed)).collect())
}

/// Puts what was sealed `again` in the place of what was there before, if that is there still. How many it was.
pub(super) async fn reseal(tx: &mut Tx, id: SendId, (before, again): (&[u8], &[u8])) -> Result<u64> {
    execute!(tx, "UPDATE sends SET sealed = $1 WHERE id = $2 AND sealed = $3", again, id, before)
}

/// What was answered to this sender, when it was asked for this.
pub(super) async fn answered(on: &mut impl Connection, sender: &str, id: SendId) -> Result<Option<String>> {
    let row: Option<Answer> = fetch_optional!(
        on,
        "SELECT answer FROM sends WHERE id = $1 AND sender = $2 AND answer IS NOT NULL",
        id,
        sender
    )?;
    Ok(row.map(|row| row.answer))
}

#[derive(sqlx::FromRow)]
struct Answer {
    answer: String,
}

/// Removes what was asked for before then, at most `limit`. How much it was.
pub(super) async fn sweep(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64> {
    execute!(
        tx,
        "DELETE FROM sends WHERE id IN (SELECT id FROM sends WHERE created_at < $1 ORDER BY created_at LIMIT $2)",
        before,
        limit
    )
}

#[derive(sqlx::FromRow)]
struct Number {
    number: i64,
}

/// Whether anything was asked for before then.
pub(super) async fn any_to_sweep(on: &mut impl Connection, before: Timestamp) -> Result<bool> {
    let row: Number = fetch_one!(
        on,
        "SELECT COUNT(*) AS number FROM (SELECT 1 AS one FROM sends WHERE created_at < $1 LIMIT 1) AS few",
        before
    )?;
    Ok(row.number > 0)
}
