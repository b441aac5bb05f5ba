//! Suspending an account, deleting it, and bringing it back.

use kernel::{Event, Kind, Timestamp, UserId};
use storage::Tx;

use crate::{Account, Authority, Ended, Reason, Status, SuspensionEnd, Users, account, may, revoke};

/// What to do with an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusChange {
    /// Active → suspended; every session and token ends.
    Suspend {
        /// When it ends by itself.
        until: Option<SuspensionEnd>,
    },
    /// Suspended → active.
    Reinstate,
    /// Active → deleted; every session and token ends.
    Delete,
    /// Deleted → active.
    Restore,
}

impl StatusChange {
    const fn from(self) -> Status {
        match self {
            Self::Suspend { .. } | Self::Delete => Status::Active,
            Self::Reinstate => Status::Suspended,
            Self::Restore => Status::Deleted,
        }
    }

    const fn to(self) -> Status {
        match self {
            Self::Suspend { .. } => Status::Suspended,
            Self::Delete => Status::Deleted,
            Self::Reinstate | Self::Restore => Status::Active,
        }
    }

    const fn kind(self) -> Kind {
        match self {
            Self::Suspend { .. } => Kind::AccountSuspended,
            Self::Reinstate => Kind::AccountReinstated,
            Self::Delete => Kind::AccountDeleted,
            Self::Restore => Kind::AccountRestored,
        }
    }

    const fn permission(self) -> &'static str {
        match self {
            Self::Suspend { .. } | Self::Reinstate => may::USERS_BAN,
            Self::Delete => may::USERS_DELETE,
            Self::Restore => may::USERS_WRITE,
        }
    }

    fn until(self) -> Option<Timestamp> {
        match self {
            Self::Suspend { until } => until.map(SuspensionEnd::moment),
            Self::Reinstate | Self::Delete | Self::Restore => None,
        }
    }
}

/// The status was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeStatusError {
    /// Whoever asks is not an administrator any more.
    #[error("the permission for this is missing")]
    Forbidden,
    /// There is no such account.
    #[error("no such account")]
    NotFound,
    /// The account is not in the status that this change begins with.
    #[error("the account is not {}", .0.as_str())]
    NotIn(Status),
    /// It was deleted more than 30 days ago, or erased.
    #[error("the account was deleted too long ago to come back")]
    TooLate,
    /// It is the last active administrator: nobody could bring the account back.
    #[error("this is the last administrator: make another one first")]
    LastAdministrator,
    /// Administrators do not do this to their own account: it is a slip, and nobody can undo their own.
    #[error("this is your own account: ask another administrator")]
    OwnAccount,
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

/// Changes the status of an account. `reason` is for operators and goes into the event.
pub async fn change_status(
    users: &Users,
    authority: Authority,
    user: UserId,
    change: StatusChange,
    reason: &Reason,
) -> Result<(), ChangeStatusError> {
    let now = users.clock.now();
    let mut tx = users.db.begin().await?;
    change_status_in(&mut tx, authority, user, (change, reason), now).await?;
    tx.commit().await?;
    Ok(())
}

/// The same in a transaction that does more. A refusal has written nothing: everything is asked, behind the
/// locked row, before anything is changed.
pub async fn change_status_in(
    tx: &mut Tx,
    authority: Authority,
    user: UserId,
    (change, reason): (StatusChange, &Reason),
    now: Timestamp,
) -> Result<(), ChangeStatusError> {
    let (from, to) = (change.from(), change.to());
    account::lock(tx, user).await?;
    if !authority.may_touch(tx, change.permission(), user).await? {
        return Err(ChangeStatusError::Forbidden);
    }
    let current = account::find(tx, user).await?.ok_or(ChangeStatusError::NotFound)?;
    if current.status != from {
        return Err(ChangeStatusError::NotIn(from));
    }
    if to != Status::Active && !leaves_another_administrator(tx, &current).await? {
        return Err(ChangeStatusError::LastAdministrator);
    }
    if authority.actor() == Some(user) {
        return Err(ChangeStatusError::OwnAccount);
    }
    // The status is known and stands still: what is refused here was deleted too long ago.
    if !account::set_status(tx, user, from, to, change.until(), now).await? {
        return Err(ChangeStatusError::TooLate);
    }
    let event = Event::new(change.kind(), now).about(user).with("reason", reason.as_str());
    let event = match change.until() {
        Some(until) => event.with("until", until.to_string()),
        None => event,
    };
    if to == Status::Active {
        tx.append(authority.sign(event));
    } else {
        revoke(tx, Ended::Everything(user), authority.sign(event)).await?;
    }
    Ok(())
}

/// Whether there is an administrator left without the account that has just been taken away, and had these
/// roles. Its row is locked by now and every change of its roles locks it first, so they stand still; the
/// lock keeps two administrators from each counting on the other.
pub(crate) async fn leaves_an_administrator(tx: &mut Tx, roles: &[String]) -> storage::Result<bool> {
    if !roles.iter().any(|role| role == account::ADMIN) {
        return Ok(true);
    }
    account::hold_administrators(tx).await?;
    account::any_with_role(tx, account::ADMIN).await
}

/// Whether there is an administrator left without this one, who is about to be taken away. The row is
/// locked by now and every change of its roles locks it first, so they stand still; the lock, which lasts
/// until the end of the transaction, keeps two administrators from each counting on the other.
async fn leaves_another_administrator(tx: &mut Tx, account: &Account) -> storage::Result<bool> {
    if !account.roles.iter().any(|role| role == account::ADMIN) {
        return Ok(true);
    }
    account::hold_administrators(tx).await?;
    account::any_other_with_role(tx, account::ADMIN, account.id).await
}
