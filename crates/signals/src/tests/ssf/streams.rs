//! What is published, and the management of streams.

use super::*;

const SUPPORTED: [&str; 5] = [
    "https://schemas.openid.net/secevent/caep/event-type/session-revoked",
    "https://schemas.openid.net/secevent/caep/event-type/credential-change",
    "https://schemas.openid.net/secevent/risc/event-type/account-disabled",
    "https://schemas.openid.net/secevent/risc/event-type/account-enabled",
    "https://schemas.openid.net/secevent/risc/event-type/account-purged",
];

#[tokio::test]
async fn e2_the_metadata_names_everything_that_there_is() {
    let world = World::with_issuer("https://id.example.com").await;
    let (status, metadata) = world.call("GET", "/.well-known/ssf-configuration", "", Value::Null).await;
    assert_eq!(status, 200);
    let expected = json!({
        "spec_version": "1_0",
        "issuer": "https://id.example.com",
        "jwks_uri": "https://id.example.com/.well-known/ssf-jwks.json",
        "delivery_methods_supported": ["urn:ietf:rfc:8935", "urn:ietf:rfc:8936"],
        "configuration_endpoint": "https://id.example.com/api/v1/ssf/stream",
        "status_endpoint": "https://id.example.com/api/v1/ssf/status",
        "verification_endpoint": "https://id.example.com/api/v1/ssf/verify",
        "authorization_schemes": [{ "spec_urn": "urn:ietf:rfc:6750" }],
        "default_subjects": "ALL",
        "signing_alg_values_supported": ["EdDSA", "ES256", "RS256"],
    });
    assert_eq!(metadata, expected);
}

