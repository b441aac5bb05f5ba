//! Signing up, in and out, and the first administrator.

use axum::http::{StatusCode, header};

use super::site::{PASSWORD, Site};

const SESSION: &str = "__Host-usher_session";

#[tokio::test]
async fn the_first_page_is_sign_in_and_then_the_account() {
    let site = Site::new().await;
    assert_eq!(site.browser().get("/").await.location(), "/sign-in");
    let mut browser = site.signed_up("amara@okafor.example").await;
    assert_eq!(browser.get("/").await.location(), "/account");
    assert_eq!(browser.get("/sign-in").await.location(), "/account");
    assert_eq!(browser.get("/sign-up?next=/docs").await.location(), "/docs");
}

#[tokio::test]
async fn a_wanted_page_is_come_back_to() {
    let site = Site::new().await;
    site.signed_up("amara@okafor.example").await;
    let mut browser = site.browser();
    assert_eq!(browser.get("/account?done=profile").await.location(), "/sign-in?next=/account%3Fdone%3Dprofile");
    let page = browser.get("/sign-in?next=/account%3Fdone%3Dprofile").await;
    assert_eq!(page.hidden("next"), "/account?done=profile");
    let fields = [
        ("email", "amara@okafor.example"),
        ("password", PASSWORD),
        ("next", "/account?done=profile"),
        ("csrf", page.hidden("csrf")),
    ];
    assert_eq!(browser.post("/sign-in", &fields).await.location(), "/account?done=profile");
}

#[tokio::test]
async fn s11_a_foreign_return_address_leads_to_the_account() {
    let site = Site::new().await;
    site.signed_up("amara@okafor.example").await;
    for foreign in [
        "//e",
        "/\\e",
        "/\t/e",
        "https:e",
        "\\/e",
        "javascript:alert(1)",
        "data:text/html,x",
        "@e",
        "/a\r\nb:c",
        "/\u{ff0f}e",
    ] {
        let mut browser = site.browser();
        let fields = [("email", "amara@okafor.example"), ("password", PASSWORD), ("next", foreign)];
        let answer = browser.fill("/sign-in", "/sign-in", &fields).await;
        assert_eq!(answer.location(), "/account", "{foreign:?}");
    }
}

#[tokio::test]
async fn s1_s7_a_sign_in_makes_a_new_session_and_ends_the_one_before() {
    let site = Site::new().await;
    let mut browser = site.signed_up("amara@okafor.example").await;
    let old = browser.cookies[SESSION].clone();
    // The page that was open before somebody signed in here: its form still works, its session does not go on.
    let mut other = site.browser();
    let page = other.get("/sign-in").await;
    other.cookies.insert(SESSION.to_owned(), old.clone());
    let fields = [("email", "amara@okafor.example"), ("password", PASSWORD), ("csrf", page.hidden("csrf"))];
    assert_eq!(other.post("/sign-in", &fields).await.status, StatusCode::SEE_OTHER);
    assert_ne!(other.cookies[SESSION], old);
    assert!(other.is_signed_in().await);
    assert!(!browser.is_signed_in().await, "the old id is dead");
}

#[tokio::test]
async fn s1_a_made_up_session_cookie_is_nobody() {
    let site = Site::new().await;
    let good = site.signed_up("amara@okafor.example").await.cookies[SESSION].clone();
    assert_eq!(good.len(), 64, "an id of 128 bits and a tag of 256");
    for at in 0..good.len() {
        let mut bad = good.clone().into_bytes();
        bad[at] = if bad[at] == b'A' { b'B' } else { b'A' };
        let mut browser = site.browser();
        browser.cookies.insert(SESSION.to_owned(), String::from_utf8(bad).unwrap());
        assert!(!browser.is_signed_in().await, "character {at}");
    }
}

#[tokio::test]
async fn s3_s12_after_signing_out_the_cookie_opens_nothing() {
    let site = Site::new().await;
    let mut browser = site.signed_up("amara@okafor.example").await;
    let stolen = browser.cookies.clone();
    let answer = browser.fill("/account", "/sign-out", &[]).await;
    assert_eq!((answer.status, answer.location()), (StatusCode::SEE_OTHER, "/sign-in"));
    assert_eq!(answer.headers["clear-site-data"], "\"cache\"");
    assert!(!browser.cookies.contains_key(SESSION));
    browser.cookies = stolen;
    assert_eq!(browser.get("/account").await.location(), "/sign-in?next=/account");
}

#[tokio::test]
async fn a_session_is_kept_only_if_its_owner_says_so() {
    let site = Site::new().await;
    site.signed_up("amara@okafor.example").await;
    for (keep, kept) in [(None, false), (Some(("keep", "on")), true)] {
        let mut fields = vec![("email", "amara@okafor.example"), ("password", PASSWORD)];
        fields.extend(keep);
        let answer = site.browser().fill("/sign-in", "/sign-in", &fields).await;
        let cookie = answer.cookies().into_iter().find(|cookie| cookie.starts_with(SESSION)).unwrap().to_owned();
        assert_eq!(cookie.contains("Max-Age=2592000"), kept, "{cookie}");
    }
}

