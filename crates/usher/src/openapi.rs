//! The OpenAPI 3.1 document, generated from the code.

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use serde_json::Value;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Components, Info, License, OpenApi};
use utoipa_axum::router::OpenApiRouter;

use crate::assemble::House;
use crate::only::{Only, Service};

/// The JSON calls of all services, and the document that describes them.
pub fn services(house: &House, only: &Only) -> (Router, Arc<Value>) {
    let mut all = OpenApiRouter::new();
    if only.has(Service::Users) {
        all = all.merge(users::api::router(house.auth.users().clone()));
    }
    if only.has(Service::Auth) {
        all = all.merge(auth::api::router(house.auth.clone()));
    }
    if only.has(Service::Feed) && !only.has(Service::Auth) {
        all = all.merge(auth::api::discovery(house.auth.clone()));
    }
    if only.has(Service::Auth) || only.has(Service::Feed) {
        all = all.merge(signals::api::router(house.signals.clone()));
    }
    if only.has(Service::Notify) {
        let senders = from_fn_with_state(house.signals.clone(), signals::recognise_senders);
        all = all.merge(notify::api::router(house.notify.clone()).layer(senders));
    }
    let (router, mut document) = all.split_for_parts();
    describe(&mut document);
    (router, Arc::new(serde_json::to_value(document).unwrap_or_default()))
}

fn describe(document: &mut OpenApi) {
    document.info = Info::new("Usher", env!("CARGO_PKG_VERSION"));
    document.info.description = Some(
        "Accounts, sessions and tokens. JSON in and out; times are RFC 3339 in UTC, ids UUIDv7. Errors are problem \
         documents (RFC 9457) with a stable `code`; every answer has `X-Request-Id`."
            .into(),
    );
    let mut license = License::new("MIT OR Apache-2.0");
    license.identifier = Some("MIT OR Apache-2.0".into());
    document.info.license = Some(license);
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some("The `access_token` of a sign-in (RFC 9068)."))
        .build();
    let service = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some(
            "A service's own token, of `usher verifier create`, `usher receiver create` or `usher sender create`.",
        ))
        .build();
    let schemes = &mut document.components.get_or_insert_with(Components::default).security_schemes;
    schemes.insert("access_token".into(), SecurityScheme::Http(bearer).into());
    schemes.insert("service_token".into(), SecurityScheme::Http(service).into());
}
