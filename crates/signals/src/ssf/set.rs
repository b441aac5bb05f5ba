//! A security event token: its claims (RFC 8417 §2.2, profiled by SSF 1.0 §4.1), and its signature.
//!
//! It has no `sub` and no `exp`, has a type of its own and keys of its own, so that nobody takes it
//! for an access token.

use kernel::Timestamp;
use kernel::id::StreamId;
use serde_json::json;

use super::mapping::Signal;

/// What the claims of a token say about its stream.
pub(super) struct Address<'a> {
    pub(super) issuer: &'a str,
    pub(super) audience: &'a str,
    pub(super) stream: StreamId,
}

/// A token before it is signed.
pub(super) struct Claims {
    pub(super) jti: String,
    pub(super) text: String,
}

/// The claims for one signal. `place` tells the signals of one cause apart, so that the same signal has
/// the same `jti` however often it is made, and no two have the same.
pub(super) fn claims(to: &Address<'_>, signal: &Signal, place: usize, now: Timestamp) -> Claims {
    let jti = format!("{}.{place}.{}", signal.cause, to.stream);
    let claims = json!({
        "iss": to.issuer,
        "aud": to.audience,
        "iat": now.unix_seconds(),
        "jti": jti,
        "txn": signal.cause.to_string(),
        "sub_id": signal.subject.to_sub_id(to.issuer),
        "events": { signal.event_type.uri(): signal.members },
    });
    Claims { jti, text: claims.to_string() }
}
