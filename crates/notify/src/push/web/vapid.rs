//! Who asks a push service to deliver something (VAPID, RFC 8292): a token for its origin, signed with P-256.
//!
//! The key is derived from the master key. A subscription belongs to the key that it was made with, so its row says which,
//! and the keys of master keys that were replaced go on signing for theirs.

use aws_lc_rs::agreement::{ECDH_P256, PrivateKey};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel::{Label, MasterKeys, Timestamp};
use serde_json::json;

/// For how many seconds a token is good: half of what is allowed (RFC 8292 §2).
const GOOD: i64 = 12 * 3_600;

/// A key that signs.
struct Key {
    pair: EcdsaKeyPair,
    /// Its public half in base64url, as browsers are given it.
    public: String,
}

/// The keys, the one of today first.
pub(crate) struct Vapid {
    keys: Vec<Key>,
    contact: String,
}

impl Vapid {
    /// Those that these master keys give. `contact` is a `mailto:` or `https:` address of ours.
    pub(crate) fn new(master: &MasterKeys, contact: String) -> Self {
        let seeds = master.seeds(Label::WebPush);
        Self { keys: seeds.iter().filter_map(|seed| Key::new(seed)).collect(), contact }
    }

    /// The public key that new subscriptions are made with.
    pub(crate) fn public(&self) -> Option<&str> {
        self.keys.first().map(|key| key.public.as_str())
    }

    /// Whether this is the public half of one of the keys.
    pub(crate) fn has(&self, public: &str) -> bool {
        self.keys.iter().any(|key| key.public == public)
    }

    /// The value of `Authorization` for a push service (RFC 8292 §3), by the key that the subscription was made with.
    pub(crate) fn authorization(&self, public: &str, origin: &str, now: Timestamp) -> Option<String> {
        let key = self.keys.iter().find(|key| key.public == public)?;
        let encode = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let head = encode(json!({ "typ": "JWT", "alg": "ES256" }));
        let claims = encode(json!({ "aud": origin, "exp": now.unix_seconds() + GOOD, "sub": self.contact }));
        let signed = format!("{head}.{claims}");
        let signature = key.pair.sign(&SystemRandom::new(), signed.as_bytes()).ok()?;
        Some(format!("vapid t={signed}.{}, k={}", URL_SAFE_NO_PAD.encode(signature), key.public))
    }
}

impl Key {
    /// The pair whose private half these 32 bytes are. Nearly all are one: one in 2³² is too large, and then there is none.
    fn new(seed: &[u8; 32]) -> Option<Self> {
        let public = PrivateKey::from_private_key(&ECDH_P256, seed).ok()?.compute_public_key().ok()?;
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pair = EcdsaKeyPair::from_private_key_and_public_key(algorithm, seed, public.as_ref()).ok()?;
        Some(Self { pair, public: URL_SAFE_NO_PAD.encode(public.as_ref()) })
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

    use super::*;

    #[test]
    fn a_push_service_can_check_who_asks_and_an_old_key_signs_for_its_subscriptions() {
        let now = Timestamp::from_unix_seconds(1_795_000_000);
        let old = MasterKeys::generate();
        let before = Vapid::new(&old, "mailto:no-reply@id.example.com".into());
        let both = MasterKeys::parse(&format!("{}{}", &*MasterKeys::generate().to_text(), &*old.to_text())).unwrap();
        let vapid = Vapid::new(&both, "mailto:no-reply@id.example.com".into());
        let public = before.public().unwrap();
        assert!(vapid.has(public) && vapid.public() != Some(public) && !before.has(vapid.public().unwrap()));
        let value = vapid.authorization(public, "https://push.example.net", now).unwrap();
        let (token, key) = value.strip_prefix("vapid t=").unwrap().split_once(", k=").unwrap();
        assert_eq!(key, public);
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let point = URL_SAFE_NO_PAD.decode(key).unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(signed.as_bytes(), &signature).unwrap();
        let claims = URL_SAFE_NO_PAD.decode(signed.split('.').nth(1).unwrap()).unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
        assert_eq!(claims["aud"], "https://push.example.net");
        assert_eq!(claims["sub"], "mailto:no-reply@id.example.com");
        assert!(claims["exp"].as_i64().unwrap() <= now.unix_seconds() + 24 * 3_600);
        assert!(vapid.authorization("another", "https://push.example.net", now).is_none());
    }
}