#[tokio::test]
async fn s6_every_cookie_of_a_visit_is_a_host_cookie() {
    let site = Site::new().await;
    let mut browser = site.browser();
    let mut cookies =
        browser.get("/sign-up").await.cookies().iter().map(|cookie| (*cookie).to_owned()).collect::<Vec<_>>();
    let fields = [("name", "A"), ("email", "a@okafor.example"), ("password", PASSWORD)];
    let answer = browser.fill("/sign-up", "/sign-up", &fields).await;
    cookies.extend(answer.cookies().iter().map(|cookie| (*cookie).to_owned()));
    cookies
        .extend(browser.fill("/account", "/sign-out", &[]).await.cookies().iter().map(|cookie| (*cookie).to_owned()));
    assert_eq!(cookies.len(), 5, "{cookies:?}");
    for cookie in cookies {
        let parts: Vec<&str> = cookie.split("; ").collect();
        assert!(cookie.starts_with("__Host-") && cookie.len() <= 4096, "{cookie}");
        for part in ["Secure", "HttpOnly", "SameSite=Lax", "Path=/"] {
            assert!(parts.contains(&part), "{cookie}");
        }
        assert!(!cookie.contains("Domain"), "{cookie}");
    }
}

#[tokio::test]
async fn l1_a_failed_sign_in_reads_the_same_whoever_it_was() {
    let site = Site::new().await;
    site.signed_up("amara@okafor.example").await;
    let mut pages = Vec::new();
    for email in ["amara@okafor.example", "nobody@okafor.example", "not an address"] {
        let answer = site.browser().fill("/sign-in", "/sign-in", &[("email", email), ("password", "wrong")]).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert_eq!(answer.title(), "Error: sign in · Usher");
        assert!(answer.text.contains(&format!("value=\"{email}\"")), "what was typed is kept");
        pages.push(answer.text.replace(answer.hidden("csrf"), "").replace(email, ""));
    }
    assert_eq!(pages[0], pages[1]);
    assert_eq!(pages[0], pages[2]);
}

#[tokio::test]
async fn r8_the_setup_link_works_once_and_looking_at_it_does_not_use_it() {
    let site = Site::new().await;
    let link = auth::setup::create_link(&site.auth).await.unwrap().unwrap();
    let link = link.strip_prefix(super::site::ORIGIN).unwrap();
    let token = link.split_once("token=").unwrap().1;
    let mut browser = site.browser();
    for _ in 0..3 {
        assert_eq!(browser.get(link).await.status, StatusCode::OK);
    }
    let weak = [("token", token), ("name", "Root"), ("email", "root@okafor.example"), ("password", "password1")];
    let answer = browser.fill(link, "/setup", &weak).await;
    assert_eq!(
        (answer.status, answer.title()),
        (StatusCode::UNPROCESSABLE_ENTITY, "Error: create the first administrator · Usher")
    );
    let good = [("token", token), ("name", "Root"), ("email", "root@okafor.example"), ("password", PASSWORD)];
    assert_eq!(browser.fill(link, "/setup", &good).await.location(), "/account");
    assert!(browser.get("/account").await.text.contains("Administrator"));

    let mut late = site.browser();
    assert_eq!(late.get(link).await.code(), "invalid_setup_link");
    let again = [("token", token), ("name", "Eve"), ("email", "eve@okafor.example"), ("password", PASSWORD)];
    let answer = late.fill("/sign-in", "/setup", &again).await;
    assert_eq!((answer.status, answer.code()), (StatusCode::GONE, "invalid_setup_link"));
    for foreign in ["", "x", &token[1..], &format!("{token}A")] {
        assert_eq!(late.get(&format!("/setup?token={foreign}")).await.code(), "invalid_setup_link");
    }
    assert!(auth::setup::create_link(&site.auth).await.unwrap().is_none(), "and there is no new one");
}

#[tokio::test]
async fn r8_the_setup_link_is_dead_after_an_hour() {
    let site = Site::new().await;
    let link = auth::setup::create_link(&site.auth).await.unwrap().unwrap();
    let link = link.strip_prefix(super::site::ORIGIN).unwrap();
    site.clock.advance(std::time::Duration::from_secs(3_599));
    assert_eq!(site.browser().get(link).await.status, StatusCode::OK);
    site.clock.advance(std::time::Duration::from_secs(1));
    assert_eq!(site.browser().get(link).await.status, StatusCode::GONE);
}

#[tokio::test]
async fn s10_no_page_is_stored() {
    let site = Site::new().await;
    let mut browser = site.signed_up("amara@okafor.example").await;
    for address in ["/account", "/docs", "/docs/problems", "/", "/sign-in"] {
        assert_eq!(browser.get(address).await.headers[header::CACHE_CONTROL], "no-store", "{address}");
    }
    assert_eq!(site.browser().get("/sign-in").await.headers[header::CACHE_CONTROL], "no-store");
}
