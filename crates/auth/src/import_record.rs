//! The import record: all SQL that touches `imports`.

use kernel::Timestamp;
use storage::{Connection, Result, Tx, execute, fetch_optional};

/// How far a file has got.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct Progress {
    pub(crate) position: i64,
    pub(crate) imported: i64,
    pub(crate) skipped: i64,
    pub(crate) refused: i64,
    pub(crate) not_taken: Option<String>,
}

pub(crate) async fn find(on: &mut impl Connection, file: &[u8]) -> Result<Option<Progress>> {
    fetch_optional!(on, "SELECT position, imported, skipped, refused, not_taken FROM imports WHERE file = $1", file)
}

/// Begins a file, or begins one anew that was finished. One that is under way stays as it is.
pub(crate) async fn begin(tx: &mut Tx, file: &[u8], source: &str, now: Timestamp) -> Result<()> {
    execute!(
        tx,
        "INSERT INTO imports (file, source, position, imported, skipped, refused, started_at, updated_at, finished_at)
         VALUES ($1, $2, 0, 0, 0, 0, $3, $3, NULL)
         ON CONFLICT (file) DO UPDATE SET source = excluded.source, position = 0, imported = 0, skipped = 0,
             refused = 0, started_at = excluded.started_at, updated_at = excluded.updated_at, finished_at = NULL,
             not_taken = NULL
         WHERE imports.finished_at IS NOT NULL",
        file,
        source,
        now
    )?;
    Ok(())
}

/// What a batch adds.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) from: i64,
    pub(crate) to: i64,
    pub(crate) imported: i64,
    pub(crate) skipped: i64,
    pub(crate) refused: i64,
    pub(crate) is_last: bool,
    /// The rows of this batch that were not taken, as JSON.
    pub(crate) not_taken: String,
}

/// Moves a file on from where it stands to where a batch ends. Whether it stood there: if not, somebody
/// else has written this batch.
pub(crate) async fn advance(tx: &mut Tx, file: &[u8], step: Step, now: Timestamp) -> Result<bool> {
    let Step { from, to, imported, skipped, refused, is_last, not_taken } = step;
    let changed = execute!(
        tx,
        "UPDATE imports SET position = $1, imported = imported + $2, skipped = skipped + $3, refused = refused + $4,
             updated_at = $5, finished_at = $6, not_taken = $7
         WHERE file = $8 AND position = $9 AND finished_at IS NULL",
        to,
        imported,
        skipped,
        refused,
        now,
        is_last.then_some(now),
        (!is_last).then_some(not_taken),
        file,
        from
    )?;
    Ok(changed == 1)
}

/// Forgets files that nobody has gone on with since then, finished or not, at most `limit`. How many they were.
pub(crate) async fn sweep(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64> {
    execute!(
        tx,
        "DELETE FROM imports WHERE file IN (SELECT file FROM imports WHERE updated_at < $1 ORDER BY updated_at LIMIT $2)",
        before,
        limit
    )
}
