//! Refreshing, ending, and what is dead after it.

use std::time::Duration;

use users::{Authority, Reason, StatusChange};

use super::{PASSWORD, World, client, new_account, on_both, registered};
use crate::{RefreshError, SessionKind, browser, session};

async fn refused(world: &World, token: &str) -> bool {
    matches!(crate::refresh(&world.auth, token).await, Err(RefreshError::InvalidToken))
}

on_both! {
    async fn o12_fifty_parallel_refreshes_make_one_lineage(world: World) {
        let ann = world.register("ann@example.com").await;
        let tasks = (0..50).map(|_| {
            let (auth, token) = (world.auth.clone(), ann.refresh_token.clone());
            tokio::spawn(async move { crate::refresh(&auth, &token).await.unwrap().refresh_token })
        });
        let mut successors = Vec::new();
        for task in tasks.collect::<Vec<_>>() {
            successors.push(task.await.unwrap());
        }
        successors.dedup();
        assert_eq!(successors.len(), 1, "everybody got the same successor");
        assert!(crate::refresh(&world.auth, &successors[0]).await.is_ok());
    }

    async fn o13_a_lost_answer_can_be_asked_for_again_and_reuse_is_theft(world: World) {
        let ann = world.register("ann@example.com").await;
        let second = crate::refresh(&world.auth, &ann.refresh_token).await.unwrap();
        world.clock.advance(Duration::from_secs(3600));
        let again = crate::refresh(&world.auth, &ann.refresh_token).await.unwrap();
        assert_eq!(second.refresh_token, again.refresh_token, "no window of time in it");
        let third = crate::refresh(&world.auth, &second.refresh_token).await.unwrap();
        assert!(world.accepts(&third));
        // The successor was used, so whoever still has the first one has a copy.
        assert!(refused(&world, &ann.refresh_token).await);
        assert!(!world.accepts(&third), "the session is over, and its tokens with it");
        assert!(refused(&world, &third.refresh_token).await);
    }

    async fn o14_forged_and_foreign_refresh_tokens_end_nothing(world: World) {
        let ann = world.register("ann@example.com").await;
        for position in [0, 20, 30, 40, 60] {
            let mut forged = ann.refresh_token.clone().into_bytes();
            forged[position] = if forged[position] == b'A' { b'B' } else { b'A' };
            assert!(refused(&world, std::str::from_utf8(&forged).unwrap()).await);
        }
        for wrong in ["", "x", &ann.access_token, &"A".repeat(10_000)] {
            assert!(refused(&world, wrong).await);
        }
        assert!(world.accepts(&ann));
        assert!(crate::refresh(&world.auth, &ann.refresh_token).await.is_ok());
    }

    async fn refresh_tokens_expire_and_sessions_end(world: World) {
        let ann = world.register("ann@example.com").await;
        let mut newest = ann.refresh_token;
        for _ in 0..4 {
            world.clock.advance(Duration::from_secs(7 * 86_400 - 60));
            newest = crate::refresh(&world.auth, &newest).await.unwrap().refresh_token;
        }
        let last = crate::refresh(&world.auth, &newest).await.unwrap();
        assert!(last.refresh_expires_in < 3 * 86_400, "30 days in all, whatever happens");
        world.clock.advance(Duration::from_secs(u64::try_from(last.refresh_expires_in).unwrap() - 60));
        let short = crate::refresh(&world.auth, &last.refresh_token).await.unwrap();
        assert!(short.expires_in <= 60, "no access token outlives its session: {}", short.expires_in);
        world.clock.advance(Duration::from_secs(61));
        assert!(refused(&world, &short.refresh_token).await);
    }

    async fn s3_after_signing_out_nothing_of_the_session_works(world: World) {
        let ann = world.register("ann@example.com").await;
        let other = world.sign_in("ann@example.com", PASSWORD).await.unwrap();
        assert!(world.accepts(&ann));
        crate::sign_out(&world.auth, ann.account.id, ann.session.id).await.unwrap();
        crate::sign_out(&world.auth, ann.account.id, ann.session.id).await.unwrap();
        assert!(!world.accepts(&ann));
        assert!(refused(&world, &ann.refresh_token).await);
        assert!(world.accepts(&other));
    }

    async fn s3_a_sign_out_that_was_answered_is_in_force_whoever_asked_for_it(world: World) {
        for round in 0..20 {
            let ann = world.register(&format!("ann{round}@example.com")).await;
            let outs = (0..8).map(|_| {
                let (auth, verifier, clock, ann) = (world.auth.clone(), world.verifier.clone(), world.clock.clone(), ann.clone());
                tokio::spawn(async move {
                    crate::sign_out(&auth, ann.account.id, ann.session.id).await.unwrap();
                    verifier.check(&ann.access_token, clock.now().unix_seconds()).is_err()
                })
            });
            for out in outs.collect::<Vec<_>>() {
                assert!(out.await.unwrap());
            }
        }
    }

    async fn s4_suspending_and_deleting_end_everything_at_once(world: World) {
        for (email, change, undo) in [
            ("ann@example.com", StatusChange::Suspend { until: None }, StatusChange::Reinstate),
            ("bob@example.com", StatusChange::Delete, StatusChange::Restore),
        ] {
            let api = world.register(email).await;
            let page = crate::Client { kind: SessionKind::Browser, ..client() };
            let credentials = crate::Credentials { email: email.into(), password: PASSWORD.into() };
            let browser = crate::sign_in(&world.auth, &credentials, None, &page).await.unwrap();
            let cookie = browser::session_cookie(&world.auth, &browser.session);
            assert!(browser::find(&world.auth, &cookie).await.unwrap().is_some());
            users::change_status(world.auth.users(), Authority::Operator, api.account.id, change, &Reason::default()).await.unwrap();
            assert!(!world.accepts(&api));
            assert!(refused(&world, &api.refresh_token).await);
            assert!(browser::find(&world.auth, &cookie).await.unwrap().is_none());
            // To come back is to sign in anew: what was ended stays ended.
            users::change_status(world.auth.users(), Authority::Operator, api.account.id, undo, &Reason::default()).await.unwrap();
            assert!(refused(&world, &api.refresh_token).await);
            assert!(browser::find(&world.auth, &cookie).await.unwrap().is_none());
            assert!(world.accepts(&world.sign_in(email, PASSWORD).await.unwrap()));
        }
    }

    async fn p13_changing_the_password_ends_the_other_sessions(world: World) {
        let ann = world.register("ann@example.com").await;
        let other = world.sign_in("ann@example.com", PASSWORD).await.unwrap();
        let new = "slow comets over granite";
        let change = |current: &'static str| crate::change_password(&world.auth, ann.account.id, ann.session.id, current, new);
        assert!(change("wrong").await.is_err());
        change(PASSWORD).await.unwrap();
        assert!(world.accepts(&ann) && !world.accepts(&other));
        assert!(refused(&world, &other.refresh_token).await);
        assert!(crate::refresh(&world.auth, &ann.refresh_token).await.is_ok());
        assert!(world.sign_in("ann@example.com", PASSWORD).await.is_err());
        assert!(world.sign_in("ann@example.com", new).await.is_ok());
    }

    async fn o15_no_token_outlives_an_acknowledged_sign_out(world: World) {
        for round in 0..25 {
            let ann = world.register(&format!("ann{round}@example.com")).await;
            let (auth, token) = (world.auth.clone(), ann.refresh_token.clone());
            let refreshing = tokio::spawn(async move {
                let mut got = Vec::new();
                let mut newest = token;
                while let Ok(signed_in) = crate::refresh(&auth, &newest).await {
                    newest.clone_from(&signed_in.refresh_token);
                    got.push(signed_in);
                    if got.len() > 200 { break }
                }
                got
            });
            tokio::time::sleep(Duration::from_micros(round * 150)).await;
            crate::sign_out(&world.auth, ann.account.id, ann.session.id).await.unwrap();
            for signed_in in refreshing.await.unwrap() {
                assert!(!world.accepts(&signed_in));
                assert!(refused(&world, &signed_in.refresh_token).await);
            }
        }
    }

    async fn s5_sessions_are_listed_and_ended_by_their_owner_only(world: World) {
        let ann = world.register("ann@example.com").await;
        let bob = world.register("bob@example.com").await;
        let second = world.sign_in("ann@example.com", PASSWORD).await.unwrap();
        let listed = session::list(&world.auth, ann.account.id, None, 10).await.unwrap();
        assert_eq!(listed.iter().map(|session| session.id).collect::<Vec<_>>(), [second.session.id, ann.session.id]);
        let older = session::list(&world.auth, ann.account.id, Some(second.session.id), 10).await.unwrap();
        assert_eq!(older.len(), 1);
        assert!(crate::end_session(&world.auth, bob.account.id, bob.session.id, ann.session.id).await.is_err());
        assert!(world.accepts(&ann));
        crate::end_session(&world.auth, ann.account.id, ann.session.id, second.session.id).await.unwrap();
        assert!(!world.accepts(&second));
        let third = world.sign_in("ann@example.com", PASSWORD).await.unwrap();
        assert_eq!(crate::end_other_sessions(&world.auth, ann.account.id, ann.session.id).await.unwrap(), 1);
        assert!(world.accepts(&ann) && !world.accepts(&third) && world.accepts(&bob));
    }

    async fn s13_one_session_too_many_ends_the_oldest(world: World) {
        let first = world.register("ann@example.com").await;
        let mut later = Vec::new();
        for _ in 0..3 {
            world.clock.advance(Duration::from_secs(1));
            later.push(world.sign_in("ann@example.com", PASSWORD).await.unwrap());
        }
        assert!(!world.accepts(&first));
        assert!(later.iter().all(|signed_in| world.accepts(signed_in)));
    }

    async fn the_sweep_removes_only_what_is_over(world: World) {
        let ann = world.register("ann@example.com").await;
        assert!(!crate::sweep(&world.auth).await.unwrap());
        assert!(crate::refresh(&world.auth, &ann.refresh_token).await.is_ok());
        world.clock.advance(Duration::from_secs(40 * 86_400));
        crate::sweep(&world.auth).await.unwrap();
        assert!(refused(&world, &ann.refresh_token).await);
    }
}

#[tokio::test]
async fn s1_cookies_cannot_be_made_up_or_used_for_something_else() {
    let world = World::sqlite().await;
    let page = crate::Client { kind: SessionKind::Browser, ..client() };
    let opened = registered(&world.auth, new_account("ann@example.com"), &page).await.unwrap();
    let cookie = browser::session_cookie(&world.auth, &opened.session);
    assert!(browser::find(&world.auth, &cookie).await.unwrap().is_some());
    for position in 0..cookie.len() {
        let mut forged = cookie.clone().into_bytes();
        forged[position] = if forged[position] == b'A' { b'B' } else { b'A' };
        assert!(browser::find(&world.auth, std::str::from_utf8(&forged).unwrap()).await.unwrap().is_none());
    }
    let api = world.sign_in("ann@example.com", PASSWORD).await.unwrap();
    let of_api = browser::session_cookie(&world.auth, &api.session);
    assert!(browser::find(&world.auth, &of_api).await.unwrap().is_none(), "an API session has no cookie");
    let device = browser::device_cookie(&world.auth, &opened);
    assert!(browser::find(&world.auth, &device).await.unwrap().is_none());
}
