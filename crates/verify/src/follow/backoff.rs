//! How long to wait before the next attempt.

use std::time::Duration;

/// Waits that double up to a longest one, each cut by chance by up to a half: a thousand verifiers
/// that lost the same server must not come back in the same moment.
pub(super) struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    pub(super) const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, next: first }
    }

    pub(super) fn next(&mut self) -> Duration {
        let whole = self.next;
        self.next = (whole * 2).min(self.longest);
        whole.mul_f64(0.5 + 0.5 * chance())
    }

    pub(super) fn reset(&mut self) {
        self.next = self.first;
    }
}

/// From 0 to 1.
fn chance() -> f64 {
    let mut byte = [0];
    // Without randomness, the wait is the longest: late, and never a storm.
    if aws_lc_rs::rand::fill(&mut byte).is_err() {
        return 1.0;
    }
    f64::from(byte[0]) / 255.0
}
