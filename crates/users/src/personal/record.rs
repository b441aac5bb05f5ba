//! All SQL that touches `user_keys` and `user_attributes`.

use std::collections::BTreeMap;

use kernel::{Timestamp, UserId};
use sqlx::{Postgres, QueryBuilder, Sqlite};
use storage::{Conn, Connection, Error, Result, Tx, execute, fetch_all, fetch_optional};

use super::data::Sealed;
use super::vault::WrappedKey;
use crate::search::{Statement, Value};

/// How many attributes an account can have: two that are built in, and those of the configuration.
const MAX_ATTRIBUTES: i64 = 200;

/// One attribute as it is stored: either its value, or what it was sealed to.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) value: Option<String>,
    pub(crate) sealed: Option<Vec<u8>>,
}

/// One attribute as it is to be stored.
pub(crate) struct Stored {
    pub(crate) value: Option<String>,
    pub(crate) sealed: Option<Vec<u8>>,
    pub(crate) lookup: Option<Vec<u8>>,
}

/// The wrapped key of a person, if they have one.
pub(crate) async fn key(on: &mut impl Connection, user: UserId) -> Result<Option<WrappedKey>> {
    fetch_optional!(on, "SELECT wrapped, wrapped_by FROM user_keys WHERE user_id = $1", user)
}

/// Keeps the key of a person who had none. The account's row is locked by now.
pub(crate) async fn insert_key(tx: &mut Tx, user: UserId, key: &WrappedKey, now: Timestamp) -> Result<()> {
    execute!(
        tx,
        "INSERT INTO user_keys (user_id, wrapped, wrapped_by, created_at) VALUES ($1, $2, $3, $4)",
        user,
        key.wrapped.as_slice(),
        key.wrapped_by.as_slice(),
        now
    )?;
    Ok(())
}

/// Replaces the wrapped key of a person, whose row the caller has locked.
pub(crate) async fn replace_key(tx: &mut Tx, user: UserId, key: &WrappedKey) -> Result<()> {
    execute!(
        tx,
        "UPDATE user_keys SET wrapped = $1, wrapped_by = $2 WHERE user_id = $3",
        key.wrapped.as_slice(),
        key.wrapped_by.as_slice(),
        user
    )?;
    Ok(())
}

/// People behind `after` whose keys were not wrapped by this one, by id, at most `limit`.
pub(crate) async fn keys_not_wrapped_by(
    on: &mut impl Connection,
    by: &[u8],
    after: Option<UserId>,
    limit: i64,
) -> Result<Vec<UserId>> {
    let rows: Vec<Id> = fetch_all!(
        on,
        "SELECT user_id FROM user_keys WHERE wrapped_by <> $1 AND user_id > $2 ORDER BY user_id LIMIT $3",
        by,
        after.unwrap_or(UserId::from_bytes([0; 16])),
        limit
    )?;
    Ok(rows.into_iter().map(|row| row.user_id).collect())
}

/// Replaces what an attribute is found by.
pub(crate) async fn set_lookup(tx: &mut Tx, user: UserId, name: &str, lookup: &[u8]) -> Result<()> {
    execute!(tx, "UPDATE user_attributes SET lookup = $1 WHERE user_id = $2 AND name = $3", lookup, user, name)?;
    Ok(())
}

/// What an account has.
pub(crate) async fn attributes(on: &mut impl Connection, user: UserId) -> Result<Vec<Row>> {
    fetch_all!(
        on,
        "SELECT name, value, sealed FROM user_attributes WHERE user_id = $1 ORDER BY name LIMIT $2",
        user,
        MAX_ATTRIBUTES
    )
}

#[derive(sqlx::FromRow)]
struct KeyOf {
    user_id: UserId,
    #[sqlx(flatten)]
    key: WrappedKey,
}

/// The wrapped keys of these people, of those who have one.
pub(crate) async fn keys_of(on: &mut impl Connection, people: &[UserId]) -> Result<BTreeMap<UserId, WrappedKey>> {
    let statement = Statement::new("SELECT").and("user_id, wrapped, wrapped_by FROM user_keys WHERE");
    let statement = one_of(statement, people).and("LIMIT").value(most(people, 1));
    Ok(statement.fetch::<KeyOf>(on).await?.into_iter().map(|row| (row.user_id, row.key)).collect())
}

#[derive(sqlx::FromRow)]
struct RowOf {
    user_id: UserId,
    #[sqlx(flatten)]
    row: Row,
}

/// What each of these accounts has, of those that have something.
pub(crate) async fn attributes_of(on: &mut impl Connection, people: &[UserId]) -> Result<BTreeMap<UserId, Vec<Row>>> {
    let statement = Statement::new("SELECT").and("user_id, name, value, sealed FROM user_attributes WHERE");
    let statement = one_of(statement, people).and("ORDER BY user_id, name LIMIT").value(most(people, MAX_ATTRIBUTES));
    let mut all: BTreeMap<UserId, Vec<Row>> = BTreeMap::new();
    for RowOf { user_id, row } in statement.fetch::<RowOf>(on).await? {
        all.entry(user_id).or_default().push(row);
    }
    Ok(all)
}

