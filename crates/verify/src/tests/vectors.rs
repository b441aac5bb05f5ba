//! The cases that the verifiers of all languages share: `clients/vectors`.

use std::time::Duration;

use super::*;
use crate::{Denied, KeysError, Requirements, Staleness};

fn cases(name: &str) -> (Value, Vec<Value>) {
    let path = format!("{}/../../clients/vectors/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut document: Value = serde_json::from_slice(&text).unwrap();
    let Value::Array(cases) = document["cases"].take() else { panic!("{name} has no cases") };
    assert!(cases.len() > 50, "{name} has too few cases");
    (document, cases)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}"))
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(|item| text(item).to_owned()).collect()
}

fn verifier_of(settings: &Value) -> Verifier {
    Verifier::new(Settings {
        issuer: text(&settings["issuer"]).to_owned(),
        audience: text(&settings["audience"]).to_owned(),
        leeway_seconds: settings["leeway"].as_i64().unwrap(),
        cache_capacity: 10,
    })
}

#[test]
fn tokens_are_judged_as_in_every_language() {
    let (document, cases) = cases("tokens.json");
    for case in cases {
        let name = text(&case["name"]);
        let verifier = verifier_of(&document["settings"]);
        let now = case["now"].as_i64().unwrap();
        let followed = case.get("followed");
        if followed.is_none_or(|followed| followed["keys"] == true) {
            verifier.set_keys(document["jwks"].to_string().as_bytes()).unwrap();
        }
        if let Some(followed) = followed {
            follow_as(&verifier, followed, now);
        }
        if let Some(revoked) = case.get("revoked") {
            revoke(&verifier, revoked);
        }
        let requirements = case.get("require").map_or_else(Requirements::new, |require| Requirements {
            roles: texts(&require["roles"]),
            scopes: texts(&require["scopes"]),
        });
        // The second time, a good one is known.
        for _ in 0..2 {
            let checked = verifier.check_for(text(&case["token"]), now, &requirements);
            let outcome = match &checked {
                Ok(_) => "ok",
                Err(Denied::Forbidden) => "forbidden",
                Err(Denied::Refused(reason)) => reason.as_str(),
            };
            assert_eq!(outcome, text(&case["expect"]), "{name}");
            if let (Some(expected), Ok(claims)) = (case.get("claims"), &checked) {
                assert_claims(claims, expected, name);
            }
        }
    }
}

fn follow_as(verifier: &Verifier, followed: &Value, now: i64) {
    let limit = followed["refuse_after"].as_u64().map(Duration::from_secs);
    verifier.expect_feed(limit.map_or(Staleness::Continue, Staleness::RefuseAfter));
    if let Some(seconds) = followed["heard"].as_i64() {
        verifier.heard(now - seconds);
    }
}

fn revoke(verifier: &Verifier, revoked: &Value) {
    let revocations = verifier.revocations();
    for entry in revoked["subjects"].as_array().unwrap() {
        revocations.end_subject(text(&entry["subject"]), entry["epoch"].as_i64().unwrap(), i64::MAX);
    }
    for session in texts(&revoked["sessions"]) {
        revocations.end_session(&session, i64::MAX);
    }
    for key in texts(&revoked["keys"]) {
        revocations.end_key(&key, i64::MAX);
    }
}

fn assert_claims(claims: &Claims, expected: &Value, name: &str) {
    let found = json!({
        "iss": claims.iss, "sub": claims.sub, "aud": claims.aud, "sid": claims.sid, "epoch": claims.epoch,
        "client_id": claims.client_id, "iat": claims.iat, "exp": claims.exp, "jti": claims.jti,
        "auth_time": claims.auth_time, "amr": claims.amr, "roles": claims.roles, "scope": claims.scope,
    });
    for (member, value) in found.as_object().unwrap() {
        assert_eq!(Some(value), expected.get(member), "{name}: {member}");
    }
}

#[test]
fn j5_key_sets_are_judged_as_in_every_language() {
    let (_, cases) = cases("jwks.json");
    for case in cases {
        let name = text(&case["name"]);
        let verifier = verifier();
        let before = verifier.keys.ids();
        let outcome = verifier.set_keys(text(&case["document"]).as_bytes());
        assert_eq!(outcome.map_or_else(KeysError::as_str, |()| "ok"), text(&case["expect"]), "{name}");
        let expected = case.get("keys").map_or(before, |keys| texts(keys).into_iter().collect());
        assert_eq!(verifier.keys.ids(), expected, "{name}");
    }
}

#[cfg(feature = "follow")]
#[test]
fn the_feed_is_understood_as_in_every_language() {
    use std::collections::BTreeSet;

    use crate::follow::feed::Feed;

    let (_, cases) = cases("feed.json");
    for case in cases {
        let name = text(&case["name"]);
        let verifier = verifier();
        let mut feed = Feed::new(case["resume"].as_i64(), 900);
        let mut outcome = "following";
        let (mut fetch_keys, mut is_heard) = (false, false);
        for chunk in texts(&case["chunks"]) {
            // Each sign stands for one byte.
            let bytes: Vec<u8> = chunk.chars().map(|sign| u8::try_from(u32::from(sign)).unwrap()).collect();
            let (heard, read) = feed.read(&bytes, verifier.revocations(), NOW);
            fetch_keys |= heard.fetch_keys;
            is_heard |= heard.is_current;
            if read.is_err() {
                outcome = "snapshot";
                break;
            }
        }
        let expect = &case["expect"];
        let [subjects, sessions, keys] = verifier.revocations().names();
        let as_set = |value: &Value| texts(value).into_iter().collect::<BTreeSet<_>>();
        assert_eq!(outcome, text(&expect["outcome"]), "{name}");
        assert_eq!(feed.place.position, expect["position"].as_i64(), "{name}: position");
        assert_eq!(feed.place.resume, expect["last_event_id"].as_i64(), "{name}: last event id");
        assert_eq!(Some(feed.place.is_current), expect["current"].as_bool(), "{name}: current");
        assert_eq!(Some(is_heard), expect["heard"].as_bool(), "{name}: heard");
        assert_eq!(Some(fetch_keys), expect["fetch_keys"].as_bool(), "{name}: fetch keys");
        assert_eq!(sessions, as_set(&expect["sessions"]), "{name}: sessions");
        assert_eq!(keys, as_set(&expect["keys"]), "{name}: keys");
        let epochs = expect["subjects"].as_object().unwrap();
        assert_eq!(subjects, epochs.keys().cloned().collect(), "{name}: subjects");
        for (subject, epoch) in epochs {
            assert!(verifier.revocations().has_epoch(subject, epoch.as_i64().unwrap()), "{name}: {subject}");
        }
    }
}
