//! The check of a token, from its text to its claims.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use quick_cache::sync::Cache;

use crate::freshness::Freshness;
use crate::header::Header;
use crate::json::decode;
use crate::keys::{Found, Key, Keys};
use crate::stats::Counters;
use crate::{Claims, KeysError, Refused, Revocations, Staleness};

/// Longer tokens are refused before anything else is done with them.
const LONGEST_TOKEN: usize = 8 * 1024;
/// A million of one kind take about 100 MB. At 500 revocations a second and tokens of 15 minutes,
/// half of it is used.
const USUAL_MOST_REVOCATIONS: usize = 1_000_000;

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

impl Settings {
    /// Tokens of this issuer for itself, as Usher makes them: a minute of leeway, and room for ten
    /// thousand checked tokens.
    pub fn new(issuer: impl Into<String>) -> Self {
        let issuer = issuer.into();
        Self { audience: issuer.clone(), issuer, leeway_seconds: 60, cache_capacity: 10_000 }
    }
}

/// Checks access tokens of one issuer for one audience. Share it behind an [`Arc`].
pub struct Verifier {
    settings: Settings,
    pub(crate) keys: Arc<Keys>,
    revocations: Revocations,
    pub(crate) freshness: Freshness,
    /// Tokens that passed every check, by the SHA-256 of the whole token: one signed text, and so one
    /// algorithm, one issuer, one audience, one scope.
    checked: Cache<[u8; SHA256_OUTPUT_LEN], Checked>,
    pub(crate) counters: Counters,
    /// Wakes a follower when a token names a key that is not known.
    #[cfg(feature = "follow")]
    pub(crate) unknown_key_seen: tokio::sync::Notify,
}

/// A token whose signature is right and whose claims are whole.
#[derive(Clone)]
struct Checked {
    claims: Arc<Claims>,
    not_before: i64,
    key: Arc<Key>,
}

impl Verifier {
    /// A verifier without keys, which refuses everything until [`set_keys`](Self::set_keys). Whoever
    /// makes one feeds it, too; with the feature `follow`, `follow()` does.
    pub fn new(mut settings: Settings) -> Self {
        settings.leeway_seconds = settings.leeway_seconds.max(0);
        let keys = Arc::new(Keys::default());
        Self {
            revocations: Revocations::new(settings.leeway_seconds, USUAL_MOST_REVOCATIONS, Arc::clone(&keys)),
            keys,
            freshness: Freshness::fed_here(),
            checked: Cache::new(settings.cache_capacity),
            settings,
            counters: Counters::default(),
            #[cfg(feature = "follow")]
            unknown_key_seen: tokio::sync::Notify::new(),
        }
    }

    /// Remembers at most as many revoked users, and as many sessions, instead of a million. See
    /// [`Revocations`] for what happens beyond.
    #[must_use]
    pub fn with_most_revocations(mut self, most: usize) -> Self {
        self.revocations = Revocations::new(self.settings.leeway_seconds, most, Arc::clone(&self.keys));
        self
    }

    /// Replaces the keys by those of a JWKS document. A document with an error in it changes
    /// nothing. Tokens of keys that are no longer in it are refused from now on, checked or not. Keys
    /// that were taken back ([`Revocations::end_key`]) are left out of it.
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

    /// Seconds since the issuer was heard. 0 if the verifier is fed in this process; `None` if a
    /// follower has not yet learned what is revoked. `now_unix_seconds` is the caller's clock.
    pub fn staleness(&self, now_unix_seconds: i64) -> Option<u64> {
        self.freshness.seconds(now_unix_seconds)
    }

    /// Says that what is revoked comes from somewhere else, over a connection that can break. Until
    /// [`heard`](Self::heard) is called, good tokens get [`Refused::NotReady`]; afterwards the policy
    /// holds. `follow()` calls it.
    pub fn expect_feed(&self, policy: Staleness) {
        self.freshness.expect_feed(policy);
    }

    /// Notes that the issuer was heard now, and that everything it said is applied.
    pub fn heard(&self, now_unix_seconds: i64) {
        self.freshness.heard(now_unix_seconds);
    }

    /// Whether tokens can be checked: there are keys, and what is revoked was known once.
    pub fn is_ready(&self) -> bool {
        self.keys.are_known() && self.freshness.is_ready()
    }

