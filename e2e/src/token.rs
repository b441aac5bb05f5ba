//! Taking access tokens apart and putting wrong ones together.

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
}

impl Token {
    /// Reads a token without checking anything.
    #[track_caller]
    pub fn read(text: &str) -> Self {
        let parts: Vec<Vec<u8>> =
            text.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).expect("base64url without padding")).collect();
        assert_eq!(parts.len(), 3, "a JWT has three parts: {text}");
        let json = |part: &[u8]| serde_json::from_slice(part).expect("JSON");
        Self { header: json(&parts[0]), claims: json(&parts[1]), signature: parts[2].clone() }
    }

    /// Writes it again, whatever its parts are now.
    pub fn write(&self) -> String {
        format!("{}.{}", self.signed_text(), URL_SAFE_NO_PAD.encode(&self.signature))
    }

    /// What a signature is over.
    pub fn signed_text(&self) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}", part(&self.header), part(&self.claims))
    }
}
