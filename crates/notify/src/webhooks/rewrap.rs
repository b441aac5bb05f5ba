//! Sealing the secrets of webhooks with the master key of today.

use kernel::secret::Unsealable;
use storage::Result;

use super::{record, secret};
use crate::Notify;

/// Seals the secrets that an older master key sealed. How many it was, or that one does not open.
pub(crate) async fn rewrap(notify: &Notify) -> Result<std::result::Result<u64, Unsealable>> {
    let sealing = notify.sealing();
    let mut done = 0;
    let mut tx = notify.db().begin().await?;
    for sealed in record::sealed(&mut tx).await? {
        let place = secret::place(sealed.id);
        let again = |before: &[u8]| sealing.open(&place, before).and_then(|plain| sealing.seal(&place, &plain));
        let parts = [Some(&sealed.secret_sealed), sealed.previous_sealed.as_ref()];
        if parts.into_iter().flatten().all(|part| sealing.is_current(&place, part)) {
            continue;
        }
        let wrapped = again(&sealed.secret_sealed)
            .and_then(|secret| Ok((secret, sealed.previous_sealed.as_deref().map(again).transpose()?)));
        let (secret, previous) = match wrapped {
            Ok(wrapped) => wrapped,
            Err(error) => return Ok(Err(error)),
        };
        record::reseal(&mut tx, &sealed, &secret, previous.as_deref()).await?;
        done += 1;
    }
    tx.commit().await?;
    Ok(Ok(done))
}
