//! What a verifier answers when it has not heard of revocations for a while.

use std::time::Duration;

use super::*;
use crate::Staleness;

#[test]
fn fed_in_this_process_nothing_is_ever_stale() {
    let verifier = verifier();
    assert_eq!(verifier.staleness(i64::MAX), Some(0));
    assert!(verifier.is_ready());
    assert!(verifier.check(&edwards().token(&payload()), NOW).is_ok());
}

#[test]
fn nothing_is_accepted_before_the_feed_was_heard_once() {
    for policy in [Staleness::Continue, Staleness::RefuseAfter(Duration::from_secs(30))] {
        let verifier = verifier();
        verifier.expect_feed(policy);
        assert!(!verifier.is_ready());
        assert_eq!(verifier.staleness(NOW), None);
        assert_eq!(verifier.check(&edwards().token(&payload()), NOW), Err(Refused::NotReady));
        verifier.heard(NOW);
        assert!(verifier.is_ready());
        assert!(verifier.check(&edwards().token(&payload()), NOW).is_ok());
    }
}

#[test]
fn past_the_limit_good_tokens_are_refused_and_bad_ones_stay_bad() {
    let verifier = verifier();
    verifier.expect_feed(Staleness::RefuseAfter(Duration::from_secs(30)));
    verifier.heard(NOW);
    let good = edwards().token(&payload());
    let revoked = edwards().token(&payload_with("sid", "ended"));
    verifier.revocations().end_session("ended", NOW + 900);
    assert!(verifier.check(&good, NOW + 30).is_ok());
    assert_eq!(verifier.staleness(NOW + 30), Some(30));
    assert_eq!(verifier.check(&good, NOW + 31), Err(Refused::Stale), "known before");
    assert_eq!(verifier.check(&edwards().token(&payload_with("jti", "new")), NOW + 31), Err(Refused::Stale));
    assert_eq!(verifier.check(&revoked, NOW + 31), Err(Refused::Revoked));
    assert_eq!(verifier.check("nonsense", NOW + 31), Err(Refused::Malformed));
    assert_eq!(verifier.check(&good, NOW + 5000), Err(Refused::Expired));
    verifier.heard(NOW + 40);
    assert!(verifier.check(&good, NOW + 41).is_ok());
}

#[test]
fn going_on_has_no_limit_and_the_number_rises() {
    let verifier = verifier();
    verifier.expect_feed(Staleness::Continue);
    verifier.heard(0);
    assert!(verifier.check(&edwards().token(&payload()), NOW).is_ok());
    assert_eq!(verifier.staleness(NOW), Some(u64::try_from(NOW).unwrap()));
    // A clock that was put back does not make it negative.
    assert_eq!(verifier.staleness(-5), Some(0));
    for end in [i64::MIN, i64::MAX] {
        verifier.heard(end);
        assert!(verifier.is_ready(), "the ends of time are times");
    }
}
