//! Numbers for Prometheus: requests, how long they took, what was refused and why, and how the
//! upstreams are.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::Gateway;

/// The door's metrics. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    requests: Family<RequestLabels, Counter>,
    durations: Family<RouteLabels, Histogram>,
    refused: Family<RefusedLabels, Counter>,
    panics: Counter,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    route: &'static str,
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RouteLabels {
    route: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RefusedLabels {
    route: &'static str,
    reason: &'static str,
}

/// From 10 µs to 10 s in steps of 4.
fn durations() -> Histogram {
    Histogram::new(exponential_buckets(10e-6, 4.0, 11))
}

impl Metrics {
    /// Registers them.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            requests: Family::default(),
            durations: Family::new_with_constructor(durations),
            refused: Family::default(),
            panics: Counter::default(),
        };
        registry.register("usher_http_requests", "Requests answered", metrics.requests.clone());
        registry.register_with_unit(
            "usher_http_request_duration",
            "From the first byte of the head to the answer",
            Unit::Seconds,
            metrics.durations.clone(),
        );
        registry.register("usher_http_refused", "Requests refused at the door", metrics.refused.clone());
        registry.register("usher_panics", "Request handlers that panicked", metrics.panics.clone());
        metrics
    }

    pub(crate) fn count(&self, route: &'static str, status: StatusCode, took: Duration) {
        self.requests.get_or_create(&RequestLabels { route, status: status.as_u16() }).inc();
        self.durations.get_or_create(&RouteLabels { route }).observe(took.as_secs_f64());
    }

    pub(crate) fn refused(&self, route: &'static str, reason: &'static str) {
        self.refused.get_or_create(&RefusedLabels { route, reason }).inc();
    }

    pub(crate) fn panicked(&self) {
        self.panics.inc();
    }
}

/// How the upstreams are, read when somebody asks.
#[derive(Debug)]
pub struct UpstreamHealth(pub Arc<Gateway>);

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct UpstreamLabels {
    route: &'static str,
    upstream: String,
}

impl Collector for UpstreamHealth {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let healthy: Family<UpstreamLabels, Gauge> = Family::default();
        let in_flight: Family<UpstreamLabels, Gauge> = Family::default();
        for (route, state) in self.0.upstream_states() {
            let labels = UpstreamLabels { route, upstream: state.address.to_string() };
            healthy.get_or_create(&labels).set(i64::from(state.healthy));
            in_flight.get_or_create(&labels).set(i64::try_from(state.in_flight).unwrap_or(i64::MAX));
        }
        let mut write = |name: &str, help: &str, family: &Family<UpstreamLabels, Gauge>| {
            family.encode(encoder.encode_descriptor(name, help, None, prometheus_client::metrics::MetricType::Gauge)?)
        };
        write("usher_upstream_healthy", "Whether requests are sent to an upstream", &healthy)?;
        write("usher_upstream_in_flight", "Requests that an upstream is answering", &in_flight)
    }
}
