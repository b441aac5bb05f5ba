//! The console in a real browser: what it does with and without JavaScript, what it shows to whom, and that text from
//! people is only ever text.

use e2e::{Browser, Database, Look, PASSWORD, Setup, TestApp, User};
use serde_json::json;

/// Texts that have been scripts somewhere.
const HOSTILE: [&str; 5] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' autofocus onfocus=alert(1) x='",
    "</title><svg/onload=alert(1)>",
    "javascript:alert(1)//<!--",
];

async fn sign_in(browser: &Browser, app: &TestApp, email: &str) {
    browser.open(&format!("{}/sign-in?next=/admin", app.url)).await;
    browser.fill("#email", email).await;
    browser.fill("#password", PASSWORD).await;
    browser.submit("form[action='/sign-in'] button[type=submit]").await;
}

/// An app with an administrator who sits at the console, and somebody to look after.
async fn at_the_console(look: Look) -> (TestApp, Browser, User, User) {
    let app = Setup::new(Database::Sqlite).start().await;
    let admin = User::administrator(&app, "jonas").await;
    let amara = app.user("amara").await;
    let browser = Browser::start(look).await;
    sign_in(&browser, &app, "jonas@example.com").await;
    assert_eq!(browser.address().await, format!("{}/admin/overview", app.url));
    (app, browser, admin, amara)
}

