//! Token buckets, as the generic cell rate algorithm: a bucket is one number, the time at which it
//! would be full again.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use quick_cache::sync::Cache;

use crate::routes::Limit;

/// How many buckets are kept: some 10 MB. Beyond that the least used are forgotten.
const CAPACITY: usize = 100_000;

/// The buckets of all clients.
pub(crate) struct Limits {
    /// Buckets fill by the monotonic clock: setting the system's back must lock nobody out.
    started: Instant,
    buckets: Cache<Key, Arc<AtomicI64>>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    bucket: u8,
    network: u128,
}

impl Limits {
    pub(crate) fn new() -> Self {
        Self { started: Instant::now(), buckets: Cache::new(CAPACITY) }
    }

    /// Takes one token from the client's bucket, or says how long until there is one.
    pub(crate) fn take(&self, limit: &Limit, client: IpAddr) -> Result<(), Duration> {
        self.take_at(limit, client, self.started.elapsed())
    }

    fn take_at(&self, limit: &Limit, client: IpAddr, now: Duration) -> Result<(), Duration> {
        let key = Key { bucket: limit.bucket, network: network_of(client) };
        let full_at = match self.buckets.get(&key) {
            Some(bucket) => bucket,
            None => match self.buckets.get_or_insert_with(&key, || Ok::<_, ()>(Arc::default())) {
                Ok(bucket) => bucket,
                Err(()) => return Ok(()),
            },
        };
        let now = i64::try_from(now.as_micros()).unwrap_or(i64::MAX);
        let step = i64::try_from(limit.every_ms * 1000).unwrap_or(i64::MAX);
        let depth = step * i64::try_from(limit.burst).unwrap_or(1);
        let mut wait = 0;
        let taken = full_at.fetch_update(Ordering::AcqRel, Ordering::Acquire, |full_at| {
            let next = full_at.max(now) + step;
            wait = next - now - depth;
            (wait <= 0).then_some(next)
        });
        match taken {
            Ok(_) => Ok(()),
            Err(_) => Err(Duration::from_micros(u64::try_from(wait).unwrap_or(0))),
        }
    }
}

/// One client: an IPv4 address, or an IPv6 network of 64 bits, for that is what one household gets.
fn network_of(client: IpAddr) -> u128 {
    match client.to_canonical() {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address) & !u128::from(u64::MAX) | 1 << 63,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Limit = Limit { bucket: 1, every_ms: 1_000, burst: 3 };

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn l9_a_burst_then_one_at_a_time_and_no_window_edge() {
        let limits = Limits::new();
        let client = address("192.0.2.1");
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
        for host in 0..3 {
            assert!(limits.take_at(&LIMIT, address(&format!("2001:db8:1:2::{host}")), at(0)).is_ok());
        }
        assert!(limits.take_at(&LIMIT, address("2001:db8:1:2:ffff::1"), at(0)).is_err());
        assert!(limits.take_at(&LIMIT, address("2001:db8:1:3::1"), at(0)).is_ok());
        assert_eq!(network_of(address("::ffff:192.0.2.1")), network_of(address("192.0.2.1")));
        assert_ne!(network_of(address("::1")), network_of(address("0.0.0.0")));
    }

    #[test]
    fn buckets_are_apart() {
        let limits = Limits::new();
        let other = Limit { bucket: 2, ..LIMIT };
        for _ in 0..3 {
            assert!(limits.take_at(&LIMIT, address("192.0.2.1"), at(0)).is_ok());
        }
        assert!(limits.take_at(&other, address("192.0.2.1"), at(0)).is_ok());
    }
}
