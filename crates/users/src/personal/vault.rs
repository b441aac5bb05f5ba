//! The keys of personal data. Every person has one of their own; it is kept wrapped, by a key that is
//! derived from the master key. Whoever has the database alone has neither.

use std::sync::Arc;

use kernel::secret::{SealingKey, SealingRing, Unsealable, random_bytes};
use kernel::{Label, MacRing, MasterKeys, UserId};
use zeroize::Zeroizing;

/// What wraps people's keys, and makes the keyed hashes that values are found by. Cheap to clone.
#[derive(Clone)]
pub struct Vault(Arc<Parts>);

struct Parts {
    wrapping: SealingRing,
    index: MacRing,
}

/// A person's key as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct WrappedKey {
    pub(crate) wrapped: Vec<u8>,
    /// The id of the key that wrapped it.
    pub(crate) wrapped_by: Vec<u8>,
}

/// A person's key, open.
pub(crate) struct PersonalKey {
    user: UserId,
    key: SealingKey,
}

impl Vault {
    /// With the keys that these master keys give.
    pub fn new(master: &MasterKeys) -> Self {
        Self(Arc::new(Parts {
            wrapping: master.sealing_ring(Label::KeyEncryption),
            index: master.mac_ring(Label::BlindIndex),
        }))
    }

    /// A new key for this person, open and wrapped.
    pub(crate) fn make_key(&self, user: UserId) -> Result<(PersonalKey, WrappedKey), Unsealable> {
        let key = Zeroizing::new(random_bytes::<32>());
        let wrapped = self.0.wrapping.seal(&key_place(user), &*key)?;
        let wrapped_by = self.current().to_vec();
        Ok((PersonalKey { user, key: SealingKey::new(&key) }, WrappedKey { wrapped, wrapped_by }))
    }

    /// Opens this person's key.
    pub(crate) fn open_key(&self, user: UserId, stored: &WrappedKey) -> Result<PersonalKey, Unsealable> {
        let key = self.unwrap(user, stored)?;
        Ok(PersonalKey { user, key: SealingKey::new(&key) })
    }

    /// The same key, wrapped by the key of today.
    pub(crate) fn rewrap_key(&self, user: UserId, stored: &WrappedKey) -> Result<WrappedKey, Unsealable> {
        let key = self.unwrap(user, stored)?;
        let wrapped = self.0.wrapping.seal(&key_place(user), &*key)?;
        Ok(WrappedKey { wrapped, wrapped_by: self.current().to_vec() })
    }

    fn unwrap(&self, user: UserId, stored: &WrappedKey) -> Result<Zeroizing<[u8; 32]>, Unsealable> {
        let by = stored.wrapped_by.as_slice().try_into().map_err(|_| Unsealable)?;
        let plain = self.0.wrapping.open_with(by, &key_place(user), &stored.wrapped)?;
        Ok(Zeroizing::new(plain.as_slice().try_into().map_err(|_| Unsealable)?))
    }

    /// The id of the key that wraps now.
    pub(crate) fn current(&self) -> [u8; 6] {
        self.0.wrapping.current_id()
    }

    /// What a value of an attribute is found by. It is keyed, so that nobody who has the database alone can
    /// try all telephone numbers, and bound to the attribute, so that equal values of two do not show.
    pub(crate) fn lookup(&self, name: &str, normalised: &str) -> Vec<u8> {
        self.0.index.sign(&[b"user_attributes", name.as_bytes(), normalised.as_bytes()]).to_vec()
    }

    /// The same, by every key that may have made it: the current one first.
    pub(crate) fn lookups(&self, name: &str, normalised: &str) -> Vec<Vec<u8>> {
        let parts: [&[u8]; 3] = [b"user_attributes", name.as_bytes(), normalised.as_bytes()];
        self.0.index.keys().map(|key| key.sign(&parts).to_vec()).collect()
    }
}

impl PersonalKey {
    /// Encrypts the value of an attribute.
    pub(crate) fn seal(&self, name: &str, value: &str) -> Result<Vec<u8>, Unsealable> {
        self.key.seal(&attribute_place(self.user, name), value.as_bytes())
    }

    /// Decrypts it: only what was sealed for this person and this attribute.
    pub(crate) fn open(&self, name: &str, sealed: &[u8]) -> Result<String, Unsealable> {
        let plain = self.key.open(&attribute_place(self.user, name), sealed)?;
        String::from_utf8(plain.to_vec()).map_err(|_| Unsealable)
    }

    /// Encrypts a fact of an event.
    pub(crate) fn seal_said(&self, name: &str, text: &str) -> Result<Vec<u8>, Unsealable> {
        self.key.seal(&fact_place(self.user, name), text.as_bytes())
    }

