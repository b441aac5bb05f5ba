//! All SQL that touches `webhook_deliveries` and `webhook_position`: what is to be told to which webhook.

use kernel::id::{WebhookDeliveryId, WebhookId};
use kernel::{EventId, Timestamp};
use storage::{Connection, Result, Tx, execute, fetch_all, fetch_one, fetch_optional};

use crate::State;

/// For how many seconds an event is tried: a day and two hours, so that a receiver that was away for a whole day misses
/// nothing.
pub(super) const PATIENCE: i64 = 26 * 3_600;

/// A delivery to be written down.
#[derive(Debug)]
pub(super) struct New {
    pub(super) id: WebhookDeliveryId,
    pub(super) webhook: WebhookId,
    pub(super) event_id: EventId,
    pub(super) event_index: i64,
    pub(super) event_at: Timestamp,
    pub(super) kind: String,
    pub(super) lane: [u8; 16],
    /// Somebody waits for it: it goes before everything else.
    pub(super) is_test: bool,
}

/// A delivery that was taken up.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(super) struct Claimed {
    pub(super) id: WebhookDeliveryId,
    pub(super) webhook_id: WebhookId,
    pub(super) event_id: EventId,
    pub(super) event_index: i64,
    pub(super) event_at: Timestamp,
    pub(super) kind: String,
    /// Which lane it is of: the claim alone looks at it, and the tests.
    #[cfg(test)]
    pub(super) lane: EventId,
    pub(super) claims: i64,
    pub(super) attempts: i64,
    /// How many of those failed by our own fault.
    pub(super) own_failures: i64,
    pub(super) leased_until: Timestamp,
    pub(super) give_up_at: Timestamp,
}

/// Writes a delivery down, unless it is there: an entry of the ledger may be read twice. It is due at once; what is before
/// it in its lane is taken up first ([`heads`]).
pub(super) async fn insert(tx: &mut Tx, new: &New, now: Timestamp) -> Result<bool> {
    let lane = EventId::from_bytes(new.lane);
    let inserted = execute!(
        tx,
        "INSERT INTO webhook_deliveries (id, webhook_id, event_id, event_index, event_at, kind, lane, state, claims,
             attempts, own_failures, next_at, give_up_at, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, 'queued', 0, 0, 0, $8, $9, $10)
         ON CONFLICT (webhook_id, event_id) DO NOTHING",
        new.id,
        new.webhook,
        new.event_id,
        new.event_index,
        new.event_at,
        new.kind.as_str(),
        lane,
        if new.is_test { Timestamp::from_unix_seconds(0) } else { now },
        now.plus_seconds(PATIENCE),
        now
    )?;
    Ok(inserted == 1)
}

#[derive(sqlx::FromRow)]
struct IdRow {
    id: WebhookDeliveryId,
}

