//! The check of a token, from its text to its claims.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use quick_cache::sync::Cache;

use crate::header::Header;
use crate::json::decode;
use crate::keys::{Key, Keys};
use crate::{Claims, KeysError, Refused, Revocations};

/// Longer tokens are refused before anything else is done with them.
const LONGEST_TOKEN: usize = 8 * 1024;

/// Whose tokens are accepted, and for whom.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The issuer's address, compared letter by letter with `iss`.
    pub issuer: String,
    /// This service's name in `aud`.
    pub audience: String,
    /// How far clocks may be apart, in seconds; 60 is usual. Below 0 counts as 0.
    pub leeway_seconds: i64,
    /// How many checked tokens are remembered, about 1 KiB each.
    pub cache_capacity: usize,
}

/// Checks access tokens of one issuer for one audience. Share it behind an [`Arc`].
pub struct Verifier {
    settings: Settings,
    keys: Keys,
    revocations: Revocations,
    /// Tokens that passed every check, by the SHA-256 of the whole token. Issuer and audience have no
    /// part in the key, because they never change here.
    checked: Cache<[u8; SHA256_OUTPUT_LEN], Checked>,
}

/// A token whose signature and claims are right. What changes with time is not settled here.
#[derive(Clone)]
struct Checked {
    claims: Arc<Claims>,
    not_before: i64,
    key: Arc<Key>,
}

impl Verifier {
    /// A verifier without keys, which refuses everything until [`set_keys`](Self::set_keys).
    pub fn new(mut settings: Settings) -> Self {
        settings.leeway_seconds = settings.leeway_seconds.max(0);
        Self {
            keys: Keys::default(),
            revocations: Revocations::new(settings.leeway_seconds),
            checked: Cache::new(settings.cache_capacity),
            settings,
        }
    }

    /// Replaces the keys by those of a JWKS document. A document with an error in it changes
    /// nothing. Tokens of keys that are no longer in it are refused from now on, checked or not.
    pub fn set_keys(&self, jwks_json: &[u8]) -> Result<(), KeysError> {
        self.keys.replace(jwks_json)
    }

    /// What has been revoked, to be told of new revocations.
    pub fn revocations(&self) -> &Revocations {
        &self.revocations
    }

    /// How many checked tokens are remembered now.
    pub fn known_tokens(&self) -> usize {
        self.checked.len()
    }

    /// Checks an access token and returns its claims. `now_unix_seconds` is the caller's clock.
    pub fn check(&self, token: &str, now_unix_seconds: i64) -> Result<Arc<Claims>, Refused> {
        if token.len() > LONGEST_TOKEN {
            return Err(Refused::Malformed);
        }
        let mut fingerprint = [0; SHA256_OUTPUT_LEN];
        fingerprint.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        // A withdrawn key may have come back, so its token is not refused here but checked anew.
        if let Some(known) = self.checked.get(&fingerprint).filter(|known| !known.key.is_withdrawn()) {
            self.require_good_now(&known, now_unix_seconds)?;
            return Ok(known.claims);
        }
        let checked = self.check_in_full(token)?;
        self.require_good_now(&checked, now_unix_seconds)?;
        let claims = Arc::clone(&checked.claims);
        self.checked.insert(fingerprint, checked);
        Ok(claims)
    }

    /// Everything about a token that never changes. The payload is not even decoded before the
    /// signature is verified, so a stranger's JSON goes no further than the header.
    fn check_in_full(&self, token: &str) -> Result<Checked, Refused> {
        let (message, signature) = token.rsplit_once('.').ok_or(Refused::Malformed)?;
        let (header, payload) = message.split_once('.').ok_or(Refused::Malformed)?;
        if payload.contains('.') {
            return Err(Refused::Malformed);
        }
        let header = Header::read(header)?;
        let key = self.keys.find(&header.key_id).ok_or(Refused::UnknownKey)?;
        let signature = decode(signature).ok_or(Refused::Malformed)?;
        if !key.verifies(&header.algorithm, message, &signature) {
            return Err(Refused::BadSignature);
        }
        let (claims, not_before) = Claims::read(payload)?;
        if claims.iss != self.settings.issuer {
            return Err(Refused::WrongIssuer);
        }
        if claims.aud != self.settings.audience {
            return Err(Refused::WrongAudience);
        }
        Ok(Checked { claims: Arc::new(claims), not_before, key })
    }

    /// Everything about a token that can change while it lives. Known tokens and new ones both come
    /// through here.
    fn require_good_now(&self, checked: &Checked, now: i64) -> Result<(), Refused> {
        let leeway = self.settings.leeway_seconds;
        if checked.key.is_withdrawn() {
            return Err(Refused::UnknownKey);
        }
        if now >= checked.claims.exp.saturating_add(leeway) {
            return Err(Refused::Expired);
        }
        if checked.not_before > now.saturating_add(leeway) {
            return Err(Refused::NotYetValid);
        }
        if !self.revocations.is_good(&checked.claims) {
            return Err(Refused::Revoked);
        }
        Ok(())
    }
}
