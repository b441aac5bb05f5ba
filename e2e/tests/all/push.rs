//! Messages to devices: apps by Firebase, browsers by Web Push.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use e2e::{
    Browser, Database, FcmManner, FcmServer, Look, PASSWORD, PATIENCE, PushService, Setup, TestApp, User, on_both,
};
use serde_json::{Value, json};

const DEVICES: &str = "/api/v1/notifications/devices";

struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("usher-push-{}", uuid::Uuid::new_v4().simple()));
        std::fs::create_dir(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn with_fcm(setup: Setup, folder: &Folder, fcm: &FcmServer) -> Setup {
    let file = fcm.credentials(&folder.0);
    setup.env("USHER_PUSH__FCM__CREDENTIALS", &file.to_string_lossy()).env("USHER_PUSH__FCM__URL", &fcm.url)
}

/// A token like those that Firebase gives.
fn token(name: &str) -> String {
    format!("{name}:APA91b{}", uuid::Uuid::new_v4().simple())
}

/// Waits until everybody's sign-up was told: a device that is registered before would be told, too.
async fn welcomed(app: &TestApp) {
    let missing = "SELECT CAST((SELECT COUNT(*) FROM users)
        - (SELECT COUNT(*) FROM deliveries WHERE template = 'verify-email' AND channel = 'email') AS TEXT)";
    let begun = Instant::now();
    while app.look().await.texts(missing).await != ["0"] {
        assert!(begun.elapsed() < PATIENCE, "somebody is not welcomed");
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}

async fn register(app: &TestApp, user: &User, token: &str) -> String {
    app.logs.never(token);
    welcomed(app).await;
    let answer = user.post(DEVICES, json!({"token": token})).await;
    assert!(answer.status == 201 || answer.status == 200, "{} {}", answer.status, answer.body);
    answer.json()["id"].as_str().unwrap().to_owned()
}

/// Something that somebody is told about: their password is another one. Their other sessions end.
async fn change_password(user: &mut User) {
    let new = format!("{} and more", user.password);
    let body = json!({"current_password": user.password, "new_password": new});
    user.post("/api/v1/auth/change-password", body).await.is(204);
    user.password = new;
}

async fn devices(user: &User) -> Vec<Value> {
    user.get(DEVICES).await.is(200).json()["items"].as_array().unwrap().clone()
}

async fn until_devices(app: &TestApp, count: usize) {
    let begun = Instant::now();
    loop {
        let found = app.look().await.texts("SELECT kind FROM push_devices").await.len();
        if found == count {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{found} devices instead of {count}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The states and reasons of what is pushed.
async fn pushes(app: &TestApp) -> Vec<String> {
    let sql = "SELECT state || ' ' || COALESCE(reason, '') FROM deliveries WHERE channel = 'push' ORDER BY id";
    app.look().await.texts(sql).await
}

async fn until_pushes(app: &TestApp, what: &str, is_so: impl Fn(&[String]) -> bool) -> Vec<String> {
    let begun = Instant::now();
    loop {
        let found = pushes(app).await;
        if is_so(&found) {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "never {what}: {found:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

on_both! {
    async fn an_app_is_told_what_happens_to_the_account(setup: Setup) {
        let (folder, fcm) = (Folder::new(), FcmServer::start().await);
        let app = with_fcm(setup, &folder, &fcm).start().await;
        let mut ann = app.user("ann").await;
        let phone = token("phone");
        let id = register(&app, &ann, &phone).await;
        assert_eq!(register(&app, &ann, &phone).await, id, "once more is no change");
        assert_eq!(devices(&ann).await.len(), 1);
        change_password(&mut ann).await;
        let message = fcm.has(1).await.remove(0);
        assert_eq!(message["token"], phone.as_str());
        assert!(!message["notification"]["title"].as_str().unwrap().is_empty());
        assert_eq!(message["data"]["template"], "password-changed");
        assert_eq!(message["data"]["category"], "security");
        assert_eq!(message["android"]["priority"], "HIGH");
        assert!(message["data"]["link"].as_str().unwrap().starts_with(&app.url));
        // Nothing of the token is in the database.
        app.settle().await;
        for sql in ["SELECT sealed FROM push_devices", "SELECT body FROM ledger"] {
            assert!(app.look().await.texts(sql).await.iter().all(|text| !text.contains(&phone[6..])));
        }
        // Several messages, and one token of Google's for all.
        for _ in 0..3 {
            change_password(&mut ann).await;
        }
        fcm.has(4).await;
        assert_eq!(fcm.tokens_given(), 1);
        ann.delete(&format!("{DEVICES}/{id}")).await.is(204);
        ann.delete(&format!("{DEVICES}/{id}")).await.is(404);
        change_password(&mut ann).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(fcm.messages().len(), 4);
        app.settle().await;
        let kinds = "SELECT kind FROM ledger WHERE kind LIKE 'push_device.%' ORDER BY idx";
        assert_eq!(app.look().await.texts(kinds).await, ["push_device.registered", "push_device.removed"]);
    }

    async fn a_device_goes_when_its_session_is_over_and_when_firebase_knows_it_no_more(setup: Setup) {
        let (folder, fcm) = (Folder::new(), FcmServer::start().await);
        let app = with_fcm(setup, &folder, &fcm).start().await;
        let mut ann = app.user("ann").await;
        let other = app.again(&ann).await;
        let (phone, tablet, invalid) = (token("phone"), token("tablet"), token("invalid"));
        register(&app, &ann, &phone).await;
        register(&app, &other, &tablet).await;
        register(&app, &ann, &invalid).await;
        // The other session ends with the password: its device is told nothing more, and goes.
        change_password(&mut ann).await;
        fcm.has(1).await;
        until_devices(&app, 1).await;
        assert!(fcm.messages().iter().all(|message| message["token"] == phone.as_str()), "{:?}", fcm.messages());
        // It was uninstalled.
        fcm.uninstall(&phone);
        change_password(&mut ann).await;
        until_devices(&app, 0).await;
        let found = until_pushes(&app, "at its end", |found| found.len() == 2 && found[1].starts_with("dropped")).await;
        assert!(found[0].starts_with("sent"), "{found:?}");
        // Somebody else signs in on the same phone: it is theirs from then on.
        let fresh = token("shared");
        register(&app, &ann, &fresh).await;
        let bob = app.user("bob").await;
        register(&app, &bob, &fresh).await;
        assert_eq!((devices(&ann).await.len(), devices(&bob).await.len()), (0, 1));
        bob.logout().await.is(204);
        until_devices(&app, 0).await;
    }

    async fn f13_firebase_is_left_alone_for_as_long_as_it_asks_and_a_token_that_is_not_taken_is_made_anew(setup: Setup) {
        let (folder, fcm) = (Folder::new(), FcmServer::start().await);
        let app = with_fcm(setup, &folder, &fcm).start().await;
        let (mut ann, mut bob) = (app.user("ann").await, app.user("bob").await);
        register(&app, &ann, &token("anns")).await;
        register(&app, &bob, &token("bobs")).await;
        // "Too many" is about one device; that nobody is there is about all.
        for (number, (manner, refused)) in [(FcmManner::Quota(8), 2), (FcmManner::Unavailable(8), 1)].into_iter().enumerate() {
            fcm.set_manner(manner);
            let asked = fcm.asked().len();
            change_password(&mut ann).await;
            until_pushes(&app, "failed", |found| found.iter().any(|push| push.starts_with("failed"))).await;
            change_password(&mut bob).await;
            let begun = Instant::now();
            while fcm.asked().len() < asked + refused {
                assert!(begun.elapsed() < PATIENCE, "somebody waits for another's device");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
            assert_eq!(fcm.asked().len(), asked + refused, "somebody is sent in vain, or waits for another's device");
            fcm.set_manner(FcmManner::Takes);
            fcm.has(2 * (number + 1)).await;
            let waited = fcm.asked()[asked + refused].duration_since(fcm.asked()[asked]);
            assert!(waited > Duration::from_millis(7_500), "{waited:?}");
        }
        fcm.set_manner(FcmManner::Fails);
        change_password(&mut ann).await;
        until_pushes(&app, "failed", |found| found.iter().any(|push| push.starts_with("failed") && push.contains("500"))).await;
        fcm.set_manner(FcmManner::Takes);
        fcm.has(5).await;
        // Google's token is good no more: one other is asked for, and the message is not lost.
        let given = fcm.tokens_given();
        fcm.forget_tokens();
        change_password(&mut bob).await;
        fcm.has(6).await;
        assert_eq!(fcm.tokens_given(), given + 1);
        let tags: BTreeSet<String> = fcm.messages().iter().map(|message| message["data"]["delivery"].to_string()).collect();
        assert_eq!(tags.len(), 6, "each was told once");
    }

    async fn a_browser_decrypts_what_it_is_pushed_and_nobody_between_can(setup: Setup) {
        let service = PushService::start().await;
        let app = setup.start().await;
        let mut ann = app.user("ann").await;
        let (browser, stranger) = (service.subscribe(), service.subscribe());
        welcomed(&app).await;
        let mut subscription = browser.subscription();
        subscription["key"] = ann.get(DEVICES).await.json()["web_push_key"].clone();
        ann.post(DEVICES, json!({"subscription": subscription})).await.is(201);
        change_password(&mut ann).await;
        let pushed = service.has(1).await.remove(0);
        let message = browser.read(&pushed).expect("it is for this browser");
        assert!(message["title"].as_str().unwrap().to_lowercase().contains("password"), "{message}");
        assert!(message["link"].as_str().unwrap().starts_with(&app.url) && message["lang"] == "en", "{message}");
        assert!(stranger.read(&pushed).is_none());
        let seen = String::from_utf8_lossy(&pushed.body).into_owned();
        assert!(!seen.contains("assword") && !seen.contains(&app.url));
        assert_eq!(pushed.headers["urgency"], "high");
        // It asks for time, and gets it.
        service.refuse(Some(429), Some("8"));
        let before = service.asked();
        change_password(&mut ann).await;
        until_pushes(&app, "failed", |found| found.iter().any(|push| push.starts_with("failed"))).await;
        service.refuse(None, None);
        let (waited, again) = (Instant::now(), service.has(2).await.remove(1));
        assert!(waited.elapsed() > Duration::from_secs(2), "{:?}", waited.elapsed());
        assert!(browser.read(&again).is_some() && service.asked() == before + 2);
        // Its owner has switched it off, or the browser is gone.
        service.refuse(Some(410), None);
        change_password(&mut ann).await;
        until_devices(&app, 0).await;
    }

    async fn h1_a_subscription_leads_nowhere_inside_and_has_good_keys(setup: Setup) {
        let service = PushService::start().await;
        let app = setup.env("USHER_PUBLIC_URL", "https://id.example.com").start().await;
        let ann = app.user("ann").await;
        let browser = service.subscribe();
        for endpoint in [
            browser.endpoint.clone(),
            browser.endpoint.replace("http://", "https://"),
            "https://localhost./push".into(),
            "https://2130706433/push".into(),
            "https://[::ffff:127.0.0.1]/push".into(),
            "https://169.254.169.254/latest".into(),
            "https://user@push.example.com/".into(),
            "https://push.example.com:22/".into(),
        ] {
            let mut subscription = browser.subscription();
            subscription["endpoint"] = endpoint.clone().into();
            let refused = ann.post(DEVICES, json!({"subscription": subscription})).await.is_problem(422, "invalid_input").json();
            assert_eq!(refused["errors"][0]["field"], "subscription.endpoint", "{endpoint}");
        }
        let good = |change: &dyn Fn(&mut Value)| {
            let mut subscription = browser.subscription();
            subscription["endpoint"] = "https://push.example.com/x".into();
            change(&mut subscription);
            json!({"subscription": subscription})
        };
        for bad in [
            good(&|it| it["keys"]["auth"] = "AAAA".into()),
            good(&|it| it["keys"]["p256dh"] = "BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".into()),
            good(&|it| it["key"] = "not-ours".into()),
            json!({}),
            json!({"token": "short"}),
            json!({"token": "has spaces in it and more"}),
        ] {
            ann.post(DEVICES, bad).await.is_problem(422, "invalid_input");
        }
        ann.post(DEVICES, good(&|_| {})).await.is(201);
        // Firebase is not configured here.
        ann.post(DEVICES, json!({"token": token("phone")})).await.is_problem(409, "push_not_configured");
        // Nobody removes what is somebody else's.
        let id = devices(&ann).await[0]["id"].as_str().unwrap().to_owned();
        app.user("bob").await.delete(&format!("{DEVICES}/{id}")).await.is(404);
        assert_eq!(devices(&ann).await.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_is_switched_on_where_scripts_run_and_is_told_what_happens() {
    let service = PushService::start().await;
    let app = Setup::new(Database::Sqlite).start().await;
    let ann = app.user("ann").await;
    let mut browser = Browser::start(Look::PLAIN).await;
    crate::pages::sign_in(&browser, &app, &ann.email, PASSWORD).await;
    let account = format!("{}/account", app.url);
    browser.open(&account).await;
    assert_eq!(browser.count("#push-panel:not([hidden])").await, 0, "without scripts there is no switch");
    browser.look(Look { javascript: true, ..Look::PLAIN }).await;
    browser.open(&account).await;
    let until = async |selector: &str| {
        let begun = Instant::now();
        while browser.count(selector).await == 0 {
            assert!(begun.elapsed() < PATIENCE, "never {selector}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    until("#push-panel:not([hidden])").await;
    browser.assert_accessible("the switch for messages").await;
    welcomed(&app).await;
    let fails = "Notification.requestPermission = async () => 'granted';
                 PushManager.prototype.subscribe = async () => { throw new DOMException('there is no push service'); };";
    browser.script(fails).await;
    browser.click("#push-panel button").await;
    until("p[data-push-state=failed]:not([hidden])").await;
    assert_eq!(browser.text("#push-panel button").await, "Switch on", "it can be tried again");
    // This browser has no push service of its own: it is lent one.
    let lent = service.subscribe();
    let stand_in = format!(
        "Notification.requestPermission = async () => 'granted';
         PushManager.prototype.subscribe = async (options) =>
             ({{ endpoint: '{}', options, toJSON: () => ({}) }});",
        lent.endpoint,
        lent.subscription()
    );
    browser.script(&stand_in).await;
    browser.click("#push-panel button").await;
    until("#notice").await;
    assert_eq!(browser.address().await, format!("{account}?done=push-on"));
    // The switch asks the server what it knows, and says no more than that.
    for (endpoint, known) in [(lent.endpoint.as_str(), "on"), ("https://push.example.com/another", "off")] {
        let ask = format!(
            "(() => {{
                 const form = document.querySelector('[data-push]');
                 form.elements.action.value = 'ask';
                 form.elements.endpoint.value = '{endpoint}';
                 const body = new URLSearchParams(new FormData(form));
                 return fetch(form.getAttribute('action'), {{ method: 'POST', body }}).then((answer) => answer.text());
             }})()"
        );
        assert_eq!(browser.script(&ask).await, known);
    }
    // What is told of somebody else's tries ends no session.
    for _ in 0..5 {
        app.login(&ann.email, "not their password").await.is(401);
    }
    let pushed = service.has(1).await.remove(0);
    let message = lent.read(&pushed).expect("it is for this browser");
    assert!(message["link"].as_str().unwrap().starts_with(&app.url), "{message}");
    browser.assert_quiet().await;
}

/// Runs a service worker as a browser does, with what a test has put in the place of one.
const WORKER: &str = r"
const fs = require('fs'), vm = require('vm');
const handlers = {}, shown = [], opened = [];
const self = {
  addEventListener: (name, handler) => { handlers[name] = handler; },
  registration: { showNotification: (title, options) => { shown.push({ title, ...options }); return Promise.resolve(); } },
  clients: { openWindow: (address) => { opened.push(address); return Promise.resolve(); } },
  location: { origin: 'https://id.example.com' },
};
vm.runInNewContext(fs.readFileSync(process.argv[1], 'utf8'), { self, URL });
const push = (json) => handlers.push({ data: json && { json }, waitUntil() {} });
push(() => ({ title: 'Titel', body: 'Text', link: 'https://id.example.com/account#devices', tag: 'x', lang: 'de' }));
push(() => { throw new Error('not JSON'); });
push(null);
for (const link of ['https://id.example.com/inbox', '/inbox', 'https://evil.example/', 'javascript:alert(1)', undefined]) {
  handlers.notificationclick({ notification: { close() {}, data: link && { link } }, waitUntil() {} });
}
console.log(JSON.stringify({ shown, opened }));
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_pushed_to_a_browser_is_shown_and_leads_to_pages_of_this_server_alone() {
    let app = Setup::new(Database::Sqlite).start().await;
    let served = app.get("/account/service-worker.js").await.is(200);
    assert_eq!(served.header("content-type"), "text/javascript; charset=utf-8");
    assert_eq!(served.header("cache-control"), "public, no-cache");
    let folder = Folder::new();
    let file = folder.0.join("service-worker.js");
    std::fs::write(&file, &served.body).unwrap();
    let node = std::env::var("TEST_NODE").expect("run the tests with `cargo xtask test`");
    let run = std::process::Command::new(node).arg("-e").arg(WORKER).arg(&file).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let did: Value = serde_json::from_slice(&run.stdout).unwrap();
    let shown = did["shown"].as_array().unwrap();
    assert_eq!(
        (&shown[0]["title"], &shown[0]["body"], &shown[0]["tag"]),
        (&json!("Titel"), &json!("Text"), &json!("x"))
    );
    assert_eq!(shown.len(), 3, "a browser wants to see something for each message");
    let own = "https://id.example.com";
    assert_eq!(
        did["opened"],
        json!([format!("{own}/inbox"), format!("{own}/inbox"), own, own, format!("{own}/account")])
    );
}
