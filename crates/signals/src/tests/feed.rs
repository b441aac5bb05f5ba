//! What a listener hears.

use super::{World, ends, next, next_event};
use crate::TokenKind;

#[tokio::test]
async fn a_snapshot_comes_first_and_then_what_happens() {
    let world = World::following().await;
    let token = world.token(TokenKind::Verifier, "orders").await;
    let before = world.suspend(2).await;
    let index = world.caught_up().await;
    let mut stream = world.listen(&token, None).await;
    let snapshot = next_event(&mut stream).await;
    assert!(snapshot.starts_with(&format!("event: snapshot\nid: {index}\n")), "{snapshot}");
    assert!(snapshot.contains(&before.to_string()));
    let after = world.suspend(3).await;
    let event = next_event(&mut stream).await;
    assert!(event.starts_with(&format!("event: revoked\nid: {}\n", index + 1)), "{event}");
    assert!(event.contains(&after.to_string()) && event.contains(&format!("\"previous\":{index}")), "{event}");
}

#[tokio::test]
async fn who_was_away_for_a_moment_resumes_and_who_is_ahead_gets_a_snapshot() {
    let world = World::following().await;
    let token = world.token(TokenKind::Verifier, "orders").await;
    world.suspend(2).await;
    let index = world.caught_up().await;
    let missed = world.suspend(2).await;
    let newest = world.caught_up().await;
    let resumed = next_event(&mut world.listen(&token, Some(index)).await).await;
    assert!(resumed.starts_with("event: revoked") && resumed.contains(&missed.to_string()), "{resumed}");
    let current = next(&mut world.listen(&token, Some(newest)).await).await.unwrap();
    assert_eq!(current, format!(":\nid: {newest}\n\n"));
    for elsewhere in [newest + 1, -7] {
        let first = next_event(&mut world.listen(&token, Some(elsewhere)).await).await;
        assert!(first.starts_with("event: snapshot"), "{elsewhere}: {first}");
    }
}

#[tokio::test]
async fn a_group_has_one_number_at_its_end_and_is_resumed_whole() {
    let world = World::following().await;
    let token = world.token(TokenKind::Verifier, "orders").await;
    world.suspend(2).await;
    let index = world.caught_up().await;
    let sessions = world.end_sessions(3).await;
    let newest = world.caught_up().await;
    let group = next_event(&mut world.listen(&token, Some(index)).await).await;
    assert!(sessions.iter().all(|session| group.contains(&session.to_string())));
    assert_eq!(group.matches("\nid: ").count(), 1);
    let (_, last) = group.trim_end().rsplit_once("\n\n").unwrap();
    assert!(last.starts_with(&format!("event: revoked\nid: {newest}\n")), "{last}");
}

#[tokio::test]
async fn a_restart_forgets_nothing_that_matters() {
    let world = World::following().await;
    let token = world.token(TokenKind::Verifier, "orders").await;
    let subject = world.suspend(2).await;
    let world = world.restarted();
    let snapshot = next_event(&mut world.listen(&token, None).await).await;
    assert!(snapshot.contains(&subject.to_string()), "{snapshot}");
}

#[tokio::test]
async fn heartbeats_carry_the_number_that_was_reached() {
    let world = World::following().await;
    let token = world.token(TokenKind::Verifier, "orders").await;
    let index = world.caught_up().await;
    let mut stream = world.listen(&token, None).await;
    next_event(&mut stream).await;
    // The first beat may be that of the start; one more comes within five seconds.
    let beat = next(&mut stream).await.unwrap();
    assert_eq!(beat, format!(":\nid: {index}\n\n"));
}

#[tokio::test]
async fn when_the_process_stops_the_streams_end_and_none_begins() {
    let world = World::following().await;
    let token = world.token(TokenKind::Verifier, "orders").await;
    let mut stream = world.listen(&token, None).await;
    world.signals.stop();
    assert!(ends(&mut stream).await);
    let response = world.feed(Some(&format!("Bearer {}", token.reveal())), None).await;
    assert_eq!(response.status(), 503);
    assert!(response.extensions().get::<kernel::Problem>().is_some_and(|problem| problem.retry_after.is_some()));
}

