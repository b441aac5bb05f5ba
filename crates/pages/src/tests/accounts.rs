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
async fn the_profile_has_all_that_somebody_says_of_themselves() {
    let site = Site::new().await;
    let mut browser = site.signed_up("amara@okafor.example").await;
    let fields = [("name", "Amara"), ("bio", "Builds <b>boats</b>.\r\nSings."), ("phone", "+44 20 7946 0018")];
    let answer = browser.fill("/account", "/account/profile", &fields).await;
    assert_eq!(answer.location(), "/account?done=profile", "{}", answer.text);
    let page = browser.get("/account").await.text;
    assert!(page.contains("Builds &#60;b&#62;boats") || page.contains("Builds &lt;b&gt;boats"));
    assert!(page.contains("value=\"+442079460018\"") && page.contains("<option value=\"Europe/Paris\">"));
    let wrong = [("name", "\u{202e}"), ("phone", "call me"), ("address", "\u{202e}")];
    let answer = browser.fill("/account", "/account/profile", &wrong).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.text.contains("Three things to put right") && answer.text.contains("value=\"call me\""));
    assert!(browser.get("/account").await.text.contains("value=\"+442079460018\""), "nothing was changed");
}

/// One of each kind: theirs, for both, to be looked at, and not theirs to see.
pub fn attributes() -> Vec<users::AttributeSpec> {
    serde_json::from_value(serde_json::json!([
        {"name": "shirt_size", "type": "enum", "values": ["S", "M"], "write": ["self"]},
        {"name": "team", "type": "string", "max_length": 300, "write": ["self", "officers"]},
        {"name": "visits", "type": "integer", "write": ["self"]},
        {"name": "born", "type": "date", "write": ["self"]},
        {"name": "news", "type": "boolean", "write": ["self"]},
        {"name": "plan", "type": "enum", "values": ["free", "paid"], "write": ["officers"]},
        {"name": "risk", "type": "integer", "read": ["officers"], "write": ["officers"]},
    ]))
    .unwrap()
}

#[tokio::test]
async fn the_profile_has_the_address_and_the_attributes_that_its_owner_may_write_and_no_others() {
    let site = Site::with(&attributes()).await;
    let mut browser = site.signed_up("amara@okafor.example").await;
    let page = browser.get("/account").await.text;
    for field in ["address", "attributes.shirt_size", "attributes.team", "attributes.visits", "attributes.born"] {
        assert!(page.contains(&format!("id=\"{field}\" name=\"{field}\"")), "{field}: {page}");
    }
    assert!(page.contains("type=\"date\"") && page.contains("<option value=\"true\">Yes</option>"), "{page}");
    assert!(!page.contains("attributes.plan") && !page.contains("risk") && !page.contains("Plan"));
    let fields = [
        ("name", "Amara"),
        ("address", "Rue X 1\r\n75001 Paris"),
        ("attributes.shirt_size", "M"),
        ("attributes.team", "One\r\ntwo"),
        ("attributes.visits", "-9007199254740993"),
        ("attributes.born", "2001-02-03"),
        ("attributes.news", "false"),
        ("attributes.plan", "paid"),
        ("attributes.risk", "0"),
    ];
    let answer = browser.fill("/account", "/account/profile", &fields).await;
    assert_eq!(answer.location(), "/account?done=profile", "{}", answer.text);
    let page = browser.get("/account").await.text;
    for shown in [
        ">\nRue X 1\n75001 Paris</textarea>",
        ">\nOne\ntwo</textarea>",
        "<option value=\"M\" selected>",
        "value=\"-9007199254740993\"",
        "value=\"2001-02-03\"",
        "<option value=\"false\" selected>No",
    ] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    assert!(!page.contains("Plan"), "what they may not write was not written");
    let wrong = [("name", "Other"), ("attributes.visits", "many"), ("attributes.shirt_size", "XXL")];
    let answer = browser.fill("/account", "/account/profile", &wrong).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.text.contains("Two things to put right") && answer.text.contains("href=\"#attributes.visits\""));
    assert!(answer.text.contains("id=\"attributes.visits-error\"") && answer.text.contains("value=\"many\""));
    assert!(answer.text.contains("75001 Paris"), "what the form did not have is still there");
    assert!(browser.get("/account").await.text.contains("value=\"Amara\""), "nothing was changed");
    browser.fill("/account", "/account/profile", &[("address", ""), ("attributes.visits", "")]).await;
    let page = browser.get("/account").await.text;
    assert!(
        !page.contains("75001 Paris") && !page.contains("9007199254740993") && page.contains("value=\"2001-02-03\"")
    );
}

