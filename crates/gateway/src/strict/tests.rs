//! G5: what two parsers could read differently is answered with 400 and the end of the connection, and
//! nothing behind it is read as a request.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::framing::{Framing, Step};

/// Requests that are fine, one after the other on one connection.
const GOOD: &[&str] = &[
    "GET /a HTTP/1.1\r\nHost: x\r\n\r\n",
    "\r\nPOST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
    "POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked \r\n\r\n5\r\nhel\n\0\r\n0A\r\n0123456789\r\n0\r\n\r\n",
    "POST /d HTTP/1.1\r\nTrailer: a\r\nHost: x\r\ntransfer-encoding:chunked\r\n\r\n000\r\nX-User-Id: eve\r\n\r\n",
    "PUT /e HTTP/1.1\r\nhost: x\r\nCONTENT-LENGTH:\t0\r\nCookie: content-length: 7\r\nUser-Agent: curl\r\n\r\n",
];

/// Requests that are not, with where the first bad byte is marked by `¦`.
const BAD: &[&str] = &[
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked¦\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5¦\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 5¦\r\n\r\nhello",
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5, 5¦\r\n\r\nhello",
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +5¦\r\n\r\nhello",
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0x5¦\r\n\r\nhello",
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length:¦\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999¦\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity¦\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity, chunked¦\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked¦\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked¦\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: \"chunked\"¦\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked¦\r\n\r\n0\r\n\r\n",
    "GET / HTTP/1.1¦\nHost: x\n\n",
    "GET / HTTP/1.1\r\nHost: x¦\nX: y\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\n¦\n",
    "¦\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
];

/// Bad ones that the server behind refuses by itself.
const LEFT_TO_THE_SERVER: &[&str] = &[
    "GET / HTTP/1.1\r\nHost : x\r\n\r\n",
    "GET / HTTP/1.1\r\nContent-Length : 5\r\nHost: x\r\n\r\n",
    "GET / HTTP/1.1\r\nTransfer-Encoding\t: chunked\r\nHost: x\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\r\n chunked\r\n\r\n",
    "GET / HTTP/1.1\r\n Host: x\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\nX: a\rb\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\nX\0: a\r\n\r\n",
    "POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n",
];

/// Bad bodies, whose heads are fine.
const BAD_CHUNKS: &[&str] = &[
    "5¦;ext=1\r\nhello\r\n0\r\n\r\n",
    "5¦ \r\nhello\r\n0\r\n\r\n",
    "5¦\nhello\r\n0\r\n\r\n",
    "5\r¦hello\r\n0\r\n\r\n",
    "0¦x5\r\nhello\r\n0\r\n\r\n",
    "¦-5\r\nhello\r\n0\r\n\r\n",
    "¦\r\nhello\r\n0\r\n\r\n",
    "000000000000000¦00005\r\nhello\r\n0\r\n\r\n",
    "5\r\nhello¦0\r\n\r\n",
    "5\r\nhello\r¦0\r\n\r\n",
    "5\r\nhello¦\n0\r\n\r\n",
    "0\r\n¦\n",
    "0\r\nX-A: 1¦\nX-User-Id: eve\r\n\r\n",
];

/// What passes and whether the rest is refused, however the bytes are cut into pieces.
fn follow(text: &str, cuts: &[usize]) -> (usize, Step) {
    let mut framing = Framing::new();
    let mut passed = 0;
    let mut from = 0;
    for to in cuts.iter().copied().chain([text.len()]) {
        match framing.follow(&text.as_bytes()[from..to]) {
            Step::Pass => passed += to - from,
            Step::HoldAfter(length) => return (passed + length, Step::HoldAfter(0)),
            Step::RefuseAfter(length) => return (passed + length, Step::RefuseAfter(0)),
            Step::PassOpaque => return (to, Step::PassOpaque),
        }
        from = to;
    }
    (passed, Step::Pass)
}

