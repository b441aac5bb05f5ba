//! W3C Trace Context: one `traceparent` for each request, ours.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::HeaderMap;

use crate::digits;

/// The trace that a request belongs to, and our part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trace {
    id: u128,
    span: u64,
}

/// Gives out numbers that nobody has to guess: they only have to differ.
pub(crate) struct Traces {
    next: AtomicU64,
    process: u64,
}

impl Traces {
    pub(crate) fn new() -> Self {
        let random = || u64::from_le_bytes(kernel::secret::random_bytes());
        Self { next: AtomicU64::new(random()), process: random() }
    }

    /// The trace of a request: the one that a trusted proxy names, or a new one.
    pub(crate) fn begin(&self, headers: &HeaderMap, from_trusted: bool) -> Trace {
        let span = crate::request_id::scramble(self.next.fetch_add(1, Ordering::Relaxed)).max(1);
        let given = if from_trusted { given(headers) } else { None };
        let new = u128::from(self.process) << 64 | u128::from(span);
        Trace { id: given.unwrap_or(new), span }
    }
}

/// The trace that the headers name (Trace Context §3.2): version 00 and no number all zero.
fn given(headers: &HeaderMap) -> Option<u128> {
    let mut values = headers.get_all("traceparent").iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let mut parts = value.to_str().ok()?.split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    if version != "00" || !is_hex(trace, 32) || !is_hex(parent, 16) || !is_hex(flags, 2) || parts.next().is_some() {
        return None;
    }
    u128::from_str_radix(trace, 16).ok().filter(|id| *id != 0)
}

impl Trace {
    /// Writes it as `traceparent`.
    pub(crate) fn write(self, text: &mut String) {
        text.push_str("00-");
        self.write_id(text);
        text.push('-');
        digits::hex(text, self.span);
        text.push_str("-01");
    }

    /// Writes the id alone.
    pub(crate) fn write_id(self, text: &mut String) {
        let half = |bits: u128| u64::try_from(bits & u128::from(u64::MAX)).unwrap_or(0);
        digits::hex(text, half(self.id >> 64));
        digits::hex(text, half(self.id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(trace: Trace) -> String {
        let mut text = String::new();
        trace.write(&mut text);
        text
    }

    #[test]
    fn a_trace_is_only_taken_from_whom_we_trust() {
        let traces = Traces::new();
        let mut headers = HeaderMap::new();
        headers.insert("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().unwrap());
        let own = traces.begin(&headers, false);
        assert_ne!(own.id, 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
        let followed = traces.begin(&headers, true);
        assert!(written(followed).starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"));
        assert!(!written(followed).contains("00f067aa0ba902b7"));
        assert_eq!(written(own).len(), 55);
        for wrong in ["", "01-4bf9", "00-00000000000000000000000000000000-00f067aa0ba902b7-01", "00-x-y-z"] {
            headers.insert("traceparent", wrong.parse().unwrap());
            assert_eq!(given(&headers), None, "{wrong}");
        }
    }
}
