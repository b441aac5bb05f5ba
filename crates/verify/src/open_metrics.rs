//! The numbers of a verifier as `OpenMetrics` text.

use std::fmt::{Display, Write};

use crate::{Refused, Stats, Verifier};

/// Text that grows by one family after the other.
struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP usher_verify_{name} {help}"));
        self.line(format_args!("# TYPE usher_verify_{name} {kind}"));
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.family(name, "counter", help);
        self.line(format_args!("usher_verify_{name}_total {value}"));
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "gauge", help);
        self.line(format_args!("usher_verify_{name} {value}"));
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a `String` cannot fail.
        let _ = writeln!(self.0, "{line}");
    }
}

impl Verifier {
    /// The numbers of [`stats`](Self::stats) as `OpenMetrics` text, every name with `usher_verify_`
    /// before it. The closing `# EOF` is left to the caller, who may have metrics of its own.
    pub fn open_metrics(&self, now_unix_seconds: i64) -> String {
        let stats = self.stats(now_unix_seconds);
        let mut page = Page(String::with_capacity(4096));
        checks(&mut page, &stats);
        held(&mut page, &stats);
        followed(&mut page, &stats);
        page.0
    }
}

fn checks(page: &mut Page, stats: &Stats) {
    page.family("checks", "counter", "Tokens checked, by outcome.");
    let accepted = [("accepted_known", stats.accepted_known), ("accepted_new", stats.accepted_new)];
    let refused = Refused::ALL.map(|reason| (reason.as_str(), stats.refused_for(reason)));
    for (outcome, count) in accepted.into_iter().chain(refused) {
        page.line(format_args!("usher_verify_checks_total{{outcome=\"{outcome}\"}} {count}"));
    }
}

fn held(page: &mut Page, stats: &Stats) {
    page.gauge("known_tokens", "Checked tokens that are remembered.", stats.known_tokens);
    page.gauge("keys", "Public keys in use.", stats.keys);
    page.gauge("keys_taken_back", "Keys that never count again.", stats.keys_taken_back);
    page.family("revocations", "gauge", "What is remembered as revoked.");
    for (kind, count) in [("subject", stats.revoked_subjects), ("session", stats.revoked_sessions)] {
        page.line(format_args!("usher_verify_revocations{{kind=\"{kind}\"}} {count}"));
    }
    let widened = u8::from(stats.is_widened);
    page.gauge("revocations_widened", "1 while more is refused than was revoked, for want of room.", widened);
    page.gauge("applied", "The last ledger number that was applied.", stats.applied);
}

fn followed(page: &mut Page, stats: &Stats) {
    page.gauge("ready", "1 when the revocations were known once.", u8::from(stats.staleness.is_some()));
    if let Some(seconds) = stats.staleness {
        page.family("staleness_seconds", "gauge", "Time since the issuer was heard.");
        page.line(format_args!("# UNIT usher_verify_staleness_seconds seconds"));
        page.line(format_args!("usher_verify_staleness_seconds {seconds}"));
    }
    page.family("key_fetches", "counter", "Key sets fetched, by outcome.");
    for (outcome, count) in [("taken", stats.key_fetches), ("failed", stats.key_fetches_failed)] {
        page.line(format_args!("usher_verify_key_fetches_total{{outcome=\"{outcome}\"}} {count}"));
    }
    page.counter("feed_connects", "Connections to the feed that were answered well.", stats.feed_connects);
    page.counter("feed_failures", "Connections to the feed that failed or ended.", stats.feed_failures);
    page.counter("feed_snapshots", "Snapshots read to their end.", stats.feed_snapshots);
    page.counter("feed_gaps", "Times that a snapshot had to heal the feed.", stats.feed_gaps);
}
