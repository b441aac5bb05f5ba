//! Keeps the keys: at the start, every few minutes, and when something says that they changed.

use std::sync::Arc;

use tokio::time::{Instant, sleep, sleep_until};

use super::backoff::Backoff;
use super::{Shared, Trouble};
use crate::stats::count;

/// Never ends.
///
/// Whoever sends tokens can make up as many unknown keys as they like. All of them together cause
/// one fetch a minute, and no token waits for it: the fetch is for the tokens that come after.
pub(super) async fn keep_fetching(shared: Arc<Shared>) {
    let timing = shared.settings.timing;
    let mut backoff = Backoff::new(timing.wait, timing.longest_wait);
    let mut unknown_key_from = Instant::now();
    let mut failures = 0;
    loop {
        let pause = match fetch(&shared).await {
            Ok(()) => {
                backoff.reset();
                failures = 0;
                timing.keys
            }
            Err(trouble) => {
                shared.trouble(trouble);
                unknown_key_from = Instant::now() + timing.unknown_key;
                shared.client.pass_keys();
                failures += 1;
                // There are good keys, and those that were taken back are known from the feed. But no
                // minute is waited before every address was asked once.
                let all_failed = failures % shared.client.addresses() == 0;
                if all_failed && shared.verifier.keys.are_known() { timing.unknown_key } else { backoff.next() }
            }
        };
        let earliest = Instant::now() + timing.keys_at_least;
        let changed = async {
            sleep_until(earliest).await;
            shared.keys_changed.notified().await;
        };
        // A key that is seen during the pause is not forgotten: it causes the fetch after it.
        let unknown_key = async {
            sleep_until(unknown_key_from.max(earliest)).await;
            shared.verifier.unknown_key_seen.notified().await;
        };
        tokio::select! {
            () = sleep(pause) => {}
            () = changed => {}
            () = unknown_key => unknown_key_from = Instant::now() + timing.unknown_key,
        }
    }
}

/// Whatever goes wrong here, the keys from before stay.
async fn fetch(shared: &Shared) -> Result<(), Trouble> {
    let counters = &shared.verifier.counters;
    let fetched = match shared.client.keys().await {
        Ok(document) => shared.verifier.set_keys(&document).map_err(Trouble::KeysNotTaken),
        Err(failed) => Err(Trouble::KeysNotFetched(failed)),
    };
    count(if fetched.is_ok() { &counters.key_fetches } else { &counters.key_fetches_failed });
    shared.look_whether_ready();
    fetched
}
