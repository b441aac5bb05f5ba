//! Tokens for the tests: real keys, any header, any payload, right and wrong signatures.

mod cache;
#[cfg(feature = "follow")]
mod feed;
#[cfg(feature = "follow")]
mod follow;
#[cfg(feature = "follow")]
mod follow_keys;
#[cfg(feature = "follow")]
mod follow_several;
#[cfg(feature = "follow")]
mod follow_tls;
mod forgery;
mod hostile;
mod key_sets;
mod revocation;
mod room;
#[cfg(feature = "follow")]
mod server;
mod staleness;
mod statements;
mod stats;
mod still_good;
mod taken_back;
#[cfg(feature = "tower")]
mod tokens_required;
mod vectors;

use std::sync::{Arc, OnceLock};

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256,
    RsaEncoding, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

use crate::{Claims, Refused, Settings, Verifier};

const ISSUER: &str = "https://id.example";
const AUDIENCE: &str = "https://api.example";
const NOW: i64 = 1_800_000_000;
const LEEWAY: i64 = 60;

fn base64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A key pair of the issuer.
struct SigningKey {
    kid: &'static str,
    algorithm: &'static str,
    /// The public key as it stands in the JWKS.
    jwk: Value,
    /// The public key as a `SubjectPublicKeyInfo` and as bare bytes.
    public_der: Vec<u8>,
    public_raw: Vec<u8>,
    pair: Pair,
}

enum Pair {
    WithJsonwebtoken(EncodingKey, Algorithm),
    Rsa(RsaKeyPair),
}

impl SigningKey {
    fn edwards(kid: &'static str) -> Self {
        let pair = Ed25519KeyPair::generate().unwrap();
        let raw = pair.public_key().as_ref().to_vec();
        Self {
            kid,
            algorithm: "EdDSA",
            jwk: json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": kid, "x": base64(&raw)}),
            public_der: AsDer::<PublicKeyX509Der<'_>>::as_der(pair.public_key()).unwrap().as_ref().to_vec(),
            public_raw: raw,
            pair: Pair::WithJsonwebtoken(EncodingKey::from_ed_der(pair.to_pkcs8().unwrap().as_ref()), Algorithm::EdDSA),
        }
    }

    fn elliptic(kid: &'static str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let raw = pair.public_key().as_ref().to_vec();
        let (x, y) = (base64(&raw[1..33]), base64(&raw[33..65]));
        Self {
            kid,
            algorithm: "ES256",
            jwk: json!({"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": kid, "x": x, "y": y}),
            public_der: AsDer::<PublicKeyX509Der<'_>>::as_der(pair.public_key()).unwrap().as_ref().to_vec(),
            public_raw: raw,
            pair: Pair::WithJsonwebtoken(
                EncodingKey::from_ec_der(pair.to_pkcs8v1().unwrap().as_ref()),
                Algorithm::ES256,
            ),
        }
    }

    fn rsa(kid: &'static str) -> Self {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let (n, e) = rsa_components(&pair);
        Self {
            kid,
            algorithm: "RS256",
            jwk: json!({"kty": "RSA", "alg": "RS256", "use": "sig", "kid": kid, "n": base64(n), "e": base64(e)}),
            public_der: AsDer::<PublicKeyX509Der<'_>>::as_der(pair.public_key()).unwrap().as_ref().to_vec(),
            public_raw: pair.public_key().as_ref().to_vec(),
            pair: Pair::Rsa(pair),
        }
    }

    fn sign(&self, message: &str) -> String {
        match &self.pair {
            Pair::WithJsonwebtoken(key, algorithm) => {
                jsonwebtoken::crypto::sign(message.as_bytes(), key, *algorithm).unwrap()
            }
            Pair::Rsa(_) => self.sign_rsa(message, &RSA_PKCS1_SHA256),
        }
    }

    /// With the padding of RS256 or of PS256.
    fn sign_rsa(&self, message: &str, padding: &'static dyn RsaEncoding) -> String {
        let Pair::Rsa(pair) = &self.pair else { panic!("not an RSA key") };
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(padding, &SystemRandom::new(), message.as_bytes(), &mut signature).unwrap();
        base64(signature)
    }

    fn sign_pss(&self, message: &str) -> String {
        self.sign_rsa(message, &RSA_PSS_SHA256)
    }

    fn header(&self) -> Value {
        json!({"typ": "at+jwt", "alg": self.algorithm, "kid": self.kid})
    }

