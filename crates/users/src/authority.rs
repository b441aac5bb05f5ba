//! In whose name something is done to an account or a role. A use case that does either takes an
//! [`Authority`], so it cannot be called without saying who wants it, and asks it in its transaction.

use kernel::{Caller, Event, Permissions, RoleDirectory, UserId};
use storage::{Result, Tx};

use crate::{Account, account, role_record};

/// Somebody who had a permission when they asked. There is no other way to make one than to show a
/// caller or an account whose roles give it, or a job that they began.
#[derive(Clone, Copy, Debug)]
pub struct Officer {
    user: UserId,
}

impl Officer {
    /// The caller, if the roles in their token give this permission.
    pub fn prove(roles: &RoleDirectory, caller: &Caller, permission: &str) -> Option<Self> {
        Self::check(roles, caller.user, &caller.roles, permission)
    }

    /// Somebody who is signed in to a page, if their roles give this permission.
    pub fn of_account(roles: &RoleDirectory, account: &Account, permission: &str) -> Option<Self> {
        Self::check(roles, account.id, &account.roles, permission)
    }

    /// Whoever proved a permission when they asked for a piece of work that goes on now. Each step of it asks
    /// again what they may.
    pub(crate) const fn resumed(user: UserId) -> Self {
        Self { user }
    }

    fn check(roles: &RoleDirectory, user: UserId, held: &[String], permission: &str) -> Option<Self> {
        roles.now().allows(held.iter().map(String::as_str), permission).then_some(Self { user })
    }
}

/// Who wants it.
#[derive(Clone, Copy, Debug)]
pub enum Authority {
    /// Somebody with a permission, over the API or a page.
    Officer(Officer),
    /// Whoever runs commands on Usher's own machine.
    Operator,
    /// Nobody: a time that was set before has come.
    Schedule,
}

impl Authority {
    /// The account that acts, for events.
    pub const fn actor(self) -> Option<UserId> {
        match self {
            Self::Officer(officer) => Some(officer.user),
            Self::Operator | Self::Schedule => None,
        }
    }

    /// The event, done in this name.
    #[must_use]
    pub fn sign(self, event: Event) -> Event {
        Event { actor: self.actor(), ..event }
    }

    /// What it may do now. A token says what was true when it was made, and a request may have been
    /// under way while somebody else took the role away or changed it: accounts and roles themselves
    /// decide, in the transaction. To be asked after the row that is changed has been locked.
    pub async fn permissions(self, tx: &mut Tx) -> Result<Permissions> {
        match self {
            Self::Officer(officer) => account::permissions_if_active(tx, officer.user).await,
            Self::Operator | Self::Schedule => Ok(Permissions::Everything),
        }
    }

    /// Whether it has this permission now.
    pub async fn may(self, tx: &mut Tx, permission: &str) -> Result<bool> {
        Ok(self.permissions(tx).await?.has(permission))
    }

    /// Whether it has this permission now, and every permission of the account that it is to be used on:
    /// whoever could change, suspend or rename somebody with more rights than their own would soon have
    /// those. Everybody may touch themselves.
    pub async fn may_touch(self, tx: &mut Tx, permission: &str, target: UserId) -> Result<bool> {
        let mine = self.permissions(tx).await?;
        if !mine.has(permission) {
            return Ok(false);
        }
        if self.actor() == Some(target) {
            return Ok(true);
        }
        let theirs = account::roles(tx, target).await?;
        let book = role_record::book(tx).await?;
        Ok(mine.covers(&book.permissions_of(theirs.iter().map(String::as_str))))
    }
}
