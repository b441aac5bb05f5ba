//! What goes on beside requests: asking upstreams whether they are well, closing unused connections.

use std::sync::{Arc, Weak};
use std::time::Duration;

use http::{Method, Request};
use tokio::runtime::Handle;

use super::Upstreams;
use super::member::Member;
use super::outgoing::Outgoing;

/// How often unused connections are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// A check that takes longer is a bad one, whatever the route's requests may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Begins the tasks, which end when `upstreams` is dropped.
pub(super) fn begin(upstreams: &Arc<Upstreams>, runtime: &Handle) {
    runtime.spawn(sweep(Arc::downgrade(upstreams)));
    let Some(path) = &upstreams.settings.health_path else { return };
    let every = upstreams.settings.health_every.max(Duration::from_millis(10));
    // One task each: an upstream that does not answer delays no other's check.
    for index in 0..upstreams.members.len() {
        runtime.spawn(check(Arc::downgrade(upstreams), index, path.clone(), every));
    }
}

async fn sweep(upstreams: Weak<Upstreams>) {
    loop {
        tokio::time::sleep(SWEEP_EVERY).await;
        let Some(upstreams) = upstreams.upgrade() else { return };
        for member in &upstreams.members {
            member.host.sweep();
        }
    }
}

async fn check(upstreams: Weak<Upstreams>, index: usize, path: String, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        let Some((member, patience)) = upstreams.upgrade().and_then(|upstreams| {
            let member = upstreams.members.get(index)?.clone();
            Some((member, upstreams.settings.first_byte.min(PATIENCE)))
        }) else {
            return;
        };
        // It holds the upstream and not the route's whole set, so that a check cannot keep that alive.
        let well = tokio::time::timeout(patience, ask(&member, &path, patience)).await.unwrap_or(false);
        if member.health.checked(well) {
            if well {
                tracing::info!(upstream = %member.name, "an upstream is well again");
            } else {
                tracing::warn!(upstream = %member.name, "an upstream fails its health checks and gets no more requests");
            }
        }
    }
}

/// Whether the upstream answers with 2xx.
async fn ask(member: &Arc<Member>, path: &str, patience: Duration) -> bool {
    let request = Request::builder().method(Method::GET).uri(path).header("user-agent", "usher-health");
    let Ok(request) = request.body(Outgoing::Empty) else { return false };
    let Ok(exchanged) = super::send::exchange(member, request, patience).await else { return false };
    let (response, source) = exchanged;
    let well = response.status().is_success();
    super::guard::discard(member, response.into_body(), source);
    well
}
