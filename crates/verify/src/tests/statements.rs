//! Tokens with a right signature that say something wrong: types, times, issuer, audience.

use super::*;

/// What a careless reader has taken for a time.
fn not_times() -> Vec<Value> {
    let later = NOW + 900;
    let mut values = vec![json!(later.to_string()), json!(""), json!(format!("{later}abc")), json!(true), json!(false)];
    values.extend([json!([later]), json!({"seconds": later}), json!(null), json!(-1), json!(i64::MIN)]);
    values.extend([json!(1_800_000_900.0), json!(1_800_000_900.5), json!(1e308), json!(1u64 << 63), json!(u64::MAX)]);
    values
}

#[test]
fn j2_times_of_a_wrong_type_are_refused_adv_cve_2026_25537() {
    let verifier = verifier();
    for name in ["exp", "iat", "nbf", "auth_time", "epoch"] {
        for value in not_times() {
            let token = edwards().token(&payload_with(name, value.clone()));
            assert_eq!(verifier.check(&token, NOW), Err(Refused::Malformed), "{name}: {value}");
        }
        // Numbers that no `Value` holds.
        for number in ["1e400", "-1e400", "1e3", "9223372036854775808", "18446744073709551616", "-0", "0x10", "NaN"] {
            let text = payload_with(name, "here").to_string().replace("\"here\"", number);
            let token = edwards().token_of_text(&edwards().header().to_string(), text);
            assert_eq!(verifier.check(&token, NOW), Err(Refused::Malformed), "{name}: {number}");
        }
    }
}

#[test]
fn j2_missing_claims_are_refused() {
    let verifier = verifier();
    for name in ["iss", "sub", "aud", "sid", "epoch", "client_id", "iat", "exp", "jti", "auth_time"] {
        let token = edwards().token(&payload_without(name));
        assert_eq!(verifier.check(&token, NOW), Err(Refused::MissingClaim), "{name}");
    }
    for name in ["iss", "sub", "sid", "client_id", "jti"] {
        for value in [json!(""), json!(7), json!(null), json!(["ann"])] {
            let token = edwards().token(&payload_with(name, value.clone()));
            assert_eq!(verifier.check(&token, NOW), Err(Refused::Malformed), "{name}: {value}");
        }
    }
}

#[test]
fn j2_claims_that_may_be_missing_then_grant_nothing() {
    let verifier = verifier();
    let without = |name| verifier.check(&edwards().token(&payload_without(name)), NOW).unwrap();
    assert!(without("roles").roles.is_empty());
    assert!(without("amr").amr.is_empty());
    assert!(without("scope").scope.is_empty());
    for (name, value) in [
        ("roles", json!("admin")),
        ("roles", json!(["user", 7])),
        ("roles", json!(null)),
        ("amr", json!({"pwd": true})),
        ("scope", json!(["openid"])),
        ("scope", json!(null)),
    ] {
        let token = edwards().token(&payload_with(name, value.clone()));
        assert_eq!(verifier.check(&token, NOW), Err(Refused::Malformed), "{name}: {value}");
    }
}

#[test]
fn j2_times_are_kept_to_the_second() {
    let verifier = verifier();
    let expires = edwards().token(&payload());
    let end = NOW + 900 + LEEWAY;
    assert!(verifier.check(&expires, end - 1).is_ok());
    assert_eq!(verifier.check(&expires, end), Err(Refused::Expired));

    for name in ["iat", "nbf"] {
        let token = |at: i64| edwards().token(&payload_with(name, at));
        assert!(verifier.check(&token(NOW + LEEWAY), NOW).is_ok(), "{name}");
        assert_eq!(verifier.check(&token(NOW + LEEWAY + 1), NOW), Err(Refused::NotYetValid), "{name}");
    }
    assert!(verifier.check(&edwards().token(&payload_with("exp", i64::MAX)), NOW).is_ok());
    assert_eq!(verifier.check(&edwards().token(&payload_with("nbf", i64::MAX)), NOW), Err(Refused::NotYetValid));
    assert_eq!(verifier.check(&expires, i64::MAX), Err(Refused::Expired));
    assert_eq!(verifier.check(&expires, i64::MIN), Err(Refused::NotYetValid));
}

