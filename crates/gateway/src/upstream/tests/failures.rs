//! What becomes of a request when something goes wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use futures_util::StreamExt as _;
use http::Response;
use http_body::Body as _;
use http_body_util::{BodyExt as _, Limited};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::world::{Server, get, named, request, settings, text, until, upstreams};
use crate::upstream::{Failed, Pool, Upstreams};

/// Reads what comes first on every connection, says these bytes, and closes. Counts connections.
async fn blunt(says: &'static [u8]) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let counting = count.clone();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            counting.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(says).await;
            });
        }
    });
    (url, count)
}

#[tokio::test]
async fn only_what_may_be_repeated_is_repeated() {
    for (method, body, times) in
        [("GET", "", 3), ("PUT", "", 3), ("DELETE", "", 3), ("POST", "", 1), ("PATCH", "", 1), ("PUT", "x", 1)]
    {
        let (url, count) = blunt(b"").await;
        let mut settings = settings(&[url]);
        settings.retries = 2;
        let upstreams = Upstreams::new(settings, Pool::new());
        let failed = upstreams.send(request(method, "/", body), None).await.unwrap_err();
        assert_eq!((failed, count.load(Ordering::Relaxed)), (Failed::Reset, times), "{method} {body:?}");
    }
}

#[tokio::test]
async fn a_request_is_repeated_at_another_upstream() {
    let (url, count) = blunt(b"").await;
    let well = named("well").await;
    let mut settings = settings(&[url, well.url()]);
    settings.retries = 1;
    let upstreams = Upstreams::new(settings, Pool::new());
    for _ in 0..10 {
        assert_eq!(text(get(&upstreams, "/").await.unwrap()).await, "well");
    }
    assert_eq!(count.load(Ordering::Relaxed), 3, "ejected after three failures");
}

