//! The ledger: every event, numbered without gaps, each with its leaf hash (RFC 9162 §2.1.1).

mod follower;

use aws_lc_rs::digest::{Context, SHA256};
use kernel::{Event, EventId, Revocation, Timestamp, UserId};
use sqlx::{PgConnection, Postgres, QueryBuilder, Sqlite};

use crate::db::Raw;
use crate::statement::{Conn, Connection};
use crate::{Error, Result, fetch_all, fetch_one};

pub use self::follower::{Follower, Place, Step};

/// What the ledger keeps of an event: columns to find it by, and the text that is hashed.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Entry {
    event_id: EventId,
    kind: String,
    subject: Option<UserId>,
    revokes: bool,
    at: Timestamp,
    body: String,
}

impl From<&Event> for Entry {
    fn from(event: &Event) -> Self {
        Self {
            event_id: event.id,
            kind: event.kind.as_str().to_owned(),
            subject: event.subject,
            revokes: event.revokes.is_some(),
            at: event.at,
            // An event is ids, times and plain JSON: there is nothing in it that cannot be written.
            body: serde_json::to_string(event).unwrap_or_default(),
        }
    }
}

/// The hash of a ledger entry: SHA-256 over a zero byte and the entry's exact text.
pub fn leaf_hash(body: &str) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    context.update(&[0]);
    context.update(body.as_bytes());
    let mut leaf = [0; 32];
    leaf.copy_from_slice(context.finish().as_ref());
    leaf
}

/// How many rows one INSERT writes: few different statements, so that they stay prepared.
const CHUNKS: [usize; 3] = [32, 8, 1];

/// Cuts a slice into pieces of the lengths in [`CHUNKS`].
fn pieces<T>(mut rest: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let size = CHUNKS.into_iter().find(|&size| size <= rest.len())?;
        let (piece, after) = rest.split_at(size);
        rest = after;
        Some(piece)
    })
}

/// Writes events to the ledger, numbered from `first` on.
pub(crate) async fn insert(on: &mut Raw<'_>, first: i64, entries: &[Entry]) -> Result<()> {
    macro_rules! insert_into {
        ($database:ty, $connection:expr, $first:expr, $piece:expr) => {{
            let mut query = QueryBuilder::<$database>::new(
                "INSERT INTO ledger (idx, event_id, kind, subject, revokes, at, body, leaf) ",
            );
            query.push_values(($first..).zip($piece), |mut row, (index, entry): (i64, &Entry)| {
                row.push_bind(index)
                    .push_bind(entry.event_id)
                    .push_bind(entry.kind.as_str())
                    .push_bind(entry.subject)
                    .push_bind(entry.revokes)
                    .push_bind(entry.at)
                    .push_bind(entry.body.as_str())
                    .push_bind(leaf_hash(&entry.body).to_vec());
            });
            query.build().execute($connection).await.map_err(Error::from)?;
        }};
    }
    let mut next = first;
    for piece in pieces(entries) {
        match on.conn() {
            Conn::Sqlite(connection) => insert_into!(Sqlite, &mut *connection, next, piece),
            Conn::Postgres(connection) => insert_into!(Postgres, &mut *connection, next, piece),
        }
        next += i64::try_from(piece.len()).unwrap_or(0);
    }
    Ok(())
}

/// Writes events that are still to be numbered.
pub(crate) async fn insert_outbox(connection: &mut PgConnection, events: &[Event]) -> Result<()> {
    let entries: Vec<Entry> = events.iter().map(Entry::from).collect();
    for piece in pieces(&entries) {
        let mut query =
            QueryBuilder::<Postgres>::new("INSERT INTO outbox (event_id, kind, subject, revokes, at, body) ");
        query.push_values(piece, |mut row, entry: &Entry| {
            row.push_bind(entry.event_id)
                .push_bind(entry.kind.as_str())
                .push_bind(entry.subject)
                .push_bind(entry.revokes)
                .push_bind(entry.at)
                .push_bind(entry.body.as_str());
        });
        query.build().execute(&mut *connection).await?;
    }
    Ok(())
}

