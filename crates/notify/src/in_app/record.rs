//! The record of inboxes: all SQL that touches `notifications` and `notification_changes`.

use kernel::id::NotificationId;
use kernel::{EventId, Timestamp, UserId};
use serde_json::{Map, Value};
use sqlx::{Postgres, QueryBuilder, Sqlite};
use storage::{Conn, Connection, Error, Result, Tx, execute, fetch_all, fetch_one, fetch_optional};

use crate::among::fetch_among;

/// How many rows one statement writes.
const PIECE: usize = 50;
/// How many people one statement asks about.
pub(super) const PEOPLE: usize = 200;
/// How many messages one person keeps.
pub(super) const KEPT_EACH: i64 = 1_000;

/// A message to be put into somebody's inbox.
#[derive(Clone, Debug)]
pub(crate) struct NewNotification {
    pub(crate) id: NotificationId,
    pub(crate) user: UserId,
    pub(crate) event_id: EventId,
    pub(crate) event_at: Timestamp,
    pub(crate) category: String,
    pub(crate) template: String,
    pub(crate) data: Map<String, Value>,
}

/// A message in somebody's inbox.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Notification {
    pub(crate) id: NotificationId,
    pub(crate) user_id: UserId,
    pub(crate) event_at: Timestamp,
    pub(crate) category: String,
    pub(crate) template: String,
    pub(crate) data: String,
    pub(crate) changed: i64,
    pub(crate) read_at: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
struct Number {
    number: i64,
}

/// The number of the newest change in any inbox.
pub(super) async fn newest_change(on: &mut impl Connection) -> Result<i64> {
    let row: Number = fetch_one!(on, "SELECT changed AS number FROM notification_changes WHERE one = 1")?;
    Ok(row.number)
}

/// Takes the next numbers of changes, so many of them, and holds all others back until this transaction ends: to be
/// done as late in it as can be. The first of them.
async fn next_changes(tx: &mut Tx, count: usize) -> Result<i64> {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let row: Number = fetch_one!(
        tx,
        "UPDATE notification_changes SET changed = changed + $1 WHERE one = 1 RETURNING changed AS number",
        count
    )?;
    Ok(row.number - count + 1)
}

/// Puts messages into inboxes, each unless it is there: an entry of the ledger may be read twice. How many were new.
pub(crate) async fn insert(tx: &mut Tx, new: &[NewNotification], now: Timestamp) -> Result<u64> {
    if new.is_empty() {
        return Ok(0);
    }
    let first = next_changes(tx, new.len()).await?;
    macro_rules! insert_into {
        ($database:ty, $connection:expr, $first:expr, $piece:expr) => {{
            let mut query = QueryBuilder::<$database>::new(
                "INSERT INTO notifications (id, user_id, event_id, event_at, category, template, data, changed, created_at) ",
            );
            query.push_values(($first..).zip($piece), |mut row, (number, new): (i64, &NewNotification)| {
                row.push_bind(new.id)
                    .push_bind(new.user)
                    .push_bind(new.event_id)
                    .push_bind(new.event_at)
                    .push_bind(new.category.as_str())
                    .push_bind(new.template.as_str())
                    // A map of JSON can always be written.
                    .push_bind(serde_json::to_string(&new.data).unwrap_or_default())
                    .push_bind(number)
                    .push_bind(now);
            });
            query.push(" ON CONFLICT (event_id, user_id, template) DO NOTHING");
            query.build().execute($connection).await.map_err(Error::from)?.rows_affected()
        }};
    }
    let (mut inserted, mut next) = (0, first);
    for piece in new.chunks(PIECE) {
        inserted += match tx.conn() {
            Conn::Sqlite(connection) => insert_into!(Sqlite, &mut *connection, next, piece),
            Conn::Postgres(connection) => insert_into!(Postgres, &mut *connection, next, piece),
        };
        next += i64::try_from(piece.len()).unwrap_or(0);
    }
    Ok(inserted)
}

/// Which messages of an inbox are asked for.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Only those that were not read.
    pub unread: bool,
    /// Only those of this category.
    pub category: Option<String>,
}

/// Somebody's messages, newest first: `limit` of those before `before`.
pub(super) async fn list(
    on: &mut impl Connection,
    user: UserId,
    wanted: &Wanted,
    before: Option<NotificationId>,
    limit: i64,
) -> Result<Vec<Notification>> {
    let before = before.unwrap_or(NotificationId::from_bytes([0xff; 16]));
    fetch_all!(
        on,
        "SELECT id, user_id, event_at, category, template, data, changed, read_at FROM notifications
         WHERE user_id = $1 AND id < $2 AND (read_at IS NULL OR NOT $3)
             AND (CAST($4 AS TEXT) IS NULL OR category = $4) ORDER BY id DESC LIMIT $5",
        user,
        before,
        wanted.unread,
        wanted.category.as_deref(),
        limit
    )
}

/// Somebody's unread messages that changed after this number, in the order of their changes.
pub(super) async fn unread_after(
    on: &mut impl Connection,
    user: UserId,
    changed: i64,
    limit: i64,
) -> Result<Vec<Notification>> {
    fetch_all!(
        on,
        "SELECT id, user_id, event_at, category, template, data, changed, read_at FROM notifications
         WHERE user_id = $1 AND read_at IS NULL AND changed > $2 ORDER BY changed LIMIT $3",
        user,
        changed,
        limit
    )
}

/// How many messages somebody has not read.
pub(super) async fn unread(on: &mut impl Connection, user: UserId) -> Result<i64> {
    let row: Number =
        fetch_one!(on, "SELECT COUNT(*) AS number FROM notifications WHERE user_id = $1 AND read_at IS NULL", user)?;
    Ok(row.number)
}

