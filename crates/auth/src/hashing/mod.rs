//! Hashing passwords: Argon2id (RFC 9106) over HMAC-SHA256(pepper, password), on a bounded pool of
//! threads that keep their memory.
//!
//! - `pool` decides who may hash now, who waits, and who is told to come back.
//! - `memory` is a thread's block of memory, in huge pages where the system gives them.
//! - `phc` is the text that is stored.
//! - `foreign` checks hashes that came with an import, until they are replaced.

pub mod foreign;
mod memory;
mod phc;
mod pool;

use argon2::{Algorithm, Argon2, Params, Version};
use kernel::secret::random_bytes;
use kernel::{MacRing, secret};
use zeroize::Zeroizing;

pub use foreign::{ForeignHash, Unacceptable};
pub use memory::Memory;
pub use phc::StoredHash;
pub use pool::{Busy, Hasher, Place, Stats};

use crate::Password;

/// What a hash costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Memory, in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

/// How many hashes at once, and how many may wait.
#[derive(Clone, Debug)]
pub struct HashSettings {
    /// What a hash costs.
    pub cost: Cost,
    /// Threads: as many as cores, for more would only take turns.
    pub threads: usize,
    /// How many may wait for one before the next is answered with 503.
    pub queue: usize,
}

/// Why a hash could not be computed. It cannot happen with a cost that [`Cost::is_allowed`].
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the password could not be hashed: the Argon2 parameters are out of range")]
pub struct HashError;

impl Cost {
    /// Whether it is as strong as one of the settings that OWASP's Password Storage Cheat Sheet
    /// names for Argon2id: more memory needs fewer passes.
    pub const fn is_allowed(&self) -> bool {
        let least_memory = match self.passes {
            0 => return false,
            1 => 47_104,
            2 => 19_456,
            3 => 12_288,
            4 => 9_216,
            _ => 7_168,
        };
        self.memory_kib >= least_memory && self.memory_kib <= 1 << 20 && self.lanes >= 1 && self.lanes <= 16
    }

    /// KiB, which are also Argon2's blocks: rounded down to what the lanes can share evenly.
    pub(super) const fn blocks(&self) -> usize {
        let unit = 4 * self.lanes;
        (self.memory_kib / unit * unit) as usize
    }
}

/// Hashes a password with a new salt.
pub fn hash(memory: &mut Memory, pepper: &MacRing, password: &Password, cost: Cost) -> Result<String, HashError> {
    let salt = random_bytes::<16>();
    let key = pepper.current();
    let tag = argon2id(memory, key.sign(&[password.as_bytes()]), &salt, cost)?;
    Ok(StoredHash { cost, pepper: key.id(), salt: salt.to_vec(), tag: tag.to_vec() }.to_string())
}

/// What came of comparing a password with a stored hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// It is the password, hashed as it would be today.
    Same,
    /// It is the password; the cost or the pepper has changed since.
    SameButOld,
    /// It is not.
    Different,
}

/// Compares a password with a stored hash, in constant time.
pub fn compare(
    memory: &mut Memory,
    pepper: &MacRing,
    password: &Password,
    stored: &str,
    today: Cost,
) -> Result<Comparison, HashError> {
    let Some(stored) = StoredHash::parse(stored) else {
        return compare_foreign(memory, pepper, password, stored, today);
    };
    let Some(key) = pepper.by_id(stored.pepper) else {
        decoy(memory, pepper, password, stored.cost)?;
        return Ok(Comparison::Different);
    };
    let tag = argon2id(memory, key.sign(&[password.as_bytes()]), &stored.salt, stored.cost)?;
    if !secret::equal(&*tag, &stored.tag) {
        return Ok(Comparison::Different);
    }
    let current = stored.cost == today && stored.pepper == pepper.current().id();
    Ok(if current { Comparison::Same } else { Comparison::SameButOld })
}

/// A hash from elsewhere may be so cheap that the answer would come sooner than for an account that does
/// not exist. So whoever is refused costs one hash of ours in addition; whoever comes in costs that as
/// well, for their password is hashed anew.
fn compare_foreign(
    memory: &mut Memory,
    pepper: &MacRing,
    password: &Password,
    stored: &str,
    today: Cost,
) -> Result<Comparison, HashError> {
    if let Ok(foreign) = ForeignHash::parse(stored)
        && foreign.matches(memory, password.as_bytes())?
    {
        return Ok(Comparison::SameButOld);
    }
    decoy(memory, pepper, password, today)?;
    Ok(Comparison::Different)
}

/// Whether a stored hash was made here.
pub(crate) fn is_own(stored: &str) -> bool {
    StoredHash::parse(stored).is_some()
}

/// Does the work of a comparison for an account that has nothing to compare with.
pub fn decoy(memory: &mut Memory, pepper: &MacRing, password: &Password, cost: Cost) -> Result<(), HashError> {
    argon2id(memory, pepper.sign(&[password.as_bytes()]), &[0; 16], cost).map(drop)
}

