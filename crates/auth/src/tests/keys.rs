//! The signing keys' lives.

use std::time::Duration;

use kernel::MasterKeys;
use users::Authority;

use super::{PASSWORD, World, on_both, settings};
use crate::Auth;
use crate::keys::{Algorithm, Keys, KeysError, OVERLAP};

fn states(world: &World) -> Vec<&'static str> {
    world.auth.keys().list().iter().map(|key| key.state).collect()
}

on_both! {
    async fn j12_a_new_key_is_published_before_it_signs_and_the_old_one_until_its_last_token_is_dead(world: World) {
        let ann = world.register("ann@example.com").await;
        let kid = |token: &str| {
            let header = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, token.split('.').next().unwrap());
            serde_json::from_slice::<serde_json::Value>(&header.unwrap()).unwrap()["kid"].as_str().unwrap().to_owned()
        };
        world.auth.keys().rotate(Authority::Operator).await.unwrap();
        assert_eq!(states(&world), ["signing", "next"]);
        assert_eq!(world.auth.keys().jwks()["keys"].as_array().unwrap().len(), 2);
        let published = world.auth.keys().jwks().to_string();

        world.clock.advance(Duration::from_secs(u64::try_from(OVERLAP).unwrap() - 1));
        let before = crate::refresh(&world.auth, &ann.refresh_token).await.unwrap();
        assert_eq!(kid(&before.access_token), kid(&ann.access_token));
        world.clock.advance(Duration::from_secs(1));
        let after = world.sign_in("ann@example.com", PASSWORD).await.unwrap();
        assert_ne!(kid(&after.access_token), kid(&ann.access_token));
        assert_eq!(states(&world), ["retiring", "signing"]);
        // A verifier that has not fetched the keys since they were published knows both.
        world.verifier.set_keys(published.as_bytes()).unwrap();
        assert!(world.accepts(&before) && world.accepts(&after));

        world.clock.advance(Duration::from_secs(900 + 120));
        world.auth.keys().keep_fresh().await.unwrap();
        assert_eq!(states(&world), ["retiring", "signing"]);
        world.clock.advance(Duration::from_secs(1));
        world.auth.keys().keep_fresh().await.unwrap();
        assert_eq!(states(&world), ["signing"]);
    }

    async fn keys_rotate_by_schedule_and_once_for_all_processes(world: World) {
        world.auth.keys().keep_fresh().await.unwrap();
        assert_eq!(states(&world), ["signing"]);
        world.clock.advance(Duration::from_secs(30 * 86_400));
        let tokens = settings(Algorithm::EdDsa).tokens;
        let other = Keys::load(world.auth.db(), &world.clock, &tokens, &world.master).await.unwrap();
        // This process still believes that the old key is the newest one.
        world.auth.keys().keep_fresh().await.unwrap();
        other.keep_fresh().await.unwrap();
        assert_eq!(states(&world), ["signing", "next"]);
    }

    async fn a_changed_algorithm_makes_a_new_key(world: World) {
        let tokens = settings(Algorithm::Es256).tokens;
        let changed = Keys::load(world.auth.db(), &world.clock, &tokens, &world.master).await.unwrap();
        changed.keep_fresh().await.unwrap();
        assert_eq!(changed.algorithms(), ["ES256", "EdDSA"]);
        assert_eq!(changed.list().iter().map(|key| key.state).collect::<Vec<_>>(), ["signing", "next"]);
        // Another process that is still configured the old way does not take turns with this one.
        for _ in 0..3 {
            world.auth.keys().keep_fresh().await.unwrap();
            changed.keep_fresh().await.unwrap();
        }
        assert_eq!(changed.list().len(), 2);
    }

    async fn processes_that_start_together_make_one_key(world: World) {
        let tokens = settings(Algorithm::EdDsa).tokens;
        world.clock.advance(Duration::from_secs(31 * 86_400));
        let mut starts = Vec::new();
        for _ in 0..6 {
            let keys = Keys::load(world.auth.db(), &world.clock, &tokens, &world.master).await.unwrap();
            starts.push(tokio::spawn(async move { keys.keep_fresh().await.unwrap() }));
        }
        for start in starts {
            start.await.unwrap();
        }
        world.auth.keys().reload().await.unwrap();
        assert_eq!(world.auth.keys().list().len(), 2);
    }

    async fn p11_another_master_key_is_refused_at_start_and_a_ring_is_not(world: World) {
        world.register("ann@example.com").await;
        let tokens = settings(Algorithm::EdDsa).tokens;
        let foreign = Keys::load(world.auth.db(), &world.clock, &tokens, &MasterKeys::generate()).await;
        assert!(matches!(foreign.err(), Some(KeysError::WrongMasterKey)));
        let ring = format!("{}{}", &*MasterKeys::generate().to_text(), &*world.master.to_text());
        let ring = MasterKeys::parse(&ring).unwrap();
        let rotated = Auth::new(world.auth.users().clone(), settings(Algorithm::EdDsa), &ring).await.unwrap();
        let credentials = crate::Credentials { email: "ann@example.com".into(), password: PASSWORD.into() };
        // The first sign-in rehashes with the new pepper, the second finds it.
        for _ in 0..2 {
            crate::sign_in(&rotated, &credentials, None, &super::super::client()).await.unwrap();
        }
        assert!(world.sign_in("ann@example.com", PASSWORD).await.is_err(), "the old ring does not know the new pepper");
    }
}

#[tokio::test]
async fn tokens_of_every_algorithm_verify() {
    for algorithm in [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Rs256] {
        let world = World::sqlite().await;
        let keys = Keys::load(world.auth.db(), &world.clock, &settings(algorithm).tokens, &world.master).await.unwrap();
        keys.keep_fresh().await.unwrap();
        world.clock.advance(Duration::from_secs(u64::try_from(OVERLAP).unwrap()));
        let claims = serde_json::json!({
            "iss": super::ISSUER, "sub": "s", "aud": super::ISSUER, "sid": "i", "epoch": 1, "client_id": "c", "jti": "j",
            "iat": world.clock.now().unix_seconds(), "exp": world.clock.now().unix_seconds() + 60, "auth_time": 1,
            "amr": ["pwd"], "roles": [], "scope": ""
        });
        let token = keys.sign(claims.to_string().as_bytes(), world.clock.now()).unwrap();
        world.verifier.set_keys(keys.jwks().to_string().as_bytes()).unwrap();
        world.verifier.check(&token, world.clock.now().unix_seconds()).unwrap();
    }
}
