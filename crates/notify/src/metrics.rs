//! What is counted, by channel.

use kernel::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::channel::ChannelName;
use crate::settle::{Outcome, Settled};
use crate::webhooks::Outcome as Told;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfChannel {
    channel: &'static str,
}

/// The counters.
pub(crate) struct Metrics {
    queued: Family<OfChannel, Counter>,
    sent: Family<OfChannel, Counter>,
    failed: Family<OfChannel, Counter>,
    dead: Family<OfChannel, Counter>,
    dropped: Family<OfChannel, Counter>,
    latency: Family<OfChannel, Histogram, fn() -> Histogram>,
}

/// From 5 ms to a day.
fn histogram() -> Histogram {
    Histogram::new([0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 600.0, 3_600.0, 86_400.0])
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self {
            queued: Family::default(),
            sent: Family::default(),
            failed: Family::default(),
            dead: Family::default(),
            dropped: Family::default(),
            latency: Family::new_with_constructor(histogram),
        }
    }

    pub(crate) fn register(&self, registry: &mut Registry) {
        for (name, help, family) in [
            ("usher_deliveries_queued", "Deliveries that this process has written down", &self.queued),
            ("usher_deliveries_sent", "Deliveries that this process has handed over", &self.sent),
            ("usher_deliveries_failed", "Tries that failed and are made again", &self.failed),
            ("usher_deliveries_dead", "Deliveries that this process has given up", &self.dead),
            ("usher_deliveries_dropped", "Deliveries that nobody was to be told any more", &self.dropped),
        ] {
            registry.register(name, help, family.clone());
        }
        registry.register("usher_delivery_seconds", "From the event to the hand-over", self.latency.clone());
    }

    pub(crate) fn queued(&self, channel: ChannelName, count: u64) {
        self.queued.get_or_create(&of(channel)).inc_by(count);
    }

    /// What happened then was handed over now, on a channel where to write it down is to deliver it.
    pub(crate) fn delivered(&self, channel: ChannelName, happened: &[Timestamp], now: Timestamp) {
        let of = of(channel);
        self.sent.get_or_create(&of).inc_by(u64::try_from(happened.len()).unwrap_or(0));
        let latency = self.latency.get_or_create(&of);
        for at in happened {
            latency.observe(now.since(*at).as_secs_f64());
        }
    }

    pub(crate) fn webhooks_queued(&self, count: u64) {
        self.queued.get_or_create(&WEBHOOKS).inc_by(count);
    }

    pub(crate) fn webhooks_dropped(&self, count: u64) {
        self.dropped.get_or_create(&WEBHOOKS).inc_by(count);
    }

    pub(crate) fn webhook_settled(&self, outcome: &Told, is_given_up: bool, event_at: Timestamp, now: Timestamp) {
        match outcome {
            _ if is_given_up => {
                self.dead.get_or_create(&WEBHOOKS).inc();
            }
            Told::Taken => {
                self.sent.get_or_create(&WEBHOOKS).inc();
                self.latency.get_or_create(&WEBHOOKS).observe(now.since(event_at).as_secs_f64());
            }
            Told::Failed(_) | Told::Away { .. } | Told::Ours(_) => {
                self.failed.get_or_create(&WEBHOOKS).inc();
            }
            Told::Gone => {
                self.dropped.get_or_create(&WEBHOOKS).inc();
            }
            Told::NotTried => {}
        }
    }

    pub(crate) fn settled(&self, channel: ChannelName, batch: &[Settled], now: Timestamp) {
        let of = of(channel);
        for Settled { claimed, outcome } in batch {
            match outcome {
                Outcome::Sent => {
                    self.sent.get_or_create(&of).inc();
                    self.latency.get_or_create(&of).observe(now.since(claimed.event_at).as_secs_f64());
                }
                Outcome::Later { .. } | Outcome::Away { .. } | Outcome::Ours(_) => {
                    self.failed.get_or_create(&of).inc();
                }
                Outcome::GivenUp(_) => {
                    self.dead.get_or_create(&of).inc();
                }
                Outcome::Dropped(_) => {
                    self.dropped.get_or_create(&of).inc();
                }
                Outcome::Held(_) | Outcome::NotTried => {}
            }
        }
    }
}

/// What programs are told, beside the channels on which people are.
const WEBHOOKS: OfChannel = OfChannel { channel: "webhook" };

const fn of(channel: ChannelName) -> OfChannel {
    OfChannel { channel: channel.as_str() }
}