/// What is due for a webhook and first in its lane, the oldest first, at most `limit`. Behind one that waits there may be
/// a great many of its lane to look at: so this is read beside the writer, and [`claim`] looks again.
pub(super) async fn heads(
    on: &mut impl Connection,
    webhook: WebhookId,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<WebhookDeliveryId>> {
    let rows: Vec<IdRow> = fetch_all!(
        on,
        "SELECT d.id FROM webhook_deliveries d
         WHERE d.webhook_id = $1 AND d.state IN ('queued', 'failed') AND d.next_at <= $2
             AND (d.leased_until IS NULL OR d.leased_until <= $2)
             AND NOT EXISTS (SELECT 1 FROM webhook_deliveries earlier
                 WHERE earlier.webhook_id = $1 AND earlier.lane = d.lane AND earlier.event_index < d.event_index
                     AND earlier.state IN ('queued', 'failed'))
         ORDER BY d.next_at, d.event_index LIMIT $3",
        webhook,
        now,
        limit
    )?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// Takes up one of [`heads`] until `until`: nobody else gets it before. Of each lane only the first is taken up, and no
/// other while that is under way. Of processes that ask at the same time one gets it: the other finds it leased.
pub(super) async fn claim(
    tx: &mut Tx,
    id: WebhookDeliveryId,
    now: Timestamp,
    until: Timestamp,
) -> Result<Option<Claimed>> {
    fetch_optional!(
        tx,
        "UPDATE webhook_deliveries SET leased_until = $3, claims = claims + 1
         WHERE id = $1 AND state IN ('queued', 'failed') AND next_at <= $2
           AND (leased_until IS NULL OR leased_until <= $2)
           AND webhook_id IN (SELECT w.id FROM webhooks w WHERE w.status = 'active')
           AND NOT EXISTS (SELECT 1 FROM webhook_deliveries earlier
               WHERE earlier.webhook_id = webhook_deliveries.webhook_id AND earlier.lane = webhook_deliveries.lane
                   AND earlier.event_index < webhook_deliveries.event_index AND earlier.state IN ('queued', 'failed'))
         RETURNING id, webhook_id, event_id, event_index, event_at, kind, lane, claims, attempts, own_failures,
             leased_until, give_up_at",
        id,
        now,
        until
    )
}

/// It was taken. Whoever was told so says it whatever became of the lease: it is true.
pub(super) async fn mark_sent(tx: &mut Tx, id: WebhookDeliveryId, now: Timestamp) -> Result<()> {
    execute!(
        tx,
        "UPDATE webhook_deliveries SET state = 'sent', reason = NULL, leased_until = NULL, attempts = attempts + 1,
             ended_at = $1
         WHERE id = $2 AND state IN ('queued', 'failed')",
        now,
        id
    )?;
    Ok(())
}

/// It was tried and is to be tried again at `next`, if it is still whose lease this was. What is behind it in its lane
/// waits for it. `is_ours` says whose fault it was.
pub(super) async fn mark_failed(
    tx: &mut Tx,
    claimed: &Claimed,
    reason: &str,
    next: Timestamp,
    is_ours: bool,
) -> Result<()> {
    execute!(
        tx,
        "UPDATE webhook_deliveries SET state = 'failed', reason = $1, leased_until = NULL, attempts = attempts + 1,
             own_failures = own_failures + $2, next_at = $3
         WHERE id = $4 AND leased_until = $5 AND state IN ('queued', 'failed')",
        reason,
        i64::from(is_ours),
        next,
        claimed.id,
        claimed.leased_until
    )?;
    Ok(())
}

/// It is given up, if it is still whose lease this was. What is behind it is not held up any more.
pub(super) async fn mark_dead(tx: &mut Tx, claimed: &Claimed, reason: &str, now: Timestamp) -> Result<()> {
    execute!(
        tx,
        "UPDATE webhook_deliveries SET state = 'dead', reason = $1, leased_until = NULL, attempts = attempts + 1,
             ended_at = $2
         WHERE id = $3 AND leased_until = $4 AND state IN ('queued', 'failed')",
        reason,
        now,
        claimed.id,
        claimed.leased_until
    )?;
    Ok(())
}

/// It was taken up and not tried.
pub(super) async fn give_back(tx: &mut Tx, claimed: &Claimed) -> Result<()> {
    execute!(
        tx,
        "UPDATE webhook_deliveries SET leased_until = NULL, claims = claims - 1
         WHERE id = $1 AND leased_until = $2 AND state IN ('queued', 'failed')",
        claimed.id,
        claimed.leased_until
    )?;
    Ok(())
}

/// What a process that is gone had taken up is free again. Only where there is no other process.
pub(super) async fn release_all(tx: &mut Tx) -> Result<()> {
    execute!(
        tx,
        "UPDATE webhook_deliveries SET leased_until = NULL
         WHERE state IN ('queued', 'failed') AND leased_until IS NOT NULL"
    )?;
    Ok(())
}

/// All that waits is tried at once, and for as long as what is new.
pub(super) async fn begin_anew(tx: &mut Tx, webhook: WebhookId, now: Timestamp) -> Result<()> {
    execute!(
        tx,
        "UPDATE webhook_deliveries SET next_at = $1, give_up_at = $2
         WHERE webhook_id = $3 AND state IN ('queued', 'failed')",
        now,
        now.plus_seconds(PATIENCE),
        webhook
    )?;
    Ok(())
}

/// What waits for a webhook that is off is not told any more.
pub(super) async fn drop_waiting(tx: &mut Tx, webhook: WebhookId, reason: &str, now: Timestamp) -> Result<()> {
    execute!(
        tx,
        "UPDATE webhook_deliveries SET state = 'dropped', reason = $1, leased_until = NULL, ended_at = $2
         WHERE webhook_id = $3 AND state IN ('queued', 'failed')
             AND EXISTS (SELECT 1 FROM webhooks WHERE id = $3 AND status = 'off')",
        reason,
        now,
        webhook
    )?;
    Ok(())
}

/// An event on its way to a webhook, as whoever looks after it sees it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct WebhookDelivery {
    /// Its id.
    pub id: WebhookDeliveryId,
    /// The event, which is its `webhook-id`.
    pub event_id: EventId,
    /// Its number in the ledger.
    pub event_index: i64,
    /// What happened.
    pub kind: String,
    /// What has become of it.
    pub state: String,
    /// How often it was tried.
    pub attempts: i64,
    /// When it is tried next, while it is not at its end.
    pub next_at: Timestamp,
    /// Why it failed, was given up or dropped.
    pub reason: Option<String>,
    /// When it was written down.
    pub created_at: Timestamp,
    /// When it came to its end.
    pub ended_at: Option<Timestamp>,
}

/// What a webhook was told, newest first.
pub(super) async fn list(
    on: &mut impl Connection,
    webhook: WebhookId,
    state: Option<State>,
    before: Option<WebhookDeliveryId>,
    limit: i64,
) -> Result<Vec<WebhookDelivery>> {
    fetch_all!(
        on,
        "SELECT id, event_id, event_index, kind, state, attempts, next_at, reason, created_at, ended_at
         FROM webhook_deliveries WHERE webhook_id = $1 AND id < $2 AND (CAST($3 AS TEXT) IS NULL OR state = $3)
         ORDER BY id DESC LIMIT $4",
        webhook,
        before.unwrap_or(WebhookDeliveryId::from_bytes([0xff; 16])),
        state.map(State::as_str),
        limit
    )
}

/// One delivery of this webhook.
pub(super) async fn find(
    on: &mut impl Connection,
    webhook: WebhookId,
    id: WebhookDeliveryId,
) -> Result<Option<WebhookDelivery>> {
    fetch_optional!(
        on,
        "SELECT id, event_id, event_index, kind, state, attempts, next_at, reason, created_at, ended_at
         FROM webhook_deliveries WHERE id = $1 AND webhook_id = $2",
        id,
        webhook
    )
}

/// The delivery of an event to this webhook.
pub(super) async fn of_event(
    on: &mut impl Connection,
    webhook: WebhookId,
    event: EventId,
) -> Result<Option<WebhookDelivery>> {
    fetch_optional!(
        on,
        "SELECT id, event_id, event_index, kind, state, attempts, next_at, reason, created_at, ended_at
         FROM webhook_deliveries WHERE webhook_id = $1 AND event_id = $2",
        webhook,
        event
    )
}

/// Has one tried again from the beginning, if it was not taken and nobody tries it at this moment: check and act in
/// one statement. Whether it was so.
pub(super) async fn restart(tx: &mut Tx, webhook: WebhookId, id: WebhookDeliveryId, now: Timestamp) -> Result<bool> {
    let restarted = execute!(
        tx,
        "UPDATE webhook_deliveries SET state = 'queued', attempts = 0, own_failures = 0, claims = 0, next_at = $1,
             give_up_at = $2, reason = NULL, ended_at = NULL
         WHERE id = $3 AND webhook_id = $4 AND state IN ('failed', 'dead', 'dropped') AND leased_until IS NULL",
        now,
        now.plus_seconds(PATIENCE),
        id,
        webhook
    )?;
    Ok(restarted == 1)
}

#[derive(sqlx::FromRow)]
struct Count {
    count: i64,
}

/// How many wait for this webhook, counted up to `most`.
pub(super) async fn waiting(on: &mut impl Connection, webhook: WebhookId, most: i64) -> Result<i64> {
    let row: Count = fetch_one!(
        on,
        "SELECT COUNT(*) AS count FROM (SELECT 1 AS one FROM webhook_deliveries
             WHERE webhook_id = $1 AND state IN ('queued', 'failed') LIMIT $2) AS few",
        webhook,
        most
    )?;
    Ok(row.count)
}

