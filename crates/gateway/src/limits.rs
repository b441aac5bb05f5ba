//! Token buckets, as the generic cell rate algorithm: a bucket is one number, the time at which it
//! would be full again.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use kernel::UserId;
use quick_cache::sync::Cache;

/// How many buckets are kept: some 10 MB. Beyond that the least used are forgotten.
const CAPACITY: usize = 100_000;

/// One bucket for each client, user or route: `burst` at once, then one in every `every`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Limit {
    /// Distinguishes the buckets; routes that do the same may share one.
    pub(crate) bucket: u64,
    pub(crate) per: Per,
    pub(crate) every: Duration,
    pub(crate) burst: u32,
    /// Whether looking is free.
    pub(crate) writes_only: bool,
}

/// Whose bucket it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Per {
    /// The client's address.
    Address,
    /// The user's; the client's for those who are not signed in.
    User,
    /// Everybody's together.
    Route,
}

impl Limit {
    /// Whether it is applied before anybody knows who asks.
    pub(crate) fn is_for_strangers(&self) -> bool {
        self.per == Per::Address
    }
}

/// The buckets of everybody.
pub(crate) struct Limits {
    /// Buckets fill by the monotonic clock: setting the system's back must lock nobody out.
    started: Instant,
    buckets: Cache<Key, Arc<AtomicI64>>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    bucket: u64,
    owner: u128,
}

impl Limits {
    pub(crate) fn new() -> Self {
        Self { started: Instant::now(), buckets: Cache::new(CAPACITY) }
    }

    /// Takes one token, or says how long until there is one.
    pub(crate) fn take(&self, limit: &Limit, client: IpAddr, user: Option<UserId>) -> Result<(), Duration> {
        let owner = match (limit.per, user) {
            (Per::Route, _) => 0,
            // Version and variant of a UUIDv7 are fixed, so no user has the bucket of an address.
            (Per::User, Some(user)) => u128::from_be_bytes(*user.as_bytes()),
            (Per::User, None) | (Per::Address, _) => network_of(client),
        };
        self.take_at(limit, owner, self.started.elapsed())
    }

    fn take_at(&self, limit: &Limit, owner: u128, now: Duration) -> Result<(), Duration> {
        let key = Key { bucket: limit.bucket, owner };
        let full_at = match self.buckets.get(&key) {
            Some(bucket) => bucket,
            None => match self.buckets.get_or_insert_with(&key, || Ok::<_, ()>(Arc::default())) {
                Ok(bucket) => bucket,
                Err(()) => return Ok(()),
            },
        };
        let nanos = |time: Duration| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
        let (now, step) = (nanos(now), nanos(limit.every));
        let depth = step.saturating_mul(i64::from(limit.burst));
        let mut wait = 0;
        let taken = full_at.fetch_update(Ordering::AcqRel, Ordering::Acquire, |full_at| {
            let next = full_at.max(now).saturating_add(step);
            wait = next.saturating_sub(now).saturating_sub(depth);
            (wait <= 0).then_some(next)
        });
        taken.map(drop).map_err(|_| Duration::from_nanos(u64::try_from(wait).unwrap_or(0)))
    }
}

/// One client: an IPv4 address, or an IPv6 network of 64 bits, for that is what one household gets.
pub(crate) fn network_of(client: IpAddr) -> u128 {
    match client.to_canonical() {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address) & !u128::from(u64::MAX) | 1 << 63,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Limit =
        Limit { bucket: 1, per: Per::Address, every: Duration::from_secs(1), burst: 3, writes_only: false };

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn l9_a_burst_then_one_at_a_time_and_no_window_edge() {
        let limits = Limits::new();
        let client = network_of(address("192.0.2.1"));
        for _ in 0..3 {
            assert!(limits.take_at(&LIMIT, client, at(0)).is_ok());
        }
        assert_eq!(limits.take_at(&LIMIT, client, at(0)), Err(Duration::from_secs(1)));
        assert!(limits.take_at(&LIMIT, client, at(999)).is_err());
        assert!(limits.take_at(&LIMIT, client, at(1_000)).is_ok());
        assert!(limits.take_at(&LIMIT, client, at(1_001)).is_err());
        for _ in 0..3 {
            assert!(limits.take_at(&LIMIT, client, at(60_000)).is_ok());
        }
        assert!(limits.take_at(&LIMIT, client, at(60_000)).is_err());
    }

    #[test]
    fn l8_ipv6_counts_by_64_bits_and_mapped_ipv4_as_ipv4() {
        let limits = Limits::new();
        let take = |text: &str| limits.take(&LIMIT, address(text), None);
        for host in 0..3 {
            assert!(take(&format!("2001:db8:1:2::{host}")).is_ok());
        }
        assert!(take("2001:db8:1:2:ffff::1").is_err());
        assert!(take("2001:db8:1:3::1").is_ok());
        assert_eq!(network_of(address("::ffff:192.0.2.1")), network_of(address("192.0.2.1")));
        assert_ne!(network_of(address("::1")), network_of(address("0.0.0.0")));
    }

    #[test]
    fn buckets_are_apart() {
        let limits = Limits::new();
        let client = address("192.0.2.1");
        let other = Limit { bucket: 2, ..LIMIT };
        for _ in 0..3 {
            assert!(limits.take(&LIMIT, client, None).is_ok());
        }
        assert!(limits.take(&LIMIT, client, None).is_err());
        assert!(limits.take(&other, client, None).is_ok());
    }

    #[test]
    fn a_user_has_one_bucket_from_everywhere_and_a_route_one_for_all() {
        let limits = Limits::new();
        let user = Some(UserId::new(kernel::Timestamp::from_unix_seconds(1_795_000_000)));
        let per_user = Limit { bucket: 3, per: Per::User, burst: 1, ..LIMIT };
        assert!(limits.take(&per_user, address("192.0.2.1"), user).is_ok());
        assert!(limits.take(&per_user, address("192.0.2.2"), user).is_err());
        assert!(limits.take(&per_user, address("192.0.2.2"), None).is_ok());
        let per_route = Limit { bucket: 4, per: Per::Route, burst: 1, ..LIMIT };
        assert!(limits.take(&per_route, address("192.0.2.1"), user).is_ok());
        assert!(limits.take(&per_route, address("192.0.2.9"), None).is_err());
    }
}
