//! What has to be done now and then: throwing away what nobody needs, and pausing webhooks that do nothing but fail.

use super::manage::WAS_OFF;
use super::{manage, queue, record};
use crate::{Notify, State};

/// How many rows one transaction writes.
const BATCH: i64 = 500;
/// For how long it is remembered that an event was taken, in seconds.
const TAKEN: i64 = 3 * 86_400;
/// For how long what was given up or dropped can be told again.
const KEPT: i64 = 30 * 86_400;
/// For how long an event waits for a webhook that is paused.
const WAITS: i64 = 7 * 86_400;
/// How many events wait for one webhook: some hours of a large service, and no more than a disk can hold for somebody
/// who never comes.
const MOST_WAITING: i64 = 100_000;
/// For how long a webhook may do nothing but fail until it is paused.
const PATIENCE: i64 = 3 * 86_400;

/// One round. Whether there may be more to throw away.
pub(crate) async fn sweep(notify: &Notify) -> storage::Result<bool> {
    let now = notify.users().clock.now();
    let mut read = notify.db().read().await?;
    let failing = record::failing_since(&mut read, now.plus_seconds(-PATIENCE)).await?;
    let removed = record::removed(&mut read).await?;
    let off = record::off_with_waiting(&mut read).await?;
    let long = queue::longer_than(&mut read, MOST_WAITING).await?;
    let (old, previous) = (
        queue::any_old(&mut read, now.plus_seconds(-WAITS), now).await?,
        record::any_previous_to_forget(&mut read, now).await?,
    );
    let mut ended = Vec::new();
    for (state, kept) in [(State::Sent, TAKEN), (State::Dead, KEPT), (State::Dropped, KEPT)] {
        let before = now.plus_seconds(-kept);
        if queue::any_to_sweep(&mut read, state, before).await? {
            ended.push((state, before));
        }
    }
    drop(read);
    for webhook in failing {
        manage::pause_failing(notify, webhook, now.plus_seconds(-PATIENCE)).await?;
    }
    if removed.is_empty() && off.is_empty() && long.is_empty() && ended.is_empty() && !old && !previous {
        return Ok(false);
    }
    let (mut most, mut dropped) = (0, 0);
    let mut tx = notify.db().begin().await?;
    if previous {
        record::forget_previous(&mut tx, now).await?;
    }
    if old {
        let reason = "nobody took it for seven days";
        dropped += queue::drop_old(&mut tx, now.plus_seconds(-WAITS), reason, now, BATCH).await?;
    }
    for webhook in off {
        queue::drop_waiting(&mut tx, webhook, WAS_OFF, now).await?;
    }
    for (webhook, count) in long {
        let too_many = (count - MOST_WAITING).min(BATCH);
        let reason = "too many events waited: the oldest were dropped";
        dropped += queue::drop_oldest(&mut tx, webhook, reason, now, too_many).await?;
    }
    for (state, before) in ended {
        most = most.max(queue::sweep(&mut tx, state, before, BATCH).await?);
    }
    for webhook in removed {
        let gone = queue::forget(&mut tx, webhook, BATCH).await?;
        most = most.max(gone);
        if gone == 0 {
            record::forget(&mut tx, webhook).await?;
        }
    }
    tx.commit().await?;
    notify.metrics().webhooks_dropped(dropped);
    Ok(most > 0 || dropped > 0)
}
