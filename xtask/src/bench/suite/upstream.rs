//! The application behind the doors that are compared: it answers at once and with the same few bytes,
//! in the process that makes the load, so that what it costs is not counted.

use anyhow::{Context as _, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n\r\nhello";
/// A head that is longer than this is none of ours.
const LONGEST_HEAD: usize = 64 * 1024;

/// It answers until this value is dropped.
pub struct Upstream {
    pub port: u16,
    task: AbortHandle,
}

impl Upstream {
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("no port for the upstream")?;
        let port = listener.local_addr()?.port();
        let task = tokio::spawn(accept(listener)).abort_handle();
        Ok(Self { port, task })
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(answer(stream));
        while connections.try_join_next().is_some() {}
    }
}

/// Requests have no body and come one after the other, so a head ends where the bytes that have come do.
async fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut received = Vec::with_capacity(4096);
    while stream.read_buf(&mut received).await? > 0 && received.len() < LONGEST_HEAD {
        if received.ends_with(b"\r\n\r\n") {
            received.clear();
            stream.write_all(ANSWER).await?;
        }
    }
    Ok(())
}
