//! The pages in a real browser, as somebody without JavaScript uses them.

use e2e::{Browser, Database, Look, PASSWORD, Setup, TestApp, on_both};

async fn sign_up(browser: &Browser, app: &TestApp, name: &str) {
    browser.open(&format!("{}/sign-up", app.url)).await;
    browser.fill("#name", &format!("{name} Okafor")).await;
    browser.fill("#email", &format!("{name}@example.com")).await;
    browser.fill("#password", PASSWORD).await;
    browser.submit("form[action='/sign-up'] button[type=submit]").await;
    assert_eq!(browser.address().await, format!("{}/account", app.url));
}

pub(crate) async fn sign_in(browser: &Browser, app: &TestApp, email: &str, password: &str) {
    browser.open(&format!("{}/sign-in", app.url)).await;
    browser.fill("#email", email).await;
    browser.fill("#password", password).await;
    browser.submit("form[action='/sign-in'] button[type=submit]").await;
}

on_both! {
    async fn a_person_signs_up_changes_things_and_signs_out(app: TestApp) {
        let browser = Browser::start(Look::PLAIN).await;
        browser.open(&app.url).await;
        assert_eq!(browser.address().await, format!("{}/sign-in", app.url));
        sign_up(&browser, &app, "amara").await;
        assert_eq!(browser.text("h1").await, "Account");

        browser.fill("#name", "Amara O.").await;
        browser.submit("form[action='/account/profile'] button[type=submit]").await;
        assert_eq!(browser.property("#name", "value").await, "Amara O.");
        let account = app.login("amara@example.com", PASSWORD).await.is(200).json();
        assert_eq!(account["user"]["name"], "Amara O.");

        let new = "nine dry herons paint 52 doors";
        app.logs.never(new);
        browser.fill("#current", PASSWORD).await;
        browser.fill("#new", new).await;
        browser.submit("form[action='/account/password'] button[type=submit]").await;
        app.login("amara@example.com", PASSWORD).await.is(401);
        app.login("amara@example.com", new).await.is(200);
        browser.assert_quiet().await;

        browser.click("button[popovertarget=me]").await;
        browser.submit("form[action='/sign-out'] button").await;
        assert_eq!(browser.address().await, format!("{}/sign-in", app.url));
        browser.open(&format!("{}/account", app.url)).await;
        assert!(browser.address().await.starts_with(&format!("{}/sign-in?next=", app.url)));
        sign_in(&browser, &app, "amara@example.com", new).await;
        assert_eq!(browser.address().await, format!("{}/account", app.url));
        browser.assert_quiet().await;
    }

    async fn signing_out_everywhere_else_ends_the_other_browser(app: TestApp) {
        let (here, there) = tokio::join!(Browser::start(Look::PLAIN), Browser::start(Look::PHONE));
        sign_up(&here, &app, "amara").await;
        sign_in(&there, &app, "amara@example.com", PASSWORD).await;
        assert_eq!(there.address().await, format!("{}/account", app.url));
        here.open(&format!("{}/account", app.url)).await;
        assert_eq!(here.count("form[action$='/end']").await, 1);
        here.submit("form[action='/account/sessions/end-others'] button").await;
        assert_eq!(here.count("form[action$='/end']").await, 0);
        there.open(&format!("{}/account", app.url)).await;
        assert!(there.address().await.starts_with(&format!("{}/sign-in", app.url)));
        here.open(&format!("{}/account", app.url)).await;
        assert_eq!(here.text("h1").await, "Account");
        here.assert_quiet().await;
    }

    async fn refused_forms_say_why_and_keep_what_was_typed(app: TestApp) {
        app.user("amara").await;
        let browser = Browser::start(Look::PLAIN).await;
        sign_in(&browser, &app, "amara@example.com", "not the password 12").await;
        assert!(browser.title().await.starts_with("Error: "));
        let wrong = browser.text("[role=alert]").await;
        assert_eq!(browser.property("#email", "value").await, "amara@example.com");
        assert_eq!(browser.property("#password", "value").await, "");
        sign_in(&browser, &app, "nobody@example.com", "not the password 12").await;
        assert_eq!(browser.text("[role=alert]").await, wrong, "unknown and wrong read the same");

        browser.open(&format!("{}/sign-up", app.url)).await;
        browser.fill("#name", "Amara").await;
        browser.fill("#email", "new@example.com").await;
        browser.fill("#password", "password1").await;
        browser.submit("form[action='/sign-up'] button[type=submit]").await;
        assert!(browser.title().await.starts_with("Error: "));
        assert_eq!(browser.property("#email", "value").await, "new@example.com");
        assert_eq!(browser.property("#password", "ariaInvalid").await, "true");
    }
}

