//! scrypt (RFC 7914): `$scrypt$ln=17,r=8,p=1$salt$tag`.

use std::fmt;

use ::scrypt::Params;
use kernel::secret;
use zeroize::Zeroizing;

use super::encoding::{are_plausible, from_base64, to_base64};
use super::{HashError, Unacceptable};

/// The most blocks of 128 bytes that are filled at once: 256 MiB.
const MOST_BLOCKS: u64 = 1 << 21;
/// The most that are filled in all: about a second.
const MOST_WORK: u64 = 1 << 21;
/// N·r·p of what OWASP names: 2^17·8·1.
const NOT_WEAK: u64 = 1 << 20;

/// What it costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cost {
    pub(super) log_n: u8,
    pub(super) r: u32,
    pub(super) p: u32,
}

impl Cost {
    pub(super) fn checked(log_n: u8, r: u32, p: u32) -> Result<Self, Unacceptable> {
        if !(1..64).contains(&log_n) || r == 0 || p == 0 {
            return Err(Unacceptable::Malformed("scrypt"));
        }
        let blocks = (1_u64 << log_n).saturating_mul(u64::from(r));
        if blocks > MOST_BLOCKS || blocks.saturating_mul(u64::from(p)) > MOST_WORK {
            return Err(Unacceptable::TooCostly("scrypt"));
        }
        Ok(Self { log_n, r, p })
    }

    pub(super) fn derive(self, password: &[u8], salt: &[u8], out: &mut [u8]) -> Result<(), HashError> {
        let params = Params::new(self.log_n, self.r, self.p).map_err(|_| HashError)?;
        ::scrypt::scrypt(password, salt, &params, out).map_err(|_| HashError)
    }

    pub(super) fn is_weak(self) -> bool {
        (1_u64 << self.log_n) * u64::from(self.r) * u64::from(self.p) < NOT_WEAK
    }
}

/// A scrypt hash.
#[cfg_attr(test, derive(Debug, PartialEq, Eq))]
pub struct Scrypt {
    cost: Cost,
    salt: Vec<u8>,
    tag: Vec<u8>,
}

impl Scrypt {
    /// Reads `$scrypt$ln=17,r=8,p=1$salt$tag`.
    pub fn parse(text: &str) -> Result<Self, Unacceptable> {
        Self::read(text).unwrap_or(Err(Unacceptable::Malformed("scrypt")))
    }

    fn read(text: &str) -> Option<Result<Self, Unacceptable>> {
        let parts: Vec<&str> = text.split('$').collect();
        let ["", "scrypt", params, salt, tag] = parts[..] else { return None };
        let mut params = params.split(',');
        let mut value = |name: &str| params.next()?.strip_prefix(name)?.strip_prefix('=');
        let (log_n, r, p) = (value("ln")?.parse().ok()?, value("r")?.parse().ok()?, value("p")?.parse().ok()?);
        let (salt, tag) = (from_base64(salt)?, from_base64(tag)?);
        Some(Cost::checked(log_n, r, p).and_then(|cost| Self::checked(cost, salt, tag)))
    }

    /// One whose parts stand apart: `n` is the number itself, a power of two.
    pub fn new(n: u64, r: u32, p: u32, salt: Vec<u8>, tag: Vec<u8>) -> Result<Self, Unacceptable> {
        if !n.is_power_of_two() {
            return Err(Unacceptable::Malformed("scrypt"));
        }
        let log_n = u8::try_from(n.trailing_zeros()).map_err(|_| Unacceptable::Malformed("scrypt"))?;
        Self::checked(Cost::checked(log_n, r, p)?, salt, tag)
    }

    fn checked(cost: Cost, salt: Vec<u8>, tag: Vec<u8>) -> Result<Self, Unacceptable> {
        if are_plausible(&salt, &tag) { Ok(Self { cost, salt, tag }) } else { Err(Unacceptable::Malformed("scrypt")) }
    }

    pub(super) fn matches(&self, password: &[u8]) -> Result<bool, HashError> {
        let mut computed = Zeroizing::new(vec![0; self.tag.len()]);
        self.cost.derive(password, &self.salt, &mut computed)?;
        Ok(secret::equal(&computed, &self.tag))
    }

    pub(super) fn is_weak(&self) -> bool {
        self.cost.is_weak()
    }
}

impl fmt::Display for Scrypt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Cost { log_n, r, p } = self.cost;
        write!(f, "$scrypt$ln={log_n},r={r},p={p}${}${}", to_base64(&self.salt), to_base64(&self.tag))
    }
}
