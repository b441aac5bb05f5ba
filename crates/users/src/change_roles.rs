//! Giving an account other roles than before.

use kernel::{Event, Kind, Timestamp, UserId};
use storage::Tx;

use crate::granting::{self, GrantError};
use crate::{Account, Authority, Ended, Roles, Users, account, may, revoke};

/// The roles were not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeRolesError {
    /// Whoever asks is not an administrator any more.
    #[error("the permission for this is missing")]
    Forbidden,
    /// A role that is given or taken comes to permissions that whoever asks lacks.
    #[error("a role comes to permissions that whoever gives or takes it lacks")]
    Exceeds,
    /// There is no role of this name.
    #[error("there is no role `{0}`")]
    UnknownRole(String),
    /// There is no such account.
    #[error("no such account")]
    NotFound,
    /// Somebody else changed the account in between.
    #[error("the account has changed since it was read")]
    Stale,
    /// It is the last active administrator, and would not be one any more.
    #[error("this is the last administrator: make another one first")]
    LastAdministrator,
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

/// Gives the account exactly these roles; with `expected` (from `If-Match`) only if that is still its
/// version. Nobody gives or takes a role that comes to more than they may do themselves. Its tokens end, its
/// sessions go on: the next refresh says the new roles. An account that
/// has these roles already is left as it is.
pub async fn change_roles(
    users: &Users,
    authority: Authority,
    user: UserId,
    roles: &Roles,
    expected: Option<i64>,
) -> Result<Account, ChangeRolesError> {
    let now = users.clock.now();
    let mut tx = users.db.begin().await?;
    let changed = change_roles_in(&mut tx, authority, user, (roles, expected), now).await?;
    tx.commit().await?;
    Ok(changed)
}

/// The same in a transaction that does more. A refusal has written nothing: everything is asked, behind the
/// locked row, before anything is changed.
pub(crate) async fn change_roles_in(
    tx: &mut Tx,
    authority: Authority,
    user: UserId,
    (roles, expected): (&Roles, Option<i64>),
    now: Timestamp,
) -> Result<Account, ChangeRolesError> {
    account::lock(tx, user).await?;
    if !authority.may_touch(tx, may::ROLES_GRANT, user).await? {
        return Err(ChangeRolesError::Forbidden);
    }
    let current = account::find(tx, user).await?.ok_or(ChangeRolesError::NotFound)?;
    if expected.is_some_and(|expected| expected != current.version) {
        return Err(ChangeRolesError::Stale);
    }
    if roles.names().eq(current.roles.iter().map(String::as_str)) {
        return Ok(current);
    }
    let given = roles.names().filter(|role| !current.roles.iter().any(|had| had == role));
    let taken = current.roles.iter().map(String::as_str).filter(|role| !roles.contains(role));
    granting::check(tx, authority, given.chain(taken)).await?;
    let resigns = current.roles.iter().any(|role| role == account::ADMIN) && !roles.contains(account::ADMIN);
    if resigns {
        account::hold_administrators(tx).await?;
        if !account::any_other_with_role(tx, account::ADMIN, user).await? {
            return Err(ChangeRolesError::LastAdministrator);
        }
    }
    account::set_roles(tx, user, &current.roles, roles, now).await?;
    let event = Event::new(Kind::RolesChanged, now)
        .about(user)
        .with("before", current.roles)
        .with("after", roles.names().collect::<Vec<&str>>());
    revoke(tx, Ended::Tokens(user), authority.sign(event)).await?;
    account::find(tx, user).await?.ok_or(ChangeRolesError::NotFound)
}

impl From<GrantError> for ChangeRolesError {
    fn from(error: GrantError) -> Self {
        match error {
            GrantError::UnknownRole(name) => Self::UnknownRole(name),
            GrantError::Exceeds => Self::Exceeds,
            GrantError::Storage(error) => Self::Storage(error),
        }
    }
}