/// Takes events out of the outbox to number them, oldest first, at most `limit`. Their text is passed
/// on as it is: a newer program may have written kinds and facts that this one does not know.
pub(crate) async fn take_from_outbox(on: &mut impl Connection, limit: i64) -> Result<Vec<Entry>> {
    let mut entries: Vec<Entry> = fetch_all!(
        on,
        "DELETE FROM outbox WHERE event_id IN (SELECT event_id FROM outbox ORDER BY event_id LIMIT $1)
         RETURNING event_id, kind, subject, revokes, at, body",
        limit
    )?;
    entries.sort_by_key(|entry| entry.event_id);
    Ok(entries)
}

#[derive(sqlx::FromRow)]
struct Row {
    idx: i64,
    body: String,
}

/// The part of an event that says what trust it ends.
#[derive(serde::Deserialize)]
struct Ends {
    revokes: Option<Revocation>,
}

#[derive(sqlx::FromRow)]
struct Newest {
    newest: i64,
}

/// The number of the newest entry; -1 while there is none.
pub async fn newest(on: &mut impl Connection) -> Result<i64> {
    let row: Newest = fetch_one!(on, "SELECT COALESCE(MAX(idx), -1) AS newest FROM ledger")?;
    Ok(row.newest)
}

/// The entries after number `index`, oldest first, at most `limit`: each number with its text.
pub async fn after(on: &mut impl Connection, index: i64, limit: i64) -> Result<Vec<(i64, String)>> {
    let rows: Vec<Row> =
        fetch_all!(on, "SELECT idx, body FROM ledger WHERE idx > $1 ORDER BY idx LIMIT $2", index, limit)?;
    Ok(rows.into_iter().map(|row| (row.idx, row.body)).collect())
}

/// What happened, without anything about it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Happened {
    /// The number of the entry.
    #[sqlx(rename = "idx")]
    pub index: i64,
    /// The kind of the event; a newer program may have written one that this one does not know.
    pub kind: String,
    /// When it happened.
    pub at: Timestamp,
}

/// What happened after number `index`, oldest first, at most `limit`.
pub async fn happened_after(on: &mut impl Connection, index: i64, limit: i64) -> Result<Vec<Happened>> {
    fetch_all!(on, "SELECT idx, kind, at FROM ledger WHERE idx > $1 ORDER BY idx LIMIT $2", index, limit)
}

