//! Suspensions that end by themselves.

use kernel::{Event, Kind, UserId};
use storage::Result;

use crate::{Authority, Users, account};

/// How many one round lifts.
const BATCH: i64 = 100;

/// Lifts the suspensions whose end has come, each in a transaction with its event, at most a hundred.
/// Whether there may be more to do at once. To be called every few seconds: somebody whose
/// suspension has ended can sign in from the next round on. Any number of processes may.
pub async fn lift_expired_suspensions(users: &Users) -> Result<bool> {
    let now = users.clock.now();
    let ended = account::suspended_until(&mut users.db.read().await?, now, BATCH).await?;
    for user in &ended {
        lift(users, *user).await?;
    }
    Ok(i64::try_from(ended.len()).is_ok_and(|count| count == BATCH))
}

async fn lift(users: &Users, user: UserId) -> Result<()> {
    let now = users.clock.now();
    let mut tx = users.db.begin().await?;
    // Since the list was read another process may have lifted it, or an administrator have lifted it
    // and suspended anew: only a suspension whose own end has come is lifted.
    if !account::end_suspension(&mut tx, user, now).await? {
        return Ok(());
    }
    let event = Event::new(Kind::AccountReinstated, now).about(user).with("reason", "The suspension had an end.");
    tx.append(Authority::Schedule.sign(event));
    tx.commit().await
}
