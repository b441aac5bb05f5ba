//! The inbox: what somebody is told, what they have read, and what comes while they look.

use std::time::{Duration, Instant};

use e2e::{Answer, Browser, Database, Look, PASSWORD, PATIENCE, Setup, Stream, TestApp, User, on_both};
use reqwest::Method;
use serde_json::{Value, json};

use crate::pages::{check_page, sign_in};

const INBOX: &str = "/api/v1/notifications";

/// Somebody's inbox, once it has so many messages.
async fn inbox_of(user: &User, count: usize) -> Value {
    let begun = Instant::now();
    loop {
        let inbox = user.get(INBOX).await.is(200).json();
        if inbox["items"].as_array().unwrap().len() >= count {
            return inbox;
        }
        assert!(begun.elapsed() < PATIENCE, "{inbox}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Has something happen to somebody that they are told, and gives them their tokens.
async fn changes_password(user: &User, app: &TestApp) -> User {
    let new = "nine dry herons paint 52 doors";
    let body = json!({"current_password": user.password, "new_password": new});
    user.post("/api/v1/auth/change-password", body).await.is(204);
    let answer = app.login(&user.email, new).await.is(200);
    User::from_answer(app, &user.email, new, &answer)
}

fn ids(inbox: &Value) -> Vec<String> {
    inbox["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

on_both! {
    async fn what_somebody_is_told_is_in_their_inbox_until_they_have_read_it(app: TestApp) {
        let ann = app.user("ann").await;
        let first = inbox_of(&ann, 1).await;
        assert_eq!(first["unread"], 1);
        let welcome = first["items"][0].clone();
        assert_eq!((&welcome["template"], &welcome["category"]), (&json!("welcome"), &json!("account")));
        assert_eq!(welcome["title"], "Your account is ready");
        assert_eq!(welcome["link"], format!("{}/account", app.url));
        assert!(welcome["read_at"].is_null());
        let ann = changes_password(&ann, &app).await;
        let both = inbox_of(&ann, 2).await;
        assert_eq!(both["items"][0]["template"], "password-changed", "newest first");
        assert_eq!(both["unread"], 2);

        let read = format!("{INBOX}/{}/read", welcome["id"].as_str().unwrap());
        for _ in 0..2 {
            ann.post(&read, Value::Null).await.is(204);
        }
        let after = ann.get(INBOX).await.is(200).json();
        assert_eq!((&after["unread"], &after["items"][0]["read_at"]), (&json!(1), &Value::Null));
        assert!(after["items"][1]["read_at"].is_string());
        let unread = ann.get(&format!("{INBOX}?unread=true")).await.is(200).json();
        assert_eq!(ids(&unread), ids(&both)[..1]);
        let security = ann.get(&format!("{INBOX}?category=security")).await.is(200).json();
        assert_eq!(ids(&security), ids(&both)[..1]);

        // Page by page, nothing twice and nothing left out.
        let page = ann.get(&format!("{INBOX}?limit=1")).await.is(200).json();
        let next = page["next"].as_str().unwrap();
        let rest = ann.get(&format!("{INBOX}?limit=1&cursor={next}")).await.is(200).json();
        assert_eq!([ids(&page), ids(&rest)].concat(), ids(&both));
        assert!(rest["next"].is_null());
        for wrong in ["?unread=1", "?limit=x", "?nonsense=1"] {
            ann.get(&format!("{INBOX}{wrong}")).await.is_problem(400, "invalid_query");
        }
        ann.get(&format!("{INBOX}?cursor=x")).await.is_problem(422, "invalid_input");

        ann.post(&format!("{INBOX}/read-all"), Value::Null).await.is(204);
        assert_eq!(ann.get(INBOX).await.is(200).json()["unread"], 0);
    }

    async fn z2_what_is_somebody_else_s_is_not_there(app: TestApp) {
        let (ann, bob) = (app.user("ann").await, app.user("bob").await);
        let root = User::administrator(&app, "root").await;
        let (anns, bobs) = (inbox_of(&ann, 1).await, inbox_of(&bob, 1).await);
        assert_ne!(ids(&anns), ids(&bobs));
        let path = format!("{INBOX}/{}/read", ids(&anns)[0]);
        for other in [&bob, &root] {
            other.post(&path, Value::Null).await.is_problem(404, "not_found");
        }
        bob.post(&format!("{INBOX}/nonsense/read"), Value::Null).await.is_problem(404, "not_found");
        // The id of somebody else's message in a list of one's own shows nothing, and ends nothing.
        bob.post(&format!("{INBOX}/read-all?up_to={}", ids(&anns)[0]), Value::Null).await.is(204);
        assert_eq!(ann.get(INBOX).await.is(200).json()["unread"], 1);
        // What is marked as read is what came before.
        let bob = changes_password(&bob, &app).await;
        let two = inbox_of(&bob, 2).await;
        bob.post(&format!("{INBOX}/read-all?up_to={}", ids(&two)[1]), Value::Null).await.is(204);
        assert_eq!(bob.get(INBOX).await.is(200).json()["unread"], 1);
    }

    async fn words_are_in_the_language_of_now_and_what_people_write_is_text(app: TestApp) {
        let body = json!({"email": "ann@example.com", "password": PASSWORD, "name": "<img src=x onerror=alert(1)>"});
        let answer = app.post("/api/v1/auth/register", body).await.is(201);
        let ann = User::from_answer(&app, "ann@example.com", PASSWORD, &answer);
        assert_eq!(inbox_of(&ann, 1).await["items"][0]["language"], "en");
        for (locale, language, title) in [("de-AT", "de", "Ihr Konto ist bereit"), ("ar", "ar", "حسابك جاهز")] {
            ann.patch("/api/v1/users/me", json!({"locale": locale})).await.is(200);
            let item = inbox_of(&ann, 1).await["items"][0].clone();
            assert_eq!((&item["language"], &item["title"]), (&json!(language), &json!(title)));
        }
        // Nothing of what it says is in the row.
        let rows = app.look().await.texts("SELECT data FROM notifications").await;
        assert!(rows.iter().all(|row| !row.contains("ann@") && !row.contains("onerror")), "{rows:?}");
    }

    async fn a_new_message_is_told_to_those_who_look_within_a_moment(app: TestApp) {
        let ann = app.user("ann").await;
        inbox_of(&ann, 1).await;
        let mut stream = Stream::open(&app, &ann.access_token, &format!("{INBOX}/stream"), None).await;
        let first = stream.next_named("unread").await;
        assert_eq!(first.data, json!({"unread": 1}));
        // A wrong password five times: the account is locked, and its owner is told.
        for _ in 0..5 {
            app.login(&ann.email, "wrong wet otters juggle 31").await.is(401);
        }
        let told = stream.next_named("notification").await;
        assert_eq!(told.data["notification"]["template"], "account-locked");
        assert_eq!(told.data["unread"], 2);
        assert_eq!(inbox_of(&ann, 2).await["items"][0], told.data["notification"]);

        // Reading it is told too, also to the same person elsewhere.
        ann.post(&format!("{INBOX}/read-all"), Value::Null).await.is(204);
        assert_eq!(stream.next_named("unread").await.data, json!({"unread": 0}));
        drop(stream);

        // Whoever comes back is told what they missed, and nobody else is.
        let bob = app.user("bob").await;
        inbox_of(&bob, 1).await;
        let mut again = Stream::open(&app, &bob.access_token, &format!("{INBOX}/stream"), told.id).await;
        let missed = again.next_named("notification").await;
        assert_eq!(missed.data["notification"]["template"], "welcome");
        assert_eq!(again.next_named("unread").await.data, json!({"unread": 1}));
    }

    async fn a_stream_ends_with_the_trust_in_whoever_listens(app: TestApp) {
        let ann = app.user("ann").await;
        let path = format!("{INBOX}/stream");
        let mut one = Stream::open(&app, &ann.access_token, &path, None).await;
        let other = app.again(&ann).await;
        let mut stays = Stream::open(&app, &other.access_token, &path, None).await;
        one.next_named("unread").await;
        stays.next_named("unread").await;
        ann.logout().await.is(204);
        one.ends_within(PATIENCE).await;
        // The other session goes on.
        for _ in 0..5 {
            app.login(&ann.email, "wrong wet otters juggle 31").await.is(401);
        }
        assert_eq!(stays.next_named("notification").await.data["notification"]["template"], "account-locked");
        let root = User::administrator(&app, "root").await;
        root.post(&format!("/api/v1/users/{}/ban", ann.id), json!({"reason": "A test"})).await.is(204);
        stays.ends_within(PATIENCE).await;
        // So many may listen, and no more; whoever stops makes room.
        let bob = app.user("bob").await;
        let mut streams = Vec::new();
        for _ in 0..8 {
            streams.push(Stream::open(&app, &bob.access_token, &path, None).await);
        }
        let refused = Answer::of(bob.request(Method::GET, &path)).await.is_problem(503, "too_many_streams");
        assert!(!refused.header("retry-after").is_empty());
        drop(streams.pop());
        let begun = Instant::now();
        while Stream::try_open(&app.url, &bob.access_token, &path, None).await.is_err() {
            assert!(begun.elapsed() < PATIENCE, "a place does not become free");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn d6_an_inbox_is_gone_with_its_owner(app: TestApp) {
        let root = User::administrator(&app, "root").await;
        let (ann, bob) = (app.user("ann").await, app.user("bob").await);
        inbox_of(&ann, 1).await;
        inbox_of(&bob, 1).await;
        root.post(&format!("/api/v1/users/{}/erase", ann.id), Value::Null).await.is(204);
        let count = "SELECT CAST(COUNT(*) AS TEXT) FROM notifications";
        let begun = Instant::now();
        while app.look().await.texts(count).await != ["1"] {
            assert!(begun.elapsed() < PATIENCE, "{:?}", app.look().await.texts(count).await);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(bob.get(INBOX).await.is(200).json()["unread"], 1);
    }

    /// Without JavaScript: the number in the bar, the message, and what the buttons do.
    async fn the_inbox_page_shows_what_is_new_and_marks_it_as_read(app: TestApp) {
        let ann = app.user("ann").await;
        inbox_of(&ann, 1).await;
        let browser = Browser::start(Look::PLAIN).await;
        sign_in(&browser, &app, &ann.email, PASSWORD).await;
        // This browser is news.
        inbox_of(&ann, 2).await;
        browser.open(&format!("{}/account", app.url)).await;
        assert_eq!(browser.text("#unread b").await, "2");
        browser.submit(".topbar-nav a[href='/inbox']").await;
        assert!(browser.title().await.starts_with("Inbox, 2 unread"), "{}", browser.title().await);
        assert_eq!(browser.text(".feed .new h3").await, "A sign-in from a new device");
        assert_eq!(browser.text(".feed .new:last-child h3").await, "Your account is ready");
        assert_eq!(browser.text("section h2").await, "Today");
        check_page(&browser, "inbox-plain").await;
        browser.submit(".feed .new:last-child form button").await;
        assert_eq!(browser.address().await, format!("{}/inbox", app.url));
        assert_eq!(browser.count(".feed .new").await, 1);
        browser.submit(".feed .new form button").await;
        assert_eq!(browser.count(".feed .new").await, 0);
        assert_eq!(browser.count("#unread:not([hidden])").await, 0);
        browser.submit(".tabs a[href='/inbox?show=unread']").await;
        assert_eq!(browser.text(".empty h2").await, "You’ve read everything");
        check_page(&browser, "inbox-all-read").await;

        // All at once.
        let ann = changes_password(&ann, &app).await;
        browser.open(&format!("{}/sign-in", app.url)).await;
        sign_in(&browser, &app, &ann.email, &ann.password).await;
        // Changing the password, and coming in with it.
        inbox_of(&ann, 4).await;
        browser.open(&format!("{}/inbox?show=security", app.url)).await;
        browser.submit("form[action='/inbox/read-all'] button").await;
        assert_eq!(browser.address().await, format!("{}/inbox?show=security", app.url));
        assert_eq!(ann.get(INBOX).await.is(200).json()["unread"], 0);
        browser.assert_quiet().await;
    }

    /// With JavaScript: a message that comes shows up, and the number with it.
    async fn the_inbox_page_is_live(app: TestApp) {
        let ann = app.user("ann").await;
        inbox_of(&ann, 1).await;
        let browser = Browser::start(Look::SCRIPTED).await;
        sign_in(&browser, &app, &ann.email, PASSWORD).await;
        inbox_of(&ann, 2).await;
        browser.open(&format!("{}/inbox", app.url)).await;
        assert_eq!(browser.count(".feed li").await, 2);
        for _ in 0..5 {
            app.login(&ann.email, "wrong wet otters juggle 31").await.is(401);
        }
        let begun = Instant::now();
        while browser.count(".feed li").await != 3 {
            assert!(begun.elapsed() < PATIENCE, "nothing new shows up");
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        assert_eq!(browser.text(".feed .new h3").await, "Your account is locked for a while");
        assert_eq!(browser.text("#unread b").await, "3");
        assert!(browser.title().await.starts_with("Inbox, 3 unread"));
        ann.post(&format!("{INBOX}/read-all"), Value::Null).await.is(204);
        while browser.count(".feed .new").await != 0 {
            assert!(begun.elapsed() < PATIENCE * 2, "what was read elsewhere stays new");
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        assert_eq!(browser.count("#unread:not([hidden])").await, 0);
        // Signed out from elsewhere, it does not go on showing what was told.
        ann.delete("/api/v1/auth/sessions").await.is(204);
        let ended = Instant::now();
        while !browser.address().await.contains("/sign-in") {
            assert!(ended.elapsed() < PATIENCE, "an inbox is shown to whoever is signed out");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        browser.assert_quiet().await;
    }
}

/// The process that turns the ledger into messages is another one than that which somebody listens to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_another_process_writes_is_told_as_quickly() {
    let app = Setup::new(Database::Postgres).only("auth,users,pages").start().await;
    let [writes, listens] = [app.beside("notify").await, app.beside("notify").await];
    let ann = app.user("ann").await;
    inbox_of(&ann.at(&writes), 1).await;
    let mut one = Stream::open(&listens, &ann.access_token, &format!("{INBOX}/stream"), None).await;
    let mut two = Stream::open(&writes, &ann.access_token, &format!("{INBOX}/stream"), None).await;
    one.next_named("unread").await;
    two.next_named("unread").await;
    for _ in 0..5 {
        app.login(&ann.email, "wrong wet otters juggle 31").await.is(401);
    }
    for stream in [&mut one, &mut two] {
        assert_eq!(stream.next_named("notification").await.data["notification"]["template"], "account-locked");
    }
    ann.at(&writes).post(&format!("{INBOX}/read-all"), Value::Null).await.is(204);
    assert_eq!(one.next_named("unread").await.data, json!({"unread": 0}));
}
