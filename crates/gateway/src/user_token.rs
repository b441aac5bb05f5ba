//! `X-User-Token`: who asks, signed for one upstream alone, so that it need not trust the network
//! between us. It is an access token like Usher's own (RFC 9068), but from the issuer
//! `…/gateway`, for the route's name as audience, and for a minute.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use axum::http::HeaderValue;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use quick_cache::sync::Cache;
use serde::Serialize;
use serde_json::{Value, json};
use verify::Claims;

/// For how long one is good, in seconds.
const LIFETIME: i64 = 60;
/// For how long one is given again instead of signing another, in seconds.
const FRESH: i64 = 30;
/// How many are kept, about 1 KiB each.
const CAPACITY: usize = 8_192;

/// What signs them.
pub(crate) struct UserTokens {
    key: Ed25519KeyPair,
    /// The JOSE header, encoded.
    header: String,
    jwks: Value,
    issuer: String,
    /// By the route and the `jti` of the token that they stand for.
    signed: Cache<(&'static str, String), Signed>,
}

#[derive(Clone)]
struct Signed {
    value: HeaderValue,
    at: i64,
}

/// The key cannot be used.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the gateway's signing key cannot be used")]
pub struct BadSeed;

#[derive(Serialize)]
struct Said<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    sid: &'a str,
    epoch: i64,
    client_id: &'a str,
    iat: i64,
    exp: i64,
    jti: String,
    auth_time: i64,
    amr: &'a [String],
    roles: &'a [String],
    scope: &'a str,
}

impl UserTokens {
    /// Signs with the Ed25519 key of this seed: every gateway that has the seed has the key.
    pub(crate) fn new(seed: &[u8; 32], public_url: &str) -> Result<Self, BadSeed> {
        let key = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| BadSeed)?;
        let public = key.public_key().as_ref();
        let kid = URL_SAFE_NO_PAD.encode(&digest(&SHA256, public).as_ref()[..16]);
        let header = json!({ "typ": "at+jwt", "alg": "EdDSA", "kid": kid });
        let jwk = json!({
            "kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(public), "alg": "EdDSA", "use": "sig", "kid": kid,
        });
        Ok(Self {
            header: URL_SAFE_NO_PAD.encode(header.to_string()),
            jwks: json!({ "keys": [jwk] }),
            issuer: format!("{public_url}/gateway"),
            key,
            signed: Cache::new(CAPACITY),
        })
    }

    /// The keys that check them (RFC 7517 §5).
    pub(crate) fn jwks(&self) -> &Value {
        &self.jwks
    }

    /// The token for this user at this route.
    pub(crate) fn of(&self, claims: &Claims, route: &'static str, now: i64) -> Option<HeaderValue> {
        let key = (route, claims.jti.clone());
        if let Some(known) = self.signed.get(&key).filter(|known| (known.at..known.at + FRESH).contains(&now)) {
            return Some(known.value);
        }
        let value = self.sign(claims, route, now)?;
        self.signed.insert(key, Signed { value: value.clone(), at: now });
        Some(value)
    }

    fn sign(&self, claims: &Claims, route: &str, now: i64) -> Option<HeaderValue> {
        let said = Said {
            iss: &self.issuer,
            sub: &claims.sub,
            aud: route,
            sid: &claims.sid,
            epoch: claims.epoch,
            client_id: &claims.client_id,
            iat: now,
            exp: claims.exp.min(now + LIFETIME),
            jti: URL_SAFE_NO_PAD.encode(kernel::secret::random_bytes::<16>()),
            auth_time: claims.auth_time,
            amr: &claims.amr,
            roles: &claims.roles,
            scope: &claims.scope,
        };
        let mut token = format!("{}.", self.header);
        URL_SAFE_NO_PAD.encode_string(serde_json::to_vec(&said).ok()?, &mut token);
        let signature = self.key.try_sign(token.as_bytes()).ok()?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature.as_ref(), &mut token);
        let mut value = HeaderValue::from_str(&token).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use verify::{Settings, Verifier};

    use super::*;

    fn claims() -> Claims {
        Claims {
            iss: "https://accounts.example.com".into(),
            sub: "0190".into(),
            aud: "https://accounts.example.com".into(),
            sid: "0191".into(),
            epoch: 3,
            client_id: "usher".into(),
            iat: 1_000,
            exp: 1_900,
            jti: "a".into(),
            auth_time: 900,
            amr: vec!["pwd".into()],
            roles: vec!["user".into()],
            scope: "account".into(),
            kid: "key-1".into(),
        }
    }

    fn verifier(tokens: &UserTokens, audience: &str) -> Verifier {
        let issuer = "https://accounts.example.com/gateway".into();
        let settings = Settings { issuer, audience: audience.into(), leeway_seconds: 0, cache_capacity: 10 };
        let verifier = Verifier::new(settings);
        verifier.set_keys(tokens.jwks().to_string().as_bytes()).unwrap();
        verifier
    }

    #[test]
    fn an_upstream_checks_it_with_the_same_verifier_and_only_its_own() {
        let tokens = UserTokens::new(&[7; 32], "https://accounts.example.com").unwrap();
        let value = tokens.of(&claims(), "quiz", 1_000).unwrap();
        let token = value.to_str().unwrap();
        let seen = verifier(&tokens, "quiz").check(token, 1_010).unwrap();
        assert_eq!((seen.sub.as_str(), seen.epoch, seen.exp), ("0190", 3, 1_060));
        assert!(verifier(&tokens, "other").check(token, 1_010).is_err());
        assert!(verifier(&tokens, "quiz").check(token, 1_061).is_err());
        let stranger = UserTokens::new(&[8; 32], "https://accounts.example.com").unwrap();
        assert!(verifier(&stranger, "quiz").check(token, 1_010).is_err());
    }

    #[test]
    fn it_is_signed_again_before_it_is_old() {
        let tokens = UserTokens::new(&[7; 32], "https://accounts.example.com").unwrap();
        let first = tokens.of(&claims(), "quiz", 1_000).unwrap();
        assert_eq!(tokens.of(&claims(), "quiz", 1_029).unwrap(), first);
        assert_ne!(tokens.of(&claims(), "quiz", 1_030).unwrap(), first);
        assert_ne!(tokens.of(&claims(), "other", 1_000).unwrap(), first);
    }
}
