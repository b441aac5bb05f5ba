//! What the middleware lets through, and what it answers.

use std::convert::Infallible;
use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Request, Response};
use tower::{Layer, ServiceExt, service_fn};

use super::*;
use crate::{Answer, Denied, RequireToken, Requirements, Staleness};

fn layer(verifier: Verifier) -> RequireToken {
    RequireToken::new(Arc::new(verifier)).with_clock(|| NOW)
}

/// What the service behind the layer says: the subject that it sees.
async fn ask(layer: &RequireToken, authorization: &[&str]) -> Response<String> {
    let service = layer.layer(service_fn(async |request: Request<()>| {
        let claims = request.extensions().get::<Arc<Claims>>();
        let seen = claims.map_or("nobody", |claims| claims.sub.as_str()).to_owned();
        Ok::<_, Infallible>(Response::new(seen))
    }));
    let mut request = Request::get("/");
    for value in authorization {
        request = request.header(AUTHORIZATION, *value);
    }
    service.oneshot(request.body(()).unwrap()).await.unwrap()
}

fn bearer() -> String {
    format!("Bearer {}", edwards().token(&payload()))
}

fn assert_problem(response: &Response<String>, status: u16, code: &str, header: (http::HeaderName, &str), why: &str) {
    assert_eq!(response.status(), status, "{why}");
    assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
    assert_eq!(response.headers()[header.0], header.1, "{why}");
    let problem: Value = serde_json::from_str(response.body()).unwrap();
    assert_eq!(
        (&problem["type"], &problem["status"], &problem["code"]),
        (&json!("about:blank"), &json!(status), &json!(code))
    );
    assert!(problem["title"].is_string() && problem["detail"].is_string());
    assert_eq!(problem.as_object().unwrap().len(), 5);
}

const INVALID: (http::HeaderName, &str) = (WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"");

#[tokio::test]
async fn a_good_token_gets_through_with_its_claims() {
    let layer = layer(verifier());
    for scheme in ["Bearer ", "bearer ", "BEARER  "] {
        let response = ask(&layer, &[&bearer().replace("Bearer ", scheme)]).await;
        assert_eq!((response.status().as_u16(), response.body().as_str()), (200, "ann"));
    }
}

#[tokio::test]
async fn without_a_token_the_answer_says_how_to_come() {
    let response = ask(&layer(verifier()), &[]).await;
    assert_problem(&response, 401, "unauthenticated", (WWW_AUTHENTICATE, "Bearer"), "no token");
    assert_eq!(response.extensions().get(), Some(&Answer::NoToken));
}

#[tokio::test]
async fn a_bad_token_is_refused_and_the_reason_is_not_told() {
    let layer = layer(verifier());
    let expired = format!("Bearer {}", edwards().token(&payload_with("exp", 1)));
    let foreign = format!("Bearer {}", edwards().token(&payload_with("aud", "x")));
    let mut bodies = std::collections::BTreeSet::new();
    let twice = bearer();
    for values in [
        &[expired.as_str()][..],
        &[&foreign],
        &["Bearer"],
        &["Bearer "],
        &["Bearer nonsense"],
        &["Basic YW5uOng="],
        &[""],
        &[&twice, &twice],
        &[&twice, "Basic YW5uOng="],
        &[&format!("{twice}, {twice}")],
        &[&twice.replace(' ', "\t")],
    ] {
        let response = ask(&layer, values).await;
        assert_problem(&response, 401, "unauthenticated", INVALID, &format!("{values:?}"));
        assert!(matches!(response.extensions().get(), Some(Answer::Denied(Denied::Refused(_)))));
        bodies.insert(response.into_body());
    }
    assert_eq!(bodies.len(), 1, "all look alike");
}

