//! Access tokens as Usher makes them, signed with keys that live as long as this process: for whatever is
//! measured that is not Usher, and for checks that nobody else is to be part of.

use anyhow::{Context as _, Result, anyhow};
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use kernel::Clock;
use serde_json::json;

/// What `iss` and `aud` say.
pub const ISSUER: &str = "https://bench.example";

/// A key that signs tokens.
pub enum Signer {
    EdDsa(Ed25519KeyPair),
    Es256(EcdsaKeyPair),
    Rs256(Box<RsaKeyPair>),
}

impl Signer {
    pub fn ed_dsa() -> Result<Self> {
        Ed25519KeyPair::generate().map(Self::EdDsa).map_err(|_| anyhow!("no Ed25519 key could be made"))
    }

    pub fn es256() -> Result<Self> {
        EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
            .map(Self::Es256)
            .map_err(|_| anyhow!("no P-256 key could be made"))
    }

    pub fn rs256() -> Result<Self> {
        RsaKeyPair::generate(KeySize::Rsa2048)
            .map(|pair| Self::Rs256(Box::new(pair)))
            .map_err(|_| anyhow!("no RSA key could be made"))
    }

    pub fn algorithm(&self) -> &'static str {
        match self {
            Self::EdDsa(_) => "EdDSA",
            Self::Es256(_) => "ES256",
            Self::Rs256(_) => "RS256",
        }
    }

    /// The public key as HAProxy reads it.
    pub fn public_pem(&self) -> Result<String> {
        let der: PublicKeyX509Der<'static> = match self {
            Self::EdDsa(pair) => pair.public_key().as_der(),
            Self::Es256(pair) => pair.public_key().as_der(),
            Self::Rs256(pair) => pair.public_key().as_der(),
        }
        .map_err(|_| anyhow!("a public key cannot be written"))?;
        let text = STANDARD.encode(der.as_ref());
        let lines: Vec<&str> = text.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
        Ok(format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n")))
    }

    /// The public key as the verifier reads it. Only of an Ed25519 key: nothing else is asked for.
    pub fn jwks(&self) -> Result<String> {
        let Self::EdDsa(pair) = self else { return Err(anyhow!("no key set is made of this kind of key")) };
        let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        let key = json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": "bench", "x": x});
        Ok(json!({ "keys": [key] }).to_string())
    }

    /// A token like those of Usher, each number's another one, good for an hour.
    pub fn token(&self, number: u64) -> Result<String> {
        let now = Clock::system().now().unix_seconds();
        let id = |kind: u32| format!("019aa000-{kind:04x}-7000-8000-{number:012x}");
        let header = json!({"typ": "at+jwt", "alg": self.algorithm(), "kid": "bench"});
        let claims = json!({
            "iss": ISSUER, "aud": ISSUER, "sub": id(1), "sid": id(2), "jti": id(3), "epoch": 1, "client_id": "usher",
            "iat": now, "exp": now + 3_600, "auth_time": now, "amr": ["pwd"], "roles": ["user"], "scope": "openid",
        });
        let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(&header), part(&claims));
        let signature = self.sign(message.as_bytes()).context("a token cannot be signed")?;
        Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        let failed = |_| anyhow!("the key does not sign");
        match self {
            Self::EdDsa(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Self::Es256(pair) => Ok(pair.sign(&SystemRandom::new(), message).map_err(failed)?.as_ref().to_vec()),
            Self::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).map_err(failed)?;
                Ok(signature)
            }
        }
    }
}
