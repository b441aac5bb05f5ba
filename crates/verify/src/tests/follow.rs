//! Following a server that does what servers do: say, stay silent, lie, and go away.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use super::server::{EVENT_STREAM, FeedAnswer, Server, ended, snapshot};
use super::*;
use crate::follow::settings::Timing;
use crate::follow::{Failed, FollowError, Trouble};
use crate::{FollowSettings, Follower, Staleness, follow};

pub(super) const SOON: Duration = Duration::from_secs(5);

/// Waits that a test can wait for.
pub(super) const QUICK: Timing = Timing {
    answer: Duration::from_secs(1),
    document: Duration::from_secs(1),
    silence: Duration::from_millis(400),
    event: Duration::from_millis(900),
    settled: Duration::from_millis(100),
    wait: Duration::from_millis(20),
    longest_wait: Duration::from_millis(100),
    keys: Duration::from_secs(300),
    unknown_key: Duration::from_secs(60),
    keys_at_least: Duration::from_millis(5),
    report: Duration::from_millis(50),
    sweep: Duration::from_millis(100),
};

/// For connections that stay open in silence.
pub(super) const PATIENT: Timing = Timing { silence: SOON, event: SOON, ..QUICK };

pub(super) fn settings(server: &Server, timing: Timing) -> FollowSettings {
    let mut settings = FollowSettings::new(server.url(), "uvt_secret").with_clock(|| NOW);
    settings.timing = timing;
    settings
}

/// A verifier that follows and is ready.
pub(super) async fn following(server: &Server, timing: Timing) -> (Arc<Verifier>, Follower) {
    let verifier = Arc::new(verifier_without_keys());
    let follower = follow(Arc::clone(&verifier), settings(server, timing)).unwrap();
    follower.wait_ready(SOON).await.unwrap();
    (verifier, follower)
}

pub(super) async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < SOON, "never: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn token(session: &str) -> String {
    edwards().token(&payload_with("sid", session))
}

#[tokio::test]
async fn ready_means_keys_and_a_whole_snapshot() {
    let server = Server::start().await;
    server.answer_feed([FeedAnswer::Open(snapshot(10, &["ended"]))]);
    let (verifier, follower) = following(&server, PATIENT).await;
    assert!(follower.is_ready() && verifier.is_ready());
    assert_eq!(follower.staleness(), Some(0));
    assert!(verifier.check(&token("mine"), NOW).is_ok());
    assert_eq!(verifier.check(&token("ended"), NOW), Err(Refused::Revoked));
    assert_eq!(server.feed_requests(), [""]);
    let stats = verifier.stats(NOW);
    assert_eq!((stats.feed_connects, stats.feed_snapshots, stats.key_fetches, stats.applied), (1, 1, 1, 10));
}

#[tokio::test]
async fn nothing_is_accepted_before_the_snapshot_is_whole() {
    let server = Server::start().await;
    let part = snapshot(10, &["ended"]).replace("id: 10\n", "").replace("true", "false");
    server.answer_feed([FeedAnswer::Open(part)]);
    let verifier = Arc::new(verifier_without_keys());
    let follower = follow(Arc::clone(&verifier), settings(&server, PATIENT)).unwrap();
    eventually("the part is applied", || verifier.revocations().len() == 1 && verifier.stats(NOW).keys == 3).await;
    assert_eq!(verifier.check(&token("mine"), NOW), Err(Refused::NotReady));
    assert_eq!(verifier.check(&token("ended"), NOW), Err(Refused::Revoked));
    assert!(follower.wait_ready(Duration::from_millis(20)).await.is_err());
    server.say(snapshot(10, &["other"]));
    follower.wait_ready(SOON).await.unwrap();
    assert!(verifier.check(&token("mine"), NOW).is_ok());
    assert_eq!(verifier.check(&token("other"), NOW), Err(Refused::Revoked));
}