/// The condition that a row is of one of these people. How many there are differs, so it is not kept.
fn one_of(statement: Statement, people: &[UserId]) -> Statement {
    let statement = statement.and("user_id IN (NULL").planned_anew();
    people.iter().fold(statement, |statement, id| statement.and(",").value(Value::Id(*id))).and(")")
}

fn most(people: &[UserId], each: i64) -> Value {
    Value::Number(i64::try_from(people.len()).unwrap_or(i64::MAX).saturating_mul(each))
}

/// Writes one attribute, whether it was there or not.
pub(crate) async fn put(tx: &mut Tx, user: UserId, name: &str, stored: &Stored) -> Result<()> {
    execute!(
        tx,
        "INSERT INTO user_attributes (user_id, name, value, sealed, lookup) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (user_id, name) DO UPDATE SET value = excluded.value, sealed = excluded.sealed,
             lookup = excluded.lookup",
        user,
        name,
        stored.value.as_deref(),
        stored.sealed.as_deref(),
        stored.lookup.as_deref()
    )?;
    Ok(())
}

/// Writes the personal data of many accounts that have none yet: what an import brings.
pub(crate) async fn insert_many(tx: &mut Tx, all: &[(UserId, &Sealed)], now: Timestamp) -> Result<()> {
    macro_rules! insert_keys {
        ($database:ty, $connection:expr, $piece:expr) => {{
            let mut query =
                QueryBuilder::<$database>::new("INSERT INTO user_keys (user_id, wrapped, wrapped_by, created_at) ");
            query.push_values($piece, |mut values, (user, sealed): &(UserId, &Sealed)| {
                values.push_bind(*user).push_bind(sealed.key.wrapped.clone());
                values.push_bind(sealed.key.wrapped_by.clone()).push_bind(now);
            });
            query.build().execute($connection).await.map_err(Error::from)?;
        }};
    }
    macro_rules! insert_attributes {
        ($database:ty, $connection:expr, $piece:expr) => {{
            let mut query =
                QueryBuilder::<$database>::new("INSERT INTO user_attributes (user_id, name, value, sealed, lookup) ");
            query.push_values($piece, |mut values, (user, name, stored): &(UserId, &str, &Stored)| {
                values.push_bind(*user).push_bind((*name).to_owned()).push_bind(stored.value.clone());
                values.push_bind(stored.sealed.clone()).push_bind(stored.lookup.clone());
            });
            query.build().execute($connection).await.map_err(Error::from)?;
        }};
    }
    for piece in all.chunks(500) {
        match tx.conn() {
            Conn::Sqlite(connection) => insert_keys!(Sqlite, &mut *connection, piece),
            Conn::Postgres(connection) => insert_keys!(Postgres, &mut *connection, piece),
        }
    }
    let attributes: Vec<(UserId, &str, &Stored)> = all
        .iter()
        .flat_map(|(user, sealed)| sealed.attributes.iter().map(|(name, stored)| (*user, name.as_str(), stored)))
        .collect();
    for piece in attributes.chunks(500) {
        match tx.conn() {
            Conn::Sqlite(connection) => insert_attributes!(Sqlite, &mut *connection, piece),
            Conn::Postgres(connection) => insert_attributes!(Postgres, &mut *connection, piece),
        }
    }
    Ok(())
}

/// Removes one attribute, if it is there.
pub(crate) async fn remove(tx: &mut Tx, user: UserId, name: &str) -> Result<()> {
    execute!(tx, "DELETE FROM user_attributes WHERE user_id = $1 AND name = $2", user, name)?;
    Ok(())
}

/// Destroys a person's key and everything that was sealed with it.
pub(crate) async fn destroy(tx: &mut Tx, user: UserId) -> Result<()> {
    execute!(tx, "DELETE FROM user_attributes WHERE user_id = $1", user)?;
    execute!(tx, "DELETE FROM user_keys WHERE user_id = $1", user)?;
    Ok(())
}

#[derive(sqlx::FromRow)]
struct Id {
    user_id: UserId,
}

/// The accounts whose attribute is found by this, `limit` of them, by id.
pub(crate) async fn with_lookup(
    on: &mut impl Connection,
    name: &str,
    lookup: &[u8],
    limit: i64,
) -> Result<Vec<UserId>> {
    let rows: Vec<Id> = fetch_all!(
        on,
        "SELECT user_id FROM user_attributes WHERE name = $1 AND lookup = $2 ORDER BY user_id LIMIT $3",
        name,
        lookup,
        limit
    )?;
    Ok(rows.into_iter().map(|row| row.user_id).collect())
}
