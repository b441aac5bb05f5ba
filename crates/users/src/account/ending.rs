//! The part of the account record that is about its end: other addresses, deletion, erasure.

use kernel::{Timestamp, UserId};
use storage::{Connection, Error, Result, Tx, execute, fetch_all};

use crate::EmailAddress;
use crate::search::text;

/// For how long a deleted account can come back, in seconds: 30 days.
pub const RETURN_SECONDS: i64 = 30 * 86_400;

/// Gives an account whose row is locked another address. Whether the address was free; if not, the
/// transaction is at its end, and can only be dropped.
pub async fn set_email(tx: &mut Tx, id: UserId, email: &EmailAddress, verified: bool, now: Timestamp) -> Result<bool> {
    let changed = execute!(
        tx,
        "UPDATE users SET email = $1, email_canonical = $2, email_verified = $3, version = version + 1, updated_at = $4
         WHERE id = $5",
        email.as_str(),
        email.canonical(),
        verified,
        now,
        id
    );
    match changed {
        Ok(_) => text::refresh(tx, id).await.map(|()| true),
        Err(Error::Broken(sqlx::Error::Database(cause))) if cause.is_unique_violation() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Makes the address of an account whose row is locked verified.
pub async fn set_verified(tx: &mut Tx, id: UserId, now: Timestamp) -> Result<()> {
    execute!(
        tx,
        "UPDATE users SET email_verified = $1, version = version + 1, updated_at = $2 WHERE id = $3",
        true,
        now,
        id
    )?;
    Ok(())
}

#[derive(sqlx::FromRow)]
struct Id {
    id: UserId,
}

/// Accounts that were deleted before then and still say something of a person, the longest deleted first.
pub async fn deleted_before(on: &mut impl Connection, before: Timestamp, limit: i64) -> Result<Vec<UserId>> {
    let rows: Vec<Id> = fetch_all!(
        on,
        "SELECT id FROM users WHERE deleted_at <= $1 AND erased_at IS NULL ORDER BY deleted_at, id LIMIT $2",
        before,
        limit
    )?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// Leaves of an account its number, its dates and that it was erased. Its address is free again: what stands
/// there instead is no address, so nobody can have taken it.
pub(crate) async fn erase(tx: &mut Tx, id: UserId, now: Timestamp) -> Result<()> {
    execute!(tx, "DELETE FROM user_roles WHERE user_id = $1", id)?;
    execute!(
        tx,
        "UPDATE users SET email = $1, email_canonical = $1, email_verified = $2, name = NULL, locale = NULL, bio = NULL,
             timezone = NULL, preferences = '{}', avatar = NULL, status = 'deleted', suspended_until = NULL,
             last_login_at = NULL, deleted_at = COALESCE(deleted_at, $3), erased_at = $3, version = version + 1,
             updated_at = $3
         WHERE id = $4",
        format!("erased:{id}"),
        false,
        now,
        id
    )?;
    // What it was found by goes, too.
    text::refresh(tx, id).await
}
