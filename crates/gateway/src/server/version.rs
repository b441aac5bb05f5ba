//! Which HTTP a client speaks.
//!
//! The bytes that tell are looked at and left where they are. To read them and to hand them on before
//! the rest would make HTTP/1.1's server read the head of a request in two pieces, for which it doubles
//! its buffer, and keeps it so for as long as the connection lasts.

use std::io;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout_at};

use crate::stream::Stream;
use crate::strict::PREFACE;

/// How often a beginning that has not come completely is looked at again. Nothing tells that more of it
/// has come, for it was not read.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Whether it is HTTP/2: agreed on in the TLS handshake, or else by how it begins (RFC 9113 §3.3).
/// It fails if nothing came that tells within `patience`.
pub(super) async fn is_http2(stream: &Stream, patience: Duration) -> io::Result<bool> {
    match stream {
        Stream::Plain(stream) => begins_http2(stream, Instant::now() + patience).await,
        Stream::Tls(stream) => Ok(stream.get_ref().1.alpn_protocol() == Some(b"h2")),
    }
}

async fn begins_http2(stream: &TcpStream, until: Instant) -> io::Result<bool> {
    let mut beginning = [0; PREFACE.len()];
    loop {
        let length = match timeout_at(until, stream.peek(&mut beginning)).await {
            Ok(peeked) => peeked?,
            Err(_elapsed) => return Err(io::ErrorKind::TimedOut.into()),
        };
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if beginning[..length] != PREFACE[..length] {
            return Ok(false);
        }
        if length == PREFACE.len() {
            return Ok(true);
        }
        if Instant::now() >= until {
            return Err(io::ErrorKind::TimedOut.into());
        }
        sleep(LOOK_EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;

    use super::*;

    /// What is made of these pieces, which come one after the other.
    async fn of(pieces: &[&[u8]]) -> io::Result<bool> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let mut client = TcpStream::connect(listener.local_addr()?).await?;
        client.set_nodelay(true)?;
        let (server, _) = listener.accept().await?;
        let stream = Stream::Plain(server);
        let sending = async {
            for piece in pieces {
                client.write_all(piece).await.unwrap();
                sleep(Duration::from_millis(50)).await;
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            found = is_http2(&stream, Duration::from_millis(300)) => found,
            () = sending => unreachable!("it never ends"),
        }
    }

    #[tokio::test]
    async fn http2_is_told_by_its_beginning_in_however_many_pieces() {
        assert!(of(&[PREFACE]).await.unwrap());
        assert!(of(&[b"P", b"RI * HTTP/2.0\r\n", &PREFACE[16..]]).await.unwrap());
        assert!(!of(&[b"GET / HTTP/1.1\r\n"]).await.unwrap());
        assert!(!of(&[b"PR", b"OPFIND / HTTP/1.1\r\n"]).await.unwrap());
        assert!(!of(&[b"PRI * HTTP/1.1\r\n"]).await.unwrap());
    }

    #[tokio::test]
    async fn who_says_nothing_that_tells_is_not_waited_for() {
        assert_eq!(of(&[]).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(of(&[b"PRI "]).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