#[test]
fn j3_only_the_type_of_an_access_token_is_accepted() {
    let verifier = verifier();
    let with_type = |kind: Value| {
        let header = json!({"typ": kind, "alg": "EdDSA", "kid": edwards().kid});
        verifier.check(&edwards().token_with_header(&header, &payload()), NOW)
    };
    for kind in ["at+jwt", "AT+JWT", "At+Jwt", "application/at+jwt", "Application/AT+JWT"] {
        assert!(with_type(json!(kind)).is_ok(), "{kind}");
    }
    let others = [
        "JWT",
        "jwt",
        "id+jwt",
        "refresh+jwt",
        "logout+jwt",
        "dpop+jwt",
        "secevent+jwt",
        "statuslist+jwt",
        "client-authentication+jwt",
        "reset+jwt",
        "oauth-authz-req+jwt",
        "token-introspection+jwt",
        "",
        " at+jwt",
        "at+jwt ",
        "at+jwt;q=1",
        "text/at+jwt",
        "application/application/at+jwt",
        "application/",
        "at",
        "at+jwt\0",
    ];
    for kind in others {
        assert_eq!(with_type(json!(kind)), Err(Refused::WrongType), "{kind:?}");
    }
    for kind in [json!(null), json!(7), json!(["at+jwt"])] {
        assert_eq!(with_type(kind), Err(Refused::WrongType));
    }
    let header = json!({"alg": "EdDSA", "kid": edwards().kid});
    assert_eq!(verifier.check(&edwards().token_with_header(&header, &payload()), NOW), Err(Refused::WrongType));
}

#[test]
fn j3_the_issuer_is_compared_letter_by_letter() {
    let verifier = verifier();
    for issuer in [
        "https://id.example/",
        "https://ID.example",
        "http://id.example",
        "https://id.example.evil.example",
        "https://id.exampl",
        "id.example",
        " https://id.example",
        "https://id.example\0",
        "https://id.example#a",
    ] {
        let token = edwards().token(&payload_with("iss", issuer));
        assert_eq!(verifier.check(&token, NOW), Err(Refused::WrongIssuer), "{issuer:?}");
    }
    for issuer in [json!([ISSUER]), json!({"iss": ISSUER}), json!(null)] {
        assert_eq!(verifier.check(&edwards().token(&payload_with("iss", issuer)), NOW), Err(Refused::Malformed));
    }
}

#[test]
fn j3_the_audience_is_ours_and_only_ours() {
    let verifier = verifier();
    let with_audience = |audience: Value| verifier.check(&edwards().token(&payload_with("aud", audience)), NOW);
    assert!(with_audience(json!(AUDIENCE)).is_ok());
    assert_eq!(with_audience(json!([AUDIENCE])).unwrap().aud, AUDIENCE);
    for audience in [
        json!("https://other.example"),
        json!(format!("{AUDIENCE}/")),
        json!("https://api.exampl"),
        json!(format!("{AUDIENCE} https://other.example")),
        json!(""),
        json!([]),
        json!(["https://other.example"]),
        json!([AUDIENCE, "https://other.example"]),
        json!([AUDIENCE, AUDIENCE]),
    ] {
        assert_eq!(with_audience(audience.clone()), Err(Refused::WrongAudience), "{audience}");
    }
    for audience in [json!([[AUDIENCE]]), json!([7]), json!({"aud": AUDIENCE}), json!(7), json!(null), json!(true)] {
        assert_eq!(with_audience(audience.clone()), Err(Refused::Malformed), "{audience}");
    }
}

#[test]
fn every_reason_has_its_own_code() {
    let codes: std::collections::BTreeSet<&str> = Refused::ALL.iter().map(|refused| refused.as_str()).collect();
    assert_eq!(codes.len(), Refused::ALL.len());
    for (place, reason) in Refused::ALL.into_iter().enumerate() {
        assert_eq!(reason as usize, place, "the counters are found by it");
    }
}
