//! Signing up and in, locking, the first administrator.

use std::time::Duration;

use kernel::Kind;
use storage::ledger;
use users::{Authority, Reason, Status, StatusChange};

use super::{PASSWORD, World, client, new_account, on_both, registered};
use crate::{RegisterError, SignInError, browser, setup};

async fn kinds(world: &World) -> Vec<Kind> {
    // On PostgreSQL the sequencer numbers the events; it is run for as long as that takes.
    let db = world.auth.db();
    if db.is_shared() {
        let numbered = async {
            while ledger::waiting(&mut db.read().await.unwrap(), 1).await.unwrap() > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::select! { () = db.keep() => {}, () = numbered => {} }
    }
    let entries = ledger::after(&mut db.read().await.unwrap(), -1, 1000).await.unwrap();
    assert!(entries.iter().map(|(index, _)| *index).eq(0..i64::try_from(entries.len()).unwrap()), "no gaps");
    entries.into_iter().map(|(_, body)| serde_json::from_str::<kernel::Event>(&body).unwrap().kind).collect()
}

#[derive(sqlx::FromRow)]
struct Held {
    pending: i64,
}

async fn held(world: &World) -> i64 {
    let mut read = world.auth.db().read().await.unwrap();
    let held: Held = storage::fetch_one!(
        &mut read,
        "SELECT CAST(COALESCE(SUM(pending), 0) AS BIGINT) AS pending FROM sign_in_attempts"
    )
    .unwrap();
    held.pending
}

on_both! {
    async fn each_use_case_leaves_one_event(world: World) {
        let ann = world.register("ann@example.com").await;
        world.sign_in("ann@example.com", PASSWORD).await.unwrap();
        assert!(world.sign_in("ann@example.com", "wrong").await.is_err());
        crate::refresh(&world.auth, &ann.refresh_token).await.unwrap();
        crate::sign_out(&world.auth, ann.account.id, ann.session.id).await.unwrap();
        assert_eq!(kinds(&world).await, [
            Kind::SigningKeyCreated, Kind::AccountRegistered, Kind::SessionStarted, Kind::SignInFailed,
            Kind::SessionRefreshed, Kind::SessionEnded,
        ]);
    }

    async fn r5_parallel_registrations_of_one_address_make_one_account(world: World) {
        let attempts = (0..20).map(|number| {
            let auth = world.auth.clone();
            let email = if number % 2 == 0 { "Ann@example.com" } else { "ann@EXAMPLE.com." };
            tokio::spawn(async move { registered(&auth, new_account(email), &client()).await })
        });
        let mut made = 0;
        for attempt in attempts.collect::<Vec<_>>() {
            match attempt.await.unwrap() {
                Ok(_) => made += 1,
                // On a busy machine one may be sent away before its password is hashed.
                Err(RegisterError::EmailTaken | RegisterError::Busy(_)) => {}
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!(made, 1);
    }

    async fn l1_five_failures_lock_for_fifteen_minutes_the_right_password_included(world: World) {
        world.register("ann@example.com").await;
        for _ in 0..5 {
            assert!(matches!(world.sign_in("ann@example.com", "wrong").await, Err(SignInError::InvalidCredentials)));
        }
        assert!(matches!(world.sign_in("ANN@example.com", PASSWORD).await, Err(SignInError::InvalidCredentials)));
        world.clock.advance(Duration::from_secs(15 * 60 - 1));
        assert!(world.sign_in("ann@example.com", PASSWORD).await.is_err());
        world.clock.advance(Duration::from_secs(1));
        assert!(world.sign_in("ann@example.com", PASSWORD).await.is_ok());
        assert!(kinds(&world).await.contains(&Kind::AccountLocked));
    }

    async fn l2_parallel_guesses_get_five_comparisons(world: World) {
        world.register("ann@example.com").await;
        let guesses = (0..40).map(|_| {
            let auth = world.auth.clone();
            let credentials = crate::Credentials { email: "ann@example.com".into(), password: "wrong".into() };
            tokio::spawn(async move { crate::sign_in(&auth, &credentials, None, &client()).await.is_ok() })
        });
        for guess in guesses.collect::<Vec<_>>() {
            assert!(!guess.await.unwrap());
        }
        let locked = kinds(&world).await.into_iter().filter(|kind| *kind == Kind::AccountLocked).count();
        assert_eq!(locked, 1);
        assert!(world.sign_in("ann@example.com", PASSWORD).await.is_err());
    }

    async fn l2_right_passwords_at_once_lock_nobody_out(world: World) {
        world.register("ann@example.com").await;
        let sign_ins = (0..9).map(|_| {
            let auth = world.auth.clone();
            let credentials = crate::Credentials { email: "ann@example.com".into(), password: PASSWORD.into() };
            tokio::spawn(async move { crate::sign_in(&auth, &credentials, None, &client()).await.is_ok() })
        });
        for sign_in in sign_ins.collect::<Vec<_>>() {
            assert!(sign_in.await.unwrap());
        }
    }

    async fn l5_a_known_browser_has_its_own_counter(world: World) {
        let ann = registered(&world.auth, new_account("ann@example.com"), &client()).await.unwrap();
        let bob = registered(&world.auth, new_account("bob@example.com"), &client()).await.unwrap();
        let device = browser::device_cookie(&world.auth, &ann);
        let foreign = browser::device_cookie(&world.auth, &bob);
        for _ in 0..5 {
            assert!(world.sign_in("ann@example.com", "wrong").await.is_err());
        }
        assert!(world.sign_in_from("ann@example.com", PASSWORD, Some(&foreign)).await.is_err());
        assert!(world.sign_in_from("ann@example.com", PASSWORD, Some(&device)).await.is_ok());
        for _ in 0..5 {
            assert!(world.sign_in_from("ann@example.com", "wrong", Some(&device)).await.is_err());
        }
        assert!(world.sign_in_from("ann@example.com", PASSWORD, Some(&device)).await.is_err());
    }

    async fn l5_a_device_cookie_ends_with_its_password(world: World) {
        let ann = registered(&world.auth, new_account("ann@example.com"), &client()).await.unwrap();
        let device = browser::device_cookie(&world.auth, &ann);
        let new = "slow comets over granite";
        crate::change_password(&world.auth, ann.account.id, ann.session.id, PASSWORD, new).await.unwrap();
        for _ in 0..5 {
            assert!(world.sign_in("ann@example.com", "wrong").await.is_err());
        }
        assert!(world.sign_in_from("ann@example.com", new, Some(&device)).await.is_err());
    }

    async fn a_weak_new_password_is_no_failed_guess(world: World) {
        let ann = world.register("ann@example.com").await;
        for _ in 0..8 {
            let weak = crate::change_password(&world.auth, ann.account.id, ann.session.id, PASSWORD, "password").await;
            assert!(matches!(weak, Err(crate::ChangePasswordError::WeakPassword(_))));
        }
        crate::change_password(&world.auth, ann.account.id, ann.session.id, PASSWORD, "slow comets over granite").await.unwrap();
    }

    async fn an_attempt_that_is_given_up_is_a_failure_at_once(world: World) {
        world.register("ann@example.com").await;
        for _ in 0..5 {
            let auth = world.auth.clone();
            let credentials = crate::Credentials { email: "ann@example.com".into(), password: "wrong".into() };
            let quitter = tokio::spawn(async move { crate::sign_in(&auth, &credentials, None, &client()).await.is_ok() });
            tokio::time::sleep(Duration::from_millis(8)).await;
            quitter.abort();
            let _ = quitter.await;
        }
        // However far each of them got, none is held open: nobody waits for attempts that nobody makes.
        for _ in 0..100 {
            if held(&world).await == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("attempts are still held open");
    }

    async fn r1_suspended_and_deleted_accounts_cannot_sign_in(world: World) {
        let ann = world.register("ann@example.com").await;
        for (off, on) in [(StatusChange::Suspend { until: None }, StatusChange::Reinstate), (StatusChange::Delete, StatusChange::Restore)] {
            users::change_status(world.auth.users(), Authority::Operator, ann.account.id, off, &Reason::default()).await.unwrap();
            assert!(matches!(world.sign_in("ann@example.com", PASSWORD).await, Err(SignInError::InvalidCredentials)));
            users::change_status(world.auth.users(), Authority::Operator, ann.account.id, on, &Reason::default()).await.unwrap();
            assert!(world.sign_in("ann@example.com", PASSWORD).await.is_ok());
        }
    }

    async fn r8_the_setup_link_works_once_for_an_hour_and_the_newest_only(world: World) {
        let token = |link: String| link.split("token=").nth(1).unwrap().to_owned();
        let old = token(setup::create_link(&world.auth).await.unwrap().unwrap());
        let link = token(setup::create_link(&world.auth).await.unwrap().unwrap());
        assert!(!setup::check(&world.auth, &old).await.unwrap());
        assert!(setup::check(&world.auth, &link).await.unwrap());
        let mut edited = link.clone().into_bytes();
        edited[40] = if edited[40] == b'A' { b'B' } else { b'A' };
        assert!(!setup::check(&world.auth, std::str::from_utf8(&edited).unwrap()).await.unwrap());
        world.clock.advance(Duration::from_secs(3600));
        assert!(setup::redeem(&world.auth, &link, new_account("root@example.com"), &client()).await.is_err());

        let link = token(setup::create_link(&world.auth).await.unwrap().unwrap());
        let both = [1, 2].map(|number| {
            let (auth, link) = (world.auth.clone(), link.clone());
            let account = new_account(&format!("root{number}@example.com"));
            tokio::spawn(async move { setup::redeem(&auth, &link, account, &client()).await.is_ok() })
        });
        let [one, other] = both;
        assert!(one.await.unwrap() ^ other.await.unwrap());
        assert!(!setup::check(&world.auth, &link).await.unwrap());
        assert_eq!(setup::create_link(&world.auth).await.unwrap(), None);
    }

    async fn the_last_administrator_cannot_be_suspended(world: World) {
        let root = crate::create_administrator(&world.auth, new_account("root@example.com")).await.unwrap();
        let refused = users::change_status(world.auth.users(), Authority::Operator, root.id, StatusChange::Suspend { until: None }, &Reason::default()).await;
        assert!(matches!(refused, Err(users::ChangeStatusError::LastAdministrator)));
        crate::create_administrator(&world.auth, new_account("second@example.com")).await.unwrap();
        users::change_status(world.auth.users(), Authority::Operator, root.id, StatusChange::Suspend { until: None }, &Reason::default()).await.unwrap();
        let mut read = world.auth.db().read().await.unwrap();
        assert_eq!(users::account::find(&mut read, root.id).await.unwrap().unwrap().status, Status::Suspended);
    }
}
