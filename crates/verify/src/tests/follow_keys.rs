//! Keys that are fetched: when, how often, and what never replaces them.

use std::time::{Duration, Instant};

use super::follow::{PATIENT, SOON, eventually, following, settings};
use super::server::{FeedAnswer, Server, ok, snapshot};
use super::*;
use crate::follow::settings::Timing;
use crate::follow::{Failed, Trouble};
use crate::{KeysError, follow};

const KEYS_CHANGED: &str = "event: keys\ndata: {\"withdrawn\":[]}\n\n";

/// A token of a key that nobody has, another one each time.
fn unknown(number: usize) -> String {
    let header = json!({"typ": "at+jwt", "alg": "EdDSA", "kid": format!("stranger-{number}")});
    edwards().token_with_header(&header, &payload())
}

#[tokio::test]
async fn j5_a_storm_of_unknown_keys_causes_one_fetch_and_hurts_nobody() {
    for keys_are_served in [true, false] {
        let server = Server::start().await;
        let (verifier, _follower) = following(&server, PATIENT).await;
        let good = edwards().token(&payload());
        if !keys_are_served {
            server.answer_keys(("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n".to_owned(), Vec::new()));
        }
        let before = server.key_requests();
        let begun = Instant::now();
        for number in 0..2000 {
            let token = unknown(number);
            let asked = Instant::now();
            assert_eq!(verifier.check(&token, NOW), Err(Refused::UnknownKey));
            assert!(asked.elapsed() < Duration::from_millis(500), "it waits for nobody");
            assert!(verifier.check(&good, NOW).is_ok());
            if number % 10 == 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        assert!(begun.elapsed() < Duration::from_secs(50), "this machine is too slow for the test");
        assert_eq!(server.key_requests() - before, 1);
    }
}

#[tokio::test]
async fn j5_a_token_of_a_new_key_is_refused_at_once_and_accepted_soon() {
    let server = Server::start().await;
    let (verifier, _follower) = following(&server, PATIENT).await;
    let successor = SigningKey::edwards("ed-2");
    server.answer_keys(ok("application/json", &key_set([&keys()[0], &successor])));
    let token = successor.token(&payload());
    assert_eq!(verifier.check(&token, NOW), Err(Refused::UnknownKey));
    eventually("the key is found", || verifier.check(&token, NOW).is_ok()).await;
}

#[tokio::test]
async fn j5_an_unknown_key_of_the_pause_is_looked_for_after_it() {
    let server = Server::start().await;
    let pause = Duration::from_millis(300);
    let (verifier, _follower) = following(&server, Timing { unknown_key: pause, ..PATIENT }).await;
    let begun = Instant::now();
    verifier.check(&unknown(0), NOW).unwrap_err();
    eventually("the first fetch", || server.key_requests() == 2).await;
    verifier.check(&unknown(1), NOW).unwrap_err();
    eventually("the second fetch", || server.key_requests() == 3).await;
    assert!(begun.elapsed() >= pause);
    tokio::time::sleep(pause * 2).await;
    assert_eq!(server.key_requests(), 3, "nobody asked again");
}

#[tokio::test]
async fn j5_a_bad_answer_never_replaces_good_keys() {
    let good = key_set(keys());
    let mut private = keys()[0].jwk.clone();
    private["d"] = json!("AAAA");
    let long = [&good[..], &vec![b' '; 64 * 1024]].concat();
    let status = |status: &str| (format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n", good.len()), good.clone());
    let cut = (format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n", good.len()), good[..good.len() / 2].to_vec());
    let endless = ("HTTP/1.1 200 OK\r\n".to_owned(), long.clone());
    let taken = |error| Trouble::KeysNotTaken(error);
    let fetched = |failed| Trouble::KeysNotFetched(failed);
    let json = |document: &[u8]| ok("application/json", document);
    let cases = [
        (json(b""), taken(KeysError::Malformed)),
        (json(b"{}"), taken(KeysError::Malformed)),
        (json(b"{\"keys\":[]}"), taken(KeysError::Empty)),
        (ok("text/html", b"<html>sign in, please</html>"), taken(KeysError::Malformed)),
        (json(json!({"keys": [private]}).to_string().as_bytes()), taken(KeysError::PrivateKey)),
        (json(&key_set([&keys()[0], &keys()[0]])), taken(KeysError::RepeatedId)),
        (json(&long), fetched(Failed::Content)),
        (endless, fetched(Failed::Content)),
        (cut, fetched(Failed::Content)),
        (status("500 Internal Server Error"), fetched(Failed::Status(http::StatusCode::INTERNAL_SERVER_ERROR))),
        (status("204 No Content"), fetched(Failed::Status(http::StatusCode::NO_CONTENT))),
        (status("301 Moved\r\nLocation: /x"), fetched(Failed::Status(http::StatusCode::MOVED_PERMANENTLY))),
        (status("200 OK\r\nContent-Encoding: gzip"), fetched(Failed::Content)),
    ];
    for (answer, trouble) in cases {
        let server = Server::start().await;
        let (verifier, follower) = following(&server, PATIENT).await;
        let tokens: Vec<String> = keys().iter().map(|key| key.token(&payload())).collect();
        verifier.check(&tokens[0], NOW).unwrap();
        server.answer_keys(answer);
        server.say(KEYS_CHANGED);
        eventually("the answer is seen", || verifier.stats(NOW).key_fetches_failed == 1).await;
        assert_eq!(follower.last_trouble(), Some(trouble));
        for token in &tokens {
            assert!(verifier.check(token, NOW).is_ok(), "{trouble}");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(server.key_requests(), 2, "nothing is tried in a tight circle");
    }
}

#[tokio::test]
async fn before_there_are_keys_they_are_asked_for_again_and_again() {
    let server = Server::start().await;
    server.answer_keys(ok("text/html", b"<html>starting</html>"));
    let verifier = Arc::new(verifier_without_keys());
    let follower = follow(Arc::clone(&verifier), settings(&server, PATIENT)).unwrap();
    eventually("it is tried again", || server.key_requests() > 3).await;
    assert_eq!(verifier.check(&edwards().token(&payload()), NOW), Err(Refused::NotReady));
    server.answer_keys(ok("application/json", &key_set(keys())));
    follower.wait_ready(SOON).await.unwrap();
    assert!(verifier.check(&edwards().token(&payload()), NOW).is_ok());
}

#[tokio::test]
async fn keys_are_fetched_when_the_feed_says_so_and_from_time_to_time() {
    let server = Server::start().await;
    let (verifier, _follower) = following(&server, PATIENT).await;
    let successor = SigningKey::edwards("ed-2");
    server.answer_keys(ok("application/json", &key_set([&successor])));
    server.say(KEYS_CHANGED);
    eventually("the new key", || verifier.check(&successor.token(&payload()), NOW).is_ok()).await;
    assert_eq!(verifier.check(&edwards().token(&payload()), NOW), Err(Refused::UnknownKey), "the old key is gone");

    let server = Server::start().await;
    let (_verifier, _follower) = following(&server, Timing { keys: Duration::from_millis(50), ..PATIENT }).await;
    eventually("it is asked from time to time", || server.key_requests() > 3).await;
}

#[tokio::test]
async fn j13_a_withdrawn_key_is_dead_although_the_key_set_still_names_it() {
    let server = Server::start().await;
    let (verifier, _follower) = following(&server, PATIENT).await;
    let token = edwards().token(&payload());
    assert!(verifier.check(&token, NOW).is_ok());
    server.say("event: keys\nid: 12\ndata: {\"index\":12,\"previous\":10,\"withdrawn\":[\"ed-1\"]}\n\n");
    eventually("the key is dead", || verifier.check(&token, NOW) == Err(Refused::UnknownKey)).await;
    eventually("the key set is fetched", || verifier.stats(NOW).key_fetches == 2).await;
    assert_eq!(verifier.check(&token, NOW), Err(Refused::UnknownKey));
    assert!(verifier.check(&keys()[1].token(&payload()), NOW).is_ok());
    // Whoever still sends such tokens causes no fetch: there is nothing to find.
    for _ in 0..100 {
        verifier.check(&token, NOW).unwrap_err();
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(server.key_requests(), 2);
}

#[tokio::test]
async fn a_snapshot_names_withdrawn_keys_too() {
    let server = Server::start().await;
    server.answer_feed([FeedAnswer::Open(snapshot(10, &[]).replace("\"keys\":[]", "\"keys\":[\"ed-1\"]"))]);
    let (verifier, _follower) = following(&server, PATIENT).await;
    assert_eq!(verifier.check(&edwards().token(&payload()), NOW), Err(Refused::UnknownKey));
    assert!(verifier.check(&keys()[1].token(&payload()), NOW).is_ok());
}
