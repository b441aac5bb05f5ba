//! JWKS documents, good and bad.

use super::*;
use crate::KeysError;

fn set_of(keys: &[Value]) -> Vec<u8> {
    json!({ "keys": keys }).to_string().into_bytes()
}

fn changed(key: &SigningKey, name: &str, value: impl Into<Value>) -> Value {
    let mut jwk = key.jwk.clone();
    jwk[name] = value.into();
    jwk
}

fn without(key: &SigningKey, name: &str) -> Value {
    let mut jwk = key.jwk.clone();
    jwk.as_object_mut().unwrap().remove(name);
    jwk
}

#[test]
fn j5_a_bad_document_never_replaces_good_keys() {
    let verifier = verifier();
    let token = edwards().token(&payload());
    let known = verifier.check(&token, NOW).unwrap();
    let good = edwards().jwk.to_string();
    let mut documents: Vec<(Vec<u8>, KeysError)> = vec![
        (b"".to_vec(), KeysError::Malformed),
        (b"<html>502 Bad Gateway</html>".to_vec(), KeysError::Malformed),
        (b"null".to_vec(), KeysError::Malformed),
        (b"{}".to_vec(), KeysError::Malformed),
        (b"{\"keys\":{}}".to_vec(), KeysError::Malformed),
        (b"{\"keys\":[7]}".to_vec(), KeysError::Malformed),
        (b"{\"keys\":[]}".to_vec(), KeysError::Empty),
        (format!("{{\"keys\":[{good}],\"keys\":[{good}]}}").into_bytes(), KeysError::Malformed),
        (format!("{{\"keys\":[{good},{good}]}}").into_bytes(), KeysError::RepeatedId),
        (format!("{{\"keys\":[{good}]}}{}", " ".repeat(64 * 1024)).into_bytes(), KeysError::TooLong),
    ];
    documents.push((key_set(keys())[1..].to_vec(), KeysError::Malformed));
    for (document, expected) in documents {
        assert_eq!(verifier.set_keys(&document), Err(expected), "{}", String::from_utf8_lossy(&document));
        assert!(Arc::ptr_eq(&known, &verifier.check(&token, NOW).unwrap()));
    }
}

#[test]
fn j11_a_published_private_key_is_an_error() {
    let [edwards, elliptic, rsa] = keys();
    let verifier = verifier_without_keys();
    for name in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
        let document = set_of(&[elliptic.jwk.clone(), changed(rsa, name, "AQAB")]);
        assert_eq!(verifier.set_keys(&document), Err(KeysError::PrivateKey), "{name}");
    }
    let secret = json!({"kty": "oct", "alg": "HS256", "kid": "secret", "k": "c2VjcmV0"});
    assert_eq!(verifier.set_keys(&set_of(&[edwards.jwk.clone(), secret])), Err(KeysError::PrivateKey));
    let for_encryption = json!({"kty": "OKP", "crv": "X25519", "use": "enc", "kid": "x", "d": "AQAB"});
    assert_eq!(verifier.set_keys(&set_of(&[edwards.jwk.clone(), for_encryption])), Err(KeysError::PrivateKey));
    assert_eq!(verifier.check(&elliptic.token(&payload()), NOW), Err(Refused::NotReady));
}

#[test]
fn j11_a_key_says_its_id_and_its_algorithm() {
    let verifier = verifier_without_keys();
    for key in keys() {
        for name in ["kid", "alg", "kty"] {
            for jwk in [without(key, name), changed(key, name, 7), changed(key, name, "")] {
                assert_eq!(verifier.set_keys(&set_of(&[jwk])), Err(KeysError::Malformed), "{name}");
            }
        }
    }
}

#[test]
fn j11_a_key_is_what_it_says() {
    let [edwards, elliptic, rsa] = keys();
    let verifier = verifier_without_keys();
    let invalid = [
        changed(edwards, "alg", "ES256"),
        changed(edwards, "alg", "RS256"),
        changed(edwards, "crv", "Ed448"),
        changed(edwards, "x", base64([7; 31])),
        changed(edwards, "x", base64(&edwards.public_der)),
        changed(elliptic, "alg", "EdDSA"),
        changed(elliptic, "crv", "P-384"),
        changed(elliptic, "x", base64([7; 32])),
        changed(elliptic, "y", base64([0; 33])),
        changed(rsa, "alg", "ES256"),
        changed(rsa, "n", base64([0xff; 128])),
        changed(rsa, "n", base64([0; 256])),
        changed(rsa, "e", base64([1])),
        changed(rsa, "e", base64([0])),
        changed(rsa, "e", base64([3])),
        changed(rsa, "e", base64([0, 0, 1])),
        changed(rsa, "e", base64([1, 0, 0])),
    ];
    for jwk in invalid {
        assert_eq!(verifier.set_keys(&set_of(std::slice::from_ref(&jwk))), Err(KeysError::InvalidKey), "{jwk}");
    }
    for jwk in [without(edwards, "x"), changed(rsa, "e", "AQAB="), changed(elliptic, "x", 7)] {
        assert_eq!(verifier.set_keys(&set_of(&[jwk])), Err(KeysError::Malformed));
    }
}

#[test]
fn keys_for_other_purposes_may_stand_beside_ours() {
    let [edwards, elliptic, rsa] = keys();
    let verifier = verifier_without_keys();
    let others = [
        changed(elliptic, "use", "enc"),
        changed(rsa, "alg", "RSA-OAEP-256"),
        json!({"kty": "AKP", "alg": "ML-DSA-65", "kid": "pq", "pub": "AAAA"}),
        json!({"kty": "EC", "crv": "P-521", "alg": "ES512", "kid": "big", "x": "AAAA", "y": "AAAA"}),
    ];
    assert_eq!(verifier.set_keys(&set_of(&others)), Err(KeysError::Empty));
    let mut with_ours = others.to_vec();
    with_ours.push(edwards.jwk.clone());
    verifier.set_keys(&set_of(&with_ours)).unwrap();
    assert!(verifier.check(&edwards.token(&payload()), NOW).is_ok());
    assert_eq!(verifier.check(&rsa.token(&payload()), NOW), Err(Refused::UnknownKey));
    assert_eq!(verifier.check(&elliptic.token(&payload()), NOW), Err(Refused::UnknownKey));
}

#[test]
fn j12_a_rotation_in_flight_refuses_no_good_token() {
    let verifier = Arc::new(verifier_without_keys());
    let (old, new) = (SigningKey::edwards("old"), SigningKey::edwards("new"));
    let sets = [key_set([&old]), key_set([&old, &new])];
    verifier.set_keys(&sets[0]).unwrap();
    std::thread::scope(|scope| {
        let checks = scope.spawn(|| {
            for number in 0..2000 {
                let token = old.token(&payload_with("jti", format!("token-{}", number / 2)));
                assert!(verifier.check(&token, NOW).is_ok());
            }
        });
        let mut round = 0;
        while !checks.is_finished() {
            verifier.set_keys(&sets[round % 2]).unwrap();
            round += 1;
        }
    });
}

#[test]
fn an_edwards_key_may_use_its_newer_name() {
    // RFC 9864 names the curve. The header still has to use the name that the key uses.
    let verifier = verifier_without_keys();
    verifier.set_keys(&set_of(&[changed(edwards(), "alg", "Ed25519")])).unwrap();
    let header = json!({"typ": "at+jwt", "alg": "Ed25519", "kid": edwards().kid});
    assert!(verifier.check(&edwards().token_with_header(&header, &payload()), NOW).is_ok());
    assert_eq!(verifier.check(&edwards().token(&payload()), NOW), Err(Refused::BadSignature));
}
