//! Tokens are sent to receivers (RFC 8935).
//!
//! Each stream is pushed by one task of one process at a time, which holds a lease on it, in order. So
//! a receiver that is slow or gone delays nobody else. What it has not answered for is kept and sent
//! again; an answer that was lost means that a token comes twice, with the same `jti`.

use std::sync::Arc;
use std::time::Duration;

use kernel::id::StreamId;
use kernel::secret::random_bytes;
use outbound::Client;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::keys::{self, KeyError};
use super::outbox::{self, Waiting};
use super::send::{Answer, send};
use super::stream::{self, Stream};
use crate::{Signals, ssf};

/// How many streams are pushed at once.
const MOST: usize = 64;
/// How often to look for streams whose time has come.
const LOOK: Duration = Duration::from_secs(1);
/// How long a lease is, in seconds: longer than a run and one last answer.
const LEASE: i64 = 30;
/// For how long one run goes on.
const RUN: Duration = Duration::from_secs(15);
/// The longest time between two attempts, in seconds.
const LONGEST_WAIT: i64 = 300;

/// Pushes until the process stops, then waits for what is under way.
pub(super) async fn run(signals: &Signals, client: Client) {
    let client = Arc::new(client);
    let places = Arc::new(Semaphore::new(MOST));
    let mut wake = signals.ssf().woken();
    let mut pushing = JoinSet::new();
    while !signals.ssf().is_stopping() {
        wake.borrow_and_update();
        match due(signals).await {
            Ok(streams) => {
                for stream in streams {
                    // Those that find no place now are still due at the next look.
                    let Ok(place) = Arc::clone(&places).try_acquire_owned() else { break };
                    let (signals, client) = (signals.clone(), Arc::clone(&client));
                    pushing.spawn(async move {
                        push(&signals, &client, stream).await;
                        drop(place);
                    });
                }
            }
            Err(error) => tracing::warn!(%error, "streams of Shared Signals could not be read"),
        }
        let _ = tokio::time::timeout(LOOK, wake.changed()).await;
        while pushing.try_join_next().is_some() {}
    }
    while pushing.join_next().await.is_some() {}
}

async fn due(signals: &Signals) -> storage::Result<Vec<StreamId>> {
    stream::due(&mut signals.db().read().await?, signals.auth().clock().now()).await
}

/// How a run ended.
struct Outcome {
    /// Failures in a row, of the receiver as a whole.
    failures: i64,
    /// Seconds until the next attempt; nothing if there was no failure.
    wait: Option<i64>,
}

async fn push(signals: &Signals, client: &Client, id: StreamId) {
    if let Err(error) = try_push(signals, client, id).await {
        // The lease is not given back: it ends by itself, and the next attempt is then.
        tracing::warn!(stream = %id, %error, "a stream of Shared Signals could not be pushed");
    }
}

async fn try_push(signals: &Signals, client: &Client, id: StreamId) -> Result<(), KeyError> {
    let now = signals.auth().clock().now();
    let until = now.plus_seconds(LEASE);
    let mut tx = signals.db().begin().await?;
    if !stream::lease(&mut tx, id, now, until).await? {
        return Ok(()); // another process was faster
    }
    tx.commit().await?;
    let outcome = push_waiting(signals, client, id).await?;
    let now = signals.auth().clock().now();
    let mut tx = signals.db().begin().await?;
    let retry_at = outcome.wait.map(|wait| now.plus_seconds(wait));
    stream::release(&mut tx, id, until, outcome.failures, retry_at).await?;
    tx.commit().await?;
    // What was written while this run ended would otherwise wait for the next look.
    signals.ssf().wake();
    Ok(())
}

/// Sends one after the other. The stream is read again before each: it may have been paused.
async fn push_waiting(signals: &Signals, client: &Client, id: StreamId) -> Result<Outcome, KeyError> {
    let begun = Instant::now();
    let mut failures = None;
    loop {
        let fine = Outcome { failures: 0, wait: None };
        let now = signals.auth().clock().now();
        let mut read = signals.db().read().await?;
        let Some(stream) = stream::to_push(&mut read, id).await? else { return Ok(fine) };
        let waiting = outbox::waiting(&mut read, id, stream.status, now, 1).await?.pop();
        drop(read);
        let Some(waiting) = waiting else { return Ok(fine) };
        if begun.elapsed() > RUN || signals.ssf().is_stopping() {
            return Ok(fine);
        }
        let before = failures.unwrap_or(stream.failures);
        let answer = push_one(signals, client, &stream, &waiting).await?;
        if let Some(wait) = settle(signals, id, &waiting, answer, before).await? {
            return Ok(Outcome { failures: before.saturating_add(1), wait: Some(wait) });
        }
        failures = Some(0);
    }
}

async fn push_one(signals: &Signals, client: &Client, stream: &Stream, waiting: &Waiting) -> Result<Answer, KeyError> {
    let key = keys::key(signals, stream.algorithm).await?;
    let token = keys::sign(key, vec![waiting.claims.clone()]).await?.pop().ok_or(KeyError::Key)?;
    let authorization = ssf::open_authorization(signals, stream)?;
    let endpoint = stream.endpoint.as_deref().unwrap_or_default();
    Ok(send(client, endpoint, authorization.as_deref(), token).await)
}

/// Does what the answer asks for. How long to leave the receiver alone, if it has to be left alone.
async fn settle(
    signals: &Signals,
    id: StreamId,
    waiting: &Waiting,
    answer: Answer,
    failures: i64,
) -> storage::Result<Option<i64>> {
    let now = signals.auth().clock().now();
    let jti = waiting.jti.as_str();
    let mut tx = signals.db().begin().await?;
    let wait = match answer {
        Answer::Accepted => {
            outbox::acknowledge(&mut tx, id, jti).await?;
            None
        }
        Answer::Refused(refusal) => {
            tracing::warn!(stream = %id, jti, refusal, "a receiver refused a security event token");
            outbox::refuse(&mut tx, id, jti, &refusal, now).await?;
            None
        }
        Answer::Unclear(cause) => {
            tracing::info!(stream = %id, jti, cause, "a receiver failed over a security event token");
            let set_aside = outbox::count_attempt(&mut tx, id, jti, now).await?;
            if set_aside { None } else { Some(backoff(failures)) }
        }
        Answer::Away { cause, wait } => {
            tracing::info!(stream = %id, cause, "a receiver takes no security event tokens now");
            Some(backoff(failures).max(wait))
        }
    };
    tx.commit().await?;
    Ok(wait)
}

/// Twice as long after each failure, and never at the same time for everybody: between half of it and
/// all of it, in seconds.
fn backoff(failures: i64) -> i64 {
    let doublings = u32::try_from(failures.clamp(0, 9)).unwrap_or(0);
    let longest = 2_i64.saturating_pow(doublings).min(LONGEST_WAIT);
    let [random] = random_bytes::<1>();
    longest - longest * i64::from(random) / 512
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e4_retries_come_later_and_later_and_never_stop() {
        for failures in 0..100 {
            let longest = 2_i64.saturating_pow(failures.min(9)).min(LONGEST_WAIT);
            for _ in 0..50 {
                let wait = backoff(i64::from(failures));
                assert!(wait >= 1 && wait >= longest / 2 && wait <= longest, "{failures}: {wait}");
            }
        }
    }
}
