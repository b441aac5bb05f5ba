//! Checks access tokens where they are used: in other people's services and in the gateway.
//!
//! A [`Verifier`] holds the public keys of one issuer and what that issuer has revoked, so a check
//! asks nobody. [`Verifier::check`] looks a token up among those already checked (one SHA-256);
//! a new one is taken apart strictly (RFC 7515, RFC 8725, RFC 9068), its signature is verified with
//! the algorithm that belongs to the key, and its claims are read. Then, for a known token as for a
//! new one, [`Verifier::check`] asks what can change while a token lives: is its key still published,
//! is it within its time, has the user or the session been revoked? There is one such function, so
//! that the quick way cannot know less than the slow way.
//! This crate must not know any other crate of Usher, open a connection, or read a clock.

mod claims;
mod header;
mod json;
mod keys;
mod refused;
mod revocations;
mod verifier;

#[cfg(test)]
mod tests;

pub use claims::Claims;
pub use keys::KeysError;
pub use refused::Refused;
pub use revocations::Revocations;
pub use verifier::{Settings, Verifier};
