//! Why a token is refused.

use crate::json::Wrong;

/// Why a token was refused. Tell the caller only that it was (RFC 6750 `invalid_token`): the reason
/// is for the operator, because it tells a forger how far a forgery got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refused {
    /// Not a signed JWT in the strict form that this crate reads, or too long to be read at all.
    #[error("the token is not a well-formed signed JWT")]
    Malformed,
    /// The header's `kid` names no key that the issuer publishes now, or one that it took back.
    #[error("the token names a key that is not published")]
    UnknownKey,
    /// The signature does not match, or the header names another algorithm than the key's.
    #[error("the signature of the token does not match")]
    BadSignature,
    /// A JWT for another purpose: `typ` is not `at+jwt` (RFC 9068 §2.1).
    #[error("the token is not an access token")]
    WrongType,
    /// Another issuer made it.
    #[error("the token comes from another issuer")]
    WrongIssuer,
    /// It is meant for another service.
    #[error("the token is for another audience")]
    WrongAudience,
    /// Its `exp`, and the leeway after it, have passed.
    #[error("the token has expired")]
    Expired,
    /// Its `iat` or `nbf` lies further in the future than the leeway.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// A claim that every access token has to carry is missing.
    #[error("the token lacks a required claim")]
    MissingClaim,
    /// Its user's trust or its session was ended.
    #[error("the token was revoked")]
    Revoked,
    /// The token may be good, but nothing was heard of revocations for longer than
    /// [`Staleness::RefuseAfter`](crate::Staleness::RefuseAfter) allows.
    #[error("what is known about revocations is too old")]
    Stale,
    /// There are no keys yet, or a follower has not yet learned what is revoked.
    #[error("the keys or the revocations are not known yet")]
    NotReady,
}

impl Refused {
    /// Every reason, in the order of the enum.
    pub const ALL: [Self; 12] = [
        Self::Malformed,
        Self::UnknownKey,
        Self::BadSignature,
        Self::WrongType,
        Self::WrongIssuer,
        Self::WrongAudience,
        Self::Expired,
        Self::NotYetValid,
        Self::MissingClaim,
        Self::Revoked,
        Self::Stale,
        Self::NotReady,
    ];

    /// Whether the fault is not the token's: nobody can be checked now, and the same token may be
    /// good in a moment. Over HTTP that is 503 and not 401, or people would be signed out.
    pub const fn is_ours(self) -> bool {
        matches!(self, Self::Stale | Self::NotReady)
    }

    /// A short code for logs and metrics. It never changes once published.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::UnknownKey => "unknown_key",
            Self::BadSignature => "bad_signature",
            Self::WrongType => "wrong_type",
            Self::WrongIssuer => "wrong_issuer",
            Self::WrongAudience => "wrong_audience",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::MissingClaim => "missing_claim",
            Self::Revoked => "revoked",
            Self::Stale => "stale",
            Self::NotReady => "not_ready",
        }
    }
}

impl From<Wrong> for Refused {
    fn from(wrong: Wrong) -> Self {
        match wrong {
            Wrong::Missing => Self::MissingClaim,
            Wrong::Type => Self::Malformed,
        }
    }
}
