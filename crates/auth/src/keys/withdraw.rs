//! Taking a key back at once, because it may have got into other hands.
//!
//! Its row is deleted, private half and all, so no process can load it again, not even one of an
//! older version; what it signed is dead through `users::revoke`. Sessions go on: refresh tokens and
//! cookies are not signed with it, so the next refresh gives a token of another key.

use kernel::id::KeyId;
use kernel::{Event, Kind, Timestamp};
use storage::{Lock, Tx};
use users::{Authority, Ended, Reason, may};

use super::{Keys, KeysError, record};

/// The key was not withdrawn.
#[derive(Debug, thiserror::Error)]
pub enum WithdrawError {
    /// Whoever asks may not.
    #[error("the permission for this is missing")]
    Forbidden,
    /// There is no such key, or it was withdrawn or removed before.
    #[error("there is no such signing key")]
    NotFound,
    /// The keys cannot be made or read.
    #[error(transparent)]
    Keys(#[from] KeysError),
}

impl From<storage::Error> for WithdrawError {
    fn from(error: storage::Error) -> Self {
        Self::Keys(error.into())
    }
}

impl Keys {
    /// Withdraws a key: it never signs again, is not published any more, and what it signed is dead.
    /// Another key of the configured algorithm signs from now on: the one that signed before, if it is
    /// still there, or the next one before its time, or a new one. `reason` is for operators and goes
    /// into the event.
    ///
    /// When this returns, this process neither signs with it nor publishes it. Others learn it from the
    /// ledger and have to call [`Keys::reload`] then.
    pub async fn withdraw(&self, id: KeyId, authority: Authority, reason: &Reason) -> Result<(), WithdrawError> {
        let now = self.0.clock.now();
        // Made before the transaction, which may turn out not to need it: an RSA key takes a second.
        let spare = self.generate(now, now).await?;
        // Held until the keys are put in place, so that a reload with an older view does not follow.
        let _reading = self.0.reading.lock().await;
        let mut tx = self.0.db.begin().await?;
        tx.hold(Lock::SigningKeys).await?;
        if !authority.may(&mut tx, may::KEYS_WRITE).await? {
            return Err(WithdrawError::Forbidden);
        }
        let withdrawn = record::withdraw(&mut tx, id, now).await?.ok_or(WithdrawError::NotFound)?;
        let successor = self.appoint(&mut tx, &spare, now).await?;
        let event = Event::new(Kind::SigningKeyWithdrawn, now)
            .with("kid", id.to_string())
            .with("alg", withdrawn)
            .with("signs_now", successor.to_string())
            .with("reason", reason.as_str());
        users::revoke(&mut tx, Ended::Key(id), authority.sign(event)).await?;
        // Read before the commit: after it nothing may fail, or this process would go on signing.
        let keys = self.read(&mut tx).await?;
        tx.commit().await?;
        self.put_in_place(keys);
        Ok(())
    }

    /// Sees to it that a key of the configured algorithm signs now. Which one that is.
    async fn appoint(&self, tx: &mut Tx, spare: &record::Row, now: Timestamp) -> Result<KeyId, KeysError> {
        let left = record::list(tx).await?;
        if let Some(signing) = left.iter().rfind(|row| row.signs_from <= now)
            && signing.algorithm == spare.algorithm
        {
            return Ok(signing.id);
        }
        if let Some(next) = left.iter().find(|row| row.signs_from > now && row.algorithm == spare.algorithm) {
            record::sign_from(tx, next.id, now).await?;
            return Ok(next.id);
        }
        record::insert(tx, spare).await?;
        Ok(spare.id)
    }
}
