//! A token that was good is asked again about everything that can change.

use super::*;

#[test]
fn j6_a_known_token_gives_the_same_claims_without_being_read_again() {
    let verifier = verifier();
    let token = edwards().token(&payload());
    let first = verifier.check(&token, NOW).unwrap();
    let second = verifier.check(&token, NOW + 1).unwrap();
    assert!(Arc::ptr_eq(&first, &second));
}

#[test]
fn j6_a_known_token_expires() {
    let verifier = verifier();
    let token = edwards().token(&payload());
    assert!(verifier.check(&token, NOW).is_ok());
    assert!(verifier.check(&token, NOW + 900 + LEEWAY - 1).is_ok());
    assert_eq!(verifier.check(&token, NOW + 900 + LEEWAY), Err(Refused::Expired));
    assert_eq!(verifier.check(&token, NOW - LEEWAY - 1), Err(Refused::NotYetValid));
    assert!(verifier.check(&token, NOW).is_ok());
}

#[test]
fn j6_a_known_token_can_be_revoked() {
    let verifier = verifier();
    let by_epoch = edwards().token(&payload());
    let by_session = edwards().token(&payload_with("sub", "bob"));
    assert!(verifier.check(&by_epoch, NOW).is_ok());
    assert!(verifier.check(&by_session, NOW).is_ok());

    verifier.revocations().end_subject("ann", 4, NOW + 900);
    assert_eq!(verifier.check(&by_epoch, NOW), Err(Refused::Revoked));
    assert!(verifier.check(&by_session, NOW).is_ok());

    verifier.revocations().end_session("session-1", NOW + 900);
    assert_eq!(verifier.check(&by_session, NOW), Err(Refused::Revoked));
}

#[test]
fn j6_a_known_token_ends_with_its_key() {
    let [edwards, elliptic, rsa] = keys();
    let verifier = verifier();
    let token = edwards.token(&payload());
    let other = elliptic.token(&payload());
    let known = verifier.check(&other, NOW).unwrap();
    assert!(verifier.check(&token, NOW).is_ok());

    verifier.set_keys(&key_set([elliptic, rsa])).unwrap();
    assert_eq!(verifier.check(&token, NOW), Err(Refused::UnknownKey));
    assert!(Arc::ptr_eq(&known, &verifier.check(&other, NOW).unwrap()), "the other key's token stays known");

    // Another key under the same id is another key.
    let successor = SigningKey::edwards("ed-1");
    verifier.set_keys(&key_set([&successor])).unwrap();
    assert_eq!(verifier.check(&token, NOW), Err(Refused::BadSignature));
    assert!(verifier.check(&successor.token(&payload()), NOW).is_ok());

    // A key that comes back is good again, for tokens known from before too.
    verifier.set_keys(&key_set([edwards])).unwrap();
    assert!(verifier.check(&token, NOW).is_ok());
    assert_eq!(verifier.check(&successor.token(&payload()), NOW), Err(Refused::BadSignature));
}

#[test]
fn j6_a_refused_token_is_never_known_as_good() {
    let verifier = verifier();
    let tokens = [
        edwards().token(&payload_with("exp", NOW - LEEWAY)),
        edwards().token(&payload_with("aud", "https://other.example")),
        SigningKey::edwards("ed-1").token(&payload()),
        edwards().token(&payload_with("nbf", NOW + 1000)),
    ];
    for token in tokens {
        let first = verifier.check(&token, NOW).unwrap_err();
        assert_eq!(verifier.check(&token, NOW), Err(first));
    }
}

#[test]
fn j6_verifiers_for_other_audiences_share_nothing() {
    let ours = verifier();
    let theirs = Verifier::new(Settings {
        issuer: ISSUER.to_owned(),
        audience: "https://other.example".to_owned(),
        leeway_seconds: LEEWAY,
        cache_capacity: 100,
    });
    theirs.set_keys(&key_set(keys())).unwrap();
    let token = edwards().token(&payload());
    assert!(ours.check(&token, NOW).is_ok());
    assert_eq!(theirs.check(&token, NOW), Err(Refused::WrongAudience));
}

#[test]
fn the_number_of_known_tokens_is_bounded_and_may_be_zero() {
    for cache_capacity in [0, 1, 8] {
        let verifier = Verifier::new(Settings {
            issuer: ISSUER.to_owned(),
            audience: AUDIENCE.to_owned(),
            leeway_seconds: -5,
            cache_capacity,
        });
        verifier.set_keys(&key_set(keys())).unwrap();
        for number in 0..40 {
            let token = edwards().token(&payload_with("jti", format!("token-{number}")));
            for _ in 0..2 {
                assert!(verifier.check(&token, NOW).is_ok());
            }
        }
        assert!(verifier.known_tokens() <= cache_capacity);
        // A leeway below zero is none.
        assert!(verifier.check(&edwards().token(&payload_with("exp", NOW + 1)), NOW).is_ok());
    }
}
