//! What lasts: tunnels, streams of events, big bodies.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use futures_util::StreamExt as _;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::world::{Server, settings, until, upstreams};
use crate::upstream::{Pool, StillTrusted, Upstreams};

/// A door before these upstreams.
async fn door(upstreams: Arc<Upstreams>, still_trusted: Option<StillTrusted>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let handler = move |request: Request<Incoming>, _peer| {
        let (upstreams, still_trusted) = (upstreams.clone(), still_trusted.clone());
        async move {
            let sent = upstreams.send(request.map(Body::new), still_trusted).await;
            Ok::<_, Infallible>(sent.map_or_else(
                |failed| {
                    let mut response = Response::new(Body::from(failed.to_string()));
                    *response.status_mut() = StatusCode::BAD_GATEWAY;
                    response
                },
                |answered| answered.response,
            ))
        }
    };
    tokio::spawn(crate::server::serve(listener, None, Vec::new(), handler, std::future::pending(), Duration::ZERO));
    address
}

/// Agrees to a tunnel and says everything again.
async fn echo() -> Server {
    Server::start(|mut request| async move {
        if request.uri().path() == "/declines" {
            return Response::new(Body::from("no"));
        }
        let upgraded = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let (mut read, mut write) = tokio::io::split(TokioIo::new(upgraded.await.unwrap()));
            let _ = tokio::io::copy(&mut read, &mut write).await;
            let _ = write.shutdown().await;
        });
        let response = Response::builder().status(101).header("connection", "upgrade").header("upgrade", "websocket");
        response.header("sec-websocket-accept", "x").body(Body::empty()).unwrap()
    })
    .await
}

async fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap().to_lowercase()
}

fn wish(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n\r\n")
}

#[tokio::test]
async fn a_tunnel_carries_everything_both_ways_until_one_side_ends() {
    let server = echo().await;
    let upstreams = upstreams(&[server.url()]);
    let door = door(upstreams.clone(), None).await;
    let mut stream = TcpStream::connect(door).await.unwrap();
    // What is sent before the answer has come is not lost, and is no request.
    stream.write_all(format!("{}early\n\0", wish("/ws")).as_bytes()).await.unwrap();
    let agreed = head(&mut stream).await;
    assert!(agreed.starts_with("http/1.1 101") && agreed.contains("upgrade: websocket"), "{agreed}");
    assert!(agreed.contains("sec-websocket-accept: x"), "{agreed}");
    let mut echoed = [0; 7];
    stream.read_exact(&mut echoed).await.unwrap();
    assert_eq!(&echoed, b"early\n\0");
    let sent: Vec<u8> = (0..1_000_000_u32).map(|number| number.to_le_bytes()[1]).collect();
    let (mut read, mut write) = stream.split();
    let mut echoed = vec![0; sent.len()];
    let (written, all) = tokio::join!(write.write_all(&sent), read.read_exact(&mut echoed));
    written.unwrap();
    all.unwrap();
    assert!(echoed == sent);
    assert_eq!(upstreams.states()[0].in_flight, 1);
    write.shutdown().await.unwrap();
    assert_eq!(read.read(&mut echoed).await.unwrap(), 0);
    until(|| upstreams.states()[0].in_flight == 0).await;
}

#[tokio::test]
async fn a_declined_tunnel_is_an_ordinary_answer() {
    let server = echo().await;
    let door = door(upstreams(&[server.url()]), None).await;
    let mut stream = TcpStream::connect(door).await.unwrap();
    for _ in 0..2 {
        stream.write_all(wish("/declines").as_bytes()).await.unwrap();
        assert!(head(&mut stream).await.starts_with("http/1.1 200"));
        let mut body = [0; 2];
        stream.read_exact(&mut body).await.unwrap();
        assert_eq!(&body, b"no");
    }
}

#[tokio::test]
async fn s3_trust_that_ends_cuts_a_tunnel_within_about_a_second() {
    let server = echo().await;
    let trusted = Arc::new(AtomicBool::new(true));
    let asked = trusted.clone();
    let door = door(upstreams(&[server.url()]), Some(Arc::new(move || asked.load(Ordering::Relaxed)))).await;
    let mut stream = TcpStream::connect(door).await.unwrap();
    stream.write_all(wish("/ws").as_bytes()).await.unwrap();
    head(&mut stream).await;
    trusted.store(false, Ordering::Relaxed);
    let begun = Instant::now();
    let mut rest = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn tunnels_end_when_the_program_stops() {
    let server = echo().await;
    let pool = Pool::new();
    let door = door(Upstreams::new(settings(&[server.url()]), pool.clone()), None).await;
    let mut stream = TcpStream::connect(door).await.unwrap();
    stream.write_all(wish("/ws").as_bytes()).await.unwrap();
    head(&mut stream).await;
    pool.stop();
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut rest)).await;
    assert!(ended.is_ok());
}

