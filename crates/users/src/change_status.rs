//! Suspending an account, deleting it, and bringing it back.

use kernel::{Event, Kind, UserId};

use crate::{Ended, Status, Users, account, revoke};

/// What to do with an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusChange {
    /// Active → suspended; every session and token ends.
    Suspend,
    /// Suspended → active.
    Reinstate,
    /// Active → deleted; every session and token ends.
    Delete,
    /// Deleted → active.
    Restore,
}

/// The status was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeStatusError {
    /// The account is not in the status that this change begins with.
    #[error("the account is not {}", .0.as_str())]
    NotIn(Status),
    /// It is the last active administrator: nobody could bring the account back.
    #[error("this is the last administrator: make another one first")]
    LastAdministrator,
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

/// Changes the status of an account. `reason` is for operators and goes into the event.
pub async fn change_status(
    users: &Users,
    user: UserId,
    change: StatusChange,
    reason: &str,
) -> Result<(), ChangeStatusError> {
    let (from, to, kind) = match change {
        StatusChange::Suspend => (Status::Active, Status::Suspended, Kind::AccountSuspended),
        StatusChange::Reinstate => (Status::Suspended, Status::Active, Kind::AccountReinstated),
        StatusChange::Delete => (Status::Active, Status::Deleted, Kind::AccountDeleted),
        StatusChange::Restore => (Status::Deleted, Status::Active, Kind::AccountRestored),
    };
    let now = users.clock.now();
    let mut tx = users.db.begin().await?;
    let was_administrator = account::roles(&mut tx, user).await?.iter().any(|role| role == account::ADMIN);
    if was_administrator {
        account::lock_role(&mut tx, account::ADMIN).await?;
    }
    if !account::set_status(&mut tx, user, from, to, now).await? {
        return Err(ChangeStatusError::NotIn(from));
    }
    if to != Status::Active && was_administrator && !account::any_with_role(&mut tx, account::ADMIN).await? {
        return Err(ChangeStatusError::LastAdministrator);
    }
    let event = Event::new(kind, now).about(user).with("reason", reason);
    if to == Status::Active {
        tx.append(event);
    } else {
        revoke(&mut tx, Ended::Everything(user), event).await?;
    }
    tx.commit().await?;
    Ok(())
}
