//! The role record: all SQL that touches `roles`, `role_permissions`, `role_includes` and `role_revision`.

use std::collections::BTreeMap;
use std::sync::Arc;

use kernel::permission::{EVERYTHING, RoleDefinition};
use kernel::{Permissions, RoleBook, Timestamp};
use storage::{Connection, Result, Tx, execute, fetch_all, fetch_one, fetch_optional};

use crate::account::{ADMIN, USER};
use crate::may;

/// How many roles there may be: the book of all is held in memory, and sent to gateways.
pub const MAX_ROLES: i64 = 500;
/// How many permissions and includes a role may have, each.
pub const MAX_PERMISSIONS: i64 = 200;

/// The role of people who look after others' accounts.
pub const SUPPORT: &str = "support";

/// The roles that are there from the first start on, each with what it says and allows.
const BUILT_IN: [(&str, &str, &[&str]); 3] = [
    (ADMIN, "May do everything", &[EVERYTHING]),
    (
        SUPPORT,
        "Looks after people's accounts",
        &[may::USERS_READ, may::USERS_WRITE, may::USERS_BAN, may::ROLES_READ, may::AUDIT_READ],
    ),
    (USER, "Everybody", &[]),
];

/// Of whom it is counted how many hold a role: that many, or more.
pub const HOLDERS_COUNTED: i64 = 1_000;

#[derive(sqlx::FromRow)]
struct Part {
    what: i64,
    role: String,
    other: String,
}

/// All roles as they are written down at one moment, and the number of that moment.
pub struct Written {
    /// Grows with every change of any role.
    pub revision: i64,
    /// By name.
    pub definitions: Vec<RoleDefinition>,
}

/// Reads all roles in one statement: several would see several moments, and a permission that was moved
/// from a role into one that it includes could be in neither.
pub async fn written(on: &mut impl Connection) -> Result<Written> {
    let parts: Vec<Part> = fetch_all!(
        on,
        "SELECT CAST(0 AS BIGINT) AS what, CAST(revision AS TEXT) AS role, '' AS other FROM role_revision
         UNION ALL SELECT 1, name, '' FROM roles
         UNION ALL SELECT 2, role, permission FROM role_permissions
         UNION ALL SELECT 3, role, included FROM role_includes
         LIMIT $1",
        MAX_ROLES * (1 + 2 * MAX_PERMISSIONS) + 1
    )?;
    let mut revision = 0;
    let mut by_name: BTreeMap<String, RoleDefinition> = BTreeMap::new();
    for Part { what, role, other } in parts {
        if what == 0 {
            revision = role.parse().unwrap_or(0);
            continue;
        }
        let definition = by_name.entry(role).or_default();
        match what {
            2 => definition.permissions.push(other),
            3 => definition.includes.push(other),
            _ => {}
        }
    }
    let definitions = by_name.into_iter().map(|(name, mut definition)| {
        definition.permissions.sort_unstable();
        definition.includes.sort_unstable();
        RoleDefinition { name, ..definition }
    });
    Ok(Written { revision, definitions: definitions.collect() })
}

/// Every role as it is written down, by name.
pub(crate) async fn definitions(on: &mut impl Connection) -> Result<Vec<RoleDefinition>> {
    Ok(written(on).await?.definitions)
}

#[derive(sqlx::FromRow)]
struct Revision {
    revision: i64,
}

/// The number of this moment.
pub async fn revision(on: &mut impl Connection) -> Result<i64> {
    let row: Revision = fetch_one!(on, "SELECT revision FROM role_revision WHERE one = 1")?;
    Ok(row.revision)
}

/// Makes the roles that other processes hold in memory old.
async fn advance(tx: &mut Tx) -> Result<()> {
    execute!(tx, "UPDATE role_revision SET revision = revision + 1 WHERE one = 1")?;
    Ok(())
}

/// A role but for what it comes to.
#[derive(sqlx::FromRow)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) built_in: bool,
    pub(crate) version: i64,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    /// How many accounts have it, up to [`HOLDERS_COUNTED`].
    pub(crate) holders: i64,
}

