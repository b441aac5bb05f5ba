//! G1: an application is told who asks by the gateway alone.

use axum::body::{Body, Bytes};
use e2e::send_http2;
use futures_util::stream;
use http_body_util::StreamBody;
use hyper::body::Frame;
use hyper::{HeaderMap, Request};

use super::Door;

/// Headers that say who somebody is, or which request this is.
const OURS: [&str; 16] = [
    "X-User-Id",
    "X-User-Roles",
    "X-User-Scope",
    "X-User-Token",
    "X-Session-Id",
    "X-Request-Id",
    "X-Roles",
    "X-Tenant",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-User",
    "Forwarded",
    "Remote-User",
    "X-Real-IP",
    "traceparent",
    "tracestate",
];

/// A header's name as somebody might write it who hopes that it is read as the same.
fn spellings(name: &str) -> Vec<String> {
    let mixed = |text: &str| {
        let flip = |(at, c): (usize, char)| if at % 2 == 0 { c.to_ascii_lowercase() } else { c.to_ascii_uppercase() };
        text.chars().enumerate().map(flip).collect::<String>()
    };
    let half = name.replacen('-', "_", 1);
    vec![
        name.to_owned(),
        name.to_lowercase(),
        name.to_uppercase(),
        mixed(name),
        name.replace('-', "_"),
        name.replace('-', "_").to_uppercase(),
        name.replace('-', "."),
        name.replace('-', "~"),
        half,
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g1_forged_identity_is_removed_in_every_spelling() {
    let door = Door::start().await;
    for name in OURS {
        let thrice = |spelling: String| {
            format!("{spelling}: forged\r\n{spelling}:   forged  \r\n{spelling}:\tforged,forged\r\n")
        };
        let headers = spellings(name).into_iter().map(thrice).collect::<Vec<_>>().concat();
        let answer = door.send_as_ann("GET /quiz/x HTTP/1.1", &headers).await;
        assert_eq!(answer.status(), 200, "{name}: {}", answer.text);
        door.assert_nothing_forged("forged");
        let seen = door.upstream.one();
        assert_eq!(seen.header("x-user-id"), door.ann.id, "{name}");
        let answer = door.send("GET /open/x HTTP/1.1", &headers).await;
        assert_eq!(answer.status(), 200, "{name}");
        door.assert_nothing_forged("forged");
        let seen = door.upstream.one();
        assert_eq!(seen.all("x-user-id"), [""; 0], "{name}: nobody asked, and somebody was named");
        assert_eq!(seen.all("x-session-id"), [""; 0]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g1_connection_takes_away_nothing_that_the_gateway_says() {
    let door = Door::start().await;
    for named in ["X-User-Id", "x-user-id, X-User-Roles", "keep-alive, X-SESSION-ID", "close,x-forwarded-for,forwarded"]
    {
        let answer = door.send_as_ann("GET /quiz/x HTTP/1.1", &format!("Connection: {named}\r\n")).await;
        assert_eq!(answer.status(), 200, "{named}: {}", answer.text);
        let seen = door.upstream.one();
        for (name, expected) in [
            ("x-user-id", door.ann.id.as_str()),
            ("x-user-roles", "user"),
            ("x-session-id", &door.ann.session),
            ("x-forwarded-for", "127.0.0.1"),
        ] {
            assert_eq!(seen.header(name), expected, "{name} after Connection: {named}");
        }
        assert!(!seen.header("forwarded").is_empty());
    }
    // What is the client's own, it may take away: that is what the header is for.
    door.send_as_ann("GET /quiz/x HTTP/1.1", "Connection: X-Mine\r\nX-Mine: 1\r\n").await;
    assert_eq!(door.upstream.one().all("x-mine"), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g1_trailers_say_nothing_about_who_asks() {
    let door = Door::start().await;
    for name in ["X-User-Id", "x_user_id", "X-User-Token", "Authorization", "X-Forwarded-For"] {
        let text = format!(
            "POST /quiz/x HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nAuthorization: Bearer {}\r\nTE: trailers\r\n\
             Trailer: {name}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n{name}: forged\r\n\r\n",
            door.host(),
            door.ann.access_token
        );
        let answer = e2e::send_raw(&door.app.url, text.as_bytes()).await;
        assert_eq!(answer.status(), 200, "{name}: {}", answer.text);
        door.assert_nothing_forged("forged");
        let seen = door.upstream.one();
        assert_eq!(seen.header("x-user-id"), door.ann.id);
        assert_eq!(&seen.body[..], b"hello");
        assert!(seen.trailers.iter().all(|(_, value)| !value.contains("forged")), "{:?}", seen.trailers);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g1_the_same_over_http2() {
    let door = Door::start().await;
    for name in OURS {
        let mut request = Request::post(format!("{}/quiz/x", door.app.url))
            .header("authorization", format!("Bearer {}", door.ann.access_token))
            .header("te", "trailers");
        for spelling in spellings(name) {
            let spelling = spelling.to_lowercase();
            request = request.header(&spelling, "forged").header(&spelling, "forged");
        }
        let mut trailers = HeaderMap::new();
        trailers.insert(hyper::header::HeaderName::try_from(name.to_lowercase()).unwrap(), "forged".parse().unwrap());
        let frames =
            [Ok::<_, std::convert::Infallible>(Frame::data(Bytes::from("hello"))), Ok(Frame::trailers(trailers))];
        let request = request.body(Body::new(StreamBody::new(stream::iter(frames)))).unwrap();
        let answer = send_http2(&door.app.url, request).await.unwrap();
        assert_eq!(answer.status(), 200, "{name}");
        door.assert_nothing_forged("forged");
        let seen = door.upstream.one();
        assert_eq!(seen.header("x-user-id"), door.ann.id, "{name}");
        assert!(seen.trailers.iter().all(|(_, value)| !value.contains("forged")), "{:?}", seen.trailers);
    }
}
