//! What an upstream is told about a request: exactly ours, and signed where the route says so.

use e2e::{Answer, Service, TestApp, Upstream, unix_now};
use reqwest::Method;
use verify::{Settings, Verifier};

use super::{behind, route};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_is_told_who_asks_and_from_where() {
    let upstream = Upstream::start("app").await;
    let app = behind(&route("quiz", "/quiz/", &upstream.url, "")).await;
    let ann = app.user("ann").await;
    let answer = ann.get("/quiz/1?a=b").await.is(200);
    let seen = upstream.one();
    let host = app.url.trim_start_matches("http://");
    let scope = e2e::Token::read(&ann.access_token).claims["scope"].as_str().unwrap().to_owned();
    for (name, expected) in [
        ("x-user-id", ann.id.as_str()),
        ("x-user-roles", "user"),
        ("x-user-scope", &scope),
        ("x-session-id", &ann.session),
        ("x-request-id", answer.header("x-request-id")),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-host", host),
        ("x-forwarded-proto", "http"),
        ("forwarded", &format!("for=127.0.0.1;host=\"{host}\";proto=http")),
    ] {
        assert_eq!(seen.header(name), expected, "{name}");
    }
    let trace = seen.header("traceparent");
    let parts: Vec<usize> = trace.split('-').map(str::len).collect();
    assert_eq!(parts, [2, 32, 16, 2], "{trace}");
    assert_eq!(seen.header("x-user-token"), "", "nobody asked for a signed one");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_can_check_who_asks_with_the_same_verifier() {
    let upstream = Upstream::start("app").await;
    let more = "identity = \"headers+jwt\"";
    let config = route("quiz", "/quiz/", &upstream.url, more) + &route("other", "/other/", &upstream.url, more);
    let app = behind(&config).await;
    let ann = app.user("ann").await;
    ann.get("/quiz/1").await.is(200);
    let token = upstream.one().header("x-user-token").to_owned();
    app.logs.never(&token);
    let keys = app.get("/gateway/jwks.json").await.is(200).body;
    let quiz = verifier(&app, "quiz", &keys);
    let claims = quiz.check(&token, unix_now()).expect("a token for this route");
    assert_eq!((claims.sub.as_str(), claims.sid.as_str()), (ann.id.as_str(), ann.session.as_str()));
    assert!(claims.exp - claims.iat <= 60);
    assert!(quiz.check(&token, unix_now() + 200).is_err(), "it is good for a minute");
    // It is for this route alone, and it opens nothing at Usher.
    assert!(verifier(&app, "other", &keys).check(&token, unix_now()).is_err());
    ann.with_tokens(token, String::new()).get("/api/v1/auth/me").await.is_problem(401, "unauthenticated");
    // Nor does a client's token, or its idea of this header, count for one of the gateway's.
    assert!(quiz.check(&ann.access_token, unix_now()).is_err());
    let forged = ann.request(Method::GET, "/other/1").header("x-user-token", "forged").header("x_user_token", "forged");
    Answer::of(forged).await.is(200);
    let seen = upstream.one();
    verifier(&app, "other", &keys).check(seen.header("x-user-token"), unix_now()).expect("one token, and it is ours");
    assert_eq!(seen.all("x_user_token"), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_of_three_languages_work_behind_the_gateway_and_check_for_themselves() {
    let app = behind("").await;
    let token = app.verifier_token("services").await;
    let services = Service::start_all(&app.url, &app.url, &token).await;
    let name = |service: &Service| format!("{:?}", service.language).to_lowercase();
    let to = |service: &Service| {
        let name = name(service);
        route(&name, &format!("/{name}/"), &service.url, &format!("strip_prefix = \"/{name}\""))
    };
    app.configure(&services.iter().map(to).collect::<Vec<_>>().concat());
    app.wait_until_said("the new routes are in use").await;
    let ann = app.user("ann").await;
    for service in &services {
        let path = format!("/{}/whoami", name(service));
        let answer = ann.get(&path).await.is(200).json();
        assert_eq!((answer["service"].as_str(), answer["user"].as_str()), (Some(&*name(service)), Some(&*ann.id)));
        app.get(&path).await.is_problem(401, "unauthenticated");
        // Whoever gets past the gateway finds a service that looks for itself.
        service.whoami("not.a.token").await.is(401);
    }
    ann.logout().await.is(204);
    for service in &services {
        ann.get(&format!("/{}/whoami", name(service))).await.is_problem(401, "unauthenticated");
    }
}

fn verifier(app: &TestApp, audience: &str, keys: &str) -> Verifier {
    let mut settings = Settings::new(format!("{}/gateway", app.url));
    audience.clone_into(&mut settings.audience);
    let verifier = Verifier::new(settings);
    verifier.set_keys(keys.as_bytes()).expect("a key set");
    verifier
}
