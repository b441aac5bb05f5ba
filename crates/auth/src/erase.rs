//! Destroying what an account says of a person, for good.

use kernel::{Event, Kind, UserId};
use users::{Authority, Ended, ErasePersonError, account, erase_person, may};

use crate::{Auth, attempts, credential, known_device, link, session};

/// Nothing was destroyed.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    /// Whoever asks lacks the permission, or the account has more.
    #[error("the permission for this is missing")]
    Forbidden,
    /// There is no such account.
    #[error("no such account")]
    NotFound,
    /// It is the last active administrator.
    #[error("this is the last administrator: make another one first")]
    LastAdministrator,
    /// Administrators do not do this to their own account: nobody can undo it.
    #[error("this is your own account: ask another administrator")]
    OwnAccount,
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

impl From<ErasePersonError> for EraseError {
    fn from(error: ErasePersonError) -> Self {
        match error {
            ErasePersonError::LastAdministrator => Self::LastAdministrator,
            ErasePersonError::Storage(error) => Self::Storage(error),
        }
    }
}

/// How many accounts one round erases.
const BATCH: i64 = 50;

/// Erases an account: the person's key and everything sealed with it, profile, address, roles, password,
/// sessions. Its number stays, for whoever refers to it. An account that is erased is left as it is.
pub async fn erase(auth: &Auth, authority: Authority, user: UserId) -> Result<(), EraseError> {
    let now = auth.clock().now();
    let mut tx = auth.db().begin().await?;
    let exists = account::lock(&mut tx, user).await?;
    if !authority.may_touch(&mut tx, may::USERS_ERASE, user).await? {
        return Err(EraseError::Forbidden);
    }
    if !exists {
        return Err(EraseError::NotFound);
    }
    if authority.actor() == Some(user) {
        return Err(EraseError::OwnAccount);
    }
    let current = account::find(&mut tx, user).await?.ok_or(EraseError::NotFound)?;
    // Somebody else's round was faster, or an administrator asks twice.
    if current.erased_at.is_some() {
        return Ok(());
    }
    // Whoever comes back between the look at who is due and this stays.
    if matches!(authority, Authority::Schedule)
        && current.deleted_at.is_none_or(|since| since > now.plus_seconds(-account::RETURN_SECONDS))
    {
        return Ok(());
    }
    erase_person(&mut tx, &current, now).await?;
    credential::remove(&mut tx, user).await?;
    session::remove_all(&mut tx, user).await?;
    link::remove_all(&mut tx, user).await?;
    known_device::remove_all(&mut tx, user).await?;
    attempts::forget_account(&mut tx, auth, current.email.canonical()).await?;
    let event = authority.sign(Event::new(Kind::AccountErased, now).about(user));
    users::revoke(&mut tx, Ended::Everything(user), event).await?;
    tx.commit().await?;
    Ok(())
}

/// Erases accounts that were deleted 30 days ago, some of them. Whether there may be more.
pub async fn erase_expired(auth: &Auth) -> Result<bool, EraseError> {
    let before = auth.clock().now().plus_seconds(-account::RETURN_SECONDS);
    let due = account::deleted_before(&mut auth.db().read().await?, before, BATCH).await?;
    for user in &due {
        erase(auth, Authority::Schedule, *user).await?;
    }
    Ok(due.len() == usize::try_from(BATCH).unwrap_or(usize::MAX))
}