/// The role of this name.
pub(crate) async fn find(on: &mut impl Connection, name: &str) -> Result<Option<Row>> {
    fetch_optional!(
        on,
        "SELECT name, description, built_in, version, created_at, updated_at,
                (SELECT COUNT(*) FROM (SELECT 1 AS one FROM user_roles WHERE user_roles.role = roles.name LIMIT $1)
                 AS few) AS holders
         FROM roles WHERE name = $2",
        HOLDERS_COUNTED,
        name
    )
}

/// Roles after this name, in the order of their bytes.
pub(crate) async fn list(on: &mut impl Connection, after: &str, limit: i64) -> Result<Vec<Row>> {
    let names: Vec<Name> = fetch_all!(on, "SELECT name FROM roles LIMIT $1", MAX_ROLES)?;
    // The databases order text in ways of their own; there are few enough names to do it here.
    let mut names: Vec<String> = names.into_iter().map(|row| row.name).filter(|name| name.as_str() > after).collect();
    names.sort_unstable();
    names.truncate(usize::try_from(limit).unwrap_or(0));
    let mut rows = Vec::with_capacity(names.len());
    for name in names {
        rows.extend(find(on, &name).await?);
    }
    Ok(rows)
}

#[derive(sqlx::FromRow)]
struct Name {
    name: String,
}

#[derive(sqlx::FromRow)]
struct Count {
    found: i64,
}

/// How many roles there are.
pub(crate) async fn count(on: &mut impl Connection) -> Result<i64> {
    let row: Count = fetch_one!(on, "SELECT COUNT(*) AS found FROM roles")?;
    Ok(row.found)
}

/// Makes a role that names nothing yet. Whether the name was free.
pub(crate) async fn insert(tx: &mut Tx, name: &str, description: &str, now: Timestamp) -> Result<bool> {
    let made = execute!(
        tx,
        "INSERT INTO roles (name, description, built_in, version, created_at, updated_at)
         VALUES ($1, $2, $3, 1, $4, $4) ON CONFLICT (name) DO NOTHING",
        name,
        description,
        false,
        now
    )?;
    advance(tx).await?;
    Ok(made == 1)
}

/// Writes what a role says, if it is still of this version. Whether it was.
pub(crate) async fn set(tx: &mut Tx, name: &str, description: &str, version: i64, now: Timestamp) -> Result<bool> {
    let changed = execute!(
        tx,
        "UPDATE roles SET description = $1, version = version + 1, updated_at = $2 WHERE name = $3 AND version = $4",
        description,
        now,
        name,
        version
    )?;
    advance(tx).await?;
    Ok(changed == 1)
}

/// Replaces what a role names. The caller holds the roles; `before` is what it names now.
pub(crate) async fn replace(tx: &mut Tx, before: &RoleDefinition, after: &RoleDefinition) -> Result<()> {
    let name = after.name.as_str();
    for gone in before.permissions.iter().filter(|one| !after.permissions.contains(one)) {
        execute!(tx, "DELETE FROM role_permissions WHERE role = $1 AND permission = $2", name, gone.as_str())?;
    }
    for new in after.permissions.iter().filter(|one| !before.permissions.contains(one)) {
        execute!(tx, "INSERT INTO role_permissions (role, permission) VALUES ($1, $2)", name, new.as_str())?;
    }
    for gone in before.includes.iter().filter(|one| !after.includes.contains(one)) {
        execute!(tx, "DELETE FROM role_includes WHERE role = $1 AND included = $2", name, gone.as_str())?;
    }
    for new in after.includes.iter().filter(|one| !before.includes.contains(one)) {
        execute!(tx, "INSERT INTO role_includes (role, included) VALUES ($1, $2)", name, new.as_str())?;
    }
    advance(tx).await
}

