//! G7 to G10: hosts, methods, prefixes that nobody knows, and what a stranger can learn.

use e2e::send_raw;

use super::Door;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g7_one_known_host_in_any_spelling() {
    let door = Door::start().await;
    let ask = async |host: &str| {
        let text = format!("GET /open/x HTTP/1.1\r\n{host}Connection: close\r\n\r\n");
        send_raw(&door.app.url, text.as_bytes()).await.status()
    };
    let port = door.host().split(':').nth(1).unwrap();
    for host in [format!("127.0.0.1:{port}"), "127.0.0.1".into(), "LOCALHOST".into(), format!("localhost.:{port}")] {
        assert_eq!(ask(&format!("Host: {host}\r\n")).await, 200, "{host}");
    }
    door.upstream.take();
    for host in
        ["", "Host: \r\n", "Host: a\r\nHost: a\r\n", "Host: a b\r\n", "Host: a@b\r\n", "Host: a/b\r\n", "Host: a:b\r\n"]
    {
        assert_eq!(ask(host).await, 400, "{host:?}");
    }
    assert_eq!(door.upstream.count(), 0);
    // Usher's own pages are at the hosts that it knows: nobody is led there under another name.
    let text = "GET /sign-in HTTP/1.1\r\nHost: evil.io\r\nConnection: close\r\n\r\n";
    assert_eq!(send_raw(&door.app.url, text.as_bytes()).await.status(), 421);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g8_only_methods_that_mean_something() {
    let door = Door::start().await;
    for method in ["TRACE", "PROPFIND", "get", "GE", "DEBUG", "PURGE", "X-Y"] {
        let answer = door.send(&format!("{method} /open/x HTTP/1.1"), "").await;
        assert!(matches!(answer.status(), 400 | 405), "{method}: {}", answer.text);
    }
    assert_eq!(door.send("TRACE /open/x HTTP/1.1", "Cookie: secret=1\r\n").await.status(), 405);
    let text = format!("CONNECT {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", door.host(), door.host());
    let answer = send_raw(&door.app.url, text.as_bytes()).await;
    assert!(matches!(answer.status(), 400 | 405), "{}", answer.text);
    assert_eq!(door.upstream.count(), 0);
    for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        let answer = door.send(&format!("{method} /open/x HTTP/1.1"), "Content-Length: 0\r\n").await;
        assert_eq!(answer.status(), 200, "{method}: {}", answer.text);
        assert_eq!(door.upstream.one().method, method);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g9_a_prefix_that_nobody_knows_is_not_open() {
    let door = Door::start().await;
    for path in ["/api/v2/users/me", "/api/v0/auth/me", "/api/", "/api/v1/", "/api/internal/users", "/api/v1/feeds"] {
        door.app.get(path).await.is_problem(401, "unauthenticated");
        door.ann.get(path).await.is_problem(404, "not_found");
    }
    for path in ["/API/v1/users/me", "/Api/V1/auth/me", "/v1/users/me", "/Quiz/x", "/quizx", "/QUIZ/x", "/openx/y"] {
        let answer = door.ann.get(path).await;
        assert_eq!(answer.status, 404, "{path}: {}", answer.body);
    }
    assert_eq!(door.upstream.count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g10_a_stranger_learns_no_version_and_sees_nothing_private() {
    let door = Door::start().await;
    for path in ["/metrics", "/debug/config", "/debug/pprof", "/.git/config", "/.env", "/server-status", "/actuator"] {
        let answer = door.app.get(path).await;
        assert!(matches!(answer.status, 401 | 404), "{path}: {}", answer.status);
        assert!(!answer.body.contains("usher_http_requests") && !answer.body.contains("data_dir"), "{path}");
    }
    let health = door.app.get("/health/ready?verbose").await;
    assert!(!health.body.contains("database"), "the public health tells details: {}", health.body);
    for path in ["/", "/sign-in", "/open/x", "/quiz/x", "/nothing", "/health/ready", "/api/v1/users/me"] {
        let answer = door.app.get(path).await;
        for name in ["server", "x-powered-by", "via"] {
            assert_eq!(answer.header(name), "", "{path} tells `{name}`");
        }
        let version = env!("CARGO_PKG_VERSION");
        assert!(!answer.headers.values().any(|value| value.as_bytes().ends_with(version.as_bytes())), "{path}");
    }
    for text in ["GET / HTTP/9.9\r\n\r\n", "\u{16}\u{3}\u{1}", "GET /\r\n\r\n"] {
        let answer = e2e::send_raw_for(&door.app.url, text.as_bytes(), std::time::Duration::from_millis(500)).await;
        let said = answer.text.to_lowercase();
        assert!(!said.contains("server:") && !said.contains("hyper") && !said.contains("rust"), "{}", answer.text);
    }
}
