//! Removing what is old: results after a day, jobs after thirty.

use super::{RESULT_SECONDS, parts, record};
use crate::Users;

/// For how long a job is remembered, in seconds.
const KEPT: i64 = 30 * 86_400;
/// What was left behind by a job that did not get done is removed after this many seconds: whoever still
/// worked on it has noticed by then.
const LEFT: i64 = 60;
/// How many jobs one round looks at.
const BATCH: i64 = 20;
/// How many files one listing names.
const FILES: usize = 500;

/// One round. Whether there may be more to do at once.
pub async fn sweep(users: &Users) -> storage::Result<bool> {
    let now = users.clock.now();
    let old = record::with_old_results(
        &mut users.db.read().await?,
        now.plus_seconds(-RESULT_SECONDS),
        now.plus_seconds(-LEFT),
        BATCH,
    )
    .await?;
    for id in &old {
        let folder = parts::folder(*id)?;
        // The store is asked and not the table: a part may be there that nobody counted.
        loop {
            let files = users.blobs.list(&folder, FILES).await.map_err(parts::unavailable)?;
            for file in &files {
                users.blobs.delete(file).await.map_err(parts::unavailable)?;
            }
            if files.len() < FILES {
                break;
            }
        }
        let mut tx = users.db.begin().await?;
        record::forget_result(&mut tx, *id).await?;
        tx.commit().await?;
    }
    let mut tx = users.db.begin().await?;
    let removed = record::remove_ended(&mut tx, now.plus_seconds(-KEPT), 500).await?;
    tx.commit().await?;
    Ok(removed == 500 || i64::try_from(old.len()) == Ok(BATCH))
}
