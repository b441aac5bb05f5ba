//! When to try again.

use kernel::secret::random_bytes;

/// The shortest wait after a first failure, in seconds.
const FIRST: i64 = 2;
/// The longest wait, in seconds.
const LONGEST: i64 = 30 * 60;

/// How many seconds to wait after this many failures: twice as long after each, and never at the same time for
/// everybody: between half of it and all of it.
pub(crate) fn backoff(failures: i64) -> i64 {
    let doublings = u32::try_from((failures - 1).clamp(0, 16)).unwrap_or(0);
    let longest = FIRST.saturating_mul(2_i64.saturating_pow(doublings)).min(LONGEST);
    let [random] = random_bytes::<1>();
    longest - longest * i64::from(random) / 512
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f13_tries_come_later_and_later_and_within_a_day_there_are_some_fifty() {
        for failures in 1..100 {
            for _ in 0..50 {
                let wait = backoff(failures);
                assert!((1..=LONGEST).contains(&wait), "{failures}: {wait}");
            }
        }
        assert!((1..50).map(|_| backoff(1)).max() <= Some(FIRST));
        let (mut waited, mut failures) = (0, 0);
        while waited < 24 * 3_600 {
            failures += 1;
            waited += backoff(failures);
        }
        assert!((45..120).contains(&failures), "{failures} tries");
    }

    #[test]
    fn f13_waits_differ() {
        let waits: std::collections::BTreeSet<i64> = (0..200).map(|_| backoff(10)).collect();
        assert!(waits.len() > 50, "{waits:?}");
    }
}
