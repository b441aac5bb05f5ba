//! The password record: all SQL that touches `passwords`.

use std::collections::HashMap;

use kernel::{Timestamp, UserId};
use sqlx::{Postgres, QueryBuilder, Sqlite};
use storage::{Conn, Connection, Error, Result, Tx, execute, fetch_one, fetch_optional};

use crate::hashing;

/// A stored password hash, and which one it is.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Credential {
    pub(crate) hash: String,
    pub(crate) version: i64,
}

pub(crate) async fn find(on: &mut impl Connection, user: UserId) -> Result<Option<Credential>> {
    fetch_optional!(on, "SELECT hash, version FROM passwords WHERE user_id = $1", user)
}

pub(crate) async fn insert(tx: &mut Tx, user: UserId, hash: &str, now: Timestamp) -> Result<()> {
    execute!(
        tx,
        "INSERT INTO passwords (user_id, hash, version, changed_at, confirmed_at) VALUES ($1, $2, 1, $3, $3)",
        user,
        hash,
        now
    )?;
    Ok(())
}

/// Writes hashes of passwords of accounts that have none yet: what an import brings. Nobody has shown yet that
/// they know one.
pub(crate) async fn insert_many(tx: &mut Tx, hashes: &[(UserId, &str)], now: Timestamp) -> Result<()> {
    macro_rules! insert_into {
        ($database:ty, $connection:expr, $piece:expr) => {{
            let mut query = QueryBuilder::<$database>::new(
                "INSERT INTO passwords (user_id, hash, version, changed_at, confirmed_at) ",
            );
            query.push_values($piece, |mut values, (user, hash): &(UserId, &str)| {
                values.push_bind(*user).push_bind((*hash).to_owned()).push("1").push_bind(now).push("NULL");
            });
            query.build().execute($connection).await.map_err(Error::from)?;
        }};
    }
    for piece in hashes.chunks(500) {
        match tx.conn() {
            Conn::Sqlite(connection) => insert_into!(Sqlite, &mut *connection, piece),
            Conn::Postgres(connection) => insert_into!(Postgres, &mut *connection, piece),
        }
    }
    Ok(())
}

/// What can be said of a password without saying anything of its hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordFacts {
    /// When it was chosen, or came with an import.
    pub changed_at: Timestamp,
    /// When somebody last showed that they know it, if anybody did.
    pub confirmed_at: Option<Timestamp>,
    /// Whether its hash was made here. One that was taken over from elsewhere is replaced at the next sign-in.
    pub is_own: bool,
}

#[derive(sqlx::FromRow)]
struct Stored {
    hash: String,
    changed_at: Timestamp,
    confirmed_at: Option<Timestamp>,
}

/// The facts of an account's password; nothing if it has none.
pub(crate) async fn facts(on: &mut impl Connection, user: UserId) -> Result<Option<PasswordFacts>> {
    let stored: Option<Stored> =
        fetch_optional!(on, "SELECT hash, changed_at, confirmed_at FROM passwords WHERE user_id = $1", user)?;
    Ok(stored.map(|Stored { hash, changed_at, confirmed_at }| PasswordFacts {
        changed_at,
        confirmed_at,
        is_own: hashing::is_own(&hash),
    }))
}

#[derive(sqlx::FromRow)]
struct HashOf {
    user_id: UserId,
    hash: String,
}

/// The hashes of these accounts' passwords, of those that have one: for an export that was told to have them.
pub async fn hashes_of(on: &mut impl Connection, users: &[UserId]) -> Result<HashMap<UserId, String>> {
    macro_rules! select_from {
        ($database:ty, $connection:expr, $piece:expr) => {{
            let mut query = QueryBuilder::<$database>::new("SELECT user_id, hash FROM passwords");
            query.push(" WHERE user_id IN (");
            let mut ids = query.separated(", ");
            for user in $piece {
                ids.push_bind(*user);
            }
            query.push(")");
            query.build_query_as::<HashOf>().persistent(false).fetch_all($connection).await.map_err(Error::from)?
        }};
    }
    let mut hashes = HashMap::new();
    for piece in users.chunks(500) {
        let rows: Vec<HashOf> = match on.conn() {
            Conn::Sqlite(connection) => select_from!(Sqlite, &mut *connection, piece),
            Conn::Postgres(connection) => select_from!(Postgres, &mut *connection, piece),
        };
        hashes.extend(rows.into_iter().map(|row| (row.user_id, row.hash)));
    }
    Ok(hashes)
}

