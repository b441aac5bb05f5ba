//! A receiver comes for its tokens (RFC 8936).

use std::time::Duration;

use kernel::id::StreamId;
use tokio::time::Instant;

use super::keys::{self, KeyError};
use super::outbox::{self, Waiting};
use super::stream;
use crate::Signals;
use crate::service_token::Service;

/// The most tokens in one answer, and how many there are if the receiver does not say.
pub(super) const MOST: usize = 100;
/// For how long an answer waits for something to say: less than a request may take.
const LONGEST_WAIT: Duration = Duration::from_secs(25);
/// How often to look for what another node has written.
const LOOK: Duration = Duration::from_secs(1);

/// What a receiver says when it comes.
#[derive(Debug)]
pub(super) struct Poll {
    /// At most so many tokens.
    pub(super) most: usize,
    /// Whether to wait until there is one, if the receiver has not too many polls waiting already.
    pub(super) waits: bool,
    /// The tokens that it has.
    pub(super) acknowledged: Vec<String>,
    /// Those that it does not want, and why.
    pub(super) refused: Vec<(String, String)>,
}

/// What it gets.
#[derive(Debug)]
pub(super) struct Polled {
    /// Each token with its `jti`, in order.
    pub(super) sets: Vec<(String, String)>,
    /// Whether there are more.
    pub(super) more: bool,
}

/// It gets nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum PollError {
    /// There is no such stream of this receiver that is polled.
    #[error("no such stream")]
    NotFound,
    /// The tokens cannot be signed.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

/// Takes what the receiver has, and gives what waits. What is given comes again until it is taken.
pub(super) async fn poll(
    signals: &Signals,
    receiver: &Service,
    id: StreamId,
    poll: &Poll,
) -> Result<Polled, PollError> {
    let mut wake = signals.ssf().woken();
    let until = Instant::now() + LONGEST_WAIT;
    let place = if poll.waits { signals.ssf().waiters.enter(receiver.id) } else { None };
    let mut is_first = true;
    loop {
        wake.borrow_and_update();
        let mut read = signals.db().read().await?;
        let stream = stream::find_of(&mut read, receiver.id, id).await?;
        let stream = stream.filter(|stream| stream.endpoint.is_none()).ok_or(PollError::NotFound)?;
        if std::mem::take(&mut is_first) && !(poll.acknowledged.is_empty() && poll.refused.is_empty()) {
            drop(read);
            settle(signals, id, poll).await?;
            continue;
        }
        let now = signals.auth().clock().now();
        let limit = i64::try_from(poll.most).unwrap_or(0).saturating_add(1);
        let waiting = outbox::waiting(&mut read, id, stream.status, now, limit).await?;
        drop(read);
        let is_over = Instant::now() >= until || signals.ssf().is_stopping();
        if !waiting.is_empty() || poll.most == 0 || place.is_none() || is_over {
            return give(signals, &stream, poll.most, waiting).await;
        }
        let _ = tokio::time::timeout_at(until.min(Instant::now() + LOOK), wake.changed()).await;
    }
}

async fn settle(signals: &Signals, id: StreamId, poll: &Poll) -> storage::Result<()> {
    let now = signals.auth().clock().now();
    let mut tx = signals.db().begin().await?;
    for jti in &poll.acknowledged {
        outbox::acknowledge(&mut tx, id, jti).await?;
    }
    for (jti, refusal) in &poll.refused {
        if outbox::refuse(&mut tx, id, jti, refusal, now).await? {
            tracing::warn!(stream = %id, jti, refusal, "a receiver refused a security event token");
        }
    }
    tx.commit().await
}

async fn give(
    signals: &Signals,
    stream: &stream::Stream,
    most: usize,
    mut waiting: Vec<Waiting>,
) -> Result<Polled, PollError> {
    let more = waiting.len() > most;
    waiting.truncate(most);
    if waiting.is_empty() {
        return Ok(Polled { sets: Vec::new(), more });
    }
    let key = keys::key(signals, stream.algorithm).await?;
    let (ids, claims) = waiting.into_iter().map(|waiting| (waiting.jti, waiting.claims)).unzip();
    let tokens = keys::sign(key, claims).await?;
    let ids: Vec<String> = ids;
    Ok(Polled { sets: ids.into_iter().zip(tokens).collect(), more })
}
