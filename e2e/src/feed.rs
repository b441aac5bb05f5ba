//! Listening to streams of events, the revocation feed among them, as a client of any make would.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use crate::{Answer, PATIENCE, TestApp};

/// One event, or a comment with or without an id.
#[derive(Clone, Debug, Default)]
pub struct FeedEvent {
    /// `snapshot`, `revoked` or `keys`; empty for a comment.
    pub name: String,
    /// The `id:` line.
    pub id: Option<i64>,
    /// What it says; null for a comment.
    pub data: Value,
}

/// An open stream of events.
pub struct Stream {
    response: reqwest::Response,
    buffer: String,
}

/// An open feed of revocations.
pub struct Feed(Stream);

impl Feed {
    /// Opens the feed, or gives the answer of whoever would not.
    pub async fn try_open(url: &str, token: &str, after: Option<i64>) -> Result<Self, Answer> {
        let query = after.map_or_else(String::new, |after| format!("?after={after}"));
        Stream::try_open(url, token, &format!("/api/v1/feed/revocations{query}"), None).await.map(Self)
    }

    /// Opens the feed of a program. One that has just begun says 503 until it knows what there is to tell.
    pub async fn open(app: &TestApp, token: &str, after: Option<i64>) -> Self {
        let begun = Instant::now();
        loop {
            match Self::try_open(&app.url, token, after).await {
                Ok(feed) => return feed,
                Err(answer) if answer.status == 503 && begun.elapsed() < PATIENCE => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                Err(answer) => panic!("no feed: {answer:?}"),
            }
        }
    }
}

impl std::ops::Deref for Feed {
    type Target = Stream;

    fn deref(&self) -> &Stream {
        &self.0
    }
}

impl std::ops::DerefMut for Feed {
    fn deref_mut(&mut self) -> &mut Stream {
        &mut self.0
    }
}

impl Stream {
    /// Opens a stream, or gives the answer of whoever would not.
    pub async fn try_open(url: &str, token: &str, path: &str, known: Option<i64>) -> Result<Self, Answer> {
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let request = client.request(Method::GET, format!("{url}{path}"));
        let mut request = request.bearer_auth(token).header("accept", "text/event-stream");
        if let Some(known) = known {
            request = request.header("last-event-id", known.to_string());
        }
        let begun = Instant::now();
        let response = request.send().await.expect("the program has to answer");
        if response.status() != 200 {
            return Err(Answer::read(response, begun).await.expect("a whole answer"));
        }
        let header =
            |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        assert_eq!(header("content-type"), "text/event-stream");
        assert_eq!(header("cache-control"), "no-store");
        assert_eq!(header("x-accel-buffering"), "no");
        Ok(Self { response, buffer: String::new() })
    }

    /// Opens a stream of a program.
    pub async fn open(app: &TestApp, token: &str, path: &str, known: Option<i64>) -> Self {
        Self::try_open(&app.url, token, path, known).await.unwrap_or_else(|answer| panic!("no stream: {answer:?}"))
    }

    /// The next event or comment; nothing if the feed ended. It has to come within so long.
    pub async fn next_within(&mut self, limit: Duration) -> Option<FeedEvent> {
        tokio::time::timeout(limit, self.next()).await.unwrap_or_else(|_| panic!("the feed was silent for {limit:?}"))
    }

    async fn next(&mut self) -> Option<FeedEvent> {
        loop {
            if let Some(end) = self.buffer.find("\n\n") {
                let block: String = self.buffer.drain(..end + 2).collect();
                return Some(read(&block));
            }
            match self.response.chunk().await {
                Ok(Some(bytes)) => self.buffer.push_str(std::str::from_utf8(&bytes).expect("UTF-8")),
                Ok(None) | Err(_) => return None,
            }
        }
    }

    /// The next event of this name, whatever comes before it.
    pub async fn next_named(&mut self, name: &str) -> FeedEvent {
        loop {
            let event = self.next_within(PATIENCE).await.expect("the feed goes on");
            if event.name == name {
                return event;
            }
        }
    }

    /// Reads on until the feed ends, for so long at most.
    pub async fn ends_within(&mut self, limit: Duration) {
        let ended = tokio::time::timeout(limit, async { while self.next().await.is_some() {} }).await;
        assert!(ended.is_ok(), "the feed still goes on after {limit:?}");
    }
}

fn read(block: &str) -> FeedEvent {
    let mut event = FeedEvent::default();
    for line in block.lines() {
        match line.split_once(':') {
            Some(("event", name)) => name.trim().clone_into(&mut event.name),
            Some(("id", id)) => event.id = Some(id.trim().parse().expect("a ledger number")),
            Some(("data", data)) => event.data = serde_json::from_str(data).expect("JSON"),
            Some(("", _)) | None => {}
            Some((other, _)) => panic!("the feed has a field {other}: {block:?}"),
        }
    }
    event
}

impl TestApp {
    /// A token for a service that follows the feed.
    pub async fn verifier_token(&self, name: &str) -> String {
        let said = self.cli_ok(&["verifier", "create", name]).await;
        let token = said.split_whitespace().find(|word| word.starts_with("uvt_"));
        let token = token.unwrap_or_else(|| panic!("`usher verifier create` printed no token: {said}")).to_owned();
        self.logs.never(&token);
        token
    }

    /// Reports how far a service has come.
    pub async fn report_position(&self, token: &str, applied: i64) -> Answer {
        let request = self.request(Method::PUT, "/api/v1/feed/position").bearer_auth(token);
        Answer::of(request.json(&json!({"applied": applied}))).await
    }
}
