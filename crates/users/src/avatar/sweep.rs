//! Removing the files of pictures that nobody has any more.

use super::{SIZES, file, record};
use crate::Users;

/// How many pictures one round removes.
const ROUND: u8 = 100;

/// Removes pictures that were replaced, taken away or never taken. Whether there may be more. While the
/// store is away nothing is removed; a later round comes back to them.
pub async fn sweep_pictures(users: &Users) -> storage::Result<bool> {
    let now = users.clock.now();
    let due = record::due(&mut users.db.read().await?, now, ROUND.into()).await?;
    for picture in &due {
        for name in SIZES.into_iter().filter_map(|size| file(*picture, size).ok()) {
            if let Err(error) = users.pictures.blobs.delete(&name).await {
                tracing::warn!(%error, "the files of old pictures stay until the store can be reached");
                return Ok(false);
            }
        }
        // Only when its files are gone: who dies in between does it again.
        let mut tx = users.db.begin().await?;
        record::forget(&mut tx, *picture, now).await?;
        tx.commit().await?;
    }
    Ok(due.len() == usize::from(ROUND))
}
