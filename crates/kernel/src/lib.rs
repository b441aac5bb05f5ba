//! The words that every crate of Usher shares: ids, time, events, problems, secrets, callers and
//! pages of results.
//!
//! Nothing here opens a connection, reads a file or knows a table. A word belongs here when two
//! service crates need it and neither owns it. Everything else stays with its owner.

pub mod caller;
pub mod event;
pub mod id;
pub mod json;
pub mod page;
pub mod permission;
pub mod problem;
pub mod secret;
pub mod time;

pub use caller::{Caller, RequestContext};
pub use event::{Event, Kind, Revocation};
pub use id::{EventId, JobId, PictureId, SessionId, UserId};
pub use json::StrictJson;
pub use page::{Page, PageQuery};
pub use permission::{Permissions, RoleBook, RoleDirectory};
pub use problem::{FieldError, Problem};
pub use secret::{Label, MacRing, MasterKeys};
pub use time::{Clock, Timestamp};
