//! Applications that are slow, broken, down, or several.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use e2e::{Answer, Manner, PATIENCE, TestApp, Upstream};
use reqwest::Method;

use super::{behind, route};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_upstream_is_504_in_time_and_the_others_do_not_notice() {
    let (slow, quick) = (Upstream::start("slow").await, Upstream::start("quick").await);
    let more = |timeout: &str| format!("auth = \"none\"\ntimeout = {{ {timeout} }}");
    let config = route("slow", "/slow/", &slow.url, &more("first_byte = \"3s\""))
        + &route("total", "/total/", &slow.url, &more("first_byte = \"60s\", total = \"3s\""))
        + &route("quick", "/quick/", &quick.url, "auth = \"none\"");
    let app = Arc::new(behind(&config).await);
    slow.answer(Manner::Slow(Duration::from_secs(60)));
    let waiting: Vec<_> = (0..40)
        .map(|number| {
            let request = app.request(Method::GET, if number % 2 == 0 { "/slow/x" } else { "/total/x" });
            tokio::spawn(Answer::of(request))
        })
        .collect();
    while waiting.iter().any(|one| !one.is_finished()) {
        let answer = app.get("/quick/x").await.is(200);
        assert!(answer.took < Duration::from_secs(2), "another upstream's slowness cost {:?}", answer.took);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for one in waiting {
        // Some find it ejected already, and are told so at once.
        let answer = one.await.unwrap();
        assert!(answer.took < Duration::from_secs(20), "{:?}", answer.took);
        match answer.status {
            504 => assert!(answer.is_problem(504, "upstream_timeout").took >= Duration::from_millis(2_900)),
            _ => drop(answer.is_problem(503, "upstream_unavailable")),
        }
    }
    assert!(slow.count() > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_is_down_or_breaks_off_is_502_or_503() {
    let upstream = Upstream::start("app").await;
    let app = behind(&route("quiz", "/quiz/", &upstream.url, "auth = \"none\"")).await;
    upstream.answer(Manner::BreakOff);
    app.get("/quiz/x").await.is_problem(502, "upstream_failed");
    upstream.stop().await;
    for _ in 0..10 {
        let answer = app.get("/quiz/x").await;
        assert!(answer.took < Duration::from_secs(10));
        match answer.status {
            502 => drop(answer.is_problem(502, "upstream_unreachable")),
            _ => assert!(answer.is_problem(503, "upstream_unavailable").header("retry-after").parse::<u32>().is_ok()),
        }
    }
    // It comes back by itself.
    upstream.resume().await;
    upstream.answer(Manner::Echo);
    let begun = Instant::now();
    while app.get("/quiz/x").await.status != 200 {
        assert!(begun.elapsed() < PATIENCE, "the upstream is back and gets nothing");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // What the application itself says is passed on as it is.
    upstream.answer(Manner::Fail(418));
    assert_eq!(app.get("/quiz/x").await.is(418).header("content-type"), "application/json");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_may_be_repeated_is_tried_again() {
    let upstream = Upstream::start("app").await;
    upstream.answer(Manner::BreakOff);
    for (method, body, attempts) in [
        (Method::GET, "", 3),
        (Method::DELETE, "", 3),
        (Method::POST, "", 1),
        (Method::PATCH, "", 1),
        // A body is passed on as it comes: it cannot be sent a second time.
        (Method::PUT, "x", 1),
    ] {
        // A program of its own each time: the upstream is ejected after a few failures.
        let app = behind(&route("quiz", "/quiz/", &upstream.url, "auth = \"none\"\nretries = 2")).await;
        let answer = Answer::of(app.request(method.clone(), "/quiz/x").body(body)).await;
        assert!(matches!(answer.status, 502 | 503), "{}", answer.status);
        assert_eq!(upstream.take().len(), attempts, "{method} {body:?}");
    }
}

/// GETs one path after the other from several connections until told to stop: every answer.
async fn load(app: &Arc<TestApp>, path: &'static str, until: impl Future<Output = ()>) -> Vec<Answer> {
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let (app, stop) = (app.clone(), stop.clone());
            tokio::spawn(async move {
                let mut answers = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    answers.push(app.get(path).await);
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                answers
            })
        })
        .collect();
    until.await;
    stop.store(true, Ordering::Relaxed);
    let mut all = Vec::new();
    for client in clients {
        all.extend(client.await.unwrap());
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_several_upstreams_dies_and_no_get_fails() {
    let (one, two) = (Upstream::start("one").await, Upstream::start("two").await);
    let config = format!(
        "[[gateway.routes]]\nname = \"quiz\"\npath = \"/quiz/\"\nauth = \"none\"\nretries = 1\n\
         upstreams = [\"{}\", \"{}\"]\nhealth = {{ path = \"/health\", every = \"200ms\" }}\n",
        one.url, two.url
    );
    let app = Arc::new(behind(&config).await);
    let asked = |upstream: &Upstream| upstream.take().iter().filter(|seen| seen.target == "/quiz/x").count();
    let asked_often = async |upstream: &Upstream| {
        let (begun, mut count) = (Instant::now(), 0);
        while count < 50 {
            count += asked(upstream);
            assert!(begun.elapsed() < PATIENCE, "it gets only {count} requests");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let story = async {
        asked_often(&one).await;
        asked_often(&two).await;
        one.stop().await;
        one.take();
        // Longer than it takes to find out that it is gone.
        tokio::time::sleep(Duration::from_millis(900)).await;
        asked_often(&two).await;
        one.resume().await;
        let back = Instant::now();
        while asked(&one) == 0 {
            assert!(back.elapsed() < PATIENCE, "it came back and gets nothing");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let answers = load(&app, "/quiz/x", story).await;
    let failed: Vec<_> = answers.iter().filter(|answer| answer.status != 200).collect();
    assert!(failed.is_empty(), "{} of {} failed: {:?}", failed.len(), answers.len(), failed[0]);
    let begun = Instant::now();
    while app.metrics().await.sum_where("usher_upstream_healthy", "route=\"quiz\"") < 1.5 {
        assert!(begun.elapsed() < PATIENCE, "both are well, and it is not told");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
