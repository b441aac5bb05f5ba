//! Writing down what has become of events on their way to webhooks. What ends while one commit is under way is written by
//! the next.

use std::collections::BTreeMap;
use std::time::Duration;

use kernel::Timestamp;
use kernel::id::WebhookId;
use storage::Tx;
use tokio::sync::mpsc;

use super::queue::{self, Claimed};
use super::send::Outcome;
use super::worker::FAILING;
use super::{manage, record};
use crate::Notify;
use crate::backoff::backoff;

/// How many outcomes one transaction writes.
const BATCH: usize = 128;
/// How long to wait when the database does not take them.
const PAUSE: Duration = Duration::from_millis(200);
/// So many failures of our own are enough.
const OURS: i64 = 5;
/// The longest time for which a webhook that fails is left alone, in seconds: it may be back.
const LONGEST: i64 = 300;

/// A delivery that came to an end, for now.
#[derive(Debug)]
pub(super) struct Settled {
    pub(super) claimed: Claimed,
    /// Where it went. Its webhook may be somewhere else by now.
    pub(super) url: String,
    /// How often its webhook had failed in a row when it was taken up.
    pub(super) failures: i64,
    pub(super) outcome: Outcome,
}

/// Writes for as long as there is somebody who settles.
pub(super) async fn run(notify: Notify, mut settled: mpsc::UnboundedReceiver<Settled>) {
    let mut batch = Vec::with_capacity(BATCH);
    while settled.recv_many(&mut batch, BATCH).await > 0 {
        // What was taken has to be written down: without it, it is sent again when its lease has ended.
        while let Err(error) = write(&notify, &batch).await {
            tracing::warn!(%error, "what has become of webhooks cannot be written down; it is tried again");
            tokio::time::sleep(PAUSE).await;
        }
        let gone: BTreeMap<WebhookId, &str> = batch
            .iter()
            .filter(|one| one.outcome == Outcome::Gone)
            .map(|one| (one.claimed.webhook_id, one.url.as_str()))
            .collect();
        for (webhook, url) in gone {
            if let Err(error) = manage::switch_off(&notify, webhook, url).await {
                tracing::warn!(%error, %webhook, "a webhook that is gone could not be switched off");
            }
        }
        batch.clear();
        notify.wake();
    }
}

pub(super) async fn write(notify: &Notify, batch: &[Settled]) -> storage::Result<()> {
    let now = notify.users().clock.now();
    let mut tx = notify.db().begin().await?;
    let mut given_up = Vec::with_capacity(batch.len());
    for one in batch {
        let (claimed, webhook) = (&one.claimed, one.claimed.webhook_id);
        let tries = claimed.attempts + 1;
        let is_dead = match &one.outcome {
            Outcome::Taken => {
                queue::mark_sent(&mut tx, claimed.id, now).await?;
                record::took(&mut tx, webhook, now).await?;
                false
            }
            Outcome::Failed(reason) => {
                // Several in a row: it is not about what they are.
                let rest =
                    (one.failures + 1 >= FAILING).then(|| now.plus_seconds(backoff(one.failures + 1).min(LONGEST)));
                record::failed(&mut tx, webhook, &one.url, reason, rest, now).await?;
                later(&mut tx, claimed, reason, now.plus_seconds(backoff(tries)), now).await?
            }
            Outcome::Away { reason, after } => {
                let wish = after.and_then(|wait| i64::try_from(wait.as_secs()).ok()).unwrap_or(0);
                let rest = now.plus_seconds(backoff(one.failures + 1).min(LONGEST).max(wish));
                record::failed(&mut tx, webhook, &one.url, reason, Some(rest), now).await?;
                later(&mut tx, claimed, reason, rest, now).await?
            }
            // What waits is dropped with it, in a moment.
            Outcome::Gone => later(&mut tx, claimed, "it answered 410", now.plus_seconds(backoff(tries)), now).await?,
            Outcome::Ours(reason) => ours(&mut tx, claimed, reason, now).await?,
            Outcome::NotTried => {
                queue::give_back(&mut tx, claimed).await?;
                false
            }
        };
        given_up.push(is_dead);
    }
    tx.commit().await?;
    for (one, is_dead) in batch.iter().zip(given_up) {
        notify.metrics().webhook_settled(&one.outcome, is_dead, one.claimed.event_at, now);
        tell(one);
    }
    Ok(())
}

/// It is tried again then, or given up if its time is over. Whether it is given up.
async fn later(tx: &mut Tx, claimed: &Claimed, reason: &str, next: Timestamp, now: Timestamp) -> storage::Result<bool> {
    let is_dead = next > claimed.give_up_at;
    if is_dead {
        queue::mark_dead(tx, claimed, &format!("given up after 26 hours; at last: {reason}"), now).await?;
    } else {
        queue::mark_failed(tx, claimed, reason, next, false).await?;
    }
    Ok(is_dead)
}

/// It failed by our own fault. How often the receiver did not take it does not count. Whether it is given up.
async fn ours(tx: &mut Tx, claimed: &Claimed, reason: &str, now: Timestamp) -> storage::Result<bool> {
    let failures = claimed.own_failures + 1;
    let is_dead = failures >= OURS;
    if is_dead {
        queue::mark_dead(tx, claimed, reason, now).await?;
    } else {
        queue::mark_failed(tx, claimed, reason, now.plus_seconds(backoff(failures)), true).await?;
    }
    Ok(is_dead)
}

/// Tells operators. Where the webhook is, is not in it: addresses often have a secret in them.
fn tell(one: &Settled) {
    let (webhook, delivery, kind) = (one.claimed.webhook_id, one.claimed.id, one.claimed.kind.as_str());
    match &one.outcome {
        Outcome::Taken | Outcome::NotTried => {}
        Outcome::Failed(reason) | Outcome::Away { reason, .. } => {
            tracing::info!(%webhook, %delivery, kind, reason, "a webhook did not take an event; it is tried again");
        }
        Outcome::Gone => tracing::warn!(%webhook, "a webhook says that it is gone: it is switched off"),
        Outcome::Ours(reason) => {
            tracing::error!(%webhook, %delivery, kind, reason, "an event cannot be told to a webhook");
        }
    }
}