#[tokio::test]
async fn nothing_is_repeated_after_the_answer_has_begun() {
    let (url, count) = blunt(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf").await;
    let mut settings = settings(&[url]);
    settings.retries = 2;
    let answered = get(&Upstreams::new(settings, Pool::new()), "/").await.unwrap();
    assert!(answered.response.into_body().collect().await.is_err());
    assert_eq!(count.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn what_is_no_http_is_a_reset() {
    for says in [
        &b"nonsense\r\n\r\n"[..],
        b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd",
    ] {
        let (url, _) = blunt(says).await;
        let failed = get(&upstreams(&[url]), "/")
            .await
            .map(|answered| answered.response)
            .map_err(|failed| failed == Failed::Reset);
        assert!(matches!(failed, Err(true)), "{} {failed:?}", says.escape_ascii());
    }
    let long: &'static [u8] = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(70_000)).leak().as_bytes();
    let (url, _) = blunt(long).await;
    assert_eq!(get(&upstreams(&[url]), "/").await.unwrap_err(), Failed::Reset);
}

#[tokio::test]
async fn two_lengths_of_an_answer_do_not_go_on() {
    let (url, _) =
        blunt(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")
            .await;
    let answered = get(&upstreams(&[url]), "/").await.unwrap();
    assert!(!answered.response.headers().contains_key("content-length"));
    assert_eq!(text(answered).await, "ok");
}

#[tokio::test]
async fn a_kept_connection_that_was_closed_is_no_failure() {
    let (url, count) = blunt(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    let upstreams = upstreams(&[url]);
    for _ in 0..5 {
        // Not even for what may not be repeated: it was not sent.
        let answered = upstreams.send(request("POST", "/", "body"), None).await.unwrap();
        assert_eq!((answered.attempts, text(answered).await.as_str()), (1, "ok"));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(count.load(Ordering::Relaxed), 5);
}

#[tokio::test]
async fn connections_are_used_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstreams = upstreams(&[format!("http://{}", listener.local_addr().unwrap())]);
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        for _ in 0..20 {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await.unwrap();
            tokio::time::sleep(Duration::from_millis(5)).await;
            stream.write_all(b"2\r\nok\r\n0\r\n\r\n").await.unwrap();
        }
    });
    for _ in 0..20 {
        assert_eq!(text(get(&upstreams, "/").await.unwrap()).await, "ok");
    }
    serving.await.unwrap();
}

#[tokio::test]
async fn each_timeout_has_its_name() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let mut short = settings(std::slice::from_ref(&url));
    short.first_byte = Duration::from_millis(200);
    let begun = Instant::now();
    assert_eq!(get(&Upstreams::new(short.clone(), Pool::new()), "/").await.unwrap_err(), Failed::FirstByteTimeout);
    assert!((180..5_000).contains(&begun.elapsed().as_millis()));
    short.total = Duration::from_millis(100);
    assert_eq!(get(&Upstreams::new(short.clone(), Pool::new()), "/").await.unwrap_err(), Failed::TotalTimeout);

    // TLS never begins: the handshake belongs to connecting.
    let mut https = settings(&[url.replace("http:", "https:")]);
    https.connect = Duration::from_millis(100);
    assert_eq!(get(&Upstreams::new(https, Pool::new()), "/").await.unwrap_err(), Failed::Connect);

    // The whole, when the answer has begun.
    let (url, _) = blunt_and_open(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf").await;
    let mut short = settings(&[url]);
    short.total = Duration::from_millis(300);
    let begun = Instant::now();
    let answered = get(&Upstreams::new(short, Pool::new()), "/").await.unwrap();
    assert!(answered.response.into_body().collect().await.is_err());
    assert!((280..5_000).contains(&begun.elapsed().as_millis()));
}

/// The same as [`blunt`], but it stays open.
async fn blunt_and_open(says: &'static [u8]) -> (String, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let task = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(says).await.unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
    });
    (url, task)
}

#[tokio::test]
async fn g6_an_answer_that_nobody_reads_ends_in_time() {
    const CHUNK: &[u8] = &[7; 64 * 1024];
    let endless = Server::start(|_| async {
        let chunks = futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(CHUNK)));
        Response::new(Body::from_stream(chunks))
    })
    .await;
    let (half, half_closed) = blunt_and_open(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf").await;
    for url in [endless.url(), endless.url().replace("http:", "h2c:"), half] {
        let mut short = settings(std::slice::from_ref(&url));
        short.total = Duration::from_millis(300);
        let upstreams = Upstreams::new(short, Pool::new());
        let mut body = get(&upstreams, "/").await.unwrap().response.into_body();
        body.frame().await.unwrap().unwrap();
        assert_eq!(upstreams.states()[0].in_flight, 1, "{url}");
        until(|| upstreams.states()[0].in_flight == 0).await;
        // And it does not look complete to who reads after all.
        assert!(!body.is_end_stream() && body.size_hint().exact().is_none(), "{url}");
        assert!(body.frame().await.unwrap().is_err(), "{url}");
        assert!(body.frame().await.is_none(), "{url}");
    }
    assert!(tokio::time::timeout(Duration::from_secs(10), half_closed).await.is_ok(), "the connection stays open");
}

#[tokio::test]
async fn an_upstream_gets_so_many_requests_at_once_and_no_more() {
    let slow = Server::start(|request| async move {
        if request.uri().path() == "/slow" {
            tokio::time::sleep(Duration::from_millis(1_500)).await;
        }
        Response::new(Body::from("slow"))
    })
    .await;
    let other = named("other").await;
    let pool = Pool::with_at_most(2);
    let only = Upstreams::new(settings(&[slow.url()]), pool.clone());
    let same = Upstreams::new(settings(&[slow.url()]), pool.clone());
    let both = Upstreams::new(settings(&[slow.url(), other.url()]), pool);
    let (one, two, asking) = tokio::join!(get(&only, "/slow"), get(&same, "/slow"), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(get(&only, "/").await.unwrap_err(), Failed::Full);
        assert_eq!(get(&same, "/").await.unwrap_err(), Failed::Full);
        let mut answers = Vec::new();
        for _ in 0..4 {
            answers.push(text(get(&both, "/").await.unwrap()).await);
        }
        answers
    });
    assert_eq!(asking, ["other"; 4]);
    // That it was full is no failure of its own.
    assert_eq!((text(one.unwrap()).await.as_str(), text(two.unwrap()).await.as_str()), ("slow", "slow"));
    assert!(only.states()[0].healthy);
    assert_eq!(text(get(&only, "/").await.unwrap()).await, "slow");
}

