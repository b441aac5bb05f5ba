//! SHA over password and salt, as LDAP servers store it (RFC 2307 and its successors): `{SSHA}` and the
//! base64 of digest and salt.

use std::fmt;

use aws_lc_rs::digest::{self, Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA512};
use kernel::secret;

use super::encoding::{are_plausible, from_base64, to_base64};
use super::{Digest, Unacceptable};

/// A salted SHA hash.
#[cfg_attr(test, derive(Debug, PartialEq, Eq))]
pub struct SaltedSha {
    digest: Digest,
    salt: Vec<u8>,
    tag: Vec<u8>,
}

impl SaltedSha {
    /// Reads `{SSHA}…`, `{SSHA256}…` and `{SSHA512}…`.
    pub fn parse(text: &str) -> Result<Self, Unacceptable> {
        let (scheme, encoded) =
            text.strip_prefix('{').and_then(|rest| rest.split_once('}')).ok_or(Unacceptable::Unknown)?;
        let digest = match scheme.to_ascii_uppercase().as_str() {
            "SSHA" => Digest::Sha1,
            "SSHA256" => Digest::Sha256,
            "SSHA512" => Digest::Sha512,
            // Also `{SHA}` and `{MD5}`, which have no salt: a table of them is found by looking it up.
            _ => return Err(Unacceptable::Unknown),
        };
        let mut tag = from_base64(encoded).ok_or(Unacceptable::Malformed("salted SHA"))?;
        if tag.len() <= algorithm(digest).output_len() {
            return Err(Unacceptable::Malformed("salted SHA"));
        }
        let salt = tag.split_off(algorithm(digest).output_len());
        Self::new(digest, salt, tag)
    }

    /// One whose parts stand apart: the salt stands behind the password.
    pub fn new(digest: Digest, salt: Vec<u8>, tag: Vec<u8>) -> Result<Self, Unacceptable> {
        if !are_plausible(&salt, &tag) || tag.len() != algorithm(digest).output_len() {
            return Err(Unacceptable::Malformed("salted SHA"));
        }
        Ok(Self { digest, salt, tag })
    }

    pub(super) fn matches(&self, password: &[u8]) -> bool {
        let mut context = digest::Context::new(algorithm(self.digest));
        context.update(password);
        context.update(&self.salt);
        secret::equal(context.finish().as_ref(), &self.tag)
    }
}

fn algorithm(digest: Digest) -> &'static Algorithm {
    match digest {
        Digest::Sha1 => &SHA1_FOR_LEGACY_USE_ONLY,
        Digest::Sha256 => &SHA256,
        Digest::Sha512 => &SHA512,
    }
}

impl fmt::Display for SaltedSha {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.digest {
            Digest::Sha1 => "SSHA",
            Digest::Sha256 => "SSHA256",
            Digest::Sha512 => "SSHA512",
        };
        write!(f, "{{{scheme}}}{}", to_base64(&[&self.tag[..], &self.salt[..]].concat()))
    }
}
