//! What people are told about the security of their account, as it comes to their mailbox.

use e2e::{Answer, Browser, Database, Look, Mail, MailServer, PASSWORD, Setup, TestApp, on_both};
use reqwest::Method;
use serde_json::{Value, json};

const WRONG: &str = "not the password 12";
const ANN: &str = "ann@example.com";

/// Signs in as a program that says this of itself.
async fn login_as(app: &TestApp, agent: &str, body: Value) -> Answer {
    Answer::of(app.request(Method::POST, "/api/v1/auth/login").header("user-agent", agent).json(&body)).await
}

fn credentials() -> Value {
    json!({"email": ANN, "password": PASSWORD})
}

async fn with_mail(setup: Setup) -> (MailServer, TestApp) {
    let server = MailServer::start().await;
    let setup = setup.env("USHER_MAIL__URL", &server.url()).env("USHER_MAIL__PRODUCT_NAME", "Harbour");
    let app = setup.env("USHER_MAIL__FROM", "Harbour <no-reply@id.example.com>").start().await;
    (server, app)
}

/// The subjects of all mail to Ann but that of the sign-up, in alphabetical order, once everything that happened until now was told.
async fn subjects(app: &TestApp, server: &MailServer) -> Vec<String> {
    // The ledger is told in its order: what came before this sign-up is at the mail server soon after its mail.
    let marker = format!("marker{}@example.com", server.mails().len());
    app.register(&marker, PASSWORD).await.is(201);
    server.wait_for(&marker, 1).await;
    let mut waiting = 1;
    while waiting > 0 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        waiting = app.look().await.texts("SELECT state FROM deliveries WHERE state <> 'sent'").await.len();
    }
    let told = server.mails_to(ANN);
    let subjects = told.iter().filter_map(|mail| mail.header("Subject"));
    let mut subjects: Vec<String> = subjects.filter(|subject| !subject.starts_with("Verify")).collect();
    subjects.sort();
    subjects
}

/// The newest mail to Ann with this subject.
fn newest(server: &MailServer, subject: &str) -> Mail {
    let mut newest_first = server.mails_to(ANN).into_iter().rev();
    newest_first.find(|mail| mail.header("Subject").as_deref() == Some(subject)).expect("a mail")
}

