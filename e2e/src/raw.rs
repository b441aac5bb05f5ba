//! Bytes that no HTTP client would send, and what comes back.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How long an answer, or the end of a connection, may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// Everything that came back over one connection.
#[derive(Clone, Debug)]
pub struct RawAnswer {
    /// The bytes, as text.
    pub text: String,
    /// Whether the other side ended the connection, and did not only fall silent.
    pub is_closed: bool,
    /// How long all of it took.
    pub took: Duration,
}

impl RawAnswer {
    /// The status of the first answer; 0 if there was none.
    pub fn status(&self) -> u16 {
        self.statuses().first().copied().unwrap_or_default()
    }

    /// The status of every answer. Bodies in these tests hold no status line.
    pub fn statuses(&self) -> Vec<u16> {
        let lines = self.text.split("HTTP/1.1 ").skip(1);
        lines.filter_map(|rest| rest.get(..3)?.parse().ok()).collect()
    }

    /// Whether there is a header of this name and value in the first answer.
    pub fn has_header(&self, name: &str, value: &str) -> bool {
        let head = self.text.split("\r\n\r\n").next().unwrap_or_default();
        let wanted = format!("{name}: {value}");
        head.lines().any(|line| line.eq_ignore_ascii_case(&wanted))
    }
}

/// Sends bytes over a connection of its own and reads until the other side ends it.
pub async fn send_raw(address: &str, bytes: &[u8]) -> RawAnswer {
    send_raw_for(address, bytes, PATIENCE).await
}

/// The same, but reads for so long at most.
pub async fn send_raw_for(address: &str, bytes: &[u8], patience: Duration) -> RawAnswer {
    let address = address.trim_start_matches("http://");
    let begun = Instant::now();
    let mut stream = TcpStream::connect(address).await.expect("the program listens");
    // It may have seen enough before it has seen all.
    drop(stream.write_all(bytes).await);
    let mut got = Vec::new();
    let is_closed = tokio::time::timeout(patience, stream.read_to_end(&mut got)).await.is_ok();
    RawAnswer { text: String::from_utf8_lossy(&got).into_owned(), is_closed, took: begun.elapsed() }
}
