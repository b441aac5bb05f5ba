//! What a verifier counts.

use super::*;

#[test]
fn every_check_is_counted_once_under_its_outcome() {
    let verifier = verifier();
    let token = edwards().token(&payload());
    for _ in 0..3 {
        verifier.check(&token, NOW).unwrap();
    }
    verifier.check("nonsense", NOW).unwrap_err();
    verifier.check(&token, NOW + 10_000).unwrap_err();
    verifier.check(&edwards().token(&payload_with("aud", "x")), NOW).unwrap_err();
    verifier.revocations().end_session("session-1", NOW + 900);
    verifier.check(&token, NOW).unwrap_err();

    let stats = verifier.stats(NOW);
    assert_eq!((stats.accepted_new, stats.accepted_known), (1, 2));
    for reason in [Refused::Malformed, Refused::Expired, Refused::WrongAudience, Refused::Revoked] {
        assert_eq!(stats.refused_for(reason), 1, "{reason}");
    }
    assert_eq!(stats.refused.iter().sum::<u64>(), 4);
    assert_eq!((stats.keys, stats.revoked_sessions, stats.revoked_subjects, stats.known_tokens), (3, 1, 0, 1));
}

#[test]
fn threads_lose_no_count() {
    let verifier = verifier();
    let token = edwards().token(&payload());
    verifier.check(&token, NOW).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| (0..500).for_each(|_| drop(verifier.check(&token, NOW).unwrap())));
        }
    });
    assert_eq!(verifier.stats(NOW).accepted_known, 10_000);
}

#[test]
fn the_metrics_are_well_formed_and_say_what_the_numbers_are() {
    let verifier = verifier();
    verifier.expect_feed(crate::Staleness::Continue);
    assert!(!verifier.open_metrics(NOW).contains("staleness_seconds"));
    assert!(verifier.open_metrics(NOW).contains("usher_verify_ready 0\n"));
    verifier.heard(NOW - 7);
    verifier.check("nonsense", NOW).unwrap_err();
    let text = verifier.open_metrics(NOW);
    for line in [
        "usher_verify_checks_total{outcome=\"malformed\"} 1",
        "usher_verify_checks_total{outcome=\"accepted_known\"} 0",
        "usher_verify_checks_total{outcome=\"not_ready\"} 0",
        "usher_verify_staleness_seconds 7",
        "usher_verify_keys 3",
        "usher_verify_revocations{kind=\"session\"} 0",
        "usher_verify_key_fetches_total{outcome=\"failed\"} 0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    let mut family = "";
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("# HELP ").and_then(|rest| rest.split(' ').next()) {
            assert_ne!(name, family, "a family begins once");
            family = name;
        }
        let name = line.strip_prefix("# TYPE ").or(line.strip_prefix("# UNIT ")).unwrap_or(line);
        assert!(line.starts_with("# HELP ") || name.starts_with(family), "{line} stands in {family}");
    }
}
