//! What is news to the owner of an account, and what is not.

use std::time::Duration;

use kernel::{Kind, MasterKeys};
use serde_json::{Map, Value};
use storage::Db;
use users::Users;

use super::{PASSWORD, World, client, new_account, on_both, registered, settings};
use crate::keys::Algorithm;
use crate::{Auth, Client, Credentials, Opened, SessionKind, SignInError, browser};

const DAY: u64 = 86_400;
const EMAIL: &str = "ann@example.com";

fn program(user_agent: &str, device_name: Option<&str>) -> Client {
    Client { user_agent: user_agent.into(), device_name: device_name.map(str::to_owned), ..client() }
}

fn browser_client() -> Client {
    Client { kind: SessionKind::Browser, user_agent: "Mozilla/5.0 (X11; Linux) Firefox/144.0".into(), ..client() }
}

async fn enter(auth: &Auth, email: &str, cookie: Option<&str>, client: &Client) -> Opened {
    let credentials = Credentials { email: email.into(), password: PASSWORD.into() };
    crate::sign_in(auth, &credentials, cookie, client).await.unwrap()
}

async fn fails(world: &World) {
    let credentials = Credentials { email: EMAIL.into(), password: "not the password 12".into() };
    let failed = crate::sign_in(&world.auth, &credentials, None, &client()).await;
    assert!(matches!(failed, Err(SignInError::InvalidCredentials)));
}

/// What the event of a sign-in says beside its ids.
async fn facts(auth: &Auth, opened: &Opened) -> Map<String, Value> {
    #[derive(sqlx::FromRow)]
    struct Body {
        body: String,
    }
    let rows: Vec<Body> = storage::fetch_all!(
        &mut auth.db().read().await.unwrap(),
        "SELECT body FROM ledger UNION ALL SELECT body FROM outbox"
    )
    .unwrap();
    let events = rows.iter().map(|row| serde_json::from_str::<kernel::Event>(&row.body).unwrap());
    let mut events =
        events.filter(|event| event.kind == Kind::SessionStarted && event.session == Some(opened.session.id));
    events.next().expect("a sign-in is an event").data
}

async fn is_news(auth: &Auth, opened: &Opened) -> bool {
    facts(auth, opened).await.contains_key("new_device")
}

async fn devices(world: &World) -> usize {
    #[derive(sqlx::FromRow)]
    struct Count {
        found: i64,
    }
    let row: Count =
        storage::fetch_one!(&mut world.auth.db().read().await.unwrap(), "SELECT COUNT(*) AS found FROM known_devices")
            .unwrap();
    usize::try_from(row.found).unwrap()
}

