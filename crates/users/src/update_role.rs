//! Changing what a role says, names and includes.

use std::collections::BTreeSet;

use kernel::permission::RoleDefinition;
use kernel::{Event, Kind};
use storage::Lock;

use crate::account::ADMIN;
use crate::roles::{self, Role};
use crate::{Authority, Includes, OwnPermissions, RoleDescription, RoleName, Users, may, role_record};

/// What to change; nothing where nothing is said.
#[derive(Clone, Debug, Default)]
pub struct RoleChange {
    /// What it is for from now on.
    pub description: Option<RoleDescription>,
    /// The permissions that it names from now on.
    pub permissions: Option<OwnPermissions>,
    /// The roles that it includes from now on.
    pub includes: Option<Includes>,
}

/// The role was not changed.
#[derive(Debug, thiserror::Error)]
pub enum UpdateRoleError {
    /// Whoever asks may not define roles.
    #[error("the permission for this is missing")]
    Forbidden,
    /// It comes, or would come, to permissions that whoever asks lacks, or to none, and is not theirs.
    #[error("the role comes to permissions that whoever changes it lacks")]
    Exceeds,
    /// There is no such role.
    #[error("no such role")]
    NotFound,
    /// It is `admin`, which stays as it is: without it, nobody could undo this.
    #[error("the role `admin` cannot be changed")]
    Unchangeable,
    /// Somebody else changed it in between.
    #[error("the role has changed since it was read")]
    Stale,
    /// It is to include a role that is not there.
    #[error("there is no role `{0}`")]
    UnknownRole(String),
    /// It is to include itself, or a role that includes it.
    #[error("`{0}` includes this role, or is it: roles cannot go in a circle")]
    Circle(String),
    /// It, or a role that includes it, would come to more permissions than can be held.
    #[error("a role can come to {} permissions at most", roles::MAX_EFFECTIVE)]
    TooMuch,
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

/// Changes a role; with `expected` (from `If-Match`) only if that is still its version. It takes effect at
/// once for everybody who holds the role: their tokens name the role, and what a role comes to is looked up
/// whenever somebody asks. A change that changes nothing leaves the role as it is.
pub async fn update_role(
    users: &Users,
    authority: Authority,
    name: &RoleName,
    change: &RoleChange,
    expected: Option<i64>,
) -> Result<Role, UpdateRoleError> {
    let now = users.clock.now();
    let name = name.as_str();
    let mut tx = users.db.begin().await?;
    tx.hold(Lock::Roles).await?;
    let mine = authority.standing(&mut tx).await?;
    if !mine.permissions.has(may::ROLES_WRITE) {
        return Err(UpdateRoleError::Forbidden);
    }
    let current = roles::read(&mut tx, name).await?.ok_or(UpdateRoleError::NotFound)?;
    if name == ADMIN {
        return Err(UpdateRoleError::Unchangeable);
    }
    if expected.is_some_and(|expected| expected != current.version) {
        return Err(UpdateRoleError::Stale);
    }
    let before = current.definition();
    let after = changed(&before, change);
    let description = change.description.as_ref().map_or(current.description.as_str(), RoleDescription::as_str);
    let definitions = role_record::definitions(&mut tx).await?;
    check_includes(&definitions, &after)?;
    let comes_to = roles::comes_to(&definitions, &after).ok_or(UpdateRoleError::TooMuch)?;
    if !mine.may_define(name, &current.effective) || !mine.may_define(name, &comes_to) {
        return Err(UpdateRoleError::Exceeds);
    }
    if before == after && description == current.description {
        return Ok(current);
    }
    if !role_record::set(&mut tx, name, description, current.version, now).await? {
        return Err(UpdateRoleError::Stale);
    }
    role_record::replace(&mut tx, &before, &after).await?;
    let event = Event::new(Kind::RoleUpdated, now)
        .with("role", name)
        .with("permissions_added", without(&after.permissions, &before.permissions))
        .with("permissions_removed", without(&before.permissions, &after.permissions))
        .with("includes_added", without(&after.includes, &before.includes))
        .with("includes_removed", without(&before.includes, &after.includes));
    tx.append(authority.sign(event));
    let updated = roles::read(&mut tx, name).await?.ok_or(UpdateRoleError::NotFound)?;
    tx.commit().await?;
    users.role_keeper.refresh_now().await;
    Ok(updated)
}

fn changed(before: &RoleDefinition, change: &RoleChange) -> RoleDefinition {
    let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
    RoleDefinition {
        name: before.name.clone(),
        permissions: match &change.permissions {
            Some(permissions) => owned(permissions.names().collect()),
            None => before.permissions.clone(),
        },
        includes: match &change.includes {
            Some(includes) => owned(includes.names().collect()),
            None => before.includes.clone(),
        },
    }
}

/// What is in the first and not in the second.
fn without(list: &[String], other: &[String]) -> Vec<String> {
    list.iter().filter(|one| !other.contains(one)).cloned().collect()
}

/// Whether what a role is to include is there and does not lead back to it.
fn check_includes(definitions: &[RoleDefinition], role: &RoleDefinition) -> Result<(), UpdateRoleError> {
    let find = |name: &str| definitions.iter().find(|definition| definition.name == name);
    // What was seen on the way from one of them need not be looked at again from the next.
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for included in &role.includes {
        let mut to_visit = vec![included.as_str()];
        if find(included).is_none() {
            return Err(UpdateRoleError::UnknownRole(included.clone()));
        }
        while let Some(name) = to_visit.pop() {
            if name == role.name {
                return Err(UpdateRoleError::Circle(included.clone()));
            }
            if seen.insert(name) {
                to_visit.extend(find(name).into_iter().flat_map(|found| found.includes.iter().map(String::as_str)));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(name: &str, includes: &[&str]) -> RoleDefinition {
        let includes = includes.iter().map(|name| (*name).to_owned()).collect();
        RoleDefinition { name: name.into(), includes, ..RoleDefinition::default() }
    }

    #[test]
    fn no_role_leads_back_to_itself() {
        let all = [role("a", &["b"]), role("b", &["c", "d"]), role("c", &[]), role("d", &["c"])];
        assert!(all.iter().all(|role| check_includes(&all, role).is_ok()));
        for (name, includes, culprit) in [("a", "a", "a"), ("c", "a", "a"), ("b", "a", "a")] {
            let wrong = role(name, &[includes]);
            let others = all.iter().filter(|role| role.name != name).cloned();
            let all: Vec<RoleDefinition> = others.chain([wrong.clone()]).collect();
            let refused = check_includes(&all, &wrong);
            assert!(matches!(&refused, Err(UpdateRoleError::Circle(by)) if by == culprit), "{name}: {refused:?}");
        }
        let unknown = check_includes(&all, &role("a", &["z"]));
        assert!(matches!(unknown, Err(UpdateRoleError::UnknownRole(name)) if name == "z"));
    }
}
