//! In whose name somebody's trust is ended or given back. A use case that does either takes an
//! [`Authority`], so it cannot be called without saying who wants it.

use kernel::{Caller, Event, UserId};
use storage::{Result, Tx};

use crate::account;

/// A caller whose token has the role `admin`. There is no other way to make one than to show such a
/// caller, so whoever holds one may act as an administrator.
#[derive(Clone, Copy, Debug)]
pub struct Administrator {
    user: UserId,
}

impl Administrator {
    /// The caller as an administrator, if their token says that they are one.
    pub fn prove(caller: &Caller) -> Option<Self> {
        caller.roles.iter().any(|role| role == account::ADMIN).then_some(Self { user: caller.user })
    }
}

/// Who wants it.
#[derive(Clone, Copy, Debug)]
pub enum Authority {
    /// An administrator, over the API.
    Administrator(Administrator),
    /// Whoever runs commands on Usher's own machine.
    Operator,
    /// Nobody: a time that was set before has come.
    Schedule,
}

impl Authority {
    /// The account that acts, for events.
    pub(crate) const fn actor(self) -> Option<UserId> {
        match self {
            Self::Administrator(administrator) => Some(administrator.user),
            Self::Operator | Self::Schedule => None,
        }
    }

    /// The event, done in this name.
    pub(crate) fn sign(self, event: Event) -> Event {
        Event { actor: self.actor(), ..event }
    }

    /// Whether it is still good. A token says what was true when it was made, and a request may have
    /// been under way while another administrator took the role: the account itself decides, in the
    /// transaction. To be asked after the row that is changed has been locked.
    pub(crate) async fn stands(self, tx: &mut Tx) -> Result<bool> {
        match self {
            Self::Administrator(administrator) => account::has_role(tx, administrator.user, account::ADMIN).await,
            Self::Operator | Self::Schedule => Ok(true),
        }
    }
}
