//! Keys that the issuer took back.

use super::*;
use crate::KeysError;

#[test]
fn j13_a_key_that_was_taken_back_ends_its_tokens_at_once() {
    let verifier = verifier();
    let known = edwards().token(&payload());
    let other = keys()[1].token(&payload());
    assert!(verifier.check(&known, NOW).is_ok());
    verifier.revocations().end_key("ed-1", NOW + 900);
    assert_eq!(verifier.check(&known, NOW), Err(Refused::UnknownKey));
    assert_eq!(verifier.check(&edwards().token(&payload_with("jti", "new")), NOW), Err(Refused::UnknownKey));
    assert!(verifier.check(&other, NOW).is_ok());
}

#[test]
fn j13_an_old_copy_of_the_key_set_does_not_bring_it_back() {
    let [edwards, elliptic, _] = keys();
    let verifier = verifier();
    let token = edwards.token(&payload());
    verifier.revocations().end_key("ed-1", NOW + 900);
    verifier.set_keys(&key_set(keys())).unwrap();
    assert_eq!(verifier.check(&token, NOW), Err(Refused::UnknownKey));
    assert!(verifier.check(&elliptic.token(&payload()), NOW).is_ok());
    // Long after the last token that it signed before: whoever stole it still signs.
    verifier.revocations().sweep(NOW + 100_000);
    verifier.set_keys(&key_set(keys())).unwrap();
    let stolen = edwards.token(&payload_with("exp", NOW + 200_000));
    assert_eq!(verifier.check(&stolen, NOW + 100_000), Err(Refused::UnknownKey));
    // A set of nothing else is no set, and the good keys stay.
    assert_eq!(verifier.set_keys(&key_set([edwards])), Err(KeysError::Empty));
    assert!(verifier.check(&elliptic.token(&payload()), NOW).is_ok());
    // Not even another key under its name.
    assert_eq!(verifier.set_keys(&key_set([&SigningKey::edwards("ed-1")])), Err(KeysError::Empty));
}

#[test]
fn a_key_can_be_taken_back_before_it_is_seen() {
    let verifier = verifier_without_keys();
    verifier.revocations().end_key("ed-1", NOW + 900);
    assert_eq!(verifier.check(&edwards().token(&payload()), NOW), Err(Refused::NotReady));
    verifier.set_keys(&key_set(keys())).unwrap();
    assert_eq!(verifier.check(&edwards().token(&payload()), NOW), Err(Refused::UnknownKey));
    // With every key taken back there is still a key set: nobody is asked to come again.
    for key in keys() {
        verifier.revocations().end_key(key.kid, NOW + 900);
    }
    assert_eq!(verifier.check(&keys()[1].token(&payload()), NOW), Err(Refused::UnknownKey));
}

#[test]
fn only_too_many_of_them_are_forgotten_and_only_old_ones() {
    let verifier = verifier();
    for number in 0..1001 {
        verifier.revocations().end_key(&format!("old-{number}"), NOW);
    }
    verifier.revocations().end_key("ed-1", NOW + 900);
    verifier.revocations().sweep(NOW + 2 * LEEWAY);
    assert_eq!(verifier.stats(NOW).keys_taken_back, 1);
    assert_eq!(verifier.check(&edwards().token(&payload()), NOW), Err(Refused::UnknownKey));
}