/// A stream of events, every 50 ms.
async fn events(kind: &'static str) -> Server {
    Server::start(move |_| async move {
        let events = futures_util::stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            Some((Ok::<_, std::io::Error>(Bytes::from_static(b"data: x\n\n")), ()))
        });
        let mut response = Response::new(Body::from_stream(events));
        response.headers_mut().insert("content-type", HeaderValue::from_static(kind));
        response
    })
    .await
}

#[tokio::test]
async fn s3_trust_that_ends_cuts_a_stream_within_about_a_second() {
    for (kind, scheme) in [("text/event-stream", "http"), ("text/html", "http"), ("application/grpc", "h2c")] {
        let server = events(kind).await;
        let upstreams = upstreams(&[server.url().replace("http", scheme)]);
        let trusted = Arc::new(AtomicBool::new(true));
        let asked = trusted.clone();
        let request = Request::builder().uri("/").body(Body::empty()).unwrap();
        let sent = upstreams.send(request, Some(Arc::new(move || asked.load(Ordering::Relaxed)))).await.unwrap();
        let mut body = sent.response.into_body();
        for _ in 0..30 {
            body.frame().await.unwrap().unwrap();
        }
        trusted.store(false, Ordering::Relaxed);
        let begun = Instant::now();
        while let Some(Ok(_)) = body.frame().await {}
        assert!(begun.elapsed() < Duration::from_secs(4), "{kind}: {:?}", begun.elapsed());
        assert_eq!(upstreams.states()[0].in_flight, 0);
    }
}

#[tokio::test]
async fn s3_trust_that_ends_cuts_a_stream_that_nobody_reads() {
    let server = events("text/event-stream").await;
    let upstreams = upstreams(&[server.url()]);
    let request = Request::builder().uri("/").body(Body::empty()).unwrap();
    let sent = upstreams.send(request, Some(Arc::new(|| false))).await.unwrap();
    until(|| upstreams.states()[0].in_flight == 0).await;
    assert!(sent.response.into_body().collect().await.is_err());
}

#[tokio::test]
async fn events_go_on_when_the_time_for_answers_is_over() {
    let server = events("text/event-stream; charset=utf-8").await;
    let mut short = settings(&[server.url()]);
    short.total = Duration::from_millis(300);
    let request = Request::builder().uri("/").body(Body::empty()).unwrap();
    let sent = Upstreams::new(short, Pool::new()).send(request, None).await.unwrap();
    let mut body = sent.response.into_body();
    for _ in 0..10 {
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "data: x\n\n");
    }
}

#[tokio::test]
async fn big_bodies_stream_at_the_pace_of_the_slower_side() {
    const CHUNK: usize = 64 * 1024;
    let made = Arc::new(AtomicUsize::new(0));
    let counting = made.clone();
    let server = Server::start(move |_| {
        let counting = counting.clone();
        async move {
            let chunks = futures_util::stream::repeat_with(move || {
                counting.fetch_add(CHUNK, Ordering::Relaxed);
                Ok::<_, std::io::Error>(Bytes::from(vec![7; CHUNK]))
            });
            Response::new(Body::from_stream(chunks.take(1_000)))
        }
    })
    .await;
    for scheme in ["http", "h2c"] {
        made.store(0, Ordering::Relaxed);
        let upstreams = upstreams(&[server.url().replace("http", scheme)]);
        let request = Request::builder().uri("/").body(Body::empty()).unwrap();
        let mut body = upstreams.send(request, None).await.unwrap().response.into_body();
        let mut length = body.frame().await.unwrap().unwrap().into_data().unwrap().len();
        tokio::time::sleep(Duration::from_millis(300)).await;
        // What the buffers of both ends and of the network hold, and not the whole.
        assert!(made.load(Ordering::Relaxed) < 20 << 20, "{scheme}: {}", made.load(Ordering::Relaxed));
        while let Some(frame) = body.frame().await {
            length += frame.unwrap().into_data().unwrap().len();
        }
        assert_eq!((length, made.load(Ordering::Relaxed)), (1_000 * CHUNK, 1_000 * CHUNK));
    }
}

#[tokio::test]
async fn an_answer_whose_body_comes_in_two_pieces_is_whole() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = [0; 1024];
        assert!(stream.read(&mut head).await.unwrap() > 0);
        // The head and the first piece in one write: that piece is taken before anybody asks for a length.
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc").await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        stream.write_all(b"def").await.unwrap();
    });
    let address = door(upstreams(&[url]), None).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n\r\nabcdef"), "{answer}");
}
