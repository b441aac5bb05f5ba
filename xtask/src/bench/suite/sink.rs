//! A mail server (RFC 5321) that takes everything and keeps nothing, or says nothing at all.

use std::time::Instant;

use anyhow::Result;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// The server; it ends when it is dropped.
pub struct Sink {
    /// What makes the program hand its mail over here.
    pub config: String,
    /// When each mail was taken.
    pub taken: mpsc::UnboundedReceiver<Instant>,
    task: JoinHandle<()>,
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Sink {
    /// One that takes everything, or one that accepts connections and is silent.
    pub async fn start(hangs: bool) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (sender, taken) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let sender = sender.clone();
                // A client that goes away is its own affair.
                tokio::spawn(async move {
                    if hangs {
                        std::future::pending::<()>().await;
                    }
                    drop(serve(stream, &sender).await);
                });
            }
        });
        let config = format!("[mail]\nurl = \"smtp://{address}\"\nfrom = \"Bench <no-reply@bench.example>\"\n");
        Ok(Self { config, taken, task })
    }
}

async fn serve(stream: TcpStream, taken: &mpsc::UnboundedSender<Instant>) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut wire = BufReader::with_capacity(64 * 1024, stream);
    wire.get_mut().write_all(b"220 sink\r\n").await?;
    let mut line = String::new();
    loop {
        line.clear();
        if wire.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let answer: &[u8] = match line.get(..4).unwrap_or_default() {
            "EHLO" => b"250-sink\r\n250 8BITMIME\r\n",
            "DATA" => {
                wire.get_mut().write_all(b"354 go ahead\r\n").await?;
                while line != ".\r\n" {
                    line.clear();
                    if wire.read_line(&mut line).await? == 0 {
                        return Ok(());
                    }
                }
                // Whoever waits for mail is there as long as this is.
                let _ = taken.send(Instant::now());
                b"250 taken\r\n"
            }
            "QUIT" => return Ok(()),
            _ => b"250 ok\r\n",
        };
        wire.get_mut().write_all(answer).await?;
    }
}