/// The same at every border of pieces: whole, cut once anywhere, and byte by byte.
fn follow_everywhere(text: &str) -> (usize, Step) {
    let whole = follow(text, &[]);
    for cut in 0..=text.len() {
        assert_eq!(follow(text, &[cut]), whole, "cut at {cut}: {text:?}");
    }
    assert_eq!(follow(text, &(1..text.len()).collect::<Vec<_>>()), whole, "byte by byte: {text:?}");
    whole
}

fn marked(text: &str) -> (String, usize) {
    (text.replace('¦', ""), text.find('¦').unwrap_or(text.len()))
}

#[test]
fn g5_framing_is_the_same_wherever_the_bytes_are_cut() {
    let all = GOOD.concat();
    assert_eq!(follow_everywhere(&all), (all.len(), Step::Pass));
    for bad in BAD {
        let (bad, at) = marked(bad);
        // The CR before the LF that is refused may pass: without its LF it ends no line.
        let (passed, step) = follow_everywhere(&bad);
        assert_eq!(step, Step::RefuseAfter(0), "{bad:?}");
        assert!(passed >= at && bad.as_bytes()[at..passed].iter().all(|&byte| byte == b'\r'), "{bad:?}: {passed}");
        let behind = format!("{}{bad}", GOOD.concat());
        assert_eq!(follow_everywhere(&behind), (GOOD.concat().len() + passed, Step::RefuseAfter(0)));
    }
    for chunks in BAD_CHUNKS {
        let (chunks, at) = marked(chunks);
        let head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
        let (passed, step) = follow_everywhere(&format!("{head}{chunks}"));
        assert_eq!((passed, step), (head.len() + at, Step::RefuseAfter(0)), "{chunks:?}");
    }
}

#[test]
fn http2_is_left_alone_and_what_only_begins_like_it_is_not() {
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    assert_eq!(follow_everywhere(preface), (preface.len(), Step::PassOpaque));
    assert_eq!(follow(&format!("{preface}\n\n\0"), &[]).1, Step::PassOpaque);
    assert_eq!(follow_everywhere("PRI * HTTP/1.1\r\nHost: x\r\n\r\n\n").1, Step::RefuseAfter(0));
    // Only at the very beginning.
    assert_eq!(follow_everywhere(&format!("{}{preface}\n", GOOD[0])).1, Step::RefuseAfter(0));
}

#[test]
fn a_wish_for_another_protocol_holds_what_follows() {
    let wish = "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n";
    assert_eq!(follow_everywhere(wish), (wish.len(), Step::HoldAfter(0)));
    assert_eq!(follow_everywhere(&format!("{wish}\x01\x02\n")), (wish.len(), Step::HoldAfter(0)));
    let with_body = "POST /ws HTTP/1.1\r\nHost: x\r\nUpgrade: x\r\nContent-Length: 3\r\n\r\nabc";
    assert_eq!(follow_everywhere(&format!("{with_body}GET")), (with_body.len(), Step::HoldAfter(0)));
}

type Seen = Arc<Mutex<Vec<String>>>;

/// A server that notes complete requests and agrees to the upgrades of `/agree`.
async fn start() -> (SocketAddr, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Seen::default();
    let noting = seen.clone();
    let handler = move |request: Request<Incoming>, _peer| answer(request, noting.clone());
    tokio::spawn(crate::server::serve(listener, None, Vec::new(), handler, std::future::pending(), Duration::ZERO));
    (address, seen)
}

async fn answer(mut request: Request<Incoming>, seen: Seen) -> Result<Response<Body>, Infallible> {
    let path = request.uri().path().to_owned();
    if path == "/slow" {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    if path == "/agree" {
        let upgraded = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let mut stream = hyper_util::rt::TokioIo::new(upgraded.await.unwrap());
            let mut bytes = [0; 64];
            let length = stream.read(&mut bytes).await.unwrap();
            stream.write_all(&bytes[..length]).await.unwrap();
            stream.shutdown().await.unwrap();
        });
        let response = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS);
        let response = response.header("connection", "upgrade").header("upgrade", "echo");
        return Ok(response.body(Body::empty()).unwrap());
    }
    let (status, note) = match request.into_body().collect().await {
        Ok(body) => (StatusCode::OK, format!("{path} {}", body.to_bytes().len())),
        Err(_) => (StatusCode::BAD_REQUEST, format!("{path} broken")),
    };
    seen.lock().unwrap().push(note);
    Ok(Response::builder().status(status).body(Body::from(path)).unwrap())
}

