//! An answer of the program, read to its end.

use std::time::{Duration, Instant};

use reqwest::header::HeaderMap;
use reqwest::{RequestBuilder, Response};
use serde_json::Value;

/// Status, headers and body, and how long it took.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, as text; what is not UTF-8 is replaced.
    pub body: String,
    /// From the request's first byte to the answer's last.
    pub took: Duration,
}

#[expect(clippy::return_self_not_must_use, reason = "asking is enough: the wrong answer stops the test")]
impl Answer {
    /// Sends a request; an error when no whole answer came back.
    pub async fn try_of(request: RequestBuilder) -> reqwest::Result<Self> {
        let begun = Instant::now();
        Self::read(request.send().await?, begun).await
    }

    /// Reads an answer whose request began then to its end.
    pub(crate) async fn read(response: Response, begun: Instant) -> reqwest::Result<Self> {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = String::from_utf8_lossy(&response.bytes().await?).into_owned();
        Ok(Self { status, headers, body, took: begun.elapsed() })
    }

    /// Sends a request that has to be answered.
    pub async fn of(request: RequestBuilder) -> Self {
        Self::try_of(request).await.expect("the program has to answer")
    }

    /// The answer itself, if it has this status.
    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "unexpected status, with the body: {}", self.body);
        self
    }

    /// The answer itself, if it is a problem document of this status and code.
    #[track_caller]
    pub fn is_problem(self, status: u16, code: &str) -> Self {
        let answer = self.is(status);
        assert_eq!(answer.header("content-type"), "application/problem+json", "{}", answer.body);
        let document = answer.json();
        assert_eq!(document["code"], code, "{}", answer.body);
        assert_eq!(document["status"], status, "{}", answer.body);
        for member in ["type", "title", "detail", "request_id"] {
            let text = document[member].as_str().unwrap_or_default();
            assert!(!text.is_empty(), "the problem has no `{member}`: {}", answer.body);
        }
        assert_eq!(document["request_id"], answer.header("x-request-id"));
        answer
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        match serde_json::from_str(&self.body) {
            Ok(value) => value,
            Err(error) => panic!("status {}: the body is not JSON ({error}): {}", self.status, self.body),
        }
    }

    /// A header's text; empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// What must be the same in two answers that nobody may tell apart: status, headers and body
    /// without the request's id and the time of day.
    pub fn shape(&self) -> (u16, Vec<(String, String)>, String) {
        let id = self.header("x-request-id");
        let mut headers: Vec<(String, String)> = self
            .headers
            .iter()
            .filter(|(name, _)| !["x-request-id", "date"].contains(&name.as_str()))
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        headers.sort();
        let body = if id.is_empty() { self.body.clone() } else { self.body.replace(id, "…") };
        (self.status, headers, body)
    }
}
