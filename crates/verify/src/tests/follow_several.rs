//! Following an Usher of several nodes: one that fails is left for the next.

use std::time::Duration;

use super::follow::{PATIENT, SOON, eventually, settings};
use super::server::{FeedAnswer, Server, ended, ok, snapshot};
use super::*;
use crate::follow::FollowError;
use crate::follow::settings::Timing;
use crate::{FollowSettings, Follower, follow};

fn following(nodes: &[&Server], timing: Timing) -> (Arc<Verifier>, Follower) {
    let verifier = Arc::new(verifier_without_keys());
    let settings = nodes[1..].iter().fold(settings(nodes[0], timing), |settings, node| settings.with_more(node.url()));
    let follower = follow(Arc::clone(&verifier), settings).unwrap();
    (verifier, follower)
}

fn token(session: &str) -> String {
    edwards().token(&payload_with("sid", session))
}

#[tokio::test]
async fn j6_a_dead_first_node_is_left_for_the_next() {
    let (mut dead, alive) = (Server::start().await, Server::start().await);
    dead.kill().await;
    let (verifier, follower) = following(&[&dead, &alive], PATIENT);
    follower.wait_ready(SOON).await.unwrap();
    alive.say(ended(12, 10, "mine"));
    eventually("the session ends", || verifier.check(&token("mine"), NOW) == Err(Refused::Revoked)).await;
    eventually("it is reported to who told it", || !alive.reports().is_empty()).await;
}

#[tokio::test]
async fn j6_a_node_that_dies_is_resumed_at_the_next_and_who_answers_is_kept() {
    let (mut first, second) = (Server::start().await, Server::start().await);
    second.answer_feed([FeedAnswer::Open(ended(12, 10, "missed"))]);
    let (verifier, follower) = following(&[&first, &second], PATIENT);
    follower.wait_ready(SOON).await.unwrap();
    assert!(verifier.check(&token("missed"), NOW).is_ok());
    assert!(second.feed_requests().is_empty() && second.key_requests() == 0, "one node is enough");
    first.kill().await;
    eventually("what was missed is known", || verifier.check(&token("missed"), NOW) == Err(Refused::Revoked)).await;
    assert_eq!(second.feed_requests(), ["after=10"]);
    first.listen().await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!((first.feed_requests().len(), second.feed_requests().len()), (1, 1));
}

#[tokio::test]
async fn a_silent_node_is_left_for_one_that_speaks() {
    let (silent, alive) = (Server::start().await, Server::start().await);
    silent.answer_feed([FeedAnswer::Open(String::new())]);
    let timing = Timing { silence: Duration::from_millis(200), ..PATIENT };
    let (_verifier, follower) = following(&[&silent, &alive], timing);
    follower.wait_ready(SOON).await.unwrap();
    assert_eq!((silent.feed_requests().len(), alive.feed_requests().len()), (1, 1));
}

#[tokio::test]
async fn j5_keys_come_from_the_next_node_without_waiting_a_minute() {
    let (first, second) = (Server::start().await, Server::start().await);
    let (verifier, follower) = following(&[&first, &second], PATIENT);
    follower.wait_ready(SOON).await.unwrap();
    first.answer_keys(ok("text/html", b"<html>"));
    let successor = SigningKey::edwards("ed-2");
    second.answer_keys(ok("application/json", &key_set([&keys()[0], &successor])));
    first.say("event: keys\ndata: {\"withdrawn\":[]}\n\n");
    eventually("the new key is known", || verifier.check(&successor.token(&payload()), NOW).is_ok()).await;
    assert_eq!((first.key_requests(), second.key_requests()), (2, 1));

    // With both of them broken, each is asked once and then nobody for a minute.
    second.answer_keys(ok("text/html", b"<html>"));
    first.say("event: keys\ndata: {\"withdrawn\":[]}\n\n");
    eventually("both were asked", || first.key_requests() + second.key_requests() == 5).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!((first.key_requests(), second.key_requests()), (3, 2));
    assert!(verifier.check(&successor.token(&payload()), NOW).is_ok(), "the good keys stay");
}

#[tokio::test]
async fn a_node_that_is_behind_takes_nothing_back() {
    let (mut first, behind) = (Server::start().await, Server::start().await);
    first.answer_feed([FeedAnswer::Open(snapshot(20, &["ended"]))]);
    behind.answer_feed([FeedAnswer::Open(snapshot(10, &[]) + &ended(15, 10, "other"))]);
    let (verifier, follower) = following(&[&first, &behind], PATIENT);
    follower.wait_ready(SOON).await.unwrap();
    first.kill().await;
    eventually("the next is heard", || verifier.check(&token("other"), NOW) == Err(Refused::Revoked)).await;
    assert_eq!(verifier.check(&token("ended"), NOW), Err(Refused::Revoked));
}

#[tokio::test]
async fn every_address_is_read_strictly() {
    let begin = |url: &str| {
        let settings = FollowSettings::new("http://127.0.0.1:9", "uvt_secret").with_more(url);
        follow(Arc::new(verifier_without_keys()), settings).map(drop)
    };
    for url in ["", "id.example", "h2c://127.0.0.1:9", "http://u@id.example", "http://h/?a=1"] {
        assert_eq!(begin(url), Err(FollowError::Url), "{url}");
    }
    assert_eq!(begin("https://127.0.0.1:9/"), Ok(()));
}
