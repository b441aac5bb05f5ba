//! What somebody does on their account page.

use axum::http::StatusCode;

use super::site::{Browser, PASSWORD, Site};

#[tokio::test]
async fn a_form_with_mistakes_is_shown_again_with_what_was_typed_but_never_a_password() {
    let site = Site::new().await;
    let mut browser = site.browser();
    let fields = [("name", ""), ("email", "amara at okafor"), ("password", "secret-of-amara")];
    let answer = browser.fill("/sign-up", "/sign-up", &fields).await;
    assert_eq!((answer.status, answer.title()), (StatusCode::UNPROCESSABLE_ENTITY, "Error: create an account · Usher"));
    assert!(answer.text.contains("Two things to put right") && answer.text.contains("<a href=\"#email\">"));
    assert!(answer.text.contains("value=\"amara at okafor\""));
    assert!(answer.text.contains("aria-invalid=\"true\" aria-describedby=\"email-error\""));
    assert!(!answer.text.contains("secret-of-amara"));

    let weak = [("name", "Amara"), ("email", "amara@okafor.example"), ("password", "zQ9!x")];
    let answer = browser.fill("/sign-up", "/sign-up", &weak).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.text.contains("Add 3 more characters. This one has 5."));
    assert!(answer.text.contains("aria-describedby=\"password-hint password-error\" aria-invalid=\"true\" autofocus"));
    assert!(!answer.text.contains("zQ9!x"));

    site.signed_up("amara@okafor.example").await;
    let taken = [("name", "Eve"), ("email", "AMARA@okafor.example"), ("password", PASSWORD)];
    let answer = browser.fill("/sign-up", "/sign-up", &taken).await;
    assert_eq!(answer.status, StatusCode::CONFLICT);
    assert!(answer.text.contains("There is an account with this email."));
}

#[tokio::test]
async fn a_name_is_saved_and_a_stale_page_does_not_overwrite_it() {
    let site = Site::new().await;
    let mut browser = site.signed_up("amara@okafor.example").await;
    let page = browser.get("/account").await;
    let (csrf, version) = (page.hidden("csrf").to_owned(), page.hidden("version").to_owned());
    let save = [("csrf", csrf.as_str()), ("version", version.as_str()), ("name", "Zoë O’Hara")];
    assert_eq!(browser.post("/account/profile", &save).await.location(), "/account?done=profile");
    let page = browser.get("/account?done=profile").await;
    assert!(page.text.contains("value=\"Zoë O’Hara\"") && page.text.contains("Profile saved."));

    let stale = [("csrf", csrf.as_str()), ("version", version.as_str()), ("name", "Old")];
    let answer = browser.post("/account/profile", &stale).await;
    assert_eq!((answer.status, answer.title()), (StatusCode::CONFLICT, "Error: account · Usher"));
    let long = "x".repeat(101);
    let answer = browser.fill("/account", "/account/profile", &[("name", &long)]).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.text.contains("Use at most 100 characters.") && answer.text.contains(&long));
    assert!(browser.get("/account").await.text.contains("value=\"Zoë O’Hara\""));
    assert_eq!(browser.fill("/account", "/account/profile", &[("name", "")]).await.status, StatusCode::SEE_OTHER);
    assert!(browser.get("/account").await.text.contains("signed in as amara@okafor.example"));
}

#[tokio::test]
async fn another_address_is_asked_for_with_the_password_and_made_by_the_button_behind_the_link() {
    let site = Site::new().await;
    let mut browser = site.signed_up("amara@okafor.example").await;
    let mut elsewhere = site.browser();
    elsewhere.fill("/sign-in", "/sign-in", &[("email", "amara@okafor.example"), ("password", PASSWORD)]).await;
    site.signed_up("eve@okafor.example").await;
    let wrong = browser.fill("/account", "/account/email", &[("new_email", "amara at okafor")]).await;
    assert_eq!((wrong.status, wrong.title()), (StatusCode::UNPROCESSABLE_ENTITY, "Error: account · Usher"));
    assert!(wrong.text.contains("Two things to put right") && wrong.text.contains("value=\"amara at okafor\""));
    let fields = [("new_email", "amara@new.example"), ("email_password", "not the password at all")];
    let wrong = browser.fill("/account", "/account/email", &fields).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.text.contains("id=\"email_password-error\"") && !wrong.text.contains("not the password at all"));

    let link_for = async |browser: &mut Browser<'_>, email: &str| {
        let fields = [("new_email", email), ("email_password", PASSWORD)];
        let asked = browser.fill("/account", "/account/email", &fields);
        assert_eq!(asked.await.location(), "/account?done=email", "taken or not, it is the same");
        let mut read = site.auth.db().read().await.unwrap();
        let now = users::EmailAddress::parse("amara@okafor.example").unwrap();
        let account = users::account::find_by_email(&mut read, &now).await.unwrap().unwrap();
        drop(read);
        auth::pending_link(&site.auth, &account).await.unwrap().unwrap().token
    };
    let eves = link_for(&mut browser, "eve@okafor.example").await;
    let replaced = link_for(&mut browser, "amara@other.example").await;
    let page = |token: &str| format!("/account/email/confirm?token={token}");
    assert_eq!(site.browser().get(&page(&eves)).await.code(), "invalid_email_link", "another one was asked for");
    let eves = link_for(&mut browser, "eve@okafor.example").await;
    let refused = site.browser().fill(&page(&eves), "/account/email/confirm", &[("token", &eves)]).await;
    assert_eq!((refused.status, refused.code()), (StatusCode::GONE, "invalid_email_link"));

    let token = link_for(&mut browser, "amara@new.example").await;
    let mut mail = site.browser();
    for _ in 0..2 {
        let shown = mail.get(&page(&token)).await;
        assert!(shown.text.contains("amara@new.example") && shown.text.contains("Use this address"));
    }
    assert!(browser.get("/account").await.text.contains("amara@okafor.example"), "looking at the link changes nothing");
    let done = mail.fill(&page(&token), "/account/email/confirm", &[("token", &token)]).await;
    assert_eq!(done.location(), "/account/email/confirm?done=changed");
    assert!(mail.get(done.location()).await.text.contains("Your address is changed"));
    let account = browser.get("/account").await.text;
    assert!(account.contains("value=\"amara@new.example\" readonly") && account.contains("Verified"), "{account}");
    assert!(!elsewhere.is_signed_in().await, "only the device that asked is still signed in");
    for dead in ["", "x", &token, &replaced] {
        let answer = mail.get(&page(dead)).await;
        assert_eq!((answer.status, answer.code()), (StatusCode::GONE, "invalid_email_link"), "{dead}");
    }
}

