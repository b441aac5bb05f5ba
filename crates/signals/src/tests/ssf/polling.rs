//! Receivers that come for their tokens, and streams that are paused.

use std::time::Instant;

use super::*;

on_both! {
    async fn e4_what_was_not_acknowledged_comes_again_and_what_was_never(world: World) {
        let token = world.receiver("siem").await;
        let id = world.stream(&token, json!({})).await;
        world.transmit();
        for _ in 0..5 {
            world.sign_out().await;
        }
        let all = world.polled(&token, &id, 5).await;
        let first = world.poll(&token, &id, json!({ "maxEvents": 2 })).await;
        assert_eq!((first["sets"].as_object().unwrap().len(), &first["moreAvailable"]), (2, &json!(true)));
        assert_eq!(world.poll(&token, &id, json!({ "maxEvents": 2 })).await, first);
        let acked: Vec<&String> = first["sets"].as_object().unwrap().keys().collect();
        assert_eq!(acked, [all[0].jti(), all[1].jti()], "the oldest come first");
        let none = world.poll(&token, &id, json!({ "ack": acked, "maxEvents": 0 })).await;
        assert_eq!(none, json!({ "sets": {}, "moreAvailable": true }));
        let refused = json!({ all[2].jti(): { "err": "invalid_audience", "description": "not me" } });
        let rest = world.poll(&token, &id, json!({ "setErrs": refused, "ack": ["unknown"] })).await;
        let left: Vec<&str> = rest["sets"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!((left, &rest["moreAvailable"]), (vec![all[3].jti(), all[4].jti()], &json!(false)));
        let last = world.poll(&token, &id, json!({ "ack": [all[3].jti(), all[4].jti()] })).await;
        assert_eq!(last, json!({ "sets": {}, "moreAvailable": false }));
    }

    async fn e4_nobody_acknowledges_for_another(world: World) {
        let (ann, bob) = (world.receiver("ann").await, world.receiver("bob").await);
        let (first, second) = (world.stream(&ann, json!({})).await, world.stream(&bob, json!({})).await);
        world.transmit();
        world.sign_out().await;
        let set = world.polled(&ann, &first, 1).await.remove(0);
        world.poll(&bob, &second, json!({ "ack": [set.jti()], "setErrs": { set.jti(): { "err": "x" } } })).await;
        assert_eq!(world.polled(&ann, &first, 1).await[0].jti(), set.jti());
    }

    async fn e4_a_poll_waits_for_the_next_event(world: World) {
        let token = world.receiver("siem").await;
        let id = world.stream(&token, json!({})).await;
        world.transmit();
        let begun = Instant::now();
        let path = format!("/api/v1/ssf/poll/{id}");
        let (polled, ()) = tokio::join!(world.call("POST", &path, &token, json!({})), async {
            tokio::time::sleep(Duration::from_millis(400)).await;
            world.sign_out().await;
        });
        assert_eq!(polled.1["sets"].as_object().unwrap().len(), 1);
        assert!(begun.elapsed() >= Duration::from_millis(400) && begun.elapsed() < Duration::from_secs(10));
    }

    async fn e3_a_poll_ends_when_its_receiver_is_taken_back(world: World) {
        let token = world.receiver("siem").await;
        let id = world.stream(&token, json!({})).await;
        world.transmit();
        let path = format!("/api/v1/ssf/poll/{id}");
        let (polled, ()) = tokio::join!(world.call("POST", &path, &token, json!({})), async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let name = ServiceName::parse("siem").unwrap();
            service_token::revoke(&world.signals, TokenKind::Receiver, &name).await.unwrap();
            world.sign_out().await;
        });
        assert_eq!(polled, (404, json!({ "code": "not_found" })));
    }

    async fn e5_a_paused_stream_keeps_its_events_in_order_and_a_disabled_one_keeps_none(world: World) {
        let receiver = Receiver::listen().await;
        let (token, id) = world.pushing("siem", &receiver).await;
        world.transmit();
        world.set_status(&token, &id, "paused").await;
        let told = receiver.has(1).await;
        assert_eq!(told[0].event(), ("stream-updated", &json!({ "status": "paused", "reason": "because" })));
        assert_eq!(told[0].claims["sub_id"], json!({ "format": "opaque", "id": id }));
        let mut users = Vec::new();
        for _ in 0..5 {
            users.push(world.sign_out().await.0.to_string());
        }
        receiver.stays_at(1).await;

        world.set_status(&token, &id, "enabled").await;
        let told = receiver.has(7).await;
        let revoked: Vec<&Set> = told.iter().filter(|set| set.event().0 == "session-revoked").collect();
        let order: Vec<&str> = revoked.iter().map(|set| set.claims["sub_id"]["user"]["sub"].as_str().unwrap()).collect();
        assert_eq!(order, users);
        assert!(told.iter().any(|set| set.event().1["status"] == "enabled"));

        world.set_status(&token, &id, "paused").await;
        world.sign_out().await;
        receiver.has(8).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        world.set_status(&token, &id, "disabled").await;
        assert_eq!(receiver.has(9).await[8].event().1["status"], "disabled");
        world.sign_out().await;
        receiver.stays_at(9).await;
        world.set_status(&token, &id, "enabled").await;
        assert_eq!(receiver.has(10).await[9].event().1["status"], "enabled");
        receiver.stays_at(10).await;
        let (user, _) = world.sign_out().await;
        assert_eq!(receiver.has(11).await[10].claims["sub_id"]["user"]["sub"], user.to_string());
    }

    async fn e5_a_stream_carries_nothing_from_before_it_was_made(world: World) {
        let early = world.receiver("early").await;
        let first = world.stream(&early, json!({})).await;
        world.transmit();
        world.sign_out().await;
        world.polled(&early, &first, 1).await;
        let late = world.receiver("late").await;
        let second = world.stream(&late, json!({})).await;
        let (user, _) = world.sign_out().await;
        world.polled(&early, &first, 2).await;
        let set = world.polled(&late, &second, 1).await.remove(0);
        assert_eq!(set.claims["sub_id"]["user"]["sub"], user.to_string());
    }

    async fn e5_what_nobody_comes_for_is_thrown_away_after_a_week_and_not_before(world: World) {
        let token = world.receiver("siem").await;
        let id = world.stream(&token, json!({})).await;
        world.transmit();
        world.sign_out().await;
        world.polled(&token, &id, 1).await;
        world.clock.advance(Duration::from_secs(7 * 86_400 - 1));
        crate::ssf::tidy_up(&world.signals).await.unwrap();
        world.polled(&token, &id, 1).await;
        world.clock.advance(Duration::from_secs(2));
        crate::ssf::tidy_up(&world.signals).await.unwrap();
        assert_eq!(world.poll(&token, &id, json!({})).await, json!({ "sets": {}, "moreAvailable": false }));
    }

    async fn e5_no_stream_grows_without_end(world: World) {
        let token = world.receiver("siem").await;
        let id = world.stream(&token, json!({})).await;
        world.transmit();
        world.sign_out().await;
        let first = world.polled(&token, &id, 1).await.remove(0);
        let mut tx = world.signals.db().begin().await.unwrap();
        // As many as it may have, all newer; in parts, since no statement may take longer than five seconds.
        for part in 0..10_i64 {
            storage::execute!(
                &mut tx,
                "INSERT INTO signal_events (jti, stream_id, ordinal, control, subject, claims, attempts, created_at)
                 WITH RECURSIVE more(n) AS (SELECT 1 + $2 * 10000 UNION ALL SELECT n + 1 FROM more WHERE n < ($2 + 1) * 10000)
                 SELECT 'more-' || n, e.stream_id, e.ordinal + n, e.control, NULL, e.claims, 0, e.created_at
                 FROM more, signal_events e WHERE e.jti = $1",
                first.jti(),
                part
            )
            .unwrap();
        }
        tx.commit().await.unwrap();
        assert_eq!(world.waiting().await, 100_001);
        crate::ssf::tidy_up(&world.signals).await.unwrap();
        assert_eq!(world.waiting().await, 100_000);
        let oldest = world.poll(&token, &id, json!({ "maxEvents": 1 })).await;
        assert!(oldest["sets"].get("more-1").is_some(), "the oldest is the one that went: {oldest}");
        crate::ssf::tidy_up(&world.signals).await.unwrap();
        assert_eq!(world.waiting().await, 100_000);
    }

    async fn e4_a_receiver_has_four_polls_waiting_and_a_fifth_is_answered_at_once(world: World) {
        let (ann, bob) = (world.receiver("ann").await, world.receiver("bob").await);
        let (first, second) = (world.stream(&ann, json!({})).await, world.stream(&bob, json!({})).await);
        let path = format!("/api/v1/ssf/poll/{first}");
        let wait = || world.call("POST", &path, &ann, json!({}));
        let empty = json!({ "sets": {}, "moreAvailable": false });
        let others = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let begun = Instant::now();
            assert_eq!(wait().await, (200, empty.clone()));
            assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
            // Somebody else still waits for as long as they like.
            let path = format!("/api/v1/ssf/poll/{second}");
            let patient = world.call("POST", &path, &bob, json!({}));
            assert!(tokio::time::timeout(Duration::from_secs(1), patient).await.is_err());
        };
        tokio::select! {
            answered = async { tokio::join!(wait(), wait(), wait(), wait()) } => panic!("{answered:?}"),
            () = others => {}
        }
        // They have hung up, and their places are free.
        assert!(tokio::time::timeout(Duration::from_secs(1), wait()).await.is_err());
    }

    async fn operators_see_the_stream_of_each_receiver(world: World) {
        let (ann, _) = (world.receiver("ann").await, world.receiver("bob").await);
        assert!(world.signals.receiver_streams().await.unwrap().is_empty());
        let id = world.stream(&ann, json!({})).await;
        world.transmit();
        world.sign_out().await;
        world.polled(&ann, &id, 1).await;
        world.set_status(&ann, &id, "paused").await;
        let streams = world.signals.receiver_streams().await.unwrap();
        let [stream] = streams.as_slice() else { panic!("{streams:?}") };
        // The sign-out, and the word that the stream is paused.
        assert_eq!((stream.status.as_str(), stream.is_pushed, stream.waiting), ("paused", false, 2));
    }
}
