//! What a verifier counts, and how it counts without being slowed by it.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::{Refused, Verifier};

/// What a verifier has done and what it holds, for its operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stats {
    /// Good tokens that were known already.
    pub accepted_known: u64,
    /// Good tokens that were seen for the first time.
    pub accepted_new: u64,
    /// Tokens that were refused, in the order of [`Refused::ALL`].
    pub refused: [u64; Refused::ALL.len()],
    /// Checked tokens that are remembered now.
    pub known_tokens: usize,
    /// Public keys in use.
    pub keys: usize,
    /// Keys that were taken back.
    pub keys_taken_back: usize,
    /// Users whose older tokens are dead.
    pub revoked_subjects: usize,
    /// Sessions whose tokens are dead.
    pub revoked_sessions: usize,
    /// Whether more is refused than was revoked, see [`Revocations`](crate::Revocations).
    pub is_widened: bool,
    /// The last ledger number that was applied.
    pub applied: i64,
    /// Seconds since the issuer was heard; `None` before it was heard for the first time.
    pub staleness: Option<u64>,
    /// Key sets that were fetched and taken.
    pub key_fetches: u64,
    /// Key sets that could not be fetched, or were not taken.
    pub key_fetches_failed: u64,
    /// Connections to the feed that were answered well.
    pub feed_connects: u64,
    /// Connections to the feed that failed or ended.
    pub feed_failures: u64,
    /// Snapshots that were read to their end.
    pub feed_snapshots: u64,
    /// Times that something was missed or not understood, and a snapshot had to heal it.
    pub feed_gaps: u64,
}

impl Stats {
    /// How many tokens were refused for this reason.
    pub fn refused_for(&self, reason: Refused) -> u64 {
        self.refused[reason as usize]
    }
}

/// The numbers behind [`Stats`]. They are for people: no other memory is ordered by them.
#[derive(Default)]
pub(crate) struct Counters {
    accepted_known: Spread,
    accepted_new: AtomicU64,
    refused: [AtomicU64; Refused::ALL.len()],
    pub(crate) key_fetches: AtomicU64,
    pub(crate) key_fetches_failed: AtomicU64,
    pub(crate) feed_connects: AtomicU64,
    pub(crate) feed_failures: AtomicU64,
    pub(crate) feed_snapshots: AtomicU64,
    pub(crate) feed_gaps: AtomicU64,
}

impl Counters {
    pub(crate) fn known(&self) {
        self.accepted_known.add();
    }

    pub(crate) fn new_one(&self) {
        count(&self.accepted_new);
    }

    pub(crate) fn refused(&self, reason: Refused) {
        count(&self.refused[reason as usize]);
    }
}

pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

const PLACES: usize = 16;

/// A counter with several places: threads on different cores would otherwise hand one cache line
/// to and fro at every request, which costs more than the rest of a check.
#[derive(Default)]
struct Spread([Place; PLACES]);

/// 128 bytes, because processors fetch lines of 64 in pairs.
#[derive(Default)]
#[repr(align(128))]
struct Place(AtomicU64);

thread_local! {
    static OWN_PLACE: usize = {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        NEXT.fetch_add(1, Ordering::Relaxed) % PLACES
    };
}

impl Spread {
    fn add(&self) {
        // A thread that is ending has no place of its own any more.
        let place = OWN_PLACE.try_with(|place| *place).unwrap_or(0);
        count(&self.0[place].0);
    }

    fn read(&self) -> u64 {
        self.0.iter().map(|place| read(&place.0)).sum()
    }
}

impl Verifier {
    /// What this verifier has done and holds. `now_unix_seconds` is the caller's clock.
    pub fn stats(&self, now_unix_seconds: i64) -> Stats {
        let counters = &self.counters;
        let (revoked_subjects, revoked_sessions) = self.revocations().counts();
        let (keys, keys_taken_back) = self.keys.counts();
        Stats {
            accepted_known: counters.accepted_known.read(),
            accepted_new: read(&counters.accepted_new),
            refused: std::array::from_fn(|index| read(&counters.refused[index])),
            known_tokens: self.known_tokens(),
            keys,
            keys_taken_back,
            revoked_subjects,
            revoked_sessions,
            is_widened: self.revocations().is_widened(),
            applied: self.revocations().applied(),
            staleness: self.staleness(now_unix_seconds),
            key_fetches: read(&counters.key_fetches),
            key_fetches_failed: read(&counters.key_fetches_failed),
            feed_connects: read(&counters.feed_connects),
            feed_failures: read(&counters.feed_failures),
            feed_snapshots: read(&counters.feed_snapshots),
            feed_gaps: read(&counters.feed_gaps),
        }
    }
}
