//! Secrets: the master key and what is derived from it.
//!
//! Everything that Usher keeps secret is derived from one master key with HKDF-SHA256 (RFC 5869)
//! and a label. The master key is never in the database.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::{constant_time, hkdf, hmac, rand};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// `N` bytes from the cryptographic generator.
///
/// # Panics
/// If the operating system has no randomness to give: nothing may go on without it.
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    #[expect(clippy::expect_used, reason = "to go on without randomness would be worse than to stop")]
    rand::fill(&mut bytes).expect("the operating system gives randomness");
    bytes
}

/// What a derived key is for. Two purposes never share a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// HMAC of passwords before they are hashed.
    PasswordPepper,
    /// Browser cookies and form tokens.
    Cookie,
    /// One-time links and codes.
    Link,
    /// Refresh tokens.
    RefreshToken,
    /// Names of accounts in tables that must not hold e-mail addresses.
    BlindIndex,
    /// The key that encrypts other keys at rest.
    KeyEncryption,
    /// Tokens of services: verifiers that follow the feed, receivers of Shared Signals.
    ServiceToken,
    /// Exports, while they wait to be fetched.
    Export,
    /// The gateway's own signing key, for what it says to upstreams.
    GatewayIdentity,
    /// The key by which push services of browsers know who asks.
    WebPush,
}

impl Label {
    const fn as_bytes(self) -> &'static [u8] {
        match self {
            Self::PasswordPepper => b"usher/v1/password-pepper",
            Self::Cookie => b"usher/v1/cookie",
            Self::Link => b"usher/v1/link",
            Self::RefreshToken => b"usher/v1/refresh-token",
            Self::BlindIndex => b"usher/v1/blind-index",
            Self::KeyEncryption => b"usher/v1/key-encryption",
            Self::ServiceToken => b"usher/v1/service-token",
            Self::Export => b"usher/v1/export",
            Self::GatewayIdentity => b"usher/v1/gateway-identity",
            Self::WebPush => b"usher/v1/web-push",
        }
    }
}

/// The one key from which all others are derived: at least 32 bytes.
#[derive(Clone)]
struct MasterKey(Zeroizing<Vec<u8>>);

/// The master key and those it has replaced. What was made with an old one still opens and
/// verifies; everything new is made with the first.
#[derive(Clone)]
pub struct MasterKeys(Vec<MasterKey>);

/// Master keys that cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum MasterKeyError {
    /// There is none.
    #[error("there is no master key: make one with `openssl rand -base64 32`")]
    Missing,
    /// It is not base64 (RFC 4648 §4).
    #[error("the master key is not base64: make one with `openssl rand -base64 32`")]
    NotBase64,
    /// It has fewer than 32 bytes.
    #[error("the master key has {0} bytes and needs at least 32: make one with `openssl rand -base64 32`")]
    TooShort(usize),
}

impl MasterKeys {
    /// One new random key.
    pub fn generate() -> Self {
        Self(vec![MasterKey(Zeroizing::new(random_bytes::<32>().to_vec()))])
    }

    /// Reads keys in base64, separated by white space: the current one, then those before it.
    pub fn parse(text: &str) -> Result<Self, MasterKeyError> {
        let keys: Vec<MasterKey> = text.split_whitespace().map(MasterKey::from_base64).collect::<Result<_, _>>()?;
        if keys.is_empty() { Err(MasterKeyError::Missing) } else { Ok(Self(keys)) }
    }

    /// The keys in base64, a line each, for their file.
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(self.0.iter().map(|key| STANDARD.encode(&*key.0) + "\n").collect())
    }

    /// The HMAC-SHA256 keys for a purpose.
    pub fn mac_ring(&self, label: Label) -> MacRing {
        MacRing(self.0.iter().map(|key| MacKey(hmac::Key::new(hmac::HMAC_SHA256, &*key.derive(label)))).collect())
    }

    /// 32 bytes for a purpose, of the current key: what a key pair can be made from.
    pub fn seed(&self, label: Label) -> Zeroizing<[u8; 32]> {
        // There is always one: `parse` and `generate` see to it.
        self.0.first().map_or_else(|| Zeroizing::new([0; 32]), |key| key.derive(label))
    }

    /// The same of all keys, the current one first.
    pub fn seeds(&self, label: Label) -> Vec<Zeroizing<[u8; 32]>> {
        self.0.iter().map(|key| key.derive(label)).collect()
    }

    /// The AES-256-GCM keys for a purpose.
    pub fn sealing_ring(&self, label: Label) -> SealingRing {
        SealingRing(self.0.iter().map(|key| SealingKey::new(&key.derive(label))).collect())
    }
}

impl MasterKey {
    fn from_base64(text: &str) -> Result<Self, MasterKeyError> {
        let bytes = Zeroizing::new(STANDARD.decode(text).map_err(|_| MasterKeyError::NotBase64)?);
        if bytes.len() < 32 { Err(MasterKeyError::TooShort(bytes.len())) } else { Ok(Self(bytes)) }
    }

