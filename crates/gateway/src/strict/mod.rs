//! A reader that follows the framing of HTTP/1.1 and lets nothing through on which two parsers could
//! disagree.
//!
//! The HTTP server behind it is lenient where the standard allows it: it takes a bare LF as the end of a
//! line, two equal `Content-Length`, `Content-Length` beside `Transfer-Encoding`, several transfer
//! codings, chunk extensions. Each is harmless alone, and each is half of a smuggled request when
//! somebody else on the way reads it differently. What the server refuses by itself (spaces before
//! colons, folded lines, NUL, a bare CR) is left to it.
//!
//! After a violation the server is handed a byte that it must refuse, and then the end of the stream:
//! it answers 400 (or breaks off the body that it was reading) and closes.

mod framing;
#[cfg(test)]
mod tests;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::link::{Link, Upgrade};
pub(crate) use framing::PREFACE;
use framing::{Framing, Step};

/// No head, no chunk size and no trailer may contain NUL. The empty line is there because the server
/// parses a head that came in pieces again only when it sees its end.
const POISON: &[u8] = b"\0\r\n\r\n";

/// A stream whose reading side is strict.
pub(crate) struct Strict<S> {
    stream: S,
    link: Arc<Link>,
    reading: Reading,
}

enum Reading {
    Follow(Framing),
    /// A request wished for another protocol and is not answered yet. What was read after it may be
    /// either, so it waits.
    Held {
        framing: Framing,
        bytes: Vec<u8>,
    },
    /// Not HTTP/1.1, or no longer; these bytes have waited.
    Opaque(Vec<u8>),
    /// So much of the poison was handed on.
    Refused {
        told: usize,
    },
}

impl<S> Strict<S> {
    pub(crate) fn new(stream: S, link: Arc<Link>) -> Self {
        Self { stream, link, reading: Reading::Follow(Framing::new()) }
    }

    /// Looks at what was read behind `start` and leaves in `buffer` what may pass.
    fn follow(&mut self, mut framing: Framing, buffer: &mut ReadBuf<'_>, start: usize) {
        let step = framing.follow(&buffer.filled()[start..]);
        self.reading = match step {
            Step::Pass => Reading::Follow(framing),
            Step::PassOpaque => Reading::Opaque(Vec::new()),
            Step::HoldAfter(length) => {
                let bytes = buffer.filled()[start + length..].to_vec();
                buffer.set_filled(start + length);
                // An answer to an earlier wish must not count for this one.
                self.link.forget_decision();
                Reading::Held { framing, bytes }
            }
            Step::RefuseAfter(length) => {
                tracing::debug!("a request was refused: its framing is ambiguous");
                buffer.set_filled(start + length);
                Reading::Refused { told: poison(buffer, 0) }
            }
        };
    }

    /// Gives out bytes that have waited.
    fn release(waiting: &mut Vec<u8>, buffer: &mut ReadBuf<'_>) {
        let length = waiting.len().min(buffer.remaining());
        buffer.put_slice(&waiting[..length]);
        waiting.drain(..length);
    }
}

/// Hands on what has room of the poison after `told`; how much of it was then handed on.
fn poison(buffer: &mut ReadBuf<'_>, told: usize) -> usize {
    let until = POISON.len().min(told + buffer.remaining());
    buffer.put_slice(&POISON[told..until]);
    until
}

impl<S: AsyncRead + Unpin> AsyncRead for Strict<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let start = buffer.filled().len();
        loop {
            match &mut this.reading {
                Reading::Opaque(waiting) if !waiting.is_empty() => {
                    Self::release(waiting, buffer);
                    return Poll::Ready(Ok(()));
                }
                Reading::Opaque(_) => return Pin::new(&mut this.stream).poll_read(context, buffer),
                Reading::Follow(framing) => {
                    let polled = Pin::new(&mut this.stream).poll_read(context, buffer);
                    if matches!(polled, Poll::Ready(Ok(()))) && buffer.filled().len() > start {
                        let framing = std::mem::take(framing);
                        this.follow(framing, buffer, start);
                    }
                    return polled;
                }
                Reading::Held { framing, bytes } => match this.link.upgrade() {
                    // Who asks is the task that works on the answer, so nobody needs to be woken.
                    Upgrade::Undecided => return Poll::Pending,
                    Upgrade::Agreed => this.reading = Reading::Opaque(std::mem::take(bytes)),
                    Upgrade::Declined if bytes.is_empty() => this.reading = Reading::Follow(std::mem::take(framing)),
                    Upgrade::Declined => {
                        let (framing, mut bytes) = (std::mem::take(framing), std::mem::take(bytes));
                        Self::release(&mut bytes, buffer);
                        this.follow(framing, buffer, start);
                        this.put_back(bytes);
                        return Poll::Ready(Ok(()));
                    }
                },
                // With nothing left to hand on, this is the end of the stream.
                Reading::Refused { told } => {
                    *told = poison(buffer, *told);
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }
}

impl<S> Strict<S> {
    /// Bytes that found no room while others were released wait on.
    fn put_back(&mut self, rest: Vec<u8>) {
        if rest.is_empty() {
            return;
        }
        match &mut self.reading {
            Reading::Held { bytes, .. } | Reading::Opaque(bytes) => bytes.extend_from_slice(&rest),
            Reading::Refused { .. } => {}
            Reading::Follow(framing) => {
                self.reading = Reading::Held { framing: std::mem::take(framing), bytes: rest };
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Strict<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
