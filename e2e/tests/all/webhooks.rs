//! Webhooks: receivers over TLS that take what comes, fail, are gone, talk too much or lead elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use e2e::{
    Answer, Browser, Certificate, Database, DatabaseView, HookManner, HookReceiver, Look, PASSWORD, PATIENCE, Setup,
    Told, User, on_both,
};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// A folder of a test's own, with the certificate that its receivers have and the program trusts.
struct Trust {
    folder: PathBuf,
    certificate: Certificate,
}

impl Trust {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("usher-hooks-{}", uuid::Uuid::new_v4().simple()));
        std::fs::create_dir(&folder).unwrap();
        Self { certificate: Certificate::write(&folder), folder }
    }

    fn of(&self, setup: Setup) -> Setup {
        setup.env("SSL_CERT_FILE", &self.certificate.certificate.to_string_lossy())
    }
}

impl Drop for Trust {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

async fn webhook(root: &User, name: &str) -> Value {
    let all = root.get("/api/v1/webhooks").await.is(200).json();
    all["items"].as_array().unwrap().iter().find(|one| one["name"] == name).unwrap().clone()
}

/// Waits until a webhook is as a test wants it.
async fn until(root: &User, name: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let begun = Instant::now();
    loop {
        let webhook = webhook(root, name).await;
        if is_so(&webhook) {
            return webhook;
        }
        assert!(begun.elapsed() < PATIENCE, "{webhook}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn deliveries(root: &User, webhook: &Value) -> Vec<Value> {
    let path = format!("/api/v1/webhooks/{}/deliveries?limit=200", webhook["id"].as_str().unwrap());
    root.get(&path).await.is(200).json()["items"].as_array().unwrap().clone()
}

/// Renames somebody: one event about them.
async fn rename(user: &User, name: &str) {
    user.patch("/api/v1/users/me", json!({"name": name})).await.is(200);
}

/// Nobody is held up: that is so where most are told within a second. Other tests run beside this one, so not each has to
/// be; whoever hangs, hangs for ten.
fn assert_soon(mut took: Vec<Duration>) {
    took.sort();
    assert!(took[took.len() / 2] < Duration::from_secs(1), "{took:?}");
    assert!(took.iter().all(|took| *took < Duration::from_secs(8)), "{took:?}");
}

/// What was told about each account, by the numbers of the ledger, in the order in which it came.
fn orders(told: &[Told]) -> BTreeMap<String, Vec<i64>> {
    let mut orders: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for one in told {
        let body = one.json();
        orders.entry(body["subject"].to_string()).or_default().push(body["ledger"].as_i64().unwrap());
    }
    orders
}

fn assert_in_order(told: &[Told]) {
    for (subject, numbers) in orders(told) {
        assert!(numbers.is_sorted(), "{subject}: {numbers:?}");
    }
}

on_both! {
    async fn h4_what_happens_is_told_signed_and_without_what_is_personal(setup: Setup) {
        let trust = Trust::new();
        let receiver = HookReceiver::start(&trust.certificate).await;
        let app = trust.of(setup).start().await;
        let root = User::administrator(&app, "root").await;
        let secret = receiver.register(&app, "crm", &["account.*", "profile.updated"]).await;
        let ann = app.user("ann").await;
        rename(&ann, "Ann Quxzephyr").await;
        let ban = json!({"reason": "Ann Quxzephyr of 12 High Street"});
        root.post(&format!("/api/v1/users/{}/ban", ann.id), ban).await.is(204);
        let taken = receiver.has(3).await;
        let kinds: Vec<String> = taken.iter().map(|told| told.json()["kind"].as_str().unwrap().to_owned()).collect();
        assert_eq!(kinds, ["account.registered", "profile.updated", "account.suspended"], "and no session.started");
        for told in &taken {
            assert_eq!(told.verify(&secret), (true, 1));
            assert_eq!(told.header("content-type"), "application/json");
            assert!(told.header("user-agent").starts_with("Usher/"));
            let body = told.json();
            assert_eq!(body["id"], told.header("webhook-id"));
            assert_eq!(body["subject"], ann.id.as_str());
            assert!(body["ledger"].as_i64().is_some() && body["time"].as_str().is_some() && body["facts"].is_object());
            for personal in ["ann@", "Quxzephyr", "High Street", "example.com"] {
                assert!(!told.body.contains(personal), "{personal}: {}", told.body);
            }
        }
        assert_eq!(taken[1].json()["facts"]["fields"], json!(["name"]));
        assert_eq!(taken[2].json()["actor"], root.id.as_str());
        // A changed byte, another time or another secret is no signature.
        let mut forged = taken[0].clone();
        forged.body.push(' ');
        assert!(!forged.verify(&secret).0);
        let shown = until(&root, "crm", |webhook| webhook["waiting"] == 0).await;
        assert!(!shown.to_string().contains("whsec_") && !shown.to_string().contains(secret.trim_start_matches("whsec_")));
        let states: BTreeSet<String> = deliveries(&root, &shown).await.iter().map(|one| one["state"].to_string()).collect();
        assert_eq!(states, ["\"sent\"".to_owned()].into());
        // Nothing of the secret is in the database in clear.
        let key = STANDARD.decode(secret.trim_start_matches("whsec_")).unwrap();
        let key = key.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
        let mut view = app.look().await;
        let sealed = view.texts(match view {
            DatabaseView::Sqlite(_) => "SELECT LOWER(HEX(secret_sealed)) FROM webhooks",
            DatabaseView::Postgres(_) => "SELECT ENCODE(secret_sealed, 'hex') FROM webhooks",
        }).await;
        assert!(sealed.len() == 1 && sealed[0].len() > key.len() && !sealed[0].contains(&key));
        assert!(view.texts("SELECT name FROM webhooks").await == ["crm"]);
        assert!(view.texts("SELECT body FROM ledger").await.iter().all(|body| !body.contains("whsec_")));
    }

    async fn h4_while_one_secret_takes_over_from_another_both_sign(setup: Setup) {
        let trust = Trust::new();
        let receiver = HookReceiver::start(&trust.certificate).await;
        let app = trust.of(setup).start().await;
        let root = User::administrator(&app, "root").await;
        let first = receiver.register(&app, "crm", &["account.registered"]).await;
        app.user("ann").await;
        assert_eq!(receiver.has(1).await[0].verify(&first), (true, 1));
        let id = webhook(&root, "crm").await["id"].as_str().unwrap().to_owned();
        let rotate = format!("/api/v1/webhooks/{id}/rotate");
        root.post(&rotate, json!({"overlap_hours": 169})).await.is_problem(422, "invalid_input");
        let rotated = root.post(&rotate, json!({})).await.is(200).json();
        let second = rotated["secret"].as_str().unwrap().to_owned();
        app.logs.never(&second);
        assert!(rotated["previous_secret_until"].as_str().is_some());
        app.user("bob").await;
        let told = receiver.has(2).await.remove(1);
        assert_eq!((told.verify(&first), told.verify(&second)), ((true, 2), (true, 2)));
        // One that has got into other hands signs no more at once.
        let third = app.cli_ok(&["webhooks", "rotate", "crm", "--overlap", "0"]).await;
        app.logs.never(third.trim());
        app.user("eve").await;
        let told = receiver.has(3).await.remove(2);
        assert_eq!((told.verify(&third), told.verify(&second).0, told.verify(&first).0), ((true, 1), false, false));
        // Another master key opens what the one before sealed, and after a rewrap it is not needed any more.
        let old = std::fs::read_to_string(app.data.join("master.key")).unwrap();
        let new = "cXV4emVwaHlyLXF1eHplcGh5ci1xdXh6ZXBoeXItMTIzNDU=";
        app.kill9();
        let app = app.with_env("USHER_SECRETS__MASTER_KEY", &format!("{new} {}", old.trim()));
        app.start().await;
        let sealed = match app.database {
            Database::Sqlite => "SELECT hex(secret_sealed) FROM webhooks",
            Database::Postgres => "SELECT encode(secret_sealed, 'hex') FROM webhooks",
        };
        let before = app.look().await.texts(sealed).await;
        app.cli_ok(&["keys", "rewrap"]).await;
        assert_ne!(app.look().await.texts(sealed).await, before);
        app.user("max").await;
        assert_eq!(receiver.has(4).await[3].verify(&third), (true, 1));
    }

    async fn f34_a_receiver_that_fails_for_a_while_misses_nothing_keeps_the_order_and_delays_no_other(setup: Setup) {
        let trust = Trust::new();
        let (bad, good) = (HookReceiver::start(&trust.certificate).await, HookReceiver::start(&trust.certificate).await);
        let app = trust.of(setup).start().await;
        let root = User::administrator(&app, "root").await;
        bad.register(&app, "bad", &[]).await;
        good.register(&app, "good", &[]).await;
        bad.answers(HookManner::Says(500));
        let people = [app.user("ann").await, app.user("bob").await, app.user("eve").await];
        let mut took = Vec::new();
        for round in 0..8 {
            for user in &people {
                rename(user, &format!("Name {round}")).await;
            }
            let (happened, before) = (Instant::now(), good.taken().len());
            rename(&people[0], "In between").await;
            good.has(before + 1).await;
            took.push(happened.elapsed());
            tokio::time::sleep(Duration::from_millis(400)).await;
        }
        assert_soon(took);
        let failing = until(&root, "bad", |webhook| webhook["failures"].as_i64() > Some(0)).await;
        assert!(failing["failure"].as_str().unwrap().contains("500") && failing["status"] == "active", "{failing}");
        // It was not asked again and again in vain.
        let tries = bad.told().len();
        assert!((1..60).contains(&tries), "{tries} tries");
        bad.answers(HookManner::Takes);
        until(&root, "good", |webhook| webhook["waiting"] == 0).await;
        until(&root, "bad", |webhook| webhook["waiting"] == 0).await;
        let ledgers = |told: &[Told]| -> BTreeSet<i64> {
            told.iter().map(|told| told.json()["ledger"].as_i64().unwrap()).collect()
        };
        let (taken, all) = (bad.taken(), good.taken());
        assert_in_order(&taken);
        assert_in_order(&all);
        // The first also hears that the second was registered.
        assert!(ledgers(&taken).is_superset(&ledgers(&all)));
        assert_eq!(taken.len(), ledgers(&taken).len(), "nothing was taken twice");
        assert!(all.len() >= 35, "only {}", all.len());
    }

    async fn f34_an_event_that_is_refused_holds_up_its_own_account_alone(setup: Setup) {
        let trust = Trust::new();
        let receiver = HookReceiver::start(&trust.certificate).await;
        let app = trust.of(setup).start().await;
        let root = User::administrator(&app, "root").await;
        receiver.register(&app, "crm", &["profile.updated"]).await;
        let (ann, bob) = (app.user("ann").await, app.user("bob").await);
        receiver.answers(HookManner::SaysAbout(ann.id.clone(), 422));
        rename(&ann, "First").await;
        rename(&ann, "Second").await;
        let mut took = Vec::new();
        for round in 0..10 {
            let happened = Instant::now();
            rename(&bob, &format!("Bob {round}")).await;
            receiver.has(round + 1).await;
            took.push(happened.elapsed());
        }
        assert_soon(took);
        let about_ann = || -> BTreeSet<i64> {
            let told = receiver.told();
            told.iter().map(Told::json).filter(|told| told["subject"] == ann.id.as_str())
                .map(|told| told["ledger"].as_i64().unwrap()).collect()
        };
        assert_eq!(about_ann().len(), 1, "the second waits for the first");
        receiver.answers(HookManner::Takes);
        receiver.has(12).await;
        assert_eq!(about_ann().len(), 2);
        assert_in_order(&receiver.taken());
        until(&root, "crm", |webhook| webhook["waiting"] == 0 && webhook["failures"] == 0).await;
    }

    async fn h3_whoever_is_gone_leads_elsewhere_talks_or_says_nothing_holds_up_nobody(setup: Setup) {
        let trust = Trust::new();
        let start = || HookReceiver::start(&trust.certificate);
        let (good, gone, leads, talks, trickles, hangs) =
            (start().await, start().await, start().await, start().await, start().await, start().await);
        let inside = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let elsewhere = format!("http://{}/inside", inside.local_addr().unwrap());
        gone.answers(HookManner::Says(410));
        leads.answers(HookManner::SaysWith(307, "location", elsewhere));
        talks.answers(HookManner::Talks(1 << 30));
        trickles.answers(HookManner::Trickles);
        hangs.answers(HookManner::Hangs);
        let app = trust.of(setup).start().await;
        let root = User::administrator(&app, "root").await;
        for (name, receiver) in
            [("gone", &gone), ("leads", &leads), ("talks", &talks), ("trickles", &trickles), ("hangs", &hangs), ("good", &good)]
        {
            receiver.register(&app, name, &["account.registered"]).await;
        }
        let mut took = Vec::new();
        for number in 0..10 {
            app.user(&format!("ann{number}")).await;
            let happened = Instant::now();
            good.has(number + 1).await;
            took.push(happened.elapsed());
        }
        assert_soon(took);
        // It said that it is gone: it is told nothing more, and nothing is kept for it.
        let off = until(&root, "gone", |webhook| webhook["status"] == "off" && webhook["waiting"] == 0).await;
        assert!(off["reason"].as_str().unwrap().contains("410"), "{off}");
        let told = gone.told().len();
        let hung = until(&root, "hangs", |webhook| webhook["failures"].as_i64() > Some(0)).await;
        assert_eq!(hung["failure"], "no answer within 10 seconds");
        let led = webhook(&root, "leads").await;
        assert!(led["failure"].as_str().unwrap().contains("307"), "{led}");
        // Whoever says yes and then talks has taken it.
        for (name, receiver) in [("talks", &talks), ("trickles", &trickles)] {
            receiver.has(10).await;
            until(&root, name, |webhook| webhook["waiting"] == 0 && webhook["failures"] == 0).await;
        }
        assert_eq!(gone.told().len(), told);
        let reached = tokio::time::timeout(Duration::from_millis(100), inside.accept()).await;
        assert!(reached.is_err(), "a redirect was followed");
        // What a receiver says is shown to nobody.
        for name in ["gone", "leads", "talks", "good"] {
            let webhook = webhook(&root, name).await;
            let shown = format!("{webhook} {:?}", deliveries(&root, &webhook).await);
            assert!(!shown.contains("neighbours") && !shown.contains("xxxx"), "{shown}");
        }
        // One that is resumed gets what happens from then on.
        gone.answers(HookManner::Takes);
        app.cli_ok(&["webhooks", "resume", "gone"]).await;
        app.user("late").await;
        assert_eq!(gone.has(1).await.len(), 1);
    }

    async fn f34_whoever_asks_for_time_gets_it(setup: Setup) {
        let trust = Trust::new();
        let receiver = HookReceiver::start(&trust.certificate).await;
        let app = trust.of(setup).start().await;
        let root = User::administrator(&app, "root").await;
        receiver.register(&app, "crm", &["account.registered"]).await;
        receiver.answers(HookManner::SaysWith(429, "retry-after", "6".into()));
        app.user("ann").await;
        receiver.until("it was asked", |receiver| !receiver.told().is_empty()).await;
        let asked = receiver.told()[0].at;
        let waits = until(&root, "crm", |webhook| webhook["retry_at"].as_str().is_some()).await;
        assert!(waits["failure"].as_str().unwrap().contains("429"), "{waits}");
        receiver.answers(HookManner::Takes);
        app.user("bob").await;
        let taken = receiver.has(2).await;
        // The times of two machines: a little less than what was asked for may be seen here.
        assert!(taken[0].at.duration_since(asked) > Duration::from_millis(5_500));
        assert_eq!(receiver.told().len(), 3);
    }

    async fn f12_killed_in_between_nothing_is_lost_and_what_comes_twice_has_the_same_id(setup: Setup) {
        let trust = Trust::new();
        let receiver = HookReceiver::start(&trust.certificate).await;
        let app = trust.of(setup).start().await;
        receiver.register(&app, "crm", &["account.registered", "profile.updated"]).await;
        let mut happened = BTreeSet::new();
        for round in 0..8 {
            let people = [app.user(&format!("ann{round}")).await, app.user(&format!("bob{round}")).await];
            for user in &people {
                rename(user, "Somebody").await;
                happened.insert((user.id.clone(), "account.registered"));
                happened.insert((user.id.clone(), "profile.updated"));
            }
            tokio::time::sleep(Duration::from_millis(round * 15)).await;
            app.kill9();
            app.start().await;
        }
        let known = |receiver: &HookReceiver| -> BTreeSet<(String, String)> {
            let told = receiver.taken();
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            told.iter().map(Told::json).map(|told| (text(&told["subject"]), text(&told["kind"]))).collect()
        };
        // On PostgreSQL, what a dead process had taken up is free when its lease has ended.
        let begun = Instant::now();
        while known(&receiver).len() < happened.len() {
            assert!(begun.elapsed() < Duration::from_secs(100), "{} of {}", known(&receiver).len(), happened.len());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let taken = receiver.taken();
        let ids: BTreeSet<&str> = taken.iter().map(|told| told.header("webhook-id")).collect();
        assert_eq!(ids.len(), happened.len());
        assert!(taken.len() - ids.len() <= 8 * 4, "{} repeats in 8 crashes", taken.len() - ids.len());
        let mut first = BTreeMap::new();
        for told in &taken {
            assert_eq!(first.entry(told.header("webhook-id")).or_insert(&told.body), &&told.body, "a repeat says the same");
        }
    }

    async fn a_paused_webhook_misses_nothing_and_a_dead_letter_is_told_again(setup: Setup) {
        let trust = Trust::new();
        let receiver = HookReceiver::start(&trust.certificate).await;
        let app = trust.of(setup).start().await;
        let root = User::administrator(&app, "root").await;
        receiver.register(&app, "crm", &["account.registered"]).await;
        let shown: Value = serde_json::from_str(&app.cli_ok(&["webhooks", "list", "--json"]).await).unwrap();
        assert_eq!((&shown[0]["name"], &shown[0]["status"]), (&json!("crm"), &json!("active")));
        let tested = app.cli_ok(&["webhooks", "test", "crm"]).await;
        assert!(tested.contains("took it"), "{tested}");
        assert_eq!(receiver.has(1).await[0].json()["kind"], "webhook.tested");
        app.cli_ok(&["webhooks", "pause", "crm"]).await;
        let id = webhook(&root, "crm").await["id"].as_str().unwrap().to_owned();
        root.post(&format!("/api/v1/webhooks/{id}/test"), Value::Null).await.is_problem(409, "webhook_not_active");
        app.user("ann").await;
        until(&root, "crm", |webhook| webhook["waiting"] == 1).await;
        assert_eq!(receiver.told().len(), 1);
        let resumed = root.patch(&format!("/api/v1/webhooks/{id}"), json!({"status": "active"})).await.is(200).json();
        assert_eq!(resumed["status"], "active");
        receiver.has(2).await;
        // What was taken is not told again.
        let done = until(&root, "crm", |webhook| webhook["waiting"] == 0).await;
        let delivery = deliveries(&root, &done).await[0]["id"].as_str().unwrap().to_owned();
        let retry = format!("/api/v1/webhooks/{id}/deliveries/{delivery}/retry");
        root.post(&retry, Value::Null).await.is_problem(409, "delivery_not_waiting");
        // What fails is told at once when somebody asks for it.
        receiver.answers(HookManner::SaysWith(503, "retry-after", "3600".into()));
        app.user("bob").await;
        until(&root, "crm", |webhook| webhook["failures"] == 1).await;
        receiver.answers(HookManner::Takes);
        let failed = root.get(&format!("/api/v1/webhooks/{id}/deliveries?state=failed")).await.is(200).json();
        let failed = failed["items"][0]["id"].as_str().unwrap().to_owned();
        app.cli_ok(&["webhooks", "retry", "crm", &failed]).await;
        receiver.has(3).await;
        root.delete(&format!("/api/v1/webhooks/{id}")).await.is(204);
        root.get(&format!("/api/v1/webhooks/{id}")).await.is(404);
        app.user("eve").await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(receiver.taken().len(), 3);
        assert!(app.cli_ok(&["webhooks", "list"]).await.contains("There are none"));
        // The name is free again.
        receiver.register(&app, "crm", &[]).await;
    }

    async fn h1_no_address_inside_is_taken_and_no_name_leads_there(setup: Setup) {
        let listener = TcpListener::bind("[::]:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let app = setup.env("USHER_PUBLIC_URL", "https://id.example.com").start().await;
        let root = User::administrator(&app, "root").await;
        let hosts = [
            "127.0.0.1", "127.8.9.10", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
            "127.1", "2130706433", "0x7f.1", "0x7f000001", "017700000001", "0177.0.0.1", "0", "localhost", "localhost.",
            "LOCALHOST", "x.localhost", "[::1]", "[::]", "[fc00::1]", "[fe80::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
            "[64:ff9b::7f00:1]", "127.0.0.1.",
        ];
        let post = async |url: &str| {
            let body = json!({"name": format!("hook-{}", uuid::Uuid::new_v4().simple()), "url": url});
            root.post("/api/v1/webhooks", body).await
        };
        for host in hosts {
            let refused = post(&format!("https://{host}:{port}/")).await.is_problem(422, "invalid_input").json();
            assert_eq!(refused["errors"][0]["code"], "invalid_url", "{host}");
        }
        for url in [
            "http://hooks.example.com/", "https://user@hooks.example.com/", "https://user:secret@hooks.example.com/",
            "https://hooks.example.com:22/", "https://hooks.example.com:80/", "https://hooks.example.com/#x", "ftp://hooks.example.com/",
            "hooks.example.com", "", "https://",
        ] {
            post(url).await.is_problem(422, "invalid_input");
        }
        // A name is looked at when it is connected to: those of this machine lead inside.
        let names = own_names();
        assert!(!names.is_empty(), "/etc/hosts names no address of this machine: nothing of this is tested");
        for (number, name) in names.iter().enumerate() {
            let made = post(&format!("https://{name}:{port}/")).await.is(201).json();
            let path = format!("/api/v1/webhooks/{}", made["id"].as_str().unwrap());
            app.logs.never(made["secret"].as_str().unwrap());
            app.user(&format!("ann{number}")).await;
            let shown = until(&root, made["name"].as_str().unwrap(), |webhook| webhook["failures"].as_i64() > Some(0)).await;
            let failure = shown["failure"].as_str().unwrap();
            assert!(failure.contains("not at a public address"), "{name}: {failure}");
            // Another address is looked at in the same way.
            Answer::of(root.request(Method::PATCH, &path).json(&json!({"url": format!("https://127.0.0.1:{port}/")})))
                .await.is_problem(422, "invalid_input");
        }
        let reached = tokio::time::timeout(Duration::from_millis(300), listener.accept()).await;
        assert!(reached.is_err(), "somebody connected");
    }
}

/// Names that the hosts file of this machine leads to itself, but for `localhost`, which is refused as it is.
fn own_names() -> Vec<String> {
    let hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    let mut names = Vec::new();
    for line in hosts.lines().map(|line| line.split('#').next().unwrap_or_default()) {
        let mut words = line.split_whitespace();
        let inside = words.next().is_some_and(|address| address.starts_with("127.") || address == "::1");
        names.extend(words.filter(|name| inside && !name.ends_with("localhost")).map(str::to_owned));
    }
    names
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webhooks_are_looked_after_in_the_console_with_and_without_scripts() {
    let trust = Trust::new();
    let app = trust.of(Setup::new(Database::Sqlite)).start().await;
    User::administrator(&app, "root").await;
    let wide = Look { width: 1440, ..Look::PLAIN };
    let mut browser = Browser::start(wide).await;
    crate::pages::sign_in(&browser, &app, "root@example.com", PASSWORD).await;
    for (look, name) in [(wide, "crm"), (Look { javascript: true, ..wide }, "billing")] {
        let receiver = HookReceiver::start(&trust.certificate).await;
        browser.look(look).await;
        browser.open(&format!("{}/admin/webhooks", app.url)).await;
        browser.submit("a[href='/admin/webhooks/new']").await;
        browser.fill("#name", name).await;
        browser.fill("#url", "https://192.168.1.1/").await;
        browser.fill("#kinds", "account.*\nof.tomorrow").await;
        browser.submit("main form button").await;
        assert!(browser.title().await.starts_with("Error: "), "{}", browser.title().await);
        browser.assert_accessible("a webhook with mistakes").await;
        browser.fill("#url", &receiver.url).await;
        browser.fill("#kinds", "account.*").await;
        browser.submit("main form button").await;
        let secret = browser.text("#secret-text").await;
        app.logs.never(&secret);
        browser.assert_accessible("a secret that is shown once").await;
        browser.submit("#secret a.btn-main").await;
        let page = browser.address().await;
        assert!(!browser.text("main").await.contains("whsec_"), "it is shown once");

        browser.submit("form[action$='/test'] button").await;
        assert_eq!(browser.address().await, format!("{page}?done=tested"));
        assert_eq!(receiver.has(1).await[0].verify(&secret), (true, 1));
        for _ in 0..100 {
            browser.open(&page).await;
            if browser.text("main").await.contains("Taken") && browser.count("tbody tr").await == 1 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        browser.assert_accessible("what a webhook was told").await;

        receiver.answers(HookManner::SaysWith(503, "retry-after", "3600".into()));
        app.user(name).await;
        receiver.until("it was asked", |receiver| receiver.told().len() == 2).await;
        for _ in 0..100 {
            browser.open(&format!("{page}?state=failed")).await;
            if browser.count("form[action$='/retry'] button").await == 1 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(browser.text("main").await.contains("it answered 503"));
        receiver.answers(HookManner::Takes);
        browser.submit("form[action$='/retry'] button").await;
        assert_eq!(browser.address().await, format!("{page}?done=retried"));
        receiver.has(2).await;

        browser.submit("form[action$='/pause'] button").await;
        assert_eq!(browser.text("header .status").await, "Paused");
        browser.submit("form[action$='/resume'] button").await;
        assert_eq!(browser.text("header .status").await, "Active");
        browser.submit("a[href$='/rotate']").await;
        browser.submit("#question button").await;
        let second = browser.text("#secret-text").await;
        app.logs.never(&second);
        assert_ne!(second, secret);
        browser.submit("#secret a.btn-main").await;
        browser.submit("a[href$='/remove']").await;
        browser.submit("#question button").await;
        assert_eq!(browser.address().await, format!("{}/admin/webhooks?done=removed", app.url));
        browser.assert_quiet().await;
    }
}
