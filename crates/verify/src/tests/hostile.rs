//! Tokens made to cost time, memory or a panic.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

const MOST_TIME: Duration = Duration::from_millis(5);

/// Checks a token as a new one five times and takes the fastest, because the machine may be busy
/// with others.
fn check_quickly(token: &str) -> Result<Arc<Claims>, Refused> {
    let mut fastest = Duration::MAX;
    for _ in 0..5 {
        let verifier = verifier();
        let begin = Instant::now();
        let _ = verifier.check(token, NOW);
        fastest = fastest.min(begin.elapsed());
    }
    assert!(fastest <= MOST_TIME, "{fastest:?} for {} bytes", token.len());
    check(token)
}

/// Signs a payload that need not be JSON.
fn signed(payload: impl AsRef<[u8]>) -> String {
    edwards().token_of_text(&edwards().header().to_string(), payload)
}

/// The usual payload with more members written behind the last one.
fn payload_and(more: &str) -> String {
    let mut text = payload().to_string();
    text.pop();
    format!("{text},{more}}}")
}

#[test]
fn j8_longer_than_8_kib_is_refused() {
    let limit = 8 * 1024;
    let padded = |length: usize| signed(payload_and(&format!("\"pad\":\"{}\"", "a".repeat(length))));
    let most = (limit - padded(0).len()) * 3 / 4;
    let tokens: Vec<String> = (most - 4..most + 4).map(padded).collect();
    assert!(tokens.iter().any(|token| token.len() <= limit) && tokens.iter().any(|token| token.len() > limit));
    for token in tokens {
        let expected = if token.len() <= limit { Ok(()) } else { Err(Refused::Malformed) };
        assert_eq!(check_quickly(&token).map(|_| ()), expected, "{} bytes", token.len());
    }
    for length in [8 * 1024 + 1, 100_000, 20_000_000] {
        assert_eq!(check_quickly(&"a".repeat(length)), Err(Refused::Malformed));
        assert_eq!(check_quickly(&".".repeat(length)), Err(Refused::Malformed));
    }
}

#[test]
fn j8_many_claims_cost_little() {
    let claims = |count: usize| (0..count).map(|number| format!("\"c{number}\":0")).collect::<Vec<_>>().join(",");
    assert_eq!(check_quickly(&signed(payload_and(&claims(10_000)))), Err(Refused::Malformed));
    // As many as fit are unknown claims like any other.
    assert!(check_quickly(&signed(payload_and(&claims(600)))).is_ok());
    let header = format!("{{\"typ\":\"at+jwt\",\"alg\":\"EdDSA\",\"kid\":\"nobody\",{}}}", claims(600));
    assert_eq!(check_quickly(&edwards().token_of_text(&header, "{}")), Err(Refused::UnknownKey));
}

#[test]
fn j8_depth_is_bounded() {
    for depth in [200, 1000, 2500] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let nested = format!("{}0{}", open.repeat(depth), close.repeat(depth));
            for text in [payload_and(&format!("\"deep\":{nested}")), nested.clone(), open.repeat(depth)] {
                assert_eq!(check_quickly(&signed(&text)), Err(Refused::Malformed), "{open} {depth}");
                assert!(check_quickly(&edwards().token_of_text(&text, payload().to_string())).is_err());
            }
        }
    }
}

#[test]
fn j8_repeated_members_are_refused() {
    let verifier = verifier();
    for more in [
        "\"exp\":9999999999",
        "\"sub\":\"ann\"",
        "\"\\u0073ub\":\"admin\"",
        "\"x\":1,\"x\":1",
        "\"x\":{\"a\":1,\"a\":2}",
        "\"x\":[{\"a\":[{\"b\":1,\"b\":1}]}]",
    ] {
        assert_eq!(verifier.check(&signed(payload_and(more)), NOW), Err(Refused::Malformed), "{more}");
    }
    for more in
        ["\"alg\":\"none\"", "\"kid\":\"ec-1\"", "\"\\u0061lg\":\"EdDSA\"", "\"typ\":\"at+jwt\"", "\"a\":1,\"a\":1"]
    {
        let header = format!("{{\"typ\":\"at+jwt\",\"alg\":\"EdDSA\",\"kid\":\"ed-1\",{more}}}");
        let token = edwards().token_of_text(&header, payload().to_string());
        assert_eq!(verifier.check(&token, NOW), Err(Refused::Malformed), "{more}");
    }
}

#[test]
fn j8_base64_has_one_form() {
    let verifier = verifier();
    let token = edwards().token(&payload());
    assert!(verifier.check(&token, NOW).is_ok());
    let parts: Vec<&str> = token.split('.').collect();
    for part in 0..3 {
        for change in [
            |text: &str| format!("{text}="),
            |text: &str| format!("{text}=="),
            |text: &str| format!(" {text}"),
            |text: &str| format!("{text}\n"),
            |text: &str| format!("{text}\0"),
            |text: &str| format!("{text}A"),
            |text: &str| format!("\u{fe0f}{text}"),
            |text: &str| text.replace('-', "+").replace('_', "/") + "+/",
            |_: &str| String::new(),
        ] {
            let mut changed: Vec<String> = parts.iter().map(ToString::to_string).collect();
            changed[part] = change(parts[part]);
            assert!(verifier.check(&changed.join("."), NOW).is_err(), "{changed:?}");
        }
    }
    // A signature of 64 bytes leaves four bits over: all sixteen endings decode alike if one is lenient.
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (start, last) = token.split_at(token.len() - 1);
    for ending in alphabet.chars().filter(|ending| !last.contains(*ending)) {
        assert!(verifier.check(&format!("{start}{ending}"), NOW).is_err(), "{ending}");
    }
    // A signed header or payload that is not canonical is not read either.
    for (header, payload) in [("e30", "e31"), ("e31", "e30"), ("e30=", "e30")] {
        let message = format!("{header}.{payload}");
        assert!(verifier.check(&format!("{message}.{}", edwards().sign(&message)), NOW).is_err());
    }
}