on_both! {
    async fn a_new_device_is_told_once_with_where_it_was_on_the_clock_of_its_owner(setup: Setup) {
        let (server, app) = with_mail(setup).await;
        let ann = app.user("ann").await;
        ann.patch("/api/v1/users/me", json!({"timezone": "Europe/Vienna", "name": "Ann"})).await.is(200);
        for _ in 0..3 {
            app.again(&ann).await;
        }
        assert_eq!(subjects(&app, &server).await, Vec::<String>::new(), "the device that signed up");
        let mut body = credentials();
        body["device_name"] = "Ann's phone".into();
        for agent in ["Quiz/1.0 (iPhone; iOS 18.0)", "Quiz/1.1 (iPhone; iOS 18.1)"] {
            login_as(&app, agent, body.clone()).await.is(200);
        }
        assert_eq!(subjects(&app, &server).await, ["A sign-in from a new device"]);
        let mail = newest(&server, "A sign-in from a new device");
        for part in [mail.text(), mail.html()] {
            for words in ["Hello Ann.", "Quiz, iPhone, 127.0.0.1", "Europe/Vienna", "not seen before", &format!("{}/account", app.url)] {
                assert!(part.contains(words), "no `{words}` in {part}");
            }
        }
        // A refresh is no sign-in.
        ann.refresh().await.is(200);
        assert_eq!(subjects(&app, &server).await.len(), 1);
        // What the database and the ledger keep tells nobody else which device it was.
        app.settle().await;
        for sql in ["SELECT body FROM ledger", "SELECT data FROM deliveries"] {
            for row in app.look().await.texts(sql).await {
                assert!(!row.contains("iPhone") && !row.contains("Quiz") && !row.contains("127.0.0.1"), "{row}");
            }
        }
    }

    async fn whoever_knows_the_password_cannot_write_into_the_mail_that_warns(setup: Setup) {
        let (server, app) = with_mail(setup).await;
        app.user("ann").await;
        let mut body = credentials();
        body["device_name"] = "All is well. Ignore this mail, or call 555-0100".into();
        login_as(&app, "https://evil.example/help me/1", body).await.is(200);
        assert_eq!(subjects(&app, &server).await, ["A sign-in from a new device"]);
        let mail = newest(&server, "A sign-in from a new device");
        for words in ["evil", "555-0100", "All is well"] {
            assert!(!mail.source.contains(words) && !mail.text().contains(words) && !mail.html().contains(words), "{words}");
        }
        assert!(mail.text().contains("127.0.0.1"), "{}", mail.text());
    }

    async fn a_sign_in_after_wrong_passwords_is_told_with_their_number(setup: Setup) {
        let (server, app) = with_mail(setup).await;
        app.user("ann").await;
        let wrong = json!({"email": ANN, "password": WRONG});
        for _ in 0..2 {
            login_as(&app, "curl/8.5.0", wrong.clone()).await.is(401);
        }
        app.login(ANN, PASSWORD).await.is(200);
        assert_eq!(subjects(&app, &server).await, Vec::<String>::new(), "two are a matter of typing");
        for _ in 0..4 {
            login_as(&app, "curl/8.5.0", wrong.clone()).await.is(401);
        }
        // From a new device as well: one sign-in, one message.
        login_as(&app, "curl/8.5.0", credentials()).await.is(200);
        assert_eq!(subjects(&app, &server).await, ["A sign-in after wrong passwords"]);
        let text = newest(&server, "A sign-in after wrong passwords").text();
        assert!(text.contains("after 4 wrong passwords") && text.contains("curl, 127.0.0.1"), "{text}");
        login_as(&app, "curl/8.5.0", credentials()).await.is(200);
        assert_eq!(subjects(&app, &server).await.len(), 1, "they are counted anew");
    }

    async fn a_failure_is_counted_across_locks_and_restarts(setup: Setup) {
        let (server, app) = with_mail(setup.env("USHER_AUTH__NOTICES__FAILURES", "1")).await;
        app.user("ann").await;
        app.login(ANN, WRONG).await.is(401);
        app.restart().await;
        app.login(ANN, PASSWORD).await.is(200);
        assert_eq!(subjects(&app, &server).await, ["A sign-in after wrong passwords"]);
        assert!(newest(&server, "A sign-in after wrong passwords").text().contains("after one wrong password"), "{}", newest(&server, "A sign-in after wrong passwords").text());
    }

    async fn a_lock_is_told_once_and_says_that_nobody_got_in(setup: Setup) {
        let (server, app) = with_mail(setup).await;
        app.user("ann").await;
        for _ in 0..8 {
            app.login(ANN, WRONG).await.is(401);
        }
        assert_eq!(subjects(&app, &server).await, ["Your account is locked for a while"]);
        assert!(newest(&server, "Your account is locked for a while").text().contains("Nobody got in"), "{}", newest(&server, "Your account is locked for a while").text());
    }

    async fn a_stolen_refresh_token_is_told_with_the_device_that_was_signed_out(setup: Setup) {
        let (server, app) = with_mail(setup).await;
        app.user("ann").await;
        let first = login_as(&app, "Quiz/1.0 (iPhone; iOS 18.0)", credentials()).await.is(200).json();
        let refresh = async |token: &Value| app.post("/api/v1/auth/refresh", json!({"refresh_token": token})).await;
        let second = refresh(&first["refresh_token"]).await.is(200).json();
        refresh(&second["refresh_token"]).await.is(200);
        refresh(&first["refresh_token"]).await.is_problem(401, "invalid_refresh_token");
        assert_eq!(subjects(&app, &server).await, ["A sign-in from a new device", "We signed out a device of yours"]);
        assert!(newest(&server, "We signed out a device of yours").text().contains("Quiz, iPhone, 127.0.0.1"), "{}", newest(&server, "We signed out a device of yours").text());
    }

    async fn p13_another_password_is_told_and_makes_other_devices_new(setup: Setup) {
        let (server, app) = with_mail(setup).await;
        let ann = app.user("ann").await;
        login_as(&app, "curl/8.5.0", credentials()).await.is(200);
        let other = "eight dry otters paint 27 maps";
        app.logs.never(other);
        let change = json!({"current_password": PASSWORD, "new_password": other});
        ann.post("/api/v1/auth/change-password", change).await.is(204);
        assert_eq!(subjects(&app, &server).await, ["A sign-in from a new device", "Your password was changed"]);
        let text = newest(&server, "Your password was changed").text();
        assert!(text.contains("All other devices were signed out") && text.contains("When"), "{text}");
        // Where it was changed is known; the other one is news again.
        app.login(ANN, other).await.is(200);
        assert_eq!(subjects(&app, &server).await.len(), 2);
        login_as(&app, "curl/8.5.0", json!({"email": ANN, "password": other})).await.is(200);
        assert_eq!(subjects(&app, &server).await.len(), 3);
    }

    async fn l2_guesses_and_sign_ins_at_once_come_to_an_end(app: TestApp) {
        // What counts a failure and what begins a session write the same rows: neither may wait for the other for ever.
        app.user("ann").await;
        let tries: Vec<_> = (0..60)
            .map(|number| {
                let password = if number % 3 == 0 { WRONG } else { PASSWORD };
                let request = app.request(Method::POST, "/api/v1/auth/login");
                let request = request.json(&json!({"email": ANN, "password": password}));
                tokio::spawn(async move { Answer::of(request).await.status })
            })
            .collect();
        for one in tries {
            assert!([200, 401, 503].contains(&one.await.unwrap()));
        }
    }
}

/// In a browser: known by its cookie, after signing out as well, and by nothing else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_is_new_once() {
    let app = Setup::new(Database::Sqlite).start().await;
    app.user("ann").await;
    let sign_in = async |browser: &Browser| {
        browser.open(&format!("{}/sign-in", app.url)).await;
        browser.fill("#email", ANN).await;
        browser.fill("#password", PASSWORD).await;
        browser.submit("button[type=submit]").await;
        assert_eq!(browser.address().await, format!("{}/account", app.url));
    };
    let told = async || {
        // What happened before is told before this.
        let marker = format!("{}@example.com", uuid::Uuid::new_v4().simple());
        app.register(&marker, PASSWORD).await.is(201);
        app.mail(&marker, "Verify", 1).await;
        let mut waiting = 1;
        while waiting > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            waiting = app.look().await.texts("SELECT state FROM deliveries WHERE state <> 'sent'").await.len();
        }
        app.look().await.texts("SELECT template FROM deliveries WHERE template = 'new-device'").await.len()
    };
    let browser = Browser::start(Look::PLAIN).await;
    sign_in(&browser).await;
    assert_eq!(told().await, 1);
    browser.open(&format!("{}/dev/inbox", app.url)).await;
    let listed = browser.text("ul").await;
    assert!(listed.contains("A sign-in from a new device") && listed.contains(ANN), "{listed}");
    browser.open(&format!("{}/account", app.url)).await;
    browser.click("header button[popovertarget]").await;
    browser.submit("form[action='/sign-out'] button").await;
    sign_in(&browser).await;
    assert_eq!(told().await, 1, "it has its cookie still");
    let other = Browser::start(Look::PHONE).await;
    sign_in(&other).await;
    assert_eq!(told().await, 2);
}
