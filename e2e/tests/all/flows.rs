//! What people do with their mail, in a browser: verifying an address, and choosing another password. The mail is read in
//! the development inbox, as whoever develops reads it.

use e2e::{Browser, Look, PASSWORD, Setup, TestApp, on_both};
use serde_json::json;

use crate::links::requiring;
use crate::pages::{check_page, sign_in};

const WIDE: Look = Look { width: 1440, ..Look::PLAIN };
const PHONE: Look = Look { width: 390, ..Look::PHONE };
const NEW: &str = "nine dry herons paint 52 doors";

async fn open(browser: &Browser, app: &TestApp, path: &str) {
    browser.open(&format!("{}{path}", app.url)).await;
}

async fn is_at(browser: &Browser, app: &TestApp, path: &str) {
    assert_eq!(browser.address().await, format!("{}{path}", app.url), "{}", browser.text("body").await);
}

/// Fills in the form of the sign-up page and sends it.
async fn sign_up(browser: &Browser, app: &TestApp, email: &str) {
    open(browser, app, "/sign-up").await;
    browser.fill("#name", "Amara Okafor").await;
    browser.fill("#email", email).await;
    browser.fill("#password", PASSWORD).await;
    browser.submit("form[action='/sign-up'] button[type=submit]").await;
}

/// Opens the newest mail of this subject in the inbox, and then its link.
async fn follow_mail(browser: &Browser, app: &TestApp, email: &str, words: &str, count: usize) {
    app.mailed_token(email, words, count).await;
    let place = app.inbox(email, words).await.remove(0);
    open(browser, app, &place).await;
    browser.submit(".mail-head a.btn-main").await;
    assert!(!browser.address().await.contains("token"), "the token is out of the address: {}", browser.address().await);
}

async fn verified(app: &TestApp, email: &str) -> bool {
    let sql = format!("SELECT CAST(email_verified AS TEXT) FROM users WHERE email_canonical = '{email}'");
    matches!(app.look().await.texts(&sql).await[0].as_str(), "1" | "true")
}

