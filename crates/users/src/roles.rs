//! Reading roles: each with what it names, what it comes to, and how many hold it.

use kernel::permission::RoleDefinition;
use kernel::{Permissions, RoleBook, Timestamp};
use storage::Connection;

use crate::{Users, role_record};

/// A role, as people see it.
#[derive(Clone, Debug)]
pub struct Role {
    /// What it is called.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The permissions that it names itself, by name.
    pub permissions: Vec<String>,
    /// The roles that it includes, by name.
    pub includes: Vec<String>,
    /// All that it comes to, includes followed.
    pub effective: Permissions,
    /// Whether it was there from the first start on and stays.
    pub built_in: bool,
    /// Counts changes, for `If-Match`.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// How many accounts hold it; [`role_record::HOLDERS_COUNTED`] means that many or more.
    pub holders: i64,
}

/// Roles after this name (all from the first on with none), in alphabetical order, at most `limit`.
pub async fn list(users: &Users, after: Option<&str>, limit: u32) -> storage::Result<Vec<Role>> {
    let mut read = users.db.read().await?;
    // Versions first: whoever sees what is newer than its version is refused as stale, and not the other way.
    let rows = role_record::list(&mut read, after.unwrap_or_default(), i64::from(limit)).await?;
    let definitions = role_record::definitions(&mut read).await?;
    let book = RoleBook::new(&definitions);
    Ok(rows.into_iter().map(|row| Role::new(row, &definitions, &book)).collect())
}

/// The role of this name.
pub async fn find(users: &Users, name: &str) -> storage::Result<Option<Role>> {
    read(&mut users.db.read().await?, name).await
}

/// The same, in a transaction.
pub(crate) async fn read(on: &mut impl Connection, name: &str) -> storage::Result<Option<Role>> {
    let Some(row) = role_record::find(on, name).await? else { return Ok(None) };
    let definitions = role_record::definitions(on).await?;
    let book = RoleBook::new(&definitions);
    Ok(Some(Role::new(row, &definitions, &book)))
}

/// How many permissions a role may come to. Every process holds what all roles come to in memory, and a few
/// dozen roles that include each other could otherwise fill it.
pub const MAX_EFFECTIVE: usize = 1_000;

/// What a role will come to, if that and what other roles come to through it is not too much. `others` are
/// all roles as they are, and none that it includes includes it.
pub(crate) fn comes_to(others: &[RoleDefinition], role: &RoleDefinition) -> Option<Permissions> {
    let included = RoleBook::new(others).permissions_of(role.includes.iter().map(String::as_str));
    let sum = Permissions::of(role.permissions.iter().cloned()).and(&included);
    if sum.names().len() > MAX_EFFECTIVE {
        return None;
    }
    let unchanged = others.iter().filter(|other| other.name != role.name).cloned();
    let after: Vec<RoleDefinition> = unchanged.chain([role.clone()]).collect();
    let fits = RoleBook::new(&after).roles().all(|(_, permissions)| permissions.names().len() <= MAX_EFFECTIVE);
    fits.then_some(sum)
}

impl Role {
    fn new(row: role_record::Row, definitions: &[RoleDefinition], book: &RoleBook) -> Self {
        let definition = definitions.iter().find(|definition| definition.name == row.name).cloned().unwrap_or_default();
        Self {
            effective: book.permissions_of([row.name.as_str()]),
            permissions: definition.permissions,
            includes: definition.includes,
            name: row.name,
            description: row.description,
            built_in: row.built_in,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
            holders: row.holders,
        }
    }

    /// What it names, as it is written down.
    pub(crate) fn definition(&self) -> RoleDefinition {
        RoleDefinition {
            name: self.name.clone(),
            permissions: self.permissions.clone(),
            includes: self.includes.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_role_comes_to_more_than_can_be_held_not_even_through_another() {
        let role = |name: &str, count: usize, includes: &[&str]| RoleDefinition {
            name: name.into(),
            permissions: (0..count).map(|number| format!("{name}:{number}")).collect(),
            includes: includes.iter().map(|name| (*name).to_owned()).collect(),
        };
        let others = [role("all", 200, &["a", "b", "c"]), role("a", 200, &[]), role("b", 200, &[]), role("c", 0, &[])];
        assert_eq!(comes_to(&others, &role("c", 200, &[])).unwrap().names().len(), 200);
        assert_eq!(comes_to(&others, &role("c", 200, &["d"])).unwrap().names().len(), 200);
        let full = [&others[..], &[role("d", 200, &[]), role("e", 200, &[]), role("f", 1, &[])]].concat();
        assert!(comes_to(&full, &role("c", 200, &["d"])).is_some());
        assert_eq!(comes_to(&full, &role("c", 200, &["d", "f"])), None, "`all` would come to 1001");
        assert_eq!(comes_to(&full, &role("g", 1, &["all", "d", "e"])), None);
    }
}
