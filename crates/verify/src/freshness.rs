//! How long ago the issuer was heard, and what follows from that.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::Refused;

/// What happens to good tokens while the revocation feed cannot be heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Staleness {
    /// They stay good: what was revoked meanwhile is learned when the feed is back. The number of
    /// seconds is there for whoever wants to raise an alarm.
    #[default]
    Continue,
    /// They are refused ([`Refused::Stale`]) when nothing was heard for longer than this. The issuer
    /// says a word every five seconds, so 15 seconds is the least that makes sense.
    RefuseAfter(Duration),
}

/// Fed in this process, by whoever makes the revocations: nothing can be missed on the way.
const FED_HERE: i64 = i64::MAX;
/// Fed by a follower that has not heard everything once.
const NEVER: i64 = i64::MIN;

/// When the issuer was heard last. Both numbers are read at every check, and nothing depends on
/// seeing a change of theirs in the same moment as a change of anything else.
pub(crate) struct Freshness {
    heard_at: AtomicI64,
    limit_seconds: AtomicI64,
}

impl Freshness {
    pub(crate) const fn fed_here() -> Self {
        Self { heard_at: AtomicI64::new(FED_HERE), limit_seconds: AtomicI64::new(i64::MAX) }
    }

    pub(crate) fn expect_feed(&self, policy: Staleness) {
        let limit = match policy {
            Staleness::Continue => i64::MAX,
            Staleness::RefuseAfter(limit) => i64::try_from(limit.as_secs()).unwrap_or(i64::MAX),
        };
        self.limit_seconds.store(limit, Ordering::Relaxed);
        self.heard_at.store(NEVER, Ordering::Relaxed);
    }

    pub(crate) fn heard(&self, now: i64) {
        // The two ends mean something else.
        self.heard_at.store(now.clamp(NEVER + 1, FED_HERE - 1), Ordering::Relaxed);
    }

    /// Whether everything was known once.
    pub(crate) fn is_ready(&self) -> bool {
        self.heard_at.load(Ordering::Relaxed) != NEVER
    }

    pub(crate) fn seconds(&self, now: i64) -> Option<u64> {
        match self.heard_at.load(Ordering::Relaxed) {
            FED_HERE => Some(0),
            NEVER => None,
            heard_at => Some(u64::try_from(now.saturating_sub(heard_at)).unwrap_or(0)),
        }
    }

    pub(crate) fn require(&self, now: i64) -> Result<(), Refused> {
        match self.heard_at.load(Ordering::Relaxed) {
            FED_HERE => Ok(()),
            NEVER => Err(Refused::NotReady),
            heard_at if now.saturating_sub(heard_at) > self.limit_seconds.load(Ordering::Relaxed) => {
                Err(Refused::Stale)
            }
            _ => Ok(()),
        }
    }
}
