//! bcrypt: `$2b$12$` with 22 characters of salt and 31 of hash.
//!
//! It reads 72 bytes of a password and no more, as the systems did that these hashes come from: longer
//! passwords that begin alike are one here, until the next sign-in makes a hash of ours, which reads all.

use std::fmt;

use aws_lc_rs::digest;
use base64::Engine as _;
use kernel::secret;
use zeroize::Zeroizing;

use super::Unacceptable;
use super::encoding::FOR_BCRYPT;

/// What bcrypt reads of a password, in bytes.
const READ: usize = 72;
/// The dearest that is taken: 2^14 rounds are about a second.
const DEAREST: u32 = 14;
/// The cheapest that is not called weak.
const NOT_WEAK: u32 = 10;

/// A bcrypt hash.
#[cfg_attr(test, derive(Debug, PartialEq, Eq))]
pub struct Bcrypt {
    /// Made of the hexadecimal SHA-256 of the password, as Django's `bcrypt_sha256` does.
    over_sha256: bool,
    version: Version,
    cost: u32,
    salt: [u8; 16],
    tag: [u8; 23],
}

/// The letters of its makers. They differ in mistakes with characters beyond ASCII and with passwords of
/// more than 255 bytes, which those who write `2a` today have all put right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    TwoA,
    TwoB,
    TwoY,
}

impl Version {
    const fn as_str(self) -> &'static str {
        match self {
            Self::TwoA => "2a",
            Self::TwoB => "2b",
            Self::TwoY => "2y",
        }
    }
}

impl Bcrypt {
    /// Reads `$2b$12$…`.
    pub fn parse(text: &str) -> Result<Self, Unacceptable> {
        let parts: Vec<&str> = text.split('$').collect();
        let ["", version, cost, rest] = parts[..] else { return Err(Unacceptable::Malformed("bcrypt")) };
        let version = match version {
            "2a" => Version::TwoA,
            "2b" => Version::TwoB,
            "2y" => Version::TwoY,
            _ => return Err(Unacceptable::Malformed("bcrypt")),
        };
        let two_digits = cost.len() == 2 && cost.bytes().all(|byte| byte.is_ascii_digit());
        let cost = cost.parse().ok().filter(|cost| two_digits && (4..=31).contains(cost));
        let cost = cost.ok_or(Unacceptable::Malformed("bcrypt"))?;
        if cost > DEAREST {
            return Err(Unacceptable::TooCostly("bcrypt"));
        }
        let (salt, tag) = rest.split_at_checked(22).ok_or(Unacceptable::Malformed("bcrypt"))?;
        let decode = |text: &str| FOR_BCRYPT.decode(text).map_err(|_| Unacceptable::Malformed("bcrypt"));
        let salt = decode(salt)?.try_into().map_err(|_| Unacceptable::Malformed("bcrypt"))?;
        let tag = decode(tag)?.try_into().map_err(|_| Unacceptable::Malformed("bcrypt"))?;
        Ok(Self { over_sha256: false, version, cost, salt, tag })
    }

    /// The same, made of a digest of the password.
    #[must_use]
    pub(super) fn over_sha256(self) -> Self {
        Self { over_sha256: true, ..self }
    }

    pub(super) fn matches(&self, password: &[u8]) -> bool {
        let mut key = Zeroizing::new(Vec::with_capacity(READ + 1));
        if self.over_sha256 {
            // Django: the digest in hexadecimal.
            let digest = digest::digest(&digest::SHA256, password);
            key.extend(digest.as_ref().iter().flat_map(|byte| format!("{byte:02x}").into_bytes()));
        } else {
            key.extend(password.iter().take(READ));
        }
        // The byte that ends a text in C is a part of what is read, where there is room for it.
        key.push(0);
        key.truncate(READ);
        let computed = Zeroizing::new(::bcrypt::bcrypt(self.cost, self.salt, &key));
        secret::equal(&computed[..23], &self.tag)
    }

    pub(super) fn is_weak(&self) -> bool {
        self.cost < NOT_WEAK
    }
}

impl fmt::Display for Bcrypt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let over = if self.over_sha256 { "bcrypt_sha256$" } else { "" };
        let (salt, tag) = (FOR_BCRYPT.encode(self.salt), FOR_BCRYPT.encode(self.tag));
        write!(f, "{over}${}${:02}${salt}{tag}", self.version.as_str(), self.cost)
    }
}
