//! Following the ledger: whoever turns entries into rows of their own reads it with a [`Follower`].
//!
//! A reader writes what an entry means and the position after it in one transaction, so each entry is turned once,
//! whichever process does it and whenever one dies. Most entries mean nothing to most readers: to write a position
//! after each of those would be a write for every write, so a reader is ahead of what it has written.
//!
//! ```text
//! loop {
//!     let (place, newest) = follower.begin();
//!     let step = step(…, place, newest).await;   // reads Place::entries, writes what they mean
//!     follower.rest(step).await;
//! }
//! ```

use std::time::Duration;

use tokio::sync::watch;

use super::after;
use crate::statement::Connection;
use crate::{Db, Result};

/// How many entries are read at once.
const BATCH: i64 = 500;
/// How long to wait when nothing is heard, or after a failure.
const PAUSE: Duration = Duration::from_secs(2);
/// How many entries that mean nothing may be read again after a restart.
const UNWRITTEN: i64 = 10_000;

/// Where a reader is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Place {
    /// Up to here, entries were read.
    read: i64,
    /// Up to here, the database knows it.
    written: i64,
}

impl Place {
    /// Where the database says that somebody was.
    pub const fn known(written: i64) -> Self {
        Self { read: written, written }
    }

    /// Up to where the database knows it: what an update of the position has to find there.
    pub const fn written(self) -> i64 {
        self.written
    }

    /// The same, but for entries up to this one, which are nobody's business.
    #[must_use]
    pub fn past(self, index: i64) -> Self {
        Self { read: self.read.max(index), ..self }
    }

    /// The next entries, oldest first: each number with its text.
    pub async fn entries(self, on: &mut impl Connection) -> Result<Vec<(i64, String)>> {
        after(on, self.read, BATCH).await
    }

    /// Whether a position after entry `last` has to be written, though nothing up to it means anything.
    pub const fn is_far_behind(self, last: i64) -> bool {
        last - self.written >= UNWRITTEN
    }

    /// After these entries, which were only read, or are `written` down as well.
    pub fn after(self, entries: &[(i64, String)], written: bool) -> Step {
        let read = entries.last().map_or(self.read, |(index, _)| *index);
        let place = Self { read, written: if written { read } else { self.written } };
        if i64::try_from(entries.len()).is_ok_and(|count| count < BATCH) { Step::All(place) } else { Step::Some(place) }
    }
}

/// What came of reading on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// There may be more.
    Some(Place),
    /// There was no more.
    All(Place),
    /// Another process was faster: only the database knows where to go on.
    Overtaken,
}

/// One that reads for as long as the process lives.
#[derive(Debug)]
pub struct Follower {
    purpose: &'static str,
    head: watch::Receiver<i64>,
    place: Option<Place>,
}

impl Follower {
    /// Follows the ledger of this database. The purpose is for the log: what does not come while it cannot be read.
    pub fn new(db: &Db, purpose: &'static str) -> Self {
        Self { purpose, head: db.head(), place: None }
    }

    /// Begins a step: where to read on, if that is known without the database, and the newest entry that was heard of.
    pub fn begin(&mut self) -> (Option<Place>, i64) {
        (self.place, *self.head.borrow_and_update())
    }

    /// Takes what came of a step, and waits until it is worth while to read again.
    pub async fn rest(&mut self, step: Result<Step>) {
        self.place = match step {
            Ok(Step::Some(place)) => {
                self.place = Some(place);
                return;
            }
            Ok(Step::Overtaken) => {
                self.place = None;
                return;
            }
            Ok(Step::All(place)) => Some(place),
            Err(error) => {
                tracing::warn!(%error, purpose = self.purpose, "the ledger could not be read");
                tokio::time::sleep(PAUSE).await;
                // What was read and not written is read again.
                None
            }
        };
        // The number can also grow without being told, by another process: ask now and then.
        let _ = tokio::time::timeout(PAUSE, self.head.changed()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(from: i64, count: i64) -> Vec<(i64, String)> {
        (from..from + count).map(|index| (index, String::new())).collect()
    }

    #[test]
    fn a_full_batch_may_not_be_all() {
        let here = Place::known(-1);
        let Step::Some(here) = here.after(&entries(0, BATCH), false) else { panic!("there may be more") };
        assert_eq!(here, Place { read: BATCH - 1, written: -1 });
        assert_eq!(here.after(&entries(BATCH, 3), true), Step::All(Place::known(BATCH + 2)));
        assert_eq!(here.after(&[], false), Step::All(here));
    }

    #[test]
    fn what_means_nothing_is_written_now_and_then() {
        let here = Place::known(4).past(9_000);
        assert!(!here.is_far_behind(10_003));
        assert!(here.is_far_behind(10_004));
        assert_eq!(here.past(100), here, "nobody goes back");
    }
}
