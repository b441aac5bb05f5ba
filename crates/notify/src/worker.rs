//! The worker of a channel: takes deliveries up, has them handed over, many at once, and sees to it that none of them
//! keeps the others waiting.
//!
//! A delivery is leased before it is tried, and what has become of it is written down after (`settle`). A process that
//! dies in between leaves a lease that ends, so nothing is lost; only what was handed over and not yet written down is
//! handed over again, with the same Message-ID.
//!
//! A send that takes longer than [`QUICK`] makes room for the next and goes on beside it. When nobody answers at all,
//! the worker waits and then tries with one.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;

use crate::Notify;
use crate::channel::{Channel, Receipt, SendError, plain_reason};
use crate::compose::{ComposeError, compose};
use crate::delivery::{self, Claimed};
use crate::settle::{self, Outcome, Settled};

/// How many sends are under way before the next waits.
const AT_ONCE: usize = 16;
/// How many slow ones go on beside those.
const SLOW: usize = 256;
/// A send that takes longer is slow.
const QUICK: Duration = Duration::from_millis(250);
/// How many deliveries are taken up before they can be tried.
const AHEAD: usize = 48;
/// For how many seconds a delivery is ours.
const LEASE: i64 = 90;
/// One that has waited this long since it was taken up is given back instead.
const STALE: Duration = Duration::from_secs(45);
/// How often it is looked whether another process has left something.
const IDLE: Duration = Duration::from_secs(1);
/// How long to wait when nobody answers: at first, and at most.
const AWAY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(15));
/// The longest wait that a provider can ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);
/// How often a delivery may be taken up without an end before it is given up: then it is what ends our processes.
const ABANDONED: i64 = 10;

/// What the tasks of one worker share.
struct Desk<C> {
    notify: Notify,
    channel: C,
    quick: Arc<Semaphore>,
    slow: Arc<Semaphore>,
    /// Taken up, and not begun.
    waiting: AtomicUsize,
    away: Mutex<Option<Away>>,
    settled: mpsc::UnboundedSender<Settled>,
}

/// Nobody answers.
#[derive(Clone, Copy)]
struct Away {
    until: Instant,
    wait: Duration,
}

