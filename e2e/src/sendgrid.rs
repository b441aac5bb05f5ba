//! A server that behaves as SendGrid's `POST /v3/mail/send` is published to: 202 without a body and with `X-Message-Id`; and
//! 400, 401, 413, 429 and 5xx with `{"errors": [{"message", "field", "help"}]}`.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::logs::lock;
use crate::{PATIENCE, unix_now};

/// The key that it takes.
pub const SENDGRID_KEY: &str = "SG.aB-c_D0123456789.eF0123456789";
/// The largest message, as published.
const LARGEST: usize = 30 * 1024 * 1024;

/// What it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendGridManner {
    /// It takes mail.
    Takes,
    /// It knows no key.
    KnowsNoKey,
    /// Too much was sent; the time until more may be is in `Retry-After`.
    RetryAfter(u64),
    /// The same, and the moment from which on more may be is in `X-RateLimit-Reset`.
    ResetIn(u64),
    /// It fails.
    Fails(u16),
    /// Messages are too large, whatever they are.
    TooLarge,
}

struct Shared {
    manner: Mutex<SendGridManner>,
    asked: Mutex<Vec<Instant>>,
    mails: Mutex<Vec<Value>>,
}

/// A running server; it ends with the test.
pub struct SendGridServer {
    address: String,
    shared: Arc<Shared>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for SendGridServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl SendGridServer {
    /// One that takes mail.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address").to_string();
        let shared = Arc::new(Shared {
            manner: Mutex::new(SendGridManner::Takes),
            asked: Mutex::default(),
            mails: Mutex::default(),
        });
        let router = Router::new().route("/v3/mail/send", post(send)).with_state(shared.clone());
        let task = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("a server");
        });
        Self { address, shared, task }
    }

    /// What `mail.url` is.
    pub fn url(&self) -> String {
        format!("sendgrid://{SENDGRID_KEY}@{}", self.address)
    }

    /// Does something else from now on.
    pub fn set_manner(&self, manner: SendGridManner) {
        *lock(&self.shared.manner) = manner;
    }

    /// When it was asked.
    pub fn asked(&self) -> Vec<Instant> {
        lock(&self.shared.asked).clone()
    }

    /// The mails that it took.
    pub fn mails(&self) -> Vec<Value> {
        lock(&self.shared.mails).clone()
    }

    /// Waits for so many mails.
    pub async fn has(&self, count: usize) -> Vec<Value> {
        let begun = Instant::now();
        while self.mails().len() < count {
            assert!(
                begun.elapsed() < PATIENCE,
                "{} of {count} mails, asked {} times",
                self.mails().len(),
                self.asked().len()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.mails()
    }
}

fn refuse(status: u16, message: &str, field: Option<&str>) -> Response {
    let body = json!({"errors": [{"message": message, "field": field, "help": null}]});
    (StatusCode::from_u16(status).expect("a status"), Json(body)).into_response()
}

async fn send(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    lock(&shared.asked).push(Instant::now());
    let manner = *lock(&shared.manner);
    let key = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    if key != format!("Bearer {SENDGRID_KEY}") || manner == SendGridManner::KnowsNoKey {
        return refuse(401, "The provided authorization grant is invalid, expired, or revoked", None);
    }
    let limited = |name: &'static str, value: String| {
        let mut response = refuse(429, "too many requests", None);
        response.headers_mut().insert(name, value.parse().expect("a header"));
        response
    };
    match manner {
        SendGridManner::RetryAfter(seconds) => return limited("retry-after", seconds.to_string()),
        SendGridManner::ResetIn(seconds) => {
            let reset = unix_now() + i64::try_from(seconds).expect("some seconds");
            return limited("x-ratelimit-reset", reset.to_string());
        }
        SendGridManner::Fails(status) => return refuse(status, "Internal Server Error", None),
        SendGridManner::TooLarge => return refuse(413, "The message is too large", None),
        SendGridManner::Takes | SendGridManner::KnowsNoKey => {}
    }
    if body.len() > LARGEST {
        return refuse(413, "The message is too large", None);
    }
    let Ok(mail) = serde_json::from_slice::<Value>(&body) else {
        return refuse(400, "Bad Request", None);
    };
    if let Some((message, field)) = mistake(&mail) {
        return refuse(400, message, Some(field));
    }
    lock(&shared.mails).push(mail);
    (StatusCode::ACCEPTED, [("x-message-id", "14c5d75ce93.dfd.64b469")]).into_response()
}

/// What is wrong with a mail, as SendGrid's documentation has it. Recipients that begin with `never` are refused.
fn mistake(mail: &Value) -> Option<(&'static str, &'static str)> {
    let is_address =
        |value: &Value| value.as_str().is_some_and(|text| text.contains('@') && !text.contains(['<', ' ', '\n']));
    let recipients = mail["personalizations"][0]["to"].as_array();
    let Some(recipients) = recipients.filter(|recipients| !recipients.is_empty()) else {
        return Some(("The to array is required for all personalization objects", "personalizations.0.to"));
    };
    if recipients
        .iter()
        .any(|to| !is_address(&to["email"]) || to["email"].as_str().unwrap_or_default().starts_with("never"))
    {
        return Some(("Does not contain a valid address.", "personalizations.0.to.0.email"));
    }
    if !is_address(&mail["from"]["email"]) {
        return Some(("The from email does not contain a valid address.", "from.email"));
    }
    if mail["subject"].as_str().is_none_or(str::is_empty) {
        return Some(("The subject is required.", "subject"));
    }
    let kinds: Vec<&str> =
        mail["content"].as_array().into_iter().flatten().filter_map(|part| part["type"].as_str()).collect();
    if kinds != ["text/plain", "text/html"] {
        return Some(("If present, text/plain and text/html must be the first two parts, in that order.", "content"));
    }
    let headers = mail["headers"].as_object();
    let reserved = ["subject", "to", "from", "cc", "bcc", "content-type", "reply-to"];
    if headers.into_iter().flatten().any(|(name, _)| reserved.contains(&name.to_lowercase().as_str())) {
        return Some(("Reserved headers cannot be set.", "headers"));
    }
    None
}
