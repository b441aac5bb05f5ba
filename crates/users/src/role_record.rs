//! The role record: all SQL that touches `roles`, `role_permissions` and `role_includes`.

use kernel::permission::{EVERYTHING, RoleDefinition};
use kernel::{RoleBook, Timestamp};
use storage::{Connection, Result, Tx, execute, fetch_all};

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

#[derive(sqlx::FromRow)]
struct Pair {
    role: String,
    other: String,
}

#[derive(sqlx::FromRow)]
struct Name {
    name: String,
}

/// Every role as it is written down, by name.
pub(crate) async fn definitions(on: &mut impl Connection) -> Result<Vec<RoleDefinition>> {
    let names: Vec<Name> = fetch_all!(on, "SELECT name FROM roles ORDER BY name LIMIT $1", MAX_ROLES)?;
    let permissions: Vec<Pair> = fetch_all!(
        on,
        "SELECT role, permission AS other FROM role_permissions ORDER BY role, permission LIMIT $1",
        MAX_ROLES * MAX_PERMISSIONS
    )?;
    let includes: Vec<Pair> = fetch_all!(
        on,
        "SELECT role, included AS other FROM role_includes ORDER BY role, included LIMIT $1",
        MAX_ROLES * MAX_PERMISSIONS
    )?;
    let of = |pairs: &[Pair], name: &str| {
        pairs.iter().filter(|pair| pair.role == name).map(|pair| pair.other.clone()).collect()
    };
    Ok(names
        .into_iter()
        .map(|Name { name }| RoleDefinition {
            permissions: of(&permissions, &name),
            includes: of(&includes, &name),
            name,
        })
        .collect())
}

/// Every role with what it comes to.
pub(crate) async fn book(on: &mut impl Connection) -> Result<RoleBook> {
    Ok(RoleBook::new(&definitions(on).await?))
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
