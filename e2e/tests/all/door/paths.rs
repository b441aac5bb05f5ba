//! G2 and G3: the path that is decided on is the path that is handed on, and nothing else is either.

use e2e::send_raw;

use super::Door;

/// What servers behind a gateway may read as another path than it did. `{}` is where a closed path would
/// be reached.
const TRICKS: [&str; 44] = [
    "//closed/x",
    "/open//closed/x",
    "/open/../closed/x",
    "/open/..//closed/x",
    "/open/./x",
    "/open/.",
    "/open/..",
    "/open/x/..",
    "/open/%2e%2e/closed/x",
    "/open/%2E%2E/closed/x",
    "/open/.%2e/closed/x",
    "/open/%2e./closed/x",
    "/open/%2e/closed/x",
    "/open/..%2fclosed/x",
    "/open/..%2Fclosed/x",
    "/open%2f..%2fclosed/x",
    "/open/%2fclosed/x",
    "/open/..%5cclosed/x",
    "/open/..\\closed/x",
    "/open\\..\\closed/x",
    "/open/%5c..%5cclosed",
    "/open/..;/closed/x",
    "/open/..;x=1/closed/x",
    "/open;x/../closed/x",
    "/open/x;y",
    "/open/x;jsessionid=1",
    "/open/%3b/x",
    "/open/%00",
    "/open/x%00.png",
    "/open/%252e%252e/closed/x",
    "/open/%252fclosed",
    "/open/%25252e%25252e/closed/x",
    "/open/%c0%ae%c0%ae/closed/x",
    "/open/%c0%af..%c0%afclosed",
    "/open/%e0%80%ae%e0%80%ae/closed/x",
    "/open/%ff",
    "/open/%u002e%u002e/closed",
    "/open/%2",
    "/open/%zz",
    "/open/%0d%0aX-User-Id:%20admin",
    "/open/%0a",
    "/open/%7f",
    "/open/{x}",
    "/open/|x",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g2_a_path_that_could_be_read_in_two_ways_goes_nowhere() {
    let door = Door::start().await;
    for path in TRICKS {
        for prefix in ["", "http://HOST"] {
            let target = format!("{}{path}", prefix.replace("HOST", door.host()));
            let answer = door.send_as_ann(&format!("GET {target} HTTP/1.1"), "").await;
            assert_eq!(answer.status(), 400, "{target}: {}", answer.text);
        }
    }
    assert_eq!(door.upstream.count(), 0, "{:?}", door.upstream.seen());
    // Bytes that no address has at all.
    for target in ["/open/é", "/open/\u{7f}", "/open/a b", "open/x", "*", ""] {
        let answer = door.send_as_ann(&format!("GET {target} HTTP/1.1"), "").await;
        assert!((400..500).contains(&answer.status()), "{target:?}: {}", answer.text);
    }
    assert_eq!(door.upstream.count(), 0, "{:?}", door.upstream.seen());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g2_a_closed_path_is_closed_in_every_spelling() {
    let door = Door::start().await;
    for path in ["/closed/x", "/closed/", "/closed", "/%63losed/x", "/c%6Cosed/x", "/%63%6c%6f%73%65%64", "/closed/%78"]
    {
        let answer = door.send_as_ann(&format!("GET {path} HTTP/1.1"), "").await;
        assert_eq!(answer.status(), 403, "{path}: {}", answer.text);
    }
    assert_eq!(door.upstream.count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g2_a_plain_path_is_handed_on_byte_for_byte() {
    let door = Door::start().await;
    for path in [
        "/open/",
        "/open/x/",
        "/open/caf%C3%A9",
        "/open/caf%c3%a9",
        "/open/a%20b",
        "/open/100%25",
        "/open/a.b/..c/...",
        "/open/@user:1,2!$&'()*+=~_-",
        "/open/x?a=//&b=/../&c=%2f%2e%2e&d=;x",
        "/open/x?",
        "/open/x?http://evil.io/#",
    ] {
        let answer = door.send(&format!("GET {path} HTTP/1.1"), "").await;
        assert_eq!(answer.status(), 200, "{path}: {}", answer.text);
        assert_eq!(door.upstream.one().target, path.trim_end_matches('#'));
    }
    // In absolute form, for our own host.
    let line = format!("GET http://{}/open/x?y HTTP/1.1", door.host());
    assert_eq!(door.send(&line, "").await.status(), 200);
    assert_eq!(door.upstream.one().target, "/open/x?y");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g2_an_address_and_its_host_have_to_agree() {
    let door = Door::start().await;
    for target in ["http://evil.io/open/x", "http://evil.io:80/open/x", "https://127.0.0.1:1/open/x", "http:///open/x"]
    {
        let answer = door.send_as_ann(&format!("GET {target} HTTP/1.1"), "").await;
        assert!(matches!(answer.status(), 400 | 421), "{target}: {}", answer.text);
    }
    assert_eq!(door.upstream.count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g3_no_header_changes_what_is_decided() {
    let door = Door::start().await;
    let wishes = |method: &str, path: &str| {
        [
            ("X-Forwarded-Uri", path),
            ("X-Forwarded-Path", path),
            ("X-Forwarded-Prefix", path),
            ("X-Original-URL", path),
            ("X-Original-URI", path),
            ("X-Rewrite-URL", path),
            ("X-Forwarded-Method", method),
            ("X-Original-Method", method),
            ("X-HTTP-Method-Override", method),
            ("X-HTTP-Method", method),
            ("X-Method-Override", method),
            ("X-Forwarded-Host", "evil.io"),
            ("X-Original-Host", "evil.io"),
            ("X-Forwarded-Proto", "gopher"),
            ("X-Forwarded-Port", "1"),
            ("Forwarded", "host=evil.io;proto=gopher"),
        ]
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .concat()
    };
    // Nobody gets in by saying that they want to go elsewhere.
    let answer = door.send("GET /quiz/x HTTP/1.1", &wishes("OPTIONS", "/open/x")).await;
    assert_eq!(answer.status(), 401, "{}", answer.text);
    let answer = door.send_as_ann("GET /closed/x HTTP/1.1", &wishes("GET", "/open/x")).await;
    assert_eq!(answer.status(), 403, "{}", answer.text);
    let answer = door
        .send("POST /reading/x HTTP/1.1", &("Content-Length: 0\r\n".to_owned() + &wishes("GET", "/reading/x")))
        .await;
    assert_eq!(answer.status(), 405, "{}", answer.text);
    assert_eq!(door.upstream.count(), 0);
    // And who goes where they may, goes there.
    let answer = door.send("GET /open/x HTTP/1.1", &wishes("DELETE", "/closed/x")).await;
    assert_eq!(answer.status(), 200, "{}", answer.text);
    let seen = door.upstream.one();
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("GET", "/open/x"));
    assert_eq!(seen.header("x-forwarded-host"), door.host());
    assert_eq!(seen.header("x-forwarded-proto"), "http");
    for name in ["x-forwarded-uri", "x-forwarded-method", "x-forwarded-prefix", "x-original-url", "x-rewrite-url"] {
        assert_eq!(seen.all(name), [""; 0], "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g3_only_a_trusted_proxy_may_ask_for_somebody_else() {
    let door = Door::start().await;
    let text = format!(
        "GET /gateway/authorize HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nX-Forwarded-Method: GET\r\n\
         X-Forwarded-Uri: /open/x\r\nX-Forwarded-Host: {}\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n",
        door.host(),
        door.host()
    );
    let answer = send_raw(&door.app.url, text.as_bytes()).await;
    assert_eq!(answer.status(), 403, "{}", answer.text);
    assert!(answer.text.contains("untrusted_proxy"), "{}", answer.text);
}
