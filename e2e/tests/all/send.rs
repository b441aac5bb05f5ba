//! What an application says to people: in their language, where and when they want it, and once.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use e2e::{Answer, Browser, Look, MailManner, MailServer, PATIENCE, Setup, TestApp, User, on_both, unix_now};
use reqwest::Method;
use serde_json::{Value, json};

use crate::jobs::crowd::{self, crowd, wait_until_moved, wait_until_over};
use crate::pages::check_page;

const SEND: &str = "/api/v1/notifications/send";
const PREFERENCES: &str = "/api/v1/notifications/preferences";

const WORDS: &str = "order-shipped-subject = Your order { $order } is on its way
order-shipped-preview = { $parcels ->
    [one] In one parcel.
   *[other] In { $parcels } parcels.
}
order-shipped-title = Order { $order } is on its way
order-shipped-lead = It has left us, { $name }.
order-shipped-button = Where is it?
news-subject = News
news-preview = What is new.
news-title = News of October
news-lead = Fourteen nights, two of them free.
alarm-subject = Somebody made a key
alarm-preview = A key.
alarm-title = Somebody made a key
alarm-lead = A key was made.
";
const GERMAN: &str = "order-shipped-subject = Ihre Bestellung { $order } ist unterwegs
order-shipped-title = Bestellung { $order } ist unterwegs
order-shipped-lead = Sie hat uns verlassen.
";

/// A folder of templates, gone at the end.
struct Folder(PathBuf);

