//! All SQL that touches `signal_events` and `signal_position`: tokens that have not been acknowledged.

use kernel::id::StreamId;
use kernel::{Timestamp, UserId};
use storage::{Connection, Result, Tx, execute, fetch_all, fetch_one, fetch_optional};

use super::set::Claims;
use super::stream::Status;

/// After so many answers that are neither yes nor no, the other tokens of the stream go on without it.
const PATIENCE: i64 = 5;
/// When it is tried again then, in seconds.
const LATER: i64 = 300;
/// How many rows one statement throws away.
const BATCH: i64 = 500;

/// A token that waits, with its order in the stream.
pub(super) struct Pending {
    pub(super) stream: StreamId,
    pub(super) ordinal: i64,
    /// About the stream itself: sent even when it is paused or disabled.
    pub(super) control: bool,
    /// Whom it is about.
    pub(super) subject: Option<UserId>,
    pub(super) claims: Claims,
}

/// A token that waits.
#[derive(sqlx::FromRow)]
pub(super) struct Waiting {
    pub(super) jti: String,
    pub(super) claims: String,
}

/// The order of a token: by ledger number, then by its place among what that entry caused.
pub(super) fn ordinal(index: i64, place: usize) -> i64 {
    (index << 16) | i64::try_from(place.min(0xffff)).unwrap_or(0xffff)
}

/// Adds a token, unless it is there.
pub(super) async fn insert(tx: &mut Tx, pending: &Pending, now: Timestamp) -> Result<()> {
    execute!(
        tx,
        "INSERT INTO signal_events (jti, stream_id, ordinal, control, subject, claims, attempts, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, 0, $7) ON CONFLICT DO NOTHING",
        pending.claims.jti.as_str(),
        pending.stream,
        pending.ordinal,
        pending.control,
        pending.subject,
        pending.claims.text.as_str(),
        now
    )?;
    Ok(())
}

