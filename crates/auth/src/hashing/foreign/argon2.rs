//! Argon2 (RFC 9106) as others store it, without our pepper: `$argon2id$v=19$m=65536,t=3,p=4$salt$tag`.

use std::fmt;

use ::argon2::{Algorithm, Argon2, Params, Version};
use kernel::secret;
use zeroize::Zeroizing;

use super::encoding::{are_plausible, from_base64, to_base64};
use super::{HashError, Memory, Unacceptable};
use crate::hashing::Cost;

/// The most memory, in KiB: 256 MiB.
const MOST_MEMORY: u32 = 256 << 10;
/// The most KiB that are written in all passes: about a second.
const MOST_WORK: u64 = 2_000_000;
/// The shortest salt that Argon2 takes, in bytes.
const SHORTEST_SALT: usize = 8;

/// An Argon2 hash of others.
#[cfg_attr(test, derive(Debug, PartialEq, Eq))]
pub struct ForeignArgon2 {
    algorithm: Algorithm,
    version: Version,
    cost: Cost,
    salt: Vec<u8>,
    tag: Vec<u8>,
}

impl ForeignArgon2 {
    /// Reads a PHC string. Without `v=` it is of version 16, from before there were versions.
    pub fn parse(text: &str) -> Result<Self, Unacceptable> {
        Self::read(text).unwrap_or(Err(Unacceptable::Malformed("Argon2")))
    }

    fn read(text: &str) -> Option<Result<Self, Unacceptable>> {
        let parts: Vec<&str> = text.split('$').collect();
        let (name, version, params, salt, tag) = match parts[..] {
            ["", name, version, params, salt, tag] => (name, version.strip_prefix("v=")?, params, salt, tag),
            ["", name, params, salt, tag] => (name, "16", params, salt, tag),
            _ => return None,
        };
        let version = match version {
            "16" => Version::V0x10,
            "19" => Version::V0x13,
            _ => return None,
        };
        let algorithm = match name {
            "argon2i" => Algorithm::Argon2i,
            "argon2d" => Algorithm::Argon2d,
            "argon2id" => Algorithm::Argon2id,
            _ => return None,
        };
        let mut params = params.split(',');
        let mut value = |name: &str| params.next()?.strip_prefix(name)?.strip_prefix('=')?.parse().ok();
        let cost = Cost { memory_kib: value("m")?, passes: value("t")?, lanes: value("p")? };
        // What follows would be a key or data that is not here: without it no password can match.
        if params.next().is_some() {
            return None;
        }
        Some(Self::new(algorithm, version, cost, from_base64(salt)?, from_base64(tag)?))
    }

    /// One whose parts stand apart.
    pub(super) fn new(
        algorithm: Algorithm,
        version: Version,
        cost: Cost,
        salt: Vec<u8>,
        tag: Vec<u8>,
    ) -> Result<Self, Unacceptable> {
        let Cost { memory_kib, passes, lanes } = cost;
        if !are_plausible(&salt, &tag) || salt.len() < SHORTEST_SALT || passes == 0 || lanes == 0 {
            return Err(Unacceptable::Malformed("Argon2"));
        }
        if memory_kib > MOST_MEMORY || u64::from(memory_kib) * u64::from(passes) > MOST_WORK || lanes > 64 {
            return Err(Unacceptable::TooCostly("Argon2"));
        }
        if memory_kib < 8 * lanes {
            return Err(Unacceptable::Malformed("Argon2"));
        }
        Ok(Self { algorithm, version, cost, salt, tag })
    }

    pub(super) fn matches(&self, memory: &mut Memory, password: &[u8]) -> Result<bool, HashError> {
        let Self { algorithm, version, cost, salt, tag } = self;
        let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(tag.len())).map_err(|_| HashError)?;
        let mut computed = Zeroizing::new(vec![0; tag.len()]);
        Argon2::new(*algorithm, *version, params)
            .hash_password_into_with_memory(password, salt, &mut computed, memory.blocks(cost.blocks()))
            .map_err(|_| HashError)?;
        Ok(secret::equal(&computed, tag))
    }

    pub(super) fn is_weak(&self) -> bool {
        !self.cost.is_allowed()
    }
}

impl fmt::Display for ForeignArgon2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.algorithm {
            Algorithm::Argon2i => "argon2i",
            Algorithm::Argon2d => "argon2d",
            Algorithm::Argon2id => "argon2id",
        };
        let version = match self.version {
            Version::V0x10 => 16,
            Version::V0x13 => 19,
        };
        let Cost { memory_kib, passes, lanes } = self.cost;
        let (salt, tag) = (to_base64(&self.salt), to_base64(&self.tag));
        write!(f, "${name}$v={version}$m={memory_kib},t={passes},p={lanes}${salt}${tag}")
    }
}
