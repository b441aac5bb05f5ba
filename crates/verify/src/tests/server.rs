//! A server for the tests that says exactly the bytes it is told to say, at the time it is told to.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

use super::*;

pub(super) const EVENT_STREAM: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n";

/// What a connection to the feed gets.
#[derive(Clone)]
pub(super) enum FeedAnswer {
    /// These bytes, and then what [`Server::say`] says.
    Open(String),
    /// These bytes, and the end.
    Close(String),
    /// These bytes again and again, with a pause between.
    Trickle(&'static str, Duration),
    /// A whole answer that is not a feed.
    Other(String),
}

/// What was asked, and what is answered.
struct Script {
    /// Head and body.
    keys: (String, Vec<u8>),
    /// For the next connections; the last one stays.
    feeds: VecDeque<FeedAnswer>,
    key_requests: usize,
    feed_requests: Vec<String>,
    reports: Vec<String>,
}

pub(super) struct Server {
    pub(super) address: SocketAddr,
    script: Arc<Mutex<Script>>,
    said: broadcast::Sender<String>,
    task: Option<JoinHandle<()>>,
}

pub(super) fn ok(kind: &str, body: &[u8]) -> (String, Vec<u8>) {
    (format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n", body.len()), body.to_vec())
}

pub(super) fn snapshot(index: i64, sessions: &[&str]) -> String {
    let data = json!({
        "index": index, "last": true, "access_seconds": 900, "subjects": [], "sessions": sessions, "keys": [],
    });
    format!("event: snapshot\nid: {index}\ndata: {data}\n\n")
}

pub(super) fn ended(index: i64, previous: i64, session: &str) -> String {
    let data = json!({"index": index, "previous": previous, "subject": "ann", "session": session, "reason": "x"});
    format!("event: revoked\nid: {index}\ndata: {data}\n\n")
}

impl Server {
    /// With the usual keys, and a feed with an empty snapshot.
    pub(super) async fn start() -> Self {
        let script = Script {
            keys: ok("application/json", &key_set(keys())),
            feeds: [FeedAnswer::Open(snapshot(10, &[]))].into(),
            key_requests: 0,
            feed_requests: Vec::new(),
            reports: Vec::new(),
        };
        let mut server = Self {
            address: "127.0.0.1:0".parse().unwrap(),
            script: Arc::new(Mutex::new(script)),
            said: broadcast::channel(100).0,
            task: None,
        };
        server.listen().await;
        server
    }

    /// Begins to listen, where it did before.
    pub(super) async fn listen(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.address = listener.local_addr().unwrap();
        let (script, said) = (Arc::clone(&self.script), self.said.clone());
        self.task = Some(tokio::spawn(async move {
            // With the task, every connection ends.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&script), said.clone()));
            }
        }));
    }

    /// As kill -9 does it: nothing is said any more, and nothing listens.
    pub(super) async fn kill(&mut self) {
        let task = self.task.take().unwrap();
        task.abort();
        let _ = task.await;
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn answer_keys(&self, (head, body): (String, Vec<u8>)) {
        self.script.lock().unwrap().keys = (head, body);
    }

    pub(super) fn answer_feed(&self, answers: impl IntoIterator<Item = FeedAnswer>) {
        self.script.lock().unwrap().feeds = answers.into_iter().collect();
    }

    /// To all connections that are open.
    pub(super) fn say(&self, bytes: impl Into<String>) {
        self.said.send(bytes.into()).unwrap();
    }

    pub(super) fn key_requests(&self) -> usize {
        self.script.lock().unwrap().key_requests
    }

    /// The query of each connection to the feed.
    pub(super) fn feed_requests(&self) -> Vec<String> {
        self.script.lock().unwrap().feed_requests.clone()
    }

    pub(super) fn reports(&self) -> Vec<String> {
        self.script.lock().unwrap().reports.clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

async fn serve(mut stream: TcpStream, script: Arc<Mutex<Script>>, said: broadcast::Sender<String>) {
    let mut read = Vec::new();
    // One request for each connection.
    let (head, body) = loop {
        let mut portion = [0; 4096];
        let count = stream.read(&mut portion).await.unwrap_or(0);
        if count == 0 {
            return;
        }
        read.extend_from_slice(&portion[..count]);
        let text = String::from_utf8_lossy(&read).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length =
            head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(0) {
            break (head.to_owned(), body.to_owned());
        }
    };
    let target = head.split(' ').nth(1).unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    match path {
        "/.well-known/jwks.json" => {
            let (head, body) = {
                let mut script = script.lock().unwrap();
                script.key_requests += 1;
                script.keys.clone()
            };
            let _ = stream.write_all(format!("{head}Connection: close\r\n\r\n").as_bytes()).await;
            let _ = stream.write_all(&body).await;
        }
        "/api/v1/feed/position" => {
            assert!(head.starts_with("PUT ") && head.contains("Bearer uvt_secret"), "{head}");
            script.lock().unwrap().reports.push(body);
            let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").await;
        }
        "/api/v1/feed/revocations" => {
            assert!(head.contains("Bearer uvt_secret") && head.contains("text/event-stream"), "{head}");
            // Before the answer, so that nothing is said in between.
            let later = said.subscribe();
            let answer = {
                let mut script = script.lock().unwrap();
                script.feed_requests.push(query.to_owned());
                if script.feeds.len() > 1 { script.feeds.pop_front() } else { script.feeds.front().cloned() }
            };
            feed(stream, answer.unwrap(), later).await;
        }
        other => panic!("nobody should ask for {other}"),
    }
}

async fn feed(mut stream: TcpStream, answer: FeedAnswer, mut later: broadcast::Receiver<String>) {
    let head = format!("{EVENT_STREAM}Connection: close\r\n\r\n");
    match answer {
        FeedAnswer::Open(text) => {
            let _ = stream.write_all(format!("{head}{text}").as_bytes()).await;
            while let Ok(text) = later.recv().await {
                if stream.write_all(text.as_bytes()).await.is_err() {
                    return;
                }
            }
        }
        FeedAnswer::Close(text) => drop(stream.write_all(format!("{head}{text}").as_bytes()).await),
        FeedAnswer::Trickle(text, pause) => {
            let _ = stream.write_all(head.as_bytes()).await;
            while stream.write_all(text.as_bytes()).await.is_ok() {
                sleep(pause).await;
            }
        }
        FeedAnswer::Other(text) => drop(stream.write_all(text.as_bytes()).await),
    }
}
