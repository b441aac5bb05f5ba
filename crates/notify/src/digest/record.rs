//! The record of what waits for digests: all SQL that touches `digest_items`.

use kernel::id::{DeliveryId, DigestItemId};
use kernel::{EventId, Timestamp, UserId};
use serde_json::{Map, Value};
use storage::{Connection, Result, Tx, execute, fetch_all, fetch_one};

/// How many messages a digest looks at: what waits longer than that is not counted any more.
const LOOKED_AT: i64 = 1_000;

/// Something that is to be told with others.
#[derive(Debug)]
pub(crate) struct NewItem {
    pub(crate) id: DigestItemId,
    pub(crate) user: UserId,
    pub(crate) event_id: EventId,
    pub(crate) event_at: Timestamp,
    pub(crate) category: String,
    pub(crate) template: String,
    pub(crate) data: Map<String, Value>,
    pub(crate) due_at: Timestamp,
}

/// Something that a digest tells.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Item {
    pub(crate) event_at: Timestamp,
    pub(crate) category: String,
    pub(crate) template: String,
    pub(crate) data: String,
}

#[derive(sqlx::FromRow)]
struct Number {
    number: i64,
}

/// Keeps something for a digest, unless it is there: an entry of the ledger may be read twice.
pub(crate) async fn insert(tx: &mut Tx, new: &NewItem, now: Timestamp) -> Result<bool> {
    let inserted = execute!(
        tx,
        "INSERT INTO digest_items (id, user_id, event_id, event_at, category, template, data, due_at, delivery_id,
             created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, NULL, $9) ON CONFLICT (event_id, user_id, template) DO NOTHING",
        new.id,
        new.user,
        new.event_id,
        new.event_at,
        new.category.as_str(),
        new.template.as_str(),
        serde_json::to_string(&new.data).unwrap_or_default(),
        new.due_at,
        now
    )?;
    Ok(inserted == 1)
}

#[derive(sqlx::FromRow)]
struct User {
    user_id: UserId,
}

/// People whose digest is due, at most `limit`.
pub(super) async fn due(on: &mut impl Connection, now: Timestamp, limit: i64) -> Result<Vec<UserId>> {
    let rows: Vec<User> = fetch_all!(
        on,
        "SELECT user_id FROM digest_items WHERE delivery_id IS NULL AND due_at <= $1
         GROUP BY user_id ORDER BY MIN(due_at) LIMIT $2",
        now,
        limit
    )?;
    Ok(rows.into_iter().map(|row| row.user_id).collect())
}

/// Puts everything that waits for somebody, and of which something is due, into one delivery: check and act in one
/// statement. How much it was.
pub(super) async fn gather(tx: &mut Tx, user: UserId, delivery: DeliveryId) -> Result<u64> {
    execute!(tx, "UPDATE digest_items SET delivery_id = $1 WHERE user_id = $2 AND delivery_id IS NULL", delivery, user)
}

/// What there is for a digest to tell, the newest first.
pub(super) async fn items(on: &mut impl Connection, delivery: DeliveryId) -> Result<Vec<Item>> {
    fetch_all!(
        on,
        "SELECT event_at, category, template, data FROM digest_items WHERE delivery_id = $1
         ORDER BY event_at DESC, id DESC LIMIT $2",
        delivery,
        LOOKED_AT
    )
}

/// What waits for somebody comes then.
pub(crate) async fn come_at(tx: &mut Tx, user: UserId, due: Timestamp) -> Result<()> {
    execute!(tx, "UPDATE digest_items SET due_at = $1 WHERE user_id = $2 AND delivery_id IS NULL", due, user)?;
    Ok(())
}

/// Removes what was kept before then, at most `limit`. How much it was.
pub(super) async fn sweep(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64> {
    execute!(
        tx,
        "DELETE FROM digest_items WHERE id IN (
             SELECT id FROM digest_items WHERE created_at < $1 ORDER BY created_at LIMIT $2)",
        before,
        limit
    )
}

/// Whether anything was kept before then.
pub(super) async fn any_to_sweep(on: &mut impl Connection, before: Timestamp) -> Result<bool> {
    let row: Number = fetch_one!(
        on,
        "SELECT COUNT(*) AS number FROM (SELECT 1 AS one FROM digest_items WHERE created_at < $1 LIMIT 1) AS few",
        before
    )?;
    Ok(row.number > 0)
}

/// Forgets what waits for somebody.
pub(crate) async fn remove_all(tx: &mut Tx, user: UserId) -> Result<()> {
    execute!(tx, "DELETE FROM digest_items WHERE user_id = $1", user)?;
    Ok(())
}