#[tokio::test]
async fn a_slow_listener_is_dropped_and_costs_the_others_nothing() {
    let world = World::following().await;
    let token = world.token(TokenKind::Verifier, "orders").await;
    let index = world.caught_up().await;
    let mut slow = world.listen(&token, None).await;
    let mut quick = world.listen(&token, None).await;
    next_event(&mut quick).await;
    for _ in 0..5 {
        let subjects: Vec<_> = (0..1_000).map(|_| kernel::UserId::new(world.clock.now())).collect();
        world.revoke_all(&subjects).await;
        for _ in &subjects {
            next_event(&mut quick).await;
        }
    }
    assert!(ends(&mut slow).await, "it was not dropped");
    // Whoever was dropped comes back and has missed nothing.
    let mut back = world.listen(&token, Some(index)).await;
    let newest = world.caught_up().await;
    let mut last = String::new();
    while !last.contains(&format!("id: {newest}\n")) {
        last = next_event(&mut back).await;
    }
}

#[tokio::test]
async fn a_thousand_listeners_hear_the_same_in_order() {
    let world = World::following().await;
    let token = world.token(TokenKind::Verifier, "orders").await;
    let mut all = Vec::new();
    for _ in 0..1_000 {
        let mut stream = world.listen(&token, None).await;
        next_event(&mut stream).await;
        all.push(stream);
    }
    let subjects: Vec<_> = (0..200).map(|_| kernel::UserId::new(world.clock.now())).collect();
    world.revoke_all(&subjects).await;
    for mut stream in all {
        for subject in &subjects {
            assert!(next_event(&mut stream).await.contains(&subject.to_string()));
        }
    }
}

#[tokio::test]
async fn a_snapshot_comes_in_parts_and_the_last_says_so() {
    let world = World::new().await;
    let token = world.token(TokenKind::Verifier, "orders").await;
    let subjects: Vec<_> = (0..2_500).map(|_| kernel::UserId::new(world.clock.now())).collect();
    world.revoke_all(&subjects).await;
    super::follow(&world.signals);
    let mut stream = world.listen(&token, None).await;
    let mut named = 0;
    for part in 1..=3 {
        let text = next_event(&mut stream).await;
        named += text.matches("\"subject\"").count();
        assert_eq!(text.contains("\"last\":true"), part == 3, "{part}");
        assert_eq!(text.contains("\nid: "), part == 3, "{part}");
    }
    assert_eq!(named, 2_500);
}

#[tokio::test]
async fn the_window_forgets_what_no_token_can_outlive() {
    let world = World::following().await;
    let token = world.token(TokenKind::Verifier, "orders").await;
    world.suspend(2).await;
    let index = world.caught_up().await;
    let mut stream = world.listen(&token, None).await;
    assert!(next_event(&mut stream).await.contains("\"epoch\":2"));
    world.clock.advance(std::time::Duration::from_secs(900 + 121));
    // Forgotten with the next heartbeat.
    next(&mut stream).await.unwrap();
    world.suspend(3).await;
    world.caught_up().await;
    let snapshot = next_event(&mut world.listen(&token, None).await).await;
    assert!(snapshot.contains("\"epoch\":3") && !snapshot.contains("\"epoch\":2"), "{snapshot}");
    assert!(next_event(&mut world.listen(&token, Some(index - 1)).await).await.starts_with("event: snapshot"));
}

