//! Bringing the schema up to date: forward only, each migration in a transaction of its own.
//!
//! The SQL of a migration is shared; `@uuid`, `@time`, `@bytes`, `@json`, `@boolean` and `@strict`
//! stand for what each database calls them. What really differs stands in a file beside it.

use kernel::Timestamp;

use crate::statement::{Conn, Connection, Dialect};
use crate::{Error, execute, fetch_all, fetch_one};

/// One step of one crate's tables.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// The crate.
    pub owner: &'static str,
    /// Counts from 1 in each crate.
    pub version: i64,
    /// What it does, in a word or two.
    pub name: &'static str,
    /// SQL for both databases, run first.
    pub shared: &'static str,
    /// SQL for SQLite alone.
    pub sqlite: &'static str,
    /// SQL for PostgreSQL alone.
    pub postgres: &'static str,
}

impl Migration {
    /// The SQL as this database is given it.
    pub fn sql(&self, dialect: Dialect) -> String {
        let (own, words): (_, [(&str, &str); 6]) = match dialect {
            Dialect::Sqlite => (
                self.sqlite,
                [
                    ("@uuid", "BLOB"),
                    ("@time", "INTEGER"),
                    ("@bytes", "BLOB"),
                    ("@json", "TEXT"),
                    ("@boolean", "INTEGER"),
                    ("@strict", " STRICT"),
                ],
            ),
            Dialect::Postgres => (
                self.postgres,
                [
                    ("@uuid", "UUID"),
                    ("@time", "TIMESTAMPTZ"),
                    ("@bytes", "BYTEA"),
                    ("@json", "JSONB"),
                    ("@boolean", "BOOLEAN"),
                    ("@strict", ""),
                ],
            ),
        };
        let mut sql = words.into_iter().fold(self.shared.to_owned(), |sql, (word, meaning)| sql.replace(word, meaning));
        if dialect == Dialect::Sqlite {
            sql = sql.replace("BIGINT", "INTEGER");
        }
        sql + "\n" + own
    }

    /// The SHA-256 of that SQL, in hexadecimal.
    fn hash(&self, dialect: Dialect) -> String {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, self.sql(dialect).as_bytes());
        digest.as_ref().iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
    }
}

/// The schema is not what this program can work with.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The database was written by a newer program.
    #[error(
        "the database has the migration {owner} {version}, which this program does not know: run the newer program"
    )]
    Newer {
        /// Whose migration.
        owner: String,
        /// Which.
        version: i64,
    },
    /// A migration was changed after it had been applied.
    #[error(
        "the migration {owner} {version} was applied in another form than this program has: run the program that made this database"
    )]
    Changed {
        /// Whose migration.
        owner: String,
        /// Which.
        version: i64,
    },
    /// Migrations are to be applied by hand.
    #[error("{0} migrations are pending: run `usher migrate`, or set `database.migrate = true`")]
    Pending(usize),
    /// The database refused.
    #[error(transparent)]
    Storage(#[from] Error),
}

#[derive(sqlx::FromRow)]
struct Applied {
    owner: String,
    version: i64,
    hash: String,
}

/// Two processes that start together must not both migrate: "usher" in ASCII, then 2.
const MIGRATING: i64 = 0x75_73_68_65_72_02;

pub(crate) async fn bring_up_to_date(
    on: &mut impl Connection,
    migrations: &[Migration],
    apply: bool,
) -> Result<(), MigrateError> {
    let dialect = match on.conn() {
        Conn::Sqlite(_) => Dialect::Sqlite,
        Conn::Postgres(_) => Dialect::Postgres,
    };
    if dialect == Dialect::Postgres {
        // A migration may take long, and so may waiting for another process's.
        execute!(on, "SET statement_timeout = 0")?;
        execute!(on, "SELECT pg_advisory_lock($1)", MIGRATING)?;
    }
    let result = apply_pending(on, migrations, apply, dialect).await;
    if dialect == Dialect::Postgres {
        execute!(on, "SELECT pg_advisory_unlock($1)", MIGRATING)?;
        execute!(on, "RESET statement_timeout")?;
    }
    result
}

async fn apply_pending(
    on: &mut impl Connection,
    migrations: &[Migration],
    apply: bool,
    dialect: Dialect,
) -> Result<(), MigrateError> {
    execute!(
        on,
        "CREATE TABLE IF NOT EXISTS schema_migrations (
             owner TEXT NOT NULL, version BIGINT NOT NULL, name TEXT NOT NULL, hash TEXT NOT NULL,
             applied_at BIGINT NOT NULL,
             PRIMARY KEY (owner, version))"
    )?;
    let pending = pending(on, migrations, dialect).await?;
    if pending.is_empty() {
        return Ok(());
    }
    if !apply {
        return Err(MigrateError::Pending(pending.len()));
    }
    for migration in pending {
        tracing::info!(owner = migration.owner, version = migration.version, name = migration.name, "migrating");
        execute!(on, "BEGIN")?;
        let applied = apply_one(on, migration, dialect).await;
        if applied.is_ok() {
            execute!(on, "COMMIT")?;
        } else {
            execute!(on, "ROLLBACK")?;
        }
        applied?;
    }
    Ok(())
}

async fn apply_one(on: &mut impl Connection, migration: &Migration, dialect: Dialect) -> Result<(), Error> {
    let sql = migration.sql(dialect);
    match on.conn() {
        Conn::Sqlite(connection) => {
            sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(connection).await?;
        }
        Conn::Postgres(connection) => {
            sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(connection).await?;
        }
    }
    let now: Timestamp = kernel::Clock::system().now();
    execute!(
        on,
        "INSERT INTO schema_migrations (owner, version, name, hash, applied_at) VALUES ($1, $2, $3, $4, $5)",
        migration.owner,
        migration.version,
        migration.name,
        migration.hash(dialect),
        now.unix_micros()
    )?;
    Ok(())
}

#[derive(sqlx::FromRow)]
struct Count {
    count: i64,
}

/// What is not applied yet, or the refusal to work with what a newer program applied.
async fn pending<'m>(
    on: &mut impl Connection,
    migrations: &'m [Migration],
    dialect: Dialect,
) -> Result<Vec<&'m Migration>, MigrateError> {
    let count: Count = fetch_one!(on, "SELECT COUNT(*) AS count FROM schema_migrations")?;
    let applied: Vec<Applied> = fetch_all!(
        on,
        "SELECT owner, version, hash FROM schema_migrations ORDER BY owner, version LIMIT $1",
        count.count
    )?;
    for done in &applied {
        let (owner, version) = (done.owner.clone(), done.version);
        match migrations.iter().find(|m| m.owner == done.owner && m.version == done.version) {
            None => return Err(MigrateError::Newer { owner, version }),
            Some(known) if known.hash(dialect) != done.hash => return Err(MigrateError::Changed { owner, version }),
            Some(_) => {}
        }
    }
    let is_applied = |m: &Migration| applied.iter().any(|done| done.owner == m.owner && done.version == m.version);
    Ok(migrations.iter().filter(|m| !is_applied(m)).collect())
}
