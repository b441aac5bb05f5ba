//! Sealing what Shared Signals keep sealed with the master key of today.

use super::keys::KeyError;
use super::{authorization_place, keys, stream};
use crate::Signals;

/// Seals the keys and the authorizations of streams that an older master key sealed. How many it was.
pub(crate) async fn rewrap(signals: &Signals) -> Result<u64, KeyError> {
    let sealing = &signals.ssf().sealing;
    let mut done = 0;
    let mut tx = signals.auth().db().begin().await?;
    for (id, sealed) in keys::all_sealed(&mut tx).await? {
        let place = keys::place(id);
        if !sealing.is_current(&place, &sealed) {
            let private = sealing.open(&place, &sealed).map_err(|_| KeyError::Key)?;
            let sealed = sealing.seal(&place, &private).map_err(|_| KeyError::Key)?;
            keys::reseal(&mut tx, id, &sealed).await?;
            done += 1;
        }
    }
    for (id, before) in stream::authorizations(&mut tx).await? {
        let place = authorization_place(id);
        if !sealing.is_current(&place, &before) {
            let text = sealing.open(&place, &before).map_err(|_| KeyError::Key)?;
            let sealed = sealing.seal(&place, &text).map_err(|_| KeyError::Key)?;
            stream::reseal_authorization(&mut tx, id, &before, &sealed).await?;
            done += 1;
        }
    }
    tx.commit().await?;
    Ok(done)
}
