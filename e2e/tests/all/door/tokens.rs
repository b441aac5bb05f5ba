//! J1 to J4, J8 and G4: a token that is not right opens nothing, and whatever is unclear is closed.

use std::time::Duration;

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use e2e::{Answer, Database, PATIENCE, Setup, Token, Upstream};
use reqwest::Method;
use serde_json::{Value, json};

use super::Door;

impl Door {
    /// Asks with a token; it has to be refused, quickly, and nothing may have gone on.
    async fn refuses(&self, token: &str) {
        // What cannot stand in a header cannot be sent.
        if !token.bytes().all(|byte| (0x21..0x7f).contains(&byte)) {
            return;
        }
        let request = self.app.request(Method::GET, "/quiz/x").header("authorization", format!("Bearer {token}"));
        let answer = Answer::of(request).await;
        assert!(matches!(answer.status, 401 | 431), "{} for {token:.150}", answer.status);
        if answer.status == 401 {
            let answer = answer.is_problem(401, "unauthenticated");
            assert!(token.len() < 20 || !answer.body.contains(token), "the answer repeats the token");
        }
        assert_eq!(self.upstream.count(), 0, "the application was asked with {token:.150}");
    }

    async fn still_takes_a_good_one(&self) {
        self.ann.get("/quiz/x").await.is(200);
        self.upstream.one();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn j1_tricks_with_the_algorithm_open_no_application() {
    let door = Door::start().await;
    let genuine = Token::read(&door.ann.access_token);
    let key = door.app.get("/.well-known/jwks.json").await.is(200).json()["keys"][0].clone();
    for name in ["none", "None", "nOnE", "", "HS256", "HS512", "RS256", "PS256", "ES256", "ES512", "EdDSA ", "eddsa"] {
        let forged = genuine.with(|token| token.header["alg"] = json!(name));
        door.refuses(&forged.write()).await;
        door.refuses(&format!("{}.", forged.signed_text())).await;
    }
    let x = key["x"].as_str().unwrap();
    for secret in [x.as_bytes().to_vec(), URL_SAFE_NO_PAD.decode(x).unwrap(), key.to_string().into_bytes()] {
        let forged = genuine.with(|token| {
            token.header["alg"] = json!("HS256");
            let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), token.signed_text().as_bytes());
            token.signature = mac.as_ref().to_vec();
        });
        door.refuses(&forged.write()).await;
    }
    door.still_takes_a_good_one().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn j2_and_j3_claims_that_were_changed_open_no_application() {
    let door = Door::start().await;
    let genuine = Token::read(&door.ann.access_token);
    for name in ["exp", "nbf", "iat", "iss", "aud", "sub", "sid", "epoch", "client_id", "jti", "roles", "scope"] {
        for value in
            [json!("9999999999"), json!(1e30), json!(true), json!([]), json!(["admin"]), Value::Null, json!(-1)]
        {
            door.refuses(&genuine.with(|token| token.claims[name] = value).write()).await;
        }
    }
    for kind in ["JWT", "logout+jwt", "secevent+jwt", "dpop+jwt", ""] {
        door.refuses(&genuine.with(|token| token.header["typ"] = json!(kind)).write()).await;
    }
    for wrong in [&door.ann.refresh_token, &door.ann.session, &door.ann.id] {
        door.refuses(wrong).await;
    }
    door.still_takes_a_good_one().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn j4_a_token_brings_no_key_of_its_own() {
    let door = Door::start().await;
    let genuine = Token::read(&door.ann.access_token);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let elsewhere = format!("http://{}/keys", listener.local_addr().unwrap());
    // Signed as it should be, with a key that only the token knows.
    let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let pair = Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap();
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": "own",
        "x": URL_SAFE_NO_PAD.encode(pair.public_key().as_ref())});
    let kid = genuine.header["kid"].clone();
    for (name, value) in [
        ("jwk", jwk.clone()),
        ("jku", json!(elsewhere)),
        ("x5u", json!(elsewhere)),
        ("x5c", json!(["AAAA"])),
        ("kid", json!("own")),
        ("kid", json!("../../master.key")),
        ("kid", json!("/dev/null")),
        ("kid", json!("' OR '1'='1")),
        ("kid", json!(format!("{}\u{0}", kid.as_str().unwrap()))),
        ("kid", json!("k".repeat(10_000))),
        ("kid", json!(7)),
        ("kid", json!([kid])),
        ("kid", Value::Null),
        ("crit", json!(["exp"])),
        ("b64", json!(false)),
    ] {
        let forged = genuine.with(|token| {
            token.header[name] = value;
            token.signature = pair.sign(token.signed_text().as_bytes()).as_ref().to_vec();
        });
        door.refuses(&forged.write()).await;
    }
    let asked = tokio::time::timeout(Duration::from_millis(200), listener.accept()).await;
    assert!(asked.is_err(), "somebody fetched a key that a token named");
    door.still_takes_a_good_one().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn j8_huge_and_twisted_tokens_are_refused_quickly() {
    let door = Door::start().await;
    let genuine = Token::read(&door.ann.access_token);
    let header = URL_SAFE_NO_PAD.encode(genuine.header.to_string());
    let part = |text: &str| format!("{header}.{}.AAAA", URL_SAFE_NO_PAD.encode(text));
    let claims = genuine.claims.to_string();
    let mut twisted = vec![
        "x".repeat(9_000),
        ".".repeat(5_000),
        "..".to_owned(),
        ".".to_owned(),
        part(&("[".repeat(200) + &"]".repeat(200))),
        part(&format!("{{{}}}", (0..900).map(|n| format!("\"c{n}\":1")).collect::<Vec<_>>().join(","))),
        part(&claims.replacen('{', "{\"sub\":\"admin\",", 1)),
        part("null"),
        part(""),
        format!("{}=", door.ann.access_token),
        format!("{} ", door.ann.access_token.replace('.', ". ")),
        format!("{}.x", door.ann.access_token),
        door.ann.access_token.replace(['-', '_'], "+"),
    ];
    // The last character of a signature has bits that mean nothing, and must all the same be what they were.
    let (front, last) = door.ann.access_token.split_at(door.ann.access_token.len() - 1);
    twisted.extend(
        ["A", "B", "g", "w", "_"].iter().filter(|other| **other != last).map(|other| format!("{front}{other}")),
    );
    // A signature may happen to have neither `-` nor `_`.
    for token in twisted.iter().filter(|token| **token != door.ann.access_token) {
        door.refuses(token).await;
    }
    door.still_takes_a_good_one().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g4_a_malformed_authorization_is_401_and_no_more() {
    let door = Door::start().await;
    let good = &door.ann.access_token;
    let two = format!("Authorization: Bearer {good}\r\nAuthorization: Bearer {good}\r\n");
    let one = |value: String| format!("Authorization: {value}\r\n");
    let mut headers = vec![two, one(format!("Bearer {good}, Bearer {good}")), one(format!("Bearer {good} x"))];
    for value in ["", "Bearer", "Bearer ", "Bearer  ", "bearer x", "Basic YTpi", "Digest x=y", "x", "\"", "Bearer é"] {
        headers.push(one(value.to_owned()));
    }
    for scheme in ["Token", "Bearer:", "BearerX", "DPoP", "JWT"] {
        headers.push(one(format!("{scheme} {good}")));
    }
    headers.push(one(good.clone()));
    for header in headers {
        let answer = door.send("GET /quiz/x HTTP/1.1", &header).await;
        assert!(matches!(answer.status(), 400 | 401), "{header:.60}: {:.300}", answer.text);
    }
    // A token is read from nowhere else.
    let elsewhere = [
        (format!("GET /quiz/x?access_token={good} HTTP/1.1"), String::new()),
        ("GET /quiz/x HTTP/1.1".to_owned(), format!("Cookie: access_token={good}\r\n")),
        ("GET /quiz/x HTTP/1.1".to_owned(), format!("X-Authorization: Bearer {good}\r\nX-User-Token: {good}\r\n")),
        ("GET /quiz/x HTTP/1.1".to_owned(), format!("Proxy-Authorization: Bearer {good}\r\n")),
    ];
    for (line, headers) in elsewhere {
        assert_eq!(door.send(&line, &headers).await.status(), 401);
    }
    assert_eq!(door.upstream.count(), 0);
    door.still_takes_a_good_one().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g4_a_gateway_that_knows_no_keys_lets_nobody_through() {
    let door = Door::start().await;
    let upstream = Upstream::start("app").await;
    let config = format!(
        "[[gateway.routes]]\nname = \"quiz\"\npath = \"/quiz/\"\nupstreams = [\"{}\"]\n\n\
         [[gateway.routes]]\nname = \"maybe\"\npath = \"/maybe/\"\nauth = \"optional\"\nupstreams = [\"{}\"]\n",
        upstream.url, upstream.url
    );
    let nobody = format!("http://127.0.0.1:{}", xtask::postgres::free_port().unwrap());
    let alone = Setup::new(Database::Sqlite)
        .config(&config)
        .only("gateway")
        .env("USHER_SERVICES__URL", &nobody)
        .env("USHER_SERVICES__TOKEN", "uvt_nobody")
        .prepare()
        .await;
    alone.spawn();
    let begun = std::time::Instant::now();
    while Answer::try_of(alone.request(Method::GET, "/health/live")).await.is_err() {
        assert!(begun.elapsed() < PATIENCE, "it does not start:\n{}", alone.logs.tail());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let ann = door.ann.at(&alone);
    for path in ["/quiz/x", "/maybe/x"] {
        let refused = ann.get(path).await.is_problem(503, "not_ready");
        assert!(refused.header("retry-after").parse::<u32>().is_ok());
    }
    alone.get("/quiz/x").await.is_problem(401, "unauthenticated");
    let own = ann.get("/api/v1/auth/me").await;
    assert!(matches!(own.status, 401 | 502 | 503), "{}", own.status);
    assert_eq!(upstream.count(), 0);
    alone.get("/maybe/x").await.is(200);
    assert_eq!(upstream.count(), 1);
}
