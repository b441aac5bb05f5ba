//! Tokens that are pushed: to receivers that take them, refuse them, fail, are slow, or are away.

use std::collections::BTreeSet;
use std::time::Instant;

use super::*;

#[derive(sqlx::FromRow)]
struct Sealed {
    authorization_sealed: Vec<u8>,
}

on_both! {
    async fn e4_what_was_accepted_is_sent_once_with_what_the_receiver_wanted(world: World) {
        let receiver = Receiver::listen().await;
        world.pushing("siem", &receiver).await;
        world.transmit();
        world.sign_out().await;
        let set = receiver.has(1).await.remove(0);
        assert!(set.is_signed_by(&world.jwks().await));
        {
            let got = receiver.got.lock().unwrap();
            let header = |name: &str| got[0].0.get(name).unwrap().to_str().unwrap().to_owned();
            assert_eq!(header("content-type"), "application/secevent+jwt");
            assert_eq!(header("authorization"), "Bearer push-secret");
            assert_eq!(header("accept"), "application/json");
        }
        let stored: Sealed = storage::fetch_one!(
            &mut world.signals.db().read().await.unwrap(),
            "SELECT authorization_sealed FROM signal_streams"
        )
        .unwrap();
        let text = String::from_utf8_lossy(&stored.authorization_sealed).into_owned();
        assert!(stored.authorization_sealed.len() > 18 && !text.contains("push-secret"), "it is sealed at rest");
        receiver.stays_at(1).await;
    }

    async fn e4_what_was_refused_is_not_sent_again_and_the_next_is(world: World) {
        let receiver = Receiver::listen().await;
        receiver.answers(&[Reply::Error("invalid_audience")]);
        world.pushing("siem", &receiver).await;
        world.transmit();
        world.sign_out().await;
        world.sign_out().await;
        let sets = receiver.has(2).await;
        assert_ne!(sets[0].jti(), sets[1].jti());
        receiver.stays_at(2).await;
    }

    async fn e4_what_failed_is_sent_again_with_the_same_id_and_in_order(world: World) {
        let receiver = Receiver::listen().await;
        let failures = [
            Reply::Status(503),
            Reply::Status(500),
            Reply::Status(200),
            Reply::Error("authentication_failed"),
            Reply::Status(401),
            Reply::Redirect("http://127.0.0.1:1/elsewhere".into()),
        ];
        receiver.answers(&failures);
        world.pushing("siem", &receiver).await;
        world.transmit();
        world.sign_out().await;
        world.sign_out().await;
        for attempt in 1..=failures.len() {
            receiver.has(attempt).await;
            world.later().await;
        }
        let sets = receiver.has(failures.len() + 2).await;
        let first = &sets[0];
        assert!(sets[..=failures.len()].iter().all(|set| set.text == first.text), "the first, until it is taken");
        assert_ne!(sets[failures.len() + 1].jti(), first.jti());
        receiver.stays_at(failures.len() + 2).await;
    }

    async fn e4_a_token_that_a_receiver_fails_over_holds_nobody_up_for_ever(world: World) {
        let receiver = Receiver::listen().await;
        receiver.answers(&[(); 5].map(|()| Reply::Status(500)));
        world.pushing("siem", &receiver).await;
        world.transmit();
        world.sign_out().await;
        for attempt in 1..=4 {
            receiver.has(attempt).await;
            world.later().await;
        }
        receiver.has(5).await;
        world.sign_out().await;
        let sets = receiver.has(6).await;
        assert_ne!(sets[5].jti(), sets[0].jti());
        world.later().await;
        assert_eq!(receiver.has(7).await[6].jti(), sets[0].jti(), "it was kept");
        receiver.stays_at(7).await;
    }

    async fn e4_a_slow_receiver_delays_no_other(world: World) {
        let (slow, quick) = (Receiver::listen().await, Receiver::listen().await);
        slow.answers(&[(); 10].map(|()| Reply::Never));
        world.pushing("slow", &slow).await;
        world.pushing("quick", &quick).await;
        world.transmit();
        world.sign_out().await;
        slow.has(1).await;
        let begun = Instant::now();
        for _ in 0..5 {
            world.sign_out().await;
        }
        quick.has(6).await;
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        assert_eq!(slow.sets().len(), 1);
    }

    async fn e10_a_sign_out_leaves_within_five_seconds(world: World) {
        let receiver = Receiver::listen().await;
        world.pushing("siem", &receiver).await;
        world.transmit();
        let mut longest = Duration::ZERO;
        for count in 1..=100 {
            let begun = Instant::now();
            world.sign_out().await;
            receiver.has(count).await;
            longest = longest.max(begun.elapsed());
        }
        assert!(longest < Duration::from_secs(5), "{longest:?}");
    }

    async fn e10_a_receiver_that_was_away_for_a_day_has_lost_nothing(world: World) {
        let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let receiver = Receiver { url: format!("http://{address}/events"), ..Receiver::listen().await };
        world.pushing("siem", &receiver).await;
        world.transmit();
        let mut users = Vec::new();
        for _ in 0..24 {
            users.push(world.sign_out().await.0.to_string());
            world.clock.advance(Duration::from_secs(3600));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        crate::ssf::tidy_up(&world.signals).await.unwrap();
        // It comes back at its old address.
        let listener = tokio::net::TcpListener::bind(address).await.unwrap();
        let got = receiver.got.clone();
        let router = axum::Router::new().fallback(move |headers: HeaderMap, body: Bytes| {
            let got = got.clone();
            async move {
                got.lock().unwrap().push((headers, Set::read(std::str::from_utf8(&body).unwrap())));
                axum::http::StatusCode::ACCEPTED
            }
        });
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        world.later().await;
        let sets = receiver.has(24).await;
        let order: Vec<&str> = sets.iter().map(|set| set.claims["sub_id"]["user"]["sub"].as_str().unwrap()).collect();
        assert_eq!(order, users);
    }

    async fn e4_a_changed_address_never_gets_the_old_secret(world: World) {
        let (old, new) = (Receiver::listen().await, Receiver::listen().await);
        let (token, id) = world.pushing("siem", &old).await;
        world.transmit();
        let delivery = json!({ "method": "urn:ietf:rfc:8935", "endpoint_url": new.url });
        let patch = json!({ "stream_id": id, "delivery": delivery });
        let (status, stream) = world.call("PATCH", "/api/v1/ssf/stream", &token, patch).await;
        assert_eq!((status, &stream["delivery"]), (200, &delivery));
        world.sign_out().await;
        new.has(1).await;
        assert!(!new.got.lock().unwrap()[0].0.contains_key("authorization"));
        assert!(old.sets().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e10_two_nodes_send_each_token_once() {
    let world = World::postgres().await;
    let other = world.another_node().await;
    let receiver = Receiver::listen().await;
    world.pushing("siem", &receiver).await;
    world.transmit();
    tokio::spawn(async move { other.transmit().await });
    for _ in 0..40 {
        world.sign_out().await;
    }
    let sets = receiver.has(40).await;
    receiver.stays_at(40).await;
    assert_eq!(sets.iter().map(Set::jti).collect::<BTreeSet<_>>().len(), 40);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e10_what_was_under_way_when_the_process_stopped_is_sent_by_the_next() {
    let world = World::sqlite().await;
    let receiver = Receiver::listen().await;
    receiver.answers(&[Reply::Status(503)]);
    world.pushing("siem", &receiver).await;
    let transmitting = world.transmit();
    world.sign_out().await;
    let first = receiver.has(1).await.remove(0);
    world.signals.stop();
    tokio::time::timeout(Duration::from_secs(10), transmitting).await.expect("it stops").unwrap();
    world.sign_out().await;
    world.signals.db().close().await;
    let World { signals, clock, master, database, issuer, folder } = world;
    drop(signals);
    let signals = open(&database, &clock, &master, &issuer).await;
    let world = World { signals, clock, master, database, issuer, folder };
    world.later().await;
    world.transmit();
    let sets = receiver.has(3).await;
    assert_eq!(sets[1].text, first.text);
    assert_ne!(sets[2].jti(), first.jti());
    receiver.stays_at(3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e4_no_name_leads_inside() {
    let world = World::with_issuer("https://id.example.com").await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let token = world.receiver("siem").await;
    for inside in ["http://localhost", "https://localhost", "https://127.0.0.1", "https://[::1]", "https://192.168.1.1"]
    {
        let delivery = json!({ "method": "urn:ietf:rfc:8935", "endpoint_url": format!("{inside}:{port}/") });
        let (status, _) = world.call("POST", "/api/v1/ssf/stream", &token, json!({ "delivery": delivery })).await;
        assert_eq!(status, 400, "{inside}");
    }
    // What a name leads to is looked at when it is connected to: `outbound` has tests of that.
    let connected = tokio::time::timeout(Duration::from_millis(200), listener.accept()).await;
    assert!(connected.is_err(), "somebody connected");
}
