//! What goes through each route now, for people who look at it.
//!
//! A request costs three additions to numbers of its route, without a lock. Everything else is done where nobody
//! waits: every few seconds the numbers are noted, and a rate is the difference between two notes.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::http::StatusCode;

/// How often the numbers are noted.
pub(crate) const EVERY: Duration = Duration::from_secs(5);
/// So many notes are the last minute.
const NOTES: usize = 12;
/// So many minutes are kept of how many requests there were.
const MINUTES: usize = 60;
/// Four to each doubling of the microseconds, up to a minute: a duration is known within a quarter.
const BUCKETS: usize = 104;

/// The numbers of a route, since the process began.
pub(crate) struct Counted {
    answered: AtomicU64,
    failed: AtomicU64,
    refused: AtomicU64,
    limited: AtomicU64,
    durations: [AtomicU64; BUCKETS],
}

/// The numbers of the routes of this name. They live as long as the process, like the names: a reload brings few
/// new ones, and one that is taken back goes on counting.
pub(crate) fn of(route: &'static str) -> &'static Counted {
    lock(&ALL).entry(route).or_insert_with(|| Box::leak(Box::new(Counted::new())))
}

static ALL: Mutex<BTreeMap<&'static str, &'static Counted>> = Mutex::new(BTreeMap::new());

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Counted {
    const fn new() -> Self {
        Self {
            answered: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            limited: AtomicU64::new(0),
            durations: [const { AtomicU64::new(0) }; BUCKETS],
        }
    }

    /// One request more. `refused` says why it was not handed on.
    pub(crate) fn count(&self, status: StatusCode, took: Duration, refused: Option<&str>) {
        self.answered.fetch_add(1, Relaxed);
        if let Some(bucket) = self.durations.get(bucket_of(took)) {
            bucket.fetch_add(1, Relaxed);
        }
        if status.is_server_error() {
            self.failed.fetch_add(1, Relaxed);
        }
        if let Some(reason) = refused {
            let kind = if reason == "rate_limit" { &self.limited } else { &self.refused };
            kind.fetch_add(1, Relaxed);
        }
    }

    fn read(&self) -> Numbers {
        Numbers {
            answered: self.answered.load(Relaxed),
            failed: self.failed.load(Relaxed),
            refused: self.refused.load(Relaxed),
            limited: self.limited.load(Relaxed),
            durations: self.durations.iter().map(|bucket| bucket.load(Relaxed)).collect(),
        }
    }
}

fn bucket_of(took: Duration) -> usize {
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    if micros < 4 {
        return usize::try_from(micros).unwrap_or_default();
    }
    let doublings = micros.ilog2();
    let quarter = (micros >> (doublings - 2)) & 3;
    let bucket = u64::from(doublings - 1) * 4 + quarter;
    usize::try_from(bucket).unwrap_or(BUCKETS).min(BUCKETS - 1)
}

/// The time that nothing in a bucket reaches.
fn end_of(bucket: usize) -> Duration {
    let bucket = u64::try_from(bucket).unwrap_or_default();
    let micros = if bucket < 4 { bucket + 1 } else { (5 + bucket % 4) << (bucket / 4 - 1) };
    Duration::from_micros(micros)
}

#[derive(Clone, Default)]
struct Numbers {
    answered: u64,
    failed: u64,
    refused: u64,
    limited: u64,
    durations: Vec<u64>,
}

impl Numbers {
    /// What was added since.
    fn since(&self, before: &Self) -> Self {
        let was = |bucket: usize| before.durations.get(bucket).copied().unwrap_or_default();
        Self {
            answered: self.answered.saturating_sub(before.answered),
            failed: self.failed.saturating_sub(before.failed),
            refused: self.refused.saturating_sub(before.refused),
            limited: self.limited.saturating_sub(before.limited),
            durations: self.durations.iter().enumerate().map(|(at, count)| count.saturating_sub(was(at))).collect(),
        }
    }

    /// The time within which so many of a thousand were answered.
    fn quantile(&self, of_thousand: u64) -> Option<Duration> {
        let all: u64 = self.durations.iter().sum();
        let wanted = (all * of_thousand).div_ceil(1_000);
        let mut seen = 0;
        let bucket = self.durations.iter().position(|count| {
            seen += count;
            seen >= wanted
        });
        if all == 0 { None } else { bucket.map(end_of) }
    }
}

/// What went through a route in the last minute, or since the process began if that is less.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Traffic {
    /// Requests a second.
    pub per_second: f64,
    /// All requests.
    pub answered: u64,
    /// Answers of 500 and above.
    pub failed: u64,
    /// Refused at the door for any reason but a limit: no token, a bad one, not allowed, not HTTP.
    pub refused: u64,
    /// Refused because a limit was reached.
    pub limited: u64,
    /// Half of the requests were answered within this; to a quarter of it.
    pub median: Option<Duration>,
    /// 99 of 100 were.
    pub p99: Option<Duration>,
    /// Requests of each of the last minutes that are over, the oldest first; at most an hour of them.
    pub minutes: Vec<u64>,
}

