//! J of assurance.md, over HTTP: what is in an access token, which ones are refused, and how the keys
//! turn over. What needs a key that signs wrong tokens is tested in `crates/verify`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_lc_rs::hmac;
use e2e::{Answer, Database, Setup, TestApp, Token, User, on_both};
use reqwest::Method;
use serde_json::{Value, json};

async fn jwks(app: &TestApp) -> Value {
    app.get("/.well-known/jwks.json").await.is(200).json()
}

async fn me_with(app: &TestApp, token: &str) -> Answer {
    Answer::of(app.request(Method::GET, "/api/v1/auth/me").header("authorization", format!("Bearer {token}"))).await
}

async fn assert_refused(app: &TestApp, token: &str) {
    // Whatever cannot stand in a header cannot be sent at all.
    if token.bytes().all(|byte| (0x21..0x7f).contains(&byte)) {
        let answer = me_with(app, token).await;
        assert!(answer.status == 401 || answer.status == 431, "accepted or broken by {token:.120}: {}", answer.status);
    }
}

async fn check_claims(app: &TestApp, algorithm: &str) {
    let ann = app.user("ann").await;
    let token = Token::read(&ann.access_token);
    assert_eq!(token.header["typ"], "at+jwt");
    assert_eq!(token.header["alg"], algorithm);
    let claims = &token.claims;
    assert_eq!(claims["iss"], app.url);
    assert_eq!(claims["sub"], ann.id);
    assert_eq!(claims["sid"], ann.session);
    for name in ["aud", "epoch", "client_id", "iat", "exp", "jti", "auth_time", "amr", "roles", "scope"] {
        assert!(!claims[name].is_null(), "no `{name}` in {claims}");
    }
    for name in ["iat", "exp", "auth_time", "epoch"] {
        assert!(claims[name].is_i64(), "`{name}` is no whole number in {claims}");
    }
    assert!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap() <= 900);
    let text = claims.to_string();
    assert!(!text.contains('@') && !text.contains("ann"), "personal data in {text}");
    let other = Token::read(&app.again(&ann).await.access_token);
    assert_ne!(claims["jti"], other.claims["jti"]);
    assert!(token.is_signed_by(&jwks(app).await));
    assert!(ann.is_signed_in().await);
}

