//! Destroying what an account says of a person: the part that is about accounts. `auth` has the rest, and the
//! transaction.

use kernel::Timestamp;
use storage::Tx;

use crate::change_status::leaves_an_administrator;
use crate::{Account, Status, account, avatar, personal};

/// Nothing was destroyed.
#[derive(Debug, thiserror::Error)]
pub enum ErasePersonError {
    /// It is the last active administrator.
    #[error("this is the last administrator: make another one first")]
    LastAdministrator,
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

/// Destroys the person's key, and with it whatever was sealed with it, wherever it was copied without the key; and
/// empties the account, which is as the caller read it after locking its row.
pub async fn erase_person(tx: &mut Tx, person: &Account, now: Timestamp) -> Result<(), ErasePersonError> {
    avatar::release_all(tx, person.id, now).await?;
    personal::record::destroy(tx, person.id).await?;
    account::erase(tx, person.id, now).await?;
    if person.status == Status::Active && !leaves_an_administrator(tx, &person.roles).await? {
        return Err(ErasePersonError::LastAdministrator);
    }
    Ok(())
}
