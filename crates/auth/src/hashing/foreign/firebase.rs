//! The scrypt of Firebase Authentication (github.com/firebase/scrypt): scrypt makes an AES-256 key of
//! the password, and what is kept is the project's *signer key*, encrypted with it in counter mode.
//!
//! The signer key is the same for all accounts of a project. It is stored with each of them, so that a
//! hash can be checked with nothing but itself.

use std::fmt;

use aws_lc_rs::cipher::{AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use kernel::secret;
use zeroize::Zeroizing;

use super::encoding::{from_base64, to_base64};
use super::scrypt::Cost;
use super::{HashError, Unacceptable};

/// What all accounts of a project share, as the console shows it under “Password hash parameters”.
#[derive(Clone)]
pub struct FirebaseParameters {
    cost: Cost,
    signer_key: Vec<u8>,
    separator: Vec<u8>,
}

impl FirebaseParameters {
    /// Reads them: `base64_signer_key`, `base64_salt_separator`, `rounds` and `mem_cost`.
    pub fn parse(signer_key: &str, separator: &str, rounds: u32, mem_cost: u8) -> Result<Self, Unacceptable> {
        let malformed = Unacceptable::Malformed("Firebase's scrypt");
        let signer_key = from_base64(signer_key).filter(|key| (16..=128).contains(&key.len())).ok_or(malformed)?;
        let separator = from_base64(separator).filter(|bytes| bytes.len() <= 64).ok_or(malformed)?;
        Ok(Self { cost: Cost::checked(mem_cost, rounds, 1)?, signer_key, separator })
    }
}

/// One account's hash.
#[cfg_attr(test, derive(Debug, PartialEq, Eq))]
pub struct FirebaseScrypt {
    cost: Cost,
    signer_key: Vec<u8>,
    separator: Vec<u8>,
    salt: Vec<u8>,
    tag: Vec<u8>,
}

impl FirebaseScrypt {
    /// Reads what an export has of an account: `passwordHash` and `salt`, both base64.
    pub fn new(parameters: &FirebaseParameters, hash: &str, salt: &str) -> Result<Self, Unacceptable> {
        let malformed = Unacceptable::Malformed("Firebase's scrypt");
        let FirebaseParameters { cost, signer_key, separator } = parameters.clone();
        let (tag, salt) = (from_base64(hash).ok_or(malformed)?, from_base64(salt).ok_or(malformed)?);
        if tag.len() != signer_key.len() || !(1..=128).contains(&salt.len()) {
            return Err(malformed);
        }
        Ok(Self { cost, signer_key, separator, salt, tag })
    }

    /// Reads the stored text.
    pub fn parse(text: &str) -> Result<Self, Unacceptable> {
        Self::read(text).unwrap_or(Err(Unacceptable::Malformed("Firebase's scrypt")))
    }

    fn read(text: &str) -> Option<Result<Self, Unacceptable>> {
        let parts: Vec<&str> = text.split('$').collect();
        let ["", "firebase-scrypt", params, salt, separator, signer_key, tag] = parts[..] else { return None };
        let (rounds, mem_cost) = params.strip_prefix("r=")?.split_once(",m=")?;
        let (rounds, mem_cost) = (rounds.parse().ok()?, mem_cost.parse().ok()?);
        let parameters = FirebaseParameters::parse(signer_key, separator, rounds, mem_cost);
        Some(parameters.and_then(|parameters| Self::new(&parameters, tag, salt)))
    }

    pub(super) fn matches(&self, password: &[u8]) -> Result<bool, HashError> {
        let salt = [&self.salt[..], &self.separator[..]].concat();
        let mut derived = Zeroizing::new([0; 64]);
        self.cost.derive(password, &salt, &mut *derived)?;
        let key =
            UnboundCipherKey::new(&AES_256, &derived[..32]).and_then(EncryptingKey::ctr).map_err(|_| HashError)?;
        let mut computed = Zeroizing::new(self.signer_key.clone());
        // The key is used for this one text, so that a nonce of nothing but zeros is no repetition.
        key.less_safe_encrypt(&mut computed, EncryptionContext::Iv128(FixedLength::from([0; 16])))
            .map_err(|_| HashError)?;
        Ok(secret::equal(&computed, &self.tag))
    }

    pub(super) fn is_weak(&self) -> bool {
        self.cost.is_weak()
    }
}

impl fmt::Display for FirebaseScrypt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Cost { log_n, r, .. } = self.cost;
        let [salt, separator, signer_key, tag] =
            [&self.salt, &self.separator, &self.signer_key, &self.tag].map(|bytes| to_base64(bytes));
        write!(f, "$firebase-scrypt$r={r},m={log_n}${salt}${separator}${signer_key}${tag}")
    }
}
