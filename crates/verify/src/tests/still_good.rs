//! Connections that outlive the check that opened them.

use super::*;
use crate::Staleness;

fn opened(verifier: &Verifier) -> Arc<Claims> {
    let claims = verifier.check(&edwards().token(&payload()), NOW).unwrap();
    assert!(verifier.is_still_good(&claims, NOW));
    claims
}

#[test]
fn it_ends_with_its_token_and_not_a_second_later() {
    let verifier = verifier();
    let claims = opened(&verifier);
    let end = NOW + 900 + LEEWAY;
    assert!(verifier.is_still_good(&claims, end - 1));
    assert!(!verifier.is_still_good(&claims, end));
    // When what ended the token has been forgotten, nothing but its time says so.
    verifier.revocations().end_subject("ann", 4, NOW + 900);
    for now in NOW..=NOW + 900 + 3 * LEEWAY {
        verifier.revocations().sweep(now);
        assert!(!verifier.is_still_good(&claims, now), "{}", now - NOW);
    }
    assert!(verifier.revocations().is_empty());
}

#[test]
fn it_ends_with_its_user_or_its_session() {
    let verifier = verifier();
    let claims = opened(&verifier);
    let other = verifier.check(&edwards().token(&payload_with("sid", "other")), NOW).unwrap();
    verifier.revocations().end_session("session-1", NOW + 900);
    assert!(!verifier.is_still_good(&claims, NOW));
    assert!(verifier.is_still_good(&other, NOW));
    verifier.revocations().end_subject("ann", 3, NOW + 900);
    assert!(verifier.is_still_good(&other, NOW), "made after the epoch rose");
    verifier.revocations().end_subject("ann", 4, NOW + 900);
    assert!(!verifier.is_still_good(&other, NOW));
}

#[test]
fn j13_it_ends_with_its_key_however_the_key_ends() {
    let taken_back = verifier();
    let claims = opened(&taken_back);
    taken_back.revocations().end_key("ec-1", NOW + 900);
    assert!(taken_back.is_still_good(&claims, NOW), "another key");
    taken_back.revocations().end_key("ed-1", NOW + 900);
    assert!(!taken_back.is_still_good(&claims, NOW));

    let left_out = verifier();
    let claims = opened(&left_out);
    left_out.set_keys(&key_set(&keys()[1..])).unwrap();
    assert!(!left_out.is_still_good(&claims, NOW));

    // A payload cannot name the key that counts.
    let named = verifier();
    let claims = named.check(&edwards().token(&payload_with("kid", "ec-1")), NOW).unwrap();
    named.revocations().end_key("ed-1", NOW + 900);
    assert!(!named.is_still_good(&claims, NOW));
}

#[test]
fn it_ends_when_the_policy_would_refuse_its_token() {
    for (policy, is_good) in
        [(Staleness::Continue, true), (Staleness::RefuseAfter(std::time::Duration::from_secs(30)), false)]
    {
        let verifier = verifier();
        let claims = opened(&verifier);
        verifier.freshness.expect_feed(policy);
        verifier.heard(NOW);
        assert!(verifier.is_still_good(&claims, NOW + 30));
        assert_eq!(verifier.is_still_good(&claims, NOW + 31), is_good);
    }
}

#[test]
fn claims_of_somebody_else_are_never_good() {
    let mine = verifier();
    let claims = opened(&mine);
    assert!(!mine.is_still_good(&Claims { iss: "https://other.example".to_owned(), ..(*claims).clone() }, NOW));
    assert!(!mine.is_still_good(&Claims { aud: "https://other.example".to_owned(), ..(*claims).clone() }, NOW));
    assert!(!mine.is_still_good(&Claims { kid: "stranger".to_owned(), ..(*claims).clone() }, NOW));
    assert!(!verifier_without_keys().is_still_good(&claims, NOW));
}
