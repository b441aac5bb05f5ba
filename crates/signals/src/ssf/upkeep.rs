//! Throwing away what nobody comes for, and streams of receivers that were taken back; and the next keys.

use std::time::Duration;

use super::stream::Status;
use super::{keys, manage, outbox, stream};
use crate::Signals;

/// How often.
const EVERY: Duration = Duration::from_secs(60);
/// For how long a token waits for its receiver, in seconds: a week.
const KEPT: i64 = 7 * 86_400;
/// How many tokens a paused stream keeps.
const PAUSED: i64 = 10_000;

/// How many tokens any stream keeps: some hours of a large service, and no more than a disk can hold of a
/// receiver that never comes.
const MOST: i64 = 100_000;

/// Cleans up for as long as the process lives.
pub(super) async fn run(signals: &Signals) {
    loop {
        if let Err(error) = round(signals).await {
            tracing::warn!(%error, "old security event tokens could not be thrown away");
        }
        if let Err(error) = keys::keep_fresh(signals).await {
            tracing::warn!(%error, "the keys of security event tokens could not be looked after");
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// One round.
pub(crate) async fn round(signals: &Signals) -> storage::Result<()> {
    let before = signals.auth().clock().now().plus_seconds(-KEPT);
    let mut read = signals.db().read().await?;
    let orphans = stream::orphans(&mut read).await?;
    let paused: Vec<_> = stream::keeping(&mut read).await?;
    let too_long = outbox::longer_than(&mut read, MOST).await?;
    drop(read);
    for orphan in orphans {
        manage::remove_orphan(signals, orphan).await?;
    }
    let mut tx = signals.db().begin().await?;
    let expired = outbox::expire(&mut tx, before).await?;
    let mut dropped = 0;
    for stream in paused.iter().filter(|stream| stream.status == Status::Paused) {
        dropped += outbox::keep_newest(&mut tx, stream.id, PAUSED).await?;
    }
    for stream in too_long {
        let cut = outbox::cut(&mut tx, stream, MOST).await?;
        tracing::warn!(%stream, cut, "a receiver is too far behind: its oldest security event tokens were thrown away");
    }
    tx.commit().await?;
    if expired + dropped > 0 {
        tracing::warn!(expired, dropped, "security event tokens were thrown away: nobody took them");
    }
    Ok(())
}