#[tokio::test]
async fn a_new_password_signs_out_the_other_devices() {
    const NEW: &str = "copper violet anchors drifting";
    let site = Site::new().await;
    let mut browser = site.signed_up("amara@okafor.example").await;
    let mut other = site.browser();
    let fields = [("email", "amara@okafor.example"), ("password", PASSWORD)];
    assert_eq!(other.fill("/sign-in", "/sign-in", &fields).await.location(), "/account");

    let answer = browser.fill("/account", "/account/password", &[("current", "wrong"), ("new", NEW)]).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.text.contains("aria-describedby=\"current-error\"") && !answer.text.contains(NEW));
    let answer = browser.fill("/account", "/account/password", &[("current", ""), ("new", "")]).await;
    assert!(answer.text.contains("Two things to put right"));
    let answer = browser.fill("/account", "/account/password", &[("current", PASSWORD), ("new", "password1")]).await;
    assert!(answer.text.contains("aria-describedby=\"new-hint new-error\""));
    assert!(other.is_signed_in().await, "nothing was changed so far");

    let answer = browser.fill("/account", "/account/password", &[("current", PASSWORD), ("new", NEW)]).await;
    assert_eq!(answer.location(), "/account?done=password");
    assert!(browser.is_signed_in().await);
    assert!(!other.is_signed_in().await);
    assert_eq!(other.fill("/sign-in", "/sign-in", &fields).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn s5_devices_are_listed_and_ended_one_by_one_or_all_others() {
    let site = Site::new().await;
    let mut browser = site.signed_up("amara@okafor.example").await;
    let fields = [("email", "amara@okafor.example"), ("password", PASSWORD)];
    let mut others = Vec::new();
    for _ in 0..3 {
        let mut other = site.browser();
        other.agent = "Mozilla/5.0 (Windows NT 10.0) Edg/142.0";
        assert_eq!(other.fill("/sign-in", "/sign-in", &fields).await.location(), "/account");
        others.push(other);
    }
    let page = browser.get("/account").await;
    assert_eq!(page.text.matches("This device").count(), 1);
    assert_eq!(page.text.matches("<bdi>Edge on Windows</bdi>").count(), 3);
    assert_eq!(page.text.matches("192.0.2.7").count(), 4);

    let first = page.text.split("action=\"/account/sessions/").nth(2).unwrap().split('/').next().unwrap().to_owned();
    let answer = browser.fill("/account", &format!("/account/sessions/{first}/end"), &[]).await;
    assert_eq!(answer.location(), "/account?done=device");
    let mut alive = 0;
    for other in &mut others {
        alive += u32::from(other.is_signed_in().await);
    }
    assert_eq!(alive, 2);

    let mut stranger = site.signed_up("eve@okafor.example").await;
    let own = browser.get("/account").await;
    let target = own.text.split("action=\"/account/sessions/").nth(2).unwrap().split('/').next().unwrap().to_owned();
    stranger.fill("/account", &format!("/account/sessions/{target}/end"), &[]).await;
    assert!(browser.get("/account").await.text.contains(&target), "a stranger ends nothing");

    assert_eq!(browser.fill("/account", "/account/sessions/end-others", &[]).await.location(), "/account?done=devices");
    for other in &mut others {
        assert!(!other.is_signed_in().await);
    }
    assert!(browser.is_signed_in().await && stranger.is_signed_in().await);
    assert!(!browser.get("/account").await.text.contains("Sign out everywhere else"));
    assert_eq!(browser.fill("/account", "/account/sessions/x/end", &[]).await.code(), "not_found");
}
