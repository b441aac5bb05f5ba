//! J13 of assurance.md: a signing key that is taken back at once.

use std::time::Duration;

use kernel::Timestamp;
use kernel::id::KeyId;
use users::{Authority, Reason};

use super::{PASSWORD, World, on_both, settings};
use crate::keys::{Algorithm, Keys, OVERLAP, WithdrawError};

/// Ids and states, in the order in which operators see them.
fn keys(keys: &Keys) -> Vec<(KeyId, &'static str)> {
    keys.list().iter().map(|key| (key.id, key.state)).collect()
}

fn signing(of: &Keys) -> KeyId {
    keys(of).into_iter().find(|(_, state)| *state == "signing").unwrap().0
}

fn published(keys: &Keys) -> Vec<String> {
    let set = keys.jwks();
    set["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

async fn another_process(world: &World, algorithm: Algorithm) -> Keys {
    Keys::load(world.auth.db(), &world.clock, &settings(algorithm).tokens, &world.master).await.unwrap()
}

fn seconds(seconds: i64) -> Duration {
    Duration::from_secs(u64::try_from(seconds).unwrap())
}

on_both! {
    async fn j13_what_a_withdrawn_key_signed_is_dead_at_once_and_sessions_go_on(world: World) {
        let ann = world.register("ann@example.com").await;
        let leaked = signing(world.auth.keys());
        let old_set = world.auth.keys().jwks().to_string();
        assert!(world.accepts(&ann));
        world.auth.keys().withdraw(leaked, Authority::Operator, &Reason::default()).await.unwrap();

        // Refused although this verifier still has the old set, with the key in it.
        assert!(!world.accepts(&ann));
        let new = signing(world.auth.keys());
        assert_eq!(keys(world.auth.keys()), [(new, "signing"), (leaked, "withdrawn")]);
        assert_eq!(published(world.auth.keys()), [new.to_string()]);
        world.verifier.set_keys(world.auth.keys().jwks().to_string().as_bytes()).unwrap();
        assert!(!world.accepts(&ann));
        let next = crate::refresh(&world.auth, &ann.refresh_token).await.unwrap();
        assert!(world.accepts(&next), "the session goes on");
        assert!(world.accepts(&world.sign_in("ann@example.com", PASSWORD).await.unwrap()));
        // An old copy of the key set does not bring it back.
        let _ = world.verifier.set_keys(old_set.as_bytes());
        assert!(!world.accepts(&ann));

        let again = world.auth.keys().withdraw(leaked, Authority::Operator, &Reason::default()).await;
        assert!(matches!(again, Err(WithdrawError::NotFound)), "{again:?}");
        let started = another_process(&world, Algorithm::EdDsa).await;
        started.keep_fresh().await.unwrap();
        assert_eq!(keys(&started), keys(world.auth.keys()));
        world.clock.advance(seconds(30 * 86_400 + 1));
        started.keep_fresh().await.unwrap();
        assert!(keys(&started).iter().all(|(id, _)| *id != leaked), "forgotten after a month");
    }

    async fn j13_the_next_key_steps_in_before_its_time(world: World) {
        let leaked = signing(world.auth.keys());
        world.auth.keys().rotate(Authority::Operator).await.unwrap();
        let next = keys(world.auth.keys())[1].0;
        world.auth.keys().withdraw(leaked, Authority::Operator, &Reason::default()).await.unwrap();
        assert_eq!(keys(world.auth.keys()), [(next, "signing"), (leaked, "withdrawn")]);
        // Its verifiers may know it already: it was published before.
        let ann = world.register("ann@example.com").await;
        world.verifier.set_keys(world.auth.keys().jwks().to_string().as_bytes()).unwrap();
        assert!(world.accepts(&ann));
    }

    async fn j13_the_key_before_steps_in_and_is_not_removed_by_who_has_not_heard(world: World) {
        let before = signing(world.auth.keys());
        world.auth.keys().rotate(Authority::Operator).await.unwrap();
        world.clock.advance(seconds(OVERLAP));
        let leaked = signing(world.auth.keys());
        let unaware = another_process(&world, Algorithm::EdDsa).await;
        world.auth.keys().withdraw(leaked, Authority::Operator, &Reason::default()).await.unwrap();
        assert_eq!(keys(world.auth.keys()), [(before, "signing"), (leaked, "withdrawn")]);

        // It believes that `before` was replaced long enough ago.
        world.clock.advance(Duration::from_secs(900 + 121));
        assert_eq!(keys(&unaware), [(before, "retiring"), (leaked, "signing")]);
        unaware.keep_fresh().await.unwrap();
        assert_eq!(keys(&unaware), [(before, "signing"), (leaked, "withdrawn")]);
        let ann = world.register("ann@example.com").await;
        world.verifier.set_keys(world.auth.keys().jwks().to_string().as_bytes()).unwrap();
        assert!(world.accepts(&ann));
    }

    async fn j13_keys_that_do_not_sign_can_be_withdrawn_too(world: World) {
        let first = signing(world.auth.keys());
        world.auth.keys().rotate(Authority::Operator).await.unwrap();
        let next = keys(world.auth.keys())[1].0;
        world.auth.keys().withdraw(next, Authority::Operator, &Reason::default()).await.unwrap();
        assert_eq!(keys(world.auth.keys()), [(first, "signing"), (next, "withdrawn")]);
        // The schedule goes on as if nothing had been.
        world.clock.advance(seconds(30 * 86_400));
        world.auth.keys().keep_fresh().await.unwrap();
        let states: Vec<&str> = keys(world.auth.keys()).into_iter().map(|(_, state)| state).collect();
        assert_eq!(states, ["signing", "next", "withdrawn"]);
    }

    async fn j13_what_steps_in_has_the_configured_algorithm(world: World) {
        let old = signing(world.auth.keys());
        let changed = another_process(&world, Algorithm::Es256).await;
        changed.withdraw(old, Authority::Operator, &Reason::default()).await.unwrap();
        assert_eq!(changed.algorithms(), ["ES256"]);
        changed.rotate(Authority::Operator).await.unwrap();
        world.clock.advance(seconds(OVERLAP));
        let leaked = signing(&changed);
        let back = another_process(&world, Algorithm::EdDsa).await;
        back.withdraw(leaked, Authority::Operator, &Reason::default()).await.unwrap();
        let signs = back.list().into_iter().find(|key| key.state == "signing").unwrap();
        assert_eq!(signs.algorithm, Algorithm::EdDsa);
    }

    async fn j13_another_process_signs_with_the_new_key_once_it_has_heard(world: World) {
        let other = another_process(&world, Algorithm::EdDsa).await;
        let leaked = signing(&other);
        world.auth.keys().withdraw(leaked, Authority::Operator, &Reason::default()).await.unwrap();
        other.reload().await.unwrap();
        assert_eq!(keys(&other), keys(world.auth.keys()));
        assert_eq!(published(&other), [signing(world.auth.keys()).to_string()]);
    }

    async fn j13_withdrawals_beside_rotations_always_leave_a_key_that_signs(world: World) {
        for _ in 0..4 {
            let mut tasks = Vec::new();
            for key in world.auth.keys().list().into_iter().filter(|key| key.state != "withdrawn") {
                for _ in 0..2 {
                    let process = another_process(&world, Algorithm::EdDsa).await;
                    tasks.push(tokio::spawn(async move { drop(process.withdraw(key.id, Authority::Operator, &Reason::default()).await) }));
                }
            }
            for _ in 0..4 {
                let process = another_process(&world, Algorithm::EdDsa).await;
                tasks.push(tokio::spawn(async move {
                    process.rotate(Authority::Operator).await.unwrap();
                    process.keep_fresh().await.unwrap();
                }));
            }
            let here = world.auth.keys().clone();
            let first = signing(&here);
            tasks.push(tokio::spawn(async move { drop(here.withdraw(first, Authority::Operator, &Reason::default()).await) }));
            tasks.push({
                let here = world.auth.keys().clone();
                tokio::spawn(async move { here.reload().await.unwrap() })
            });
            for task in tasks {
                task.await.unwrap();
            }
            world.auth.keys().reload().await.unwrap();
            let now: Timestamp = world.clock.now();
            let signs = world.auth.keys().list().into_iter().find(|key| key.state == "signing").unwrap();
            assert!(signs.signs_from <= now && signs.id != first);
            world.clock.advance(seconds(OVERLAP));
        }
    }
}
