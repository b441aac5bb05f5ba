//! Ending every session of an account that stays as it is.

use kernel::{Event, Kind, UserId};

use crate::{Authority, Ended, Users, account, may, revoke};

/// Nobody was signed out.
#[derive(Debug, thiserror::Error)]
pub enum SignOutEverywhereError {
    /// Whoever asks is not an administrator any more.
    #[error("the permission for this is missing")]
    Forbidden,
    /// There is no such account.
    #[error("no such account")]
    NotFound,
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

/// Ends all sessions and tokens of an account. Its owner may sign in again at once.
pub async fn sign_out_everywhere(
    users: &Users,
    authority: Authority,
    user: UserId,
) -> Result<(), SignOutEverywhereError> {
    let now = users.clock.now();
    let mut tx = users.db.begin().await?;
    let exists = account::lock(&mut tx, user).await?;
    if !authority.may_touch(&mut tx, may::USERS_BAN, user).await? {
        return Err(SignOutEverywhereError::Forbidden);
    }
    if !exists {
        return Err(SignOutEverywhereError::NotFound);
    }
    let event = Event::new(Kind::AccountSignedOut, now).about(user);
    revoke(&mut tx, Ended::Everything(user), authority.sign(event)).await?;
    tx.commit().await?;
    Ok(())
}
