//! Where state lives: one set of SQL statements over SQLite or PostgreSQL, and the ledger of events.
//!
//! A use case calls [`Db::begin`], runs statements with [`execute!`], [`fetch_one!`],
//! [`fetch_optional!`] and [`fetch_all!`], appends one event with [`Tx::append`] and calls
//! [`Tx::commit`]. When `commit` returns, rows and event are on disk and every listener of this
//! process has seen the event; when a [`Tx`] is dropped instead, nothing happened.
//!
//! - `statement` runs one SQL text on either database.
//! - `tx` is the transaction, `sqlite` the single writer that commits in groups, `postgres` the pools.
//! - `ledger` is the numbered, append-only sequence, which a [`ledger::Follower`] reads; `sequencer` gives the numbers on
//!   PostgreSQL.
//! - `migrate` brings the schema up to date.
//! - `blobs` keeps files beside the database: pictures and exports.
//!
//! It knows no table but its own (`schema_migrations`, `outbox`, `ledger`) and no use case.

pub mod blobs;
mod db;
mod error;
pub mod ledger;
mod migrate;
mod postgres;
mod sequencer;
mod sqlite;
#[macro_use]
mod statement;
#[cfg(test)]
mod tests;
mod tx;

pub use blobs::{BlobError, BlobName, BlobSettings, Blobs};
pub use db::{Db, Listener, Location, OpenError, Read, Settings};
pub use error::Error;
pub use migrate::Migration;
pub use statement::{Conn, Connection, Dialect};
pub use tx::{Lock, Tx};

/// The result of anything that touches the database.
pub type Result<T> = std::result::Result<T, Error>;

/// The tables of this crate, to be put before those of the services.
pub const MIGRATIONS: &[Migration] = &[Migration {
    owner: "storage",
    version: 1,
    name: "ledger",
    shared: include_str!("../migrations/0001_ledger.sql"),
    sqlite: include_str!("../migrations/0001_ledger.sqlite.sql"),
    postgres: include_str!("../migrations/0001_ledger.postgres.sql"),
}];

#[doc(hidden)]
pub mod reexport {
    pub use sqlx;
}
