//! The reader of the ledger: turns entries into waiting tokens.
//!
//! The tokens of an entry and the position after it are written in one transaction, under a lock that
//! all nodes share. So each entry is turned into tokens once, whichever node does it and whenever one dies.

use std::time::Duration;

use kernel::Event;
use serde::Deserialize;
use storage::ledger::{Follower, Place, Step};
use storage::{Lock, Tx};

use super::mapping::{self, Signal};
use super::outbox::{self, Pending};
use super::set::{self, Address};
use super::stream::{self, Stream};
use crate::Signals;

/// What is committed in this time is read together.
const TOGETHER: Duration = Duration::from_millis(100);

/// Reads for as long as the process lives.
pub(super) async fn run(signals: &Signals) {
    let mut follower = Follower::new(signals.db(), "Shared Signals");
    loop {
        let (place, newest) = follower.begin();
        let step = step(signals, place, newest).await;
        if matches!(step, Ok(Step::All(_))) {
            tokio::time::sleep(TOGETHER).await;
        }
        follower.rest(step).await;
    }
}

/// Reads some entries. Whoever does not know where they are asks the database.
async fn step(signals: &Signals, place: Option<Place>, newest: i64) -> storage::Result<Step> {
    let mut read = signals.db().read().await?;
    let here = match place {
        Some(place) => place,
        None => Place::known(outbox::position(&mut read).await?),
    };
    let streams = stream::keeping(&mut read).await?;
    let Some(oldest) = streams.iter().map(|stream| stream.begins_after).min() else {
        // Nobody listens. A stream that is made from now on begins after `newest`.
        return Ok(Step::All(here.past(newest)));
    };
    let here = here.past(oldest);
    let entries = here.entries(&mut read).await?;
    drop(read);
    let Some(&(last, _)) = entries.last() else { return Ok(Step::All(here)) };
    let found: Vec<(i64, Vec<Signal>)> =
        entries.iter().filter_map(|(index, body)| Some((*index, signals_in(*index, body)?))).collect();
    let is_due = !found.is_empty() || here.is_far_behind(last);
    if is_due {
        write(signals, &found, last).await?;
    }
    Ok(here.after(&entries, is_due))
}

/// The part of an entry by which most are passed over.
#[derive(Deserialize)]
struct KindOnly<'a> {
    #[serde(borrow)]
    kind: std::borrow::Cow<'a, str>,
}

/// What an entry means to receivers. Of a newer program's kinds nothing is known here; that program
/// tells of them.
fn signals_in(index: i64, body: &str) -> Option<Vec<Signal>> {
    let kind = serde_json::from_str::<KindOnly<'_>>(body).ok()?;
    if !mapping::is_relevant(&kind.kind) {
        return None;
    }
    match serde_json::from_str::<Event>(body) {
        Ok(event) => Some(mapping::signals(&event)).filter(|signals| !signals.is_empty()),
        Err(error) => {
            // To stop here would keep every later event from every receiver.
            tracing::error!(index, %error, "a ledger entry cannot be read: no receiver is told of it");
            None
        }
    }
}

async fn write(signals: &Signals, found: &[(i64, Vec<Signal>)], last: i64) -> storage::Result<()> {
    let mut tx = signals.db().begin().await?;
    tx.hold(Lock::Signals).await?;
    let done = outbox::position(&mut tx).await?;
    let streams = stream::keeping(&mut tx).await?;
    for (index, caused) in found.iter().filter(|(index, _)| *index > done) {
        for stream in streams.iter().filter(|stream| *index > stream.begins_after) {
            insert(signals, &mut tx, stream, *index, caused).await?;
        }
    }
    outbox::advance(&mut tx, last).await?;
    tx.commit().await?;
    signals.ssf().wake();
    Ok(())
}

async fn insert(signals: &Signals, tx: &mut Tx, stream: &Stream, index: i64, caused: &[Signal]) -> storage::Result<()> {
    let now = signals.auth().clock().now();
    let issuer = &signals.auth().settings().issuer;
    let to = Address { issuer, audience: &stream.audience, stream: stream.id };
    for (place, signal) in caused.iter().enumerate().filter(|(_, signal)| stream.delivers(signal.event_type)) {
        let pending = Pending {
            stream: stream.id,
            ordinal: outbox::ordinal(index, place),
            control: false,
            subject: signal.subject.user(),
            claims: set::claims(&to, signal, place, now),
        };
        outbox::insert(tx, &pending, now).await?;
    }
    Ok(())
}
