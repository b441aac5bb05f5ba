//! The text of a stored hash, in the PHC string format:
//! `$argon2id$v=19$m=19456,t=2,p=1,keyid=…$salt$tag`. `keyid` names the pepper.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::Cost;

/// A stored hash, taken apart.
// No `==` outside of tests: hashes are compared in constant time.
#[cfg_attr(test, derive(Debug, PartialEq, Eq))]
pub struct StoredHash {
    /// What it cost.
    pub cost: Cost,
    /// Which pepper it was made with.
    pub pepper: [u8; 6],
    /// Its salt.
    pub salt: Vec<u8>,
    /// The hash itself.
    pub tag: Vec<u8>,
}

impl StoredHash {
    /// Reads the text; nothing if it is not of this form.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix("$argon2id$v=19$")?.split('$');
        let (params, salt, tag) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let mut params = params.split(',');
        let mut value = |name: &str| params.next()?.strip_prefix(name)?.strip_prefix('=');
        let cost = Cost {
            memory_kib: value("m")?.parse().ok()?,
            passes: value("t")?.parse().ok()?,
            lanes: value("p")?.parse().ok()?,
        };
        let pepper = decode(value("keyid")?)?.try_into().ok()?;
        let (salt, tag) = (decode(salt)?, decode(tag)?);
        (tag.len() == 32 && salt.len() >= 16).then_some(Self { cost, pepper, salt, tag })
    }
}

fn decode(text: &str) -> Option<Vec<u8>> {
    STANDARD_NO_PAD.decode(text).ok()
}

impl fmt::Display for StoredHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Cost { memory_kib, passes, lanes } = self.cost;
        write!(
            f,
            "$argon2id$v=19$m={memory_kib},t={passes},p={lanes},keyid={}${}${}",
            STANDARD_NO_PAD.encode(self.pepper),
            STANDARD_NO_PAD.encode(&self.salt),
            STANDARD_NO_PAD.encode(&self.tag)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_parts_are_the_same() {
        let cost = Cost { memory_kib: 19_456, passes: 2, lanes: 1 };
        let stored = StoredHash { cost, pepper: [1, 2, 3, 4, 5, 6], salt: vec![7; 16], tag: vec![8; 32] };
        assert_eq!(StoredHash::parse(&stored.to_string()), Some(stored));
    }
}
