//! One connection of the feed: what it is told first, then what everybody is told.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use futures_util::stream;
use kernel::id::ServiceTokenId;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::{Feed, Piece};
use crate::service_token::Service;

struct Connection {
    feed: Arc<Feed>,
    token: ServiceTokenId,
    first: VecDeque<Bytes>,
    receiver: Receiver<Piece>,
    _place: OwnedSemaphorePermit,
}

/// The answer's body. It ends when the reader is too slow, its token is taken back, or the process stops.
pub(super) fn body(
    feed: Arc<Feed>,
    service: &Service,
    first: VecDeque<Bytes>,
    receiver: Receiver<Piece>,
    place: OwnedSemaphorePermit,
) -> Body {
    feed.numbers.connections.inc();
    feed.verifiers.connected(service);
    let connection = Connection { feed, token: service.id, first, receiver, _place: place };
    Body::from_stream(stream::unfold(connection, |mut connection| async move {
        let piece = connection.next().await?;
        Some((Ok::<Bytes, std::convert::Infallible>(piece), connection))
    }))
}

impl Connection {
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(piece) = self.first.pop_front() {
            if self.first.is_empty() {
                // Its room is not needed any more, and the connection may stay for weeks.
                self.first = VecDeque::new();
            }
            return Some(piece);
        }
        loop {
            match self.receiver.recv().await {
                Ok(Piece::Text(text)) => return Some(text),
                Ok(Piece::End(token)) if token != self.token => {}
                Ok(Piece::End(_) | Piece::Stop) | Err(RecvError::Closed) => return None,
                Err(RecvError::Lagged(_)) => {
                    self.feed.numbers.dropped.inc();
                    return None;
                }
            }
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.feed.numbers.connections.dec();
        self.feed.verifiers.disconnected(self.token);
    }
}
