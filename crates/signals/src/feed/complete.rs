//! Whether the feed can say "this is all that ended trust". While it cannot, it says no heartbeat and
//! takes no new listener: every verifier's staleness grows, and its own policy decides what follows.
//!
//! Two things stand in the way: a ledger that cannot be read, and (on a database that several processes
//! share) a revocation that was committed and waits too long for its number, because the process that
//! numbers stands still.

use std::sync::atomic::{AtomicBool, Ordering};

use storage::ledger;

use crate::Signals;

/// For how long a revocation may wait for its number, in seconds. Usually that takes milliseconds.
const LONGEST_WAIT: i64 = 2;

/// What is known about it. Both are looked at together, and neither belongs to any other number here.
pub(super) struct Complete {
    is_read: AtomicBool,
    is_numbered: AtomicBool,
}

impl Complete {
    pub(super) const fn new() -> Self {
        Self { is_read: AtomicBool::new(true), is_numbered: AtomicBool::new(true) }
    }

    /// Whether nothing stands in the way.
    pub(super) fn is_so(&self) -> bool {
        self.is_read.load(Ordering::Acquire) && self.is_numbered.load(Ordering::Acquire)
    }

    /// Notes whether the ledger could be read to its end.
    pub(super) fn ledger_was_read(&self, is_read: bool) {
        self.is_read.store(is_read, Ordering::Release);
    }

    /// Looks for revocations that wait for their number.
    pub(super) async fn look(&self, signals: &Signals) {
        let db = signals.db();
        // A database of one process numbers events as it commits them.
        if !db.is_shared() {
            return;
        }
        let since = async { ledger::revocation_waits_since(&mut db.read().await?).await }.await;
        let is_numbered = match &since {
            Ok(since) => {
                let now = signals.auth().clock().now();
                since.is_none_or(|since| since.plus_seconds(LONGEST_WAIT) >= now)
            }
            Err(_) => false,
        };
        let was_numbered = self.is_numbered.swap(is_numbered, Ordering::AcqRel);
        match (was_numbered, is_numbered) {
            (true, false) => tracing::error!(
                ?since,
                "revocations wait for their ledger number: the feed is silent until they have it"
            ),
            (false, true) => tracing::info!("revocations have their ledger numbers: the feed goes on"),
            _ => {}
        }
    }
}
