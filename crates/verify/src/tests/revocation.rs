//! What the feed says, and how long it is remembered.

use super::*;

fn token(subject: &str, session: &str, epoch: i64) -> String {
    let mut payload = payload();
    payload["sub"] = json!(subject);
    payload["sid"] = json!(session);
    payload["epoch"] = json!(epoch);
    edwards().token(&payload)
}

#[test]
fn a_raised_epoch_ends_every_older_token_of_that_user_only() {
    let verifier = verifier();
    verifier.revocations().end_subject("ann", 3, NOW + 900);
    assert_eq!(verifier.check(&token("ann", "a", 2), NOW), Err(Refused::Revoked));
    assert_eq!(verifier.check(&token("ann", "b", 0), NOW), Err(Refused::Revoked));
    assert!(verifier.check(&token("ann", "a", 3), NOW).is_ok(), "made after the epoch rose");
    assert!(verifier.check(&token("ann", "a", 4), NOW).is_ok());
    assert!(verifier.check(&token("bob", "a", 2), NOW).is_ok());
}

#[test]
fn an_ended_session_leaves_the_users_other_sessions() {
    let verifier = verifier();
    verifier.revocations().end_session("a", NOW + 900);
    assert_eq!(verifier.check(&token("ann", "a", 3), NOW), Err(Refused::Revoked));
    assert_eq!(verifier.check(&token("ann", "a", i64::MAX), NOW), Err(Refused::Revoked));
    assert!(verifier.check(&token("ann", "b", 3), NOW).is_ok());
    assert!(verifier.check(&token("a", "b", 3), NOW).is_ok(), "a subject is not a session");
}

#[test]
fn entries_may_come_late_and_twice() {
    let verifier = verifier();
    let revocations = verifier.revocations();
    revocations.end_subject("ann", 5, NOW + 900);
    revocations.end_subject("ann", 2, NOW + 100);
    revocations.end_session("a", NOW + 900);
    revocations.end_session("a", NOW + 100);
    assert_eq!(revocations.len(), 2);
    revocations.sweep(NOW + 100 + 2 * LEEWAY);
    assert_eq!(revocations.len(), 2);
    assert_eq!(verifier.check(&token("ann", "b", 4), NOW), Err(Refused::Revoked));
    assert_eq!(verifier.check(&token("bob", "a", 4), NOW), Err(Refused::Revoked));
}

#[test]
fn nothing_is_forgotten_while_a_token_could_still_be_taken() {
    let verifier = verifier();
    let revocations = verifier.revocations();
    assert!(revocations.is_empty());
    let exp = NOW + 900;
    revocations.end_subject("ann", 4, exp);
    revocations.end_session("b", exp);
    let (by_epoch, by_session) = (token("ann", "a", 3), token("bob", "b", 3));
    for now in [NOW, exp, exp + LEEWAY - 1] {
        revocations.sweep(now);
        assert_eq!(verifier.check(&by_epoch, now), Err(Refused::Revoked));
        assert_eq!(verifier.check(&by_session, now), Err(Refused::Revoked));
    }
    revocations.sweep(exp + 2 * LEEWAY - 1);
    assert_eq!(revocations.len(), 2);
    revocations.sweep(exp + 2 * LEEWAY);
    assert!(revocations.is_empty());
    assert_eq!(verifier.check(&by_epoch, exp + 2 * LEEWAY), Err(Refused::Expired));
}

#[test]
fn no_clock_decides_whether_a_token_is_good() {
    let verifier = verifier();
    // Long past its time, and from a token of the same second: still revoked until swept.
    verifier.revocations().end_subject("ann", 4, 0);
    assert_eq!(verifier.check(&token("ann", "a", 3), NOW), Err(Refused::Revoked));
    verifier.revocations().end_session("b", i64::MAX);
    verifier.revocations().sweep(i64::MAX - 1);
    assert_eq!(verifier.revocations().len(), 1, "a time at the end of time does not overflow");
}

#[test]
fn the_applied_number_only_rises() {
    let verifier = verifier();
    let revocations = verifier.revocations();
    assert_eq!(revocations.applied(), 0);
    revocations.set_applied(7);
    revocations.set_applied(5);
    assert_eq!(revocations.applied(), 7);
}

#[test]
fn many_threads_see_a_revocation_at_once() {
    let verifier = verifier();
    let token = token("ann", "a", 3);
    assert!(verifier.check(&token, NOW).is_ok());
    std::thread::scope(|scope| {
        for number in 0..4 {
            let (verifier, token) = (&verifier, &token);
            scope.spawn(move || {
                for round in 0..500 {
                    let session = format!("{number}-{round}");
                    verifier.revocations().end_session(&session, NOW + 900);
                    verifier.revocations().sweep(NOW);
                    if round == 250 {
                        verifier.revocations().end_subject("ann", 4, NOW + 900);
                    }
                    if round >= 250 {
                        assert_eq!(verifier.check(token, NOW), Err(Refused::Revoked));
                    }
                }
            });
        }
    });
    assert_eq!(verifier.revocations().len(), 4 * 500 + 1);
}
