//! Requests to addresses that somebody else has named: receivers of Shared Signals, webhooks, the push services of
//! browsers.
//!
//! Whoever may name an address makes this server talk to it: without limits, to its neighbours. So there is one way out,
//! and it has the limits: a [`Destination`] is https to a public address or name, a [`Client`] resolves the name once and
//! connects to what it has looked at (`connect`), follows no redirect, waits ten seconds at most and reads no more of an
//! answer than it was told to. What the answer says is handed on by its status; its text goes to nobody who named the
//! address.
//!
//! This crate knows none of the others, no table and no clock. Addresses that an operator writes into the configuration
//! (a mail server, an application behind the gateway) are not its business: those may well be inside.

mod connect;
mod destination;
mod exchange;

pub use destination::{Destination, InvalidDestination, Reach};
pub use exchange::{Client, NoAnswer, Reply};
