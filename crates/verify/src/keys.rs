//! The issuer's public keys, as its JWKS publishes them (RFC 7517, RFC 8037).

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
};

use crate::json::{Json, Object, Wrong, decode, optional};

/// Why a JWKS document was not taken. The keys from before stay in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum KeysError {
    /// Longer than 64 KiB.
    #[error("the key set is longer than 64 KiB")]
    TooLong,
    /// Not a JWKS document, or a key without `kty`, `kid` and `alg`, or with one of the wrong type.
    #[error("the document is not a well-formed key set")]
    Malformed,
    /// A private or secret member is published. Whoever reads the set can sign, so nothing that
    /// these keys sign can be trusted any more.
    #[error("the key set publishes a private key")]
    PrivateKey,
    /// Two keys share a `kid`.
    #[error("two keys share an id")]
    RepeatedId,
    /// A key of a kind that we use is not a key of that kind.
    #[error("a key is not valid for its algorithm")]
    InvalidKey,
    /// No key in it can verify an access token, or all that can were taken back.
    #[error("the key set holds no usable key")]
    Empty,
}

impl KeysError {
    /// A short code for logs. It never changes once published.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::Malformed => "malformed",
            Self::PrivateKey => "private_key",
            Self::RepeatedId => "repeated_id",
            Self::InvalidKey => "invalid_key",
            Self::Empty => "empty",
        }
    }
}

impl From<Wrong> for KeysError {
    fn from(_: Wrong) -> Self {
        Self::Malformed
    }
}

/// In bytes.
pub(crate) const LONGEST_DOCUMENT: usize = 64 * 1024;

/// RFC 7518 §6.2.2, §6.3.2 and §6.4.1, RFC 8037 §2.
const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// One public key. The algorithm is the key's: what a token's header says can only disagree.
pub(crate) struct Key {
    algorithm: String,
    public: ParsedPublicKey,
    withdrawn: AtomicBool,
}

impl Key {
    pub(crate) fn verifies(&self, algorithm: &str, message: &str, signature: &[u8]) -> bool {
        self.algorithm == algorithm && self.public.verify_sig(message.as_bytes(), signature).is_ok()
    }

    /// Whether a later key set came without this key, or it was taken back.
    pub(crate) fn is_withdrawn(&self) -> bool {
        self.withdrawn.load(Ordering::Acquire)
    }

    fn is_same(&self, other: &Self) -> bool {
        self.algorithm == other.algorithm && self.public.as_ref() == other.public.as_ref()
    }
}

type KeysById = HashMap<String, Arc<Key>>;

/// What is known about a `kid`.
pub(crate) enum Found {
    Key(Arc<Key>),
    /// Taken back by the issuer, for good.
    TakenBack,
    Unknown,
    /// There has never been a key set.
    NoKeysYet,
}

/// The keys in use, and those that were taken back.
#[derive(Default)]
pub(crate) struct Keys(RwLock<Held>);

#[derive(Default)]
struct Held {
    current: Option<KeysById>,
    /// Ids that never count again, whatever a later key set says: an old copy of the set, from some
    /// cache on the way, would otherwise bring a stolen key back. With each, until when tokens that
    /// it signed before can live.
    taken_back: HashMap<String, i64>,
}

/// As long as no more are remembered, no key that was taken back is ever forgotten. Usher takes keys
/// back by hand, so more of them than this say that something else is wrong.
const MOST_TAKEN_BACK: usize = 1000;

impl Keys {
    pub(crate) fn find(&self, id: &str) -> Found {
        let held = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let Some(current) = &held.current else { return Found::NoKeysYet };
        match current.get(id) {
            Some(key) => Found::Key(Arc::clone(key)),
            None if held.taken_back.contains_key(id) => Found::TakenBack,
            None => Found::Unknown,
        }
    }

    /// Whether there has been a key set.
    pub(crate) fn are_known(&self) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).current.is_some()
    }

    /// How many keys are in use, and how many were taken back.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let held = self.0.read().unwrap_or_else(PoisonError::into_inner);
        (held.current.as_ref().map_or(0, HashMap::len), held.taken_back.len())
    }

    /// Replaces the keys by those of a document, without those that were taken back. A key that
    /// stays keeps its place in memory, so tokens checked with it stay checked; every other one is
    /// marked as withdrawn, which ends them.
    pub(crate) fn replace(&self, document: &[u8]) -> Result<(), KeysError> {
        let mut keys = parse(document)?;
        let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
        keys.retain(|id, _| !held.taken_back.contains_key(id));
        if keys.is_empty() {
            return Err(KeysError::Empty);
        }
        for (id, old) in held.current.iter().flatten() {
            match keys.get_mut(id) {
                Some(new) if new.is_same(old) => *new = Arc::clone(old),
                Some(_) | None => old.withdrawn.store(true, Ordering::Release),
            }
        }
        held.current = Some(keys);
        Ok(())
    }

    /// Ends a key for good: now, and in every key set that still names it.
    pub(crate) fn take_back(&self, id: &str, forget_at: i64) {
        let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = held.current.as_mut().and_then(|current| current.remove(id)) {
            key.withdrawn.store(true, Ordering::Release);
        }
        let longest = held.taken_back.entry(id.to_owned()).or_insert(forget_at);
        *longest = (*longest).max(forget_at);
    }

    #[cfg(all(test, feature = "follow"))]
    pub(crate) fn taken_back(&self) -> std::collections::BTreeSet<String> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).taken_back.keys().cloned().collect()
    }

    #[cfg(test)]
    pub(crate) fn ids(&self) -> std::collections::BTreeSet<String> {
        self.0.read().unwrap().current.iter().flatten().map(|(id, _)| id.clone()).collect()
    }

    /// Forgets keys that were taken back only if there are too many, and then only those whose
    /// tokens have all expired.
    pub(crate) fn sweep(&self, is_needed: impl Fn(i64) -> bool) {
        let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if held.taken_back.len() > MOST_TAKEN_BACK {
            held.taken_back.retain(|_, forget_at| is_needed(*forget_at));
        }
    }
}

