//! Bad input: a clear problem document, quickly, and nothing changed.

use std::time::Duration;

use e2e::{Answer, PASSWORD, TestApp, on_both};
use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const REGISTER: &str = "/api/v1/auth/register";
/// What refusing a body may take.
const QUICK: Duration = Duration::from_millis(50);

async fn send(app: &TestApp, path: &str, body: impl Into<reqwest::Body>) -> Answer {
    let request = app.request(Method::POST, path).header("content-type", "application/json").body(body);
    Answer::of(request).await
}

async fn rows(app: &TestApp) -> Vec<String> {
    let mut counts = Vec::new();
    let mut view = app.look().await;
    for table in ["users", "sessions", "passwords"] {
        counts.extend(view.texts(&format!("SELECT '{table} ' || CAST(COUNT(*) AS TEXT) FROM {table}")).await);
    }
    // An event moves from the outbox to the ledger by itself.
    let events = "SELECT event_id FROM ledger UNION SELECT event_id FROM outbox";
    counts.extend(view.texts(&format!("SELECT 'events ' || CAST(COUNT(*) AS TEXT) FROM ({events}) AS e")).await);
    counts
}

fn register(extra: &str) -> String {
    format!(r#"{{"email":"eve@example.com","password":"{PASSWORD}"{extra}}}"#)
}

on_both! {
    async fn bodies_over_64_kib_are_413(app: TestApp) {
        let ann = app.user("ann").await;
        let before = rows(&app).await;
        for path in [REGISTER, "/api/v1/auth/login", "/api/v1/auth/refresh"] {
            send(&app, path, register(&format!(r#","name":"{}""#, "n".repeat(64 * 1024)))).await.is_problem(413, "body_too_large");
        }
        let large = json!({"current_password": PASSWORD, "new_password": "n".repeat(70_000)});
        ann.post("/api/v1/auth/change-password", large).await.is_problem(413, "body_too_large");
        assert_eq!(rows(&app).await, before);
        // Just under the limit is read, and judged by its fields.
        send(&app, REGISTER, register(&format!(r#","name":"{}""#, "n".repeat(60_000)))).await.is(422);
    }

    async fn a_body_without_an_end_is_cut_off(app: TestApp) {
        // No Content-Length to believe: the limit counts what arrives.
        let mut connection = app.connect().await;
        let head = format!("POST {REGISTER} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n");
        connection.write_all(format!("{head}transfer-encoding: chunked\r\n\r\n").as_bytes()).await.unwrap();
        let chunk = format!("4000\r\n{}\r\n", "x".repeat(0x4000));
        for _ in 0..64 {
            // The program may close as soon as it has seen enough.
            if connection.write_all(chunk.as_bytes()).await.is_err() {
                break;
            }
        }
        let mut answer = vec![0; 12];
        if connection.read_exact(&mut answer).await.is_ok() {
            assert_eq!(String::from_utf8_lossy(&answer), "HTTP/1.1 413");
        }
        app.get("/health/live").await.is(200);
    }

    async fn malformed_json_is_400_and_changes_nothing(app: TestApp) {
        let before = rows(&app).await;
        let deep_array = format!(r#"{{"email":{}"#, "[".repeat(10_000));
        let deep_object = format!(r#"{{"email":{}"#, r#"{"":"#.repeat(10_000));
        let nul = "\\u0000";
        let cases = [
            (r#"{"email":"#.to_owned(), "invalid_json"),
            ("not json".to_owned(), "invalid_json"),
            (String::new(), "invalid_json"),
            (register(r#","admin":true"#), "unknown_field"),
            (register(r#","roles":["admin"]"#), "unknown_field"),
            (r#"{"email":7,"password":"x"}"#.to_owned(), "wrong_type"),
            (r#"{"email":null,"password":"x"}"#.to_owned(), "wrong_type"),
            (r#"{"email":["a@example.com"],"password":"x"}"#.to_owned(), "wrong_type"),
            (r#"[{"email":"a@example.com"}]"#.to_owned(), "wrong_type"),
            ("null".to_owned(), "wrong_type"),
            (r#"{"email":"a@example.com"}"#.to_owned(), "missing_field"),
            (register(r#","email":"b@example.com""#), "duplicate_field"),
            (register(&format!(r#","name":"a{nul}b""#)), "nul_character"),
            (format!(r#"{{"email":"a{nul}@example.com","password":"{PASSWORD}"}}"#), "nul_character"),
            (format!(r#"{{"email":"a@example.com","password":"{PASSWORD}{nul}"}}"#), "nul_character"),
            (deep_array, "wrong_type"),
            (deep_object, "wrong_type"),
        ];
        for (body, code) in cases {
            send(&app, REGISTER, body.clone()).await.is_problem(400, code);
            // The machine runs other tests too: the quickest of a few is what it takes.
            let mut quickest = Duration::MAX;
            for _ in 0..100 {
                quickest = quickest.min(send(&app, REGISTER, body.clone()).await.is(400).took);
                if quickest < QUICK {
                    break;
                }
            }
            assert!(quickest < QUICK, "{quickest:?} for {}", body.get(..60).unwrap_or(&body));
        }
        let broken_text = [br#"{"email":"a"#.as_slice(), &[0xff, 0xfe], br#"","password":"x"}"#].concat();
        send(&app, REGISTER, broken_text).await.is_problem(400, "invalid_json");
        assert_eq!(rows(&app).await, before);
        assert_eq!(app.metrics().await.hashes(), 0);
    }

    async fn other_content_types_are_415(app: TestApp) {
        for kind in ["text/plain", "application/x-www-form-urlencoded", "application/xml", "multipart/form-data"] {
            let request = app.request(Method::POST, REGISTER).header("content-type", kind).body(register(""));
            Answer::of(request).await.is_problem(415, "unsupported_media_type");
        }
        Answer::of(app.request(Method::POST, REGISTER).body(register(""))).await.is_problem(415, "unsupported_media_type");
    }

    async fn other_methods_are_405(app: TestApp) {
        for method in [Method::GET, Method::PUT, Method::DELETE, Method::PATCH] {
            let answer = Answer::of(app.request(method, REGISTER)).await.is_problem(405, "method_not_allowed");
            assert!(answer.header("allow").contains("POST"));
        }
    }

    async fn strange_addresses_panic_nothing(app: TestApp) {
        let ann = app.user("ann").await;
        for path in [
            "/api/v1/auth/sessions?limit=0", "/api/v1/auth/sessions?limit=99999", "/api/v1/auth/sessions?limit=-1",
            "/api/v1/auth/sessions?limit=x", "/api/v1/auth/sessions?cursor=..%2f..", "/api/v1/auth/sessions?cursor=%00",
            "/api/v1/auth/sessions?cursor=AAAAAAAAAAAAAAAAAAAAAA", "/api/v1/auth/sessions?what=ever", "/%00", "/%ff%fe",
            "/api/v1/auth/sessions/%2e%2e%2f", "/assets/..%2f..%2fmaster.key", "/assets/%2e%2e/%2e%2e/master.key", "//",
        ] {
            let answer = ann.get(path).await;
            assert!(answer.status < 500, "{path}: {} {}", answer.status, answer.body);
        }
        assert!(ann.is_signed_in().await);
    }
}
