//! What the issuer has revoked and what could still be in somebody's hands.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock, RwLockWriteGuard};

use crate::Claims;

/// Which users' and sessions' tokens are dead although they have not expired.
///
/// Whether a token is good is decided by its epoch and its session alone, never by comparing
/// clocks, so a token made in the same second as a ban has no way through. Time only says when an
/// entry may be forgotten, because every token that it could refuse has expired by itself.
pub struct Revocations {
    entries: RwLock<Entries>,
    /// How many entries there are. Nearly always none, and then a check reads only this number.
    count: AtomicUsize,
    applied: AtomicI64,
    keep_longer: i64,
}

#[derive(Default)]
struct Entries {
    subjects: HashMap<String, Subject>,
    sessions_forgotten_at: HashMap<String, i64>,
}

struct Subject {
    lowest_good_epoch: i64,
    forget_at: i64,
}

impl Revocations {
    /// Entries outlive their time by twice the leeway: a token is taken for that long after its
    /// `exp`, and the clock that wrote its `exp` may have been ahead by as much.
    pub(crate) fn new(leeway_seconds: i64) -> Self {
        Self {
            entries: RwLock::default(),
            count: AtomicUsize::new(0),
            applied: AtomicI64::new(0),
            keep_longer: leeway_seconds.saturating_mul(2),
        }
    }

    /// Ends all trust in a user that is older than `below_epoch`. `forget_at_unix` is when the last
    /// token made before now expires, in Unix seconds. Entries may come in any order and twice: the
    /// highest epoch and the latest time win.
    pub fn end_subject(&self, subject: &str, below_epoch: i64, forget_at_unix: i64) {
        self.write(|entries| {
            let entry = entries
                .subjects
                .entry(subject.to_owned())
                .or_insert(Subject { lowest_good_epoch: below_epoch, forget_at: forget_at_unix });
            entry.lowest_good_epoch = entry.lowest_good_epoch.max(below_epoch);
            entry.forget_at = entry.forget_at.max(forget_at_unix);
        });
    }

    /// Ends one session. `forget_at_unix` as in [`end_subject`](Self::end_subject).
    pub fn end_session(&self, session: &str, forget_at_unix: i64) {
        self.write(|entries| {
            let forget_at = entries.sessions_forgotten_at.entry(session.to_owned()).or_insert(forget_at_unix);
            *forget_at = (*forget_at).max(forget_at_unix);
        });
    }

    /// Whether neither the user's trust nor the session behind these claims was ended.
    pub fn is_good(&self, claims: &Claims) -> bool {
        if self.is_empty() {
            return true;
        }
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        let session_ended = entries.sessions_forgotten_at.contains_key(&claims.sid);
        let epoch_ended =
            entries.subjects.get(&claims.sub).is_some_and(|subject| claims.epoch < subject.lowest_good_epoch);
        !session_ended && !epoch_ended
    }

    /// Forgets what no living token can be refused by any more: entries whose time, and twice the
    /// leeway after it, have passed. Call it every minute or so.
    pub fn sweep(&self, now_unix: i64) {
        let needed = |forget_at: i64| forget_at.saturating_add(self.keep_longer) > now_unix;
        self.write(|entries| {
            entries.subjects.retain(|_, subject| needed(subject.forget_at));
            entries.sessions_forgotten_at.retain(|_, forget_at| needed(*forget_at));
        });
    }

    /// How many users and sessions are remembered.
    pub fn len(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of the last ledger entry that has been applied here, 0 before the first.
    pub fn applied(&self) -> i64 {
        self.applied.load(Ordering::Acquire)
    }

    /// Notes that everything up to this ledger number has been applied. It only rises.
    pub fn set_applied(&self, index: i64) {
        self.applied.fetch_max(index, Ordering::AcqRel);
    }

    fn write(&self, change: impl FnOnce(&mut Entries)) {
        let mut entries: RwLockWriteGuard<'_, Entries> = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut entries);
        // Under the lock, so that a slower writer cannot put an older count over a newer one.
        self.count.store(entries.subjects.len() + entries.sessions_forgotten_at.len(), Ordering::Release);
    }
}