on_both! {
    async fn e3_a_stream_is_made_read_changed_replaced_and_deleted(world: World) {
        let token = world.receiver("siem").await;
        assert_eq!(world.call("GET", "/api/v1/ssf/stream", &token, Value::Null).await, (200, json!([])));
        let wanted = json!({ "events_requested": [SUPPORTED[0], "urn:example:unknown"], "description": "ours" });
        let (status, made) = world.call("POST", "/api/v1/ssf/stream", &token, wanted).await;
        let id = made["stream_id"].as_str().unwrap().to_owned();
        let expected = json!({
            "stream_id": id, "iss": ISSUER, "aud": AUDIENCE,
            "events_supported": SUPPORTED,
            "events_requested": [SUPPORTED[0], "urn:example:unknown"],
            "events_delivered": [SUPPORTED[0]],
            "delivery": { "method": "urn:ietf:rfc:8936", "endpoint_url": format!("{ISSUER}/api/v1/ssf/poll/{id}") },
            "min_verification_interval": 60, "description": "ours", "signing_alg": "EdDSA",
        });
        assert_eq!((status, &made), (201, &expected));
        let address = format!("/api/v1/ssf/stream?stream_id={id}");
        assert_eq!(world.call("GET", &address, &token, Value::Null).await, (200, made.clone()));
        assert_eq!(world.call("GET", "/api/v1/ssf/stream", &token, Value::Null).await, (200, json!([made])));
        let again = world.call("POST", "/api/v1/ssf/stream", &token, json!({})).await;
        assert_eq!(again, (409, json!({ "code": "stream_exists" })));

        let patch = json!({ "stream_id": id, "events_requested": [SUPPORTED[1]], "signing_alg": "ES256" });
        let (status, patched) = world.call("PATCH", "/api/v1/ssf/stream", &token, patch).await;
        assert_eq!((status, &patched["events_delivered"]), (200, &json!([SUPPORTED[1]])));
        assert_eq!((&patched["description"], &patched["signing_alg"]), (&json!("ours"), &json!("ES256")));

        // What was read can be sent back as it is, and changes nothing.
        let (status, same) = world.call("PUT", "/api/v1/ssf/stream", &token, patched.clone()).await;
        assert_eq!((status, same), (200, patched));
        let (status, put) = world.call("PUT", "/api/v1/ssf/stream", &token, json!({ "stream_id": id })).await;
        assert_eq!((status, &put["events_delivered"]), (200, &json!(SUPPORTED)));
        assert_eq!((put.get("description"), &put["signing_alg"]), (None, &json!("EdDSA")));

        assert_eq!(world.call("DELETE", &address, &token, Value::Null).await.0, 204);
        assert_eq!(world.call("GET", &address, &token, Value::Null).await.0, 404);
        assert_eq!(world.call("DELETE", &address, &token, Value::Null).await.0, 404);
        assert_eq!(world.call("GET", "/api/v1/ssf/stream", &token, Value::Null).await, (200, json!([])));
        world.stream(&token, json!({})).await;
        let newest = storage::ledger::after(&mut world.signals.db().read().await.unwrap(), -1, 100).await.unwrap();
        if !world.signals.db().is_shared() {
            let kinds = ["stream.created", "stream.updated", "stream.deleted"];
            let count = |kind: &str| newest.iter().filter(|(_, body)| body.contains(&format!("\"{kind}\""))).count();
            assert_eq!(kinds.map(count), [2, 3, 1]);
        }
    }

    async fn e3_nobody_touches_the_stream_of_another(world: World) {
        let (ann, bob) = (world.receiver("ann").await, world.receiver("bob").await);
        let id = world.stream(&ann, json!({})).await;
        let body = json!({ "stream_id": id, "status": "paused", "state": "x" });
        let calls = [
            ("GET", format!("/api/v1/ssf/stream?stream_id={id}"), Value::Null),
            ("PATCH", "/api/v1/ssf/stream".into(), body.clone()),
            ("PUT", "/api/v1/ssf/stream".into(), body.clone()),
            ("DELETE", format!("/api/v1/ssf/stream?stream_id={id}"), Value::Null),
            ("GET", format!("/api/v1/ssf/status?stream_id={id}"), Value::Null),
            ("POST", "/api/v1/ssf/status".into(), body.clone()),
            ("POST", "/api/v1/ssf/verify".into(), body.clone()),
            ("POST", format!("/api/v1/ssf/poll/{id}"), json!({ "returnImmediately": true })),
        ];
        let name = ServiceName::parse("verifier").unwrap();
        let verifier = service_token::create(&world.signals, TokenKind::Verifier, &name, None).await.unwrap().1;
        for (method, path, body) in &calls {
            assert_eq!(world.call(method, path, &bob, body.clone()).await.0, 404, "{method} {path}");
            assert_eq!(world.call(method, path, "urt_wrong", body.clone()).await.0, 401, "{method} {path}");
            assert_eq!(world.call(method, path, verifier.reveal(), body.clone()).await.0, 401, "{method} {path}");
        }
        assert_eq!(world.call("POST", "/api/v1/ssf/stream", "", json!({})).await.0, 401);
        assert_eq!(world.call("GET", "/api/v1/ssf/stream?stream_id=nonsense", &ann, Value::Null).await.0, 404);
        // And none of it has changed anything.
        let (_, status) = world.call("GET", &format!("/api/v1/ssf/status?stream_id={id}"), &ann, Value::Null).await;
        assert_eq!(status, json!({ "stream_id": id, "status": "enabled" }));
    }

    async fn e3_what_makes_no_sense_is_refused(world: World) {
        let token = world.receiver("siem").await;
        let push = |url: &str| json!({ "delivery": { "method": "urn:ietf:rfc:8935", "endpoint_url": url } });
        let header = json!({ "method": "urn:ietf:rfc:8935", "endpoint_url": "http://127.0.0.1:9/",
            "authorization_header": "a\r\nb" });
        let broken = [
            json!("text"),
            json!({ "events_requested": "all" }),
            json!({ "delivery": { "method": "carrier-pigeon" } }),
            json!({ "delivery": { "method": "urn:ietf:rfc:8935" } }),
            push("http://receiver.example.com/"),
            push("ftp://receiver.example.com/"),
            push("https://10.0.0.1/"),
            json!({ "delivery": header }),
            json!({ "signing_alg": "none" }),
            json!({ "signing_alg": "HS256" }),
            json!({ "description": "x".repeat(513) }),
        ];
        for body in broken {
            assert_eq!(world.call("POST", "/api/v1/ssf/stream", &token, body.clone()).await.0, 400, "{body}");
        }
        let id = world.stream(&token, json!({})).await;
        let wrong = [
            json!({}),
            json!({ "stream_id": id, "iss": "https://other.example.com" }),
            json!({ "stream_id": id, "aud": "https://other.example.com" }),
            json!({ "stream_id": id, "events_delivered": [SUPPORTED[0]] }),
            json!({ "stream_id": id, "events_supported": [] }),
            json!({ "stream_id": id, "min_verification_interval": 1 }),
        ];
        for body in wrong {
            assert_eq!(world.call("PATCH", "/api/v1/ssf/stream", &token, body.clone()).await.0, 400, "{body}");
            assert_eq!(world.call("PUT", "/api/v1/ssf/stream", &token, body.clone()).await.0, 400, "{body}");
        }
        for body in [json!({ "stream_id": id }), json!({ "stream_id": id, "status": "asleep" })] {
            assert_eq!(world.call("POST", "/api/v1/ssf/status", &token, body).await.0, 400);
        }
        assert_eq!(world.call("DELETE", "/api/v1/ssf/stream", &token, Value::Null).await.0, 400);
        assert_eq!(world.call("POST", "/api/v1/ssf/verify", &token, json!({})).await.0, 400);
    }

    async fn e3_a_receiver_that_was_taken_back_has_no_stream(world: World) {
        let token = world.receiver("siem").await;
        world.stream(&token, json!({})).await;
        let name = ServiceName::parse("siem").unwrap();
        service_token::revoke(&world.signals, TokenKind::Receiver, &name).await.unwrap();
        assert_eq!(world.call("GET", "/api/v1/ssf/stream", &token, Value::Null).await.0, 401);
        crate::ssf::tidy_up(&world.signals).await.unwrap();
        let row: Count = storage::fetch_one!(
            &mut world.signals.db().read().await.unwrap(),
            "SELECT COUNT(*) AS count FROM signal_streams"
        )
        .unwrap();
        assert_eq!(row.count, 0);
        let new = world.receiver("siem").await;
        world.stream(&new, json!({})).await;
    }

    async fn e6_a_verification_echoes_its_state_and_too_soon_is_429(world: World) {
        let token = world.receiver("siem").await;
        let id = world.stream(&token, json!({ "events_requested": [] })).await;
        let body = json!({ "stream_id": id, "state": "VGhpcyBpcw==" });
        assert_eq!(world.call("POST", "/api/v1/ssf/verify", &token, body.clone()).await.0, 204);
        let set = world.polled(&token, &id, 1).await.remove(0);
        assert_eq!(set.event(), ("verification", &json!({ "state": "VGhpcyBpcw==" })));
        assert_eq!(set.claims["sub_id"], json!({ "format": "opaque", "id": id }));
        world.clock.advance(Duration::from_secs(59));
        let soon = world.call("POST", "/api/v1/ssf/verify", &token, body).await;
        assert_eq!(soon, (429, json!({ "code": "too_many_verifications" })));
        world.clock.advance(Duration::from_secs(1));
        for _ in 0..3 {
            let body = json!({ "stream_id": id });
            assert_eq!(world.call("POST", "/api/v1/ssf/verify", &token, body).await.0, 204);
            world.clock.advance(Duration::from_secs(60));
        }
        let sets = world.polled(&token, &id, 4).await;
        assert_eq!(sets.iter().filter(|set| set.event().1 == &json!({})).count(), 3);
        world.set_status(&token, &id, "disabled").await;
        let body = json!({ "stream_id": id });
        assert_eq!(world.call("POST", "/api/v1/ssf/verify", &token, body).await.0, 400);
    }
}
