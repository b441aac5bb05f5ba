//! Suspending an account, deleting it, and bringing it back.

use kernel::{Event, Kind, Timestamp, UserId};
use storage::Tx;

use crate::{Authority, Ended, Reason, Status, SuspensionEnd, Users, account, may, revoke};

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
    let (from, to) = (change.from(), change.to());
    let mut tx = users.db.begin().await?;
    let exists = account::lock(&mut tx, user).await?;
    if !authority.may_touch(&mut tx, change.permission(), user).await? {
        return Err(ChangeStatusError::Forbidden);
    }
    if !exists {
        return Err(ChangeStatusError::NotFound);
    }
    if !account::set_status(&mut tx, user, from, to, change.until(), now).await? {
        let current = account::find(&mut tx, user).await?.ok_or(ChangeStatusError::NotFound)?;
        return Err(if current.status == from { ChangeStatusError::TooLate } else { ChangeStatusError::NotIn(from) });
    }
    if to != Status::Active {
        let roles = account::roles(&mut tx, user).await?;
        if !leaves_an_administrator(&mut tx, &roles).await? {
            return Err(ChangeStatusError::LastAdministrator);
        }
    }
    if authority.actor() == Some(user) {
        return Err(ChangeStatusError::OwnAccount);
    }
    let event = Event::new(change.kind(), now).about(user).with("reason", reason.as_str());
    let event = match change.until() {
        Some(until) => event.with("until", until.to_string()),
        None => event,
    };
    if to == Status::Active {
        tx.append(authority.sign(event));
    } else {
        revoke(&mut tx, Ended::Everything(user), authority.sign(event)).await?;
    }
    tx.commit().await?;
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