/// Drops what has waited since before then, at most `limit`, but not what somebody has begun anew ([`restart`]). How much
/// it was.
pub(super) async fn drop_old(tx: &mut Tx, before: Timestamp, reason: &str, now: Timestamp, limit: i64) -> Result<u64> {
    execute!(
        tx,
        "UPDATE webhook_deliveries SET state = 'dropped', reason = $1, leased_until = NULL, ended_at = $2 WHERE id IN (
             SELECT id FROM webhook_deliveries
             WHERE created_at < $3 AND give_up_at < $2 AND state IN ('queued', 'failed')
             ORDER BY created_at LIMIT $4)",
        reason,
        now,
        before,
        limit
    )
}

#[derive(sqlx::FromRow)]
struct Long {
    webhook_id: WebhookId,
    count: i64,
}

/// The webhooks for which more than `most` wait, and how many.
pub(super) async fn longer_than(on: &mut impl Connection, most: i64) -> Result<Vec<(WebhookId, i64)>> {
    let rows: Vec<Long> = fetch_all!(
        on,
        "SELECT webhook_id, COUNT(*) AS count FROM webhook_deliveries WHERE state IN ('queued', 'failed')
         GROUP BY webhook_id HAVING COUNT(*) > $1 ORDER BY webhook_id LIMIT 1000",
        most
    )?;
    Ok(rows.into_iter().map(|row| (row.webhook_id, row.count)).collect())
}

