//! The access log and the metrics of requests to applications.

use e2e::{Database, Setup, Upstream};

use super::{behind, route};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_request_has_one_line_that_says_what_was_decided_and_why() {
    let upstream = Upstream::start("app").await;
    let app = behind(&route("quiz", "/quiz/", &upstream.url, "")).await;
    let ann = app.user("ann").await;
    app.logs.never("the-secret-in-a-query");
    let answer = ann.get("/quiz/1?token=the-secret-in-a-query").await.is(200);
    let seen = upstream.one();
    let line = app.access_line(answer.header("x-request-id")).await;
    for (field, expected) in [
        ("http.request.method", "GET"),
        ("url.path", "/quiz/1"),
        ("url.domain", "127.0.0.1"),
        ("client.ip", "127.0.0.1"),
        ("usher.route", "quiz"),
        ("user.id", &ann.id),
        ("usher.decision", "allowed"),
        ("usher.upstream.address", &upstream.url),
        ("trace.id", seen.header("traceparent").split('-').nth(1).unwrap()),
        ("ecs.version", "8.11"),
    ] {
        assert_eq!(line[field], expected, "{field} in {line}");
    }
    assert_eq!(line["http.response.status_code"], 200);
    assert_eq!(line["http.response.body.bytes"], answer.body.len());
    let (total, first) = (line["event.duration"].as_u64().unwrap(), line["usher.upstream.duration"].as_u64().unwrap());
    assert!(0 < first && first <= total, "{line}");
    assert_eq!(line["usher.upstream.attempts"], 1);

    let refused = app.get("/quiz/2").await.is(401);
    let line = app.access_line(refused.header("x-request-id")).await;
    assert_eq!((line["usher.decision"].as_str(), line["event.reason"].as_str()), (Some("refused"), Some("no_token")));
    assert!(line.get("user.id").is_none() && line.get("usher.upstream.address").is_none(), "{line}");

    let metrics = app.metrics().await;
    let route = "route=\"quiz\"";
    assert!((metrics.sum_where("usher_http_requests_total", route) - 2.0).abs() < 0.5);
    assert!((metrics.sum_where("usher_http_request_duration_seconds_count", route) - 2.0).abs() < 0.5);
    assert!((metrics.sum_where("usher_http_refused_total", "reason=\"no_token\"") - 1.0).abs() < 0.5);
    assert!((metrics.sum_where("usher_upstream_healthy", route) - 1.0).abs() < 0.5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_what_went_well_a_sample_is_logged_and_of_refusals_all() {
    let upstream = Upstream::start("app").await;
    let config =
        route("open", "/open/", &upstream.url, "auth = \"none\"") + &route("quiz", "/quiz/", &upstream.url, "");
    let setup = Setup::new(Database::Sqlite).env("USHER_LOG__ACCESS_SAMPLE", "10").config(&config);
    let app = setup.start().await;
    for _ in 0..100 {
        app.get("/open/x").await.is(200);
        app.get("/quiz/x").await.is(401);
    }
    let last = app.get("/quiz/x").await.is(401);
    app.access_line(last.header("x-request-id")).await;
    let lines = |name: &'static str| app.access_lines(move |line| line["usher.route"] == name).len();
    assert_eq!(lines("quiz"), 101);
    assert!((5..=15).contains(&lines("open")), "{} of 100 were logged", lines("open"));
}
