//! Who gets in.

use super::{World, ends, next_event};
use crate::service_token::{self, CreateError};
use crate::{ServiceName, TokenKind};

#[tokio::test]
async fn only_a_verifiers_own_token_opens_the_feed() {
    let world = World::following().await;
    let verifier = world.token(TokenKind::Verifier, "orders").await;
    let receiver = world.token(TokenKind::Receiver, "orders").await;
    let good = verifier.reveal();
    let other_kind = receiver.reveal();
    let renamed = other_kind.replace("urt_", "uvt_");
    let mut forged = good.to_owned().into_bytes();
    forged[40] = if forged[40] == b'A' { b'B' } else { b'A' };
    let forged = String::from_utf8(forged).unwrap();
    let foreign = World::new().await.token(TokenKind::Verifier, "orders").await;
    for bad in ["", "uvt_", &good[4..], &good[..good.len() - 1], other_kind, &renamed, &forged, foreign.reveal()] {
        let response = world.feed(Some(&format!("Bearer {bad}")), None).await;
        assert_eq!(response.status(), 401, "{bad}");
    }
    assert_eq!(world.feed(None, None).await.status(), 401);
    assert_eq!(world.feed(Some(&format!("Basic {good}")), None).await.status(), 401);
    assert_eq!(world.feed(Some(&format!("Bearer {good}")), None).await.status(), 200);
}

#[tokio::test]
async fn a_token_taken_back_ends_its_streams_and_no_others() {
    let world = World::following().await;
    let ended = world.token(TokenKind::Verifier, "orders").await;
    let other = world.token(TokenKind::Verifier, "billing").await;
    let mut stream = world.listen(&ended, None).await;
    let mut others = world.listen(&other, None).await;
    let name = ServiceName::parse("orders").unwrap();
    service_token::revoke(&world.signals, TokenKind::Verifier, &name).await.unwrap();
    assert!(ends(&mut stream).await);
    assert_eq!(world.feed(Some(&format!("Bearer {}", ended.reveal())), None).await.status(), 401);
    assert!(next_event(&mut others).await.starts_with("event: snapshot"));
    let subject = world.suspend(2).await;
    assert!(next_event(&mut others).await.contains(&subject.to_string()));
}

#[tokio::test]
async fn a_name_is_had_once_by_each_kind_and_again_when_it_was_taken_back() {
    let world = World::new().await;
    world.token(TokenKind::Verifier, "orders").await;
    world.token(TokenKind::Receiver, "orders").await;
    let name = ServiceName::parse("orders").unwrap();
    let again = service_token::create(&world.signals, TokenKind::Verifier, &name, None).await;
    assert!(matches!(again, Err(CreateError::Taken)));
    service_token::revoke(&world.signals, TokenKind::Verifier, &name).await.unwrap();
    assert!(service_token::list(&world.signals, TokenKind::Verifier).await.unwrap().is_empty());
    assert_eq!(service_token::list(&world.signals, TokenKind::Receiver).await.unwrap().len(), 1);
    world.token(TokenKind::Verifier, "orders").await;
}

#[test]
fn names_are_short_and_plain() {
    for good in ["a", "orders-2.eu_west", &"a".repeat(64)] {
        assert!(ServiceName::parse(good).is_ok(), "{good}");
    }
    for bad in ["", "Orders", "a b", "é", "a/b", &"a".repeat(65)] {
        assert!(ServiceName::parse(bad).is_err(), "{bad}");
    }
}
