//! What a receiver finds first: what there is, and the keys.

use auth::keys::Algorithm;
use axum::Json;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, HeaderName};
use kernel::Problem;
use serde_json::{Value, json};

use crate::Signals;
use crate::ssf::keys;
use crate::ssf::wire::{POLL, PUSH};

/// For how long the documents may be kept.
const CACHED: &str = "public, max-age=300";

/// Discovery for receivers of Shared Signals
///
/// Transmitter configuration metadata (SSF 1.0 §7.1).
#[utoipa::path(get, path = "/.well-known/ssf-configuration", tag = "Shared Signals",
    responses((status = 200, description = "What there is, and where.", body = Object)))]
pub(super) async fn configuration(State(signals): State<Signals>) -> ([(HeaderName, &'static str); 1], Json<Value>) {
    let issuer = &signals.auth().settings().issuer;
    let algorithms = [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Rs256].map(Algorithm::name);
    let document = json!({
        "spec_version": "1_0",
        "issuer": issuer,
        "jwks_uri": format!("{issuer}/.well-known/ssf-jwks.json"),
        "delivery_methods_supported": [PUSH, POLL],
        "configuration_endpoint": format!("{issuer}/api/v1/ssf/stream"),
        "status_endpoint": format!("{issuer}/api/v1/ssf/status"),
        "verification_endpoint": format!("{issuer}/api/v1/ssf/verify"),
        "authorization_schemes": [{ "spec_urn": "urn:ietf:rfc:6750" }],
        "default_subjects": "ALL",
        "signing_alg_values_supported": algorithms,
    });
    ([(CACHE_CONTROL, CACHED)], Json(document))
}

/// The public keys of Shared Signals
///
/// A JWK set (RFC 7517 §5). These keys sign security event tokens and nothing else. A key is here
/// before the first stream that uses it.
#[utoipa::path(get, path = "/.well-known/ssf-jwks.json", tag = "Shared Signals",
    responses((status = 200, description = "The keys that sign security event tokens.", body = Object)))]
pub(super) async fn jwks(
    State(signals): State<Signals>,
) -> Result<([(HeaderName, &'static str); 1], Json<Value>), Problem> {
    Ok(([(CACHE_CONTROL, CACHED)], Json(keys::jwks(&signals).await?)))
}
