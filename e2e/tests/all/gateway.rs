//! The gateway in front of other people's applications.

mod identity;
mod log;
mod refusals;
mod reload;
mod routes;
mod streams;
mod upstreams;

use e2e::{Database, Setup, TestApp};

/// A program with this configuration. What is tested here does not depend on the database.
async fn behind(config: &str) -> TestApp {
    Setup::new(Database::Sqlite).config(config).start().await
}

/// A route of this name to an upstream, with more keys.
fn route(name: &str, path: &str, upstream: &str, more: &str) -> String {
    format!("[[gateway.routes]]\nname = \"{name}\"\npath = \"{path}\"\nupstreams = [\"{upstream}\"]\n{more}\n\n")
}
