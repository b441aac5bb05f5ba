//! Making tokens: access tokens as JWTs (RFC 9068), refresh tokens as derived secrets.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel::secret::random_bytes;
use kernel::{SessionId, Timestamp};
use serde::Serialize;
use users::Account;

use crate::{Auth, Session};

/// The `client_id` of tokens that Usher's own sign-in gives out.
const OWN_CLIENT: &str = "usher";
/// What such a token is good for.
const OWN_SCOPE: &str = "account";

/// No token could be made.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub enum TokenError {
    /// Every signing key is gone or not begun.
    #[error("there is no signing key")]
    NoKey,
    /// The cryptographic library refused.
    #[error("the token could not be signed")]
    Unsigned,
}

/// A pair of tokens, and what a client needs to know of them. It has no `Debug`: they are secrets.
#[derive(Clone)]
pub struct SignedIn {
    /// The session that they belong to.
    pub session: Session,
    /// The account.
    pub account: Account,
    /// The JWT.
    pub access_token: String,
    /// For how long, in seconds.
    pub expires_in: u32,
    /// The refresh token.
    pub refresh_token: String,
    /// For how long, in seconds.
    pub refresh_expires_in: i64,
}

/// The claims of an access token (RFC 9068 §2.2).
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: String,
    aud: &'a str,
    sid: String,
    epoch: i64,
    client_id: &'a str,
    iat: i64,
    exp: i64,
    jti: String,
    auth_time: i64,
    amr: &'a [&'a str],
    roles: &'a [String],
    scope: &'a str,
}

/// The tokens for a session that is on: an access token of now, and the newest refresh token.
pub(crate) fn issue(auth: &Auth, account: Account, session: Session, now: Timestamp) -> Result<SignedIn, TokenError> {
    // No token outlives its session.
    let left = session.ends_at.since(now).as_secs();
    let lifetime = u64::from(auth.settings().tokens.access_seconds).min(left);
    let lifetime = u32::try_from(lifetime).unwrap_or(u32::MAX);
    let claims = Claims {
        iss: &auth.settings().issuer,
        sub: session.user_id.to_string(),
        aud: &auth.settings().issuer,
        sid: session.id.to_string(),
        epoch: account.epoch,
        client_id: OWN_CLIENT,
        iat: now.unix_seconds(),
        exp: now.unix_seconds() + i64::from(lifetime),
        jti: URL_SAFE_NO_PAD.encode(random_bytes::<16>()),
        auth_time: session.created_at.unix_seconds(),
        amr: &[session.amr.as_str()],
        roles: &account.roles,
        scope: OWN_SCOPE,
    };
    let claims = serde_json::to_vec(&claims).map_err(|_| TokenError::Unsigned)?;
    let refresh = RefreshToken { session: session.id, generation: session.generation };
    Ok(SignedIn {
        access_token: auth.keys().sign(&claims, now)?,
        expires_in: lifetime,
        refresh_token: refresh.to_text(auth),
        refresh_expires_in: i64::try_from(session.expires_at.since(now).as_secs()).unwrap_or(i64::MAX),
        session,
        account,
    })
}

/// A refresh token: which one of which session. Its text carries a 256-bit tag that only the holder
/// of the master key can make, so the database needs to hold nothing of it.
#[derive(Clone, Copy)]
pub(crate) struct RefreshToken {
    pub(crate) session: SessionId,
    pub(crate) generation: i64,
}

const TAG: usize = 32;
const LENGTH: usize = 16 + 8 + TAG;

impl RefreshToken {
    fn tagged_parts(&self) -> ([u8; 16], [u8; 8]) {
        (*self.session.as_bytes(), self.generation.to_be_bytes())
    }

    fn to_text(self, auth: &Auth) -> String {
        let (session, generation) = self.tagged_parts();
        let tag = auth.refresh_key().sign(&[&session, &generation]);
        let mut bytes = Vec::with_capacity(LENGTH);
        bytes.extend_from_slice(&session);
        bytes.extend_from_slice(&generation);
        bytes.extend_from_slice(&tag);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a token; nothing if it is not one that was given out.
    pub(crate) fn parse(auth: &Auth, text: &str) -> Option<Self> {
        if text.len() > 2 * LENGTH {
            return None;
        }
        let bytes: [u8; LENGTH] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
        let (session, rest) = bytes.split_first_chunk::<16>()?;
        let (generation, tag) = rest.split_first_chunk::<8>()?;
        if !auth.refresh_key().verify(&[session, generation], tag) {
            return None;
        }
        Some(Self { session: SessionId::from_bytes(*session), generation: i64::from_be_bytes(*generation) })
    }
}
