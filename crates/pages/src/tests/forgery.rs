//! Forms that no page of ours sent.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};

use super::site::{Browser, ORIGIN, PASSWORD, Site, encode};

const FORM: &str = "application/x-www-form-urlencoded";

/// Every address that changes something, with fields that would.
fn forms(session: &str) -> Vec<(String, Vec<(&'static str, &'static str)>)> {
    vec![
        ("/sign-in".into(), vec![("email", "amara@okafor.example"), ("password", PASSWORD)]),
        ("/sign-up".into(), vec![("name", "Eve"), ("email", "eve@okafor.example"), ("password", PASSWORD)]),
        (
            "/setup".into(),
            vec![("token", "x"), ("name", "Eve"), ("email", "eve@okafor.example"), ("password", PASSWORD)],
        ),
        ("/sign-out".into(), vec![]),
        ("/account/profile".into(), vec![("name", "Eve")]),
        ("/account/preferences".into(), vec![("locale", "fr")]),
        ("/account/picture/remove".into(), vec![]),
        ("/account/delete".into(), vec![("confirm", "amara@okafor.example")]),
        ("/account/email".into(), vec![("new_email", "eve@okafor.example"), ("email_password", PASSWORD)]),
        ("/account/email/confirm".into(), vec![("token", "x")]),
        ("/account/password".into(), vec![("current", PASSWORD), ("new", "copper violet anchors drifting")]),
        ("/account/notifications".into(), vec![("digest", "daily")]),
        ("/inbox/read-all".into(), vec![("up_to", "01890000-0000-7000-8000-000000000000")]),
        ("/inbox/01890000-0000-7000-8000-000000000000/read".into(), vec![]),
        ("/account/sessions/end-others".into(), vec![]),
        (format!("/account/sessions/{session}/end"), vec![]),
    ]
}

/// The token of a page that this browser could have got the form from.
async fn token(browser: &mut Browser<'_>, address: &str) -> String {
    let is_link = address == "/account/email/confirm";
    let page =
        if (["/account", "/inbox"].iter().any(|own| address.starts_with(own)) && !is_link) || address == "/sign-out" {
            browser.get("/account").await
        } else {
            // Signed in, this page would only lead on; what its forms are bound to is another cookie.
            let session = browser.cookies.remove("__Host-usher_session");
            let page = browser.get("/sign-in").await;
            browser.cookies.extend(session.map(|value| ("__Host-usher_session".to_owned(), value)));
            page
        };
    page.hidden("csrf").to_owned()
}

fn request(address: &str, headers: &[(&str, &str)], body: String) -> Request<Body> {
    let mut request = Request::builder().method(Method::POST).uri(address);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::from(body)).unwrap()
}

