//! What is done every few seconds: telling how far we are, and forgetting.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use super::Shared;

/// Never ends. Usher shows its operator how far a ban has got; nothing else depends on the report,
/// so one that fails is said again with the next, newer number.
pub(super) async fn keep_reporting(shared: Arc<Shared>) {
    let mut reported = None;
    let mut tick = interval(shared.settings.timing.report);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let applied = shared.verifier.revocations().applied();
        let is_news = shared.verifier.freshness.is_ready() && reported != Some(applied);
        if is_news && shared.client.report(applied).await.is_ok() {
            reported = Some(applied);
        }
    }
}

/// Never ends.
pub(super) async fn keep_tidy(shared: Arc<Shared>) {
    let mut swept = Instant::now();
    let mut tick = interval(Duration::from_secs(1));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        shared.correct_clock();
        if swept.elapsed() >= shared.settings.timing.sweep {
            swept = Instant::now();
            let (verifier, now) = (Arc::clone(&shared.verifier), shared.settings.now());
            // A million entries take a fifth of a second, which is too long for a thread of the runtime.
            // It can only fail if the runtime is ending.
            let _ = tokio::task::spawn_blocking(move || verifier.revocations().sweep(now)).await;
        }
    }
}
