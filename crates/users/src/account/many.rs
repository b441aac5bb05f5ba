//! Many accounts in one statement: what an import writes.

use std::collections::HashSet;

use kernel::{Timestamp, UserId};
use sqlx::{Database, Encode, Postgres, QueryBuilder, Sqlite, Type};
use storage::{Conn, Connection, Error, Result, Tx};

use super::{Account, COLUMNS, Row};
use crate::import::ImportedAccount;
use crate::search::{Statement, Value};
use crate::{Avatar, Bio, DisplayName, Locale, TimeZoneName};

/// Rows in one statement: their values stay below SQLite's 32,766 and PostgreSQL's 65,535.
const PIECE: usize = 500;

#[derive(sqlx::FromRow)]
struct Id {
    id: UserId,
}

/// Those of these accounts that there are, whatever their status, in the order of their ids.
pub async fn find_many(on: &mut impl Connection, ids: &[UserId]) -> Result<Vec<Account>> {
    let mut accounts = Vec::with_capacity(ids.len());
    for piece in ids.chunks(PIECE) {
        let statement = Statement::new("SELECT").and(COLUMNS).and("FROM users WHERE id IN (NULL").planned_anew();
        let statement = piece.iter().fold(statement, |statement, id| statement.and(",").value(Value::Id(*id)));
        let most = i64::try_from(piece.len()).unwrap_or(i64::MAX);
        let statement = statement.and(") ORDER BY id LIMIT").value(Value::Number(most));
        accounts.extend(statement.fetch::<Row>(on).await?.into_iter().map(Account::from));
    }
    accounts.sort_unstable_by_key(|account| account.id);
    Ok(accounts)
}

/// Waits until nobody else changes any of these accounts, and keeps them until the transaction ends. (SQLite has one
/// writer anyway.)
pub async fn lock_many(tx: &mut Tx, ids: &[UserId]) -> Result<()> {
    if matches!(tx.conn(), Conn::Sqlite(_)) {
        return Ok(());
    }
    for piece in ids.chunks(PIECE) {
        let statement = Statement::new("SELECT").and("id FROM users WHERE id IN (NULL").planned_anew();
        let statement = piece.iter().fold(statement, |statement, id| statement.and(",").value(Value::Id(*id)));
        // In one order for everybody, so that no two wait for each other.
        let statement = statement.and(") ORDER BY id FOR UPDATE");
        statement.fetch::<Id>(tx).await?;
    }
    Ok(())
}

/// Makes these accounts, each unless its address or its id is taken; says of each whether it was made.
/// Names and addresses become searchable a little later, by the upkeep.
pub(crate) async fn insert_many(tx: &mut Tx, rows: &[ImportedAccount]) -> Result<Vec<bool>> {
    let mut made = Vec::with_capacity(rows.len());
    for piece in rows.chunks(PIECE) {
        // Each row that SQLite's thread returns wakes this one, and mostly all rows are new. Nothing else writes meanwhile, so
        // the ids that there are before and after say which were made.
        let before = match tx.conn() {
            Conn::Sqlite(_) => those_there(tx, piece).await?,
            Conn::Postgres(_) => HashSet::new(),
        };
        let returned = match tx.conn() {
            Conn::Sqlite(connection) => {
                let mut query = insert::<Sqlite>(piece);
                let inserted = query.build().execute(&mut *connection).await.map_err(Error::from)?.rows_affected();
                if usize::try_from(inserted) == Ok(piece.len()) {
                    made.extend(piece.iter().map(|_| true));
                    continue;
                }
                None
            }
            Conn::Postgres(connection) => {
                let mut query = insert::<Postgres>(piece);
                query.push(" RETURNING id");
                Some(query.build_query_as::<Id>().fetch_all(&mut *connection).await.map_err(Error::from)?)
            }
        };
        let mut inserted: HashSet<UserId> = match returned {
            Some(rows) => rows.into_iter().map(|row| row.id).collect(),
            None => those_there(tx, piece).await?.difference(&before).copied().collect(),
        };
        // Taken out, so that of two rows with one id only the first was made.
        made.extend(piece.iter().map(|row| inserted.remove(&row.id)));
    }
    Ok(made)
}

/// The ids of a piece that are taken.
async fn those_there(tx: &mut Tx, piece: &[ImportedAccount]) -> Result<HashSet<UserId>> {
    let statement = Statement::new("SELECT").and("id").and("FROM users WHERE id IN (NULL");
    let statement = piece.iter().fold(statement, |statement, row| statement.and(",").value(Value::Id(row.id)));
    Ok(statement.and(")").fetch::<Id>(tx).await?.into_iter().map(|row| row.id).collect())
}

/// The statement that makes the accounts of a piece, but those whose address or id is taken.
fn insert<'p, D: Database>(piece: &'p [ImportedAccount]) -> QueryBuilder<D>
where
    UserId: Encode<'p, D> + Type<D>,
    Timestamp: Encode<'p, D> + Type<D>,
    Option<Timestamp>: Encode<'p, D> + Type<D>,
    bool: Encode<'p, D> + Type<D>,
    &'p str: Encode<'p, D> + Type<D>,
    Option<&'p str>: Encode<'p, D> + Type<D>,
{
    let mut query = QueryBuilder::new(
        "INSERT INTO users (id, email, email_canonical, email_verified, name, locale, bio, timezone, preferences, avatar,
                            status, epoch, sessions_from, version, created_at, updated_at, last_login_at) ",
    );
    query.push_values(piece, |mut values, row: &ImportedAccount| {
        values
            .push_bind(row.id)
            .push_bind(row.email.as_str())
            .push_bind(row.email.canonical())
            .push_bind(row.email_verified)
            .push_bind(row.name.as_ref().map(DisplayName::as_str))
            .push_bind(row.locale.as_ref().map(Locale::as_str))
            .push_bind(row.bio.as_ref().map(Bio::as_str))
            .push_bind(row.timezone.as_ref().map(TimeZoneName::as_str))
            .push_bind(row.preferences.as_str())
            .push_bind(row.avatar.as_ref().map(Avatar::as_stored))
            .push_bind(row.status.as_str())
            .push("1, 1, 1")
            .push_bind(row.created_at)
            .push_bind(row.updated_at)
            .push_bind(row.last_login_at);
    });
    query.push(" ON CONFLICT DO NOTHING");
    query
}

/// Gives roles to accounts that have none yet.
pub(crate) async fn insert_roles(tx: &mut Tx, granted: &[(UserId, &str)], now: Timestamp) -> Result<()> {
    macro_rules! insert_into {
        ($database:ty, $connection:expr, $piece:expr) => {{
            let mut query = QueryBuilder::<$database>::new("INSERT INTO user_roles (user_id, role, granted_at) ");
            query.push_values($piece, |mut values, (id, role): &(UserId, &str)| {
                values.push_bind(*id).push_bind((*role).to_owned()).push_bind(now);
            });
            query.build().execute($connection).await.map_err(Error::from)?;
        }};
    }
    for piece in granted.chunks(PIECE) {
        match tx.conn() {
            Conn::Sqlite(connection) => insert_into!(Sqlite, &mut *connection, piece),
            Conn::Postgres(connection) => insert_into!(Postgres, &mut *connection, piece),
        }
    }
    Ok(())
}
