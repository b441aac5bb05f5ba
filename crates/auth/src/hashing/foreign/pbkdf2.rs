//! PBKDF2 (RFC 8018 §5.2): `$pbkdf2-sha256$i=600000$salt$tag`, and passlib's `$pbkdf2-sha256$600000$…`.

use std::fmt;
use std::num::NonZeroU32;

use aws_lc_rs::pbkdf2;
use kernel::secret;
use zeroize::Zeroizing;

use super::Unacceptable;
use super::encoding::{are_plausible, from_base64, to_base64};

/// The most rounds, counted for each block of output: about a second.
const MOST_ROUNDS: u64 = 2_500_000;

/// What it is made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digest {
    /// HMAC-SHA-1.
    Sha1,
    /// HMAC-SHA-256.
    Sha256,
    /// HMAC-SHA-512.
    Sha512,
}

impl Digest {
    /// By the name that PHC strings and others have for it.
    pub fn by_name(name: &str) -> Option<Self> {
        match name {
            "sha1" => Some(Self::Sha1),
            "sha256" => Some(Self::Sha256),
            "sha512" => Some(Self::Sha512),
            _ => None,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    const fn bytes(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    /// What OWASP names as the least.
    const fn not_weak(self) -> u32 {
        match self {
            Self::Sha1 => 1_300_000,
            Self::Sha256 => 600_000,
            Self::Sha512 => 210_000,
        }
    }
}

/// A PBKDF2 hash.
#[cfg_attr(test, derive(Debug, PartialEq, Eq))]
pub struct Pbkdf2 {
    digest: Digest,
    rounds: NonZeroU32,
    salt: Vec<u8>,
    tag: Vec<u8>,
}

impl Pbkdf2 {
    /// Reads `$pbkdf2-sha256$i=600000,l=32$salt$tag`; `l` may be missing, and so may `i=`.
    pub fn parse(text: &str) -> Result<Self, Unacceptable> {
        Self::read(text).unwrap_or(Err(Unacceptable::Malformed("PBKDF2")))
    }

    fn read(text: &str) -> Option<Result<Self, Unacceptable>> {
        let parts: Vec<&str> = text.split('$').collect();
        let ["", name, params, salt, tag] = parts[..] else { return None };
        let digest = match name.strip_prefix("pbkdf2")? {
            "" => Digest::Sha1,
            with => Digest::by_name(with.strip_prefix('-')?)?,
        };
        let mut params = params.split(',');
        let rounds = params.next()?;
        let rounds = rounds.strip_prefix("i=").unwrap_or(rounds).parse().ok()?;
        let (salt, tag) = (from_base64(salt)?, from_base64(tag)?);
        for param in params {
            if param.strip_prefix("l=")?.parse() != Ok(tag.len()) {
                return None;
            }
        }
        Some(Self::new(digest, rounds, salt, tag))
    }

    /// One whose parts stand apart.
    pub fn new(digest: Digest, rounds: u32, salt: Vec<u8>, tag: Vec<u8>) -> Result<Self, Unacceptable> {
        let malformed = Unacceptable::Malformed("PBKDF2");
        if !are_plausible(&salt, &tag) {
            return Err(malformed);
        }
        let blocks = tag.len().div_ceil(digest.bytes()) as u64;
        if u64::from(rounds).saturating_mul(blocks) > MOST_ROUNDS {
            return Err(Unacceptable::TooCostly("PBKDF2"));
        }
        Ok(Self { digest, rounds: NonZeroU32::new(rounds).ok_or(malformed)?, salt, tag })
    }

    pub(super) fn matches(&self, password: &[u8]) -> bool {
        let algorithm = match self.digest {
            Digest::Sha1 => pbkdf2::PBKDF2_HMAC_SHA1,
            Digest::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
            Digest::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
        };
        let mut computed = Zeroizing::new(vec![0; self.tag.len()]);
        pbkdf2::derive(algorithm, self.rounds, &self.salt, password, &mut computed);
        secret::equal(&computed, &self.tag)
    }

    pub(super) fn is_weak(&self) -> bool {
        self.rounds.get() < self.digest.not_weak()
    }
}

impl fmt::Display for Pbkdf2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { digest, rounds, salt, tag } = self;
        write!(f, "$pbkdf2-{}$i={rounds}${}${}", digest.name(), to_base64(salt), to_base64(tag))
    }
}