fn parse(document: &[u8]) -> Result<KeysById, KeysError> {
    if document.len() > LONGEST_DOCUMENT {
        return Err(KeysError::TooLong);
    }
    let mut members = Object::parse(document).ok_or(KeysError::Malformed)?;
    let mut keys = KeysById::new();
    for item in members.take_list("keys")? {
        let Json::Object(member) = item else { return Err(KeysError::Malformed) };
        let Some((id, key)) = parse_key(member)? else { continue };
        match keys.entry(id) {
            Entry::Vacant(place) => place.insert(Arc::new(key)),
            Entry::Occupied(_) => return Err(KeysError::RepeatedId),
        };
    }
    if keys.is_empty() { Err(KeysError::Empty) } else { Ok(keys) }
}

/// One key, or `None` for one that serves another purpose or an algorithm that we do not use: such
/// keys may stand in the set (RFC 7517 §5), their tokens are refused.
fn parse_key(mut members: Object) -> Result<Option<(String, Key)>, KeysError> {
    if members.has_any(&PRIVATE_MEMBERS) {
        return Err(KeysError::PrivateKey);
    }
    let purpose = optional(members.take_text("use"))?;
    let operations = optional(members.take_texts("key_ops"))?;
    if purpose.is_some_and(|purpose| purpose != "sig")
        || operations.is_some_and(|operations| !operations.iter().any(|operation| operation == "verify"))
    {
        return Ok(None);
    }
    let id = members.take_text("kid")?;
    let kind = members.take_text("kty")?;
    let algorithm = members.take_text("alg")?;
    let public = match algorithm.as_str() {
        "EdDSA" | "Ed25519" => edwards_key(&kind, &mut members)?,
        "ES256" => elliptic_key(&kind, &mut members)?,
        "RS256" => rsa_key(&kind, &mut members)?,
        _ => return Ok(None),
    };
    Ok(Some((id, Key { algorithm, public, withdrawn: AtomicBool::new(false) })))
}

fn edwards_key(kind: &str, members: &mut Object) -> Result<ParsedPublicKey, KeysError> {
    require(kind == "OKP" && members.take_text("crv")? == "Ed25519")?;
    let point = number(members, "x", 32..=32)?;
    ParsedPublicKey::new(&ED25519, point).map_err(|_| KeysError::InvalidKey)
}

fn elliptic_key(kind: &str, members: &mut Object) -> Result<ParsedPublicKey, KeysError> {
    require(kind == "EC" && members.take_text("crv")? == "P-256")?;
    let mut point = vec![UNCOMPRESSED];
    point.extend(number(members, "x", 32..=32)?);
    point.extend(number(members, "y", 32..=32)?);
    ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).map_err(|_| KeysError::InvalidKey)
}

/// SEC 1 §2.3.3: both coordinates follow.
const UNCOMPRESSED: u8 = 0x04;

/// At least 2048 bits, and an odd exponent above 65536 (NIST SP 800-56B §6.2). With an exponent of 1
/// every text signs itself; the library takes such a key, and learns the length only when it verifies.
fn rsa_key(kind: &str, members: &mut Object) -> Result<ParsedPublicKey, KeysError> {
    require(kind == "RSA")?;
    let components = RsaPublicKeyComponents { n: number(members, "n", 256..=1024)?, e: number(members, "e", 3..=4)? };
    require(components.e.last().is_some_and(|lowest| lowest % 2 == 1))?;
    // Zeros in front would make a short modulus look long.
    require(components.n.first().is_some_and(|highest| *highest != 0))?;
    components.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256).map_err(|_| KeysError::InvalidKey)
}

fn number(members: &mut Object, name: &str, length: std::ops::RangeInclusive<usize>) -> Result<Vec<u8>, KeysError> {
    let bytes = decode(&members.take_text(name)?).ok_or(KeysError::Malformed)?;
    require(length.contains(&bytes.len()))?;
    Ok(bytes)
}

fn require(holds: bool) -> Result<(), KeysError> {
    if holds { Ok(()) } else { Err(KeysError::InvalidKey) }
}
