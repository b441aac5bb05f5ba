//! Devices whose session is over are thrown away: at once when something ended it, within a day when it expired.

use std::collections::BTreeMap;
use std::time::Duration;

use kernel::UserId;

use super::device::{self, Unchecked};
use crate::Notify;

/// How many devices one round looks at.
const BATCH: i64 = 100;
/// How often it is looked whether there are any to look at.
const EVERY: Duration = Duration::from_secs(5);
/// How often each session is looked at, in seconds.
const DAY: i64 = 86_400;

/// Looks for as long as the process lives.
pub(crate) async fn run(notify: &Notify) {
    loop {
        match round(notify).await {
            Ok(true) => {}
            Ok(false) => tokio::time::sleep(EVERY).await,
            Err(error) => {
                tracing::warn!(%error, "devices of sessions that are over could not be thrown away");
                tokio::time::sleep(EVERY).await;
            }
        }
    }
}

/// One round. Whether there may be more.
async fn round(notify: &Notify) -> storage::Result<bool> {
    let now = notify.users().clock.now();
    let found = device::unchecked(&mut notify.db().read().await?, now.plus_seconds(-DAY), BATCH).await?;
    if found.is_empty() {
        return Ok(false);
    }
    let more = i64::try_from(found.len()).unwrap_or(0) == BATCH;
    let mut by_user: BTreeMap<UserId, Vec<Unchecked>> = BTreeMap::new();
    for one in found {
        by_user.entry(one.user_id).or_default().push(one);
    }
    let mut looked = Vec::new();
    for (user, devices) in by_user {
        let on = notify.sessions_on(user, devices.iter().map(|device| device.session_id).collect()).await?;
        looked.extend(devices.into_iter().map(|device| (on.contains(&device.session_id), device)));
    }
    let mut tx = notify.db().begin().await?;
    for (is_on, one) in looked {
        if is_on {
            device::checked(&mut tx, one.id, now).await?;
        } else {
            device::remove_of_session(&mut tx, one.id, one.session_id).await?;
        }
    }
    tx.commit().await?;
    Ok(more)
}