#[tokio::test]
async fn s8_a_forged_form_is_refused_everywhere_and_changes_nothing() {
    let site = Site::new().await;
    let mut browser = site.signed_up("amara@okafor.example").await;
    let mut other = site.browser();
    other.fill("/sign-in", "/sign-in", &[("email", "amara@okafor.example"), ("password", PASSWORD)]).await;
    let page = browser.get("/account").await;
    let session = page.text.split("action=\"/account/sessions/").nth(2).unwrap().split('/').next().unwrap().to_owned();
    let before = site.auth.db().head().borrow().to_owned();

    for (address, fields) in forms(&session) {
        let token = token(&mut browser, &address).await;
        let mut good = fields.clone();
        good.push(("csrf", &token));
        let with = |token: &str| encode(&[&fields[..], &[("csrf", token)]].concat());
        let ours: [(&str, &str); 3] = [("origin", ORIGIN), ("sec-fetch-site", "same-origin"), ("content-type", FORM)];
        let signed_out_token = super::super::csrf::Binding::Browser("x").token(site.auth.cookie_key());
        let forged = [
            ("no token", request(&address, &ours, encode(&fields))),
            ("empty token", request(&address, &ours, with(""))),
            ("made up token", request(&address, &ours, with("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"))),
            ("another browser's token", request(&address, &ours, with(&signed_out_token))),
            (
                "foreign origin",
                request(&address, &[("origin", "https://evil.test"), ("content-type", FORM)], encode(&good)),
            ),
            ("null origin", request(&address, &[("origin", "null"), ("content-type", FORM)], encode(&good))),
            (
                "cross-site",
                request(
                    &address,
                    &[("origin", ORIGIN), ("sec-fetch-site", "cross-site"), ("content-type", FORM)],
                    encode(&good),
                ),
            ),
            ("same-site", request(&address, &[("sec-fetch-site", "same-site"), ("content-type", FORM)], encode(&good))),
            ("nothing said", request(&address, &[("content-type", FORM)], encode(&good))),
            ("plain text", request(&address, &[("origin", ORIGIN), ("content-type", "text/plain")], encode(&good))),
            (
                "JSON",
                request(
                    &address,
                    &[("origin", ORIGIN), ("content-type", "application/json")],
                    "{\"name\":\"Eve\"}".into(),
                ),
            ),
            (
                "JSON as text",
                request(&address, &[("origin", ORIGIN), ("content-type", "text/plain")], "{\"name\":\"Eve\"}".into()),
            ),
            ("no type", request(&address, &[("origin", ORIGIN)], encode(&good))),
        ];
        for (what, request) in forged {
            let answer = browser.send(request).await;
            assert_eq!((answer.status, answer.code()), (StatusCode::FORBIDDEN, "csrf_failed"), "{address}: {what}");
        }
    }
    assert_eq!(site.auth.db().head().borrow().to_owned(), before, "no event");
    assert!(browser.get("/account").await.text.contains("value=\"Amara Okafor\""));
    assert!(other.is_signed_in().await);
}

#[tokio::test]
async fn s8_get_and_head_change_nothing() {
    let site = Site::new().await;
    let mut browser = site.signed_up("amara@okafor.example").await;
    for (address, fields) in forms("0192f3c8-7a10-7c44-9e01-5b6a77c2d9ef") {
        let token = token(&mut browser, &address).await;
        let query = encode(&[&fields[..], &[("csrf", token.as_str())]].concat());
        for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE] {
            let request = Request::builder()
                .method(method.clone())
                .uri(format!("{address}?{query}"))
                .header(header::ORIGIN, ORIGIN);
            let answer = browser.send(request.body(Body::empty()).unwrap()).await;
            let has_page = ["/sign-in", "/sign-up", "/setup", "/account/delete", "/account/email/confirm"]
                .contains(&address.as_str())
                && (method == Method::GET || method == Method::HEAD);
            assert_eq!(answer.status == StatusCode::METHOD_NOT_ALLOWED, !has_page, "{method} {address}");
        }
    }
    assert!(browser.get("/account").await.text.contains("value=\"Amara Okafor\""));
}

#[tokio::test]
async fn s7_a_token_from_before_the_sign_in_is_worth_nothing_after_it() {
    let site = Site::new().await;
    let mut browser = site.browser();
    let before = browser.get("/sign-up").await.hidden("csrf").to_owned();
    browser
        .fill("/sign-up", "/sign-up", &[("name", "Amara"), ("email", "amara@okafor.example"), ("password", PASSWORD)])
        .await;
    let answer = browser.post("/account/profile", &[("csrf", &before), ("name", "Eve")]).await;
    assert_eq!((answer.status, answer.code()), (StatusCode::FORBIDDEN, "csrf_failed"));

    let mut stranger = site.signed_up("eve@okafor.example").await;
    let theirs = stranger.get("/account").await.hidden("csrf").to_owned();
    let answer = browser.post("/account/profile", &[("csrf", &theirs), ("name", "Eve")]).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "another session's token");
}

#[tokio::test]
async fn bad_bodies_are_refused_clearly() {
    let site = Site::new().await;
    let mut browser = site.browser();
    let answer = browser.fill("/sign-in", "/sign-in", &[("email", "a\0b"), ("password", "x")]).await;
    assert_eq!((answer.status, answer.code()), (StatusCode::BAD_REQUEST, "nul_character"));
    let large = "x".repeat(70_000);
    let answer = browser.fill("/sign-in", "/sign-in", &[("email", &large)]).await;
    assert_eq!((answer.status, answer.code()), (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"));
}
