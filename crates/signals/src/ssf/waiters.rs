//! How many polls of a receiver may wait at once.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use kernel::id::ServiceTokenId;

/// Enough for a receiver that comes again before it was answered. One that opens more learns nothing
/// sooner, and each that waits looks into the database every second.
const MOST: usize = 4;

/// The polls that wait here.
#[derive(Default)]
pub(super) struct Waiters(Mutex<HashMap<ServiceTokenId, usize>>);

impl Waiters {
    /// A place to wait; nothing if this receiver has all of its own in use.
    pub(super) fn enter(&self, receiver: ServiceTokenId) -> Option<Waiter<'_>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = all.entry(receiver).or_insert(0);
        if *waiting >= MOST {
            return None;
        }
        *waiting += 1;
        Some(Waiter { all: self, receiver })
    }
}

/// One poll that waits. Its place is free when it is dropped, also if the receiver hangs up.
pub(super) struct Waiter<'a> {
    all: &'a Waiters,
    receiver: ServiceTokenId,
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let mut all = self.all.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waiting) = all.get_mut(&self.receiver) {
            *waiting -= 1;
            if *waiting == 0 {
                all.remove(&self.receiver);
            }
        }
    }
}