/// Records that the hash of this version was matched, if it is still the one. It locks the row, so
/// a change of password either comes before and makes this fail, or after and sees the new session.
pub(crate) async fn confirm(tx: &mut Tx, user: UserId, version: i64, now: Timestamp) -> Result<bool> {
    let changed =
        execute!(tx, "UPDATE passwords SET confirmed_at = $1 WHERE user_id = $2 AND version = $3", now, user, version)?;
    Ok(changed == 1)
}

#[derive(sqlx::FromRow)]
struct Before {
    failures_before: i64,
}

/// Records that somebody signed in with the password of this version, as [`confirm`] does, and counts wrong ones anew.
/// How many there were since the time before; nothing if it is another password by now. `rehashed` is the same
/// password at today's cost, if its hash is to be replaced.
pub(crate) async fn signed_in(
    tx: &mut Tx,
    user: UserId,
    version: i64,
    rehashed: Option<&str>,
    now: Timestamp,
) -> Result<Option<i64>> {
    let before: Option<Before> = fetch_optional!(
        tx,
        "UPDATE passwords SET hash = COALESCE($1, hash), confirmed_at = $2, failures_before = failures, failures = 0
         WHERE user_id = $3 AND version = $4 RETURNING failures_before",
        rehashed,
        now,
        user,
        version
    )?;
    Ok(before.map(|row| row.failures_before))
}

/// Counts wrong passwords anew, because somebody came in without one. How many there were; none if there is no password.
pub(crate) async fn take_failures(tx: &mut Tx, user: UserId) -> Result<i64> {
    let before: Option<Before> = fetch_optional!(
        tx,
        "UPDATE passwords SET failures_before = failures, failures = 0 WHERE user_id = $1 RETURNING failures_before",
        user
    )?;
    Ok(before.map_or(0, |row| row.failures_before))
}

/// Counts a wrong password, so that whoever signs in next is told how many there were. An attempt that was not
/// compared does the same writing and changes nothing.
pub(crate) async fn count_failure(tx: &mut Tx, user: UserId, counts: bool) -> Result<()> {
    execute!(tx, "UPDATE passwords SET failures = failures + $1 WHERE user_id = $2", i64::from(counts), user)?;
    Ok(())
}

/// Replaces the hash of this version by one of a new password.
pub(crate) async fn change(tx: &mut Tx, user: UserId, version: i64, hash: &str, now: Timestamp) -> Result<bool> {
    let changed = execute!(
        tx,
        "UPDATE passwords SET hash = $1, version = version + 1, changed_at = $2, confirmed_at = $2
         WHERE user_id = $3 AND version = $4",
        hash,
        now,
        user,
        version
    )?;
    Ok(changed == 1)
}

/// Gives an account this password, whatever it had.
pub(crate) async fn replace(tx: &mut Tx, user: UserId, hash: &str, now: Timestamp) -> Result<()> {
    execute!(
        tx,
        "INSERT INTO passwords (user_id, hash, version, changed_at, confirmed_at) VALUES ($1, $2, 1, $3, $3)
         ON CONFLICT (user_id) DO UPDATE SET hash = excluded.hash, version = passwords.version + 1,
             changed_at = excluded.changed_at, confirmed_at = excluded.confirmed_at",
        user,
        hash,
        now
    )?;
    Ok(())
}

/// Forgets the password of an account.
pub(crate) async fn remove(tx: &mut Tx, user: UserId) -> Result<()> {
    execute!(tx, "DELETE FROM passwords WHERE user_id = $1", user)?;
    Ok(())
}

#[derive(sqlx::FromRow)]
struct Count {
    found: i64,
}

/// How many passwords were hashed with another pepper than this one: they need the master key that it came
/// from, until their owners sign in.
pub(crate) async fn of_other_peppers(on: &mut impl Connection, current: &str) -> Result<i64> {
    let row: Count = fetch_one!(
        on,
        "SELECT COUNT(*) AS found FROM passwords WHERE hash LIKE '%,keyid=%' AND hash NOT LIKE $1",
        format!("%,keyid={current}$%")
    )?;
    Ok(row.found)
}
