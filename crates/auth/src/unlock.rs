//! Letting somebody sign in again who failed too often.

use kernel::{Event, Kind, UserId};
use users::{Authority, account, may};

use crate::{Auth, attempts};

/// Nothing was unlocked.
#[derive(Debug, thiserror::Error)]
pub enum UnlockError {
    /// Whoever asks lacks the permission, or the account has more.
    #[error("the permission for this is missing")]
    Forbidden,
    /// There is no such account.
    #[error("no such account")]
    NotFound,
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

/// Forgets the failures that count against an account, whoever made them.
pub async fn unlock(auth: &Auth, authority: Authority, user: UserId) -> Result<(), UnlockError> {
    let mut tx = auth.db().begin().await?;
    let exists = account::lock(&mut tx, user).await?;
    if !authority.may_touch(&mut tx, may::USERS_WRITE, user).await? {
        return Err(UnlockError::Forbidden);
    }
    if !exists {
        return Err(UnlockError::NotFound);
    }
    let current = account::find(&mut tx, user).await?.ok_or(UnlockError::NotFound)?;
    attempts::forget_account(&mut tx, auth, current.email.canonical()).await?;
    tx.append(authority.sign(Event::new(Kind::AccountUnlocked, auth.clock().now()).about(user)));
    tx.commit().await?;
    Ok(())
}
