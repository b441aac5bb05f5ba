//! In whose name something is done to an account or a role. A use case that does either takes an
//! [`Authority`], so it cannot be called without saying who wants it, and asks it in its transaction.

use kernel::permission::RoleBook;
use kernel::{Caller, Event, Permissions, RoleDirectory, UserId};
use storage::{Result, Tx};

use crate::{Account, account, granting, role_record};

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

/// What somebody may do at one moment, and the roles that give it to them.
pub(crate) struct Standing {
    pub(crate) permissions: Permissions,
    roles: Vec<String>,
}

impl Standing {
    /// Whether they may give and take this role.
    pub(crate) fn may_hand(&self, book: &RoleBook, role: &str) -> bool {
        granting::may_hand(&self.permissions, &self.roles, book, role)
    }

    /// Whether they may make this role, or leave it, as one that comes to this.
    pub(crate) fn may_define(&self, role: &str, comes_to: &Permissions) -> bool {
        self.permissions.covers(comes_to) && granting::may_hand_what(&self.permissions, &self.roles, role, comes_to)
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
        Ok(self.standing(tx).await?.permissions)
    }

    /// The same, and the roles that it holds itself. Whoever is not active holds none.
    pub(crate) async fn standing(self, tx: &mut Tx) -> Result<Standing> {
        match self {
            Self::Officer(officer) => {
                let roles = account::roles_if_active(tx, officer.user).await?;
                let book = role_record::book(tx).await?;
                Ok(Standing { permissions: book.permissions_of(roles.iter().map(String::as_str)), roles })
            }
            Self::Operator | Self::Schedule => Ok(Standing { permissions: Permissions::Everything, roles: Vec::new() }),
        }
    }

    /// Whether it has this permission now.
    pub async fn may(self, tx: &mut Tx, permission: &str) -> Result<bool> {
        Ok(self.permissions(tx).await?.has(permission))
    }

    /// Whether it has this permission now, and may hand on every role of the account that it is to be used on:
    /// whoever could change, suspend or rename somebody with more rights than their own would soon have
    /// those. Everybody may touch themselves.
    pub async fn may_touch(self, tx: &mut Tx, permission: &str, target: UserId) -> Result<bool> {
        let mine = self.standing(tx).await?;
        if !mine.permissions.has(permission) {
            return Ok(false);
        }
        if self.actor() == Some(target) {
            return Ok(true);
        }
        let theirs = account::roles(tx, target).await?;
        let book = role_record::book(tx).await?;
        Ok(theirs.iter().all(|role| mine.may_hand(&book, role)))
    }
}
