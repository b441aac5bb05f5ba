//! Ending every session of an account that stays as it is.

use kernel::{Event, Kind, Timestamp, UserId};
use storage::Tx;

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
    sign_out_everywhere_in(&mut tx, authority, user, now).await?;
    tx.commit().await?;
    Ok(())
}

/// The same in a transaction that does more. A refusal has written nothing.
pub(crate) async fn sign_out_everywhere_in(
    tx: &mut Tx,
    authority: Authority,
    user: UserId,
    now: Timestamp,
) -> Result<(), SignOutEverywhereError> {
    let exists = account::lock(tx, user).await?;
    if !authority.may_touch(tx, may::USERS_BAN, user).await? {
        return Err(SignOutEverywhereError::Forbidden);
    }
    if !exists {
        return Err(SignOutEverywhereError::NotFound);
    }
    let event = Event::new(Kind::AccountSignedOut, now).about(user);
    revoke(tx, Ended::Everything(user), authority.sign(event)).await?;
    Ok(())
}
