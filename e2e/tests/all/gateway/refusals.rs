//! Limits, bodies that are too large, and other origins.

use e2e::{Answer, Database, Setup, TestApp, Upstream, send_raw};
use reqwest::Method;

use super::{behind, route};

async fn with_limits(upstream: &Upstream) -> TestApp {
    let limit = |per: &str| format!("limits = [{{ per = \"{per}\", rate = \"1/h\", burst = 3 }}]");
    let config = route("address", "/address/", &upstream.url, &format!("auth = \"none\"\n{}", limit("ip")))
        + &route("user", "/user/", &upstream.url, &limit("user"))
        + &route("route", "/route/", &upstream.url, &limit("route"));
    Setup::new(Database::Sqlite).env("USHER_LIMITS__ENABLED", "true").config(&config).start().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_is_for_an_address_a_user_or_all() {
    let upstream = Upstream::start("app").await;
    let app = with_limits(&upstream).await;
    let (ann, bob) = (app.user("ann").await, app.user("bob").await);
    for number in 0..3 {
        app.get("/address/x").await.is(200);
        ann.get("/user/x").await.is(200);
        // All who use the route have one bucket.
        if number % 2 == 0 { ann.get("/route/x") } else { bob.get("/route/x") }.await.is(200);
    }
    let seen = upstream.count();
    // Not even whoever says to be somewhere else has another bucket (L8).
    for header in ["x-forwarded-for", "x-real-ip", "forwarded", "true-client-ip", "cf-connecting-ip"] {
        for address in ["192.0.2.1", "2001:db8::7", "for=192.0.2.9"] {
            let request = app.request(Method::GET, "/address/x").header(header, address);
            Answer::of(request).await.is_problem(429, "too_many_attempts");
        }
    }
    let refused = ann.get("/user/x").await.is_problem(429, "too_many_attempts");
    assert!(refused.header("retry-after").parse::<u32>().unwrap() >= 1);
    ann.get("/route/x").await.is_problem(429, "too_many_attempts");
    bob.get("/route/x").await.is_problem(429, "too_many_attempts");
    assert_eq!(upstream.count(), seen, "a refused request reached the upstream");
    // Another user has another bucket.
    for _ in 0..3 {
        bob.get("/user/x").await.is(200);
    }
    bob.get("/user/x").await.is_problem(429, "too_many_attempts");
    // And whoever is not let in takes nothing out of a user's bucket.
    app.get("/user/x").await.is_problem(401, "unauthenticated");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_over_the_limit_is_refused_however_it_comes() {
    let upstream = Upstream::start("app").await;
    let more = "auth = \"none\"\nbody_limit = \"1KiB\"";
    let config =
        route("small", "/small/", &upstream.url, more) + &route("usual", "/usual/", &upstream.url, "auth = \"none\"");
    let app = behind(&config).await;
    let post = |path: &str, length: usize| Answer::of(app.request(Method::POST, path).body("x".repeat(length)));
    post("/small/x", 1024).await.is(200);
    assert_eq!(upstream.one().body.len(), 1024);
    post("/small/x", 1025).await.is_problem(413, "body_too_large");
    // The usual limit is 1 MiB.
    post("/usual/x", 1 << 20).await.is(200);
    assert_eq!(upstream.one().body.len(), 1 << 20);
    post("/usual/x", (1 << 20) + 1).await.is_problem(413, "body_too_large");
    // Without a length it is found out on the way: the upstream never sees a whole request.
    let chunk = format!("400\r\n{}\r\n", "x".repeat(0x400));
    let chunked = format!("POST /small/x HTTP/1.1\r\nHost: {}\r\nTransfer-Encoding: chunked\r\n\r\n", host(&app));
    let answer = send_raw(&app.url, format!("{chunked}{chunk}{chunk}0\r\n\r\n").as_bytes()).await;
    assert_eq!(answer.statuses(), [413], "{}", answer.text);
    assert!(answer.is_closed);
    assert_eq!(upstream.count(), 0, "the upstream took a body that was cut off for a whole one");
}

fn host(app: &TestApp) -> &str {
    app.url.trim_start_matches("http://")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s9_other_origins_use_a_route_only_if_it_names_them() {
    let upstream = Upstream::start("app").await;
    upstream.answer(e2e::Manner::Headers(vec![("access-control-allow-origin", "*")]));
    let more = "methods = [\"GET\", \"POST\"]\ncors = { origins = [\"https://app.example.com\"], credentials = true }";
    let app = behind(&route("quiz", "/quiz/", &upstream.url, more)).await;
    let ann = app.user("ann").await;
    let preflight = |origin: &str| {
        let request = app.request(Method::OPTIONS, "/quiz/x").header("origin", origin);
        Answer::of(request.header("access-control-request-method", "POST"))
    };
    // Asked without a token, as browsers do, and answered by the gateway.
    let answer = preflight("https://app.example.com").await.is(204);
    assert_eq!(answer.header("access-control-allow-origin"), "https://app.example.com");
    assert_eq!(answer.header("access-control-allow-credentials"), "true");
    assert!(answer.header("access-control-allow-methods").contains("POST"));
    assert!(answer.header("access-control-allow-headers").contains("authorization"));
    let asking = ann.request(Method::GET, "/quiz/x").header("origin", "https://app.example.com");
    let answer = Answer::of(asking).await.is(200);
    assert_eq!(answer.header("access-control-allow-origin"), "https://app.example.com");
    assert!(answer.header("vary").contains("origin"));
    upstream.one();
    for origin in ["https://app.example.com.evil.io", "https://localhost.evil.io", "null", "http://app.example.com"] {
        let answer = preflight(origin).await;
        assert_eq!(answer.header("access-control-allow-origin"), "", "{origin}");
        // What the application says about other origins is taken back: the route's rule is the only one.
        let answer = Answer::of(ann.request(Method::GET, "/quiz/x").header("origin", origin)).await.is(200);
        assert_eq!(answer.header("access-control-allow-origin"), "", "{origin}");
        assert_eq!(upstream.take().len(), 1, "the question of a browser reached the upstream");
    }
    // A refusal can be read by the page that asked, too.
    let refused = Answer::of(app.request(Method::GET, "/quiz/x").header("origin", "https://app.example.com")).await;
    assert_eq!(
        refused.is_problem(401, "unauthenticated").header("access-control-allow-origin"),
        "https://app.example.com"
    );
}