#[tokio::test]
async fn preferences_are_saved_apart_and_a_stale_page_overwrites_neither_them_nor_the_profile() {
    let site = Site::new().await;
    let mut browser = site.signed_up("amara@okafor.example").await;
    let old = browser.get("/account").await;
    let exact = "{\"seat\": \"aisle\",\r\n \"big\": 12345678901234567890}";
    let fields = [("locale", "de-at"), ("timezone", "asia/kathmandu"), ("preferences", exact)];
    let answer = browser.fill("/account", "/account/preferences", &fields).await;
    assert_eq!(answer.location(), "/account?done=preferences", "{}", answer.text);
    let page = browser.get("/account?done=preferences").await.text;
    assert!(page.contains("Preferences saved.") && page.contains("value=\"de-AT\"") && page.contains("Amara Okafor"));
    assert!(page.contains("Now Deutsch (Österreich).") && page.contains("Monday, 21 September 2026, 19:58"), "{page}");
    assert!(page.contains(",\n &#34;big&#34;: 12345678901234567890}</textarea>"), "kept exactly: {page}");
    let before = site.auth.db().head().borrow().to_owned();
    let same = [("locale", "de-AT"), ("timezone", "Asia/Kathmandu"), ("preferences", exact)];
    assert_eq!(browser.fill("/account", "/account/preferences", &same).await.status, StatusCode::SEE_OTHER);
    assert_eq!(*site.auth.db().head().borrow(), before, "what nobody touched is no change");

    for address in ["/account/preferences", "/account/profile"] {
        let (csrf, version) = (old.hidden("csrf"), old.hidden("version"));
        let stale = [("csrf", csrf), ("version", version), ("name", "Old"), ("locale", "fr"), ("preferences", "{}")];
        let answer = browser.post(address, &stale).await;
        assert_eq!((answer.status, answer.title()), (StatusCode::CONFLICT, "Error: account · Usher"), "{address}");
        assert!(answer.text.contains("Your account changed meanwhile.") && answer.text.contains("value=\"fr\""));
    }
    let wrong = [("timezone", "Mars/Olympus"), ("locale", "x_y")];
    let answer = browser.fill("/account", "/account/preferences", &wrong).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.text.contains("Two things to put right") && answer.text.contains("value=\"Mars/Olympus\""));
    for (typed, said) in [
        ("{\"a\": 1,\r\n b}", "This is not JSON: look at line 2, character 2."),
        ("[1]", "Send a JSON object."),
        ("{\"a\":[[[[[[[[1]]]]]]]]}", "Nest at most 8 levels."),
    ] {
        let answer = browser.fill("/account", "/account/preferences", &[("preferences", typed)]).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{typed}");
        assert!(
            answer.text.contains(said)
                && answer.text.contains("aria-describedby=\"preferences-hint preferences-error\"")
        );
    }
    let page = browser.get("/account").await.text;
    assert!(page.contains("value=\"de-AT\"") && page.contains("12345678901234567890"), "nothing of it was saved");
    browser.fill("/account", "/account/preferences", &[("preferences", " \r\n")]).await;
    let page = browser.get("/account").await.text;
    assert!(!page.contains("12345678901234567890") && page.contains("value=\"Asia/Kathmandu\""));
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
    assert_eq!(site.browser().get(&page(&eves)).await.code(), "invalid_link", "another one was asked for");
    let eves = link_for(&mut browser, "eve@okafor.example").await;
    let mut mail = site.browser();
    let confirm = async |mail: &mut Browser<'_>, token: &str| {
        let shown = mail.open(&page(token)).await;
        let fields = [("token", shown.hidden("token")), ("csrf", shown.hidden("csrf"))];
        mail.post("/account/email/confirm", &fields).await
    };
    let refused = confirm(&mut mail, &eves).await;
    assert_eq!((refused.status, refused.code()), (StatusCode::GONE, "invalid_link"));

    let token = link_for(&mut browser, "amara@new.example").await;
    let mut mail = site.browser();
    for _ in 0..2 {
        let opened = mail.get(&page(&token)).await;
        assert_eq!(
            (opened.location(), &opened.headers["referrer-policy"]),
            ("/account/email/confirm", &"no-referrer".parse().unwrap())
        );
        let shown = mail.get(opened.location()).await;
        assert!(shown.text.contains("amara@new.example") && shown.text.contains("Use this address"));
    }
    assert!(browser.get("/account").await.text.contains("amara@okafor.example"), "looking at the link changes nothing");
    let done = confirm(&mut mail, &token).await;
    assert_eq!(done.location(), "/account/email/confirm?done=changed");
    assert!(mail.get(done.location()).await.text.contains("Your address is changed"));
    let account = browser.get("/account").await.text;
    assert!(account.contains("value=\"amara@new.example\" readonly") && account.contains("Verified"), "{account}");
    assert!(!elsewhere.is_signed_in().await, "only the device that asked is still signed in");
    for dead in ["", "x", &token, &replaced] {
        let answer = mail.get(&page(dead)).await;
        assert_eq!((answer.status, answer.code()), (StatusCode::GONE, "invalid_link"), "{dead}");
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
