//! Who holds which roles, once there is an account.

use kernel::{Timestamp, UserId};
use storage::{Connection, Lock, Result, Tx, execute, fetch_all, fetch_one};

use crate::Roles;

#[derive(sqlx::FromRow)]
struct RoleRow {
    role: String,
}

/// The roles of an account, in alphabetical order. There are few: names are at most 64 long.
pub async fn roles(on: &mut impl Connection, id: UserId) -> Result<Vec<String>> {
    let rows: Vec<RoleRow> =
        fetch_all!(on, "SELECT role FROM user_roles WHERE user_id = $1 ORDER BY role LIMIT 100", id)?;
    Ok(rows.into_iter().map(|row| row.role).collect())
}

/// What an account's roles come to, while it is active; nothing otherwise.
pub(crate) async fn roles_if_active(tx: &mut Tx, id: UserId) -> Result<Vec<String>> {
    let rows: Vec<RoleRow> = fetch_all!(
        tx,
        "SELECT role FROM user_roles JOIN users ON users.id = user_roles.user_id
         WHERE users.id = $1 AND users.status = 'active' ORDER BY role LIMIT 100",
        id
    )?;
    Ok(rows.into_iter().map(|row| row.role).collect())
}

#[derive(sqlx::FromRow)]
struct Exists {
    found: i64,
}

/// Whether there is an active account with this role.
pub async fn any_with_role(on: &mut impl Connection, role: &str) -> Result<bool> {
    let row: Exists = fetch_one!(
        on,
        "SELECT COUNT(*) AS found FROM (
             SELECT 1 AS one FROM user_roles JOIN users ON users.id = user_roles.user_id
             WHERE user_roles.role = $1 AND users.status = 'active' LIMIT 1) AS few",
        role
    )?;
    Ok(row.found > 0)
}

/// Whether there is an active account with this role beside this one.
pub(crate) async fn any_other_with_role(on: &mut impl Connection, role: &str, but: UserId) -> Result<bool> {
    let row: Exists = fetch_one!(
        on,
        "SELECT COUNT(*) AS found FROM (
             SELECT 1 AS one FROM user_roles JOIN users ON users.id = user_roles.user_id
             WHERE user_roles.role = $1 AND users.status = 'active' AND users.id <> $2 LIMIT 1) AS few",
        role,
        but
    )?;
    Ok(row.found > 0)
}

/// Makes every other transaction that counts administrators wait: who takes one away must not be
/// overtaken between the deed and the look at who is left. The account's row is locked before this,
/// everywhere, so that no two wait for each other.
pub(crate) async fn hold_administrators(tx: &mut Tx) -> Result<()> {
    tx.hold(Lock::Administrators).await
}

/// Replaces the roles of an account, whose row the caller has locked. `before` is what it has.
pub(crate) async fn set_roles(tx: &mut Tx, id: UserId, before: &[String], after: &Roles, now: Timestamp) -> Result<()> {
    for role in before.iter().filter(|role| !after.contains(role)) {
        execute!(tx, "DELETE FROM user_roles WHERE user_id = $1 AND role = $2", id, role.as_str())?;
    }
    for role in after.names().filter(|role| !before.iter().any(|had| had == role)) {
        execute!(tx, "INSERT INTO user_roles (user_id, role, granted_at) VALUES ($1, $2, $3)", id, role, now)?;
    }
    execute!(tx, "UPDATE users SET version = version + 1, updated_at = $1 WHERE id = $2", now, id)?;
    Ok(())
}
