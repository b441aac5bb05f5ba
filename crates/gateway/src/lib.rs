//! The door. Every request comes in here and is handed on to a service's router; every answer goes
//! out here.
//!
//! [`Gateway::handle`] tells a request's whole story in order: give it an id, find the client's
//! address, find its route, apply the limits, read the body, check the token, hand it on, and make the
//! answer complete. `server` accepts connections, `routes` says which path needs what, `limits` are token
//! buckets, `identity` is who-is-this, `answer` writes problem documents and security headers,
//! `access_log` and `metrics` say what happened.
//!
//! It decides with what is in memory. It asks no database and no other service.

mod access_log;
mod address;
mod answer;
mod body;
mod gateway;
mod identity;
mod limits;
mod metrics;
mod patient;
mod request_id;
mod routes;
pub mod server;

pub use access_log::{AccessLog, LogFormat};
pub use address::{InvalidNetwork, Network};
pub use answer::ProblemPage;
pub use gateway::{Gateway, Settings};
pub use metrics::Metrics;
pub use request_id::current_request_id;
