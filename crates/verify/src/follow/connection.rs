//! Keeps the feed open: connects, reads, and connects again.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use http_body_util::BodyExt;
use hyper::body::{Bytes, Incoming};
use tokio::time::{Instant, sleep, timeout};

use super::backoff::Backoff;
use super::client::Failed;
use super::feed::{Feed, Heard, Lost, USUAL_ACCESS_SECONDS};
use super::{Shared, Trouble};
use crate::stats::count;

/// What is known from one connection to the next.
struct Memory {
    /// Where to go on. `None` asks for a snapshot.
    resume: Option<i64>,
    access_seconds: i64,
}

/// Never ends.
pub(super) async fn keep_connected(shared: Arc<Shared>) {
    let timing = shared.settings.timing;
    let mut backoff = Backoff::new(timing.wait, timing.longest_wait);
    let mut memory = Memory { resume: None, access_seconds: USUAL_ACCESS_SECONDS };
    loop {
        let begun = Instant::now();
        let trouble = connect_once(&shared, &mut memory).await;
        let counters = &shared.verifier.counters;
        count(&counters.feed_failures);
        if matches!(trouble, Trouble::Gap | Trouble::NotUnderstood) {
            count(&counters.feed_gaps);
        }
        shared.trouble(trouble);
        // Also when it ended well: a node that stops ends all feeds, and another may go on.
        shared.client.pass_feed();
        // A server that takes connections only to end them is not called in a tight circle.
        if begun.elapsed() >= timing.settled {
            backoff.reset();
        }
        sleep(backoff.next()).await;
    }
}

/// One connection, from its beginning to whatever ends it.
async fn connect_once(shared: &Shared, memory: &mut Memory) -> Trouble {
    let body = match shared.client.feed(memory.resume).await {
        Ok(body) => body,
        Err(failed) => return Trouble::Feed(failed),
    };
    count(&shared.verifier.counters.feed_connects);
    let mut feed = Feed::new(memory.resume, memory.access_seconds);
    let trouble = read_to_the_end(shared, &mut feed, body).await;
    // In the middle of a snapshot there is no place to go on from.
    memory.resume = feed.place.resume.filter(|_| feed.place.is_current);
    memory.access_seconds = feed.access_seconds();
    trouble
}

async fn read_to_the_end(shared: &Shared, feed: &mut Feed, mut body: Incoming) -> Trouble {
    let timing = shared.settings.timing;
    let mut event_by = Instant::now() + timing.event;
    loop {
        let patience = timing.silence.min(event_by.saturating_duration_since(Instant::now()));
        let bytes = match timeout(patience, next_bytes(&mut body)).await {
            Ok(Ok(Some(bytes))) => bytes,
            Ok(Ok(None)) => return Trouble::FeedEnded,
            Ok(Err(failed)) => return Trouble::Feed(failed),
            Err(_elapsed) => return Trouble::Feed(Failed::Timeout),
        };
        let (heard, read) = feed.read(&bytes, shared.verifier.revocations(), shared.settings.now());
        act(shared, heard);
        if heard.events > 0 {
            event_by = Instant::now() + timing.event;
        }
        match read {
            Ok(()) => {}
            Err(Lost::Gap) => return Trouble::Gap,
            Err(Lost::NotUnderstood) => return Trouble::NotUnderstood,
        }
    }
}

/// `None` at the end. Trailers say nothing to us.
async fn next_bytes(body: &mut Incoming) -> Result<Option<Bytes>, Failed> {
    while let Some(frame) = body.frame().await {
        if let Ok(bytes) = frame.map_err(|_| Failed::Connection)?.into_data() {
            return Ok(Some(bytes));
        }
    }
    Ok(None)
}

fn act(shared: &Shared, heard: Heard) {
    shared.verifier.counters.feed_snapshots.fetch_add(heard.snapshots, Ordering::Relaxed);
    if heard.fetch_keys {
        shared.keys_changed.notify_one();
    }
    if heard.is_current {
        shared.heard();
    }
}
