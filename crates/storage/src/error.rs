//! What can go wrong below every use case: the database cannot take it now, or something is broken.

use kernel::Problem;

/// A failure of storage.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not now: the disk is full, the server is away, the pool is exhausted. Trying again helps.
    #[error("the database cannot do this now: {0}")]
    Unavailable(String),
    /// A statement or a stored value is wrong: trying again does not help.
    #[error("the database refused: {0}")]
    Broken(sqlx::Error),
    /// The group of transactions that this one was committed with failed.
    #[error("the commit failed: {0}")]
    Commit(String),
}

/// SQLite's primary result codes for trouble outside of the statement
/// (<https://www.sqlite.org/rescode.html>): BUSY, LOCKED, NOMEM, READONLY, INTERRUPT, IOERR, FULL, CANTOPEN.
const SQLITE_TROUBLE: [i32; 8] = [5, 6, 7, 8, 9, 10, 13, 14];

/// PostgreSQL's classes for trouble outside of the statement (appendix A of its manual): connection,
/// transaction rollback, insufficient resources, operator intervention, system error.
const POSTGRES_TROUBLE: [&str; 5] = ["08", "40", "53", "57", "58"];

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        let passing = match &error {
            sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => {
                true
            }
            sqlx::Error::Database(database) => {
                let code = database.code().unwrap_or_default();
                match code.parse::<i32>() {
                    Ok(number) if code.len() < 5 => SQLITE_TROUBLE.contains(&(number & 0xff)),
                    _ => POSTGRES_TROUBLE.iter().any(|class| code.starts_with(class)),
                }
            }
            _ => false,
        };
        if passing { Self::Unavailable(error.to_string()) } else { Self::Broken(error) }
    }
}

impl From<Error> for Problem {
    /// Logs the cause, which is for operators, and gives the client what it can act on.
    fn from(error: Error) -> Self {
        match error {
            Error::Unavailable(cause) | Error::Commit(cause) => {
                tracing::error!(%cause, "storage unavailable");
                Self::unavailable(
                    "storage_unavailable",
                    "The database cannot take this now. Try again; look first whether it was done.",
                    5,
                )
            }
            Error::Broken(cause) => {
                tracing::error!(%cause, "storage failed");
                Self::internal()
            }
        }
    }
}