fn argon2id(
    memory: &mut Memory,
    peppered: [u8; 32],
    salt: &[u8],
    cost: Cost,
) -> Result<Zeroizing<[u8; 32]>, HashError> {
    let peppered = Zeroizing::new(peppered);
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32)).map_err(|_| HashError)?;
    let mut tag = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(&*peppered, salt, &mut *tag, memory.blocks(cost.blocks()))
        .map_err(|_| HashError)?;
    Ok(tag)
}

#[cfg(test)]
mod tests {
    use kernel::{Label, MasterKeys};

    use super::*;

    const COST: Cost = Cost { memory_kib: 7168, passes: 5, lanes: 1 };

    fn pepper(keys: &MasterKeys) -> MacRing {
        keys.mac_ring(Label::PasswordPepper)
    }

    #[test]
    fn p8_hashes_are_argon2id_at_an_allowed_cost() {
        let pepper = pepper(&MasterKeys::generate());
        let password = Password::prepare("correct horse").unwrap();
        let hash = hash(&mut Memory::default(), &pepper, &password, COST).unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=7168,t=5,p=1,keyid="), "{hash}");
        for (memory_kib, passes, allowed) in [
            (47_104, 1, true),
            (19_456, 2, true),
            (19_455, 2, false),
            (12_288, 3, true),
            (9_216, 4, true),
            (7_168, 5, true),
            (7_167, 9, false),
            (4_000_000, 2, false),
        ] {
            assert_eq!(Cost { memory_kib, passes, lanes: 1 }.is_allowed(), allowed, "{memory_kib}/{passes}");
        }
    }

    #[test]
    fn p2_no_truncation() {
        let pepper = pepper(&MasterKeys::generate());
        let mut memory = Memory::default();
        for length in [64, 72, 73, 128, 1024] {
            let typed = "k".repeat(length - 1);
            let right = Password::prepare(&format!("{typed}a")).unwrap();
            let wrong = Password::prepare(&format!("{typed}b")).unwrap();
            let stored = hash(&mut memory, &pepper, &right, COST).unwrap();
            assert_eq!(compare(&mut memory, &pepper, &right, &stored, COST).unwrap(), Comparison::Same);
            assert_eq!(compare(&mut memory, &pepper, &wrong, &stored, COST).unwrap(), Comparison::Different);
        }
    }

    #[test]
    fn p10_salts_differ() {
        let pepper = pepper(&MasterKeys::generate());
        let password = Password::prepare("correct horse").unwrap();
        let mut memory = Memory::default();
        let hashes: std::collections::HashSet<String> =
            (0..8).map(|_| hash(&mut memory, &pepper, &password, COST).unwrap()).collect();
        assert_eq!(hashes.len(), 8);
    }

    #[test]
    fn p11_old_peppers_verify_and_are_replaced_and_foreign_ones_never_match() {
        let old = MasterKeys::generate();
        let rotated = MasterKeys::parse(&format!("{}{}", &*MasterKeys::generate().to_text(), &*old.to_text())).unwrap();
        let password = Password::prepare("correct horse").unwrap();
        let mut memory = Memory::default();
        let stored = hash(&mut memory, &pepper(&old), &password, COST).unwrap();
        let mut against = |keys: &MasterKeys| compare(&mut memory, &pepper(keys), &password, &stored, COST).unwrap();
        assert_eq!(against(&old), Comparison::Same);
        assert_eq!(against(&rotated), Comparison::SameButOld);
        assert_eq!(against(&MasterKeys::generate()), Comparison::Different);
    }

    #[test]
    fn r3_a_cheap_foreign_hash_costs_a_hash_of_ours_right_or_wrong() {
        let pepper = pepper(&MasterKeys::generate());
        let mut memory = Memory::default();
        let stored = "{SSHA}6j9HO8a2Y3GqNjlyfor0bQb9kogBAgMEBQYHCA==";
        let mut computed = |typed: &str| {
            let password = Password::prepare(typed).unwrap();
            let outcome = compare(&mut memory, &pepper, &password, stored, COST).unwrap();
            if outcome == Comparison::SameButOld {
                hash(&mut memory, &pepper, &password, COST).unwrap();
            }
            (outcome, memory.take_count())
        };
        assert_eq!(computed("testing123"), (Comparison::SameButOld, 1));
        assert_eq!(computed("testing124"), (Comparison::Different, 1));
    }

    #[test]
    fn a_changed_cost_is_noticed_and_a_broken_hash_matches_nothing() {
        let pepper = pepper(&MasterKeys::generate());
        let password = Password::prepare("correct horse").unwrap();
        let mut memory = Memory::default();
        let stored = hash(&mut memory, &pepper, &password, COST).unwrap();
        let dearer = Cost { passes: 6, ..COST };
        assert_eq!(compare(&mut memory, &pepper, &password, &stored, dearer).unwrap(), Comparison::SameButOld);
        for broken in ["", "$argon2id$", "$2b$10$abcdefghijklmnopqrstuv", &stored[..stored.len() - 1]] {
            assert_eq!(compare(&mut memory, &pepper, &password, broken, COST).unwrap(), Comparison::Different);
        }
    }
}
