//! Tokens that somebody without a key of the issuer makes up: algorithms and header tricks.

use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{Algorithm, EncodingKey};

use super::*;

#[test]
fn j1_algorithm_none_is_refused_in_every_spelling() {
    let verifier = verifier();
    let body = base64(payload().to_string());
    for algorithm in ["none", "None", "NONE", "nOnE", "", " none", "null"] {
        for key in keys() {
            let header = base64(json!({"typ": "at+jwt", "alg": algorithm, "kid": key.kid}).to_string());
            let message = format!("{header}.{body}");
            for token in [format!("{message}."), message.clone(), format!("{message}.{}", key.sign(&message))] {
                assert!(verifier.check(&token, NOW).is_err(), "{algorithm}: {token}");
            }
        }
    }
}

#[test]
fn j1_hmac_with_the_public_key_is_refused() {
    let verifier = verifier();
    for key in keys() {
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----", STANDARD.encode(&key.public_der));
        let with_newline = format!("{pem}\n");
        let jwk = key.jwk.to_string();
        let member = key.jwk.get("x").or(key.jwk.get("n")).and_then(Value::as_str).unwrap();
        let set = key_set([key]);
        let secrets: [&[u8]; 8] = [
            pem.as_bytes(),
            with_newline.as_bytes(),
            &key.public_der,
            &key.public_raw,
            jwk.as_bytes(),
            member.as_bytes(),
            &set,
            b"",
        ];
        for secret in secrets {
            for (name, algorithm) in
                [("HS256", Algorithm::HS256), ("HS384", Algorithm::HS384), ("HS512", Algorithm::HS512)]
            {
                // Under its own name, and under the name of the key's algorithm.
                for header_name in [name, key.algorithm] {
                    let header = json!({"typ": "at+jwt", "alg": header_name, "kid": key.kid}).to_string();
                    let message = format!("{}.{}", base64(header), base64(payload().to_string()));
                    let secret = EncodingKey::from_secret(secret);
                    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &secret, algorithm).unwrap();
                    let token = format!("{message}.{signature}");
                    assert_eq!(verifier.check(&token, NOW), Err(Refused::BadSignature), "{name} {}", key.algorithm);
                }
            }
        }
    }
}

#[test]
fn j1_the_algorithm_is_the_keys_and_not_the_headers() {
    let verifier = verifier();
    let names = [
        "EdDSA", "Ed25519", "ES256", "ES384", "ES512", "ES256K", "RS256", "RS384", "RS512", "PS256", "PS512", "HS256",
        "eddsa", "es256", "rs256", "unknown",
    ];
    for key in keys() {
        for name in names.into_iter().filter(|name| *name != key.algorithm) {
            let header = json!({"typ": "at+jwt", "alg": name, "kid": key.kid});
            let token = key.token_with_header(&header, &payload());
            assert_eq!(verifier.check(&token, NOW), Err(Refused::BadSignature), "{} as {name}", key.algorithm);
        }
        // A right signature of one key under the id of another.
        for other in keys().iter().filter(|other| other.kid != key.kid) {
            for algorithm in [key.algorithm, other.algorithm] {
                let header = json!({"typ": "at+jwt", "alg": algorithm, "kid": other.kid});
                let token = key.token_with_header(&header, &payload());
                assert_eq!(verifier.check(&token, NOW), Err(Refused::BadSignature));
            }
        }
        for algorithm in [json!(null), json!(7), json!(["EdDSA"]), json!({"alg": "EdDSA"})] {
            let header = json!({"typ": "at+jwt", "alg": algorithm, "kid": key.kid});
            assert_eq!(verifier.check(&key.token_with_header(&header, &payload()), NOW), Err(Refused::Malformed));
        }
    }
}

#[test]
fn j1_a_pss_signature_is_not_an_rs256_signature() {
    let rsa = &keys()[2];
    for name in ["PS256", "RS256"] {
        let header = json!({"typ": "at+jwt", "alg": name, "kid": rsa.kid}).to_string();
        let message = format!("{}.{}", base64(header), base64(payload().to_string()));
        let token = format!("{message}.{}", rsa.sign_pss(&message));
        assert_eq!(check(&token), Err(Refused::BadSignature), "{name}");
    }
}

