//! A person deletes their own account.

use kernel::{Event, Kind, UserId};

use crate::change_status::leaves_an_administrator;
use crate::{Ended, Status, Users, account, revoke};

/// The account was not deleted.
#[derive(Debug, thiserror::Error)]
pub enum DeleteOwnAccountError {
    /// There is no such account, or it may not be used.
    #[error("no such account")]
    NotFound,
    /// It is the last active administrator: nobody could bring the account back.
    #[error("this is the last administrator: make another one first")]
    LastAdministrator,
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

/// Deletes the account: all its sessions and tokens end. For 30 days an administrator can bring it back; then
/// it is erased.
pub async fn delete_own_account(users: &Users, user: UserId) -> Result<(), DeleteOwnAccountError> {
    let now = users.clock.now();
    let mut tx = users.db.begin().await?;
    account::lock(&mut tx, user).await?;
    if !account::set_status(&mut tx, user, Status::Active, Status::Deleted, None, now).await? {
        return Err(DeleteOwnAccountError::NotFound);
    }
    let roles = account::roles(&mut tx, user).await?;
    if !leaves_an_administrator(&mut tx, &roles).await? {
        return Err(DeleteOwnAccountError::LastAdministrator);
    }
    revoke(&mut tx, Ended::Everything(user), Event::new(Kind::AccountDeleted, now).by(user)).await?;
    tx.commit().await?;
    Ok(())
}
