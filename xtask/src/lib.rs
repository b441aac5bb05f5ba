//! What a developer types: `cargo xtask test`, `cargo xtask tidy` and their kin.
//!
//! The program is `main.rs`; this library is what it shares with the whole-process tests: reading
//! the workspace's own source text, and running a PostgreSQL of one's own. It knows no crate of
//! Usher's and must not: it has to judge them from outside.

pub mod postgres;
pub mod source;
pub mod tidy;
