//! Giving an account other roles than before.

use kernel::{Event, Kind, UserId};

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
    account::lock(&mut tx, user).await?;
    if !authority.may_touch(&mut tx, may::ROLES_GRANT, user).await? {
        return Err(ChangeRolesError::Forbidden);
    }
    let current = account::find(&mut tx, user).await?.ok_or(ChangeRolesError::NotFound)?;
    if expected.is_some_and(|expected| expected != current.version) {
        return Err(ChangeRolesError::Stale);
    }
    if roles.names().eq(current.roles.iter().map(String::as_str)) {
        return Ok(current);
    }
    let given = roles.names().filter(|role| !current.roles.iter().any(|had| had == role));
    let taken = current.roles.iter().map(String::as_str).filter(|role| !roles.contains(role));
    granting::check(&mut tx, authority, given.chain(taken)).await?;
    account::set_roles(&mut tx, user, &current.roles, roles, now).await?;
    let resigns = current.roles.iter().any(|role| role == account::ADMIN) && !roles.contains(account::ADMIN);
    if resigns {
        account::hold_administrators(&mut tx).await?;
        if !account::any_with_role(&mut tx, account::ADMIN).await? {
            return Err(ChangeRolesError::LastAdministrator);
        }
    }
    let event = Event::new(Kind::RolesChanged, now)
        .about(user)
        .with("before", current.roles)
        .with("after", roles.names().collect::<Vec<&str>>());
    revoke(&mut tx, Ended::Tokens(user), authority.sign(event)).await?;
    let changed = account::find(&mut tx, user).await?.ok_or(ChangeRolesError::NotFound)?;
    tx.commit().await?;
    Ok(changed)
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