/// What has to hold on every page, wherever it is looked at.
pub(crate) async fn check_page(browser: &Browser, name: &str) {
    let page = |property: &'static str| browser.property("html", property);
    let (content, window) = (page("scrollWidth").await, page("clientWidth").await);
    assert!(content.as_u64() <= window.as_u64(), "{name} scrolls sideways: {content} in {window}");
    assert_eq!(browser.count("h1").await, 1, "{name} has to have one h1");
    assert_eq!(browser.property("html", "lang").await, "en");
    assert_eq!(browser.count("script:not([src]), style, [style]").await, 0, "{name} has something inline");
    assert_eq!(
        browser.count("input:not([type=hidden]):not([hidden]):not([id]):not([aria-label]):not(label input)").await,
        0,
        "{name} has a field without a label"
    );
    assert!(!browser.title().await.is_empty());
    browser.assert_quiet().await;
    // The documentation has some thousand elements, which axe needs seconds for: twice is enough.
    if !name.starts_with("docs") || name.ends_with("wide-light") || name.ends_with("phone-dark") {
        browser.assert_accessible(name).await;
    }
    browser.screenshot(name).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_hold_in_light_and_dark_on_phones_and_wide_screens() {
    let app = Setup::new(Database::Sqlite).start().await;
    let mut browser = Browser::start(Look::PLAIN).await;
    for (word, look) in [
        ("wide-light", Look { width: 1440, ..Look::PLAIN }),
        ("wide-dark", Look { width: 1440, dark: true, ..Look::PLAIN }),
        ("phone-dark", Look { width: 390, ..Look::PHONE }),
        ("phone-light", Look { width: 390, dark: false, ..Look::PHONE }),
        ("narrow", Look { width: 320, ..Look::PHONE }),
    ] {
        browser.look(look).await;
        for path in ["sign-in", "sign-up", "setup", "nowhere", "docs", "docs/problems"] {
            browser.open(&format!("{}/{path}", app.url)).await;
            check_page(&browser, &format!("{}-{word}", path.replace('/', "-"))).await;
        }
        let name = format!("amara-{word}");
        sign_up(&browser, &app, &name).await;
        check_page(&browser, &format!("account-{word}")).await;
        browser.devtools("Network.clearBrowserCookies", serde_json::json!({})).await;
    }
}

/// What the other tests here rely on when they ask for a browser without JavaScript.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_javascript_no_script_of_a_page_runs() {
    let app = Setup::new(Database::Sqlite).start().await;
    let mut browser = Browser::start(Look::PLAIN).await;
    let shows_password = "button[data-show-password]:not([hidden])";
    for (look, count) in [(Look::PLAIN, 0), (Look::SCRIPTED, 1), (Look::PLAIN, 0)] {
        browser.look(look).await;
        browser.open(&format!("{}/sign-in", app.url)).await;
        assert_eq!(browser.count(shows_password).await, count, "{look:?}");
        browser.assert_accessible("sign-in").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_javascript_the_pages_break_no_rule_of_their_own() {
    let app = Setup::new(Database::Sqlite).start().await;
    let browser = Browser::start(Look { javascript: true, ..Look::PLAIN }).await;
    sign_up(&browser, &app, "amara").await;
    for path in ["account", "docs", "nowhere"] {
        browser.open(&format!("{}/{path}", app.url)).await;
        browser.assert_quiet().await;
    }
    for cookie in browser.cookies().await {
        assert_eq!(cookie["httpOnly"], true, "{cookie}");
        assert_ne!(cookie["sameSite"], "None", "{cookie}");
    }
}
