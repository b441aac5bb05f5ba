//! Sealing the signing keys with the master key of today.

use storage::Lock;

use super::{Keys, KeysError, place, record};

impl Keys {
    /// Seals every signing key that an older master key sealed. How many it was.
    pub async fn rewrap(&self) -> Result<u64, KeysError> {
        let mut done = 0;
        let mut tx = self.0.db.begin().await?;
        tx.hold(Lock::SigningKeys).await?;
        for row in record::list(&mut tx).await? {
            let place = place(row.id);
            if self.0.sealing.is_current(&place, &row.private_sealed) {
                continue;
            }
            let private = self.0.sealing.open(&place, &row.private_sealed).map_err(|_| KeysError::WrongMasterKey)?;
            let sealed = self.0.sealing.seal(&place, &private).map_err(|_| KeysError::Key)?;
            record::reseal(&mut tx, row.id, &sealed).await?;
            done += 1;
        }
        tx.commit().await?;
        Ok(done)
    }
}
