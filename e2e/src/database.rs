//! The database under a program, seen from beside it.

use std::path::Path;

use sqlx::postgres::PgConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, SqlSafeStr as _};
use uuid::Uuid;

/// Which database a test runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Database {
    /// SQLite, in the program's own folder.
    Sqlite,
    /// PostgreSQL, in a database of its own on the server that `cargo xtask test` started.
    Postgres,
}

/// A connection to look with.
pub enum DatabaseView {
    /// Into the file.
    Sqlite(SqliteConnection),
    /// Into the server.
    Postgres(PgConnection),
}

impl DatabaseView {
    /// Runs a query that answers one column of text.
    pub async fn texts(&mut self, sql: &str) -> Vec<String> {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Sqlite(connection) => sqlx::query_scalar(sql).fetch_all(connection).await,
            Self::Postgres(connection) => sqlx::query_scalar(sql).fetch_all(connection).await,
        }
        .expect("a query of the test")
    }

    /// Changes what is there; only while the program is stopped. Answers how many rows.
    pub async fn execute(&mut self, sql: &str) -> u64 {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Sqlite(connection) => sqlx::query(sql).execute(connection).await.map(|done| done.rows_affected()),
            Self::Postgres(connection) => sqlx::query(sql).execute(connection).await.map(|done| done.rows_affected()),
        }
        .expect("a statement of the test")
    }

    /// Lets the database read a statement without running it.
    pub async fn prepare(&mut self, sql: &str) -> Result<(), sqlx::Error> {
        let sql = || AssertSqlSafe(sql.to_owned()).into_sql_str();
        match self {
            Self::Sqlite(connection) => connection.prepare(sql()).await.map(drop),
            Self::Postgres(connection) => connection.prepare(sql()).await.map(drop),
        }
    }
}

/// The server that `cargo xtask test` started.
fn server() -> String {
    std::env::var("TEST_POSTGRES_URL")
        .expect("TEST_POSTGRES_URL has to be set: run the tests with `cargo xtask test`, which starts PostgreSQL")
}

async fn connect(url: &str) -> PgConnection {
    PgConnection::connect(url).await.expect("the PostgreSQL of the tests has to answer")
}

/// Makes a new, empty database and answers its address.
pub(crate) async fn create() -> String {
    let server = server();
    let name = format!("usher_{}", Uuid::new_v4().simple());
    connect(&server).await.execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.expect("CREATE DATABASE");
    let (base, _) = server.rsplit_once('/').expect("TEST_POSTGRES_URL ends in a database's name");
    format!("{base}/{name}")
}

/// Removes a database, whoever is still connected.
pub(crate) async fn remove(url: &str) {
    if let Some((_, name)) = url.rsplit_once('/') {
        let mut connection = connect(&server()).await;
        // It goes with the server in any case: this only saves room while the tests run.
        drop(connection.execute(AssertSqlSafe(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))).await);
    }
}

/// Opens a look into the database of a program.
pub(crate) async fn look(folder: &Path, url: Option<&str>) -> DatabaseView {
    if let Some(url) = url {
        return DatabaseView::Postgres(connect(url).await);
    }
    let files = std::fs::read_dir(folder).expect("the folder of the data");
    let is_database = |path: &Path| path.extension().is_some_and(|is| is == "db" || is == "sqlite");
    let file = files.filter_map(|entry| Some(entry.ok()?.path())).find(|path| is_database(path));
    let options = SqliteConnectOptions::new().filename(file.expect("a SQLite file in the folder of the data"));
    DatabaseView::Sqlite(SqliteConnection::connect_with(&options).await.expect("SQLite has to open"))
}
