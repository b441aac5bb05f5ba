//! The console in a real browser: the pages that look after roles, routes, keys and settings, and what holds on
//! every page of console and account.

use std::time::{Duration, Instant};

use e2e::{
    Browser, Database, Look, MailManner, MailServer, PASSWORD, PATIENCE, Setup, TestApp, Upstream, User, on_both,
};

use crate::pages::{check_page, sign_in};

/// The window that most people have, and the smallest that anything has to work in.
const WIDE: Look = Look { width: 1440, ..Look::PLAIN };
const NARROW: Look = Look { width: 390, ..Look::PHONE };

/// A browser in which an administrator sits at the console.
async fn at_the_console(app: &TestApp, look: Look) -> (Browser, User) {
    let root = User::administrator(app, "root").await;
    let browser = Browser::start(look).await;
    sign_in(&browser, app, &root.email, PASSWORD).await;
    (browser, root)
}

async fn open(browser: &Browser, app: &TestApp, path: &str) {
    browser.open(&format!("{}{path}", app.url)).await;
}

/// The kinds of what was written down since, each with whether it says who did it.
async fn events(app: &TestApp, like: &str) -> Vec<String> {
    app.settle().await;
    let mut view = app.look().await;
    view.texts(&format!("SELECT kind FROM ledger WHERE kind LIKE '{like}' ORDER BY idx")).await
}

/// Whether a page has these words.
async fn shows(browser: &Browser, app: &TestApp, path: &str, words: &str) -> bool {
    open(browser, app, path).await;
    browser.text("main").await.contains(words)
}

