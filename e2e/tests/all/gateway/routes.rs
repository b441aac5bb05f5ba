//! Which route a request takes, what a route needs, and what becomes of the path.

use e2e::{Answer, TestApp, Upstream, User};
use reqwest::Method;
use serde_json::json;

use super::{behind, route};

/// GETs a path of a host.
async fn ask(app: &TestApp, method: Method, host: &str, path: &str) -> Answer {
    Answer::of(app.request(method, path).header("host", host)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn host_path_and_method_choose_the_route_and_what_says_more_wins() {
    let (prefix, pattern, host) =
        (Upstream::start("prefix").await, Upstream::start("pattern").await, Upstream::start("host").await);
    let config = route("all", "/app/", &prefix.url, "auth = \"none\"")
        + &route("answers", "/app/{id}/answers", &pattern.url, "auth = \"none\"\nmethods = [\"GET\"]")
        + &route("host", "/", &host.url, "auth = \"none\"\nhost = \"Quiz.Example.com\"\nmethods = [\"GET\"]");
    let app = behind(&config).await;
    let own = app.url.trim_start_matches("http://").to_owned();
    for (method, to, path, expected) in [
        (Method::GET, own.as_str(), "/app/7", "prefix"),
        (Method::GET, &own, "/app/", "prefix"),
        (Method::GET, &own, "/app/7/answers", "pattern"),
        (Method::GET, &own, "/app/7/answers/1", "prefix"),
        (Method::GET, "quiz.example.com", "/app/7", "host"),
        // On a host of its own, a route may even have the paths of Usher.
        (Method::GET, "QUIZ.example.com.:8443", "/api/v1/auth/me", "host"),
    ] {
        let answer = ask(&app, method.clone(), to, path).await.is(200).json();
        assert_eq!(answer["upstream"], expected, "{method} {to}{path}");
        assert_eq!(answer["target"], path);
    }
    // HEAD is allowed where GET is, and nothing else: the methods that would do are named.
    ask(&app, Method::HEAD, "quiz.example.com", "/x").await.is(200);
    let refused = ask(&app, Method::POST, "quiz.example.com", "/x").await.is_problem(405, "method_not_allowed");
    assert_eq!(refused.header("allow"), "GET, HEAD");
    // The path decides before the method: a broader route that would take it may ask for less.
    ask(&app, Method::POST, &own, "/app/7/answers").await.is_problem(405, "method_not_allowed");
    // A prefix is for itself, too, and another word is another path.
    ask(&app, Method::GET, &own, "/app").await.is(200);
    ask(&app, Method::GET, &own, "/apple").await.is(404);
    ask(&app, Method::GET, &own, "/api/v1/auth/me").await.is_problem(401, "unauthenticated");
    let counts = [&prefix, &pattern, &host].map(Upstream::count);
    assert_eq!(counts, [4, 1, 3]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn auth_is_none_optional_or_required() {
    let upstream = Upstream::start("app").await;
    let config = route("none", "/none/", &upstream.url, "auth = \"none\"")
        + &route("optional", "/optional/", &upstream.url, "auth = \"optional\"")
        + &route("required", "/required/", &upstream.url, "");
    let app = behind(&config).await;
    let ann = app.user("ann").await;
    let bad = ann.with_tokens("not.a.token".to_owned(), String::new());

    app.get("/none/x").await.is(200);
    bad.get("/none/x").await.is(200);
    ann.get("/none/x").await.is(200);
    assert!(upstream.take().iter().all(|seen| seen.header("x-user-id").is_empty()), "nobody was to be told");

    app.get("/optional/x").await.is(200);
    assert_eq!(upstream.one().header("x-user-id"), "");
    ann.get("/optional/x").await.is(200);
    assert_eq!(upstream.one().header("x-user-id"), ann.id);
    // Whoever shows a token means to be somebody.
    bad.get("/optional/x").await.is_problem(401, "unauthenticated");

    let refused = app.get("/required/x").await.is_problem(401, "unauthenticated");
    assert!(refused.header("www-authenticate").starts_with("Bearer"), "{:?}", refused.headers);
    bad.get("/required/x").await.is_problem(401, "unauthenticated");
    assert_eq!(upstream.count(), 0);
    ann.get("/required/x").await.is(200);
    assert_eq!(upstream.one().header("x-user-id"), ann.id);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roles_scopes_and_permissions_are_asked_for() {
    let upstream = Upstream::start("app").await;
    let config = route("roles", "/roles/", &upstream.url, "roles = [\"player\", \"author\"]")
        + &route("scopes", "/scopes/", &upstream.url, "scopes = [\"nobody-has-this\"]")
        + &route("permissions", "/permissions/", &upstream.url, "permissions = [\"quiz:author\"]");
    let app = behind(&config).await;
    let admin = User::administrator(&app, "root").await;
    let (ann, bob) = (app.user("ann").await, app.user("bob").await);
    for path in ["/roles/x", "/scopes/x", "/permissions/x"] {
        let refused = ann.get(path).await.is_problem(403, "forbidden");
        assert!(refused.header("www-authenticate").contains("insufficient_scope"), "{path}: {:?}", refused.headers);
    }
    let give = |user: &User, role: &str| {
        let request = admin.request(Method::PUT, &format!("/api/v1/users/{}/roles", user.id));
        Answer::of(request.json(&json!({"roles": [role]})))
    };
    admin.makes_role("player", &[]).await;
    admin.makes_role("author", &["quiz:author"]).await;
    give(&ann, "player").await.is(200);
    give(&bob, "author").await.is(200);
    let (ann, bob) = (ann.refreshed(&app).await, bob.refreshed(&app).await);
    ann.get("/roles/x").await.is(200);
    ann.get("/permissions/x").await.is_problem(403, "forbidden");
    bob.get("/roles/x").await.is(200);
    bob.get("/permissions/x").await.is(200);
    // Every permission is the administrator's, but not every role.
    admin.get("/permissions/x").await.is(200);
    admin.get("/roles/x").await.is_problem(403, "forbidden");
    assert_eq!(upstream.count(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prefix_is_taken_off_and_another_put_on() {
    let upstream = Upstream::start("app").await;
    let more = "auth = \"none\"\nstrip_prefix = \"/quiz\"\nadd_prefix = \"/v2\"";
    let config = route("quiz", "/quiz/", &upstream.url, more)
        + &route("bare", "/bare", &upstream.url, "auth = \"none\"\nstrip_prefix = \"/bare\"");
    let app = behind(&config).await;
    for (asked, expected) in [
        ("/quiz/1?a=%2F&b=%20", "/v2/1?a=%2F&b=%20"),
        ("/quiz/", "/v2/"),
        ("/quiz/caf%C3%A9", "/v2/caf%C3%A9"),
        ("/bare", "/"),
        ("/bare/x?", "/x?"),
    ] {
        app.get(asked).await.is(200);
        assert_eq!(upstream.one().target, expected, "{asked}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_get_the_headers_of_the_route() {
    let upstream = Upstream::start("app").await;
    upstream.answer(e2e::Manner::Headers(vec![("x-frame-options", "ALLOWALL"), ("set-cookie", "theme=dark")]));
    let more = "auth = \"none\"\nresponse_headers = { \"X-Frame-Options\" = \"DENY\" }";
    let app = behind(&route("quiz", "/quiz/", &upstream.url, more)).await;
    let answer = app.get("/quiz/").await.is(200);
    assert_eq!(answer.headers.get_all("x-frame-options").iter().collect::<Vec<_>>(), ["DENY"]);
    assert_eq!(answer.header("set-cookie"), "theme=dark");
    assert_eq!(answer.header("x-request-id"), upstream.one().header("x-request-id"));
}
