//! Who is this: the Bearer token, checked here, without asking anybody.

use axum::http::{HeaderMap, header};
use kernel::{Caller, Timestamp};
use verify::{Refused, Verifier};

/// What a request's token says.
pub(crate) enum Identity {
    /// It is good.
    Known(Caller),
    /// There is none.
    Unknown,
    /// It is not good.
    Refused(Refused),
}

/// Reads and checks the token of a request.
pub(crate) fn of(headers: &HeaderMap, verifier: &Verifier, now: Timestamp) -> Identity {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Identity::Unknown };
    // Two of them would let two readers disagree.
    if values.next().is_some() {
        return Identity::Refused(Refused::Malformed);
    }
    let Some(token) = bearer(value.as_bytes()) else { return Identity::Refused(Refused::Malformed) };
    match verifier.check(token, now.unix_seconds()) {
        Ok(claims) => caller(&claims).map_or(Identity::Refused(Refused::Malformed), Identity::Known),
        Err(refused) => Identity::Refused(refused),
    }
}

/// The token of `Bearer <token>` (RFC 6750 §2.1); the scheme's case does not matter.
fn bearer(value: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(value).ok()?;
    let (scheme, token) = text.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_start_matches(' ')).filter(|token| !token.is_empty())
}

fn caller(claims: &verify::Claims) -> Option<Caller> {
    Some(Caller {
        user: claims.sub.parse().ok()?,
        session: claims.sid.parse().ok()?,
        roles: claims.roles.clone(),
        scope: claims.scope.clone(),
        auth_time: Timestamp::from_unix_seconds(claims.auth_time),
        amr: claims.amr.clone(),
        expires_at: Timestamp::from_unix_seconds(claims.exp),
    })
}

/// What only the door may say. Services behind it must never see a client's own.
const OURS: [&str; 8] = [
    "x-user-id",
    "x-user-roles",
    "x-user-scope",
    "x-session-id",
    "x-request-id",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
];

/// Removes identity headers, in the spellings that servers behind us might take for the same.
pub(crate) fn strip(headers: &mut HeaderMap) {
    for name in OURS {
        headers.remove(name);
    }
    let others: Vec<_> = headers
        .keys()
        .filter(|name| name.as_str().contains('_') && OURS.contains(&name.as_str().replace('_', "-").as_str()))
        .cloned()
        .collect();
    for name in others {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g1_identity_headers_of_clients_are_removed_in_every_spelling() {
        let mut headers = HeaderMap::new();
        for name in ["X-User-Id", "x_user_id", "X-USER_ROLES", "x-session-id", "X-Forwarded-Host"] {
            headers.append(axum::http::HeaderName::from_bytes(name.as_bytes()).unwrap(), "admin".parse().unwrap());
        }
        headers.append("accept", "text/html".parse().unwrap());
        strip(&mut headers);
        assert_eq!(headers.len(), 1);
    }

    #[test]
    fn bearer_is_read_strictly() {
        assert_eq!(bearer(b"Bearer abc"), Some("abc"));
        assert_eq!(bearer(b"bearer abc"), Some("abc"));
        for wrong in [&b"Basic abc"[..], b"Bearer", b"Bearer ", b"abc", b"", b"Bearer\tabc", b"\xff abc"] {
            assert_eq!(bearer(wrong), None);
        }
    }
}