    fn derive(&self, label: Label) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0; 32]);
        let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, b"usher").extract(&self.0);
        #[expect(clippy::expect_used, reason = "HKDF-SHA256 can give 32 bytes: RFC 5869 §2.3 allows 255 × 32")]
        prk.expand(&[label.as_bytes()], hkdf::HKDF_SHA256)
            .and_then(|okm| okm.fill(&mut *key))
            .expect("32 bytes are within HKDF's reach");
        key
    }
}

impl fmt::Debug for MasterKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKeys(…)")
    }
}

/// HMAC keys of one purpose: the current one, then those that it replaced. Never empty.
#[derive(Clone)]
pub struct MacRing(Vec<MacKey>);

impl MacRing {
    /// The current key.
    pub fn current(&self) -> &MacKey {
        &self.0[0]
    }

    /// The key with this id, if it is in the ring.
    pub fn by_id(&self, id: [u8; 6]) -> Option<&MacKey> {
        self.0.iter().find(|key| key.id() == id)
    }

    /// All keys, the current one first: for looking up what any of them tagged.
    pub fn keys(&self) -> impl Iterator<Item = &MacKey> {
        self.0.iter()
    }

    /// The tag over these parts by the current key.
    pub fn sign(&self, parts: &[&[u8]]) -> [u8; 32] {
        self.current().sign(parts)
    }

    /// Whether `tag` is the one over these parts by any of the keys, each compared in constant time.
    pub fn verify(&self, parts: &[&[u8]], tag: &[u8]) -> bool {
        self.0.iter().any(|key| key.verify(parts, tag))
    }
}

/// AES-256-GCM keys of one purpose: the current one, then those that it replaced. Never empty.
pub struct SealingRing(Vec<SealingKey>);

impl SealingRing {
    /// The id of the key that seals now.
    pub fn current_id(&self) -> [u8; 6] {
        self.0[0].id
    }

    /// Whether the key with this id is the one that seals now, or one that it replaced.
    pub fn has(&self, id: [u8; 6]) -> bool {
        self.0.iter().any(|key| key.id == id)
    }