on_both! {
    async fn roles_are_made_changed_and_deleted_with_and_without_scripts(app: TestApp) {
        let (mut browser, root) = at_the_console(&app, WIDE).await;
        for (look, name) in [(WIDE, "author"), (Look { javascript: true, ..WIDE }, "grader")] {
            browser.look(look).await;
            open(&browser, &app, "/admin/roles").await;
            browser.submit("a[href='/admin/roles/new']").await;
            browser.fill("#name", "Not a name").await;
            browser.fill("#others", "quiz:author").await;
            // The browser's own checks must not be all that there is.
            browser.submit("main form button").await;
            assert!(browser.title().await.starts_with("Error: "), "{}", browser.title().await);
            assert_eq!(browser.property("#others", "value").await, "quiz:author", "what was typed is kept");
            browser.assert_accessible("a role with a mistake").await;
            browser.fill("#name", name).await;
            browser.click("input[name=permission][value='users:read']").await;
            browser.submit("main form button").await;
            assert_eq!(browser.address().await, format!("{}/admin/roles?done=made", app.url));
            let made = root.get(&format!("/api/v1/roles/{name}")).await.is(200).json();
            assert_eq!(made["permissions"], serde_json::json!(["quiz:author", "users:read"]));

            open(&browser, &app, &format!("/admin/roles/{name}")).await;
            browser.fill("#description", "Writes questions").await;
            browser.click("input[name=include][value='support']").await;
            browser.submit("main form button").await;
            assert_eq!(browser.address().await, format!("{}/admin/roles?done=changed", app.url));
            let changed = root.get(&format!("/api/v1/roles/{name}")).await.is(200).json();
            assert_eq!((&changed["description"], &changed["includes"][0]), (&"Writes questions".into(), &"support".into()));

            open(&browser, &app, &format!("/admin/roles/{name}/delete")).await;
            browser.submit("#question button").await;
            root.get(&format!("/api/v1/roles/{name}")).await.is(404);
            browser.assert_quiet().await;
        }
        assert_eq!(events(&app, "role.%").await, ["role.created", "role.updated", "role.deleted"].repeat(2));
    }

    async fn keys_turn_over_and_are_withdrawn_with_a_reason(app: TestApp) {
        let (browser, root) = at_the_console(&app, WIDE).await;
        open(&browser, &app, "/admin/keys").await;
        assert_eq!(browser.count("tbody tr").await, 1);
        browser.submit("a[href='/admin/keys/rotate']").await;
        browser.submit("#question button").await;
        assert_eq!(browser.address().await, format!("{}/admin/keys?done=rotated", app.url));
        assert_eq!(browser.count("tbody tr").await, 2);
        assert!(root.is_signed_in().await);

        browser.submit("tbody tr a[href$='/withdraw']").await;
        let question = browser.address().await;
        // Without a reason nothing happens, also for those whose browser does not ask for one.
        browser.script("document.querySelector('#reason').required = false").await;
        browser.submit("#question button").await;
        assert_eq!(browser.address().await, question);
        assert!(browser.title().await.starts_with("Error: "));
        browser.assert_accessible("a key without a reason").await;
        browser.fill("#reason", "A laptop was stolen").await;
        browser.submit("#question button").await;
        assert_eq!(browser.address().await, format!("{}/admin/keys?done=withdrawn", app.url));
        assert!(!root.is_signed_in().await, "what the key signed is dead");
        let kinds = events(&app, "signing_key.%").await;
        assert_eq!(kinds, ["signing_key.created", "signing_key.created", "signing_key.withdrawn"]);
        let actors = "SELECT CAST(COUNT(*) AS TEXT) FROM ledger WHERE kind LIKE 'signing_key.%' AND body LIKE '%\"actor\":\"%'";
        assert_eq!(app.look().await.texts(actors).await, ["2"], "it is known who did it");
    }

    async fn a_message_that_was_given_up_is_found_and_tried_again(setup: Setup) {
        let server = MailServer::start().await;
        let from = "Harbour <no-reply@id.example.com>";
        let app = setup.env("USHER_MAIL__URL", &server.url()).env("USHER_MAIL__FROM", from).start().await;
        let never = app.user("never-1").await;
        let (browser, _) = at_the_console(&app, WIDE).await;
        let begun = std::time::Instant::now();
        while !shows(&browser, &app, "/admin/deliveries?state=dead", "Given up").await {
            assert!(begun.elapsed() < Duration::from_secs(20), "it is not given up");
        }
        assert!(browser.text("#deliveries").await.contains("550"), "the reason is there");
        // The mailbox is there now.
        server.set_manner(MailManner::Says("250 ok"));
        browser.click("#deliveries tbody .box").await;
        browser.submit(".bulk button").await;
        assert_eq!(browser.address().await, format!("{}/admin/deliveries?state=dead&done=retried", app.url));
        server.wait_for("never-1@example.com", 1).await;
        assert_eq!(events(&app, "notification.%").await, ["notification.retried"]);
        let told = format!("/admin/users/{}/notifications", never.id);
        let begun = std::time::Instant::now();
        while !shows(&browser, &app, &told, "Handed over").await {
            assert!(begun.elapsed() < Duration::from_secs(20), "it is not handed over");
        }
        browser.assert_accessible("what somebody was told").await;
        // A state that there is not leads nowhere.
        assert!(!shows(&browser, &app, "/admin/deliveries?state=lost", "Handed over").await);
        // How messages look is shown in a frame that can do nothing.
        open(&browser, &app, "/admin/templates/password-changed?language=fr").await;
        assert!(browser.text("h2").await.contains("mot de passe"), "{}", browser.text("h2").await);
        browser.assert_quiet().await;
        let framed = app.get("/admin/mail/password-changed/fr").await;
        assert_eq!(framed.status, 303, "only for those who are signed in");
    }

    async fn z1_each_page_of_the_console_is_for_its_own_permission(app: TestApp) {
        let root = User::administrator(&app, "root").await;
        let pages = [
            ("/admin/roles", "roles:read", "roles"),
            ("/admin/roles/new", "roles:write", "maker"),
            ("/admin/roles/support", "roles:read", "roles"),
            ("/admin/routes", "gateway:read", "doors"),
            ("/admin/keys", "keys:read", "keys"),
            ("/admin/keys/rotate", "keys:write", "turner"),
            ("/admin/webhooks", "webhooks:read", "hooks"),
            ("/admin/webhooks/new", "webhooks:write", "hookwriter"),
            ("/admin/deliveries", "notifications:read", "teller"),
            ("/admin/templates", "notifications:read", "teller"),
            ("/admin/settings", "settings:read", "setter"),
        ];
        for (_, permission, name) in pages {
            let role = serde_json::json!({"name": name, "permissions": [permission]});
            let made = root.post("/api/v1/roles", role).await.status;
            assert!(made == 201 || made == 409);
        }
        let session = async |name: &str, role: &str| {
            let somebody = app.user(name).await;
            let path = format!("/api/v1/users/{}/roles", somebody.id);
            let request = root.request(reqwest::Method::PUT, &path).json(&serde_json::json!({"roles": [role]}));
            e2e::Answer::of(request).await.is(200);
            crate::admin::cookies(&app, &somebody).await
        };
        let stranger = session("stranger", "user").await;
        for (number, (path, permission, role)) in pages.into_iter().enumerate() {
            let ask = |cookie: &str| app.request(reqwest::Method::GET, path).header("cookie", cookie.to_owned());
            let signed_out = e2e::Answer::of(app.request(reqwest::Method::GET, path)).await;
            assert_eq!(signed_out.status, 303, "{path}");
            e2e::Answer::of(ask(&stranger)).await.is(403);
            let with = session(&format!("with{number}"), role).await;
            let answer = e2e::Answer::of(ask(&with)).await.is(200);
            assert!(answer.body.contains("class=\"console"), "{path} with {permission}");
            // What is not theirs is not in the navigation either.
            let rail = answer.body.split("class=\"rail\"").nth(1).and_then(|rest| rest.split("</nav>").next()).unwrap();
            for (other, needed, _) in pages.into_iter().filter(|(other, needed, _)| *needed != permission && other.matches('/').count() == 2) {
                assert!(!rail.contains(&format!("href=\"{other}\"")), "{path} with {permission} shows {other} ({needed})");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn routes_show_what_goes_through_them_and_refresh_by_themselves() {
    let upstream = Upstream::start("quiz").await;
    let routes = format!(
        "[[gateway.routes]]\nname = \"quiz\"\npath = \"/quiz/\"\nupstreams = [\"{}\"]\nauth = \"none\"\n\
         limits = [{{ per = \"ip\", rate = \"100/s\", burst = 200 }}]\n\
         [[gateway.routes]]\nname = \"authors\"\npath = \"/authors/\"\nupstreams = [\"http://127.0.0.1:1\"]\n\
         permissions = [\"quiz:author\"]\n",
        upstream.url
    );
    let app = Setup::new(Database::Sqlite).config(&routes).start().await;
    for _ in 0..30 {
        app.get("/quiz/1").await.is(200);
    }
    app.get("/authors/1").await.is(401);
    let (browser, _) = at_the_console(&app, Look { javascript: true, ..WIDE }).await;
    open(&browser, &app, "/admin/routes").await;
    let table = "section[aria-labelledby=h-yours]";
    let text = browser.text(table).await;
    for part in ["/quiz/", "/authors/", "100/s, 200 at once", "for each address", "may quiz:author", "100.0 %"] {
        assert!(text.contains(part), "no {part} in {text}");
    }
    assert!(browser.text("section[aria-labelledby=h-own]").await.contains("/api/v1/auth/login"));
    // The page takes the new numbers by itself, and stays the page that it is.
    let marked = "document.querySelector('h1').dataset.kept = 'yes'";
    browser.script(marked).await;
    for _ in 0..30 {
        app.get("/authors/1").await.is(401);
    }
    let begun = Instant::now();
    while browser.text(table).await == text {
        assert!(begun.elapsed() < PATIENCE, "nothing new comes");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(browser.property("h1", "dataset").await["kept"], "yes", "the page was not loaded again");
    browser.assert_quiet().await;
}

/// Where the keyboard is.
async fn focused(browser: &Browser) -> String {
    let said = browser.script(
        "(e => (e.textContent.trim() || e.getAttribute('aria-label') || e.name || e.id))(document.activeElement)",
    );
    said.await.as_str().unwrap_or_default().to_owned()
}

/// Presses Tab until the keyboard is at what says this.
async fn tab_to(browser: &Browser, words: &str) {
    let mut seen = Vec::new();
    for _ in 0..60 {
        browser.press("Tab").await;
        let here = focused(browser).await;
        if here.contains(words) {
            let outline = browser.script("getComputedStyle(document.activeElement).outlineStyle").await;
            assert_ne!(outline, "none", "nobody sees that the keyboard is at {words}");
            return;
        }
        seen.push(here);
    }
    panic!("the keyboard does not come to {words:?}: {seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_keyboard_is_enough() {
    let app = Setup::new(Database::Sqlite).start().await;
    let (browser, root) = at_the_console(&app, WIDE).await;
    open(&browser, &app, "/admin/roles").await;
    browser.press("Tab").await;
    assert_eq!(focused(&browser).await, "Skip to content", "the first thing is the way past the navigation");
    browser.press("Enter").await;
    tab_to(&browser, "Make a role").await;
    browser.press("Enter").await;
    wait_for(&browser, "#name").await;
    tab_to(&browser, "name").await;
    for letter in "author".chars() {
        browser.press(&letter.to_string()).await;
    }
    tab_to(&browser, "Make role").await;
    browser.press("Enter").await;
    wait_for(&browser, "#notice").await;
    root.get("/api/v1/roles/author").await.is(200);
    tab_to(&browser, "Delete… author").await;
    browser.press("Enter").await;
    wait_for(&browser, "#question").await;
    tab_to(&browser, "Delete author").await;
    browser.press("Enter").await;
    wait_for(&browser, "#notice").await;
    root.get("/api/v1/roles/author").await.is(404);
}

async fn wait_for(browser: &Browser, selector: &str) {
    let begun = Instant::now();
    while browser.count(selector).await == 0 {
        assert!(begun.elapsed() < PATIENCE, "{selector} never came: {}", browser.address().await);
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_holds_in_light_and_dark_on_phones_and_wide_screens() {
    let routes = "[[gateway.routes]]\nname = \"quiz\"\npath = \"/quiz/\"\nupstreams = [\"http://127.0.0.1:1\"]\n";
    let app = Setup::new(Database::Sqlite).config(routes).start().await;
    let ann = app.user("ann").await;
    let (mut browser, root) = at_the_console(&app, WIDE).await;
    let role = serde_json::json!({"name": "author", "permissions": ["quiz:author"], "description": "<b>\u{202e}x"});
    let plain =
        serde_json::json!({"name": "author", "permissions": ["quiz:author"], "description": "Writes questions"});
    root.post("/api/v1/roles", role).await.is(422);
    root.post("/api/v1/roles", plain).await.is(201);
    let key = root.get("/.well-known/jwks.json").await.json()["keys"][0]["kid"].as_str().unwrap().to_owned();
    let hook = json_hook();
    let hook = root.post("/api/v1/webhooks", hook).await.is(201).json()["id"].as_str().unwrap().to_owned();
    root.post(&format!("/api/v1/webhooks/{hook}/test"), serde_json::Value::Null).await.is(202);
    let mut pages = pages(&ann.id, &key);
    for (name, part) in
        [("webhook", ""), ("webhook-edit", "/edit"), ("webhook-rotate", "/rotate"), ("webhook-remove", "/remove")]
    {
        pages.push((name.to_owned(), format!("/admin/webhooks/{hook}{part}")));
    }
    for (word, look) in [
        ("wide-light", WIDE),
        ("wide-dark", Look { dark: true, ..WIDE }),
        ("phone-dark", NARROW),
        ("phone-light", Look { dark: false, ..NARROW }),
        ("narrow", Look { width: 320, ..Look::PHONE }),
    ] {
        browser.look(look).await;
        for (name, path) in &pages {
            open(&browser, &app, path).await;
            check_page(&browser, &format!("{name}-{word}")).await;
        }
    }
    browser.look(WIDE).await;
    for (name, path) in [("panel-roles", "/admin/roles"), ("panel-routes", "/admin/routes")] {
        open(&browser, &app, path).await;
        browser.screenshot_for_docs(name).await;
    }
}

/// A webhook where nobody listens: what it is told fails.
fn json_hook() -> serde_json::Value {
    serde_json::json!({"name": "crm", "url": "http://127.0.0.1:9/told", "kinds": ["account.*", "email.changed"]})
}

/// Every page of console and account. One that is added belongs here.
fn pages(user: &str, key: &str) -> Vec<(String, String)> {
    let fixed = [
        ("account", "/account"),
        ("inbox", "/inbox"),
        ("inbox-empty", "/inbox?show=marketing"),
        ("email-changed", "/account/email/confirm?done=changed"),
        ("overview", "/admin/overview"),
        ("users", "/admin/users"),
        ("user-new", "/admin/users/new"),
        ("roles", "/admin/roles"),
        ("role-new", "/admin/roles/new"),
        ("role", "/admin/roles/author"),
        ("role-built-in", "/admin/roles/admin"),
        ("role-delete", "/admin/roles/author/delete"),
        ("routes", "/admin/routes"),
        ("keys", "/admin/keys"),
        ("key-rotate", "/admin/keys/rotate"),
        ("webhooks", "/admin/webhooks"),
        ("webhook-new", "/admin/webhooks/new"),
        ("deliveries", "/admin/deliveries"),
        ("templates", "/admin/templates"),
        ("template", "/admin/templates/new-device?language=de"),
        ("template-text", "/admin/templates/verify-email?language=ar&view=text"),
        ("settings", "/admin/settings"),
    ];
    let person =
        ["", "/roles", "/sessions", "/security", "/history", "/notifications", "/do/ban", "/do/delete", "/do/sign-out"];
    let fixed = fixed.into_iter().map(|(name, path)| (name.to_owned(), path.to_owned()));
    let person = person
        .into_iter()
        .map(|part| (format!("user{}", part.replace('/', "-")), format!("/admin/users/{user}{part}")));
    let key = ("key-withdraw".to_owned(), format!("/admin/keys/{key}/withdraw"));
    fixed.chain(person).chain([key]).collect()
}
