use std::sync::atomic::{AtomicBool, Ordering};

use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http2 as client_http2;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::Instant;

use super::*;

/// A server whose connections may be idle for 100 ms, and end when `stop` is sent. It streams what is
/// asked for at `/stream` for as long as `goes_on` says.
async fn start(share: usize, goes_on: Arc<AtomicBool>) -> (SocketAddr, watch::Sender<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = watch::channel(false);
    let handler = move |request: Request<Incoming>, _peer| {
        let goes_on = goes_on.clone();
        async move {
            if request.uri().path() != "/stream" {
                return Ok(Response::new(Body::from("short")));
            }
            let events = futures_util::stream::unfold(goes_on, |goes_on| async move {
                tokio::time::sleep(Duration::from_millis(20)).await;
                goes_on.load(Ordering::Relaxed).then(|| (Ok::<_, Infallible>(Bytes::from_static(b"x")), goes_on))
            });
            Ok(Response::new(Body::from_stream(events)))
        }
    };
    let idle = Duration::from_millis(100);
    let meeting = Meeting { protocols: Protocols::new(), tls: None, handler, idle, stopped };
    tokio::spawn(meet(listener, Places::new(100, share, Vec::new()), meeting));
    (address, stop)
}

type Client = client_http2::SendRequest<Empty<Bytes>>;

/// A client of HTTP/2 that pings all the time, and says how its connection ended.
async fn client(address: SocketAddr) -> (Client, tokio::task::JoinHandle<hyper::Result<()>>) {
    let stream = TcpStream::connect(address).await.unwrap();
    let mut builder = client_http2::Builder::new(TokioExecutor::new());
    builder.timer(TokioTimer::new()).keep_alive_interval(Duration::from_millis(20)).keep_alive_while_idle(true);
    let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.unwrap();
    (sender, tokio::spawn(connection))
}

async fn ask(client: &mut Client, path: &str) -> Incoming {
    let request = Request::builder().uri(format!("http://x{path}")).body(Empty::new()).unwrap();
    client.send_request(request).await.unwrap().into_body()
}

#[tokio::test]
async fn g6_http2_that_asks_nothing_is_told_to_go() {
    let (address, _stop) = start(100, Arc::default()).await;
    let (mut asked, asked_ended) = client(address).await;
    assert_eq!(ask(&mut asked, "/").await.collect().await.unwrap().to_bytes(), "short");
    let (_silent, silent_ended) = client(address).await;
    for ended in [asked_ended, silent_ended] {
        let ended = tokio::time::timeout(Duration::from_secs(2), ended).await.expect("it stays for ever");
        // Told by GOAWAY, and not cut off.
        assert!(ended.unwrap().is_ok());
    }
}

#[tokio::test]
async fn http2_stays_while_something_streams_and_no_longer() {
    let goes_on = Arc::new(AtomicBool::new(true));
    let (address, _stop) = start(100, goes_on.clone()).await;
    let (mut client, ended) = client(address).await;
    let mut body = ask(&mut client, "/stream").await;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(1) {
        body.frame().await.unwrap().unwrap();
    }
    goes_on.store(false, Ordering::Relaxed);
    while body.frame().await.is_some() {}
    assert!(tokio::time::timeout(Duration::from_secs(2), ended).await.is_ok());
}

#[tokio::test]
async fn g6_one_address_gets_its_share_of_connections() {
    let goes_on = Arc::new(AtomicBool::new(true));
    let (address, _stop) = start(2, goes_on.clone()).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let (mut client, connection) = client(address).await;
        held.push((ask(&mut client, "/stream").await, connection));
    }
    let mut refused = TcpStream::connect(address).await.unwrap();
    let _ = refused.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    // The end or a reset, and no answer.
    assert_eq!(refused.read(&mut [0; 64]).await.unwrap_or(0), 0);
    drop(held.pop());
    goes_on.store(false, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_millis(700)).await;
    let (mut client, _) = client(address).await;
    assert_eq!(ask(&mut client, "/").await.collect().await.unwrap().to_bytes(), "short");
}

#[tokio::test]
async fn idle_connections_end_when_the_server_stops() {
    let (address, stop) = start(100, Arc::new(AtomicBool::new(true))).await;
    let (mut client, ended) = client(address).await;
    let body = ask(&mut client, "/stream").await;
    stop.send(true).unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!ended.is_finished(), "what streams is let finish");
    drop(body);
    assert!(tokio::time::timeout(Duration::from_secs(1), ended).await.unwrap().unwrap().is_ok());
}