/// Removes a role that nobody holds and none includes; the caller holds the roles.
pub(crate) async fn delete(tx: &mut Tx, name: &str) -> Result<()> {
    execute!(tx, "DELETE FROM role_permissions WHERE role = $1", name)?;
    execute!(tx, "DELETE FROM role_includes WHERE role = $1", name)?;
    execute!(tx, "DELETE FROM roles WHERE name = $1", name)?;
    advance(tx).await
}

/// A book that was read in a transaction, and of which revision it is.
struct Read {
    revision: i64,
    book: Arc<RoleBook>,
}

/// Every role with what it comes to, now. Whoever changes many accounts in one transaction asks for each of them:
/// the roles are read again only where one has been changed since.
pub(crate) async fn book(tx: &mut Tx) -> Result<Arc<RoleBook>> {
    if tx.remembered::<Read>().is_some() {
        let now = revision(tx).await?;
        if let Some(read) = tx.remembered::<Read>().filter(|read| read.revision == now) {
            return Ok(read.book.clone());
        }
    }
    let Written { revision, definitions } = written(tx).await?;
    let book = Arc::new(RoleBook::new(&definitions));
    tx.remember(Read { revision, book: book.clone() });
    Ok(book)
}

/// What these roles come to, now.
pub async fn permissions_of(tx: &mut Tx, roles: &[String]) -> Result<Permissions> {
    Ok(book(tx).await?.permissions_of(roles.iter().map(String::as_str)))
}

/// Makes the built-in roles that are not there yet, and rows without any permission for names that
/// accounts had before roles had rows: an upgrade gives nobody more than they had.
pub(crate) async fn make_built_in(tx: &mut Tx, now: Timestamp) -> Result<()> {
    for (name, description, permissions) in BUILT_IN {
        let made = execute!(
            tx,
            "INSERT INTO roles (name, description, built_in, version, created_at, updated_at)
             VALUES ($1, $2, $3, 1, $4, $4) ON CONFLICT (name) DO NOTHING",
            name,
            description,
            true,
            now
        )?;
        if made == 0 {
            continue;
        }
        for permission in permissions {
            execute!(tx, "INSERT INTO role_permissions (role, permission) VALUES ($1, $2)", name, *permission)?;
        }
    }
    execute!(
        tx,
        "INSERT INTO roles (name, description, built_in, version, created_at, updated_at)
         SELECT user_roles.role, '', $1, 1, $2, $2 FROM user_roles
         WHERE NOT EXISTS (SELECT 1 FROM roles WHERE roles.name = user_roles.role) GROUP BY user_roles.role",
        false,
        now
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_transaction_reads_the_roles_once_and_again_when_one_has_changed() {
        let folder = tempfile::tempdir().unwrap();
        let settings = storage::Settings::sqlite(folder.path().join("usher.db"), 2);
        let db = storage::Db::open(&settings, &[storage::MIGRATIONS, crate::MIGRATIONS].concat(), true).await.unwrap();
        let now = Timestamp::from_unix_seconds(1_795_000_000);
        let mut tx = db.begin().await.unwrap();
        make_built_in(&mut tx, now).await.unwrap();
        let first = book(&mut tx).await.unwrap();
        assert!(first.allows([SUPPORT], may::USERS_BAN));
        assert!(Arc::ptr_eq(&first, &book(&mut tx).await.unwrap()), "it is not read again");
        let before = RoleDefinition { name: "lead".into(), ..RoleDefinition::default() };
        insert(&mut tx, "lead", "", now).await.unwrap();
        assert!(book(&mut tx).await.unwrap().contains("lead"));
        let after = RoleDefinition { permissions: vec!["quiz:author".into()], ..before.clone() };
        replace(&mut tx, &before, &after).await.unwrap();
        assert!(book(&mut tx).await.unwrap().allows(["lead"], "quiz:author"));
        replace(&mut tx, &after, &before).await.unwrap();
        assert!(!book(&mut tx).await.unwrap().allows(["lead"], "quiz:author"));
        delete(&mut tx, "lead").await.unwrap();
        assert!(!book(&mut tx).await.unwrap().contains("lead"));
    }
}
