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
    let world = world.restarted().await;
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
    assert!(response.headers().contains_key("retry-after"));
}