/// Drops the oldest that wait for a webhook.
pub(super) async fn drop_oldest(
    tx: &mut Tx,
    webhook: WebhookId,
    reason: &str,
    now: Timestamp,
    limit: i64,
) -> Result<u64> {
    execute!(
        tx,
        "UPDATE webhook_deliveries SET state = 'dropped', reason = $1, leased_until = NULL, ended_at = $2 WHERE id IN (
             SELECT id FROM webhook_deliveries WHERE webhook_id = $3 AND state IN ('queued', 'failed')
             ORDER BY id LIMIT $4)",
        reason,
        now,
        webhook,
        limit
    )
}

/// Removes what ended in this state before then, at most `limit`. How much it was.
pub(super) async fn sweep(tx: &mut Tx, state: State, before: Timestamp, limit: i64) -> Result<u64> {
    execute!(
        tx,
        "DELETE FROM webhook_deliveries WHERE id IN (
             SELECT id FROM webhook_deliveries WHERE state = $1 AND ended_at < $2 ORDER BY ended_at LIMIT $3)",
        state.as_str(),
        before,
        limit
    )
}

/// Whether anything ended in this state before then.
pub(super) async fn any_to_sweep(on: &mut impl Connection, state: State, before: Timestamp) -> Result<bool> {
    let row: Count = fetch_one!(
        on,
        "SELECT COUNT(*) AS count FROM (SELECT 1 AS one FROM webhook_deliveries
             WHERE state = $1 AND ended_at < $2 LIMIT 1) AS few",
        state.as_str(),
        before
    )?;
    Ok(row.count > 0)
}

/// Whether there is anything for [`drop_old`].
pub(super) async fn any_old(on: &mut impl Connection, before: Timestamp, now: Timestamp) -> Result<bool> {
    let row: Count = fetch_one!(
        on,
        "SELECT COUNT(*) AS count FROM (SELECT 1 AS one FROM webhook_deliveries
             WHERE created_at < $1 AND give_up_at < $2 AND state IN ('queued', 'failed') LIMIT 1) AS few",
        before,
        now
    )?;
    Ok(row.count > 0)
}

/// Removes what a webhook was told, at most `limit`. How much it was.
pub(super) async fn forget(tx: &mut Tx, webhook: WebhookId, limit: i64) -> Result<u64> {
    execute!(
        tx,
        "DELETE FROM webhook_deliveries WHERE id IN (
             SELECT id FROM webhook_deliveries WHERE webhook_id = $1 ORDER BY id LIMIT $2)",
        webhook,
        limit
    )
}

#[derive(sqlx::FromRow)]
struct Position {
    idx: i64,
}

/// The newest ledger number whose deliveries are here.
pub(super) async fn position(on: &mut impl Connection) -> Result<i64> {
    let row: Position = fetch_one!(on, "SELECT idx FROM webhook_position WHERE one = 1")?;
    Ok(row.idx)
}

/// Moves the position on, if nobody else has. Whoever does holds the row until its commit: one process at a time turns
/// entries into deliveries.
pub(super) async fn advance(tx: &mut Tx, from: i64, to: i64) -> Result<bool> {
    let moved = execute!(tx, "UPDATE webhook_position SET idx = $1 WHERE one = 1 AND idx = $2", to, from)?;
    Ok(moved == 1)
}
