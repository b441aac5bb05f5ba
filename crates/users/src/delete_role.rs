//! Deleting a role that nobody needs any more.

use kernel::{Event, Kind};
use storage::Lock;

use crate::{Authority, RoleName, Users, may, role_record, roles};

/// The role was not deleted.
#[derive(Debug, thiserror::Error)]
pub enum DeleteRoleError {
    /// Whoever asks may not define roles.
    #[error("the permission for this is missing")]
    Forbidden,
    /// It comes to permissions that whoever asks lacks.
    #[error("the role comes to permissions that whoever deletes it lacks")]
    Exceeds,
    /// There is no such role.
    #[error("no such role")]
    NotFound,
    /// It is one of those that are always there.
    #[error("the role is built in: it stays")]
    BuiltIn,
    /// An account holds it, or another role includes it.
    #[error("somebody holds the role, or another role includes it: take it away there first")]
    InUse,
    /// Somebody else changed it in between.
    #[error("the role has changed since it was read")]
    Stale,
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

/// Deletes a role; with `expected` (from `If-Match`) only if that is still its version. One that is in use
/// stays: also a deleted account comes back with the roles that it had.
pub async fn delete_role(
    users: &Users,
    authority: Authority,
    name: &RoleName,
    expected: Option<i64>,
) -> Result<(), DeleteRoleError> {
    let now = users.clock.now();
    let name = name.as_str();
    let mut tx = users.db.begin().await?;
    tx.hold(Lock::Roles).await?;
    let mine = authority.standing(&mut tx).await?;
    if !mine.permissions.has(may::ROLES_WRITE) {
        return Err(DeleteRoleError::Forbidden);
    }
    let current = roles::read(&mut tx, name).await?.ok_or(DeleteRoleError::NotFound)?;
    if current.built_in {
        return Err(DeleteRoleError::BuiltIn);
    }
    if expected.is_some_and(|expected| expected != current.version) {
        return Err(DeleteRoleError::Stale);
    }
    // Whoever could delete a role that is only a name could make it again with what they may give.
    if !mine.may_define(name, &current.effective) {
        return Err(DeleteRoleError::Exceeds);
    }
    let includes_it = |role: &kernel::permission::RoleDefinition| role.includes.iter().any(|included| included == name);
    if current.holders > 0 || role_record::definitions(&mut tx).await?.iter().any(includes_it) {
        return Err(DeleteRoleError::InUse);
    }
    role_record::delete(&mut tx, name).await?;
    tx.append(authority.sign(Event::new(Kind::RoleDeleted, now).with("role", name)));
    tx.commit().await?;
    users.role_keeper.refresh_now().await;
    Ok(())
}
