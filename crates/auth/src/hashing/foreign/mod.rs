//! Password hashes that were made elsewhere, and came with an import.
//!
//! They are checked as they are at the next sign-in, and replaced by one of ours then. Each family has a
//! file. Whatever form a hash comes in, it is stored in one:
//!
//! | family | stored text |
//! |---|---|
//! | bcrypt | `$2b$12$…` (modular crypt; `2a`, `2b` and `2y`) |
//! | bcrypt over SHA-256 (Django) | `bcrypt_sha256$$2b$12$…` |
//! | scrypt | `$scrypt$ln=17,r=8,p=1$salt$tag` |
//! | scrypt of Firebase | `$firebase-scrypt$r=8,m=14$salt$separator$signer-key$tag` |
//! | PBKDF2 | `$pbkdf2-sha1$i=…$salt$tag`, `-sha256`, `-sha512` |
//! | Argon2 without a pepper | `$argon2id$v=19$m=…,t=…,p=…$salt$tag`, `argon2i`, `argon2d` |
//! | salted SHA (LDAP) | `{SSHA}…`, `{SSHA256}…`, `{SSHA512}…` (RFC 2307) |
//!
//! What stands between `$` is base64 without padding. Ours has a `keyid` among its parameters, so none of
//! these can be taken for one of ours. Reading is checking: a hash whose parameters would take more than
//! about a second or 256 MiB is refused when it comes, not when somebody signs in.

mod argon2;
mod bcrypt;
mod django;
mod encoding;
mod firebase;
mod keycloak;
mod pbkdf2;
mod salted_sha;
mod scrypt;
#[cfg(test)]
mod tests;
mod werkzeug;

use std::fmt;

pub use argon2::ForeignArgon2;
pub use bcrypt::Bcrypt;
pub use encoding::{from_base64, from_hex};
pub use firebase::{FirebaseParameters, FirebaseScrypt};
pub use pbkdf2::{Digest, Pbkdf2};
pub use salted_sha::SaltedSha;
pub use scrypt::Scrypt;

use super::{HashError, Memory};

/// A hash that was made elsewhere, with parameters that can be afforded.
// No `==` outside of tests: hashes are compared in constant time.
#[cfg_attr(test, derive(Debug, PartialEq, Eq))]
pub enum ForeignHash {
    /// bcrypt.
    Bcrypt(Bcrypt),
    /// scrypt (RFC 7914).
    Scrypt(Scrypt),
    /// The scrypt of Firebase.
    Firebase(FirebaseScrypt),
    /// PBKDF2 (RFC 8018 §5.2).
    Pbkdf2(Pbkdf2),
    /// Argon2 (RFC 9106), without a pepper.
    Argon2(ForeignArgon2),
    /// SHA over password and salt.
    SaltedSha(SaltedSha),
}

/// Why a hash is not taken. It never says anything of the hash itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unacceptable {
    /// Not a form that is known here.
    #[error("the password hash is of no format that can be checked here")]
    Unknown,
    /// Cut off, or not what its beginning promises.
    #[error("the password hash begins like {0} and is malformed")]
    Malformed(&'static str),
    /// It would take too long, or too much memory.
    #[error("the {0} hash would take more than about a second or 256 MiB to check")]
    TooCostly(&'static str),
}

impl ForeignHash {
    /// Reads any text form that is known here: the stored one, and those of PHC strings, passlib, Django,
    /// Werkzeug and LDAP.
    pub fn parse(text: &str) -> Result<Self, Unacceptable> {
        // The longest that is known here is Firebase's, with some 300; nothing else needs that.
        if text.len() > 1024 {
            return Err(Unacceptable::Unknown);
        }
        if text.starts_with('{') {
            return SaltedSha::parse(text).map(Self::SaltedSha);
        }
        let Some(modular) = text.strip_prefix('$') else {
            return django::parse(text).or_else(|| werkzeug::parse(text)).unwrap_or(Err(Unacceptable::Unknown));
        };
        match modular.split('$').next().unwrap_or_default() {
            "2a" | "2b" | "2y" => Bcrypt::parse(text).map(Self::Bcrypt),
            "scrypt" => Scrypt::parse(text).map(Self::Scrypt),
            "firebase-scrypt" => FirebaseScrypt::parse(text).map(Self::Firebase),
            "pbkdf2" | "pbkdf2-sha1" | "pbkdf2-sha256" | "pbkdf2-sha512" => Pbkdf2::parse(text).map(Self::Pbkdf2),
            "argon2i" | "argon2d" | "argon2id" => ForeignArgon2::parse(text).map(Self::Argon2),
            _ => Err(Unacceptable::Unknown),
        }
    }

    /// Reads what Keycloak writes of a password: `credentialData` and `secretData`.
    pub fn keycloak(credential_data: &str, secret_data: &str) -> Result<Self, Unacceptable> {
        keycloak::parse(credential_data, secret_data)
    }

    /// Whether the password is the one that this was made of.
    pub(super) fn matches(&self, memory: &mut Memory, password: &[u8]) -> Result<bool, HashError> {
        match self {
            Self::Bcrypt(hash) => Ok(hash.matches(password)),
            Self::Scrypt(hash) => hash.matches(password),
            Self::Firebase(hash) => hash.matches(password),
            Self::Pbkdf2(hash) => Ok(hash.matches(password)),
            Self::Argon2(hash) => hash.matches(memory, password),
            Self::SaltedSha(hash) => Ok(hash.matches(password)),
        }
    }

    /// Whether whoever steals it finds most passwords soon: below what OWASP's Password Storage Cheat
    /// Sheet names for its family (or below cost 10, for bcrypt).
    pub fn is_weak(&self) -> bool {
        match self {
            Self::Bcrypt(hash) => hash.is_weak(),
            Self::Scrypt(hash) => hash.is_weak(),
            Self::Firebase(hash) => hash.is_weak(),
            Self::Pbkdf2(hash) => hash.is_weak(),
            Self::Argon2(hash) => hash.is_weak(),
            Self::SaltedSha(_) => true,
        }
    }
}

/// The text that is stored.
impl fmt::Display for ForeignHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bcrypt(hash) => hash.fmt(f),
            Self::Scrypt(hash) => hash.fmt(f),
            Self::Firebase(hash) => hash.fmt(f),
            Self::Pbkdf2(hash) => hash.fmt(f),
            Self::Argon2(hash) => hash.fmt(f),
            Self::SaltedSha(hash) => hash.fmt(f),
        }
    }
}