#[tokio::test]
async fn who_lacks_a_role_or_a_scope_is_told_so() {
    let forbidden = (WWW_AUTHENTICATE, "Bearer error=\"insufficient_scope\"");
    for (requirements, enough) in [
        (Requirements::new().or_role("editor"), true),
        (Requirements::new().or_role("admin").or_role("editor"), true),
        (Requirements::new().or_role("editor").and_scope("openid").and_scope("profile"), true),
        (Requirements::new().or_role("admin"), false),
        (Requirements::new().or_role("editor").and_scope("mail"), false),
        (Requirements::new().and_scope("openid").and_scope("mail"), false),
        (Requirements::new().and_scope(""), false),
    ] {
        let layer = layer(verifier()).with_requirements(requirements.clone());
        let response = ask(&layer, &[&bearer()]).await;
        if enough {
            assert_eq!(response.status(), 200, "{requirements:?}");
        } else {
            assert_problem(&response, 403, "forbidden", forbidden.clone(), &format!("{requirements:?}"));
        }
    }
}

#[tokio::test]
async fn when_nobody_can_be_checked_the_fault_is_ours() {
    let retry = (RETRY_AFTER, "5");
    let response = ask(&layer(verifier_without_keys()), &[&bearer()]).await;
    assert_problem(&response, 503, "not_ready", retry.clone(), "no keys");
    assert!(!response.headers().contains_key(WWW_AUTHENTICATE));

    let stale = verifier();
    stale.expect_feed(Staleness::RefuseAfter(Duration::from_secs(30)));
    stale.heard(NOW - 31);
    let layer = layer(stale);
    assert_problem(&ask(&layer, &[&bearer()]).await, 503, "revocations_stale", retry, "stale");
    assert_problem(&ask(&layer, &["Bearer x"]).await, 401, "unauthenticated", INVALID, "bad stays bad");
    assert_eq!(ask(&layer, &[]).await.status(), 401);
}

#[tokio::test]
async fn nobody_may_come_only_without_any_token() {
    let layer = layer(verifier()).or_nobody();
    assert_eq!(ask(&layer, &[]).await.body(), "nobody");
    assert_eq!(ask(&layer, &[&bearer()]).await.body(), "ann");
    assert_eq!(ask(&layer, &["Bearer nonsense"]).await.status(), 401);
}

#[tokio::test]
async fn claims_from_elsewhere_do_not_get_through() {
    let claims = check(&edwards().token(&payload())).unwrap();
    let service = layer(verifier()).or_nobody().layer(service_fn(async |request: Request<()>| {
        Ok::<_, Infallible>(Response::new(request.extensions().get::<Arc<Claims>>().is_some().to_string()))
    }));
    let mut request = Request::new(());
    request.extensions_mut().insert(claims);
    assert_eq!(service.oneshot(request).await.unwrap().body(), "false");
}

#[cfg(feature = "axum")]
#[tokio::test]
async fn the_axum_extractor_needs_the_layer() {
    use axum::Router;
    use axum::body::Body;
    use axum::routing::get;

    use crate::Caller;

    let handler = |Caller(claims): Caller| async move { claims.sub.clone() };
    let maybe =
        |caller: Option<Caller>| async move { caller.map_or("nobody".to_owned(), |caller| caller.0.sub.clone()) };
    let routes = || Router::new().route("/", get(handler)).route("/maybe", get(maybe));
    let ask = async |service: Router, path: &str, with_token: bool| {
        let mut request = Request::get(path);
        if with_token {
            request = request.header(AUTHORIZATION, bearer());
        }
        let response = service.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let status = response.status().as_u16();
        (status, axum::body::to_bytes(response.into_body(), 1000).await.unwrap())
    };
    let behind = routes().layer(layer(verifier()).or_nobody());
    assert_eq!(ask(behind.clone(), "/", true).await, (200, "ann".into()));
    assert_eq!(ask(behind.clone(), "/", false).await.0, 401);
    assert_eq!(ask(behind.clone(), "/maybe", true).await, (200, "ann".into()));
    assert_eq!(ask(behind, "/maybe", false).await, (200, "nobody".into()));
    // Whoever forgets the layer has opened nothing.
    assert_eq!(ask(routes(), "/", true).await.0, 401);
}

#[test]
fn the_example_of_the_readme_is_the_one_that_is_compiled() {
    let readme = include_str!("../../README.md");
    let (_, code) = readme.split_once("```rust\n").unwrap();
    let (code, _) = code.split_once("```").unwrap();
    assert!(include_str!("../../examples/protect.rs").ends_with(code));
}
