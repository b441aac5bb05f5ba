//! The door. Every request comes in here and is handed on: to a service of Usher's, or to somebody's
//! application behind it. Every answer goes out here.
//!
//! [`Gateway::handle`] tells a request's whole story in order: give it an id, find the client's
//! address, read what it asks for, find its route, apply the limits, check the token, hand it on, make
//! the answer complete. `checks` are the limits and the token, `pass` hands it on.
//!
//! - `asked` and `path` say what is asked for, or refuse what could be read in two ways.
//! - `spec` is a route as it is written, `table` makes routes of that, `route` is one, `builtin` are
//!   Usher's own; `limits` are token buckets, `cors` says which other origins may.
//! - `identity` is who-is-this and what services are told about it, `user_token` the signed form of
//!   that, `authorize` the same answer for people who keep their own proxy.
//! - `upstream` sends requests to applications: choice, health, retries, tunnels.
//! - `server` accepts connections, `strict` refuses what HTTP/1.1 parsers disagree about, `tls` has the
//!   certificates.
//! - `traffic` counts what goes through a route, `view` is a route as people are shown it.
//! - `refusals` are the answers that say no, `answer` writes problem documents and security headers, `access_log` and `metrics` say what happened.
//!
//! It decides with what is in memory. It asks no database, and no other service whether somebody may.

mod access_log;
mod address;
mod answer;
mod asked;
mod authorize;
mod body;
mod builtin;
mod checks;
mod cors;
mod current;
mod digits;
mod ending;
mod gateway;
mod identity;
mod limits;
mod link;
mod metrics;
mod own_stream;
mod pass;
mod path;
mod patient;
mod refusals;
mod request_id;
mod roles;
mod route;
pub mod server;
mod spec;
mod stream;
mod strict;
mod table;
pub mod tls;
mod trace;
mod traffic;
mod upstream;
mod user_token;
mod view;

pub use access_log::{AccessLog, LogFormat};
pub use address::{InvalidNetwork, Network};
pub use answer::ProblemPage;
pub use gateway::{Gateway, GatewayError, Services, Settings};
pub use metrics::{Metrics, UpstreamHealth};
pub use request_id::current_request_id;
pub use roles::RolesError;
pub use spec::{AuthSpec, CorsSpec, HealthSpec, IdentitySpec, LimitSpec, PerSpec, RouteSpec, TimeoutSpec};
pub use table::{RouteError, check_routes};
pub use traffic::Traffic;
pub use user_token::BadSeed;
pub use view::{RouteView, UpstreamView};