#[test]
fn j1_an_ecdsa_signature_of_zeros_or_in_der_is_refused() {
    let elliptic = &keys()[1];
    let message = format!("{}.{}", base64(elliptic.header().to_string()), base64(payload().to_string()));
    let mut der = vec![0x30, 0x44, 0x02, 0x20];
    let right = URL_SAFE_NO_PAD.decode(elliptic.sign(&message)).unwrap();
    der.extend_from_slice(&right[..32]);
    der.extend_from_slice(&[0x02, 0x20]);
    der.extend_from_slice(&right[32..]);
    for signature in [vec![0; 64], vec![0xff; 64], vec![], vec![0; 63], der] {
        let token = format!("{message}.{}", base64(signature));
        assert!(check(&token).is_err());
    }
}

#[test]
fn j4_the_key_id_is_only_a_name_in_the_map() {
    let verifier = verifier();
    let key = edwards();
    let with_id = |kid: Value| {
        let header = json!({"typ": "at+jwt", "alg": "EdDSA", "kid": kid});
        verifier.check(&key.token_with_header(&header, &payload()), NOW)
    };
    let unknown = [
        "../../x",
        "/dev/null",
        "file:///etc/passwd",
        "' OR 1=1 --",
        "\0",
        "ed-1\0",
        " ed-1",
        "ED-1",
        "ed-1/../ec-1",
        "http://127.0.0.1/key",
        "%65d-1",
    ];
    for kid in unknown {
        assert_eq!(with_id(json!(kid)), Err(Refused::UnknownKey), "{kid:?}");
    }
    assert_eq!(with_id(json!("k".repeat(10_000))), Err(Refused::Malformed));
    for kid in [json!(1), json!(null), json!(true), json!(["ed-1"]), json!({"ed-1": 1}), json!("")] {
        assert_eq!(with_id(kid.clone()), Err(Refused::Malformed), "{kid}");
    }
    let header = json!({"typ": "at+jwt", "alg": "EdDSA"});
    assert_eq!(verifier.check(&key.token_with_header(&header, &payload()), NOW), Err(Refused::Malformed));
}

#[test]
fn j4_members_that_change_the_reading_are_refused() {
    let verifier = verifier();
    let key = edwards();
    let additions = [
        ("crit", json!(["exp"])),
        ("crit", json!(["x-unknown"])),
        ("crit", json!([])),
        ("crit", json!(null)),
        ("b64", json!(false)),
        ("b64", json!(true)),
        ("zip", json!("DEF")),
        ("enc", json!("A256GCM")),
    ];
    for (name, value) in additions {
        let mut header = key.header();
        header[name] = value;
        assert_eq!(verifier.check(&key.token_with_header(&header, &payload()), NOW), Err(Refused::Malformed), "{name}");
    }
    // RFC 7797: the payload stands in the token as it is.
    let header = json!({"typ": "at+jwt", "alg": "EdDSA", "kid": key.kid, "b64": false, "crit": ["b64"]});
    let message = format!("{}.{}", base64(header.to_string()), payload());
    assert!(verifier.check(&format!("{message}.{}", key.sign(&message)), NOW).is_err());
}

#[test]
fn j4_keys_that_a_token_brings_along_are_ignored() {
    let verifier = verifier();
    let stranger = SigningKey::edwards("ed-1");
    for (kid, expected) in [("ed-1", Refused::BadSignature), ("stranger", Refused::UnknownKey)] {
        let header = json!({
            "typ": "at+jwt", "alg": "EdDSA", "kid": kid, "jwk": stranger.jwk,
            "jku": "http://127.0.0.1:1/jwks.json", "x5u": "http://127.0.0.1:1/chain.pem",
            "x5c": [STANDARD.encode(&stranger.public_der)],
        });
        assert_eq!(verifier.check(&stranger.token_with_header(&header, &payload()), NOW), Err(expected));
    }
    // They do no harm beside a right signature either.
    let mut header = edwards().header();
    header["jwk"] = stranger.jwk.clone();
    header["jku"] = json!(["not", "an", "address"]);
    assert!(verifier.check(&edwards().token_with_header(&header, &payload()), NOW).is_ok());
}
