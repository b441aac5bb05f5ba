//! The cryptography of signing keys: making them, and signing (RFC 7518, RFC 8037).
//!
//! It knows no table and no use: [`super::Keys`] signs access tokens with it, and Shared Signals sign
//! their event tokens with keys of their own. Whoever keeps a key seals [`Made::private`] first.

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use zeroize::Zeroizing;

/// What tokens are signed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// Ed25519 (RFC 8037): small and fast, the default.
    EdDsa,
    /// ECDSA with P-256 and SHA-256.
    Es256,
    /// RSA PKCS #1 v1.5 with SHA-256 and 3,072 bits, for verifiers that know nothing else.
    Rs256,
}

impl Algorithm {
    /// Its name in JOSE headers and in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
        }
    }

    /// The algorithm of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::EdDsa, Self::Es256, Self::Rs256].into_iter().find(|algorithm| algorithm.name() == name)
    }
}

/// A new key: its private half as PKCS #8, its public half as a JWK without `kid`.
pub struct Made {
    /// The private half, in the clear: to be sealed before it is stored.
    pub private: Zeroizing<Vec<u8>>,
    /// The public half.
    pub public: Value,
}

/// Makes a key. An RSA key takes a second of CPU: not on a thread that answers requests.
pub fn generate(algorithm: Algorithm) -> Result<Made, Unspecified> {
    let private: Zeroizing<Vec<u8>> = Zeroizing::new(match algorithm {
        Algorithm::EdDsa => Ed25519KeyPair::generate()?.to_pkcs8()?.as_ref().to_vec(),
        Algorithm::Es256 => EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?.to_pkcs8v1()?.as_ref().to_vec(),
        Algorithm::Rs256 => RsaKeyPair::generate(KeySize::Rsa3072)?.as_der()?.as_ref().to_vec(),
    });
    let public = Signer::from_pkcs8(algorithm, &private)?.public_jwk();
    Ok(Made { private, public })
}

/// A key that can sign.
pub struct Signer(Pair);

enum Pair {
    EdDsa(Ed25519KeyPair),
    Es256(EcdsaKeyPair),
    Rs256(RsaKeyPair),
}

impl Signer {
    /// Reads a private key as [`generate`] made it.
    pub fn from_pkcs8(algorithm: Algorithm, pkcs8: &[u8]) -> Result<Self, Unspecified> {
        Ok(Self(match algorithm {
            Algorithm::EdDsa => Pair::EdDsa(Ed25519KeyPair::from_pkcs8(pkcs8)?),
            Algorithm::Es256 => Pair::Es256(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8)?),
            Algorithm::Rs256 => Pair::Rs256(RsaKeyPair::from_pkcs8(pkcs8)?),
        }))
    }

    /// The signature over these bytes, in the form of JWS (RFC 7518 §3).
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Unspecified> {
        let random = SystemRandom::new();
        match &self.0 {
            Pair::EdDsa(key) => Ok(key.try_sign(message)?.as_ref().to_vec()),
            Pair::Es256(key) => Ok(key.sign(&random, message)?.as_ref().to_vec()),
            Pair::Rs256(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)?;
                Ok(signature)
            }
        }
    }

    fn public_jwk(&self) -> Value {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match &self.0 {
            Pair::EdDsa(key) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": text(key.public_key().as_ref()), "alg": "EdDSA", "use": "sig" })
            }
            Pair::Es256(key) => {
                // An uncompressed point: one byte 4, then both coordinates of 32 bytes.
                let point = key.public_key().as_ref();
                let (x, y) = point.get(1..).unwrap_or_default().split_at(point.len().saturating_sub(1) / 2);
                json!({ "kty": "EC", "crv": "P-256", "x": text(x), "y": text(y), "alg": "ES256", "use": "sig" })
            }
            Pair::Rs256(key) => {
                let public = key.public_key();
                let (n, e) = (public.modulus(), public.exponent());
                json!({
                    "kty": "RSA", "n": text(n.big_endian_without_leading_zero()),
                    "e": text(e.big_endian_without_leading_zero()), "alg": "RS256", "use": "sig"
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn j11_public_keys_have_public_members_only() {
        for algorithm in [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Rs256] {
            let made = generate(algorithm).unwrap();
            for private in ["d", "p", "q", "dp", "dq", "qi", "k"] {
                assert!(made.public.get(private).is_none());
            }
            assert_eq!(made.public["alg"], algorithm.name());
            let signer = Signer::from_pkcs8(algorithm, &made.private).unwrap();
            assert!(!signer.sign(b"message").unwrap().is_empty());
        }
    }
}