    /// Checks an access token and returns its claims. `now_unix_seconds` is the caller's clock.
    pub fn check(&self, token: &str, now_unix_seconds: i64) -> Result<Arc<Claims>, Refused> {
        let checked = self.check_uncounted(token, now_unix_seconds);
        if let Err(reason) = checked {
            self.counters.refused(reason);
        }
        checked
    }

    fn check_uncounted(&self, token: &str, now: i64) -> Result<Arc<Claims>, Refused> {
        if token.len() > LONGEST_TOKEN {
            return Err(Refused::Malformed);
        }
        let mut fingerprint = [0; SHA256_OUTPUT_LEN];
        fingerprint.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        // A withdrawn key may have come back, so its token is not refused here but checked anew.
        if let Some(known) = self.checked.get(&fingerprint).filter(|known| !known.key.is_withdrawn()) {
            self.require_good_now(&known, now)?;
            self.counters.known();
            return Ok(known.claims);
        }
        let checked = self.check_in_full(token)?;
        self.require_good_now(&checked, now)?;
        self.counters.new_one();
        let claims = Arc::clone(&checked.claims);
        self.checked.insert(fingerprint, checked);
        Ok(claims)
    }

    /// Whether claims that [`check`](Self::check) returned are still good, for whoever keeps a
    /// connection open longer than a moment: ask every second or so, and end the connection at the
    /// first no. It is no when the token has expired (and the leeway after it has passed), when its key
    /// was withdrawn, when its user or session was ended, and when the policy for a feed that cannot be
    /// heard would refuse the token now.
    ///
    /// A connection cannot outlive the token that opened it: what was revoked is forgotten when no
    /// token can be refused by it any more, so nobody would know later.
    pub fn is_still_good(&self, claims: &Claims, now_unix_seconds: i64) -> bool {
        let Found::Key(_) = self.keys.find(&claims.kid) else { return false };
        self.require_living(claims, now_unix_seconds).is_ok() && self.require_trusted(claims, now_unix_seconds).is_ok()
    }

    fn find_key(&self, key_id: &str) -> Result<Arc<Key>, Refused> {
        match self.keys.find(key_id) {
            Found::Key(key) => Ok(key),
            Found::TakenBack => Err(Refused::UnknownKey),
            Found::NoKeysYet => Err(Refused::NotReady),
            Found::Unknown => {
                // The token is refused now. Whether there is a new key is found out meanwhile.
                #[cfg(feature = "follow")]
                self.unknown_key_seen.notify_one();
                Err(Refused::UnknownKey)
            }
        }
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
        let key = self.find_key(&header.key_id)?;
        let signature = decode(signature).ok_or(Refused::Malformed)?;
        if !key.verifies(&header.algorithm, message, &signature) {
            return Err(Refused::BadSignature);
        }
        let (claims, not_before) = Claims::read(payload, header.key_id)?;
        Ok(Checked { claims: Arc::new(claims), not_before, key })
    }

    /// Everything that decides whether a token is good here and now. Known tokens and new ones both
    /// come through here, and nothing of it is remembered.
    fn require_good_now(&self, checked: &Checked, now: i64) -> Result<(), Refused> {
        let Checked { claims, not_before, key } = checked;
        if key.is_withdrawn() {
            return Err(Refused::UnknownKey);
        }
        self.require_living(claims, now)?;
        if *not_before > now.saturating_add(self.settings.leeway_seconds) {
            return Err(Refused::NotYetValid);
        }
        self.require_trusted(claims, now)
    }

    /// It is ours and has not expired.
    fn require_living(&self, claims: &Claims, now: i64) -> Result<(), Refused> {
        let Settings { issuer, audience, leeway_seconds, .. } = &self.settings;
        if claims.iss != *issuer {
            return Err(Refused::WrongIssuer);
        }
        if claims.aud != *audience {
            return Err(Refused::WrongAudience);
        }
        if now >= claims.exp.saturating_add(*leeway_seconds) {
            return Err(Refused::Expired);
        }
        Ok(())
    }

    /// Nobody has ended it.
    fn require_trusted(&self, claims: &Claims, now: i64) -> Result<(), Refused> {
        if !self.revocations.is_good(claims) {
            return Err(Refused::Revoked);
        }
        // Last, so that it only ever stands for a yes that cannot be given: a bad token stays bad.
        self.freshness.require(now)
    }
}