impl Folder {
    fn with_words() -> Self {
        let path = std::env::temp_dir().join(format!("usher-words-{}", uuid::Uuid::new_v4().simple()));
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join("en.ftl"), WORDS).unwrap();
        std::fs::write(path.join("de.ftl"), GERMAN).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn config(folder: &Path) -> String {
    format!(
        "[notify]\ntemplates = \"{}\"\n
[[notify.categories]]\nname = \"orders\"\ntitle = \"Your orders\"\n
[[notify.categories]]\nname = \"quiet\"\ntitle = \"In the inbox alone\"\nemail = false\n
[[notify.messages]]\nname = \"order-shipped\"\ncategory = \"orders\"\nlink = \"https://shop.example.com/orders/{{order}}\"
data = {{ order = \"text\", parcels = \"number\" }}\n
[[notify.messages]]\nname = \"news\"\ncategory = \"quiet\"\n
[[notify.messages]]\nname = \"alarm\"\ncategory = \"security\"\n",
        folder.display()
    )
}

fn with_mail(setup: Setup, server: &MailServer, folder: &Folder) -> Setup {
    let from = "Harbour <no-reply@id.example.com>";
    setup.config(&config(&folder.0)).env("USHER_MAIL__URL", &server.url()).env("USHER_MAIL__FROM", from)
}

/// The token of an application.
async fn sender_token(app: &TestApp, name: &str) -> String {
    let token = app.cli_ok(&["sender", "create", name]).await.trim().to_owned();
    assert!(token.starts_with("ust_"), "{token}");
    app.logs.never(&token);
    token
}

async fn send_with(app: &TestApp, token: &str, key: Option<&str>, body: &Value) -> Answer {
    let request = app.request(Method::POST, SEND).bearer_auth(token).json(body);
    Answer::of(if let Some(key) = key { request.header("idempotency-key", key) } else { request }).await
}

/// Where it is seen what has become of it.
fn look_path(sent: &Value) -> String {
    format!("{SEND}/{}", sent["id"].as_str().unwrap())
}

async fn look(request: &reqwest::RequestBuilder) -> Answer {
    Answer::of(request.try_clone().unwrap()).await
}

fn shipped(to: &User, order: &str) -> Value {
    json!({"template": "order-shipped", "to": {"user": to.id}, "data": {"order": order, "parcels": 2}})
}

/// Somebody's messages of this template.
async fn told(user: &User, template: &str) -> Vec<Value> {
    let inbox = user.get("/api/v1/notifications?limit=200").await.is(200).json();
    let items = inbox["items"].as_array().unwrap().clone();
    items.into_iter().filter(|item| item["template"] == template).collect()
}

/// Of these mails, those whose subject has these words.
fn subjects(server: &MailServer, to: &str, words: &str) -> usize {
    let mails = server.mails_to(to);
    mails.iter().filter(|mail| mail.header("Subject").unwrap_or_default().contains(words)).count()
}

async fn until<F: Future<Output = bool>>(what: &str, is_so: impl Fn() -> F) {
    let begun = Instant::now();
    while !is_so().await {
        // What is old is looked for every thirty seconds.
        assert!(begun.elapsed() < PATIENCE * 2, "{what}");
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}

async fn deliveries(app: &TestApp, template: &str) -> Vec<String> {
    app.look().await.texts(&format!("SELECT state FROM deliveries WHERE template = '{template}' ORDER BY id")).await
}

/// The address in the header by which a mail program ends mail of this kind.
fn unsubscribe_path(app: &TestApp, mail: &e2e::Mail) -> String {
    assert_eq!(mail.header("List-Unsubscribe-Post").unwrap(), "List-Unsubscribe=One-Click");
    let list = mail.header("List-Unsubscribe").unwrap();
    let address = list.trim_start_matches('<').trim_end_matches('>');
    address.strip_prefix(&app.url).unwrap().to_owned()
}

on_both! {
    async fn an_application_says_something_in_the_language_of_whoever_it_is_for(setup: Setup) {
        let (server, folder) = (MailServer::start().await, Folder::with_words());
        let app = with_mail(setup, &server, &folder).start().await;
        let (ann, bob) = (app.user("ann").await, app.user("bob").await);
        bob.patch("/api/v1/users/me", json!({"locale": "de", "name": "<b>Bob</b>"})).await.is(200);
        ann.patch("/api/v1/users/me", json!({"name": "Ann"})).await.is(200);
        let token = sender_token(&app, "shop").await;
        let order = "<img src=x>&\"17'";
        let body = json!({"template": "order-shipped", "to": {"users": [ann.id, bob.id, ann.id]},
            "data": {"order": order, "parcels": 1}});
        let sent = send_with(&app, &token, None, &body).await.is(202).json();
        assert_eq!((&sent["told"], &sent["refused"], &sent["job"]), (&json!(2), &json!([]), &Value::Null));

        let item = told(&ann, "order-shipped").await.remove(0);
        assert_eq!(item["title"], format!("Order {order} is on its way"));
        assert_eq!((&item["text"], &item["category"]), (&json!("It has left us, Ann."), &json!("orders")));
        assert_eq!(item["link"], "https://shop.example.com/orders/%3Cimg%20src%3Dx%3E%26%2217%27");
        assert_eq!(told(&bob, "order-shipped").await[0]["title"], format!("Bestellung {order} ist unterwegs"));
        let mails = server.wait_for(&ann.email, 2).await;
        let subject = format!("Your order {order} is on its way");
        let mail = mails.iter().find(|mail| mail.header("Subject").unwrap() == subject).expect("a mail about the order");
        assert!(mail.text().contains("Where is it?") && mail.text().contains("/unsubscribe?token="), "{}", mail.text());
        assert!(mail.html().contains("In one parcel.") && mail.html().contains("&lt;img src=x&gt;"), "{}", mail.html());
        assert!(!mail.html().contains("<img"), "{}", mail.html());

        // What is said to somebody is sealed with their own key, and one call is one event.
        for table in ["notifications", "deliveries"] {
            let rows = app.look().await.texts(&format!("SELECT data FROM {table} WHERE template = 'order-shipped'")).await;
            assert!(!rows.is_empty() && rows.iter().all(|row| row.contains("values") && !row.contains("img")), "{rows:?}");
        }
        app.settle().await;
        let events = app.look().await.texts("SELECT body FROM ledger WHERE kind = 'notification.sent'").await;
        assert_eq!(events.len(), 1);
        assert!(events[0].contains("\"shop\"") && !events[0].contains("img"), "{events:?}");
    }

    async fn what_cannot_be_said_is_refused_with_the_reason(setup: Setup) {
        let folder = Folder::with_words();
        let app = setup.config(&config(&folder.0)).start().await;
        let root = User::administrator(&app, "root").await;
        let ann = app.user("ann").await;
        let good = json!({"order": "17", "parcels": 2});
        for (body, field, code) in [
            (json!({"template": "welcome", "to": {"user": ann.id}}), "template", "unknown_template"),
            (json!({"template": "order-shipped", "to": {"user": ann.id}, "data": {"order": "17"}}), "data.parcels", "missing"),
            (json!({"template": "order-shipped", "to": {"user": ann.id}, "data": {"order": 17, "parcels": 2}}), "data.order", "wrong_type"),
            (json!({"template": "order-shipped", "to": {"user": ann.id}, "data": {"order": "a\nb", "parcels": 2}}), "data.order", "invalid_text"),
            (json!({"template": "order-shipped", "to": {"user": ann.id}, "data": {"order": "x".repeat(501), "parcels": 2}}), "data.order", "invalid_text"),
            (json!({"template": "order-shipped", "to": {"user": ann.id}, "data": {"order": "1", "parcels": 2, "x": 1}}), "data.x", "unknown"),
            (json!({"template": "news", "to": {}}), "to", "one_of"),
            (json!({"template": "news", "to": {"user": ann.id, "role": "user"}}), "to", "one_of"),
            (json!({"template": "news", "to": {"users": []}}), "to.users", "wrong_number"),
        ] {
            let answer = root.post(SEND, body.clone()).await.is_problem(422, "invalid_input").json();
            assert_eq!((&answer["errors"][0]["field"], &answer["errors"][0]["code"]), (&json!(field), &json!(code)), "{body}");
        }
        root.post(SEND, json!({"template": "news", "to": {"role": "nobody"}})).await.is_problem(422, "unknown_role");
        root.post(SEND, json!({"template": "news", "to": {"user": ann.id}, "html": "x"})).await.is_problem(400, "unknown_field");
        // Who is not there, or may not use their account, is not told; the others are.
        let bob = app.user("bob").await;
        root.post(&format!("/api/v1/users/{}/ban", bob.id), json!({"reason": "A test"})).await.is(204);
        let nobody = "01890000-0000-7000-8000-000000000000";
        let body = json!({"template": "order-shipped", "to": {"users": [ann.id, bob.id, nobody]}, "data": good});
        let sent = root.post(SEND, body).await.is(202).json();
        assert_eq!(sent["told"], 1);
        let refused: BTreeSet<String> = sent["refused"].as_array().unwrap().iter()
            .map(|one| format!("{} {}", one["user"].as_str().unwrap(), one["code"].as_str().unwrap())).collect();
        assert_eq!(refused, [format!("{} not_active", bob.id), format!("{nobody} not_found")].into());
        assert_eq!(told(&ann, "order-shipped").await.len(), 1);
    }

    async fn z11_a_sender_s_token_is_good_for_that_and_can_be_taken_back(setup: Setup) {
        let folder = Folder::with_words();
        let app = setup.config(&config(&folder.0)).start().await;
        let root = User::administrator(&app, "root").await;
        let (ann, bob) = (app.user("ann").await, app.user("bob").await);
        let body = json!({"template": "news", "to": {"user": ann.id}});
        ann.post(SEND, body.clone()).await.is_problem(403, "forbidden");
        root.makes_role("speaker", &["notifications:send"]).await;
        let path = format!("/api/v1/users/{}/roles", bob.id);
        Answer::of(root.request(Method::PUT, &path).json(&json!({"roles": ["speaker"]}))).await.is(200);
        let bob = app.again(&bob).await;
        bob.post(SEND, body.clone()).await.is(202);

        let token = sender_token(&app, "shop").await;
        send_with(&app, &token, None, &body).await.is(202);
        for (method, path) in [("GET", "/api/v1/users/me"), ("GET", "/api/v1/notifications"), ("GET", SEND),
            ("GET", "/api/v1/feed/roles"), ("POST", "/api/v1/users"), ("POST", "/api/v1/notifications/read-all")] {
            let answer = Answer::of(app.request(method.parse().unwrap(), path).bearer_auth(&token)).await;
            assert!(matches!(answer.status, 401 | 405), "{method} {path}: {}", answer.status);
        }
        let verifier = app.cli_ok(&["verifier", "create", "orders"]).await;
        let forged = format!("{}AAAA", &token[..token.len() - 4]);
        for wrong in [verifier.trim(), "ust_", "ust_AAAA", forged.as_str()] {
            send_with(&app, wrong, None, &body).await.is_problem(401, "unauthenticated");
        }
        assert!(app.cli_ok(&["sender", "list"]).await.contains("shop"));
        app.cli_ok(&["sender", "revoke", "shop"]).await;
        let begun = Instant::now();
        while send_with(&app, &token, None, &body).await.status != 401 {
            assert!(begun.elapsed() < PATIENCE, "a token that was taken back is taken");
        }
        let before = told(&ann, "news").await.len();
        send_with(&app, &token, None, &body).await.is_problem(401, "unauthenticated");
        assert!(before >= 2 && told(&ann, "news").await.len() == before);
    }

    async fn f29_who_asks_for_the_same_again_is_given_the_same_answer(setup: Setup) {
        let folder = Folder::with_words();
        let app = setup.config(&config(&folder.0)).start().await;
        let ann = app.user("ann").await;
        let (shop, other) = (sender_token(&app, "shop").await, sender_token(&app, "other").await);
        let body = json!({"template": "news", "to": {"user": ann.id}});
        let first = send_with(&app, &shop, Some("order 17"), &body).await.is(202);
        for _ in 0..3 {
            let again = send_with(&app, &shop, Some("order 17"), &body).await.is(202);
            assert_eq!(again.body, first.body);
        }
        // The same, written otherwise.
        let otherwise = format!("{{ \"to\": {{\"user\":\"{}\"}}, \"data\": {{}}, \"template\":\"news\" }}", ann.id.to_uppercase());
        let request = app.request(Method::POST, SEND).bearer_auth(&shop).header("idempotency-key", "order 17");
        let request = request.header("content-type", "application/json").body(otherwise);
        assert_eq!(Answer::of(request).await.is(202).body, first.body);
        assert_eq!(told(&ann, "news").await.len(), 1);
        app.restart().await;
        assert_eq!(send_with(&app, &shop, Some("order 17"), &body).await.is(202).body, first.body);
        // Something else with this key is an error, and is not done.
        send_with(&app, &shop, Some("order 17"), &shipped(&ann, "17")).await.is_problem(422, "idempotency_key_reused");
        assert_eq!(told(&ann, "order-shipped").await.len(), 0);
        // Another sender's key is another key.
        assert_ne!(send_with(&app, &other, Some("order 17"), &body).await.is(202).body, first.body);
        assert_eq!(told(&ann, "news").await.len(), 2);
        // What was wrong is not kept.
        let wrong = json!({"template": "order-shipped", "to": {"user": ann.id}});
        send_with(&app, &shop, Some("order 18"), &wrong).await.is_problem(422, "invalid_input");
        send_with(&app, &shop, Some("order 18"), &shipped(&ann, "18")).await.is(202);
        for key in ["", &"x".repeat(256), "\u{e9}"] {
            send_with(&app, &shop, Some(key), &body).await.is_problem(400, "invalid_idempotency_key");
        }
        send_with(&app, &shop, Some(&"x".repeat(255)), &body).await.is(202);

        // Many at once: one of them is done, the others are told to wait, or what it was answered.
        let body = json!({"template": "news", "to": {"user": app.user("bob").await.id}});
        let asked: Vec<_> = (0..12).map(|_| {
            let request = app.request(Method::POST, SEND).bearer_auth(&shop).header("idempotency-key", "at once").json(&body);
            tokio::spawn(Answer::of(request))
        }).collect();
        let mut bodies = BTreeSet::new();
        for one in asked {
            let answer = one.await.unwrap();
            match answer.status {
                202 => {
                    bodies.insert(answer.body);
                }
                _ => drop(answer.is_problem(409, "request_in_progress")),
            }
        }
        assert_eq!(bodies.len(), 1, "{bodies:?}");
        let rows = "SELECT CAST(COUNT(*) AS TEXT) FROM notifications WHERE template = 'news'";
        assert_eq!(app.look().await.texts(rows).await, ["4"]);
    }

    async fn one_click_ends_mail_of_a_kind_and_nothing_else(setup: Setup) {
        let (server, folder) = (MailServer::start().await, Folder::with_words());
        let app = with_mail(setup, &server, &folder).start().await;
        let ann = app.user("ann").await;
        server.wait_for(&ann.email, 1).await;
        let token = sender_token(&app, "shop").await;
        send_with(&app, &token, None, &shipped(&ann, "1")).await.is(202);
        let mail = server.wait_for(&ann.email, 2).await.remove(1);
        let path = unsubscribe_path(&app, &mail);
        // Opening it, as a scanner of mail does, changes nothing.
        let browser = Browser::start(Look::PLAIN).await;
        browser.open(&format!("{}{path}", app.url)).await;
        assert!(browser.text("h1").await.contains("No more mail like this?"));
        assert!(browser.text("main").await.contains("Your orders"));
        check_page(&browser, "unsubscribe").await;
        let wants = async || ann.get(PREFERENCES).await.is(200).json()["categories"]["orders"].clone();
        assert_eq!(wants().await, json!({"email": true, "in_app": true, "push": true}));
        // A message waits for a mail server that is out of order; meanwhile a mail program does what the header says.
        server.set_manner(MailManner::OutOfOrder);
        send_with(&app, &token, None, &shipped(&ann, "2")).await.is(202);
        until("the second waits", async || deliveries(&app, "order-shipped").await.len() == 2).await;
        let one_click = || app.request(Method::POST, &path)
            .header("content-type", "application/x-www-form-urlencoded").body("List-Unsubscribe=One-Click");
        for _ in 0..2 {
            Answer::of(one_click()).await.is(200);
        }
        assert_eq!(wants().await, json!({"email": false, "in_app": true, "push": true}));
        server.set_manner(MailManner::Serves);
        until("what was not wanted any more is not dropped", async || {
            deliveries(&app, "order-shipped").await == ["sent", "dropped"]
        }).await;
        send_with(&app, &token, None, &shipped(&ann, "3")).await.is(202);
        assert_eq!(told(&ann, "order-shipped").await.len(), 3);
        assert_eq!(deliveries(&app, "order-shipped").await.len(), 2);
        assert_eq!(subjects(&server, &ann.email, "on its way"), 1);
        app.settle().await;
        let events = "SELECT kind FROM ledger WHERE kind = 'notification.preferences_changed'";
        assert_eq!(app.look().await.texts(events).await.len(), 1);
        // What keeps them safe still comes. The same on the page, and back.
        send_with(&app, &token, None, &json!({"template": "alarm", "to": {"user": ann.id}})).await.is(202);
        until("security is told", async || subjects(&server, &ann.email, "made a key") == 1).await;
        let on = json!({"categories": {"orders": {"email": true}}});
        Answer::of(ann.request(Method::PUT, PREFERENCES).json(&on)).await.is(200);
        browser.submit("form[action^='/unsubscribe'] button").await;
        assert!(browser.text("h1").await.contains("no more of this"));
        check_page(&browser, "unsubscribed").await;
        assert_eq!(wants().await["email"], false);
        // The token is of one person and one kind.
        let (before, rest) = path.split_at(path.len() - 6);
        let other = format!("{before}{}", rest.chars().rev().collect::<String>());
        Answer::of(app.request(Method::POST, &other)).await.is(410);
    }

    async fn mail_waits_while_somebody_wants_to_be_left_alone(setup: Setup) {
        let (server, folder) = (MailServer::start().await, Folder::with_words());
        let app = with_mail(setup, &server, &folder).start().await;
        let ann = app.user("ann").await;
        let token = sender_token(&app, "shop").await;
        // It is night where they are: from an hour ago to two hours from now.
        ann.patch("/api/v1/users/me", json!({"timezone": "Asia/Kathmandu"})).await.is(200);
        let clock = |seconds: i64| {
            let there = (unix_now() + seconds + 20_700).rem_euclid(86_400) / 60;
            format!("{:02}:{:02}", there / 60, there % 60)
        };
        let quiet = json!({"quiet_hours": {"from": clock(-3_600), "to": clock(7_200)}});
        Answer::of(ann.request(Method::PUT, PREFERENCES).json(&quiet)).await.is(200);
        send_with(&app, &token, None, &shipped(&ann, "1")).await.is(202);
        assert_eq!(told(&ann, "order-shipped").await.len(), 1, "the inbox wakes nobody");
        send_with(&app, &token, None, &json!({"template": "alarm", "to": {"user": ann.id}})).await.is(202);
        until("security does not wait", async || subjects(&server, &ann.email, "made a key") == 1).await;
        assert_eq!(deliveries(&app, "order-shipped").await, ["queued"]);
        let waits = match app.database {
            e2e::Database::Sqlite => "SELECT CAST((next_at - created_at) / 60000000 AS TEXT) FROM deliveries WHERE template = 'order-shipped'",
            e2e::Database::Postgres => "SELECT CAST(CAST(EXTRACT(EPOCH FROM next_at - created_at) / 60 AS INTEGER) AS TEXT) FROM deliveries WHERE template = 'order-shipped'",
        };
        let minutes: i64 = app.look().await.texts(waits).await[0].parse().unwrap();
        assert!((117..=121).contains(&minutes), "{minutes} minutes");
        // A mail that fails now and is due in the night waits, too: what is wanted is asked once more when it is sent.
        // When they want to be told after all, it comes.
        Answer::of(ann.request(Method::PUT, PREFERENCES).json(&json!({}))).await.is(200);
        until("what waited comes", async || subjects(&server, &ann.email, "on its way") == 1).await;
    }

    async fn what_can_wait_comes_in_one_mail(setup: Setup) {
        let (server, folder) = (MailServer::start().await, Folder::with_words());
        let app = with_mail(setup, &server, &folder).start().await;
        let ann = app.user("ann").await;
        server.wait_for(&ann.email, 1).await;
        let token = sender_token(&app, "shop").await;
        let choose = async |body: Value| {
            Answer::of(ann.request(Method::PUT, PREFERENCES).json(&body)).await.is(200);
        };
        choose(json!({"digest": "daily"})).await;
        for order in ["<i>1</i>", "2", "3"] {
            send_with(&app, &token, None, &shipped(&ann, order)).await.is(202);
        }
        send_with(&app, &token, None, &json!({"template": "alarm", "to": {"user": ann.id}})).await.is(202);
        until("security does not wait", async || subjects(&server, &ann.email, "made a key") == 1).await;
        assert_eq!(told(&ann, "order-shipped").await.len(), 3);
        assert_eq!(deliveries(&app, "order-shipped").await.len(), 0);
        let waiting = app.look().await.texts("SELECT data FROM digest_items").await;
        assert!(waiting.len() == 3 && waiting.iter().all(|data| !data.contains("<i>")), "{waiting:?}");
        // As if its hour had come.
        choose(json!({})).await;
        until("the digest comes", async || subjects(&server, &ann.email, "3 messages") == 1).await;
        let mail = server.mails_to(&ann.email).pop().unwrap();
        for order in ["&lt;i&gt;1&lt;/i&gt;", "2", "3"] {
            assert!(mail.html().contains(&format!("Order {order} is on its way")), "{order}: {}", mail.html());
        }
        assert!(mail.text().contains("https://shop.example.com/orders/2"), "{}", mail.text());
        until("the digest is written down as sent", async || deliveries(&app, "digest").await == ["sent"]).await;
        // Whoever wants no more summaries wants no more mail of what was in them.
        Answer::of(app.request(Method::POST, &unsubscribe_path(&app, &mail))).await.is(200);
        let wants = ann.get(PREFERENCES).await.is(200).json()["categories"].clone();
        assert_eq!((&wants["orders"]["email"], &wants["product"]["email"], &wants["account"]["email"]),
            (&json!(false), &json!(false), &json!(true)));
        send_with(&app, &token, None, &shipped(&ann, "4")).await.is(202);
        assert_eq!(app.look().await.texts("SELECT data FROM digest_items WHERE delivery_id IS NULL").await.len(), 0);
        assert_eq!(deliveries(&app, "order-shipped").await.len(), 0);
    }

    async fn d4_what_was_said_to_somebody_is_gone_with_them(setup: Setup) {
        let folder = Folder::with_words();
        let app = setup.config(&config(&folder.0)).start().await;
        let root = User::administrator(&app, "root").await;
        let ann = app.user("ann").await;
        Answer::of(ann.request(Method::PUT, PREFERENCES).json(&json!({"digest": "weekly"}))).await.is(200);
        root.post(SEND, shipped(&ann, "CANARY-17")).await.is(202);
        root.post(&format!("/api/v1/users/{}/erase", ann.id), Value::Null).await.is(204);
        for table in ["notifications", "digest_items"] {
            let rows = format!("SELECT template FROM {table} WHERE template = 'order-shipped'");
            until(table, async || app.look().await.texts(&rows).await.is_empty()).await;
        }
    }

    async fn many_are_told_once_each_however_often_the_program_dies(setup: Setup) {
        const MANY: usize = 4_000;
        let folder = Folder::with_words();
        let app = crowd(setup.config(&config(&folder.0)), &[("many", MANY)]).await;
        let root = User::administrator(&app, "root").await;
        let request = || root.request(Method::POST, SEND).header("idempotency-key", "to all")
            .json(&json!({"template": "order-shipped", "to": {"role": "user"}, "data": {"order": "17", "parcels": 2}}));
        let sent = Answer::of(request()).await.is(202);
        let job = sent.json()["job"].as_str().unwrap().to_owned();
        assert_eq!(sent.header("location"), format!("{SEND}/{}", sent.json()["id"].as_str().unwrap()));
        let mut kills = 0;
        while kills < 12 && wait_until_moved(&app).await {
            app.kill9();
            kills += 1;
            app.spawn();
        }
        assert!(kills >= 5, "the job was over too soon to be killed");
        app.wait_until_ready().await;
        let ended = wait_until_over(&root, &job).await;
        assert_eq!((&ended["state"], &ended["action"], &ended["template"]), (&json!("done"), &json!("notify"), &json!("order-shipped")));
        // Everybody who has the role: those that were made here, the administrator among them or not.
        let holders = "SELECT CAST(COUNT(DISTINCT user_id) AS TEXT) FROM user_roles WHERE role = 'user'";
        let holders: usize = app.look().await.texts(holders).await[0].parse().unwrap();
        assert_eq!((&ended["done"], &ended["failed"]), (&json!(holders), &json!(0)));
        let count = "SELECT CAST(COUNT(*) AS TEXT) FROM notifications WHERE template = 'order-shipped'";
        assert_eq!(app.look().await.texts(count).await, [holders.to_string()]);
        let people = "SELECT CAST(COUNT(DISTINCT user_id) AS TEXT) FROM deliveries WHERE template = 'order-shipped'";
        assert_eq!(app.look().await.texts(people).await, [holders.to_string()]);
        let rows = "SELECT CAST(COUNT(*) AS TEXT) FROM deliveries WHERE template = 'order-shipped'";
        assert_eq!(app.look().await.texts(rows).await, [holders.to_string()]);
        // The same again is the same job.
        assert_eq!(Answer::of(request()).await.is(202).body, sent.body);
        app.settle().await;
        let kinds = "SELECT kind FROM ledger WHERE kind LIKE 'job.%' OR kind = 'notification.sent' ORDER BY idx";
        assert_eq!(app.look().await.texts(kinds).await, ["job.started", "job.ended"]);
    }

    async fn a_long_list_is_told_by_a_job_that_keeps_it_no_longer_than_it_goes_on(setup: Setup) {
        let folder = Folder::with_words();
        let app = crowd(setup.config(&config(&folder.0)), &[("many", 2_500)]).await;
        let root = User::administrator(&app, "root").await;
        let mut ids: Vec<String> = (0..2_500).map(|number| format!("01890000-0000-7000-8000-{number:012x}")).collect();
        ids.push("01890000-0000-7000-8000-ffffffffffff".into());
        let sent = root.post(SEND, json!({"template": "news", "to": {"users": ids}})).await.is(202).json();
        let ended = wait_until_over(&root, sent["job"].as_str().unwrap()).await;
        assert_eq!((&ended["state"], &ended["total"], &ended["done"], &ended["failed"]),
            (&json!("done"), &json!(2_501), &json!(2_500), &json!(1)));
        assert_eq!(ended["refusals"][0]["code"], "not_found");
        assert!(app.look().await.texts("SELECT ids FROM job_lists").await.is_empty());
        let count = "SELECT CAST(COUNT(*) AS TEXT) FROM notifications WHERE template = 'news'";
        assert_eq!(app.look().await.texts(count).await, ["2500"]);
        assert_eq!(crowd::job(&root, sent["job"].as_str().unwrap()).await["template"], "news");
        let seen = look(&root.request(Method::GET, &look_path(&sent))).await.is(200).json();
        assert_eq!((&seen["state"], &seen["told"], &seen["not_told"]), (&json!("done"), &json!(2_500), &json!(1)));
        assert_eq!(seen["refused"][0]["code"], "not_found");
    }

    async fn what_a_service_has_begun_ends_with_its_token(setup: Setup) {
        let folder = Folder::with_words();
        let app = crowd(setup.config(&config(&folder.0)), &[("many", 8_000)]).await;
        let root = User::administrator(&app, "root").await;
        let (shop, other) = (sender_token(&app, "shop").await, sender_token(&app, "other").await);
        let ann = app.user("ann").await;
        // Whoever has sent it sees how far it is, and nobody else does.
        let few = send_with(&app, &shop, Some("few"), &shipped(&ann, "1")).await.is(202).json();
        let of = |token: &str, sent: &Value| app.request(Method::GET, &look_path(sent)).bearer_auth(token);
        let seen = look(&of(&shop, &few)).await.is(200).json();
        assert_eq!((&seen["state"], &seen["told"], &seen["job"]), (&json!("done"), &json!(1), &Value::Null));
        look(&of(&other, &few)).await.is_problem(404, "not_found");
        look(&root.request(Method::GET, &look_path(&few))).await.is_problem(404, "not_found");
        look(&ann.request(Method::GET, &look_path(&few))).await.is_problem(403, "forbidden");

        let body = json!({"template": "order-shipped", "to": {"role": "user"}, "data": {"order": "CANARY-17", "parcels": 2}});
        let sent = send_with(&app, &shop, None, &body).await.is(202).json();
        assert!(wait_until_moved(&app).await);
        let seen = look(&of(&shop, &sent)).await.is(200).json();
        assert_eq!((&seen["id"], &seen["job"]), (&sent["id"], &sent["job"]));
        app.cli_ok(&["sender", "revoke", "shop"]).await;
        let ended = wait_until_over(&root, sent["job"].as_str().unwrap()).await;
        assert_eq!((&ended["state"], &ended["trouble"]), (&json!("failed"), &json!("forbidden")));
        assert!((1..8_000).contains(&ended["done"].as_i64().unwrap()), "{ended}");
        // What it was to say is not kept longer than the job, and what was asked for no longer than a week.
        let kept = "SELECT template FROM sends WHERE sealed IS NOT NULL";
        assert!(app.look().await.texts(kept).await.is_empty());
        app.settle().await;
        let began = "SELECT body FROM ledger WHERE kind = 'job.started'";
        let began = app.look().await.texts(began).await.concat();
        assert!(began.contains("\"shop\"") && began.contains("\"order-shipped\"") && !began.contains("CANARY"), "{began}");
        let ago = match app.database {
            e2e::Database::Sqlite => "created_at - 8 * 86400000000",
            e2e::Database::Postgres => "created_at - INTERVAL '8 days'",
        };
        app.look().await.execute(&format!("UPDATE sends SET created_at = {ago}")).await;
        until("what was asked for long ago is forgotten", async || {
            app.look().await.texts("SELECT sender FROM sends").await.is_empty()
        }).await;
    }

    async fn an_officer_s_message_ends_with_their_permission(setup: Setup) {
        let folder = Folder::with_words();
        let app = crowd(setup.config(&config(&folder.0)), &[("many", 8_000)]).await;
        let root = User::administrator(&app, "root").await;
        let bob = app.user("bob").await;
        root.makes_role("speaker", &["notifications:send"]).await;
        let roles = format!("/api/v1/users/{}/roles", bob.id);
        let has = async |roles_of_bob: Value| {
            Answer::of(root.request(Method::PUT, &roles).json(&json!({"roles": roles_of_bob}))).await.is(200);
        };
        has(json!(["speaker"])).await;
        let bob = app.again(&bob).await;
        let body = json!({"template": "order-shipped", "to": {"role": "user"}, "data": {"order": "17", "parcels": 2}});
        let sent = bob.post(SEND, body).await.is(202).json();
        assert!(wait_until_moved(&app).await);
        has(json!(["user"])).await;
        let ended = wait_until_over(&root, sent["job"].as_str().unwrap()).await;
        assert_eq!((&ended["state"], &ended["trouble"]), (&json!("failed"), &json!("forbidden")));
        assert!((1..8_000).contains(&ended["done"].as_i64().unwrap()), "{ended}");
    }
}