/// Sends bytes and reads until the server closes.
async fn talk(address: SocketAddr, text: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let reading = stream.read_to_end(&mut answer);
    let outcome = tokio::time::timeout(Duration::from_secs(3), reading).await;
    // A reset instead of an end is an end, too: the server did not read everything.
    assert!(outcome.is_ok(), "the connection stays open: {text:?} {}", String::from_utf8_lossy(&answer));
    String::from_utf8_lossy(&answer).into_owned()
}

fn statuses(answers: &str) -> Vec<&str> {
    answers.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect()
}

#[tokio::test]
async fn g5_a_violation_is_400_and_the_end() {
    let (address, seen) = start().await;
    for bad in BAD.iter().chain(LEFT_TO_THE_SERVER) {
        let bad = format!("{}GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n", bad.replace('¦', ""));
        assert_eq!(statuses(&talk(address, &bad).await), ["400"], "{bad:?}");
        assert_eq!(seen.lock().unwrap().drain(..).count(), 0, "{bad:?}");
        // What came before it on the same connection is answered, even when that takes its time.
        let behind = format!("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n{bad}");
        assert_eq!(statuses(&talk(address, &behind).await), ["200", "400"], "{behind:?}");
        assert_eq!(seen.lock().unwrap().drain(..).collect::<Vec<_>>(), ["/slow 0"], "{behind:?}");
    }
}

#[tokio::test]
async fn g5_a_bad_chunk_breaks_the_body_and_ends_the_connection() {
    let (address, seen) = start().await;
    for chunks in BAD_CHUNKS {
        let text = format!(
            "POST /body HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{}GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n",
            chunks.replace('¦', "")
        );
        assert_eq!(statuses(&talk(address, &text).await), ["400"], "{text:?}");
        assert_eq!(seen.lock().unwrap().drain(..).collect::<Vec<_>>(), ["/body broken"], "{text:?}");
    }
}

#[tokio::test]
async fn good_requests_pass() {
    let (address, seen) = start().await;
    let last = "GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let answers = talk(address, &format!("{}{last}", GOOD.concat())).await;
    assert_eq!(statuses(&answers), ["200"; 6]);
    assert_eq!(*seen.lock().unwrap(), ["/a 0", "/b 5", "/c 15", "/d 0", "/e 0", "/last 0"]);
}

#[tokio::test]
async fn g5_an_upgrade_that_was_declined_opens_nothing() {
    let (address, seen) = start().await;
    let wish = "GET /declined HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n";
    let smuggled =
        "POST /smuggled HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    assert_eq!(statuses(&talk(address, &format!("{wish}{smuggled}")).await), ["200", "400"]);
    assert_eq!(seen.lock().unwrap().drain(..).collect::<Vec<_>>(), ["/declined 0"]);
    // And what is fine after it is answered, also after two of them.
    let last = "GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    assert_eq!(statuses(&talk(address, &format!("{wish}{wish}{last}")).await), ["200", "200", "200"]);
    assert_eq!(*seen.lock().unwrap(), ["/declined 0", "/declined 0", "/last 0"]);
}

#[tokio::test]
async fn an_upgrade_that_was_agreed_on_carries_anything() {
    let (address, _seen) = start().await;
    let wish = "GET /agree HTTP/1.1\r\nHost: x\r\nUpgrade: echo\r\nConnection: upgrade\r\n\r\n";
    let answer = talk(address, &format!("{wish}\x01\n\0 anything\n\n")).await;
    assert_eq!(statuses(&answer), ["101"]);
    assert!(answer.ends_with("\x01\n\0 anything\n\n"), "{answer:?}");
}
