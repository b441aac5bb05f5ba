//! Whether an upstream is well: learned from the requests that it gets, and from asking it.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// So many failures in a row, and it gets no more requests for a while.
const FAILURES: u32 = 3;
/// For how long at first. It doubles every time.
const FIRST_EJECTION: Duration = Duration::from_secs(1);
const LONGEST_EJECTION: Duration = Duration::from_secs(30);
/// So many bad answers to checks in a row take an upstream out, and so many good ones bring it back.
const CHECKS: u32 = 2;

/// What is known about one upstream. While it is well, asking and telling are one load each.
pub(super) struct Health {
    born: Instant,
    /// Failures in a row.
    failures: AtomicU32,
    /// Milliseconds since `born`; 0 when it is not ejected.
    ejected_until: AtomicU64,
    /// Whether somebody is trying it again.
    trying: AtomicBool,
    /// Whether the checks say that it is not well.
    sick: AtomicBool,
    record: Mutex<Record>,
}

#[derive(Default)]
struct Record {
    ejections: u32,
    returned: Option<Instant>,
    bad_checks: u32,
    good_checks: u32,
}

/// Whether a request may go there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Well,
    /// Its time is over, and this request is the one that tries it.
    Trial,
    Ejected,
}

impl Health {
    pub(super) fn new() -> Self {
        Self {
            born: Instant::now(),
            failures: AtomicU32::new(0),
            ejected_until: AtomicU64::new(0),
            trying: AtomicBool::new(false),
            sick: AtomicBool::new(false),
            record: Mutex::default(),
        }
    }

    /// Whether it is in use, for those who only look.
    pub(super) fn is_well(&self) -> bool {
        !self.sick.load(Ordering::Relaxed) && self.ejected_until.load(Ordering::Relaxed) == 0
    }

    /// Whether a request may go there. Who is told [`Verdict::Trial`] has to tell the outcome.
    pub(super) fn ask(&self) -> Verdict {
        if self.sick.load(Ordering::Relaxed) {
            return Verdict::Ejected;
        }
        match self.ejected_until.load(Ordering::Acquire) {
            0 => Verdict::Well,
            until if self.now() < until => Verdict::Ejected,
            _ if self.trying.swap(true, Ordering::AcqRel) => Verdict::Ejected,
            _ => Verdict::Trial,
        }
    }

    /// A request was answered.
    pub(super) fn succeeded(&self) {
        if self.failures.load(Ordering::Relaxed) == 0 && self.ejected_until.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        self.failures.store(0, Ordering::Relaxed);
        if self.ejected_until.swap(0, Ordering::AcqRel) != 0 {
            record.returned = Some(Instant::now());
        }
        self.trying.store(false, Ordering::Release);
    }

    /// A request failed through its fault, perhaps the one that tried it. Whether this ejected it.
    pub(super) fn failed(&self, was_trial: bool) -> bool {
        let mut record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        let failures = self.failures.load(Ordering::Relaxed).saturating_add(1);
        self.failures.store(failures, Ordering::Relaxed);
        let is_ejected = self.ejected_until.load(Ordering::Acquire) != 0;
        // What fails late, when it is already out, says nothing new; a failed trial does.
        if (is_ejected && !was_trial) || (!is_ejected && failures < FAILURES) {
            return false;
        }
        if record.returned.is_some_and(|returned| returned.elapsed() > LONGEST_EJECTION) {
            record.ejections = 0;
        }
        let length = FIRST_EJECTION.saturating_mul(1 << record.ejections.min(10)).min(LONGEST_EJECTION);
        record.ejections += 1;
        record.returned = None;
        self.ejected_until.store(self.now() + u64::try_from(length.as_millis()).unwrap_or(u64::MAX), Ordering::Release);
        self.trying.store(false, Ordering::Release);
        true
    }

    /// A trial came to nothing that says anything: its client went away. Another may try.
    pub(super) fn untried(&self) {
        self.trying.store(false, Ordering::Release);
    }

    /// What a check found. Whether it changed what is thought of it.
    pub(super) fn checked(&self, well: bool) -> bool {
        let mut record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        if well {
            record.good_checks = record.good_checks.saturating_add(1);
            record.bad_checks = 0;
        } else {
            record.bad_checks = record.bad_checks.saturating_add(1);
            record.good_checks = 0;
        }
        let sick = self.sick.load(Ordering::Relaxed);
        if !sick && record.bad_checks >= CHECKS {
            self.sick.store(true, Ordering::Relaxed);
            return true;
        }
        if sick && record.good_checks >= CHECKS {
            self.sick.store(false, Ordering::Relaxed);
            return true;
        }
        false
    }

    fn now(&self) -> u64 {
        // Not 0, which means that it is not ejected.
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX).max(1)
    }
}
