//! Real servers on real sockets.

mod balance;
mod failures;
mod protocols;
mod streams;
mod world;
