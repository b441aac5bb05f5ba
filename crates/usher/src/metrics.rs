//! Metrics of the services, read when somebody asks.

use std::sync::Arc;

use auth::Auth;
use kernel::Clock;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use verify::Verifier;

/// Reads the numbers that services keep.
pub struct Services {
    /// The service that signs in.
    pub auth: Auth,
    /// The verifier of the door.
    pub verifier: Arc<Verifier>,
}

impl std::fmt::Debug for Services {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Services")
    }
}

impl Collector for Services {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let hashes = self.auth.hasher().stats();
        let jobs = self.auth.users().jobs.numbers();
        let running = i64::try_from(jobs.running).unwrap_or(i64::MAX);
        let waiting = i64::try_from(hashes.waiting).unwrap_or(i64::MAX);
        let revoked = i64::try_from(self.verifier.revocations().len()).unwrap_or(i64::MAX);
        let known = i64::try_from(self.verifier.known_tokens()).unwrap_or(i64::MAX);
        for (name, help, value) in [
            ("usher_password_hashes", "Password hashes computed", hashes.computed),
            ("usher_password_hashes_refused", "Sign-ins told to come back because the queue was full", hashes.refused),
            ("usher_jobs_done", "Jobs that this process has done", jobs.done),
            ("usher_jobs_failed", "Jobs that this process has given up", jobs.failed),
            ("usher_jobs_accounts", "Accounts that jobs of this process have dealt with", jobs.accounts),
        ] {
            let counter = ConstCounter::new(value);
            counter.encode(encoder.encode_descriptor(name, help, None, counter.metric_type())?)?;
        }
        for (name, help, value) in [
            ("usher_password_hashes_waiting", "Sign-ins that wait for a hash", waiting),
            ("usher_jobs_running", "Jobs that this process works on", running),
            ("usher_revocations", "Subjects and sessions in the revocation map", revoked),
            ("usher_tokens_known", "Checked tokens in the cache", known),
            ("usher_ledger_index", "The newest ledger entry", *self.auth.db().head().borrow()),
        ] {
            let gauge = ConstGauge::new(value);
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        Ok(())
    }
}

/// Reads the numbers of a verifier that follows the feed.
pub struct Following {
    /// The verifier of the door.
    pub verifier: Arc<Verifier>,
}

impl std::fmt::Debug for Following {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Following")
    }
}

impl Collector for Following {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let whole = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let now = Clock::system().now().unix_seconds();
        let staleness = self.verifier.staleness(now).and_then(|seconds| i64::try_from(seconds).ok());
        for (name, help, value) in [
            (
                "usher_revocations",
                "Subjects and sessions in the revocation map",
                whole(self.verifier.revocations().len()),
            ),
            ("usher_tokens_known", "Checked tokens in the cache", whole(self.verifier.known_tokens())),
            ("usher_ledger_index", "The newest ledger entry that was applied", self.verifier.revocations().applied()),
            (
                "usher_feed_staleness_seconds",
                "Since the feed was last heard; -1 before the first time",
                staleness.unwrap_or(-1),
            ),
        ] {
            let gauge = ConstGauge::new(value);
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        Ok(())
    }
}