on_both! {
    async fn j3_only_access_tokens_open_the_api(app: TestApp) {
        let ann = app.user("ann").await;
        for wrong in [&ann.refresh_token, &ann.session, &ann.id, &String::new()] {
            assert_refused(&app, wrong).await;
        }
        let genuine = Token::read(&ann.access_token);
        for (name, value) in [
            ("iss", json!("http://usher.example.com")), ("aud", json!("somebody-else")), ("sub", json!("")),
            ("exp", json!("9999999999")), ("exp", json!(1)), ("roles", json!(["admin"])), ("epoch", json!(99)),
        ] {
            assert_refused(&app, &genuine.with(|token| token.claims[name] = value).write()).await;
        }
        for kind in ["JWT", "logout+jwt", "secevent+jwt", "dpop+jwt", "", "at+jwt "] {
            assert_refused(&app, &genuine.with(|token| token.header["typ"] = json!(kind)).write()).await;
        }
        // The access token is no refresh token either.
        let body = json!({"refresh_token": ann.access_token});
        app.post("/api/v1/auth/refresh", body).await.is_problem(401, "invalid_refresh_token");
        assert!(ann.is_signed_in().await);
    }

    async fn j1_the_algorithm_is_the_key_s_and_not_the_token_s(app: TestApp) {
        let ann = app.user("ann").await;
        let genuine = Token::read(&ann.access_token);
        for name in ["none", "None", "nOnE", "HS256", "RS256", "ES256", "PS256", ""] {
            let forged = genuine.with(|token| token.header["alg"] = json!(name));
            assert_refused(&app, &forged.write()).await;
            assert_refused(&app, &format!("{}.", forged.signed_text())).await;
            assert_refused(&app, &forged.signed_text()).await;
        }
        // HS256 with the public key as the secret, as text and as bytes.
        let key = jwks(&app).await["keys"][0].clone();
        for secret in [key.to_string(), key["x"].as_str().unwrap_or_default().to_owned()] {
            let forged = genuine.with(|token| {
                token.header["alg"] = json!("HS256");
                let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), token.signed_text().as_bytes());
                token.signature = mac.as_ref().to_vec();
            });
            assert_refused(&app, &forged.write()).await;
        }
    }

    async fn j4_a_header_names_no_key_of_its_own(app: TestApp) {
        let ann = app.user("ann").await;
        let genuine = Token::read(&ann.access_token);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let elsewhere = format!("http://{}/keys", listener.local_addr().unwrap());
        let own = jwks(&app).await["keys"][0].clone();
        for (name, value) in [
            ("jku", json!(elsewhere)), ("x5u", json!(elsewhere)), ("x5c", json!(["AAAA"])), ("jwk", own),
            ("kid", json!("../../master.key")), ("kid", json!("' OR 1=1 --")), ("kid", json!("\u{0}")),
            ("kid", json!("k".repeat(10_000))), ("kid", json!(7)), ("kid", Value::Null),
            ("crit", json!(["exp"])), ("crit", json!([])), ("b64", json!(false)),
        ] {
            assert_refused(&app, &genuine.with(|token| token.header[name] = value).write()).await;
        }
        let missing = genuine.with(|token| { token.header.as_object_mut().unwrap().remove("kid"); });
        assert_refused(&app, &missing.write()).await;
        let asked = tokio::time::timeout(Duration::from_millis(200), listener.accept()).await;
        assert!(asked.is_err(), "the program asked an address that a token named");
        assert!(ann.is_signed_in().await);
    }

    async fn j8_hostile_tokens_are_refused_and_panic_nothing(app: TestApp) {
        let ann = app.user("ann").await;
        let good = ann.access_token.as_str();
        let flipped = |at: usize| {
            let mut bytes = good.as_bytes().to_vec();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            String::from_utf8(bytes).unwrap()
        };
        for at in [0, good.len() / 3, good.len() / 2, good.len() - 10] {
            assert_refused(&app, &flipped(at)).await;
        }
        for hostile in [
            format!("{good}="), format!("{good}."), format!(".{good}"), format!("{good}.{good}"), "..".into(), "a.b.c".into(),
            "e30.e30.e30".into(), "x".repeat(9_000), format!("{}.{}.{}", "e30", "W1t".repeat(2_000), "e30"),
        ] {
            assert_refused(&app, &hostile).await;
        }
        for header in ["", "Bearer", "bearer", "Basic YTpi", "Token x", &format!("Bearer  {good} x"), &format!("Bearer {good},{good}")] {
            let request = app.request(Method::GET, "/api/v1/auth/me").header("authorization", header);
            assert_eq!(Answer::of(request).await.status, 401, "{header:.40}");
        }
        let twice = app.request(Method::GET, "/api/v1/auth/me").bearer_auth(good).header("authorization", "Bearer x");
        assert_eq!(Answer::of(twice).await.status, 401, "two tokens");
        assert_eq!(app.get(&format!("/api/v1/auth/me?access_token={good}")).await.status, 401, "a token in an address");
    }

    async fn j10_what_an_access_token_says(app: TestApp) {
        check_claims(&app, "EdDSA").await;
    }

    async fn j11_published_keys_are_public_and_private_ones_sealed(app: TestApp) {
        app.user("ann").await;
        app.cli_ok(&["keys", "rotate"]).await;
        let answer = app.get("/.well-known/jwks.json").await.is(200);
        assert!(answer.header("cache-control").contains("max-age="));
        let keys = answer.json()["keys"].as_array().unwrap().clone();
        assert_eq!(keys.len(), 2);
        assert_ne!(keys[0]["kid"], keys[1]["kid"]);
        for key in &keys {
            assert_eq!(key["use"], "sig");
            assert_eq!(key["alg"], "EdDSA");
            for private in ["d", "p", "q", "dp", "dq", "qi", "k", "oth"] {
                assert!(key[private].is_null(), "`{private}` is published");
            }
        }
        // An Ed25519 key as PKCS #8 begins with these bytes (RFC 8410 §7); none may lie in the open.
        let sql = match app.database {
            Database::Sqlite => "SELECT hex(private_sealed) FROM signing_keys",
            Database::Postgres => "SELECT upper(encode(private_sealed, 'hex')) FROM signing_keys",
        };
        for sealed in app.look().await.texts(sql).await {
            assert!(sealed.len() > 100 && !sealed.contains("06032B6570"), "a private key is not encrypted");
        }
        for document in ["openid-configuration", "oauth-authorization-server"] {
            let body = app.get(&format!("/.well-known/{document}")).await.is(200).json();
            assert_eq!(body["issuer"], app.url);
            assert_eq!(body["jwks_uri"], format!("{}/.well-known/jwks.json", app.url));
        }
    }

    async fn j12_no_good_token_is_refused_while_keys_turn_over(app: TestApp) {
        let ann = app.user("ann").await;
        let before = Token::read(&ann.access_token);
        let rotated = Arc::new(AtomicBool::new(false));
        let traffic = tokio::spawn(go_on_until(ann.clone(), rotated.clone()));
        tokio::time::sleep(Duration::from_millis(400)).await;
        app.cli_ok(&["keys", "rotate"]).await;
        rotated.store(true, Ordering::SeqCst);
        let newest = traffic.await.unwrap();
        // The new key is published first, and signs only when every verifier has it.
        assert_eq!(jwks(&app).await["keys"].as_array().unwrap().len(), 2);
        assert_eq!(Token::read(&newest.access_token).header["kid"], before.header["kid"]);

        app.kill9();
        let sql = match app.database {
            Database::Sqlite => "UPDATE signing_keys SET signs_from = signs_from - 601000000",
            Database::Postgres => "UPDATE signing_keys SET signs_from = signs_from - INTERVAL '601 seconds'",
        };
        assert_eq!(app.look().await.execute(sql).await, 2);
        app.start().await;
        let after = go_on_until(newest.clone(), Arc::new(AtomicBool::new(true))).await;
        let token = Token::read(&after.access_token);
        assert_ne!(token.header["kid"], before.header["kid"], "ten minutes later the new key signs");
        assert!(token.is_signed_by(&jwks(&app).await));
        assert!(ann.is_signed_in().await, "and what the old one signed is still good");
    }
}

/// Asks and refreshes until told to stop, and for a while after; every answer has to be good.
async fn go_on_until(mut user: User, stop: Arc<AtomicBool>) -> User {
    let mut rounds_left = 10;
    while rounds_left > 0 {
        rounds_left -= usize::from(stop.load(Ordering::SeqCst));
        for _ in 0..10 {
            user.get("/api/v1/auth/me").await.is(200);
        }
        user = user.with_pair_of(&user.refresh().await.is(200));
    }
    user
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn j10_es256_and_rs256_for_verifiers_that_need_them() {
    for algorithm in ["ES256", "RS256"] {
        let app = Setup::new(Database::Sqlite).env("USHER_TOKENS__ALGORITHM", algorithm).start().await;
        check_claims(&app, algorithm).await;
        let jwks = jwks(&app).await;
        if algorithm == "RS256" {
            assert!(jwks["keys"][0]["n"].as_str().unwrap().len() >= 342, "at least 2048 bits");
        }
    }
}
