//! Removing messages: after 180 days, and the oldest of those who have more than a thousand.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use super::{KEPT_DAYS, record};
use crate::Notify;

/// How many rows one transaction removes.
const BATCH: i64 = 500;
/// How many changes one round looks at.
const CHANGES: i64 = 2_000;

/// Up to which change it was looked whether somebody has too many.
#[derive(Default)]
pub(crate) struct Sweeper(Mutex<Option<i64>>);

impl Sweeper {
    fn place(&self) -> Option<i64> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_at(&self, changed: i64) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(changed);
    }
}

/// One round. Whether there may be more to do at once.
pub(crate) async fn sweep(notify: &Notify) -> storage::Result<bool> {
    Ok(sweep_old(notify).await? | sweep_too_many(notify).await?)
}

async fn sweep_old(notify: &Notify) -> storage::Result<bool> {
    let before = notify.users().clock.now().plus_seconds(-KEPT_DAYS * 86_400);
    if !record::any_to_sweep(&mut notify.db().read().await?, before).await? {
        return Ok(false);
    }
    let mut tx = notify.db().begin().await?;
    let removed = record::sweep(&mut tx, before, BATCH).await?;
    tx.commit().await?;
    Ok(removed == BATCH.unsigned_abs())
}

/// Looks at those alone who were told something since the last round: nobody else can have got too many. Whoever was
/// told something by a process that then died is looked at when they are told the next.
async fn sweep_too_many(notify: &Notify) -> storage::Result<bool> {
    let mut read = notify.db().read().await?;
    let Some(place) = notify.sweeper().place() else {
        notify.sweeper().is_at(record::newest_change(&mut read).await?);
        return Ok(false);
    };
    let changes = record::changes_after(&mut read, place, CHANGES).await?;
    let Some(last) = changes.last() else { return Ok(false) };
    let people: BTreeSet<_> = changes.iter().filter(|change| change.is_unread).map(|change| change.user_id).collect();
    let mut too_many = Vec::new();
    for user in people {
        if record::has_too_many(&mut read, user).await? {
            too_many.push(user);
        }
    }
    drop(read);
    let mut more = i64::try_from(changes.len()) == Ok(CHANGES);
    for user in too_many {
        let mut tx = notify.db().begin().await?;
        let removed = record::remove_oldest(&mut tx, user, BATCH).await?;
        tx.commit().await?;
        if removed == BATCH.unsigned_abs() {
            more = true;
        }
    }
    notify.sweeper().is_at(last.changed);
    Ok(more)
}