on_both! {
    async fn an_address_is_verified_by_code_and_by_link(app: TestApp) {
        let mut browser = Browser::start(WIDE).await;
        for (look, name) in [(WIDE, "plain"), (Look { javascript: true, ..PHONE }, "scripted")] {
            browser.look(look).await;
            let email = format!("{name}@example.com");
            sign_up(&browser, &app, &email).await;
            is_at(&browser, &app, "/account").await;
            let code = app.mailed_code(&email, 1).await;
            // A wrong one says what to do, and the right one works with its space.
            let wrong = if code == "000 000" { "000001" } else { "000000" };
            browser.fill("#code", wrong).await;
            browser.submit("form[action='/account/verify/code'] button[type=submit]").await;
            assert!(browser.title().await.starts_with("Error: "), "{}", browser.title().await);
            assert!(browser.text("#code-error").await.contains("newest mail"));
            browser.assert_accessible("a wrong code").await;
            assert!(!verified(&app, &email).await);
            browser.fill("#code", &code).await;
            browser.submit("form[action='/account/verify/code'] button[type=submit]").await;
            is_at(&browser, &app, "/account?done=verified").await;
            assert_eq!(browser.count("#verify").await, 0, "nothing is left to verify");
            assert!(verified(&app, &email).await);
            browser.click("button[popovertarget=me]").await;
            browser.submit("form[action='/sign-out'] button").await;

            // In the browser that signed up, the link asks for one press and nothing else.
            let email = format!("{name}-link@example.com");
            sign_up(&browser, &app, &email).await;
            follow_mail(&browser, &app, &email, "Verify", 1).await;
            is_at(&browser, &app, "/verify").await;
            assert!(!verified(&app, &email).await, "to look is not to press");
            assert_eq!(browser.count("#password").await, 0);
            browser.submit("form[action='/verify'] button[type=submit]").await;
            is_at(&browser, &app, "/verify?done=verified").await;
            assert!(verified(&app, &email).await);
            browser.submit("a[href='/account']").await;
            is_at(&browser, &app, "/account").await;
            browser.assert_quiet().await;
            browser.devtools("Network.clearBrowserCookies", json!({})).await;
        }
    }

    async fn r6_in_another_browser_the_link_asks_who_signed_up(app: TestApp) {
        let (thief, owner) = tokio::join!(Browser::start(WIDE), Browser::start(PHONE));
        sign_up(&thief, &app, "ann@example.com").await;
        follow_mail(&owner, &app, "ann@example.com", "Verify", 1).await;
        owner.fill("#password", "not the password 12").await;
        owner.submit("form[action='/verify'] button.btn-main").await;
        assert!(owner.title().await.starts_with("Error: "), "{}", owner.title().await);
        owner.assert_accessible("a wrong password behind a link").await;
        assert!(!verified(&app, "ann@example.com").await);
        owner.submit("form[action='/verify'] button[value=take_over]").await;
        is_at(&owner, &app, "/verify?done=taken_over").await;
        assert!(verified(&app, "ann@example.com").await);
        open(&thief, &app, "/account").await;
        assert!(thief.address().await.contains("/sign-in"), "{}", thief.address().await);
        app.login("ann@example.com", PASSWORD).await.is(401);
        follow_mail(&owner, &app, "ann@example.com", "new password", 1).await;
        owner.fill("#password", NEW).await;
        owner.submit("form[action='/reset/new'] button[type=submit]").await;
        is_at(&owner, &app, "/sign-in?done=reset").await;
        app.login("ann@example.com", NEW).await.is(200);

        // Whoever did sign up enters what they chose, on whatever device the mail is.
        sign_up(&thief, &app, "bob@example.com").await;
        follow_mail(&owner, &app, "bob@example.com", "Verify", 1).await;
        owner.fill("#password", PASSWORD).await;
        owner.submit("form[action='/verify'] button.btn-main").await;
        is_at(&owner, &app, "/verify?done=verified").await;
        open(&thief, &app, "/account").await;
        is_at(&thief, &app, "/account").await;
    }

    async fn t6_a_forgotten_password_is_chosen_anew_behind_a_link(app: TestApp) {
        app.logs.never(NEW);
        let mut browser = Browser::start(WIDE).await;
        for (number, (look, name)) in [(WIDE, "ann"), (Look { javascript: true, ..PHONE }, "bob")].into_iter().enumerate() {
            browser.look(look).await;
            let somebody = app.user(name).await;
            open(&browser, &app, "/sign-in").await;
            browser.submit("a[href='/reset']").await;
            browser.fill("#email", &somebody.email).await;
            browser.submit("form[action='/reset'] button[type=submit]").await;
            assert!(browser.text("main").await.contains("has an account here"));
            follow_mail(&browser, &app, &somebody.email, "new password", 1).await;
            is_at(&browser, &app, "/reset/new").await;
            assert!(browser.text(".ticket-stub").await.contains(&somebody.email));
            assert!(somebody.is_signed_in().await, "to look is not to press");
            browser.script("document.querySelector('#password').minLength = 0").await;
            browser.fill("#password", "short").await;
            browser.submit("form[action='/reset/new'] button[type=submit]").await;
            assert!(browser.title().await.starts_with("Error: "), "{}", browser.title().await);
            check_page(&browser, &format!("reset-new-weak-{number}")).await;
            browser.fill("#password", NEW).await;
            browser.submit("form[action='/reset/new'] button[type=submit]").await;
            is_at(&browser, &app, "/sign-in?done=reset").await;
            assert!(browser.text("#notice").await.contains("Password changed"));
            assert!(!somebody.is_signed_in().await);
            // Going back to the page behind the link finds nothing any more.
            open(&browser, &app, "/reset/new").await;
            assert!(browser.text("h1").await.contains("no longer works"));
            sign_in(&browser, &app, &somebody.email, NEW).await;
            is_at(&browser, &app, "/account").await;
            browser.assert_quiet().await;
            browser.devtools("Network.clearBrowserCookies", json!({})).await;
        }
    }

    async fn where_an_address_has_to_be_verified_the_mail_comes_first(setup: Setup) {
        let app = requiring(setup).start().await;
        let mut browser = Browser::start(WIDE).await;
        for (look, name) in [(WIDE, "ann"), (Look { javascript: true, ..PHONE }, "bob")] {
            browser.look(look).await;
            let email = format!("{name}@example.com");
            sign_up(&browser, &app, &email).await;
            assert_eq!(browser.text("h1").await, "Check your mail");
            assert!(browser.cookies().await.iter().all(|cookie| cookie["name"] != "usher_session"));
            let code = app.mailed_code(&email, 1).await;
            browser.fill("#code", if code == "000 000" { "000001" } else { "000000" }).await;
            browser.submit("form[action='/verify/code'] button[type=submit]").await;
            assert!(browser.text("#code-error").await.contains("newest mail"));
            check_page(&browser, &format!("check-mail-wrong-{name}")).await;
            sign_in(&browser, &app, &email, PASSWORD).await;
            assert!(browser.title().await.starts_with("Error: "), "not before the address is verified");
            // The same browser, the page of the sign-up once more: somebody has the address now, and nobody is told.
            sign_up(&browser, &app, &email).await;
            assert_eq!(browser.text("h1").await, "Check your mail");
            browser.fill("#code", &code).await;
            browser.submit("form[action='/verify/code'] button[type=submit]").await;
            is_at(&browser, &app, "/sign-in?done=verified").await;
            sign_in(&browser, &app, &email, PASSWORD).await;
            is_at(&browser, &app, "/account").await;
            browser.assert_quiet().await;
            browser.devtools("Network.clearBrowserCookies", json!({})).await;
        }
    }

    async fn t8_every_page_behind_a_link_holds_and_keeps_the_token_to_itself(setup: Setup) {
        let app = requiring(setup).start().await;
        let mut browser = Browser::start(WIDE).await;
        sign_up(&browser, &app, "known@example.com").await;
        check_page(&browser, "check-mail-wide-light").await;
        app.post("/api/v1/auth/reset-password", json!({"email": "known@example.com"})).await.is(202);
        let links = [("Verify", "verify"), ("new password", "reset-new")];
        for (words, name) in links {
            for (word, look) in [("wide-light", WIDE), ("wide-dark", Look { dark: true, ..WIDE }), ("phone-dark", PHONE), ("narrow", Look { width: 320, ..Look::PHONE })] {
                browser.look(look).await;
                follow_mail(&browser, &app, "known@example.com", words, 1).await;
                check_page(&browser, &format!("{name}-{word}")).await;
                assert_eq!(browser.script("document.referrer.includes('token') || location.href.includes('token')").await, false);
            }
        }
        // The same for somebody who did not sign up here.
        browser.devtools("Network.clearBrowserCookies", json!({})).await;
        for (word, look) in [("wide-light", WIDE), ("phone-light", Look { dark: false, ..PHONE })] {
            browser.look(look).await;
            follow_mail(&browser, &app, "known@example.com", "Verify", 1).await;
            check_page(&browser, &format!("verify-stranger-{word}")).await;
            for path in ["/reset", "/verify/again"] {
                open(&browser, &app, path).await;
                let name = path.trim_start_matches('/').replace('/', "-");
                check_page(&browser, &format!("{name}-{word}")).await;
                browser.fill("#email", "known@example.com").await;
                browser.submit(&format!("form[action='{path}'] button[type=submit]")).await;
                check_page(&browser, &format!("{name}-sent-{word}")).await;
            }
        }
        for path in ["/verify?token=AAAA", "/reset/new?token=AAAA", "/account/email/confirm?token=AAAA", "/verify", "/reset/new"] {
            browser.devtools("Network.clearBrowserCookies", json!({})).await;
            open(&browser, &app, path).await;
            assert_eq!(browser.text("h1").await, "This link no longer works", "{path}");
        }
        for done in ["verified", "taken_over"] {
            open(&browser, &app, &format!("/verify?done={done}")).await;
            check_page(&browser, &format!("verify-{done}")).await;
        }
    }
}
