//! Writing down what has become of deliveries. What ends while one commit is under way is written by the next.

use std::time::Duration;

use kernel::Timestamp;
use tokio::sync::mpsc;

use crate::Notify;
use crate::backoff::backoff;
use crate::channel::ChannelName;
use crate::delivery::{self, Claimed, State};

/// How many outcomes one transaction writes.
const BATCH: usize = 256;
/// How long to wait when the database does not take them.
const PAUSE: Duration = Duration::from_millis(200);
/// So many failures of our own are enough.
const OURS: i64 = 5;
/// The longest wait, in seconds, where it is the provider that was not there: the worker watches out for it.
const AWAY: i64 = 60;

/// What has become of a delivery.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It was handed over.
    Sent,
    /// It is to be tried again.
    Later { reason: String, after: Option<Duration> },
    /// Nobody was there.
    Away { reason: String, after: Option<Duration> },
    /// We could not write it.
    Ours(String),
    /// To try again would not help.
    GivenUp(String),
    /// Nobody is to be told any more.
    Dropped(&'static str),
    /// Its recipient wants to be left alone until then.
    Held(Timestamp),
    /// Nothing was done.
    NotTried,
}

/// A delivery that came to an end, for now.
#[derive(Debug)]
pub(crate) struct Settled {
    pub(crate) claimed: Claimed,
    pub(crate) outcome: Outcome,
}

/// Writes for as long as there is somebody who settles.
pub(crate) async fn run(notify: Notify, channel: ChannelName, mut settled: mpsc::UnboundedReceiver<Settled>) {
    let mut batch = Vec::with_capacity(BATCH);
    while settled.recv_many(&mut batch, BATCH).await > 0 {
        // What was sent has to be written down: without it, it is sent again when its lease has ended.
        while let Err(error) = write(&notify, channel, &batch).await {
            tracing::warn!(%error, "what has become of deliveries cannot be written down; it is tried again");
            tokio::time::sleep(PAUSE).await;
        }
        batch.clear();
    }
}

async fn write(notify: &Notify, channel: ChannelName, batch: &[Settled]) -> storage::Result<()> {
    let now = notify.users().clock.now();
    let sent: Vec<_> =
        batch.iter().filter(|one| matches!(one.outcome, Outcome::Sent)).map(|one| one.claimed.id).collect();
    let mut tx = notify.db().begin().await?;
    delivery::mark_sent(&mut tx, &sent, now).await?;
    for Settled { claimed, outcome } in batch {
        let (id, lease, failures) = (claimed.id, claimed.leased_until, claimed.attempts + 1);
        let (reason, wait) = match outcome {
            Outcome::Sent => continue,
            Outcome::NotTried => {
                delivery::give_back(&mut tx, id, lease, now).await?;
                continue;
            }
            Outcome::Held(until) => {
                delivery::hold(&mut tx, id, lease, *until).await?;
                continue;
            }
            Outcome::Dropped(reason) => {
                delivery::mark_ended(&mut tx, id, lease, State::Dropped, reason, now).await?;
                continue;
            }
            Outcome::GivenUp(reason) => {
                delivery::mark_ended(&mut tx, id, lease, State::Dead, reason, now).await?;
                continue;
            }
            Outcome::Ours(reason) if failures >= OURS => {
                delivery::mark_ended(&mut tx, id, lease, State::Dead, reason, now).await?;
                continue;
            }
            Outcome::Ours(reason) => (reason, backoff(failures)),
            Outcome::Later { reason, after } => (reason, backoff(failures).max(seconds(*after))),
            Outcome::Away { reason, after } => (reason, backoff(failures).min(AWAY).max(seconds(*after))),
        };
        let next = now.plus_seconds(wait);
        if next > claimed.give_up_at {
            let reason = format!("given up after 24 hours; at last: {reason}");
            delivery::mark_ended(&mut tx, id, lease, State::Dead, &reason, now).await?;
        } else {
            delivery::mark_failed(&mut tx, id, lease, reason, next).await?;
        }
    }
    tx.commit().await?;
    notify.metrics().settled(channel, batch, now);
    for Settled { claimed, outcome } in batch {
        tell(claimed, outcome);
    }
    Ok(())
}

fn seconds(wait: Option<Duration>) -> i64 {
    wait.and_then(|wait| i64::try_from(wait.as_secs()).ok()).unwrap_or(0)
}

/// Tells operators. No address is in it.
fn tell(claimed: &Claimed, outcome: &Outcome) {
    let (delivery, template) = (claimed.id, claimed.template.as_str());
    match outcome {
        Outcome::Sent | Outcome::Held(_) | Outcome::NotTried => {}
        Outcome::Dropped(reason) => tracing::info!(%delivery, template, reason, "a delivery was dropped"),
        Outcome::Later { reason, .. } | Outcome::Away { reason, .. } => {
            tracing::info!(%delivery, template, reason, "a delivery failed and is tried again");
        }
        Outcome::Ours(reason) => tracing::error!(%delivery, template, reason, "a message cannot be written"),
        Outcome::GivenUp(reason) => tracing::warn!(%delivery, template, reason, "a delivery was given up"),
    }
}
