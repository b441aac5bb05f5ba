//! Taking access tokens apart, putting wrong ones together, and checking good ones as somebody else's
//! service would: with the published keys and another library.

use aws_lc_rs::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

/// A JWT's three parts.
#[derive(Clone, Debug)]
pub struct Token {
    /// The protected header.
    pub header: Value,
    /// The claims.
    pub claims: Value,
    /// The signature.
    pub signature: Vec<u8>,
    /// What the signature is over, as it came; nothing for a token put together here.
    signed: Option<String>,
}

impl Token {
    /// Reads a token without checking anything.
    #[track_caller]
    pub fn read(text: &str) -> Self {
        let parts: Vec<Vec<u8>> =
            text.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).expect("base64url without padding")).collect();
        assert_eq!(parts.len(), 3, "a JWT has three parts: {text}");
        let json = |part: &[u8]| serde_json::from_slice(part).expect("JSON");
        let signed = text.rsplit_once('.').map(|(signed, _)| signed.to_owned());
        Self { header: json(&parts[0]), claims: json(&parts[1]), signature: parts[2].clone(), signed }
    }

    /// The same token with something changed; its signature is what it was.
    #[must_use]
    pub fn with(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut other = Self { signed: None, ..self.clone() };
        change(&mut other);
        other
    }

    /// Writes it again, whatever its parts are now.
    pub fn write(&self) -> String {
        format!("{}.{}", self.signed_text(), URL_SAFE_NO_PAD.encode(&self.signature))
    }

    /// What a signature is over.
    pub fn signed_text(&self) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        self.signed.clone().unwrap_or_else(|| format!("{}.{}", part(&self.header), part(&self.claims)))
    }

    /// Whether the key in this set that the token names made its signature (RFC 7515 §5.2).
    #[track_caller]
    pub fn is_signed_by(&self, jwks: &Value) -> bool {
        let keys = jwks["keys"].as_array().expect("a JWK set");
        let Some(key) = keys.iter().find(|key| key["kid"] == self.header["kid"]) else { return false };
        assert_eq!(key["alg"], self.header["alg"], "the key says another algorithm than the token");
        let part =
            |name: &str| URL_SAFE_NO_PAD.decode(key[name].as_str().expect("a part of a key")).expect("base64url");
        let (text, mark) = (self.signed_text(), &self.signature);
        match key["alg"].as_str() {
            Some("EdDSA") => UnparsedPublicKey::new(&signature::ED25519, part("x")).verify(text.as_bytes(), mark),
            Some("ES256") => {
                let point = [vec![4], part("x"), part("y")].concat();
                UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point).verify(text.as_bytes(), mark)
            }
            Some("RS256") => RsaPublicKeyComponents { n: part("n"), e: part("e") }.verify(
                &signature::RSA_PKCS1_2048_8192_SHA256,
                text.as_bytes(),
                mark,
            ),
            other => panic!("nobody checks {other:?}"),
        }
        .is_ok()
    }
}