impl<C> Desk<C> {
    fn away(&self) -> Option<Away> {
        *self.away.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_away(&self) -> bool {
        self.away().is_some_and(|away| Instant::now() < away.until)
    }

    /// Somebody answers.
    fn heard(&self) {
        *self.away.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Nobody answers: each time twice as long a wait. Sends that were under way together count once.
    fn missed(&self, after: Option<Duration>) {
        let mut away = self.away.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if away.is_some_and(|away| now < away.until) && after.is_none() {
            return;
        }
        let wait = away.map_or(AWAY.0, |away| (away.wait * 2).min(AWAY.1));
        let until = now + after.map_or(wait, |after| after.min(LONGEST_WAIT).max(wait));
        *away = Some(Away { until, wait });
    }
}

/// Works until the process stops; then what is under way is finished and the rest given back.
pub(crate) async fn run<C: Channel>(notify: &Notify, channel: C) {
    let (settled, receiver) = mpsc::unbounded_channel();
    let settling = tokio::spawn(settle::run(notify.clone(), channel.name(), receiver));
    let desk = Arc::new(Desk {
        notify: notify.clone(),
        channel,
        quick: Arc::new(Semaphore::new(AT_ONCE)),
        slow: Arc::new(Semaphore::new(SLOW)),
        waiting: AtomicUsize::new(0),
        away: Mutex::default(),
        settled,
    });
    let mut tasks = JoinSet::new();
    let mut woken = notify.woken();
    while !notify.is_stopping() {
        let _ = woken.borrow_and_update();
        while tasks.try_join_next().is_some() {}
        let pause = match take_up(&desk).await {
            Ok((claimed, pause)) => {
                for claimed in claimed {
                    desk.waiting.fetch_add(1, Ordering::Relaxed);
                    tasks.spawn(deal_with(desk.clone(), claimed, Instant::now()));
                }
                pause
            }
            Err(error) => {
                tracing::warn!(%error, channel = desk.channel.name().as_str(), "deliveries cannot be taken up");
                IDLE
            }
        };
        if pause > Duration::ZERO {
            let _ = tokio::time::timeout(pause, woken.changed()).await;
        }
    }
    while tasks.join_next().await.is_some() {}
    drop(desk);
    let _ = settling.await;
}

/// Takes up what is due, as much as there is room for; and how long to wait before the next look.
async fn take_up<C: Channel>(desk: &Desk<C>) -> storage::Result<(Vec<Claimed>, Duration)> {
    let waiting = desk.waiting.load(Ordering::Relaxed);
    // When nobody answered the last time, one is enough to see whether somebody does now.
    let room = match desk.away() {
        Some(away) if Instant::now() < away.until => {
            return Ok((Vec::new(), away.until.saturating_duration_since(Instant::now()).min(IDLE)));
        }
        Some(_) => usize::from(waiting == 0 && desk.quick.available_permits() == AT_ONCE),
        None => AHEAD.saturating_sub(waiting),
    };
    if room == 0 {
        return Ok((Vec::new(), Duration::from_millis(5)));
    }
    let name = desk.channel.name().as_str();
    let now = desk.notify.users().clock.now();
    // A write transaction every second would be felt by others; a look is not.
    match delivery::next_due(&mut desk.notify.db().read().await?, name).await? {
        None => return Ok((Vec::new(), IDLE)),
        Some(due) if due > now => return Ok((Vec::new(), due.since(now).min(IDLE))),
        Some(_) => {}
    }
    let mut tx = desk.notify.db().begin().await?;
    let limit = i64::try_from(room).unwrap_or(1);
    let until = now.plus_seconds(LEASE);
    let claimed = delivery::claim(&mut tx, desk.notify.db().dialect(), name, now, until, limit).await?;
    tx.commit().await?;
    let pause = if claimed.is_empty() { IDLE } else { Duration::ZERO };
    Ok((claimed, pause))
}

/// Deals with one delivery from the moment that it is taken up.
async fn deal_with<C: Channel>(desk: Arc<Desk<C>>, claimed: Claimed, taken_up: Instant) {
    let permit = desk.quick.clone().acquire_owned().await;
    desk.waiting.fetch_sub(1, Ordering::Relaxed);
    let outcome = match permit {
        // Nobody closes it.
        Err(_) => Outcome::NotTried,
        Ok(_) if desk.notify.is_stopping() || desk.is_away() || taken_up.elapsed() > STALE => Outcome::NotTried,
        Ok(_) if claimed.claims - claimed.attempts > ABANDONED => Outcome::GivenUp(format!(
            "it was taken up {} times without an end: something in it ends the process",
            claimed.claims - claimed.attempts
        )),
        Ok(permit) => with_patience(&desk, &claimed, permit).await,
    };
    // It is gone only when the process ends.
    let _ = desk.settled.send(Settled { claimed, outcome });
}

/// Tries, and makes room for others when it takes long.
async fn with_patience<C: Channel>(desk: &Arc<Desk<C>>, claimed: &Claimed, quick: OwnedSemaphorePermit) -> Outcome {
    // In a task of its own: a panic is this delivery's failure, not the worker's.
    let (own, delivery) = (desk.clone(), claimed.clone());
    let mut trying = tokio::spawn(async move { attempt(&own, &delivery).await });
    let tried = match tokio::time::timeout(QUICK, &mut trying).await {
        Ok(tried) => tried,
        Err(_) => {
            tokio::select! {
                tried = &mut trying => tried,
                slow = desk.slow.clone().acquire_owned() => {
                    drop(quick);
                    let tried = trying.await;
                    drop(slow);
                    tried
                }
            }
        }
    };
    tried.unwrap_or_else(|error| {
        tracing::error!(delivery = %claimed.id, %error, "a delivery ended in a panic");
        Outcome::Ours("the program failed over it".into())
    })
}

async fn attempt<C: Channel>(desk: &Desk<C>, claimed: &Claimed) -> Outcome {
    let message = match compose(&desk.notify, claimed, desk.channel.name()).await {
        Ok(message) => message,
        Err(ComposeError::Dropped(reason)) => return Outcome::Dropped(reason),
        Err(ComposeError::Held(until)) => return Outcome::Held(until),
        Err(ComposeError::Ours(reason)) => return Outcome::Ours(reason),
        Err(ComposeError::Storage(error)) => return Outcome::Later { reason: error.to_string(), after: None },
    };
    let sent = match tokio::time::timeout(C::PATIENCE, desk.channel.send(&message)).await {
        Ok(sent) => sent,
        Err(_) => Err(SendError::later(format!("no end after {} seconds", C::PATIENCE.as_secs()))),
    };
    match sent {
        Ok(Receipt { reference }) => {
            desk.heard();
            tracing::debug!(delivery = %claimed.id, reference, "handed over");
            Outcome::Sent
        }
        Err(SendError::Never { reason }) => {
            desk.heard();
            Outcome::GivenUp(plain_reason(&reason))
        }
        Err(SendError::Nobody { reason }) => {
            desk.heard();
            Outcome::Dropped(reason)
        }
        Err(SendError::Later { reason, after }) => Outcome::Later { reason: plain_reason(&reason), after },
        Err(SendError::Away { reason, after }) => {
            desk.missed(after);
            Outcome::Away { reason: plain_reason(&reason), after }
        }
    }
}
