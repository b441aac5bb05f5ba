//! The record of deliveries: all SQL that touches `deliveries` and `notify_position`.
//!
//! Here they are written down and taken up; `outcome` says what becomes of them, `look` shows them.

mod look;
mod outcome;

use kernel::id::DeliveryId;
use kernel::{EventId, Timestamp, UserId};
use serde_json::{Map, Value};
use sqlx::{Postgres, QueryBuilder, Sqlite};
use storage::{Conn, Connection, Dialect, Error, Result, Tx, execute, fetch_all, fetch_one};

pub use self::look::{COUNTED, Count, Delivery, Filter};
pub(crate) use self::look::{counts, find, list};
pub(crate) use self::outcome::{give_back, hold, mark_ended, mark_failed, mark_sent, release_all, restart};
use crate::plan::Planned;

/// For how many seconds a delivery is tried.
pub(crate) const PATIENCE: i64 = 24 * 3_600;

/// What has become of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It was not tried yet.
    Queued,
    /// It was handed over.
    Sent,
    /// It was tried, and is tried again.
    Failed,
    /// It was given up.
    Dead,
    /// It was not to be told after all.
    Dropped,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Queued, Self::Sent, Self::Failed, Self::Dead, Self::Dropped];

    /// Its name in the database and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Dead => "dead",
            Self::Dropped => "dropped",
        }
    }

    /// The state of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

/// A delivery to be written down.
#[derive(Debug)]
pub(crate) struct NewDelivery {
    pub(crate) id: DeliveryId,
    pub(crate) event_id: EventId,
    pub(crate) event_index: Option<i64>,
    pub(crate) event_at: Timestamp,
    pub(crate) user: UserId,
    pub(crate) category: &'static str,
    pub(crate) channel: &'static str,
    pub(crate) template: &'static str,
    pub(crate) urgency: i64,
    pub(crate) data: Map<String, Value>,
    /// What becomes of it: to be sent, or already at its end, and why.
    pub(crate) state: State,
    pub(crate) reason: Option<&'static str>,
    pub(crate) message_id: Option<String>,
    /// When it is tried first.
    pub(crate) next_at: Timestamp,
}

/// A delivery that was taken up.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Claimed {
    pub(crate) id: DeliveryId,
    pub(crate) event_id: EventId,
    pub(crate) event_at: Timestamp,
    pub(crate) user_id: UserId,
    pub(crate) category: String,
    pub(crate) template: String,
    pub(crate) data: String,
    pub(crate) claims: i64,
    pub(crate) attempts: i64,
    pub(crate) leased_until: Timestamp,
    pub(crate) message_id: Option<String>,
    pub(crate) give_up_at: Timestamp,
}

/// Writes a delivery down, unless it is there: an entry of the ledger may be read twice. Whether it was new.
pub(crate) async fn insert(tx: &mut Tx, new: &NewDelivery, now: Timestamp) -> Result<bool> {
    let ended_at = matches!(new.state, State::Dead | State::Dropped | State::Sent).then_some(now);
    let inserted = execute!(
        tx,
        "INSERT INTO deliveries (id, event_id, event_index, event_at, user_id, category, channel, template, urgency,
             data, state, claims, attempts, next_at, give_up_at, leased_until, reason, message_id, created_at,
             ended_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0, 0, $17, $16, NULL, $13, $14, $12, $15)
         ON CONFLICT (event_id, user_id, channel, template) DO NOTHING",
        new.id,
        new.event_id,
        new.event_index,
        new.event_at,
        new.user,
        new.category,
        new.channel,
        new.template,
        new.urgency,
        // A map of JSON can always be written.
        serde_json::to_string(&new.data).unwrap_or_default(),
        new.state.as_str(),
        now,
        new.reason,
        new.message_id.as_deref(),
        ended_at,
        new.next_at.plus_seconds(PATIENCE),
        new.next_at
    )?;
    Ok(inserted == 1)
}

/// How many rows one statement writes.
const PIECE: usize = 50;

/// Writes many deliveries down, all of them to be sent, each unless it is there. How many were new.
pub(crate) async fn insert_many(tx: &mut Tx, all: &[NewDelivery], now: Timestamp) -> Result<u64> {
    macro_rules! insert_into {
        ($database:ty, $connection:expr, $piece:expr) => {{
            let mut query = QueryBuilder::<$database>::new(
                "INSERT INTO deliveries (id, event_id, event_index, event_at, user_id, category, channel, template, urgency,
                     data, state, claims, attempts, next_at, give_up_at, leased_until, reason, message_id, created_at,
                     ended_at) ",
            );
            query.push_values($piece, |mut row, new: &NewDelivery| {
                row.push_bind(new.id)
                    .push_bind(new.event_id)
                    .push_bind(new.event_index)
                    .push_bind(new.event_at)
                    .push_bind(new.user)
                    .push_bind(new.category)
                    .push_bind(new.channel)
                    .push_bind(new.template)
                    .push_bind(new.urgency)
                    .push_bind(serde_json::to_string(&new.data).unwrap_or_default())
                    .push_bind(new.state.as_str())
                    .push("0, 0")
                    .push_bind(new.next_at)
                    .push_bind(new.next_at.plus_seconds(PATIENCE))
                    .push("NULL")
                    .push_bind(new.reason)
                    .push_bind(new.message_id.clone())
                    .push_bind(now)
                    .push("NULL");
            });
            query.push(" ON CONFLICT (event_id, user_id, channel, template) DO NOTHING");
            query.build().execute($connection).await.map_err(Error::from)?.rows_affected()
        }};
    }
    let mut inserted = 0;
    for piece in all.chunks(PIECE) {
        inserted += match tx.conn() {
            Conn::Sqlite(connection) => insert_into!(Sqlite, &mut *connection, piece),
            Conn::Postgres(connection) => insert_into!(Postgres, &mut *connection, piece),
        };
    }
    Ok(inserted)
}