#[tokio::test]
async fn a_slow_upload_is_not_the_fault_of_the_upstream() {
    let server = Server::start(|request| async {
        let length = request.into_body().collect().await.unwrap().to_bytes().len();
        Response::new(Body::from(length.to_string()))
    })
    .await;
    let mut short = settings(&[server.url()]);
    short.first_byte = Duration::from_millis(200);
    let upstreams = Upstreams::new(short, Pool::new());
    let drops = futures_util::stream::iter(0..8).then(|_| async {
        tokio::time::sleep(Duration::from_millis(60)).await;
        Ok::<_, std::io::Error>(Bytes::from_static(b"drop"))
    });
    let answered = upstreams.send(request("POST", "/", Body::from_stream(drops)), None).await.unwrap();
    assert_eq!(text(answered).await, "32");
    let stalls = futures_util::stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"half"))])
        .chain(futures_util::stream::pending());
    let failed = upstreams.send(request("POST", "/", Body::from_stream(stalls)), None).await.unwrap_err();
    assert_eq!(failed, Failed::ClientGone);
    let breaks = futures_util::stream::iter([Ok(Bytes::from_static(b"half")), Err(std::io::Error::other("gone"))]);
    let failed = upstreams.send(request("POST", "/", Body::from_stream(breaks)), None).await.unwrap_err();
    assert_eq!(failed, Failed::ClientGone);
    assert!(upstreams.states()[0].healthy);
}

#[tokio::test]
async fn a_body_over_the_limit_never_looks_complete() {
    let complete = Arc::new(AtomicUsize::new(0));
    let counting = complete.clone();
    let server = Server::start(move |request| {
        let counting = counting.clone();
        async move {
            if request.into_body().collect().await.is_ok() {
                counting.fetch_add(1, Ordering::Relaxed);
            }
            Response::new(Body::empty())
        }
    })
    .await;
    for url in [server.url(), server.url().replace("http:", "h2c:")] {
        let upstreams = upstreams(&[url]);
        for (declared, limit) in [(Some(64), 32), (None, 32), (None, 0)] {
            let frames = futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[7; 16])));
            let body = Body::new(Limited::new(Body::from_stream(frames.take(4)), limit));
            let mut request = request("POST", "/", body);
            if let Some(declared) = declared {
                request.headers_mut().insert("content-length", declared.into());
            }
            let failed = upstreams.send(request, None).await.unwrap_err();
            assert_eq!(failed, Failed::BodyTooLarge, "{declared:?} {limit}");
        }
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(complete.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_slow_upstream_delays_nobody_else() {
    let slow = Server::start(|_| async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Response::new(Body::empty())
    })
    .await;
    let quick = named("quick").await;
    let pool = Pool::new();
    let slow_route = Upstreams::new(settings(&[slow.url()]), pool.clone());
    let quick_route = Upstreams::new(settings(&[quick.url()]), pool);
    let waiting: Vec<_> = (0..100)
        .map(|_| {
            let route = slow_route.clone();
            tokio::spawn(async move { get(&route, "/").await.map(|answered| answered.attempts) })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let begun = Instant::now();
    for _ in 0..50 {
        assert_eq!(text(get(&quick_route, "/").await.unwrap()).await, "quick");
    }
    assert!(begun.elapsed() < Duration::from_millis(700));
    for waiting in waiting {
        assert_eq!(waiting.await.unwrap().unwrap(), 1);
    }
}
