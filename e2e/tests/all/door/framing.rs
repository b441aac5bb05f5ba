//! G5: what two parsers could read differently ends the connection, and nothing is smuggled behind it.

use std::time::Duration;

use e2e::{PATIENCE, RawAnswer, send_raw, send_raw_for};

use super::Door;

/// What a smuggler hopes for.
const HIDDEN: &str = "GET /open/smuggled HTTP/1.1\r\nHost: x\r\n\r\n";

/// Heads that are refused. `HOST` is ours.
const HEADS: [&str; 26] = [
    "POST /open/x HTTP/1.1\r\nHost: HOST\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST /open/x HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "POST /open/x HTTP/1.1\r\nHost: HOST\r\nContent-Length: 0\r\nContent-Length: 44\r\n\r\n",
    "POST /open/x HTTP/1.1\r\nHost: HOST\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "POST /open/x HTTP/1.1\r\nHost: HOST\r\nContent-Length: 5, 5\r\n\r\nhello",
    "POST /open/x HTTP/1.1\r\nHost: HOST\r\nContent-Length: +5\r\n\r\nhello",
    "POST /open/x HTTP/1.1\r\nHost: HOST\r\nContent-Length: 0x5\r\n\r\nhello",
    "POST /open/x HTTP/1.1\r\nHost: HOST\r\nContent-Length: -1\r\n\r\n",
    "POST /open/x HTTP/1.1\r\nHost: HOST\r\nContent-Length: 99999999999999999999\r\n\r\nhello",
    "POST /open/x HTTP/1.1\r\nHost: HOST\r\nContent-Length : 5\r\n\r\nhello",
    "POST /open/x HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "POST /open/x HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n",
    "POST /open/x HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "POST /open/x HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "POST /open/x HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n",
    "POST /open/x HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "POST /open/x HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "POST /open/x HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "POST /open/x HTTP/1.0\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "GET /open/x HTTP/1.1\nHost: HOST\n\n",
    "GET /open/x HTTP/1.1\r\nHost: HOST\nX: y\r\n\r\n",
    "GET /open/x HTTP/1.1\r\nHost: HOST\r\nX: a\r\n b\r\n\r\n",
    "GET /open/x HTTP/1.1\r\nHost: HOST\r\nX: a\rb\r\n\r\n",
    "GET /open/x HTTP/1.1\r\nHost: HOST\r\nX: a\0b\r\n\r\n",
    "GET /open/x HTTP/1.1\r\nHost : HOST\r\n\r\n",
    "GET /open/x HTTP/1.1\r\n Host: HOST\r\n\r\n",
];

/// Bodies in chunks that are refused.
const CHUNKS: [&str; 10] = [
    "5;ext=1\r\nhello\r\n0\r\n\r\n",
    "5 \r\nhello\r\n0\r\n\r\n",
    "5\nhello\r\n0\r\n\r\n",
    "0x5\r\nhello\r\n0\r\n\r\n",
    "-5\r\nhello\r\n0\r\n\r\n",
    "00000000000000000005\r\nhello\r\n0\r\n\r\n",
    "5\r\nhelloX0\r\n\r\n",
    "5\r\nhello\n0\r\n\r\n",
    "0\r\n\n",
    "0\r\nX-A: 1\nX-User-Id: admin\r\n\r\n",
];

fn assert_refused(shape: &str, answer: &RawAnswer) {
    assert!(answer.is_closed, "the connection stays open after {shape:?}: {}", answer.text);
    assert!(answer.statuses().len() <= 1, "two answers to {shape:?}: {}", answer.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g5_ambiguous_requests_are_refused_and_nothing_is_smuggled() {
    let door = Door::start().await;
    for shape in HEADS {
        let text = shape.replace("HOST", door.host()) + HIDDEN;
        let answer = send_raw(&door.app.url, text.as_bytes()).await;
        assert_refused(shape, &answer);
        assert_eq!(answer.status(), 400, "{shape:?}: {}", answer.text);
    }
    assert_eq!(door.upstream.count(), 0, "{:?}", door.upstream.seen());
    for shape in CHUNKS {
        let head = format!("POST /open/x HTTP/1.1\r\nHost: {}\r\nTransfer-Encoding: chunked\r\n\r\n", door.host());
        let answer = send_raw(&door.app.url, (head + shape + HIDDEN).as_bytes()).await;
        assert_refused(shape, &answer);
        // The head was good and has gone on, so it may be the end of the body that is never told.
        assert_ne!(answer.status(), 200, "{shape:?}: {}", answer.text);
    }
    assert_eq!(door.upstream.count(), 0, "a body that was broken off counted as whole: {:?}", door.upstream.seen());
    // What is good is answered: two requests on one connection, and each is known.
    let one =
        format!("POST /open/x HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n\r\n{HIDDEN}", door.host(), HIDDEN.len());
    let two = format!("GET /open/y HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", door.host());
    let answer = send_raw(&door.app.url, (one + &two).as_bytes()).await;
    assert_eq!(answer.statuses(), [200, 200], "{}", answer.text);
    let seen: Vec<String> = door.upstream.seen().into_iter().map(|seen| seen.target).collect();
    assert_eq!(seen, ["/open/x", "/open/y"], "a body was read as a request");
    // Each request at the application has its line in the log, and there is no other.
    let at_upstream = |line: &serde_json::Value| line.get("usher.upstream.address").is_some();
    let lines = door.app.wait_for_access_lines(2, at_upstream).await;
    assert_eq!(lines.len(), door.upstream.count());
    for seen in door.upstream.seen() {
        let line = door.app.access_line(seen.header("x-request-id")).await;
        assert_eq!(line["url.path"], seen.target);
    }
}

/// A frame of HTTP/2 (RFC 9113 §4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A header as it is, not compressed (RFC 7541 §6.2.2).
fn literal(name: &str, value: &str) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    [vec![0], text(name), text(value)].concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g5_http2_carries_no_line_ends_into_http1() {
    let door = Door::start().await;
    let host = door.host().to_owned();
    let request = |extra: &[(&str, &str)]| {
        let mut block = vec![0x82, 0x86];
        block.extend(literal(":path", "/open/x"));
        block.extend(literal(":authority", &host));
        for (name, value) in extra {
            block.extend(literal(name, value));
        }
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        [preface, frame(4, 0, 0, &[]), frame(1, 5, 1, &block)].concat()
    };
    for extra in [
        [("x-a", "b\r\nx-user-id: admin")],
        [("x-a", "b\nx-user-id: admin")],
        [("x-a\r\nx-user-id", "admin")],
        [("x-a: b\r\nx-user-id", "admin")],
        [("X-User-Id", "admin")],
        [("transfer-encoding", "chunked")],
        [("connection", "x-user-id")],
        [(":path", "/closed/x")],
        [("content-length", "5")],
        [("host", "evil.io")],
    ] {
        drop(send_raw_for(&door.app.url, &request(&extra), Duration::from_millis(300)).await);
        assert_eq!(door.upstream.count(), 0, "{extra:?} reached the application: {:?}", door.upstream.seen());
    }
    // The same without the tricks is an ordinary request.
    let good = request(&[("x-a", "b")]);
    let arrives = async {
        while door.upstream.count() == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        _ = send_raw_for(&door.app.url, &good, PATIENCE) => {}
        () = arrives => {}
    }
    assert_eq!(door.upstream.one().header("x-a"), "b");
}