    /// A token with this payload and the usual header.
    fn token(&self, payload: &Value) -> String {
        self.token_with_header(&self.header(), payload)
    }

    fn token_with_header(&self, header: &Value, payload: &Value) -> String {
        self.token_of_text(&header.to_string(), payload.to_string())
    }

    fn token_of_text(&self, header: &str, payload: impl AsRef<[u8]>) -> String {
        let message = format!("{}.{}", base64(header), base64(payload));
        format!("{message}.{}", self.sign(&message))
    }
}

/// `RSAPublicKey` (RFC 8017 §A.1.1) of 2048 bits: the modulus stands at a fixed place, the exponent is 65537.
fn rsa_components(pair: &RsaKeyPair) -> (Vec<u8>, Vec<u8>) {
    let der = pair.public_key().as_ref();
    (der[9..265].to_vec(), vec![1, 0, 1])
}

/// The three keys of the issuer, made once: an RSA key takes long.
fn keys() -> &'static [SigningKey; 3] {
    static KEYS: OnceLock<[SigningKey; 3]> = OnceLock::new();
    KEYS.get_or_init(|| [SigningKey::edwards("ed-1"), SigningKey::elliptic("ec-1"), SigningKey::rsa("rsa-1")])
}

fn edwards() -> &'static SigningKey {
    &keys()[0]
}

fn key_set<'a>(keys: impl IntoIterator<Item = &'a SigningKey>) -> Vec<u8> {
    let keys: Vec<&Value> = keys.into_iter().map(|key| &key.jwk).collect();
    json!({"keys": keys}).to_string().into_bytes()
}

fn verifier_without_keys() -> Verifier {
    Verifier::new(Settings {
        issuer: ISSUER.to_owned(),
        audience: AUDIENCE.to_owned(),
        leeway_seconds: LEEWAY,
        cache_capacity: 100,
    })
}

fn verifier() -> Verifier {
    let verifier = verifier_without_keys();
    verifier.set_keys(&key_set(keys())).unwrap();
    verifier
}

fn payload() -> Value {
    json!({
        "iss": ISSUER, "sub": "ann", "aud": AUDIENCE, "sid": "session-1", "epoch": 3, "client_id": "browser",
        "iat": NOW, "exp": NOW + 900, "jti": "token-1", "auth_time": NOW - 10, "amr": ["pwd"],
        "roles": ["user", "editor"], "scope": "openid profile",
    })
}

fn payload_with(name: &str, value: impl Into<Value>) -> Value {
    let mut payload = payload();
    payload[name] = value.into();
    payload
}

fn payload_without(name: &str) -> Value {
    let mut payload = payload();
    payload.as_object_mut().unwrap().remove(name);
    payload
}

fn check(token: &str) -> Result<Arc<Claims>, Refused> {
    verifier().check(token, NOW)
}

#[test]
fn a_good_token_of_each_algorithm_gives_its_claims() {
    for key in keys() {
        let claims = check(&key.token(&payload())).unwrap();
        let expected = Claims {
            iss: ISSUER.to_owned(),
            sub: "ann".to_owned(),
            aud: AUDIENCE.to_owned(),
            sid: "session-1".to_owned(),
            epoch: 3,
            client_id: "browser".to_owned(),
            iat: NOW,
            exp: NOW + 900,
            jti: "token-1".to_owned(),
            auth_time: NOW - 10,
            amr: vec!["pwd".to_owned()],
            roles: vec!["user".to_owned(), "editor".to_owned()],
            scope: "openid profile".to_owned(),
            kid: key.kid.to_owned(),
        };
        assert_eq!(*claims, expected, "{}", key.algorithm);
    }
}

#[test]
fn a_token_made_by_jsonwebtoken_is_accepted() {
    let key = edwards();
    let Pair::WithJsonwebtoken(encoding_key, algorithm) = &key.pair else { panic!("not made for it") };
    let mut header = jsonwebtoken::Header::new(*algorithm);
    header.typ = Some("at+jwt".to_owned());
    header.kid = Some(key.kid.to_owned());
    let token = jsonwebtoken::encode(&header, &payload(), encoding_key).unwrap();
    assert_eq!(check(&token).unwrap().sub, "ann");
}

#[test]
fn without_keys_everything_is_refused() {
    let verifier = verifier_without_keys();
    assert!(!verifier.is_ready());
    assert_eq!(verifier.check(&edwards().token(&payload()), NOW), Err(Refused::NotReady));
    assert_eq!(verifier.check("nonsense", NOW), Err(Refused::Malformed));
}
