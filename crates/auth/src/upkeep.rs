//! Throwing away what nobody can use any more, a little at a time.

use crate::{Auth, attempts, import_record, known_device, link, session};

/// Sessions are kept this long after they expire, for whoever asks what happened.
const SESSION_GRACE: i64 = 7 * 86_400;
/// Links are kept this long after they expire: they count among those that were made lately.
const LINK_GRACE: i64 = 86_400;
/// How far a file was imported is kept this long after its last batch: who has not gone on by then begins anew, and
/// skips what is there.
const IMPORT_GRACE: i64 = 30 * 86_400;
/// How many rows of a table one transaction removes.
const BATCH: i64 = 500;

/// What has to be put right once, when a server starts.
pub async fn recover(auth: &Auth) -> storage::Result<()> {
    if auth.db().is_shared() {
        return Ok(());
    }
    let mut tx = auth.db().begin().await?;
    attempts::forget_interrupted(&mut tx).await?;
    tx.commit().await
}

/// One round. Whether there may be more to do at once.
pub async fn sweep(auth: &Auth) -> storage::Result<bool> {
    let now = auth.clock().now();
    let mut tx = auth.db().begin().await?;
    let lapsed = now.plus_seconds(-60 * i64::from(auth.settings().lockout_minutes));
    let attempts = attempts::sweep(&mut tx, lapsed, BATCH).await?;
    let sessions = session::sweep(&mut tx, now.plus_seconds(-SESSION_GRACE), BATCH).await?;
    let links = link::sweep(&mut tx, now.plus_seconds(-LINK_GRACE), BATCH).await?;
    let imports = import_record::sweep(&mut tx, now.plus_seconds(-IMPORT_GRACE), BATCH).await?;
    let devices = known_device::sweep(&mut tx, now.plus_seconds(-known_device::KNOWN), BATCH).await?;
    tx.commit().await?;
    Ok(attempts.max(sessions).max(links).max(imports).max(devices) == u64::try_from(BATCH).unwrap_or(u64::MAX))
}