/// What waits because somebody wanted to be left alone, and was not tried yet, is due: they have chosen otherwise.
pub(crate) async fn come_now(tx: &mut Tx, user: UserId, now: Timestamp) -> Result<u64> {
    execute!(
        tx,
        "UPDATE deliveries SET next_at = $1 WHERE user_id = $2 AND state = 'queued' AND attempts = 0
             AND leased_until IS NULL AND next_at > $1",
        now,
        user
    )
}

#[derive(sqlx::FromRow)]
struct Lately {
    told: i64,
    newest: Option<Timestamp>,
}

/// Whether this was told to somebody within a minute, or five times within an hour.
pub(crate) async fn is_told_enough(tx: &mut Tx, planned: Planned, now: Timestamp) -> Result<bool> {
    let lately: Lately = fetch_one!(
        tx,
        "SELECT COUNT(*) AS told, MAX(created_at) AS newest FROM deliveries
         WHERE user_id = $1 AND template = $2 AND created_at > $3",
        planned.user,
        planned.template.as_str(),
        now.plus_seconds(-3_600)
    )?;
    Ok(lately.told >= 5 || lately.newest.is_some_and(|newest| newest > now.plus_seconds(-60)))
}

#[derive(sqlx::FromRow)]
struct Due {
    next_at: Option<Timestamp>,
}

/// When the next delivery of a channel is due, if there is one to come.
pub(crate) async fn next_due(on: &mut impl Connection, channel: &str) -> Result<Option<Timestamp>> {
    let row: Due = fetch_one!(
        on,
        "SELECT MIN(next_at) AS next_at FROM (
             SELECT MIN(next_at) AS next_at FROM deliveries
             WHERE channel = $1 AND urgency = 0 AND state IN ('queued', 'failed')
             UNION ALL
             SELECT MIN(next_at) AS next_at FROM deliveries
             WHERE channel = $1 AND urgency = 1 AND state IN ('queued', 'failed')) AS both_urgencies",
        channel
    )?;
    Ok(row.next_at)
}

/// Takes up what is due on a channel, the urgent first, at most `limit`, until `until`: nobody else gets it before.
/// Processes that ask at the same time get different rows.
pub(crate) async fn claim(
    tx: &mut Tx,
    dialect: Dialect,
    channel: &str,
    now: Timestamp,
    until: Timestamp,
    limit: i64,
) -> Result<Vec<Claimed>> {
    let mut claimed: Vec<Claimed> = match dialect {
        Dialect::Sqlite => fetch_all!(
            tx,
            "UPDATE deliveries SET leased_until = $3, next_at = $3, claims = claims + 1 WHERE id IN (
                 SELECT id FROM deliveries WHERE channel = $1 AND state IN ('queued', 'failed') AND next_at <= $2
                 ORDER BY urgency, next_at LIMIT $4)
             RETURNING id, event_id, event_at, user_id, category, template, data, claims, attempts, leased_until,
                 message_id, give_up_at",
            channel,
            now,
            until,
            limit
        )?,
        Dialect::Postgres => fetch_all!(
            tx,
            "UPDATE deliveries SET leased_until = $3, next_at = $3, claims = claims + 1 WHERE id IN (
                 SELECT id FROM deliveries WHERE channel = $1 AND state IN ('queued', 'failed') AND next_at <= $2
                 ORDER BY urgency, next_at LIMIT $4 FOR UPDATE SKIP LOCKED)
             RETURNING id, event_id, event_at, user_id, category, template, data, claims, attempts, leased_until,
                 message_id, give_up_at",
            channel,
            now,
            until,
            limit
        )?,
    };
    claimed.sort_by_key(|delivery| delivery.id);
    Ok(claimed)
}

#[derive(sqlx::FromRow)]
struct Number {
    count: i64,
}

/// Removes what came to its end before then, at most `limit`. How much it was.
pub(crate) async fn sweep(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64> {
    execute!(
        tx,
        "DELETE FROM deliveries WHERE id IN (
             SELECT id FROM deliveries WHERE ended_at < $1 ORDER BY ended_at LIMIT $2)",
        before,
        limit
    )
}

/// Whether anything came to its end before then.
pub(crate) async fn any_to_sweep(on: &mut impl Connection, before: Timestamp) -> Result<bool> {
    let row: Number = fetch_one!(
        on,
        "SELECT COUNT(*) AS count FROM (SELECT 1 AS one FROM deliveries WHERE ended_at < $1 LIMIT 1) AS few",
        before
    )?;
    Ok(row.count > 0)
}

#[derive(sqlx::FromRow)]
struct Position {
    idx: i64,
}

/// The newest ledger number whose messages are here.
pub(crate) async fn position(on: &mut impl Connection) -> Result<i64> {
    let row: Position = fetch_one!(on, "SELECT idx FROM notify_position WHERE one = 1")?;
    Ok(row.idx)
}

/// Moves the position on, if nobody else has. Whoever does holds the row until its commit: one process at a time
/// turns entries into deliveries.
pub(crate) async fn advance(tx: &mut Tx, from: i64, to: i64) -> Result<bool> {
    let moved = execute!(tx, "UPDATE notify_position SET idx = $1 WHERE one = 1 AND idx = $2", to, from)?;
    Ok(moved == 1)
}
