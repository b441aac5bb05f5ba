//! What becomes of a delivery that was taken up.

use kernel::Timestamp;
use kernel::id::DeliveryId;
use storage::{Result, Tx, execute};

use super::{PATIENCE, State};

/// How many rows one statement marks as sent.
const TOGETHER: usize = 16;

/// Marks these as handed over. Whoever handed them over says so whatever became of the lease: it is true.
pub(crate) async fn mark_sent(tx: &mut Tx, ids: &[DeliveryId], now: Timestamp) -> Result<()> {
    for piece in ids.chunks(TOGETHER) {
        let Some(first) = piece.first() else { continue };
        // One statement for every number of rows: the places that are left name the first row again.
        let at = |place: usize| *piece.get(place).unwrap_or(first);
        execute!(
            tx,
            "UPDATE deliveries SET state = 'sent', reason = NULL, leased_until = NULL, attempts = attempts + 1,
                 ended_at = $1
             WHERE state IN ('queued', 'failed') AND id IN
                 ($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
            now,
            at(0),
            at(1),
            at(2),
            at(3),
            at(4),
            at(5),
            at(6),
            at(7),
            at(8),
            at(9),
            at(10),
            at(11),
            at(12),
            at(13),
            at(14),
            at(15)
        )?;
    }
    Ok(())
}

/// It was tried and is to be tried again at `next`, if it is still whose lease this was.
pub(crate) async fn mark_failed(
    tx: &mut Tx,
    id: DeliveryId,
    lease: Timestamp,
    reason: &str,
    next: Timestamp,
) -> Result<()> {
    execute!(
        tx,
        "UPDATE deliveries SET state = 'failed', reason = $1, leased_until = NULL, attempts = attempts + 1, next_at = $2
         WHERE id = $3 AND leased_until = $4 AND state IN ('queued', 'failed')",
        reason,
        next,
        id,
        lease
    )?;
    Ok(())
}

/// It is at its end without having been handed over, if it is still whose lease this was.
pub(crate) async fn mark_ended(
    tx: &mut Tx,
    id: DeliveryId,
    lease: Timestamp,
    state: State,
    reason: &str,
    now: Timestamp,
) -> Result<()> {
    execute!(
        tx,
        "UPDATE deliveries SET state = $1, reason = $2, leased_until = NULL, attempts = attempts + 1, ended_at = $3
         WHERE id = $4 AND leased_until = $5 AND state IN ('queued', 'failed')",
        state.as_str(),
        reason,
        now,
        id,
        lease
    )?;
    Ok(())
}

/// It was taken up and not tried: it is due again at once, as if nobody had taken it.
pub(crate) async fn give_back(tx: &mut Tx, id: DeliveryId, lease: Timestamp, now: Timestamp) -> Result<()> {
    execute!(
        tx,
        "UPDATE deliveries SET leased_until = NULL, next_at = $1, claims = claims - 1
         WHERE id = $2 AND leased_until = $3 AND state IN ('queued', 'failed')",
        now,
        id,
        lease
    )?;
    Ok(())
}

/// Its recipient wants to be left alone until then: it is due then, as if nobody had taken it, and tried for a day from
/// then on.
pub(crate) async fn hold(tx: &mut Tx, id: DeliveryId, lease: Timestamp, until: Timestamp) -> Result<()> {
    execute!(
        tx,
        "UPDATE deliveries SET leased_until = NULL, next_at = $1, give_up_at = $2, claims = claims - 1
         WHERE id = $3 AND leased_until = $4 AND state IN ('queued', 'failed')",
        until,
        until.plus_seconds(PATIENCE),
        id,
        lease
    )?;
    Ok(())
}

/// What a process that is gone had taken up is due again. Only where there is no other process.
pub(crate) async fn release_all(tx: &mut Tx, now: Timestamp) -> Result<()> {
    execute!(
        tx,
        "UPDATE deliveries SET leased_until = NULL, next_at = $1
         WHERE state IN ('queued', 'failed') AND leased_until IS NOT NULL",
        now
    )?;
    Ok(())
}

/// Has a delivery tried again from the beginning, at once and for another day, if it was not sent and nobody tries it
/// at this moment: check and act in one statement. Whether it was so.
pub(crate) async fn restart(tx: &mut Tx, id: DeliveryId, now: Timestamp) -> Result<bool> {
    let restarted = execute!(
        tx,
        "UPDATE deliveries SET state = 'queued', attempts = 0, claims = 0, next_at = $1, give_up_at = $2, reason = NULL,
             ended_at = NULL
         WHERE id = $3 AND state IN ('failed', 'dead', 'dropped') AND leased_until IS NULL AND template <> ''",
        now,
        now.plus_seconds(PATIENCE),
        id
    )?;
    Ok(restarted == 1)
}
