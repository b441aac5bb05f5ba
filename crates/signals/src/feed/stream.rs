//! One connection of the feed: what it is told first, then what everybody is told.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use futures_util::stream;
use kernel::id::ServiceTokenId;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::{Feed, NotNow, Piece};
use crate::service_token::Service;

/// A listener's place: one of the process's, and one of its token's. Both are free when it is dropped.
pub(super) struct Seat {
    feed: Arc<Feed>,
    token: ServiceTokenId,
    _place: OwnedSemaphorePermit,
}

impl Seat {
    /// Takes a place, if the process and the token have one left.
    pub(super) fn take(feed: &Arc<Feed>, service: &Service) -> Result<Self, NotNow> {
        let place = Arc::clone(&feed.room).try_acquire_owned().map_err(|_| NotNow::Full)?;
        if !feed.verifiers.connect(service) {
            return Err(NotNow::TokenFull);
        }
        feed.numbers.connections.inc();
        Ok(Self { feed: Arc::clone(feed), token: service.id, _place: place })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.feed.numbers.connections.dec();
        self.feed.verifiers.disconnected(self.token);
    }
}

struct Connection {
    seat: Seat,
    first: VecDeque<Bytes>,
    receiver: Receiver<Piece>,
}

/// The answer's body. It ends when the reader is too slow, its token is taken back, or the process stops.
pub(super) fn body(seat: Seat, first: VecDeque<Bytes>, receiver: Receiver<Piece>) -> Body {
    let connection = Connection { seat, first, receiver };
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
                Ok(Piece::End(token)) if token != self.seat.token => {}
                Ok(Piece::End(_) | Piece::Stop) | Err(RecvError::Closed) => return None,
                Err(RecvError::Lagged(_)) => {
                    self.seat.feed.numbers.dropped.inc();
                    return None;
                }
            }
        }
    }
}