/// What was noted of all routes.
pub(crate) struct History(Mutex<Notes>);

struct Notes {
    began: Instant,
    last_minute: VecDeque<(Instant, BTreeMap<&'static str, Numbers>)>,
    minutes: VecDeque<BTreeMap<&'static str, u64>>,
    until_minute: usize,
}

impl History {
    pub(crate) fn new() -> Self {
        let notes =
            Notes { began: Instant::now(), last_minute: VecDeque::new(), minutes: VecDeque::new(), until_minute: 0 };
        Self(Mutex::new(notes))
    }

    /// To be called once in [`EVERY`].
    pub(crate) fn note(&self) {
        let now: BTreeMap<&'static str, Numbers> = lock(&ALL).iter().map(|(name, all)| (*name, all.read())).collect();
        let mut notes = lock(&self.0);
        if notes.until_minute == 0 {
            let answered = now.iter().map(|(name, numbers)| (*name, numbers.answered)).collect();
            notes.minutes.push_back(answered);
            if notes.minutes.len() > MINUTES + 1 {
                notes.minutes.pop_front();
            }
            notes.until_minute = NOTES;
        }
        notes.until_minute -= 1;
        notes.last_minute.push_back((Instant::now(), now));
        if notes.last_minute.len() > NOTES {
            notes.last_minute.pop_front();
        }
    }

    /// What went through the routes of this name.
    pub(crate) fn of(&self, route: &'static str) -> Traffic {
        let now = of(route).read();
        let notes = lock(&self.0);
        let (since, before) = match notes.last_minute.front() {
            Some((at, all)) => (*at, all.get(route).cloned().unwrap_or_default()),
            None => (notes.began, Numbers::default()),
        };
        let new = now.since(&before);
        let counts: Vec<u64> =
            notes.minutes.iter().map(|minute| minute.get(route).copied().unwrap_or_default()).collect();
        // A process that began just now is not busier than it is.
        let seconds = since.elapsed().as_secs_f64().max(1.0);
        #[expect(clippy::cast_precision_loss, reason = "nobody reads more than three digits of a rate")]
        let per_second = new.answered as f64 / seconds;
        Traffic {
            per_second,
            answered: new.answered,
            failed: new.failed,
            refused: new.refused,
            limited: new.limited,
            median: new.quantile(500),
            p99: new.quantile(990),
            minutes: counts.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_known_within_a_quarter() {
        let mut last = 0;
        for micros in (0..5_000).chain((5_000..60_000_000).step_by(7_919)) {
            let took = Duration::from_micros(micros);
            let bucket = bucket_of(took);
            assert!(bucket >= last, "{micros}");
            assert!(bucket <= last + 1 || micros >= 5_000, "{micros} left one out");
            last = bucket;
            assert!(end_of(bucket) > took, "{micros}");
            assert!(end_of(bucket) <= took + took / 4 + Duration::from_micros(1), "{micros}: {:?}", end_of(bucket));
        }
        assert_eq!(bucket_of(Duration::MAX), BUCKETS - 1);
    }

    #[test]
    fn a_minute_says_what_came_in_it_and_no_more() {
        let history = History::new();
        let ok = |millis| of("traffic-test").count(StatusCode::OK, Duration::from_millis(millis), None);
        (0..98).for_each(|_| ok(2));
        ok(700);
        of("traffic-test").count(StatusCode::TOO_MANY_REQUESTS, Duration::from_micros(9), Some("rate_limit"));
        of("traffic-test").count(StatusCode::UNAUTHORIZED, Duration::from_micros(9), Some("no_token"));
        of("traffic-test").count(StatusCode::BAD_GATEWAY, Duration::from_millis(2), None);
        let seen = history.of("traffic-test");
        assert_eq!((seen.answered, seen.failed, seen.refused, seen.limited), (102, 1, 1, 1));
        assert!(seen.per_second > 1.0);
        let median = seen.median.unwrap();
        assert!((2..=3).contains(&median.as_millis()), "{median:?}");
        assert!(seen.p99.unwrap() < Duration::from_millis(900));

        (0..=NOTES).for_each(|_| history.note());
        let seen = history.of("traffic-test");
        assert_eq!((seen.answered, seen.median), (0, None), "a minute later it is over");
        ok(2);
        history.note();
        assert_eq!(history.of("traffic-test").answered, 1);
        assert_eq!(history.of("traffic-test").minutes, [0]);
        (0..NOTES).for_each(|_| history.note());
        assert_eq!(history.of("traffic-test").minutes, [0, 1]);
        assert_eq!(history.of("nobody-came").answered, 0);
    }
}