#[tokio::test]
async fn listeners_say_how_far_they_are() {
    let world = World::following().await;
    let token = world.token(TokenKind::Verifier, "orders").await;
    world.suspend(2).await;
    let newest = world.caught_up().await;
    let _stream = world.listen(&token, None).await;
    assert_eq!(world.report(&token, &newest.to_string()).await, 204);
    let applied = || world.signals.verifiers()[0].applied.map(|(applied, _)| applied);
    let known = world.signals.verifiers();
    assert_eq!((known[0].name.as_str(), known[0].connections, applied()), ("orders", 1, Some(newest)));
    let too_far = (newest + 1).to_string();
    for hostile in ["-1", "-9223372036854775808", "9223372036854775807", &too_far] {
        assert_eq!(world.report(&token, hostile).await, 422, "{hostile}");
        assert_eq!(applied(), Some(newest), "{hostile}");
    }
    assert_eq!(world.report(&token, "0").await, 204);
    assert_eq!(applied(), Some(0));
}

#[tokio::test]
async fn an_event_source_that_reconnects_is_believed_about_its_newer_place() {
    let world = World::following().await;
    let token = world.token(TokenKind::Verifier, "orders").await;
    let old = world.caught_up().await;
    world.suspend(2).await;
    let newest = world.caught_up().await;
    let ask = async |id: &str| {
        let request = axum::http::Request::get(format!("/api/v1/feed/revocations?after={old}"))
            .header("authorization", format!("Bearer {}", token.reveal()))
            .header("last-event-id", id);
        world.call(request.body(axum::body::Body::empty()).unwrap()).await
    };
    let mut stream = ask(&newest.to_string()).await.into_body();
    assert_eq!(next(&mut stream).await.unwrap(), format!(":\nid: {newest}\n\n"), "what it knows is not told again");
    assert_eq!(ask("x").await.status(), 400);
}

#[tokio::test]
async fn one_token_leaves_places_for_others() {
    let world = World::following().await;
    let greedy = world.token(TokenKind::Verifier, "greedy").await;
    let modest = world.token(TokenKind::Verifier, "modest").await;
    let mut all = Vec::new();
    for _ in 0..2_000 {
        all.push(world.listen(&greedy, None).await);
    }
    let refused = world.feed(Some(&format!("Bearer {}", greedy.reveal())), None).await;
    assert_eq!(refused.status(), 503);
    assert!(refused.extensions().get::<kernel::Problem>().is_some_and(|problem| problem.retry_after.is_some()));
    drop(world.listen(&modest, None).await);
    assert_eq!(world.signals.verifiers()[0].connections, 2_000, "who was refused is not counted");
    all.pop();
    drop(world.listen(&greedy, None).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn j6_a_feed_that_may_not_know_all_is_silent_and_takes_nobody() {
    let (world, numbering) = World::following_on_postgres().await;
    let token = world.token(TokenKind::Verifier, "orders").await;
    world.caught_up().await;
    let mut stream = world.listen(&token, None).await;
    next_event(&mut stream).await;
    let beat = next(&mut stream).await.unwrap();
    assert!(beat.starts_with(':'), "{beat}");
    // From here on nobody numbers.
    numbering.abort();
    let _ = numbering.await;
    let subject = world.suspend(2).await;
    assert!(next(&mut stream).await.unwrap().starts_with(':'), "a moment is no reason");
    world.clock.advance(std::time::Duration::from_secs(3));
    let silent = tokio::time::timeout(std::time::Duration::from_secs(7), http_body_util::BodyExt::frame(&mut stream));
    assert!(silent.await.is_err(), "nothing sounds as if all were known");
    assert_eq!(world.feed(Some(&format!("Bearer {}", token.reveal())), None).await.status(), 503);
    // Numbered again, it is told, and the feed goes on.
    let db = world.signals.db().clone();
    tokio::spawn(async move { db.keep().await });
    assert!(next_event(&mut stream).await.contains(&subject.to_string()));
    while !next(&mut stream).await.unwrap().starts_with(':') {}
    assert!(next_event(&mut world.listen(&token, None).await).await.contains(&subject.to_string()));
}