    /// Decrypts it: only what was sealed for this person and this fact.
    pub(crate) fn open_said(&self, name: &str, sealed: &[u8]) -> Result<String, Unsealable> {
        let plain = self.key.open(&fact_place(self.user, name), sealed)?;
        String::from_utf8(plain.to_vec()).map_err(|_| Unsealable)
    }
}

/// Table, and row: what a wrapped key is bound to.
fn key_place(user: UserId) -> Vec<u8> {
    [b"user_keys/wrapped/", &user.as_bytes()[..]].concat()
}

/// Table, column, name and row: what a sealed value is bound to. A name has no slash.
fn attribute_place(user: UserId, name: &str) -> Vec<u8> {
    [b"user_attributes/sealed/", name.as_bytes(), b"/", &user.as_bytes()[..]].concat()
}

/// What a sealed fact of an event is bound to.
fn fact_place(user: UserId, name: &str) -> Vec<u8> {
    [b"ledger/body/", name.as_bytes(), b"/", &user.as_bytes()[..]].concat()
}

#[cfg(test)]
mod tests {
    use kernel::Timestamp;

    use super::*;

    fn user() -> UserId {
        UserId::new(Timestamp::from_unix_seconds(1_795_000_000))
    }

    #[test]
    fn d1_swapped_ciphertexts_never_open() {
        let vault = Vault::new(&MasterKeys::generate());
        let (ann, bob) = (user(), user());
        let (anns, wrapped) = vault.make_key(ann).unwrap();
        let (bobs, _) = vault.make_key(bob).unwrap();
        let phone = anns.seal("phone_number", "+4915112345678").unwrap();
        assert_eq!(anns.open("phone_number", &phone).unwrap(), "+4915112345678");
        assert!(anns.open("address", &phone).is_err(), "another attribute");
        assert!(bobs.open("phone_number", &phone).is_err(), "another person");
        let device = anns.seal_said("device", "Firefox, macOS").unwrap();
        assert_eq!(anns.open_said("device", &device).unwrap(), "Firefox, macOS");
        assert!(anns.open_said("other", &device).is_err(), "another fact");
        assert!(anns.open("device", &device).is_err(), "a fact is no attribute");
        assert!(bobs.open_said("device", &device).is_err(), "another person");
        // Not even with the right key can it be another person's.
        assert!(vault.open_key(bob, &wrapped).is_err());
        let posing = PersonalKey { user: bob, ..vault.open_key(ann, &wrapped).unwrap() };
        assert!(posing.open("phone_number", &phone).is_err());
        assert!(Vault::new(&MasterKeys::generate()).open_key(ann, &wrapped).is_err(), "another master key");
        for index in 0..phone.len() {
            let mut flipped = phone.clone();
            flipped[index] ^= 1;
            assert!(anns.open("phone_number", &flipped).is_err(), "bit {index}");
        }
    }

    #[test]
    fn d15_a_rewrapped_key_is_the_same_key_and_needs_no_old_master_key() {
        let old = MasterKeys::generate();
        let new_text = MasterKeys::generate().to_text();
        let both = MasterKeys::parse(&format!("{}{}", &*new_text, &*old.to_text())).unwrap();
        let (ann, vault) = (user(), Vault::new(&old));
        let (key, wrapped) = vault.make_key(ann).unwrap();
        let phone = key.seal("phone_number", "+4915112345678").unwrap();
        let rewrapped = Vault::new(&both).rewrap_key(ann, &wrapped).unwrap();
        assert_ne!(rewrapped.wrapped_by, wrapped.wrapped_by);
        let only_new = Vault::new(&MasterKeys::parse(&new_text).unwrap());
        assert!(only_new.open_key(ann, &wrapped).is_err());
        let opened = only_new.open_key(ann, &rewrapped).unwrap();
        assert_eq!(opened.open("phone_number", &phone).unwrap(), "+4915112345678");
    }

    #[test]
    fn lookups_are_of_one_attribute_and_found_by_every_key() {
        let old = MasterKeys::generate();
        let both = MasterKeys::parse(&format!("{}{}", &*MasterKeys::generate().to_text(), &*old.to_text())).unwrap();
        let (before, now) = (Vault::new(&old), Vault::new(&both));
        let made = before.lookup("phone_number", "+4915112345678");
        assert_ne!(made, before.lookup("mobile", "+4915112345678"));
        assert_ne!(made, now.lookup("phone_number", "+4915112345678"));
        assert!(now.lookups("phone_number", "+4915112345678").contains(&made));
    }
}
