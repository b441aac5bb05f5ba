//! Checks access tokens where they are used: in other people's services and in the gateway.
//!
//! A [`Verifier`] holds the public keys of one issuer and what that issuer has revoked, so a check
//! asks nobody. [`Verifier::check`] looks a token up among those already checked (one SHA-256);
//! a new one is taken apart strictly (RFC 7515, RFC 8725, RFC 9068), its signature is verified with
//! the algorithm that belongs to the key, and its claims are read. Then, for a known token as for a
//! new one, [`Verifier::check`] asks everything that decides whether it is good here and now: is its
//! key still trusted, is it from our issuer and for us, is it within its time, have the user or the
//! session been revoked, and is what we know about revocations fresh enough? There is one such
//! function, so that the quick way cannot know less than the slow way.
//!
//! Without features, this crate opens no connection and reads no clock: its owner brings keys,
//! revocations and the time, as Usher's gateway does. With the feature `follow`, `follow()` brings
//! them: it fetches the keys and follows the revocation feed in the background, and a check still
//! waits for nothing. The feature `tower` has the middleware (`RequireToken`), `axum` an extractor.
//! This crate must not know any other crate of Usher.

#[cfg(feature = "axum")]
mod caller;
mod claims;
#[cfg(any(feature = "follow", feature = "tower"))]
mod clock;
#[cfg(feature = "follow")]
pub mod follow;
mod freshness;
mod header;
mod json;
mod keys;
mod open_metrics;
mod refused;
#[cfg(feature = "tower")]
mod require_token;
mod requirements;
mod revocations;
mod shards;
mod stats;
mod verifier;

#[cfg(test)]
mod tests;

#[cfg(feature = "axum")]
pub use caller::Caller;
pub use claims::Claims;
#[cfg(feature = "follow")]
pub use follow::{FollowSettings, Follower, follow};
pub use freshness::Staleness;
pub use keys::KeysError;
pub use refused::Refused;
#[cfg(feature = "tower")]
pub use require_token::{Answer, RequireToken, TokenRequired};
pub use requirements::{Denied, Requirements};
pub use revocations::Revocations;
pub use stats::Stats;
pub use verifier::{Settings, Verifier};
