//! Who is asked.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::body::Body;
use http::{Response, StatusCode};

use super::world::{Server, get, named, nobody, settings, text, upstreams};
use crate::upstream::{Failed, Pool, Upstreams};

#[tokio::test]
async fn equals_take_turns() {
    let (a, b, c) = (named("a").await, named("b").await, named("c").await);
    let upstreams = upstreams(&[a.url(), b.url(), c.url()]);
    let mut counts = BTreeMap::new();
    for _ in 0..30 {
        *counts.entry(text(get(&upstreams, "/").await.unwrap()).await).or_insert(0) += 1;
    }
    assert_eq!(counts.into_values().collect::<Vec<_>>(), [10, 10, 10]);
}

#[tokio::test]
async fn who_has_the_least_to_do_is_asked() {
    let slow = Server::start(|_| async {
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        Response::new(Body::from("slow"))
    })
    .await;
    let quick = named("quick").await;
    let upstreams = upstreams(&[slow.url(), quick.url()]);
    let waiting: Vec<_> = (0..2)
        .map(|_| {
            let upstreams = upstreams.clone();
            tokio::spawn(async move { get(&upstreams, "/").await.unwrap() })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(upstreams.states().iter().map(|state| state.in_flight).collect::<Vec<_>>(), [1, 0]);
    for _ in 0..10 {
        assert_eq!(text(get(&upstreams, "/").await.unwrap()).await, "quick");
    }
    for answered in waiting {
        text(answered.await.unwrap()).await;
    }
    assert!(upstreams.states().iter().all(|state| state.in_flight == 0 && state.healthy));
}

#[tokio::test]
async fn an_answer_that_is_not_read_takes_its_place_until_it_is_dropped() {
    let endless = Server::start(|_| async {
        let frames =
            futures_util::stream::repeat(Ok::<_, std::convert::Infallible>(axum::body::Bytes::from_static(&[7; 9000])));
        Response::new(Body::from_stream(frames))
    })
    .await;
    let upstreams = upstreams(&[endless.url()]);
    let answered = get(&upstreams, "/").await.unwrap();
    assert_eq!(upstreams.states()[0].in_flight, 1);
    drop(answered);
    assert_eq!(upstreams.states()[0].in_flight, 0);
}

#[tokio::test]
async fn who_cannot_be_reached_is_left_out_and_comes_back() {
    let well = named("well").await;
    let gone = nobody().await;
    let upstreams = upstreams(&[well.url(), format!("http://{gone}")]);
    for _ in 0..20 {
        // A request that was not sent goes to the other one.
        assert_eq!(text(get(&upstreams, "/").await.unwrap()).await, "well");
    }
    assert_eq!(upstreams.states().iter().map(|state| state.healthy).collect::<Vec<_>>(), [true, false]);
    let _back = Server::start_at(gone, |_| async { Response::new(Body::from("back")) }).await;
    assert_eq!(text(get(&upstreams, "/").await.unwrap()).await, "well");
    tokio::time::sleep(Duration::from_millis(1_050)).await;
    let mut answers = Vec::new();
    for _ in 0..4 {
        answers.push(text(get(&upstreams, "/").await.unwrap()).await);
    }
    assert!(answers.contains(&"back".to_owned()), "{answers:?}");
    assert!(upstreams.states().iter().all(|state| state.healthy));
}

#[tokio::test]
async fn if_nobody_is_well_the_answer_comes_at_once_and_one_request_tries() {
    let upstreams = upstreams(&[format!("http://{}", nobody().await)]);
    for _ in 0..3 {
        assert_eq!(get(&upstreams, "/").await.unwrap_err(), Failed::Connect);
    }
    for _ in 0..3 {
        assert_eq!(get(&upstreams, "/").await.unwrap_err(), Failed::NoneHealthy);
    }
    tokio::time::sleep(Duration::from_millis(1_050)).await;
    assert_eq!(get(&upstreams, "/").await.unwrap_err(), Failed::Connect);
    // The second time it takes two seconds.
    tokio::time::sleep(Duration::from_millis(1_050)).await;
    assert_eq!(get(&upstreams, "/").await.unwrap_err(), Failed::NoneHealthy);
}

#[tokio::test]
async fn answers_of_gateways_count_if_there_is_somebody_else() {
    let bad = Server::start(|_| async {
        let mut response = Response::new(Body::from("bad"));
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        response
    })
    .await;
    let well = named("well").await;
    let both = upstreams(&[bad.url(), well.url()]);
    for _ in 0..20 {
        get(&both, "/").await.unwrap();
    }
    assert_eq!((bad.requests(), both.states()[0].healthy), (3, false));
    let alone = upstreams(&[bad.url()]);
    for _ in 0..10 {
        assert_eq!(get(&alone, "/").await.unwrap().response.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
}

#[tokio::test]
async fn checks_take_an_upstream_out_and_bring_it_back() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    let sick = Arc::new(AtomicBool::new(false));
    let asked = sick.clone();
    let server = Server::start(move |request| {
        let bad = asked.load(Ordering::Relaxed) && request.uri().path() == "/health";
        async move {
            let mut response = Response::new(Body::empty());
            if bad {
                *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            }
            response
        }
    })
    .await;
    let mut settings = settings(&[server.url()]);
    settings.health_path = Some("/health".to_owned());
    let upstreams = Upstreams::new(settings, Pool::new());
    let becomes = async |well: bool| {
        let begun = std::time::Instant::now();
        while upstreams.states()[0].healthy != well {
            assert!(begun.elapsed() < Duration::from_secs(5));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    get(&upstreams, "/").await.unwrap();
    sick.store(true, Ordering::Relaxed);
    becomes(false).await;
    assert_eq!(get(&upstreams, "/").await.unwrap_err(), Failed::NoneHealthy);
    sick.store(false, Ordering::Relaxed);
    becomes(true).await;
    get(&upstreams, "/").await.unwrap();
    // The checks end with the route.
    drop(upstreams);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let before = server.requests();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(server.requests(), before);
}
