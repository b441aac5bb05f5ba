//! What signs what a webhook is told, as Standard Webhooks 1.0.0 has it: HMAC-SHA256 over id, time and body.
//!
//! A secret is random and kept sealed with the master key. It is not derived from it, as links and tokens are: those we
//! check ourselves, with any master key that there was; this one somebody else holds, and it has to stay the same when the
//! master key turns over.

use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kernel::id::WebhookId;
use kernel::secret::{SealingRing, Unsealable, random_bytes};

/// What the text of a secret begins with.
const PREFIX: &str = "whsec_";
const LENGTH: usize = 32;

/// What a sealed secret is bound to.
pub(super) fn place(webhook: WebhookId) -> Vec<u8> {
    [b"webhooks/secret/", &webhook.as_bytes()[..]].concat()
}

/// A secret as it is given out. It has no `Display`, and `Debug` hides it.
pub struct SecretText(String);

impl SecretText {
    /// To be shown once.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(…)")
    }
}

/// A new secret: sealed, and as it is given out.
pub(super) fn make(sealing: &SealingRing, webhook: WebhookId) -> Result<(Vec<u8>, SecretText), Unsealable> {
    let secret = random_bytes::<LENGTH>();
    let sealed = sealing.seal(&place(webhook), &secret)?;
    Ok((sealed, SecretText(format!("{PREFIX}{}", STANDARD.encode(secret)))))
}

/// A secret that signs. It has neither `Debug` nor `==`.
pub(super) struct SigningSecret(hmac::Key);

impl SigningSecret {
    pub(super) fn open(sealing: &SealingRing, webhook: WebhookId, sealed: &[u8]) -> Result<Self, Unsealable> {
        let secret = sealing.open(&place(webhook), sealed)?;
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &secret)))
    }

    /// One signature, as it stands in `webhook-signature`.
    fn signature(&self, id: &str, seconds: i64, body: &str) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        for part in [id, ".", &seconds.to_string(), ".", body] {
            context.update(part.as_bytes());
        }
        format!("v1,{}", STANDARD.encode(context.sign()))
    }
}

/// The value of `webhook-signature`: one signature for each secret that is good.
pub(super) fn signatures(secrets: &[SigningSecret], id: &str, seconds: i64, body: &str) -> String {
    let all: Vec<String> = secrets.iter().map(|secret| secret.signature(id, seconds, body)).collect();
    all.join(" ")
}

#[cfg(test)]
mod tests {
    use kernel::{Label, MasterKeys, Timestamp};

    use super::*;

    #[test]
    fn h4_signatures_are_those_of_standard_webhooks() {
        // The example of the specification and of its libraries.
        let key = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let secret = SigningSecret(hmac::Key::new(hmac::HMAC_SHA256, &key));
        let signed = signatures(&[secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn h4_a_secret_opens_only_for_its_webhook_and_survives_another_master_key() {
        let old = MasterKeys::generate();
        let new = MasterKeys::parse(&format!("{}{}", &*MasterKeys::generate().to_text(), &*old.to_text())).unwrap();
        let (old, new) = (old.sealing_ring(Label::KeyEncryption), new.sealing_ring(Label::KeyEncryption));
        let now = Timestamp::from_unix_seconds(1_795_000_000);
        let (mine, other) = (WebhookId::new(now), WebhookId::new(now));
        let (sealed, text) = make(&old, mine).unwrap();
        let sign = |ring: &SealingRing| signatures(&[SigningSecret::open(ring, mine, &sealed).unwrap()], "id", 1, "{}");
        assert_eq!(sign(&old), sign(&new));
        assert!(SigningSecret::open(&new, other, &sealed).is_err());
        let secret = STANDARD.decode(text.reveal().strip_prefix(PREFIX).unwrap()).unwrap();
        assert_eq!(secret.len(), LENGTH);
        assert!(!sealed.windows(LENGTH).any(|part| part == secret));
        assert_eq!(format!("{text:?}"), "SecretText(…)");
    }
}
