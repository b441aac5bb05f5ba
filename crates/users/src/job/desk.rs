//! What all who have to do with jobs in this process share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use kernel::secret::SealingRing;
use kernel::{Label, MasterKeys, UserId};
use tokio::sync::{Notify, watch};

use super::Teller;

/// How many people may watch jobs over this process.
const MOST_WATCHERS: usize = 200;
/// How many of these may be one person.
const MOST_OF_ONE: usize = 8;

/// Cheap to clone.
#[derive(Clone)]
pub struct Desk(Arc<Parts>);

struct Parts {
    nudge: Notify,
    stopping: watch::Sender<bool>,
    seal: SealingRing,
    teller: OnceLock<Arc<dyn Teller>>,
    watchers: Mutex<Vec<UserId>>,
    running: AtomicU64,
    done: AtomicU64,
    failed: AtomicU64,
    accounts: AtomicU64,
}

/// What this process has done, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbers {
    /// Jobs that it works on now.
    pub running: u64,
    /// Jobs that it has done.
    pub done: u64,
    /// Jobs that it has given up.
    pub failed: u64,
    /// Accounts that it has dealt with.
    pub accounts: u64,
}

impl Desk {
    /// A desk for this process.
    pub fn new(master: &MasterKeys) -> Self {
        Self(Arc::new(Parts {
            nudge: Notify::new(),
            stopping: watch::Sender::new(false),
            seal: master.sealing_ring(Label::Export),
            teller: OnceLock::new(),
            watchers: Mutex::new(Vec::new()),
            running: AtomicU64::new(0),
            done: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            accounts: AtomicU64::new(0),
        }))
    }

    /// What has been done.
    pub fn numbers(&self) -> Numbers {
        let read = |number: &AtomicU64| number.load(Ordering::Relaxed);
        Numbers {
            running: read(&self.0.running),
            done: read(&self.0.done),
            failed: read(&self.0.failed),
            accounts: read(&self.0.accounts),
        }
    }

    /// Ends what goes on for ever: the process is about to stop. Jobs are given back where they are.
    pub fn stop(&self) {
        self.0.stopping.send_replace(true);
    }

    pub(super) fn is_stopping(&self) -> bool {
        *self.0.stopping.borrow()
    }

    /// Waits until the process is about to stop.
    pub(super) async fn stopping(&self) {
        let mut stopping = self.0.stopping.subscribe();
        // The sender lives as long as this desk.
        let _ = stopping.wait_for(|stopping| *stopping).await;
    }

    /// Names whoever knows how people are told. It is done once, at start.
    pub fn set_teller(&self, teller: Arc<dyn Teller>) {
        if self.0.teller.set(teller).is_err() {
            tracing::error!("a second teller was refused: there is one, set at start");
        }
    }

    pub(super) fn teller(&self) -> Option<&dyn Teller> {
        self.0.teller.get().map(Arc::as_ref)
    }

    /// There is a job.
    pub fn nudge(&self) {
        self.0.nudge.notify_one();
    }

    pub(super) async fn nudged(&self) {
        self.0.nudge.notified().await;
    }

    /// What seals exports.
    pub(super) fn seal(&self) -> &SealingRing {
        &self.0.seal
    }

    pub(super) fn begin(&self) -> AtWork {
        self.0.running.fetch_add(1, Ordering::Relaxed);
        AtWork(self.clone())
    }

    pub(super) fn count_accounts(&self, accounts: usize) {
        self.0.accounts.fetch_add(u64::try_from(accounts).unwrap_or(0), Ordering::Relaxed);
    }

    pub(super) fn count_ended(&self, well: bool) {
        let counter = if well { &self.0.done } else { &self.0.failed };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    fn watchers(&self) -> MutexGuard<'_, Vec<UserId>> {
        self.0.watchers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place to watch from, if there is one left for this person.
    pub(super) fn seat(&self, user: UserId) -> Option<Seat> {
        let mut watchers = self.watchers();
        if watchers.len() >= MOST_WATCHERS || watchers.iter().filter(|one| **one == user).count() >= MOST_OF_ONE {
            return None;
        }
        watchers.push(user);
        Some(Seat { desk: self.clone(), user })
    }
}

/// A job is worked on, for as long as this is kept.
pub(super) struct AtWork(Desk);

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A place to watch from; it is free again when this is dropped.
pub(super) struct Seat {
    desk: Desk,
    user: UserId,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut watchers = self.desk.watchers();
        if let Some(place) = watchers.iter().position(|one| *one == self.user) {
            watchers.swap_remove(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use kernel::Timestamp;

    use super::*;

    #[test]
    fn places_are_bounded_and_come_back() {
        let desk = Desk::new(&MasterKeys::generate());
        let user = UserId::new(Timestamp::from_unix_seconds(0));
        let seats: Vec<Seat> = std::iter::from_fn(|| desk.seat(user)).collect();
        assert_eq!(seats.len(), MOST_OF_ONE);
        let others: Vec<Seat> =
            std::iter::from_fn(|| desk.seat(UserId::new(Timestamp::from_unix_seconds(0)))).take(1_000).collect();
        assert_eq!(seats.len() + others.len(), MOST_WATCHERS);
        drop((seats, others));
        assert!(desk.seat(user).is_some());
    }
}
