//! Bodies that flow both ways, server-sent events, web sockets and gRPC; and that they end when trust does.

use std::time::{Duration, Instant};

use e2e::{GrpcEcho, Manner, TestApp, Upstream, User, grpc_call};
use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::{behind, route};

/// A stream is asked about once a second; the rest is patience with a busy machine.
const CUT_WITHIN: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_flows_both_ways_at_once() {
    let upstream = Upstream::start("app").await;
    upstream.answer(Manner::Stream);
    let app = behind(&route("quiz", "/quiz/", &upstream.url, "auth = \"none\"")).await;
    let mut connection = app.connect().await;
    let host = app.url.trim_start_matches("http://");
    let head = format!("POST /quiz/x HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n");
    connection.write_all(head.as_bytes()).await.unwrap();
    for word in ["first", "second", "third"] {
        connection.write_all(format!("{:x}\r\n{word}\r\n", word.len()).as_bytes()).await.unwrap();
        // Each has to come back before the next is sent.
        read_until(&mut connection, word).await;
    }
    connection.write_all(b"0\r\n\r\n").await.unwrap();
    read_until(&mut connection, "0\r\n\r\n").await;
}

async fn read_until(connection: &mut TcpStream, wanted: &str) {
    let mut got = String::new();
    let reading = async {
        while !got.contains(wanted) {
            let mut buffer = [0; 4096];
            let length = connection.read(&mut buffer).await.unwrap();
            assert!(length > 0, "it ended before {wanted:?}");
            got.push_str(&String::from_utf8_lossy(&buffer[..length]));
        }
    };
    tokio::time::timeout(Duration::from_secs(10), reading).await.unwrap_or_else(|_| panic!("{wanted:?} never came"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_arrive_as_they_happen_and_end_with_the_session() {
    let upstream = Upstream::start("app").await;
    upstream.answer(Manner::Events(Duration::from_millis(100)));
    // Shorter than the stream lasts: a stream of events may.
    let config = route("quiz", "/quiz/", &upstream.url, "timeout = { total = \"2s\" }");
    let app = behind(&config).await;
    let ann = app.user("ann").await;
    let mut chunks = 0;
    let mut response = ann.request(Method::GET, "/quiz/events").send().await.unwrap();
    assert_eq!(response.status(), 200);
    let mut text = String::new();
    while !text.contains("event 30") {
        let chunk = tokio::time::timeout(CUT_WITHIN, response.chunk()).await.expect("events keep coming");
        text.push_str(&String::from_utf8_lossy(&chunk.unwrap().expect("the stream goes on")));
        chunks += 1;
    }
    assert!(chunks > 5, "events waited for others: there were {chunks} pieces");
    let bob = app.user("bob").await;
    let mut other = bob.request(Method::GET, "/quiz/events").send().await.unwrap();
    ann.logout().await.is(204);
    let ended = Instant::now();
    while let Ok(Some(_)) = response.chunk().await {
        assert!(ended.elapsed() < CUT_WITHIN, "the stream goes on after the session");
    }
    let still = tokio::time::timeout(CUT_WITHIN, other.chunk()).await.expect("events keep coming");
    assert!(still.unwrap().is_some(), "another's stream was cut, too");
}

type Socket = WebSocketStream<TcpStream>;

async fn open_socket(app: &TestApp, user: Option<&User>) -> Result<Socket, Error> {
    let url = format!("{}/quiz/socket", app.url.replace("http://", "ws://"));
    let mut request = url.into_client_request().unwrap();
    if let Some(user) = user {
        let value = format!("Bearer {}", user.access_token).parse().unwrap();
        request.headers_mut().insert("authorization", value);
    }
    request.headers_mut().insert("x-user-id", "forged".parse().unwrap());
    tokio_tungstenite::client_async(request, app.connect().await).await.map(|(socket, _)| socket)
}

async fn echo(socket: &mut Socket, message: Message) {
    socket.send(message.clone()).await.unwrap();
    let back = tokio::time::timeout(Duration::from_secs(10), socket.next()).await.expect("an echo").unwrap().unwrap();
    assert_eq!(back, message);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_websocket_echoes_and_ends_with_the_session() {
    let upstream = Upstream::start("app").await;
    let config = route("quiz", "/quiz/", &upstream.url, "timeout = { total = \"2s\" }");
    let app = behind(&config).await;
    let ann = app.user("ann").await;
    match open_socket(&app, None).await {
        Err(Error::Http(answer)) => assert_eq!(answer.status(), 401),
        other => panic!("opened without a token: {:?}", other.map(drop)),
    }
    assert_eq!(upstream.count(), 0);
    let mut socket = open_socket(&app, Some(&ann)).await.expect("a socket");
    assert_eq!(upstream.one().header("x-user-id"), ann.id);
    echo(&mut socket, Message::text("hello")).await;
    echo(&mut socket, Message::binary(vec![7; 1 << 20])).await;
    // Longer than the route's whole time for ordinary requests.
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    echo(&mut socket, Message::text("still here")).await;
    ann.logout().await.is(204);
    let ended = tokio::time::timeout(CUT_WITHIN, async { while let Some(Ok(_)) = socket.next().await {} }).await;
    assert!(ended.is_ok(), "the socket is still open {CUT_WITHIN:?} after the session has ended");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grpc_calls_of_all_kinds_pass_with_their_trailers() {
    let echo = GrpcEcho::start().await;
    let app = behind(&route("grpc", "/usher.test.Echo/", &echo.url, "")).await;
    let ann = app.user("ann").await;
    let told = grpc_call(&app.url, &ann.access_token).await.expect("all kinds of call echo");
    assert_eq!(told, ann.id, "the server was told another user");
    ann.logout().await.is(204);
    let refused = grpc_call(&app.url, &ann.access_token).await.expect_err("a dead token");
    assert!(refused.contains("UNAUTHENTICATED"), "{refused}");
}