#[tokio::test]
async fn what_the_feed_says_counts_at_once() {
    let server = Server::start().await;
    let (verifier, _follower) = following(&server, PATIENT).await;
    let token = token("mine");
    assert!(verifier.check(&token, NOW).is_ok());
    server.say(ended(12, 10, "mine"));
    eventually("the session ends", || verifier.check(&token, NOW) == Err(Refused::Revoked)).await;
    eventually("it is reported", || server.reports().last().is_some_and(|last| last == r#"{"applied":12}"#)).await;
    let reports = server.reports().len();
    tokio::time::sleep(QUICK.report * 4).await;
    assert_eq!(server.reports().len(), reports, "what is known is not said again");
}

#[tokio::test]
async fn a_broken_connection_is_resumed_where_it_was() {
    let server = Server::start().await;
    let first =
        format!("{}{}\r\n:\nid: 15\n\nevent: revoked\nid: 16\ndata: {{", snapshot(10, &[]), ended(12, 10, "one"));
    server.answer_feed([FeedAnswer::Close(first), FeedAnswer::Open(ended(16, 12, "two"))]);
    let (verifier, _follower) = following(&server, PATIENT).await;
    eventually("the rest comes", || verifier.check(&token("two"), NOW) == Err(Refused::Revoked)).await;
    assert_eq!(server.feed_requests(), ["", "after=15"]);
    assert_eq!(verifier.revocations().applied(), 16);
    assert_eq!(verifier.stats(NOW).feed_gaps, 0);
}

#[tokio::test]
async fn half_a_ledger_entry_is_asked_for_again() {
    let server = Server::start().await;
    let half = ended(12, 10, "one").replace("id: 12\n", "");
    let whole = format!("{half}{}", ended(12, 10, "two"));
    server.answer_feed([FeedAnswer::Close(snapshot(10, &[]) + &half), FeedAnswer::Open(whole)]);
    let (verifier, _follower) = following(&server, PATIENT).await;
    eventually("the rest comes", || verifier.check(&token("two"), NOW) == Err(Refused::Revoked)).await;
    assert_eq!(server.feed_requests(), ["", "after=10"]);
    assert_eq!(verifier.revocations().len(), 2);
}

#[tokio::test]
async fn a_gap_is_healed_by_a_snapshot() {
    let server = Server::start().await;
    server.answer_feed([
        FeedAnswer::Open(snapshot(10, &[]) + &ended(20, 15, "three")),
        FeedAnswer::Open(snapshot(20, &["one", "two", "three"])),
    ]);
    let (verifier, follower) = following(&server, PATIENT).await;
    eventually("what was missed is known", || verifier.revocations().len() == 3).await;
    assert_eq!(server.feed_requests(), ["", ""]);
    assert_eq!(verifier.stats(NOW).feed_gaps, 1);
    assert_eq!(follower.last_trouble(), Some(Trouble::Gap));
}

#[tokio::test]
async fn what_is_not_understood_is_healed_by_a_snapshot() {
    for broken in ["event: revoked\ndata: <html>\n\n".to_owned(), format!("data: {}", "a".repeat(1024 * 1024 + 1))] {
        let server = Server::start().await;
        server.answer_feed([FeedAnswer::Open(snapshot(10, &[]) + &broken), FeedAnswer::Open(snapshot(11, &["one"]))]);
        let (verifier, follower) = following(&server, PATIENT).await;
        eventually("a snapshot comes", || verifier.revocations().applied() == 11).await;
        assert_eq!(server.feed_requests(), ["", ""]);
        assert_eq!(follower.last_trouble(), Some(Trouble::NotUnderstood));
    }
}

#[tokio::test]
async fn a_snapshot_that_breaks_off_is_begun_again() {
    let server = Server::start().await;
    let part = snapshot(30, &["one"]).replace("id: 30\n", "").replace("true", "false");
    server.answer_feed([
        FeedAnswer::Close(snapshot(10, &[])),
        // The server decides that so late a reader needs a snapshot, and dies over it.
        FeedAnswer::Close(part),
        FeedAnswer::Open(snapshot(30, &["one", "two"])),
    ]);
    let (verifier, _follower) = following(&server, PATIENT).await;
    eventually("the snapshot is whole", || verifier.revocations().applied() == 30).await;
    assert_eq!(server.feed_requests(), ["", "after=10", ""]);
}

#[tokio::test]
async fn answers_that_are_no_feed_are_tried_again() {
    let html = "<html><title>502 Bad Gateway</title></html>";
    let page = |status: &str, kind: &str| {
        let length = html.len();
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{html}"
        )
    };
    let cases = [
        (page("200 OK", "text/html"), Failed::Content),
        (page("200 OK", "text/event-streams"), Failed::Content),
        (page("401 Unauthorized", "application/problem+json"), Failed::Token),
        (page("502 Bad Gateway", "text/event-stream"), Failed::Status(http::StatusCode::BAD_GATEWAY)),
        (page("302 Found\r\nLocation: http://127.0.0.1:1/", "text/html"), Failed::Status(http::StatusCode::FOUND)),
        (format!("{EVENT_STREAM}Content-Encoding: gzip\r\nConnection: close\r\n\r\n"), Failed::Content),
        ("SSH-2.0-OpenSSH\r\n\r\n".to_owned(), Failed::Connection),
        (String::new(), Failed::Connection),
    ];
    for (answer, failed) in cases {
        let server = Server::start().await;
        server.answer_feed([FeedAnswer::Other(answer)]);
        let verifier = Arc::new(verifier_without_keys());
        let follower = follow(Arc::clone(&verifier), settings(&server, PATIENT)).unwrap();
        eventually("it is tried again", || server.feed_requests().len() > 2).await;
        let trouble = follower.wait_ready(Duration::from_millis(1)).await.unwrap_err().trouble;
        assert_eq!(trouble, Some(Trouble::Feed(failed)));
        assert_eq!(verifier.check(&token("mine"), NOW), Err(Refused::NotReady));
        server.answer_feed([FeedAnswer::Open(snapshot(10, &[]))]);
        follower.wait_ready(SOON).await.unwrap();
    }
}

#[tokio::test]
async fn a_silent_and_a_trickling_server_are_left() {
    // One says nothing; one always says a little, and never anything whole.
    for first in [FeedAnswer::Open(String::new()), FeedAnswer::Trickle(":", Duration::from_millis(20))] {
        let server = Server::start().await;
        server.answer_feed([first, FeedAnswer::Open(snapshot(10, &[]))]);
        let (_verifier, follower) = following(&server, QUICK).await;
        assert_eq!(server.feed_requests().len(), 2);
        assert_eq!(follower.last_trouble(), Some(Trouble::Feed(Failed::Timeout)));
    }
}

#[tokio::test]
async fn heartbeats_keep_the_connection_and_the_freshness() {
    let server = Server::start().await;
    let (verifier, _follower) = following(&server, QUICK).await;
    for number in 0..10 {
        tokio::time::sleep(QUICK.silence / 3).await;
        server.say(format!(":\nid: {}\n\n", 11 + number));
    }
    eventually("the last is heard", || verifier.revocations().applied() == 20).await;
    assert_eq!(server.feed_requests().len(), 1);
}

#[tokio::test]
async fn j6_a_killed_server_leaves_what_is_known_and_is_found_again() {
    let mut server = Server::start().await;
    let clock = Arc::new(AtomicI64::new(NOW));
    let read = Arc::clone(&clock);
    let limit = Staleness::RefuseAfter(Duration::from_secs(60));
    let settings = settings(&server, PATIENT).with_staleness(limit).with_clock(move || read.load(Ordering::Relaxed));
    let verifier = Arc::new(verifier_without_keys());
    let follower = follow(Arc::clone(&verifier), settings).unwrap();
    follower.wait_ready(SOON).await.unwrap();
    server.say(ended(12, 10, "ended"));
    eventually("the session ends", || verifier.revocations().len() == 1).await;

    server.kill().await;
    eventually("it is noticed", || verifier.stats(NOW).feed_failures > 1).await;
    assert!(verifier.check(&token("mine"), NOW + 60).is_ok(), "checks go on");
    assert_eq!(verifier.check(&token("ended"), NOW + 60), Err(Refused::Revoked));
    clock.store(NOW + 61, Ordering::Relaxed);
    assert_eq!(follower.staleness(), Some(61));
    assert_eq!(verifier.check(&token("mine"), NOW + 61), Err(Refused::Stale));
    assert_eq!(verifier.check(&token("ended"), NOW + 61), Err(Refused::Revoked));

    server.answer_feed([FeedAnswer::Open(ended(13, 12, "later") + ":\nid: 14\n\n")]);
    server.listen().await;
    eventually("it is back", || verifier.check(&token("mine"), NOW + 61).is_ok()).await;
    assert_eq!(verifier.check(&token("ended"), NOW + 61), Err(Refused::Revoked));
    assert_eq!(verifier.check(&token("later"), NOW + 61), Err(Refused::Revoked));
    assert_eq!(server.feed_requests().last().unwrap(), "after=12");
    assert_eq!(follower.staleness(), Some(0));
}

#[tokio::test]
async fn with_the_usual_waits_it_is_back_within_five_seconds() {
    let mut server = Server::start().await;
    let (verifier, _follower) = following(&server, FollowSettings::new("", "").timing).await;
    server.kill().await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    server.answer_feed([FeedAnswer::Open(ended(12, 10, "ended"))]);
    server.listen().await;
    // `eventually` waits five seconds.
    eventually("it is back", || verifier.check(&token("ended"), NOW) == Err(Refused::Revoked)).await;
}

#[tokio::test]
async fn a_clock_that_is_put_back_hides_no_staleness() {
    let mut server = Server::start().await;
    let clock = Arc::new(AtomicI64::new(NOW));
    let read = Arc::clone(&clock);
    let settings = settings(&server, PATIENT).with_clock(move || read.load(Ordering::Relaxed));
    let verifier = Arc::new(verifier_without_keys());
    let follower = follow(Arc::clone(&verifier), settings).unwrap();
    follower.wait_ready(SOON).await.unwrap();
    server.kill().await;
    clock.store(NOW - 10_000, Ordering::Relaxed);
    eventually("the seconds are counted", || follower.staleness().is_some_and(|seconds| seconds >= 2)).await;
}

#[tokio::test]
async fn what_nobody_needs_is_forgotten_by_itself() {
    let server = Server::start().await;
    server.answer_feed([FeedAnswer::Open(snapshot(10, &["one", "two"]))]);
    let clock = Arc::new(AtomicI64::new(NOW));
    let read = Arc::clone(&clock);
    let settings = settings(&server, PATIENT).with_clock(move || read.load(Ordering::Relaxed));
    let verifier = Arc::new(verifier_without_keys());
    let follower = follow(Arc::clone(&verifier), settings).unwrap();
    follower.wait_ready(SOON).await.unwrap();
    assert_eq!(verifier.revocations().len(), 2);
    clock.store(NOW + 900 + 2 * LEEWAY, Ordering::Relaxed);
    eventually("they are forgotten", || verifier.revocations().is_empty()).await;
}

#[tokio::test]
async fn a_dropped_follower_says_and_hears_nothing_more() {
    let server = Server::start().await;
    let (verifier, follower) = following(&server, PATIENT).await;
    drop(follower);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let _ = server.feed_requests();
    server.say(ended(12, 10, "mine"));
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(verifier.check(&token("mine"), NOW).is_ok());
    assert_eq!(server.feed_requests().len(), 1);
}

#[tokio::test]
async fn settings_are_read_strictly_and_the_token_is_never_shown() {
    let begin =
        |url: &str, token: &str| follow(Arc::new(verifier_without_keys()), FollowSettings::new(url, token)).map(drop);
    for url in
        ["", "id.example", "ftp://id.example", "http://", "/x", "http://a b", "http://u@id.example", "http://h/?a=1"]
    {
        assert_eq!(begin(url, "uvt_secret"), Err(FollowError::Url), "{url}");
    }
    for token in ["", "a\nb", "a\0"] {
        assert_eq!(begin("http://127.0.0.1:9", token), Err(FollowError::Token), "{token:?}");
    }
    assert_eq!(begin("http://127.0.0.1:9/", "uvt_secret"), Ok(()));
    let shown = format!("{:?}", FollowSettings::new("http://127.0.0.1:9", "uvt_secret"));
    assert!(!shown.contains("secret"), "{shown}");
}

#[test]
fn following_needs_a_runtime() {
    let verifier = Arc::new(verifier());
    let begun = follow(Arc::clone(&verifier), FollowSettings::new("http://127.0.0.1:9", "uvt_secret"));
    assert_eq!(begun.map(drop), Err(FollowError::NoRuntime));
    assert!(verifier.is_ready(), "nothing has changed");
}
