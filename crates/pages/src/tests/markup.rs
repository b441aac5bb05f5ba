//! What all pages have in common.

use axum::http::StatusCode;

use super::accounts::attributes;
use super::console::person;
use super::site::{PASSWORD, Site};

/// Texts that have been scripts somewhere.
const HOSTILE: [&str; 6] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' autofocus onfocus=alert(1) x='",
    "</title><svg/onload=alert(1)>",
    "{{7*7}}${7*7}<%= 7*7 %>",
    "javascript:alert(1)//<!--",
];

#[tokio::test]
async fn i1_text_from_people_is_only_ever_text() {
    let site = Site::new().await;
    for (at, text) in HOSTILE.into_iter().enumerate() {
        let mut browser = site.browser();
        browser.agent = HOSTILE[at];
        let email = format!("amara{at}@okafor.example");
        let page = browser
            .get(&format!("/sign-in?next={}", text.replace(['<', '>', ' ', '"', '{', '}', '\'', '%'], "")))
            .await;
        assert_eq!(page.status, StatusCode::OK);
        let again = browser.fill("/sign-up", "/sign-up", &[("name", text), ("email", text), ("password", text)]).await;
        assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY);
        let fields = [("name", text), ("email", email.as_str()), ("password", PASSWORD)];
        assert_eq!(browser.fill("/sign-up", "/sign-up", &fields).await.status, StatusCode::SEE_OTHER);
        let account = browser.get(&format!("/account?done={}", "%3Cscript%3Ealert(1)%3C/script%3E")).await;
        for page in [&again.text, &account.text] {
            for mark in ["<script>", "<img", "<svg/", "onerror=alert(1)>", "' autofocus onfocus", "<!--"] {
                assert!(!page.contains(mark), "{mark} of {text} in {page}");
            }
        }
        assert!(account.text.contains("<bdi>"));
    }
}

#[tokio::test]
async fn i1_attributes_settings_and_addresses_are_only_ever_text() {
    let site = Site::with(&attributes()).await;
    let (mut jonas, _) = person(&site, "jonas", &["admin"]).await;
    let (mut amara, id) = person(&site, "amara", &[]).await;
    let theirs = format!("/admin/users/{id}");
    for text in HOSTILE {
        let json = serde_json::json!({ text: text }).to_string();
        let closing = format!("</textarea>{text}");
        let profile = [("bio", closing.as_str()), ("address", &closing), ("attributes.team", &closing)];
        assert_eq!(amara.fill("/account", "/account/profile", &profile).await.status, StatusCode::SEE_OTHER, "{text}");
        let saved = amara.fill("/account", "/account/preferences", &[("preferences", &json)]).await;
        assert_eq!(saved.status, StatusCode::SEE_OTHER, "{text}");
        let wrong = [("locale", text), ("timezone", text), ("preferences", text)];
        let wrong = amara.fill("/account", "/account/preferences", &wrong).await;
        assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
        let fields = [("attributes.shirt_size", text), ("attributes.visits", text), ("attributes.born", text)];
        let again = amara.fill("/account", "/account/profile", &fields).await;
        assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY);
        let fields = [("email", text), ("locale", text), ("timezone", text), ("attributes.plan", text)];
        let officer = jonas.fill(&theirs, &theirs, &fields).await;
        assert_eq!(officer.status, StatusCode::UNPROCESSABLE_ENTITY);
        for page in [wrong, again, officer, amara.get("/account").await, jonas.get(&theirs).await] {
            let pairs = page.text.matches("<textarea").count();
            assert_eq!(page.text.matches("</textarea>").count(), pairs, "a field was closed from inside: {text}");
            for mark in ["<script>", "<img", "<svg/", "onerror=alert(1)>", "' autofocus onfocus", "<!--"] {
                assert!(!page.text.contains(mark), "{mark} of {text} in {}", page.text);
            }
        }
    }
}

#[tokio::test]
async fn no_page_has_a_style_a_script_or_an_address_outside() {
    let site = Site::new().await;
    let link = auth::setup::create_link(&site.auth).await.unwrap().unwrap();
    let mut browser = site.signed_up("amara@okafor.example").await;
    let mut pages = vec![
        browser.get("/account").await.text,
        browser.get("/docs").await.text,
        browser.get("/docs/problems").await.text,
    ];
    let mut nobody = site.browser();
    for address in ["/sign-in", "/sign-up", link.strip_prefix(super::site::ORIGIN).unwrap()] {
        pages.push(nobody.get(address).await.text);
    }
    pages.push(nobody.fill("/sign-in", "/sign-in", &[("email", "a"), ("password", "b")]).await.text);
    for page in pages {
        assert!(page.starts_with("<!doctype html>\n<html lang=\"en\">"), "{page}");
        assert_eq!(page.matches("<h1").count(), 1, "{page}");
        assert_eq!(page.matches("<script").count(), page.matches("<script type=\"module\" src=\"/assets/").count());
        assert!(page.contains("<script type=\"module\" src=\"/assets/usher.js?v="), "{page}");
        for forbidden in
            [" style=", "<style", " onclick", " onload", "http://", "https://", "javascript:", "href=\"#\"", "src=\"//"]
        {
            assert!(!page.contains(forbidden), "{forbidden} in {page}");
        }
    }
}

#[tokio::test]
async fn p15_password_managers_and_pasting_work() {
    let site = Site::new().await;
    let mut nobody = site.browser();
    let sign_in = nobody.get("/sign-in").await.text;
    assert!(sign_in.contains("autocomplete=\"username\"") && sign_in.contains("autocomplete=\"current-password\""));
    assert!(nobody.get("/sign-up").await.text.contains("autocomplete=\"new-password\""));
    let account = site.signed_up("amara@okafor.example").await.get("/account").await.text;
    for kind in ["username", "current-password", "new-password"] {
        assert!(account.contains(&format!("autocomplete=\"{kind}\"")), "{kind}");
    }
    for page in [sign_in, account] {
        assert!(!page.contains("onpaste") && !page.contains("autocomplete=\"off\"") && !page.contains("maxlength"));
    }
}
