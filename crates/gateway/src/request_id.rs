//! Ids of requests: short enough to read out on the telephone, `7K3M-9QXP-B2TD`.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::HeaderMap;

tokio::task_local! {
    /// The id of the request that this task is answering.
    pub(crate) static CURRENT: String;
}

/// The id of the request that is being answered here, for whoever writes a log line about it.
pub fn current_request_id() -> Option<String> {
    CURRENT.try_with(Clone::clone).ok()
}

/// Crockford's base 32: no I, L, O, U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Gives out ids that are all different within a process, and by chance between processes.
pub(crate) struct RequestIds {
    next: AtomicU64,
}

impl RequestIds {
    pub(crate) fn new() -> Self {
        Self { next: AtomicU64::new(u64::from_le_bytes(kernel::secret::random_bytes())) }
    }

    /// The id of a request: the one that a trusted proxy of ours gave it already, or a new one.
    pub(crate) fn take(&self, headers: &HeaderMap, from_trusted: bool) -> String {
        let given = || headers.get("x-request-id").and_then(|value| value.to_str().ok()).filter(|id| is_id(id));
        if from_trusted { given().map_or_else(|| self.next(), str::to_owned) } else { self.next() }
    }

    pub(crate) fn next(&self) -> String {
        let mut bits = scramble(self.next.fetch_add(1, Ordering::Relaxed));
        let mut id = String::with_capacity(14);
        for position in 0..12 {
            if position == 4 || position == 8 {
                id.push('-');
            }
            id.push(char::from(ALPHABET[(bits & 31) as usize]));
            bits >>= 5;
        }
        id
    }
}

/// Whether this is an id of ours.
fn is_id(text: &str) -> bool {
    text.len() == 14
        && text
            .bytes()
            .enumerate()
            .all(|(at, byte)| if at == 4 || at == 9 { byte == b'-' } else { ALPHABET.contains(&byte) })
}

/// A permutation of 64 bits (the finalizer of `SplitMix64`), so that neighbours look nothing alike.
pub(crate) const fn scramble(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_and_have_their_form() {
        let ids = RequestIds::new();
        let many: std::collections::HashSet<String> = (0..10_000).map(|_| ids.next()).collect();
        assert_eq!(many.len(), 10_000);
        assert!(many.iter().all(|id| is_id(id)));
    }
}
