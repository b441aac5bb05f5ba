//! One SQL text, two databases. The macros run a statement with `$1` placeholders on whichever
//! connection they are given; the arguments are encoded by the driver's own types.

use sqlx::{PgConnection, SqliteConnection};

/// Which database it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite, in one file.
    Sqlite,
    /// PostgreSQL.
    Postgres,
}

/// A borrowed connection of either kind.
pub enum Conn<'c> {
    /// SQLite.
    Sqlite(&'c mut SqliteConnection),
    /// PostgreSQL.
    Postgres(&'c mut PgConnection),
}

/// Something that statements can be run on: a transaction or a read.
pub trait Connection {
    /// The connection, for one statement.
    fn conn(&mut self) -> Conn<'_>;
}

/// Runs a statement on either database; the base of the other macros.
#[doc(hidden)]
#[macro_export]
macro_rules! run {
    ($on:expr, $sql:expr, [$($arg:expr),*], |$query:ident, $conn:ident| $body:expr, $($kind:tt)*) => {
        match $crate::Connection::conn($on) {
            $crate::Conn::Sqlite($conn) => {
                let $query = $crate::reexport::sqlx::$($kind)*($sql)$(.bind($arg))*;
                $body
            }
            $crate::Conn::Postgres($conn) => {
                let $query = $crate::reexport::sqlx::$($kind)*($sql)$(.bind($arg))*;
                $body
            }
        }
        .map_err($crate::Error::from)
    };
}

/// `execute!(tx, "UPDATE …", arguments…)`: how many rows it changed.
#[macro_export]
macro_rules! execute {
    ($on:expr, $sql:expr $(, $arg:expr)* $(,)?) => {
        $crate::run!($on, $sql, [$($arg),*], |query, conn| query.execute(conn).await.map(|done| done.rows_affected()), query)
    };
}

/// `fetch_optional!(tx, "SELECT …", arguments…)`: the row, if there is one, as a `FromRow` type.
#[macro_export]
macro_rules! fetch_optional {
    ($on:expr, $sql:expr $(, $arg:expr)* $(,)?) => {
        $crate::run!($on, $sql, [$($arg),*], |query, conn| query.fetch_optional(conn).await, query_as)
    };
}

/// `fetch_one!(tx, "SELECT …", arguments…)`: the one row, as a `FromRow` type.
#[macro_export]
macro_rules! fetch_one {
    ($on:expr, $sql:expr $(, $arg:expr)* $(,)?) => {
        $crate::run!($on, $sql, [$($arg),*], |query, conn| query.fetch_one(conn).await, query_as)
    };
}

/// `fetch_all!(tx, "SELECT …", arguments…)`: all rows, as a `FromRow` type. Only with a `LIMIT`, or
/// where the number of rows is bounded by something else.
#[macro_export]
macro_rules! fetch_all {
    ($on:expr, $sql:expr $(, $arg:expr)* $(,)?) => {
        $crate::run!($on, $sql, [$($arg),*], |query, conn| query.fetch_all(conn).await, query_as)
    };
}
