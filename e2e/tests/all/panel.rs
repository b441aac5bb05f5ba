//! The console in a real browser: what it does with and without JavaScript, what it shows to whom, and that text from
//! people is only ever text.

use std::time::{Duration, Instant};

use e2e::{Browser, Database, Look, PASSWORD, PATIENCE, Setup, TestApp, User};
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

/// Attributes that people write, and that officers do.
const ATTRIBUTES: &str = r#"
    [[users.attributes]]
    name = "team"
    type = "string"
    max_length = 300
    write = ["self", "officers"]

    [[users.attributes]]
    name = "plan"
    type = "enum"
    values = ["free", "<b>paid</b>"]

    [[users.attributes]]
    name = "newsletter"
    type = "boolean"
    write = ["self"]

    [[users.attributes]]
    name = "born"
    type = "date"
    write = ["self"]
"#;

/// An app with an administrator who sits at the console, and somebody to look after.
async fn at_the_console(look: Look) -> (TestApp, Browser, User, User) {
    let app = Setup::new(Database::Sqlite).config(ATTRIBUTES).start().await;
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

/// Until the job of the page is over. Not by a script: where none runs, it would keep the page from loading itself.
async fn until_done(browser: &Browser) {
    let begun = Instant::now();
    while browser.text("#job .status").await != "Done" {
        assert!(begun.elapsed() < PATIENCE, "the page does not follow the job");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Until this is so in the page, or it is not in time.
async fn wait(browser: &Browser, condition: &str) {
    let begun = Instant::now();
    while browser.script(condition).await != true {
        assert!(begun.elapsed() < PATIENCE, "never: {condition}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
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

/// Her account page has the text in every field, and what is wrong with a form is shown as text too.
async fn shows_own_account(hers: &Browser, app: &TestApp, text: &str) {
    hers.devtools("Network.clearBrowserCookies", json!({})).await;
    sign_in(hers, app, "amara@example.com").await;
    hers.open(&format!("{}/account", app.url)).await;
    assert_eq!(hers.property("#name", "value").await, text);
    let closing = format!("</textarea>{text}");
    for field in ["#bio", "#address", "#attributes\\.team"] {
        assert_eq!(hers.property(field, "value").await, closing.as_str(), "{field}");
    }
    let preferences = hers.property("#preferences", "value").await;
    let preferences: serde_json::Value = serde_json::from_str(preferences.as_str().unwrap_or_default()).unwrap();
    assert_eq!(preferences, json!({text: closing}));
    assert_eq!(hers.text("#profile dd bdi").await, "<b>paid</b>");
    hers.assert_quiet().await;
    for field in ["#locale", "#timezone", "#preferences"] {
        hers.fill(field, text).await;
    }
    hers.submit("form[action='/account/preferences'] button.btn-main").await;
    assert_eq!(hers.count("#locale-error, #timezone-error, #preferences-error").await, 3);
    assert_eq!(hers.property("#locale", "value").await, text);
    hers.assert_quiet().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i1_hostile_texts_in_every_field_are_shown_as_text_and_run_nowhere() {
    let (app, browser, admin, amara) = at_the_console(Look::SCRIPTED).await;
    let hers = Browser::start(Look::SCRIPTED).await;
    let page = person(&app, &amara).await;
    let id = page.rsplit('/').next().unwrap_or_default().to_owned();
    for (at, text) in HOSTILE.into_iter().enumerate() {
        let role = format!("hostile-{at}");
        admin.post("/api/v1/roles", json!({"name": role, "description": text, "permissions": []})).await.is(201);
        let amara = app.again(&amara).await;
        let closing = format!("</textarea>{text}");
        let profile = json!({"name": text, "bio": closing, "address": closing, "preferences": {text: closing},
            "attributes": {"team": closing}});
        amara.patch("/api/v1/users/me", profile).await.is(200);
        admin.patch(&format!("/api/v1/users/{id}"), json!({"attributes": {"plan": "<b>paid</b>"}})).await.is(200);
        for field in ["locale", "timezone"] {
            amara.patch("/api/v1/users/me", json!({field: text})).await.is(422);
        }
        shows_own_account(&hers, &app, text).await;
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
        browser.open(&page).await;
        let closing = format!("</textarea>{text}");
        for field in ["#bio", "#address", "#attributes\\.team"] {
            assert_eq!(browser.property(field, "value").await, closing.as_str(), "{field}");
        }
        assert_eq!(browser.property("#attributes\\.plan", "value").await, "<b>paid</b>");
        for path in ["/admin/overview", "/admin/users?q=amara"] {
            browser.open(&format!("{}{path}", app.url)).await;
            browser.assert_quiet().await;
        }
        admin.post(&format!("/api/v1/users/{id}/unban"), json!({"reason": text})).await.is(204);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_console_holds_in_light_and_dark_on_phones_and_wide_screens() {
    let (app, mut browser, admin, amara) = at_the_console(Look::PLAIN).await;
    let full = json!({"name": "Amara Okafor", "locale": "en-GB", "timezone": "Africa/Lagos", "phone_number": "+234 803 555 0134",
        "bio": "Harbour master. Ships, quizzes and long walks."});
    amara.patch("/api/v1/users/me", full).await.is(200);
    for (name, address) in [
        ("Ji-woo Kim", "jiwoo"),
        ("Priya Raman", "priya"),
        ("Lukas Steiner", "lukas.steiner"),
        ("Chiara Conti", "chiara.conti"),
        ("Mateo Álvarez", "mateo"),
        ("Aylin Demir", "aylin"),
        ("Noah Lindqvist", "n.lindqvist"),
        ("Li Na", "li.na"),
        ("Fatima El Amrani", "fatima"),
        ("Tomás Ferreira", "tomas"),
        ("Олена Шевченко", "olena"),
        ("Kwame Mensah", "kwame"),
    ] {
        let email = format!("{address}@example.com");
        let made = admin.post("/api/v1/users", json!({"email": email, "name": name})).await.is(201).json();
        if name.starts_with("Lukas") {
            let path = format!("/api/v1/users/{}/ban", made["id"].as_str().unwrap_or_default());
            admin.post(&path, json!({"reason": "Chargebacks, case 8841"})).await.is(204);
        }
    }
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
            if matches!((name, word), ("overview" | "users" | "user", "wide-light") | ("users", "phone-dark")) {
                browser
                    .screenshot_for_docs(&format!("panel-{name}{}", if word == "phone-dark" { "-phone" } else { "" }))
                    .await;
            }
        }
    }
}

/// How many people are on the page that is shown.
async fn rows(browser: &Browser) -> usize {
    browser.count("table.people tbody tr").await
}

/// The list by all that it has, as somebody works through it: search, filter, order, pages, many at once; then one
/// person's profile.
async fn works_through_the_list(browser: &Browser, app: &TestApp, page: &str, word: &str) {
    let scripted = word.starts_with("scripted");
    browser.open(&format!("{}/admin/users", app.url)).await;
    assert_eq!(rows(browser).await, 25, "{word}");
    browser.fill("#q", "crowd").await;
    browser.script("document.querySelector('#q').form.requestSubmit()").await;
    wait(browser, "location.search.includes('q=crowd') && document.querySelector('#q').value === 'crowd'").await;
    browser.click("button[popovertarget=f-verified]").await;
    wait(browser, "document.querySelector('#f-verified').matches(':popover-open')").await;
    browser.assert_accessible(&format!("a filter {word}")).await;
    browser.click("#f-verified input[value=false]").await;
    browser.click("#f-verified .btn-main").await;
    wait(browser, "location.search.includes('verified=false') && document.querySelector('.filter-x') !== null").await;
    browser.click("button[popovertarget=f-order]").await;
    browser.click("#f-order a[href*='sort=email']").await;
    wait(browser, "location.search.includes('sort=email') && document.querySelector('.lead small') !== null").await;
    wait(browser, "document.querySelector('tbody .lead small').textContent === 'crowd00@example.com'").await;
    browser.click("a[rel=next]").await;
    wait(browser, "document.querySelector('tbody .lead small').textContent === 'crowd25@example.com'").await;
    browser.assert_accessible(&format!("the second page {word}")).await;
    browser.click("a[rel=prev]").await;
    wait(browser, "document.querySelector('tbody .lead small').textContent === 'crowd00@example.com'").await;
    browser.click("a.filter-x").await;
    wait(browser, "!location.search.includes('verified') && document.querySelector('.filter-x') === null").await;

    browser.click("tbody tr:nth-child(1) .box").await;
    browser.click("tbody tr:nth-child(2) .box").await;
    browser.assert_accessible(&format!("people that are ticked {word}")).await;
    browser.submit(".bulk button[value=sign_out]").await;
    assert_eq!(browser.text("#question h1").await, "Sign out: 2 people", "{word}");
    browser.submit("#question button.btn-main").await;
    until_done(browser).await;
    assert!(browser.text("#job").await.contains("2 of 2 accounts"), "{word}");
    browser.assert_accessible(&format!("the job {word}")).await;

    browser.open(page).await;
    if scripted {
        wait(browser, "document.querySelector('#profile') !== null").await;
    }
    browser.fill("#address", &format!("Rue {word} 1\n75001 Paris")).await;
    browser.fill("#locale", "pt-br").await;
    browser.fill("#attributes\\.team", word).await;
    browser.submit("#profile button.btn-main").await;
    assert_eq!(browser.text("#notice b").await, "Profile saved.");
    assert_eq!(browser.property("#address", "value").await, format!("Rue {word} 1\n75001 Paris").as_str());
    assert_eq!(browser.property("#locale", "value").await, "pt-BR");
    assert_eq!(browser.property("#attributes\\.team", "value").await, word);
    browser.assert_accessible(&format!("a saved profile {word}")).await;
    browser.assert_quiet().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_is_worked_through_and_a_profile_changed_with_and_without_javascript_on_phones_and_wide_screens() {
    let (app, mut browser, admin, amara) = at_the_console(Look::PLAIN).await;
    for at in 0..40 {
        let crowd = json!({"email": format!("crowd{at:02}@example.com"), "name": format!("Crowd {at}")});
        admin.post("/api/v1/users", crowd).await.is(201);
    }
    let page = person(&app, &amara).await;
    let wide = Look { width: 1440, ..Look::PLAIN };
    let phone = Look { width: 390, ..Look::PHONE };
    for (word, look) in [
        ("plain-wide-light", wide),
        ("plain-phone-dark", phone),
        ("scripted-wide-dark", Look { javascript: true, dark: true, ..wide }),
        ("scripted-phone-light", Look { javascript: true, dark: false, ..phone }),
    ] {
        browser.look(look).await;
        works_through_the_list(&browser, &app, &page, word).await;
    }
    let me = app.again(&amara).await.get("/api/v1/users/me").await.is(200).json();
    assert_eq!(me["address"], "Rue scripted-phone-light 1\n75001 Paris");
    assert_eq!((&me["locale"], &me["attributes"]["team"]), (&json!("pt-BR"), &json!("scripted-phone-light")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ban_shows_when_every_service_has_it_without_being_asked_again() {
    let (app, browser, _, amara) = at_the_console(Look::SCRIPTED).await;
    let token = app.verifier_token("quiz").await;
    let mut feed = e2e::Feed::open(&app, &token, None).await;
    feed.next_named("snapshot").await;
    let page = person(&app, &amara).await;
    browser.open(&format!("{page}/do/ban")).await;
    browser.fill("#reason", "Spam").await;
    browser.submit("#question button.btn-main").await;
    browser.script("document.documentElement.dataset.kept = 'yes'").await;
    assert_eq!(browser.text("#h-k").await, "The ban is on its way");
    assert_eq!(browser.text("#reach .tag").await, "1 of 2");
    browser.assert_accessible("a ban on its way").await;
    let told = feed.next_named("revoked").await;
    let index = told.data["index"].as_i64().unwrap_or_default();
    app.report_position(&token, index - 1).await.is(204);
    wait(&browser, "document.querySelector('#reach li:last-child small').textContent.startsWith('at ')").await;
    app.report_position(&token, index).await.is(204);
    wait(&browser, "document.querySelector('#h-k').textContent === 'The ban is everywhere'").await;
    assert_eq!(browser.script("document.documentElement.dataset.kept").await, "yes", "the page was loaded anew");
    browser.assert_accessible("a ban that is everywhere").await;
    browser.assert_quiet().await;
}

/// The account page as the documents show it: nothing in it depends on the day.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_account_page_for_the_documents() {
    let (app, mut browser, _, amara) = at_the_console(Look::PLAIN).await;
    let profile = json!({"name": "Amara Okafor", "address": "12 Marina\nLagos", "bio": "Builds boats.", "locale": "de-AT",
        "phone_number": "+44 20 7946 0018", "attributes": {"team": "Harbour", "newsletter": true}});
    amara.patch("/api/v1/users/me", profile).await.is(200);
    browser.devtools("Network.clearBrowserCookies", json!({})).await;
    sign_in(&browser, &app, "amara@example.com").await;
    for dark in [true, false] {
        browser.look(Look { width: 1024, height: 1_800, dark, ..Look::PLAIN }).await;
        browser.open(&format!("{}/account", app.url)).await;
        assert_eq!(browser.text("#locale-hint").await, "Now Deutsch (Österreich).");
        browser.assert_accessible("an account with attributes").await;
    }
    browser.screenshot_for_docs("account").await;
    browser.assert_quiet().await;
}

/// Nobody works on the job until the other process begins.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_jobs_page_follows_it_by_events_or_by_loading_itself() {
    let app = Setup::new(Database::Postgres).only("auth,pages").start().await;
    User::administrator(&app, "jonas").await;
    let (scripted, plain) = tokio::join!(Browser::start(Look::SCRIPTED), Browser::start(Look::PLAIN));
    for browser in [&scripted, &plain] {
        sign_in(browser, &app, "jonas@example.com").await;
    }
    scripted.open(&format!("{}/admin/users", app.url)).await;
    scripted.click("tbody tr:nth-child(1) .box").await;
    scripted.submit(".bulk button[value=export]").await;
    scripted.submit("#question button.btn-main").await;
    let job = scripted.address().await;
    plain.open(&job).await;
    for browser in [&scripted, &plain] {
        assert_eq!(browser.text("#job .status").await, "Waits");
    }
    scripted.script("document.documentElement.dataset.kept = 'yes'").await;
    let beside = app.beside("users,auth").await;
    for browser in [&scripted, &plain] {
        until_done(browser).await;
        assert_eq!(browser.count("#job a[href$='/result']").await, 1);
        assert_eq!(browser.count("#job form").await, 0, "there is nothing to stop any more");
    }
    assert_eq!(scripted.script("document.documentElement.dataset.kept").await, "yes", "the page was loaded anew");
    scripted.assert_quiet().await;
    drop(beside);
}
