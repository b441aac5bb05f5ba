//! A client that costs little itself: one connection that is kept, requests that are made before the
//! clock starts, and no more of HTTP/1.1 than Usher's answers need (RFC 9112 §6: a length, never chunks).

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The longest answer that is read: a table of metrics is the largest that is asked for.
const LONGEST: usize = 1 << 20;
/// The program ends connections on which nothing comes. After this long, between turns, a new one is
/// opened rather than raced for.
const STALE: Duration = Duration::from_secs(1);

/// One kept connection to a port of 127.0.0.1.
pub struct Connection {
    port: u16,
    stream: TcpStream,
    received: Vec<u8>,
    used: Instant,
}

/// An answer, borrowed from its connection.
pub struct Answer<'c> {
    pub status: u16,
    pub body: &'c [u8],
}

impl Answer<'_> {
    /// The body as JSON, if the status is this one; otherwise an error that shows the answer.
    pub fn json(&self, expected: u16) -> Result<Value> {
        self.expect(expected)?;
        serde_json::from_slice(self.body).context("the answer is no JSON")
    }

    /// An error that shows the answer, unless the status is this one.
    pub fn expect(&self, expected: u16) -> Result<()> {
        if self.status != expected {
            bail!("answered {} instead of {expected}: {}", self.status, String::from_utf8_lossy(self.body));
        }
        Ok(())
    }
}

impl Connection {
    pub async fn open(port: u16) -> Result<Self> {
        let stream = connect(port).await?;
        Ok(Self { port, stream, received: Vec::with_capacity(4096), used: Instant::now() })
    }

    /// Sends a request without waiting for its answer.
    pub async fn send(&mut self, request: &[u8]) -> Result<()> {
        if self.used.elapsed() > STALE {
            self.stream = connect(self.port).await?;
        }
        self.stream.write_all(request).await.context("the connection was closed")
    }

    /// Sends a request and waits for its answer.
    pub async fn call(&mut self, request: &[u8]) -> Result<Answer<'_>> {
        self.send(request).await?;
        self.received.clear();
        let (status, start, end) = loop {
            if self.stream.read_buf(&mut self.received).await? == 0 {
                bail!("the connection was closed instead of answering");
            }
            if let Some(head) = read_head(&self.received)? {
                break head;
            }
        };
        while self.received.len() < end {
            if self.stream.read_buf(&mut self.received).await? == 0 {
                bail!("the connection was closed in the middle of an answer");
            }
        }
        self.used = Instant::now();
        Ok(Answer { status, body: &self.received[start..end] })
    }
}

async fn connect(port: u16) -> Result<TcpStream> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.context("cannot connect")?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// The status, and where the body begins and ends, once the head is there.
fn read_head(received: &[u8]) -> Result<Option<(u16, usize, usize)>> {
    let Some(length) = received.windows(4).position(|four| four == b"\r\n\r\n") else {
        return if received.len() < LONGEST { Ok(None) } else { bail!("the head of an answer has no end") };
    };
    let head = std::str::from_utf8(&received[..length]).context("the head of an answer is no text")?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).context("an answer has no status")?;
    let body = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse::<usize>().ok())
        .filter(|&body| body < LONGEST);
    let Some(body) = body.or((status == 204).then_some(0)) else { bail!("an answer does not say how long it is") };
    Ok(Some((status, length + 4, length + 4 + body)))
}

/// A GET, with a token if there is one.
pub fn get(path: &str, token: Option<&str>) -> Vec<u8> {
    let authorization = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nuser-agent: usher-bench\r\naccept: */*\r\n{authorization}\r\n")
        .into_bytes()
}

/// A POST of JSON.
pub fn post(path: &str, body: &Value) -> Vec<u8> {
    post_with("", path, body)
}

/// A POST of JSON by whoever has this token.
pub fn post_as(token: &str, path: &str, body: &Value) -> Vec<u8> {
    post_with(&format!("authorization: Bearer {token}\r\n"), path, body)
}

fn post_with(headers: &str, path: &str, body: &Value) -> Vec<u8> {
    let body = body.to_string();
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nuser-agent: usher-bench\r\naccept: */*\r\n{headers}\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}
