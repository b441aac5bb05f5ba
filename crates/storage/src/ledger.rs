//! The ledger: every event, numbered without gaps, each with its leaf hash (RFC 9162 §2.1.1).

use aws_lc_rs::digest::{Context, SHA256};
use kernel::{Event, Timestamp};
use sqlx::{PgConnection, Postgres, QueryBuilder, Sqlite};

use crate::db::Raw;
use crate::statement::{Conn, Connection};
use crate::{Error, Result, fetch_all, fetch_one};

/// An event that has its number.
#[derive(Clone, Debug)]
pub struct Sequenced {
    /// Its place in the ledger, from 0.
    pub index: i64,
    /// What happened.
    pub event: Event,
    pub(crate) body: String,
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

/// The text that is kept and hashed.
fn body_of(event: &Event) -> String {
    // An event is ids, times and plain JSON: there is nothing in it that cannot be written.
    serde_json::to_string(event).unwrap_or_default()
}

/// Gives consecutive numbers from `first` on.
pub(crate) fn number(events: Vec<Event>, first: i64) -> Vec<Sequenced> {
    (first..).zip(events).map(|(index, event)| Sequenced { index, body: body_of(&event), event }).collect()
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

/// Writes numbered events to the ledger.
pub(crate) async fn insert(on: &mut Raw<'_>, entries: &[Sequenced]) -> Result<()> {
    macro_rules! insert_into {
        ($database:ty, $connection:expr, $piece:expr) => {{
            let mut query = QueryBuilder::<$database>::new(
                "INSERT INTO ledger (idx, event_id, kind, subject, revokes, at, body, leaf) ",
            );
            query.push_values($piece, |mut row, entry: &Sequenced| {
                row.push_bind(entry.index)
                    .push_bind(entry.event.id)
                    .push_bind(entry.event.kind.as_str())
                    .push_bind(entry.event.subject)
                    .push_bind(entry.event.revokes.is_some())
                    .push_bind(entry.event.at)
                    .push_bind(entry.body.as_str())
                    .push_bind(leaf_hash(&entry.body).to_vec());
            });
            query.build().execute($connection).await.map_err(Error::from)?;
        }};
    }
    for piece in pieces(entries) {
        match on.conn() {
            Conn::Sqlite(connection) => insert_into!(Sqlite, &mut *connection, piece),
            Conn::Postgres(connection) => insert_into!(Postgres, &mut *connection, piece),
        }
    }
    Ok(())
}

/// Writes events that are still to be numbered.
pub(crate) async fn insert_outbox(connection: &mut PgConnection, events: &[Event]) -> Result<()> {
    for piece in pieces(events) {
        let mut query =
            QueryBuilder::<Postgres>::new("INSERT INTO outbox (event_id, kind, subject, revokes, at, body) ");
        query.push_values(piece, |mut row, event: &Event| {
            row.push_bind(event.id)
                .push_bind(event.kind.as_str())
                .push_bind(event.subject)
                .push_bind(event.revokes.is_some())
                .push_bind(event.at)
                .push_bind(body_of(event));
        });
        query.build().execute(&mut *connection).await?;
    }
    Ok(())
}

#[derive(sqlx::FromRow)]
struct Row {
    idx: i64,
    body: String,
}

impl TryFrom<Row> for Sequenced {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        let event =
            serde_json::from_str(&row.body).map_err(|error| Error::Broken(sqlx::Error::Decode(error.into())))?;
        Ok(Self { index: row.idx, event, body: row.body })
    }
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

/// The entries after number `index`, oldest first, at most `limit`.
pub async fn after(on: &mut impl Connection, index: i64, limit: i64) -> Result<Vec<Sequenced>> {
    let rows: Vec<Row> =
        fetch_all!(on, "SELECT idx, body FROM ledger WHERE idx > $1 ORDER BY idx LIMIT $2", index, limit)?;
    rows.into_iter().map(Sequenced::try_from).collect()
}

/// Every event since `from` that ended trust, numbered or still in the outbox. Their number is
/// bounded by how long an access token lives, which is how far back it makes sense to ask.
pub async fn revocations_since(on: &mut impl Connection, from: Timestamp) -> Result<Vec<Event>> {
    let rows: Vec<Row> = fetch_all!(
        on,
        "SELECT idx, body FROM ledger WHERE revokes AND at >= $1
         UNION ALL SELECT -1, body FROM outbox WHERE revokes",
        from
    )?;
    rows.into_iter().map(|row| Sequenced::try_from(row).map(|entry| entry.event)).collect()
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