    /// Decrypts what the key with this id sealed for the same place.
    pub fn open_with(&self, id: [u8; 6], place: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Unsealable> {
        self.0.iter().find(|key| key.id == id).ok_or(Unsealable)?.open(place, sealed)
    }

    /// Whether the current key sealed it, so that the keys before are not needed for it.
    pub fn is_current(&self, place: &[u8], sealed: &[u8]) -> bool {
        self.0[0].open(place, sealed).is_ok()
    }

    /// Encrypts `plain` with the current key, bound to `place` (table, column, row).
    pub fn seal(&self, place: &[u8], plain: &[u8]) -> Result<Vec<u8>, Unsealable> {
        self.0[0].seal(place, plain)
    }

    /// Decrypts what any of the keys sealed for the same place.
    pub fn open(&self, place: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Unsealable> {
        self.0.iter().find_map(|key| key.open(place, sealed).ok()).ok_or(Unsealable)
    }
}

/// An HMAC-SHA256 key (RFC 2104).
#[derive(Clone)]
pub struct MacKey(hmac::Key);

impl MacKey {
    /// A name for this key that tells nothing about it.
    pub fn id(&self) -> [u8; 6] {
        let tag = self.sign(&[b"usher/v1/key-id"]);
        [tag[0], tag[1], tag[2], tag[3], tag[4], tag[5]]
    }

    /// The tag over these parts. Each part is preceded by its length, so that `ab, c` and `a, bc`
    /// never have the same tag.
    pub fn sign(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut tag = [0; 32];
        tag.copy_from_slice(context.sign().as_ref());
        tag
    }

    /// Whether `tag` is the one over these parts, in constant time.
    pub fn verify(&self, parts: &[&[u8]], tag: &[u8]) -> bool {
        equal(&self.sign(parts), tag)
    }
}

/// Compares secrets in constant time.
pub fn equal(one: &[u8], other: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(one, other).is_ok()
}

/// An AES-256-GCM key whose nonces are random (96 bits, SP 800-38D §8.2.2).
pub struct SealingKey {
    key: RandomizedNonceKey,
    id: [u8; 6],
}

/// What was sealed cannot be opened: wrong key, wrong place, or changed bytes.
#[derive(Debug, thiserror::Error)]
#[error("sealed data does not open: the master key is another one, or the data was changed or moved")]
pub struct Unsealable;

impl SealingKey {
    /// The key that these 32 bytes are.
    ///
    /// # Panics
    /// If the cryptographic library refuses 32 bytes for AES-256, which it cannot.
    pub fn new(key: &[u8; 32]) -> Self {
        let id = MacKey(hmac::Key::new(hmac::HMAC_SHA256, key)).id();
        #[expect(clippy::expect_used, reason = "32 bytes are what AES-256 takes")]
        let key = RandomizedNonceKey::new(&AES_256_GCM, key).expect("32 bytes make an AES-256 key");
        Self { key, id }
    }

    /// Encrypts `plain`, bound to `place` (table, column, row): 12 bytes of nonce, then what is sealed.
    pub fn seal(&self, place: &[u8], plain: &[u8]) -> Result<Vec<u8>, Unsealable> {
        let mut sealed = plain.to_vec();
        let nonce = self.key.seal_in_place_append_tag(Aad::from(place), &mut sealed).map_err(|_| Unsealable)?;
        let mut out = nonce.as_ref().to_vec();
        out.extend_from_slice(&sealed);
        Ok(out)
    }

    /// Decrypts what this key sealed for the same place.
    pub fn open(&self, place: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Unsealable> {
        let (nonce, body) = sealed.split_at_checked(12).ok_or(Unsealable)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Unsealable)?;
        let mut plain = Zeroizing::new(body.to_vec());
        let length = self.key.open_in_place(nonce, Aad::from(place), &mut plain).map_err(|_| Unsealable)?.len();
        plain.truncate(length);
        Ok(plain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealed_data_opens_only_in_its_place_and_unchanged() {
        let key = MasterKeys::generate().sealing_ring(Label::KeyEncryption);
        let sealed = key.seal(b"signing_keys/private/1", b"private").unwrap();
        assert_eq!(&**key.open(b"signing_keys/private/1", &sealed).unwrap(), b"private");
        assert!(key.open(b"signing_keys/private/2", &sealed).is_err());
        for index in 0..sealed.len() {
            let mut flipped = sealed.clone();
            flipped[index] ^= 1;
            assert!(key.open(b"signing_keys/private/1", &flipped).is_err());
        }
        assert!(key.open(b"signing_keys/private/1", &sealed[..20]).is_err());
    }

    #[test]
    fn d2_nonces_do_not_repeat() {
        let key = SealingKey::new(&random_bytes());
        let mut nonces: Vec<Vec<u8>> = (0..1_000_000).map(|_| key.seal(b"here", b"").unwrap()[..12].to_vec()).collect();
        nonces.sort_unstable();
        nonces.dedup();
        assert_eq!(nonces.len(), 1_000_000);
    }

    #[test]
    fn a_sealing_key_is_known_by_its_id() {
        let old = MasterKeys::generate();
        let new = MasterKeys::parse(&format!("{}{}", &*MasterKeys::generate().to_text(), &*old.to_text())).unwrap();
        let (old, new) = (old.sealing_ring(Label::KeyEncryption), new.sealing_ring(Label::KeyEncryption));
        let sealed = old.seal(b"here", b"x").unwrap();
        assert_ne!(old.current_id(), new.current_id());
        assert!(new.has(old.current_id()) && !old.has(new.current_id()));
        assert_eq!(&**new.open_with(old.current_id(), b"here", &sealed).unwrap(), b"x");
        assert!(new.open_with(new.current_id(), b"here", &sealed).is_err());
        assert!(old.is_current(b"here", &sealed) && !new.is_current(b"here", &sealed));
    }

    #[test]
    fn short_master_keys_are_refused() {
        assert_eq!(MasterKeys::parse("c2hvcnQ=").unwrap_err(), MasterKeyError::TooShort(5));
        assert_eq!(MasterKeys::parse("?").unwrap_err(), MasterKeyError::NotBase64);
    }

    #[test]
    fn labels_and_parts_separate() {
        let key = MasterKeys::generate();
        let cookie = key.mac_ring(Label::Cookie);
        assert_ne!(cookie.sign(&[b"a"]), key.mac_ring(Label::Link).sign(&[b"a"]));
        assert_ne!(cookie.sign(&[b"ab", b"c"]), cookie.sign(&[b"a", b"bc"]));
        assert!(cookie.verify(&[b"a"], &cookie.sign(&[b"a"])));
    }

    #[test]
    fn p11_what_an_old_key_made_still_verifies_and_opens() {
        let old = MasterKeys::generate();
        let new = MasterKeys::parse(&format!("{}{}", &*MasterKeys::generate().to_text(), &*old.to_text())).unwrap();
        let tag = old.mac_ring(Label::Link).sign(&[b"a"]);
        assert!(new.mac_ring(Label::Link).verify(&[b"a"], &tag));
        assert_ne!(new.mac_ring(Label::Link).sign(&[b"a"]), tag);
        let sealed = old.sealing_ring(Label::KeyEncryption).seal(b"here", b"x").unwrap();
        assert_eq!(&**new.sealing_ring(Label::KeyEncryption).open(b"here", &sealed).unwrap(), b"x");
        assert!(MasterKeys::generate().sealing_ring(Label::KeyEncryption).open(b"here", &sealed).is_err());
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", MasterKeys::generate()), "MasterKeys(…)");
    }
}
