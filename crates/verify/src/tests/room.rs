//! When there are more revocations than room for them.

use super::*;

fn narrow(most: usize) -> Verifier {
    let verifier = verifier_without_keys().with_most_revocations(most);
    verifier.set_keys(&key_set(keys())).unwrap();
    verifier
}

fn token_until(subject: &str, exp: i64) -> String {
    let mut payload = payload_with("sub", subject);
    payload["sid"] = json!(format!("session of {subject}"));
    payload["exp"] = json!(exp);
    edwards().token(&payload)
}

#[test]
fn what_has_no_room_refuses_too_much_and_never_too_little() {
    let verifier = narrow(2);
    let revocations = verifier.revocations();
    let forget_at = NOW + 900;
    for subject in ["ann", "bob", "cat"] {
        revocations.end_subject(subject, 4, forget_at);
    }
    assert_eq!(revocations.len(), 2);
    assert!(revocations.is_widened());
    assert!(verifier.stats(NOW).is_widened);
    // Those that fit, the one that did not, and somebody who has nothing to do with it.
    for subject in ["ann", "bob", "cat", "dan"] {
        assert_eq!(verifier.check(&token_until(subject, forget_at), NOW), Err(Refused::Revoked), "{subject}");
    }
    // Also if the clock that wrote `exp` was ahead by twice the leeway.
    assert_eq!(verifier.check(&token_until("cat", forget_at + 2 * LEEWAY), NOW), Err(Refused::Revoked));
    // Whoever gets a new token after that gets through.
    assert!(verifier.check(&token_until("dan", forget_at + 2 * LEEWAY + 1), NOW).is_ok());
}

#[test]
fn known_entries_still_rise_when_there_is_no_room() {
    let verifier = narrow(1);
    let revocations = verifier.revocations();
    revocations.end_session("a", NOW);
    revocations.end_session("a", NOW + 10);
    revocations.end_subject("ann", 1, NOW);
    revocations.end_subject("ann", 7, NOW);
    assert!(!revocations.is_widened());
    assert!(revocations.has_epoch("ann", 7));
    assert_eq!(revocations.len(), 2, "one of each kind");
}

#[test]
fn room_comes_back_with_time() {
    let verifier = narrow(1);
    let revocations = verifier.revocations();
    revocations.end_session("a", NOW);
    revocations.end_session("b", NOW + 100);
    revocations.sweep(NOW + 2 * LEEWAY);
    assert!(revocations.is_empty() && revocations.is_widened());
    let token = token_until("dan", NOW + 100);
    assert_eq!(verifier.check(&token, NOW), Err(Refused::Revoked));
    revocations.sweep(NOW + 100 + 2 * LEEWAY);
    assert!(!revocations.is_widened());
    assert!(verifier.check(&token, NOW).is_ok());
    revocations.end_session("c", NOW + 900);
    assert!(!revocations.is_widened());
}

#[test]
fn without_any_room_everything_older_is_refused() {
    let verifier = narrow(0);
    let token = edwards().token(&payload());
    assert!(verifier.check(&token, NOW).is_ok());
    verifier.revocations().end_session("somebody's", NOW + 900);
    assert_eq!(verifier.check(&token, NOW), Err(Refused::Revoked));
}

#[test]
fn many_threads_never_take_more_room_than_there_is() {
    let verifier = narrow(500);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let verifier = &verifier;
            scope.spawn(move || {
                for number in 0..1000 {
                    verifier.revocations().end_session(&format!("{thread}-{number}"), NOW + 900);
                }
            });
        }
    });
    assert_eq!(verifier.revocations().len(), 500);
    assert!(verifier.revocations().is_widened());
    verifier.revocations().sweep(i64::MAX);
    assert_eq!(verifier.revocations().len(), 0);
}