#[test]
fn j8_broken_shapes_are_refused() {
    let verifier = verifier();
    let token = edwards().token(&payload());
    let parts: Vec<&str> = token.split('.').collect();
    let wrong = [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "...".to_owned(),
        "a.b.c.d.e".to_owned(),
        format!("{token}."),
        format!(".{token}"),
        format!("Bearer {token}"),
        format!("{}.{}", parts[0], parts[1]),
        format!("{}.{}.{}.{}", parts[0], parts[1], parts[2], parts[2]),
        format!("{}..{}", parts[0], parts[2]),
    ];
    for token in wrong {
        assert!(verifier.check(&token, NOW).is_err(), "{token}");
    }
    for text in
        ["", "null", "[]", "7", "\"text\"", "{", "{}x", "{} {}", "\u{feff}{}", "{\"a\":}", "{'a':1}", "{\"a\":1,}"]
    {
        assert_eq!(verifier.check(&edwards().token_of_text(text, "{}"), NOW), Err(Refused::Malformed), "{text}");
        assert_eq!(verifier.check(&signed(text), NOW), Err(Refused::Malformed), "{text}");
    }
    assert_eq!(verifier.check(&signed(b"{\"sub\":\"\xff\xfe\"}"), NOW), Err(Refused::Malformed));
    assert_eq!(verifier.check(&signed("{\"sub\":\"\\ud800\"}"), NOW), Err(Refused::Malformed));
    assert_eq!(verifier.check(&signed("{}"), NOW), Err(Refused::MissingClaim));
}

/// JSON of any shape, in which the names of the claims are frequent.
fn any_json() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        prop::sample::select(vec!["iss", "sub", "aud", "sid", "exp", "iat", "nbf", "epoch", "roles", "scope"])
            .prop_map(ToOwned::to_owned),
        "[a-z\\\\\"\u{0}-\u{20}]{0,4}",
    ];
    let leaf = prop_oneof![
        any::<f64>().prop_map(|number| json!(number)),
        any::<i64>().prop_map(|number| json!(number)),
        any::<bool>().prop_map(|truth| json!(truth)),
        any::<String>().prop_map(|text| json!(text)),
        Just(json!(null)),
    ];
    let value = leaf.prop_recursive(4, 32, 4, |inner| prop::collection::vec(inner, 0..4).prop_map(Value::Array));
    prop::collection::vec((name, value), 0..12).prop_map(|members| {
        let members: Vec<String> = members.iter().map(|(name, value)| format!("{}:{value}", json!(name))).collect();
        format!("{{{}}}", members.join(","))
    })
}

proptest! {
    #[test]
    fn j8_no_text_panics(text in any::<String>(), now in any::<i64>()) {
        prop_assert!(verifier().check(&text, now).is_err());
    }

    #[test]
    fn j8_no_three_parts_panic(header in any::<Vec<u8>>(), payload in any::<Vec<u8>>(), signature in any::<Vec<u8>>()) {
        let token = format!("{}.{}.{}", base64(header), base64(payload), base64(signature));
        prop_assert!(check(&token).is_err());
    }

    #[test]
    fn j8_no_signed_bytes_panic(payload in any::<Vec<u8>>(), now in any::<i64>()) {
        prop_assert!(verifier().check(&signed(payload), now).is_err());
    }

    #[test]
    fn j8_no_signed_json_panics(payload in any_json(), now in any::<i64>()) {
        prop_assert!(verifier().check(&signed(payload), now).is_err());
    }

    #[test]
    fn j8_no_header_panics(header in any_json()) {
        prop_assert!(check(&edwards().token_of_text(&header, payload().to_string())).is_err());
    }

    #[test]
    fn j8_no_key_set_panics(document in any_json(), bytes in any::<Vec<u8>>()) {
        let verifier = verifier_without_keys();
        prop_assert!(verifier.set_keys(&bytes).is_err());
        prop_assert!(verifier.set_keys(document.as_bytes()).is_err());
        let with_one_key = format!("{{\"keys\":[{document}]}}");
        prop_assert!(verifier.set_keys(with_one_key.as_bytes()).is_err());
    }

    #[test]
    fn j8_any_changed_byte_is_refused(key in 0usize..3, place in any::<prop::sample::Index>(), byte in 0u8..128) {
        let verifier = verifier();
        let token = keys()[key].token(&payload());
        prop_assert!(verifier.check(&token, NOW).is_ok());
        let mut changed = token.clone().into_bytes();
        let place = place.index(changed.len());
        prop_assume!(changed[place] != byte);
        changed[place] = byte;
        let changed = String::from_utf8(changed).unwrap();
        prop_assert!(verifier.check(&changed, NOW).is_err());
    }
}

#[test]
fn j8_any_changed_bit_is_refused() {
    let verifier = verifier();
    let token = edwards().token(&payload());
    assert!(verifier.check(&token, NOW).is_ok());
    for place in 0..token.len() {
        for bit in 0..7 {
            let mut changed = token.clone().into_bytes();
            changed[place] ^= 1 << bit;
            let changed = String::from_utf8(changed).unwrap();
            assert!(verifier.check(&changed, NOW).is_err(), "byte {place}, bit {bit}");
        }
    }
}
