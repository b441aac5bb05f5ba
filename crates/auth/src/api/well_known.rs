//! What other services need to check tokens by themselves: the public keys, and where they are.

use axum::Json;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, HeaderName};
use serde_json::{Value, json};

use crate::Auth;
use crate::settings::JWKS_MAX_AGE;

fn cached(document: Value) -> ([(HeaderName, String); 1], Json<Value>) {
    ([(CACHE_CONTROL, format!("public, max-age={JWKS_MAX_AGE}"))], Json(document))
}

/// The public keys
///
/// A JWK set (RFC 7517 §5). A new key is here ten minutes before it signs; an old one stays until its
/// last token is dead.
#[utoipa::path(get, path = "/.well-known/jwks.json", tag = "Discovery",
    responses((status = 200, description = "The keys that sign tokens.", body = Object)))]
pub(super) async fn jwks(State(auth): State<Auth>) -> ([(HeaderName, String); 1], Json<Value>) {
    cached(auth.keys().jwks())
}

/// Discovery for OpenID Connect clients
///
/// What is there today: the issuer and its keys (OpenID Connect Discovery 1.0 §3).
#[utoipa::path(get, path = "/.well-known/openid-configuration", tag = "Discovery",
    responses((status = 200, description = "The issuer and where its keys are.", body = Object)))]
pub(super) async fn openid_configuration(State(auth): State<Auth>) -> ([(HeaderName, String); 1], Json<Value>) {
    let issuer = &auth.settings().issuer;
    cached(json!({
        "issuer": issuer,
        "jwks_uri": format!("{issuer}/.well-known/jwks.json"),
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": auth.keys().algorithms(),
        "response_types_supported": [],
    }))
}

/// Discovery for OAuth clients
///
/// Authorization server metadata (RFC 8414 §2).
#[utoipa::path(get, path = "/.well-known/oauth-authorization-server", tag = "Discovery",
    responses((status = 200, description = "The issuer and where its keys are.", body = Object)))]
pub(super) async fn authorization_server(State(auth): State<Auth>) -> ([(HeaderName, String); 1], Json<Value>) {
    let issuer = &auth.settings().issuer;
    cached(json!({
        "issuer": issuer,
        "jwks_uri": format!("{issuer}/.well-known/jwks.json"),
        "response_types_supported": [],
        "service_documentation": format!("{issuer}/docs"),
    }))
}