/// The next tokens of a stream in this status. What follows a token that was set aside waits for it if it
/// is about the same account: "enabled" must not come before "disabled".
pub(super) async fn waiting(
    on: &mut impl Connection,
    stream: StreamId,
    status: Status,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<Waiting>> {
    fetch_all!(
        on,
        "SELECT e.jti, e.claims FROM signal_events e
         WHERE e.stream_id = $1 AND e.refused_at IS NULL AND (e.control OR $2)
             AND (e.retry_at IS NULL OR e.retry_at <= $3)
             AND NOT EXISTS (SELECT 1 FROM signal_events earlier WHERE earlier.stream_id = $1
                 AND earlier.subject = e.subject AND earlier.ordinal < e.ordinal
                 AND earlier.refused_at IS NULL AND earlier.retry_at > $3)
         ORDER BY e.ordinal, e.jti LIMIT $4",
        stream,
        status == Status::Enabled,
        now,
        limit
    )
}

/// The receiver has it.
pub(super) async fn acknowledge(tx: &mut Tx, stream: StreamId, jti: &str) -> Result<()> {
    execute!(tx, "DELETE FROM signal_events WHERE jti = $1 AND stream_id = $2", jti, stream)?;
    Ok(())
}

/// The receiver does not want it. It is kept for a while, for whoever asks why. Whether it was waiting.
pub(super) async fn refuse(tx: &mut Tx, stream: StreamId, jti: &str, refusal: &str, now: Timestamp) -> Result<bool> {
    let refused = execute!(
        tx,
        "UPDATE signal_events SET refused_at = $1, refusal = $2
         WHERE jti = $3 AND stream_id = $4 AND refused_at IS NULL",
        now,
        refusal,
        jti,
        stream
    )?;
    Ok(refused == 1)
}

#[derive(sqlx::FromRow)]
struct Attempts {
    attempts: i64,
}

/// The receiver answered, and it was neither yes nor no. Whether the others should go on without it.
pub(super) async fn count_attempt(tx: &mut Tx, stream: StreamId, jti: &str, now: Timestamp) -> Result<bool> {
    let counted: Option<Attempts> = fetch_optional!(
        tx,
        "UPDATE signal_events SET attempts = attempts + 1 WHERE jti = $1 AND stream_id = $2 RETURNING attempts",
        jti,
        stream
    )?;
    let set_aside = counted.is_some_and(|counted| counted.attempts >= PATIENCE);
    if set_aside {
        let later = now.plus_seconds(LATER);
        execute!(tx, "UPDATE signal_events SET retry_at = $1 WHERE jti = $2 AND stream_id = $3", later, jti, stream)?;
    }
    Ok(set_aside)
}

/// A change of the stream may have mended what failed: everything may be tried at once.
pub(super) async fn forgive(tx: &mut Tx, stream: StreamId) -> Result<()> {
    execute!(tx, "UPDATE signal_events SET retry_at = NULL, attempts = 0 WHERE stream_id = $1", stream)?;
    Ok(())
}

/// Throws away the events of a stream that are not about the stream itself.
pub(super) async fn clear(tx: &mut Tx, stream: StreamId) -> Result<()> {
    execute!(tx, "DELETE FROM signal_events WHERE stream_id = $1 AND NOT control", stream)?;
    Ok(())
}

/// Throws away all events of a stream.
pub(super) async fn delete(tx: &mut Tx, stream: StreamId) -> Result<()> {
    execute!(tx, "DELETE FROM signal_events WHERE stream_id = $1", stream)?;
    Ok(())
}

/// Throws away what has waited since before `before`, some at a time. How many.
pub(super) async fn expire(tx: &mut Tx, before: Timestamp) -> Result<u64> {
    execute!(
        tx,
        "DELETE FROM signal_events WHERE jti IN
             (SELECT jti FROM signal_events WHERE created_at < $1 ORDER BY created_at LIMIT $2)",
        before,
        BATCH
    )
}

#[derive(sqlx::FromRow)]
struct StreamRow {
    stream_id: StreamId,
}

/// The streams with more than `most` tokens, of whatever kind.
pub(super) async fn longer_than(on: &mut impl Connection, most: i64) -> Result<Vec<StreamId>> {
    let rows: Vec<StreamRow> = fetch_all!(
        on,
        "SELECT stream_id FROM signal_events GROUP BY stream_id HAVING COUNT(*) > $1 ORDER BY stream_id LIMIT 10000",
        most
    )?;
    Ok(rows.into_iter().map(|row| row.stream_id).collect())
}

/// Keeps the newest `most` tokens of a stream, of whatever kind. How many were thrown away.
pub(super) async fn cut(tx: &mut Tx, stream: StreamId, most: i64) -> Result<u64> {
    execute!(
        tx,
        "DELETE FROM signal_events WHERE stream_id = $1 AND ordinal <
             (SELECT COALESCE(MIN(newest.ordinal), 0) FROM
                 (SELECT ordinal FROM signal_events WHERE stream_id = $1 ORDER BY ordinal DESC LIMIT $2) AS newest)",
        stream,
        most
    )
}

/// Keeps the newest `most` events of a stream that are not about the stream itself. How many were thrown
/// away.
pub(super) async fn keep_newest(tx: &mut Tx, stream: StreamId, most: i64) -> Result<u64> {
    execute!(
        tx,
        "DELETE FROM signal_events WHERE stream_id = $1 AND NOT control AND ordinal <
             (SELECT COALESCE(MIN(newest.ordinal), 0) FROM
                 (SELECT ordinal FROM signal_events WHERE stream_id = $1 AND NOT control
                  ORDER BY ordinal DESC LIMIT $2) AS newest)",
        stream,
        most
    )
}

#[derive(sqlx::FromRow)]
struct PositionRow {
    position: i64,
}

/// The newest ledger number whose tokens are here.
pub(super) async fn position(on: &mut impl Connection) -> Result<i64> {
    let row: PositionRow = fetch_one!(on, "SELECT position FROM signal_position WHERE id = 1")?;
    Ok(row.position)
}

/// Moves the position on. The caller holds the lock.
pub(super) async fn advance(tx: &mut Tx, position: i64) -> Result<()> {
    execute!(tx, "UPDATE signal_position SET position = $1 WHERE id = 1 AND position < $1", position)?;
    Ok(())
}