/// A change in somebody's inbox.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub(super) struct Change {
    pub(super) changed: i64,
    pub(super) id: NotificationId,
    pub(super) user_id: UserId,
    pub(super) is_unread: bool,
}

/// What changed after this number, in whatever inbox, in order.
pub(super) async fn changes_after(on: &mut impl Connection, changed: i64, limit: i64) -> Result<Vec<Change>> {
    fetch_all!(
        on,
        "SELECT changed, id, user_id, read_at IS NULL AS is_unread FROM notifications
         WHERE changed > $1 ORDER BY changed LIMIT $2",
        changed,
        limit
    )
}

#[derive(sqlx::FromRow)]
struct CountOf {
    user_id: UserId,
    number: i64,
}

/// How many messages each of these people has not read; who is not in the answer has none such. At most [`PEOPLE`].
pub(super) async fn unread_of(on: &mut impl Connection, people: &[UserId]) -> Result<Vec<(UserId, i64)>> {
    let rows: Vec<CountOf> = fetch_among!(
        on,
        CountOf,
        " user_id, COUNT(*) AS number FROM notifications WHERE read_at IS NULL AND user_id",
        people,
        " GROUP BY user_id"
    )?;
    Ok(rows.into_iter().map(|row| (row.user_id, row.number)).collect())
}

/// These messages, at most [`PEOPLE`] of them.
pub(super) async fn these(on: &mut impl Connection, ids: &[NotificationId]) -> Result<Vec<Notification>> {
    fetch_among!(
        on,
        Notification,
        " id, user_id, event_at, category, template, data, changed, read_at FROM notifications WHERE id",
        ids,
        " ORDER BY changed"
    )
}

/// Whether somebody has this message.
pub(super) async fn exists(on: &mut impl Connection, user: UserId, id: NotificationId) -> Result<bool> {
    let row: Number =
        fetch_one!(on, "SELECT COUNT(*) AS number FROM notifications WHERE id = $1 AND user_id = $2", id, user)?;
    Ok(row.number > 0)
}

/// Marks a message of somebody's as read. Whether it was theirs and unread until now.
pub(super) async fn mark_read(tx: &mut Tx, user: UserId, id: NotificationId, now: Timestamp) -> Result<bool> {
    let number = next_changes(tx, 1).await?;
    let marked = execute!(
        tx,
        "UPDATE notifications SET read_at = $1, changed = $2 WHERE id = $3 AND user_id = $4 AND read_at IS NULL",
        now,
        number,
        id,
        user
    )?;
    Ok(marked == 1)
}

/// Marks what somebody has as read, up to this message. Whether there was any. One of them stands for the change of
/// all: whoever shows the inbox has to look at it as a whole anyway.
pub(super) async fn mark_all_read(tx: &mut Tx, user: UserId, up_to: NotificationId, now: Timestamp) -> Result<bool> {
    let number = next_changes(tx, 1).await?;
    let newest: Option<Number> = fetch_optional!(
        tx,
        "UPDATE notifications SET read_at = $1, changed = $2 WHERE id = (
             SELECT id FROM notifications WHERE user_id = $3 AND id <= $4 AND read_at IS NULL ORDER BY id DESC LIMIT 1)
         RETURNING changed AS number",
        now,
        number,
        user,
        up_to
    )?;
    if newest.is_none() {
        return Ok(false);
    }
    execute!(
        tx,
        "UPDATE notifications SET read_at = $1 WHERE user_id = $2 AND id <= $3 AND read_at IS NULL",
        now,
        user,
        up_to
    )?;
    Ok(true)
}

/// Removes messages that came before then, at most `limit`. How many they were.
pub(super) async fn sweep(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64> {
    execute!(
        tx,
        "DELETE FROM notifications WHERE id IN (
             SELECT id FROM notifications WHERE created_at < $1 ORDER BY created_at LIMIT $2)",
        before,
        limit
    )
}

/// Whether there are any from before then.
pub(super) async fn any_to_sweep(on: &mut impl Connection, before: Timestamp) -> Result<bool> {
    let row: Number = fetch_one!(
        on,
        "SELECT COUNT(*) AS number FROM (SELECT 1 AS one FROM notifications WHERE created_at < $1 LIMIT 1) AS few",
        before
    )?;
    Ok(row.number > 0)
}

/// Whether somebody has more messages than they keep.
pub(super) async fn has_too_many(on: &mut impl Connection, user: UserId) -> Result<bool> {
    let row: Option<Number> = fetch_optional!(
        on,
        "SELECT changed AS number FROM notifications WHERE user_id = $1 ORDER BY id DESC LIMIT 1 OFFSET $2",
        user,
        KEPT_EACH
    )?;
    Ok(row.is_some())
}

/// Removes the oldest messages of somebody who has more than they keep, at most `limit`. How many they were.
pub(super) async fn remove_oldest(tx: &mut Tx, user: UserId, limit: i64) -> Result<u64> {
    execute!(
        tx,
        "DELETE FROM notifications WHERE id IN (
             SELECT id FROM notifications WHERE user_id = $1 ORDER BY id DESC LIMIT $2 OFFSET $3)",
        user,
        limit,
        KEPT_EACH
    )
}

/// Empties somebody's inbox.
pub(crate) async fn remove_all(tx: &mut Tx, user: UserId) -> Result<()> {
    execute!(tx, "DELETE FROM notifications WHERE user_id = $1", user)?;
    Ok(())
}
