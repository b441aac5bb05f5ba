//! Services that follow the revocation feed: real verifiers, as other people's services hold them, and
//! connections that only listen.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use verify::{FollowSettings, Follower, Settings, Verifier, follow};

/// Each verifier remembers the tokens of one ban, and there are a thousand of them in one process.
const REMEMBERED: usize = 64;
/// Verifiers report every five seconds. Those of a thousand services began at different times, so the
/// ones here do, too.
const SPREAD: Duration = Duration::from_secs(5);

/// Verifiers that follow one Usher.
pub struct Listeners {
    usher: String,
    token: String,
    issuer: String,
    verifiers: Vec<Arc<Verifier>>,
    followers: Vec<Follower>,
}

impl Listeners {
    pub fn new(port: u16, token: &str, issuer: &str) -> Self {
        Self {
            usher: format!("http://127.0.0.1:{port}"),
            token: token.to_owned(),
            issuer: issuer.to_owned(),
            verifiers: Vec::new(),
            followers: Vec::new(),
        }
    }

    /// Has so many of them, all ready.
    pub async fn become_many(&mut self, count: usize) -> Result<()> {
        let new = count.saturating_sub(self.verifiers.len());
        for number in 0..new {
            let verifier = Verifier::new(Settings { cache_capacity: REMEMBERED, ..Settings::new(&self.issuer) });
            let verifier = Arc::new(verifier);
            let settings = FollowSettings::new(&self.usher, &self.token);
            self.followers.push(follow(verifier.clone(), settings).context("a verifier cannot follow")?);
            self.verifiers.push(verifier);
            if number % 20 == 19 {
                tokio::time::sleep(SPREAD * 20 / u32::try_from(new).unwrap_or(u32::MAX)).await;
            }
        }
        for follower in &self.followers {
            follower.wait_ready(Duration::from_secs(30)).await.context("a verifier does not become ready")?;
        }
        Ok(())
    }

    pub fn verifiers(&self) -> &[Arc<Verifier>] {
        &self.verifiers
    }

    /// How often one of them had to connect again, or missed something.
    pub fn failures(&self, now: i64) -> u64 {
        self.verifiers
            .iter()
            .map(|verifier| verifier.stats(now))
            .map(|stats| stats.feed_failures + stats.feed_gaps)
            .sum()
    }
}

/// Opens so many connections to the feed that only listen, until the value is dropped.
pub async fn idle(port: u16, token: &str, count: usize) -> Result<JoinSet<()>> {
    let request = format!(
        "GET /api/v1/feed/revocations HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\
         authorization: Bearer {token}\r\n\r\n"
    );
    let mut listening = JoinSet::new();
    for _ in 0..count {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.context("cannot connect to the feed")?;
        stream.write_all(request.as_bytes()).await?;
        let mut buffer = [0; 2048];
        let read = stream.read(&mut buffer).await?;
        if !buffer[..read].starts_with(b"HTTP/1.1 200 ") {
            bail!("the feed was answered {}", String::from_utf8_lossy(&buffer[..read]));
        }
        listening.spawn(async move { while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {} });
    }
    Ok(listening)
}
