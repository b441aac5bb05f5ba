//! What the issuer has revoked and what could still be in somebody's hands.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::Claims;
use crate::keys::Keys;
use crate::shards::{Full, Shards};

/// Which users' and sessions' tokens are dead although they have not expired.
///
/// Whether a token is good is decided by its epoch and its session alone, never by comparing
/// clocks, so a token made in the same second as a ban has no way through. Time only says when an
/// entry may be forgotten, because every token that it could refuse has expired by itself.
///
/// # When there is no room
///
/// There are at most as many users, and as many sessions, as
/// [`Verifier::with_most_revocations`](crate::Verifier::with_most_revocations) says. To forget one
/// would let a revoked token through, and to stop all checks would let one storm close the whole
/// service. So an entry without room is *widened*: from then on every token that expires no later
/// than the last one which the entry is about is refused, whoever's it is. That costs one number of
/// memory. Tokens made a little later (twice the leeway) are good again, so people get through with
/// their next refresh, and when all old tokens have expired the widening is swept away like an entry.
pub struct Revocations {
    subjects: Shards<Subject>,
    /// Until when each is kept.
    sessions: Shards<i64>,
    keys: Arc<Keys>,
    /// Tokens with an `exp` up to here, and twice the leeway, are refused. [`NOT_WIDENED`] mostly.
    widened: AtomicI64,
    applied: AtomicI64,
    keep_longer: i64,
}

struct Subject {
    lowest_good_epoch: i64,
    forget_at: i64,
}

const NOT_WIDENED: i64 = i64::MIN;

impl Revocations {
    /// Entries outlive their time by twice the leeway: a token is taken for that long after its
    /// `exp`, and the clock that wrote its `exp` may have been ahead by as much.
    pub(crate) fn new(leeway_seconds: i64, most: usize, keys: Arc<Keys>) -> Self {
        Self {
            subjects: Shards::new(most),
            sessions: Shards::new(most),
            keys,
            widened: AtomicI64::new(NOT_WIDENED),
            applied: AtomicI64::new(0),
            keep_longer: leeway_seconds.saturating_mul(2),
        }
    }

    /// Ends all trust in a user that is older than `below_epoch`. `forget_at_unix` is when the last
    /// token made before now expires, in Unix seconds. Entries may come in any order and twice: the
    /// highest epoch and the latest time win.
    pub fn end_subject(&self, subject: &str, below_epoch: i64, forget_at_unix: i64) {
        let entry = Subject { lowest_good_epoch: below_epoch, forget_at: forget_at_unix };
        let join = |old: &mut Subject, new: Subject| {
            old.lowest_good_epoch = old.lowest_good_epoch.max(new.lowest_good_epoch);
            old.forget_at = old.forget_at.max(new.forget_at);
        };
        if let Err(Full) = self.subjects.put(subject, entry, join) {
            self.widen(forget_at_unix);
        }
    }

    /// Ends one session. `forget_at_unix` as in [`end_subject`](Self::end_subject).
    pub fn end_session(&self, session: &str, forget_at_unix: i64) {
        if let Err(Full) = self.sessions.put(session, forget_at_unix, |old, new| *old = (*old).max(new)) {
            self.widen(forget_at_unix);
        }
    }

    /// Ends everything that the key of this `kid` signed and will ever sign. It does not come back
    /// with a key set that still names it, for as long as the verifier lives. Only if more than a
    /// thousand keys were taken back, those past `forget_at_unix` (as in
    /// [`end_subject`](Self::end_subject)) are forgotten.
    pub fn end_key(&self, kid: &str, forget_at_unix: i64) {
        self.keys.take_back(kid, forget_at_unix);
    }

    /// Whether neither the user's trust nor the session behind these claims was ended.
    pub fn is_good(&self, claims: &Claims) -> bool {
        let widened = self.widened.load(Ordering::Acquire);
        let is_widened = widened != NOT_WIDENED && claims.exp <= widened.saturating_add(self.keep_longer);
        !is_widened
            && !self.sessions.is(&claims.sid, |_| true)
            && !self.subjects.is(&claims.sub, |subject| claims.epoch < subject.lowest_good_epoch)
    }

    /// Forgets what no living token can be refused by any more: entries whose time, and twice the
    /// leeway after it, have passed. Call it every minute or so; a follower does.
    pub fn sweep(&self, now_unix: i64) {
        let needed = |forget_at: i64| forget_at.saturating_add(self.keep_longer) > now_unix;
        self.subjects.sweep(|subject| needed(subject.forget_at));
        self.sessions.sweep(|forget_at| needed(*forget_at));
        self.keys.sweep(needed);
        let widened = self.widened.load(Ordering::Acquire);
        if widened != NOT_WIDENED && !needed(widened) {
            // If it was widened further meanwhile, it stays.
            let _ = self.widened.compare_exchange(widened, NOT_WIDENED, Ordering::AcqRel, Ordering::Acquire);
        }
    }

    /// How many users and sessions are remembered.
    pub fn len(&self) -> usize {
        self.subjects.len() + self.sessions.len()
    }

    /// Whether no user and no session is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether there was no room for everything, so that more is refused than was revoked.
    pub fn is_widened(&self) -> bool {
        self.widened.load(Ordering::Acquire) != NOT_WIDENED
    }

    #[cfg(all(test, feature = "follow"))]
    pub(crate) fn names(&self) -> [std::collections::BTreeSet<String>; 3] {
        [self.subjects.names(), self.sessions.names(), self.keys.taken_back()]
    }

    #[cfg(test)]
    pub(crate) fn has_epoch(&self, subject: &str, epoch: i64) -> bool {
        self.subjects.is(subject, |entry| entry.lowest_good_epoch == epoch)
    }

    /// How many users, how many sessions.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.subjects.len(), self.sessions.len())
    }

    /// The number of the last ledger entry that has been applied here, 0 before the first.
    pub fn applied(&self) -> i64 {
        self.applied.load(Ordering::Acquire)
    }

    /// Notes that everything up to this ledger number has been applied. It only rises.
    pub fn set_applied(&self, index: i64) {
        self.applied.fetch_max(index, Ordering::AcqRel);
    }

    /// Notes that a snapshot of everything up to this ledger number has been applied. It may be lower
    /// than what was noted before: then the issuer was restored from a backup, and counts from there.
    pub fn restart_applied(&self, index: i64) {
        self.applied.store(index, Ordering::Release);
    }

    fn widen(&self, until: i64) {
        self.widened.fetch_max(until, Ordering::AcqRel);
    }
}
