//! What happens, and what receivers are told of it.

use std::collections::BTreeSet;

use super::*;

on_both! {
    async fn e1_a_token_is_a_security_event_and_nothing_else(world: World) {
        let token = world.receiver("siem").await;
        let id = world.stream(&token, json!({})).await;
        world.transmit();
        let (user, now) = (UserId::new(world.clock.now()), world.clock.now());
        let sessions = [SessionId::new(now), SessionId::new(now)];
        let changed = Event::new(Kind::PasswordChanged, now).by(user).in_session(SessionId::new(now));
        let changed = world.append(ending(changed, user, &sessions)).await;
        let sets = world.polled(&token, &id, 3).await;
        let jwks = world.jwks().await;
        for set in &sets {
            assert!(set.is_signed_by(&jwks));
            assert_eq!((&set.header["typ"], &set.header["alg"]), (&json!("secevent+jwt"), &json!("EdDSA")));
            let names: Vec<&String> = set.claims.as_object().unwrap().keys().collect();
            assert_eq!(names, ["aud", "events", "iat", "iss", "jti", "sub_id", "txn"]);
            assert_eq!((&set.claims["iss"], &set.claims["aud"]), (&json!(ISSUER), &json!(AUDIENCE)));
            assert!(set.claims["iat"].as_i64().unwrap() <= world.clock.now().unix_seconds());
            assert_eq!(set.claims["txn"], changed.id.to_string());
            assert_eq!(set.event().1["event_timestamp"], now.unix_seconds());
        }
        let ids: BTreeSet<&str> = sets.iter().map(Set::jti).collect();
        assert_eq!(ids.len(), 3);
        // No service that checks access tokens has a key for it, and no access token has a key here.
        let access = world.signals.auth().keys();
        access.keep_fresh().await.unwrap();
        let kids = |jwks: &Value| -> BTreeSet<String> {
            jwks["keys"].as_array().unwrap().iter().map(|key| key["kid"].to_string()).collect()
        };
        assert!(!kids(&access.jwks()).is_empty() && kids(&access.jwks()).is_disjoint(&kids(&jwks)));
    }

    async fn e1_two_streams_get_tokens_of_their_own(world: World) {
        let (ann, bob) = (world.receiver("ann").await, world.receiver("bob").await);
        let (first, second) = (world.stream(&ann, json!({})).await, world.stream(&bob, json!({})).await);
        world.transmit();
        world.sign_out().await;
        let (one, other) = (world.polled(&ann, &first, 1).await, world.polled(&bob, &second, 1).await);
        assert_ne!(one[0].jti(), other[0].jti());
        assert_eq!(one[0].claims["txn"], other[0].claims["txn"]);
    }

    async fn e7_e8_each_end_of_trust_is_told_as_the_standards_name_it(world: World) {
        let token = world.receiver("siem").await;
        let id = world.stream(&token, json!({})).await;
        world.transmit();
        let now = world.clock.now();
        let (user, admin, session) = (UserId::new(now), UserId::new(now), SessionId::new(now));
        let about = |kind| Event { actor: Some(admin), ..Event::new(kind, now).about(user) };
        let everything = |kind| Event {
            revokes: Some(Revocation::Subject { subject: user, epoch: 7 }),
            ..about(kind).with("reason", "Ann Smith of 12 High Street called")
        };
        let own = |kind| ending(Event::new(kind, now).by(user).in_session(session), user, &[session]);
        let stolen = Event::new(Kind::RefreshTokenReused, now).about(user).in_session(session);
        let cases = [
            (own(Kind::SessionEnded), vec![("session-revoked", "user")]),
            (own(Kind::OtherSessionsEnded), vec![("session-revoked", "user")]),
            (own(Kind::PasswordChanged), vec![("credential-change", "user"), ("session-revoked", "user")]),
            (own(Kind::EmailChanged), vec![("session-revoked", "user")]),
            (everything(Kind::EmailChanged), vec![("session-revoked", "admin")]),
            (everything(Kind::PasswordReset), vec![("credential-change", "user"), ("session-revoked", "user")]),
            (everything(Kind::EmailVerified), vec![("session-revoked", "user")]),
            (about(Kind::EmailVerified), vec![]),
            (ending(stolen, user, &[session]), vec![("session-revoked", "policy")]),
            (everything(Kind::AccountSignedOut), vec![("session-revoked", "admin")]),
            (everything(Kind::AccountSuspended), vec![("session-revoked", "admin"), ("account-disabled", "")]),
            (about(Kind::AccountReinstated), vec![("account-enabled", "")]),
            (everything(Kind::AccountDeleted), vec![("session-revoked", "admin"), ("account-purged", "")]),
            (about(Kind::AccountRestored), vec![("account-enabled", "")]),
            // These end no session and no account.
            (everything(Kind::RolesChanged), vec![]),
            (Event::new(Kind::SessionRefreshed, now).by(user), vec![]),
            (own(Kind::SessionEnded), vec![("session-revoked", "user")]),
        ];
        for (event, expected) in cases {
            let kind = event.kind;
            world.append(event.clone()).await;
            let sets = if expected.is_empty() { vec![] } else { world.polled(&token, &id, expected.len()).await };
            let account = json!({ "format": "iss_sub", "iss": ISSUER, "sub": user.to_string() });
            for (set, (name, entity)) in sets.iter().zip(&expected) {
                assert_eq!(set.claims["txn"], event.id.to_string());
                let (told, members) = set.event();
                assert_eq!(told, *name, "{kind:?}");
                let subject = match (*name, &event.revokes) {
                    ("session-revoked", Some(Revocation::Sessions { .. })) => json!({ "format": "complex",
                        "user": account, "session": { "format": "opaque", "id": session.to_string() } }),
                    ("session-revoked", _) => json!({ "format": "complex", "user": account }),
                    _ => account.clone(),
                };
                assert_eq!(set.claims["sub_id"], subject, "{kind:?}");
                if entity.is_empty() {
                    assert_eq!(members, &json!({}));
                } else {
                    assert_eq!(members["initiating_entity"], *entity, "{kind:?}");
                    assert!(members["reason_admin"]["en"].as_str().unwrap().ends_with('.'));
                }
                if *name == "credential-change" {
                    assert_eq!(members["change_type"], "update");
                    assert_eq!(members["credential_type"], "password");
                }
                assert!(!set.claims.to_string().contains("High Street"), "what an administrator typed stays here");
            }
            let ids: Vec<&str> = sets.iter().map(Set::jti).collect();
            world.poll(&token, &id, json!({ "ack": ids, "maxEvents": 0 })).await;
        }
    }

    async fn e9_each_stream_has_its_algorithm(world: World) {
        world.transmit();
        for (name, alg) in [("one", "EdDSA"), ("two", "ES256"), ("three", "RS256")] {
            let token = world.receiver(name).await;
            let id = world.stream(&token, json!({ "signing_alg": alg })).await;
            assert_eq!(world.call("POST", "/api/v1/ssf/verify", &token, json!({ "stream_id": id })).await.0, 204);
            let set = world.polled(&token, &id, 1).await.remove(0);
            assert_eq!(set.header["alg"], alg);
            let mut jwks = world.jwks().await;
            assert!(set.is_signed_by(&jwks));
            let mut forged = set.clone();
            forged.text = set.text.replacen('.', ".e", 1);
            assert!(!forged.is_signed_by(&jwks));
            if alg == "RS256" {
                let key = jwks["keys"].as_array().unwrap().iter().find(|key| key["alg"] == alg).unwrap();
                let modulus = URL_SAFE_NO_PAD.decode(key["n"].as_str().unwrap()).unwrap();
                assert!(modulus.len() * 8 >= 2048);
            }
            for key in jwks["keys"].as_array_mut().unwrap() {
                assert!(["d", "p", "q", "dp", "dq", "qi"].iter().all(|name| key.get(name).is_none()));
            }
        }
        assert_eq!(world.jwks().await["keys"].as_array().unwrap().len(), 3);
    }
}