/// What happened to this account, newest first: `limit` entries numbered below `before`, each number
/// with its text.
pub async fn about(
    on: &mut impl Connection,
    subject: UserId,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<(i64, String)>> {
    let rows: Vec<Row> = fetch_all!(
        on,
        "SELECT idx, body FROM ledger WHERE subject = $1 AND idx < $2 ORDER BY idx DESC LIMIT $3",
        subject,
        before.unwrap_or(i64::MAX),
        limit
    )?;
    Ok(rows.into_iter().map(|row| (row.idx, row.body)).collect())
}

#[derive(sqlx::FromRow)]
struct Waiting {
    waiting: i64,
}

/// How many events wait for their number, counted up to `most`.
pub async fn waiting(on: &mut impl Connection, most: i64) -> Result<i64> {
    let row: Waiting =
        fetch_one!(on, "SELECT COUNT(*) AS waiting FROM (SELECT 1 AS one FROM outbox LIMIT $1) AS few", most)?;
    Ok(row.waiting)
}

/// What the entries after number `index` up to `newest` revoke, at most `limit`, each with its number.
pub async fn revocations_after(
    on: &mut impl Connection,
    index: i64,
    newest: i64,
    limit: i64,
) -> Result<Vec<(i64, Revocation)>> {
    let rows: Vec<Row> = fetch_all!(
        on,
        "SELECT idx, body FROM ledger WHERE revokes AND idx > $1 AND idx <= $2 ORDER BY idx LIMIT $3",
        index,
        newest,
        limit
    )?;
    rows.iter().filter_map(Row::revocation).collect()
}

/// One ledger entry that ends trust.
#[derive(Clone, Debug)]
pub struct Revoking {
    /// Its number.
    pub index: i64,
    /// The kind of the event, which is why.
    pub kind: String,
    /// When it happened.
    pub at: Timestamp,
    /// What it ends.
    pub revocation: Revocation,
}

#[derive(sqlx::FromRow)]
struct RevokingRow {
    idx: i64,
    kind: String,
    at: Timestamp,
    body: String,
}

/// The entries after number `index` up to `newest` that end trust, oldest first, at most `limit`.
pub async fn revoking_after(on: &mut impl Connection, index: i64, newest: i64, limit: i64) -> Result<Vec<Revoking>> {
    let rows: Vec<RevokingRow> = fetch_all!(
        on,
        "SELECT idx, kind, at, body FROM ledger WHERE revokes AND idx > $1 AND idx <= $2 ORDER BY idx LIMIT $3",
        index,
        newest,
        limit
    )?;
    let read = |row: RevokingRow| {
        let revocation = Row { idx: row.idx, body: row.body }.revocation()?;
        Some(revocation.map(|(index, revocation)| Revoking { index, kind: row.kind, at: row.at, revocation }))
    };
    rows.into_iter().filter_map(read).collect()
}

#[derive(sqlx::FromRow)]
struct First {
    first: Option<i64>,
}

/// The number of the first entry since `from` that ends trust, if there is one.
pub async fn first_revoking_since(on: &mut impl Connection, from: Timestamp) -> Result<Option<i64>> {
    let row: First = fetch_one!(on, "SELECT MIN(idx) AS first FROM ledger WHERE revokes AND at >= $1", from)?;
    Ok(row.first)
}

/// Every revocation since `from`, numbered or still in the outbox. Their number is bounded by how long
/// an access token lives, which is how far back it makes sense to ask.
pub async fn revocations_since(on: &mut impl Connection, from: Timestamp) -> Result<Vec<(i64, Revocation)>> {
    let rows: Vec<Row> = fetch_all!(
        on,
        "SELECT idx, body FROM ledger WHERE revokes AND at >= $1
         UNION ALL SELECT -1, body FROM outbox WHERE revokes",
        from
    )?;
    rows.iter().filter_map(Row::revocation).collect()
}

#[derive(sqlx::FromRow)]
struct Oldest {
    oldest: Option<Timestamp>,
}

/// Since when a revocation waits for its number, if one does. Long waits mean that the leader stands
/// still: whoever reads the ledger then does not know all that was revoked.
pub async fn revocation_waits_since(on: &mut impl Connection) -> Result<Option<Timestamp>> {
    let row: Oldest = fetch_one!(on, "SELECT MIN(at) AS oldest FROM outbox WHERE revokes")?;
    Ok(row.oldest)
}

impl Row {
    /// What it revokes. One that cannot be read is an error: to skip it would be to trust the revoked.
    fn revocation(&self) -> Option<Result<(i64, Revocation)>> {
        match serde_json::from_str(&self.body) {
            Ok(Ends { revokes }) => revokes.map(|revocation| Ok((self.idx, revocation))),
            Err(error) => Some(Err(Error::Broken(sqlx::Error::Decode(error.into())))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_cover_everything_in_order() {
        let rows: Vec<usize> = (0..45).collect();
        let cut: Vec<&[usize]> = pieces(&rows).collect();
        assert_eq!(cut.iter().map(|piece| piece.len()).collect::<Vec<_>>(), [32, 8, 1, 1, 1, 1, 1]);
        assert_eq!(cut.concat(), rows);
    }

    #[test]
    fn leaf_hash_is_that_of_rfc_9162() {
        // The hash of an empty leaf: SHA-256 of one zero byte.
        let hex: String = leaf_hash("").iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
        assert_eq!(hex, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
    }
}