async fn person(app: &TestApp, user: &User) -> String {
    let me = user.get("/api/v1/users/me").await.is(200).json();
    format!("{}/admin/users/{}", app.url, me["id"].as_str().unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_javascript_a_ban_asks_why_is_in_force_at_once_and_is_lifted() {
    let (app, browser, _, amara) = at_the_console(Look::PLAIN).await;
    let page = person(&app, &amara).await;
    browser.open(&format!("{page}/do/ban")).await;
    browser.click("#question button.btn-main").await;
    assert_eq!(browser.address().await, format!("{page}/do/ban"), "the browser itself asks for the reason");
    browser.fill("#reason", "Chargebacks, case 8841").await;
    browser.submit("#question button.btn-main").await;
    assert_eq!(browser.address().await, format!("{page}?done=banned"));
    assert_eq!(browser.text(".pass-stub b").await, "Banned");
    assert!(!amara.is_signed_in().await, "the ban has not reached her token");
    browser.open(&format!("{page}/do/lift")).await;
    browser.fill("#reason", "A mistake").await;
    browser.submit("#question button.btn-main").await;
    assert_eq!(browser.text(".pass-stub b").await, "Active");
    app.login("amara@example.com", PASSWORD).await.is(200);
    browser.assert_quiet().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_javascript_the_question_opens_over_the_page_and_links_change_it_in_place() {
    let (app, browser, _, amara) = at_the_console(Look::SCRIPTED).await;
    let page = person(&app, &amara).await;
    browser.open(&page).await;
    browser.script("document.documentElement.dataset.kept = 'yes'").await;
    browser.click(".tabs a[href$='/roles']").await;
    wait(&browser, "location.pathname.endsWith('/roles') && document.querySelector('[name=role]') !== null").await;
    assert_eq!(browser.script("document.documentElement.dataset.kept").await, "yes", "the page was loaded anew");
    browser.open(&page).await;
    browser.click("#danger a[href$='/do/ban']").await;
    wait(&browser, "document.querySelector('dialog[open] #reason') !== null").await;
    browser.assert_accessible("the question").await;
    browser.fill("dialog #reason", "Spam").await;
    browser.submit("dialog button.btn-main").await;
    assert_eq!(browser.text(".pass-stub b").await, "Banned");
    assert!(!amara.is_signed_in().await);
    browser.assert_quiet().await;
}

/// Until this is so in the page, or it is not in time.
async fn wait(browser: &Browser, condition: &str) {
    for _ in 0..200 {
        if browser.script(condition).await == true {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("never: {condition}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roles_are_given_by_ticking_them_and_one_device_is_signed_out() {
    let (app, browser, _, amara) = at_the_console(Look::PLAIN).await;
    let page = person(&app, &amara).await;
    browser.open(&format!("{page}/roles")).await;
    browser.click("#role-support").await;
    browser.submit("main button.btn-main").await;
    assert_eq!(browser.property("#role-support", "checked").await, true);
    let amara = app.again(&amara).await;
    assert_eq!(amara.get("/api/v1/users/me").await.is(200).json()["roles"], json!(["support", "user"]));
    browser.open(&format!("{page}/sessions")).await;
    let before = browser.count("form[action$='/end']").await;
    browser.submit("form[action$='/end'] button").await;
    assert_eq!(browser.count("form[action$='/end']").await, before - 1);
    browser.assert_quiet().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn z1_whoever_has_no_permission_is_shown_nothing() {
    let (app, browser, admin, amara) = at_the_console(Look::PLAIN).await;
    let (own, hers) = (person(&app, &admin).await, person(&app, &amara).await);
    browser.devtools("Network.clearBrowserCookies", json!({})).await;
    sign_in(&browser, &app, "amara@example.com").await;
    assert_eq!(browser.text("h1").await, "This isn’t open to you");
    for page in [&own, &hers] {
        for path in ["", "/roles", "/sessions", "/history", "/do/ban"] {
            browser.open(&format!("{page}{path}")).await;
            assert_eq!(browser.text("h1").await, "This isn’t open to you");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i1_hostile_texts_in_every_field_are_shown_as_text_and_run_nowhere() {
    let (app, browser, admin, amara) = at_the_console(Look::SCRIPTED).await;
    let page = person(&app, &amara).await;
    let id = page.rsplit('/').next().unwrap_or_default().to_owned();
    for (at, text) in HOSTILE.into_iter().enumerate() {
        let role = format!("hostile-{at}");
        admin.post("/api/v1/roles", json!({"name": role, "description": text, "permissions": []})).await.is(201);
        let amara = app.again(&amara).await;
        amara.patch("/api/v1/users/me", json!({"name": text, "bio": text})).await.is(200);
        let login = json!({"email": "amara@example.com", "password": PASSWORD, "device_name": text});
        let request = app.request(reqwest::Method::POST, "/api/v1/auth/login").header("user-agent", text);
        assert_eq!(request.json(&login).send().await.map(|answer| answer.status().as_u16()).unwrap_or_default(), 200);
        admin.post(&format!("/api/v1/users/{id}/ban"), json!({"reason": text})).await.is(204);
        for path in ["", "/roles", "/sessions", "/history", "/do/lift"] {
            browser.open(&format!("{page}{path}")).await;
            assert!(
                browser
                    .script("document.querySelector('main').textContent")
                    .await
                    .as_str()
                    .is_some_and(|shown| shown.contains(text)),
                "{path} does not show {text}"
            );
            browser.assert_quiet().await;
        }
        for path in ["/admin/overview", "/admin/users?q=amara"] {
            browser.open(&format!("{}{path}", app.url)).await;
            browser.assert_quiet().await;
        }
        admin.post(&format!("/api/v1/users/{id}/unban"), json!({"reason": text})).await.is(204);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_console_holds_in_light_and_dark_on_phones_and_wide_screens() {
    let (app, mut browser, _, amara) = at_the_console(Look::PLAIN).await;
    let page = person(&app, &amara).await;
    let wide = Look { width: 1440, ..Look::PLAIN };
    let phone = Look { width: 390, ..Look::PHONE };
    for (word, look) in [
        ("wide-light", wide),
        ("wide-dark", Look { dark: true, ..wide }),
        ("phone-light", Look { dark: false, ..phone }),
        ("phone-dark", phone),
    ] {
        browser.look(look).await;
        let addresses = [
            ("overview", format!("{}/admin/overview", app.url)),
            ("users", format!("{}/admin/users", app.url)),
            ("user", page.clone()),
            ("user-roles", format!("{page}/roles")),
            ("user-sessions", format!("{page}/sessions")),
            ("user-history", format!("{page}/history")),
            ("user-ban", format!("{page}/do/ban")),
        ];
        for (name, address) in addresses {
            browser.open(&address).await;
            assert_eq!(browser.count("h1").await, 1, "{name}");
            let sideways = browser.script("document.documentElement.scrollWidth <= innerWidth").await;
            assert_eq!(sideways, true, "{name} scrolls sideways at {word}");
            browser.assert_quiet().await;
            browser.assert_accessible(&format!("{name} {word}")).await;
            browser.screenshot(&format!("panel-{name}-{word}")).await;
        }
    }
}