on_both! {
    async fn a_program_is_known_by_its_family_and_the_name_of_the_device(world: World) {
        let auth = &world.auth;
        registered(auth, new_account(EMAIL), &program("Quiz/1.0 (iPhone)", None)).await.unwrap();
        for (client, expected) in [
            (program("Quiz/1.0 (iPhone)", None), false),
            (program("Quiz/2.0 (iPhone)", None), false),
            (program("Quiz/2.0 (Android)", None), true),
            (program("Quiz/2.1 (Android)", None), false),
            (program("Quiz/2.1 (Android)", Some("Ann's phone")), true),
            (program("curl/8.5.0", None), true),
            (program("Quiz/3.0 (iPhone)", None), false),
        ] {
            let opened = enter(auth, EMAIL, None, &client).await;
            assert_eq!(is_news(auth, &opened).await, expected, "{client:?}");
        }
    }

    async fn a_browser_is_known_by_its_cookie_whoever_used_it_in_between(world: World) {
        let auth = &world.auth;
        let first = registered(auth, new_account(EMAIL), &browser_client()).await.unwrap();
        registered(auth, new_account("bob@example.com"), &program("curl/8", None)).await.unwrap();
        let mut cookie = browser::device_cookie(auth, &first);
        // The same account again, somebody else for whom it is new, both again.
        for (email, expected) in [(EMAIL, false), ("bob@example.com", true), (EMAIL, false), ("bob@example.com", false)] {
            let opened = enter(auth, email, Some(&cookie), &browser_client()).await;
            assert_eq!(is_news(auth, &opened).await, expected, "{email}");
            cookie = browser::device_cookie(auth, &opened);
        }
        // No cookie, or one that was made up: another browser, whatever it calls itself.
        for cookie in [None, Some(""), Some(&cookie[1..])] {
            let opened = enter(auth, EMAIL, cookie, &browser_client()).await;
            assert!(is_news(auth, &opened).await);
        }
    }

    async fn the_first_sign_in_of_an_account_is_no_news(world: World) {
        let auth = &world.auth;
        let mut tx = auth.db().begin().await.unwrap();
        let hash = crate::register::hash_new_password(auth, &new_account(EMAIL)).await.unwrap();
        crate::register::insert(auth, &mut tx, &new_account(EMAIL), Some(&hash), &["user"]).await.unwrap();
        tx.commit().await.unwrap();
        let first = enter(auth, EMAIL, None, &browser_client()).await;
        assert!(!is_news(auth, &first).await);
        let second = enter(auth, EMAIL, None, &browser_client()).await;
        assert!(is_news(auth, &second).await);
    }

    async fn another_password_makes_every_other_device_new_once(world: World) {
        let auth = &world.auth;
        let here = registered(auth, new_account(EMAIL), &browser_client()).await.unwrap();
        let cookie = browser::device_cookie(auth, &here);
        enter(auth, EMAIL, None, &program("curl/8", None)).await;
        let other = "seven wet otters juggle maps";
        crate::change_password(auth, here.account.id, here.session.id, PASSWORD, other).await.unwrap();
        let sign_in = async |cookie: Option<&str>, client: &Client| {
            let credentials = Credentials { email: EMAIL.into(), password: other.into() };
            crate::sign_in(auth, &credentials, cookie, client).await.unwrap()
        };
        let again = sign_in(Some(&cookie), &browser_client()).await;
        assert!(!is_news(auth, &again).await, "where it was changed is known");
        let program = program("curl/8", None);
        assert!(is_news(auth, &sign_in(None, &program).await).await);
        assert!(!is_news(auth, &sign_in(None, &program).await).await);
    }

    async fn devices_are_few_and_are_forgotten(world: World) {
        let auth = &world.auth;
        registered(auth, new_account(EMAIL), &program("curl/8", None)).await.unwrap();
        world.clock.advance(Duration::from_secs(1));
        for number in 0..60 {
            enter(auth, EMAIL, None, &program("curl/8", Some(&format!("device {number}")))).await;
            world.clock.advance(Duration::from_secs(1));
        }
        assert_eq!(devices(&world).await, 50);
        let newest = enter(auth, EMAIL, None, &program("curl/8", Some("device 59"))).await;
        assert!(!is_news(auth, &newest).await);
        let oldest = enter(auth, EMAIL, None, &program("curl/8", None)).await;
        assert!(is_news(auth, &oldest).await, "the one that was away longest made room");

        world.clock.advance(Duration::from_secs(400 * DAY - 1));
        let later = enter(auth, EMAIL, None, &program("curl/8", None)).await;
        assert!(!is_news(auth, &later).await);
        world.clock.advance(Duration::from_secs(400 * DAY + 1));
        while crate::sweep(auth).await.unwrap() {}
        assert_eq!(devices(&world).await, 0);
        let much_later = enter(auth, EMAIL, None, &program("curl/8", None)).await;
        assert!(is_news(auth, &much_later).await, "who was away for so long is told");
    }

    async fn d15_devices_are_known_again_with_another_master_key(world: World) {
        let auth = &world.auth;
        registered(auth, new_account(EMAIL), &program("curl/8", None)).await.unwrap();
        enter(auth, EMAIL, None, &program("Quiz/1", None)).await;
        let both = format!("{}{}", &*MasterKeys::generate().to_text(), &*world.master.to_text());
        let both = MasterKeys::parse(&both).unwrap();
        let users = Users::open(Db::clone(auth.db()), world.clock.clone(), users::Settings::default(), &both).await.unwrap();
        let rotated = Auth::new(users, settings(Algorithm::EdDsa), &both).await.unwrap();
        for _ in 0..2 {
            let opened = enter(&rotated, EMAIL, None, &program("Quiz/1", None)).await;
            assert!(!is_news(&rotated, &opened).await);
        }
        assert_eq!(devices(&world).await, 2, "none stands there twice");
    }

    async fn failures_are_counted_until_somebody_signs_in_however_long_it_takes(world: World) {
        let auth = &world.auth;
        world.register(EMAIL).await;
        let failures = async || facts(auth, &enter(auth, EMAIL, None, &client()).await).await.get("failures").cloned();
        for _ in 0..2 {
            fails(&world).await;
        }
        assert_eq!(failures().await, None, "two are a matter of typing");
        // Whoever guesses slowly enough never locks anything.
        for _ in 0..3 {
            for _ in 0..3 {
                fails(&world).await;
            }
            world.clock.advance(Duration::from_secs(DAY));
        }
        assert_eq!(failures().await, Some(9.into()));
        assert_eq!(failures().await, None);
        // What a locked account refuses was not compared, and is no guess.
        for _ in 0..8 {
            fails(&world).await;
        }
        world.clock.advance(Duration::from_secs(16 * 60));
        assert_eq!(failures().await, Some(5.into()));
    }

    async fn d4_what_a_sign_in_says_of_a_device_is_sealed_for_its_owner(world: World) {
        let auth = &world.auth;
        let ann = world.register(EMAIL).await;
        let opened = enter(auth, EMAIL, None, &browser_client()).await;
        let facts = facts(auth, &opened).await;
        let sealed = facts["device"].as_str().unwrap();
        let mut read = auth.db().read().await.unwrap();
        let said = auth.users().open_said(&mut read, ann.account.id, "device", sealed).await.unwrap();
        assert_eq!(said.as_deref(), Some("Firefox, Linux, 127.0.0.1"));
        drop(read);
        crate::erase(auth, users::Authority::Operator, ann.account.id).await.unwrap();
        let mut read = auth.db().read().await.unwrap();
        let said = auth.users().open_said(&mut read, ann.account.id, "device", sealed).await.unwrap();
        assert_eq!(said, None);
        assert_eq!(devices(&world).await, 0);
    }
}
