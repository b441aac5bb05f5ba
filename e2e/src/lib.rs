//! Whole-process tests: the real `usher`, real databases, a real browser.
//!
//! A test starts a [`TestApp`], talks to it over HTTP as a client would, and looks at what it
//! answers, what it wrote and what it logged. [`on_both!`] runs it on SQLite and on PostgreSQL. Each
//! app has its own folder, ports and database, and leaves nothing behind. At the end of every test
//! the harness reads what the program logged and fails if a password, a token or a whole e-mail
//! address that it knows of is in there.
//!
//! Around it there is as much of a real world as it needs: an [`Upstream`] that keeps what it was sent,
//! a [`Service`] in each language that checks tokens for itself, a [`Proxy`] with the configurations of
//! `deploy/`, a gRPC server, a [`HookReceiver`], the [`Quiz`], and [`Apart`] for a program that is several processes.
//!
//! `cargo xtask test` builds the program and starts PostgreSQL first.

#![expect(clippy::expect_used, reason = "a test stops at the first surprise, and says which")]
#![expect(clippy::print_stderr, reason = "a failed test shows what the program said")]
#![expect(
    clippy::missing_panics_doc,
    reason = "every function here panics when the program misbehaves: that is the test"
)]

mod access;
mod accessibility;
mod answer;
mod apart;
mod app;
mod browser;
mod clock;
mod database;
mod fcm;
mod feed;
mod forge;
mod grpc;
mod hooks;
mod inbox;
mod logs;
mod mail;
mod metrics;
mod picture;
mod process;
mod proxy;
mod push_service;
mod quiz;
mod raw;
mod s3;
mod sendgrid;
mod service;
mod tls;
mod token;
mod upstream;
mod user;

pub use answer::Answer;
pub use apart::Apart;
pub use app::{Setup, TestApp};
pub use browser::{Browser, Look};
pub use clock::{PATIENCE, moment_in, unix_now};
pub use database::{Database, DatabaseView};
pub use fcm::{FcmManner, FcmServer};
pub use feed::{Feed, FeedEvent, Stream};
pub use forge::Forger;
pub use grpc::{GrpcEcho, grpc_call};
pub use hooks::{HookManner, HookReceiver, Told};
pub use inbox::token_in;
pub use mail::{Mail, MailManner, MailServer};
pub use metrics::Metrics;
pub use picture::{grey_jpeg, picture, png};
pub use proxy::Proxy;
pub use push_service::{PushBrowser, PushService, Pushed};
pub use quiz::Quiz;
pub use raw::{RawAnswer, send_raw, send_raw_for};
pub use s3::{S3, with_store_at};
pub use sendgrid::{SENDGRID_KEY, SendGridManner, SendGridServer};
pub use service::{Language, Service};
pub use tls::{Certificate, send_http2};
pub use token::Token;
pub use upstream::{Manner, Seen, Upstream};
pub use user::{PASSWORD, User};
pub use xtask::source;

/// Runs a test on SQLite and on PostgreSQL, as `name::sqlite` and `name::postgres`.
///
/// `async fn name(app: TestApp)` is given a running program with the limits by address switched
/// off; `async fn name(setup: Setup)` starts it in its own way.
#[macro_export]
macro_rules! on_both {
    ($($(#[$doc:meta])* async fn $name:ident($given:ident: $kind:ident) $body:block)+) => {
        $(
            $(#[$doc])*
            mod $name {
                #[expect(unused_imports, reason = "not every test uses what its file imports")]
                use super::*;

                async fn body($given: $kind) $body

                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn sqlite() {
                    body($crate::given!($kind, $crate::Database::Sqlite)).await;
                }

                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn postgres() {
                    body($crate::given!($kind, $crate::Database::Postgres)).await;
                }
            }
        )+
    };
}

/// What [`on_both!`] hands to a test.
#[doc(hidden)]
#[macro_export]
macro_rules! given {
    (TestApp, $database:expr) => {
        $crate::Setup::new($database).start().await
    };
    (Setup, $database:expr) => {
        $crate::Setup::new($database)
    };
}
