//! A picture on the account page.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::site::{Answer, Browser, ORIGIN, Site};

/// One pixel (PNG).
pub const PIXEL: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/// Sends a form with a file in it, with these fields in this order.
pub async fn upload(browser: &mut Browser<'_>, origin: &str, parts: &[(&str, &[u8])]) -> Answer {
    let mut body = Vec::new();
    for (name, content) in parts {
        let file = if *name == "picture" { "; filename=\"../../me.html\"\r\nContent-Type: text/html" } else { "" };
        body.extend(format!("--edge\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n").into_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--edge--\r\n");
    let request = Request::post("/account/picture")
        .header(header::ORIGIN, origin)
        .header(header::CONTENT_TYPE, "multipart/form-data; boundary=edge")
        .body(Body::from(body))
        .unwrap();
    browser.send(request).await
}

#[tokio::test]
async fn a_picture_is_saved_shown_and_removed_without_a_script() {
    let site = Site::new().await;
    let mut browser = site.signed_up("amara@okafor.example").await;
    let page = browser.get("/account").await;
    assert!(page.text.contains("enctype=\"multipart/form-data\"") && !page.text.contains("Remove picture"));
    let (token, pixel) = (page.hidden("csrf").to_owned(), STANDARD.decode(PIXEL).unwrap());
    let answer = upload(&mut browser, ORIGIN, &[("csrf", token.as_bytes()), ("picture", &pixel)]).await;
    assert_eq!(answer.location(), "/account?done=picture", "{}", answer.text);
    let page = browser.get("/account?done=picture").await;
    assert!(page.text.contains("<img src=\"/avatars/") && page.text.contains("Picture saved."));
    assert!(page.text.contains("Remove picture"));

    for (file, said) in [
        (&b""[..], "Choose a file first."),
        (b"<svg/>", "Choose a PNG, JPEG, WebP or GIF picture."),
        (&pixel[..40], "This file is damaged or cut off."),
    ] {
        let answer = upload(&mut browser, ORIGIN, &[("csrf", token.as_bytes()), ("picture", file)]).await;
        assert_eq!((answer.status, answer.title()), (StatusCode::UNPROCESSABLE_ENTITY, "Error: account · Usher"));
        assert!(answer.text.contains(said) && answer.text.contains("aria-describedby=\"picture-hint picture-error\""));
        assert!(answer.text.contains("<img src=\"/avatars/"), "the picture from before stays");
    }
    let answer = browser.fill("/account", "/account/picture/remove", &[]).await;
    assert_eq!(answer.location(), "/account?done=picture_removed");
    assert!(!browser.get("/account").await.text.contains("<img src=\"/avatars/"));
}

#[tokio::test]
async fn s8_a_picture_that_no_page_of_ours_sent_is_refused() {
    let site = Site::new().await;
    let mut browser = site.signed_up("amara@okafor.example").await;
    let mut other = site.signed_up("eve@okafor.example").await;
    let token = browser.get("/account").await.hidden("csrf").to_owned();
    let foreign = other.get("/account").await.hidden("csrf").to_owned();
    let pixel = STANDARD.decode(PIXEL).unwrap();
    let (ours, theirs) = (("csrf", token.as_bytes()), ("csrf", foreign.as_bytes()));
    let before = site.auth.db().head().borrow().to_owned();
    for (origin, parts) in [
        ("https://evil.example", vec![ours, ("picture", pixel.as_slice())]),
        (ORIGIN, vec![theirs, ("picture", pixel.as_slice())]),
        (ORIGIN, vec![("csrf", &b""[..]), ("picture", pixel.as_slice())]),
        (ORIGIN, vec![("picture", pixel.as_slice())]),
        (ORIGIN, vec![("picture", pixel.as_slice()), ours]),
        (ORIGIN, vec![]),
    ] {
        let answer = upload(&mut browser, origin, &parts).await;
        assert!(
            matches!(answer.code(), "csrf_failed" | "incomplete_body"),
            "{origin} {} {}",
            parts.len(),
            answer.code()
        );
    }
    assert_eq!(*site.auth.db().head().borrow(), before);
    assert!(browser.get("/account").await.text.contains("Amara Okafor"));
}

#[tokio::test]
async fn an_account_is_deleted_by_whoever_types_its_address() {
    let site = Site::new().await;
    let mut browser = site.signed_up("amara@okafor.example").await;
    assert!(browser.get("/account").await.text.contains("href=\"/account/delete\""));
    let answer = browser.fill("/account/delete", "/account/delete", &[("confirm", "yes")]).await;
    assert_eq!((answer.status, answer.title()), (StatusCode::UNPROCESSABLE_ENTITY, "Error: delete my account · Usher"));
    assert!(browser.is_signed_in().await);
    let answer = browser.fill("/account/delete", "/account/delete", &[("confirm", "Amara@okafor.example")]).await;
    assert_eq!(answer.location(), "/sign-in");
    assert!(!browser.is_signed_in().await);
}
