//! Making a role.

use kernel::permission::RoleDefinition;
use kernel::{Event, Kind};
use storage::Lock;

use crate::roles::{self, Role};
use crate::{Authority, Includes, OwnPermissions, RoleDescription, RoleName, Users, may, role_record};

/// A role to be made.
#[derive(Clone, Debug)]
pub struct NewRole {
    /// What to call it.
    pub name: RoleName,
    /// What it is for.
    pub description: RoleDescription,
    /// The permissions that it names.
    pub permissions: OwnPermissions,
    /// The roles that it includes.
    pub includes: Includes,
}

/// The role was not made.
#[derive(Debug, thiserror::Error)]
pub enum CreateRoleError {
    /// Whoever asks may not define roles.
    #[error("the permission for this is missing")]
    Forbidden,
    /// It would come to permissions that whoever asks lacks, or to none: a name that a route may trust.
    #[error("the role would come to permissions that whoever makes it lacks")]
    Exceeds,
    /// There is one of this name.
    #[error("there is a role of this name already")]
    Taken,
    /// It is to include a role that is not there.
    #[error("there is no role `{0}`")]
    UnknownRole(String),
    /// There are as many as there may be.
    #[error("there are {} roles, and more there cannot be", role_record::MAX_ROLES)]
    TooMany,
    /// It, or a role that includes it, would come to more permissions than can be held.
    #[error("a role can come to {} permissions at most", roles::MAX_EFFECTIVE)]
    TooMuch,
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

/// Makes a role. Nobody can put anything into it that they may not do themselves.
pub async fn create_role(users: &Users, authority: Authority, new: &NewRole) -> Result<Role, CreateRoleError> {
    let now = users.clock.now();
    let mut tx = users.db.begin().await?;
    tx.hold(Lock::Roles).await?;
    let mine = authority.standing(&mut tx).await?;
    if !mine.permissions.has(may::ROLES_WRITE) {
        return Err(CreateRoleError::Forbidden);
    }
    let definitions = role_record::definitions(&mut tx).await?;
    let is_there = |name: &str| definitions.iter().any(|definition| definition.name == name);
    if let Some(unknown) = new.includes.names().find(|name| !is_there(name)) {
        return Err(CreateRoleError::UnknownRole(unknown.to_owned()));
    }
    let empty = RoleDefinition { name: new.name.as_str().to_owned(), ..RoleDefinition::default() };
    let definition = RoleDefinition {
        permissions: new.permissions.names().map(str::to_owned).collect(),
        includes: new.includes.names().map(str::to_owned).collect(),
        ..empty.clone()
    };
    if !role_record::insert(&mut tx, new.name.as_str(), new.description.as_str(), now).await? {
        return Err(CreateRoleError::Taken);
    }
    if role_record::count(&mut tx).await? > role_record::MAX_ROLES {
        return Err(CreateRoleError::TooMany);
    }
    role_record::replace(&mut tx, &empty, &definition).await?;
    let comes_to = roles::comes_to(&definitions, &definition).ok_or(CreateRoleError::TooMuch)?;
    if !mine.may_define(&definition.name, &comes_to) {
        return Err(CreateRoleError::Exceeds);
    }
    let event = Event::new(Kind::RoleCreated, now)
        .with("role", definition.name)
        .with("permissions", definition.permissions)
        .with("includes", definition.includes);
    tx.append(authority.sign(event));
    let made = roles::read(&mut tx, new.name.as_str()).await?.ok_or(CreateRoleError::Taken)?;
    tx.commit().await?;
    users.role_keeper.refresh_now().await;
    Ok(made)
}
