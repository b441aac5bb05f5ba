//! The access log: one line a request, in the field names of the Elastic Common Schema, or short
//! for people. Never a query, a token or an address of e-mail.
//!
//! A line is written to a buffer in memory; a thread empties it. If the reader of the log is slower
//! than the requests are, lines are dropped and counted rather than kept without bound.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use axum::http::header::HOST;
use axum::http::{Method, Request};
use kernel::{Timestamp, UserId};

use crate::digits;
use crate::gateway::cut;
use crate::trace::Trace;

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Human,
    /// ECS, as JSON.
    Json,
}

/// At most this much waits to be written, in bytes.
const BUFFER: usize = 4 << 20;
/// How long a line waits for others at most.
const LINGER: Duration = Duration::from_millis(50);

/// Where the lines go: standard output. Cheap to clone.
#[derive(Clone)]
pub struct AccessLog {
    format: LogFormat,
    sample: u32,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    buffer: Mutex<Buffer>,
    filled: Condvar,
    /// Counts what went well, for sampling.
    count: AtomicU32,
}

#[derive(Default)]
struct Buffer {
    text: String,
    dropped: u64,
    /// The second that `stamp` is for: most lines share it.
    second: i64,
    stamp: String,
}

/// What is known of a request.
pub(crate) struct Entry {
    method: Method,
    path: String,
    host: String,
    id: String,
    client: IpAddr,
    trace: Trace,
    pub(crate) route: &'static str,
    pub(crate) user: Option<UserId>,
    pub(crate) refused: Option<&'static str>,
    pub(crate) upstream: Option<UpstreamEntry>,
}

/// What is known of an upstream's part in it.
pub(crate) struct UpstreamEntry {
    pub(crate) address: Arc<str>,
    /// Until its answer began.
    pub(crate) first_byte: Duration,
    pub(crate) attempts: u8,
}

/// How a request ended.
#[derive(Clone, Copy)]
pub(crate) struct Ending {
    pub(crate) status: u16,
    pub(crate) took: Duration,
    /// Bytes of the answer's body.
    pub(crate) bytes: u64,
}

impl Entry {
    pub(crate) fn begin<B>(request: &Request<B>, id: &str, client: IpAddr, trace: Trace) -> Self {
        let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
        let host = host.or_else(|| request.uri().host()).unwrap_or_default();
        let host = crate::asked::plain_host(host).unwrap_or(std::borrow::Cow::Borrowed(host));
        Self {
            method: request.method().clone(),
            path: cut(request.uri().path()).to_owned(),
            host: cut(&host).to_owned(),
            id: id.to_owned(),
            client,
            trace,
            route: "none",
            user: None,
            refused: None,
            upstream: None,
        }
    }
}

impl AccessLog {
    /// Starts the log on standard output. Of the requests that went well one in `sample` is written;
    /// of the others, each.
    pub fn start(format: LogFormat, sample: u32) -> Self {
        let shared = Arc::new(Shared::default());
        let writer = shared.clone();
        let spawned = std::thread::Builder::new().name("access-log".into()).spawn(move || write_out(&writer));
        if let Err(error) = spawned {
            tracing::error!(%error, "the access log could not be started");
        }
        Self { format, sample: sample.max(1), shared }
    }

    pub(crate) fn write(&self, entry: &Entry, ending: Ending, now: Timestamp) {
        if entry.refused.is_none() && ending.status < 500 && self.sample > 1 {
            let number = self.shared.count.fetch_add(1, Ordering::Relaxed);
            if !number.is_multiple_of(self.sample) {
                return;
            }
        }
        let mut buffer = self.shared.buffer.lock().unwrap_or_else(PoisonError::into_inner);
        if buffer.text.len() > BUFFER {
            buffer.dropped += 1;
            return;
        }
        let was_empty = buffer.text.is_empty();
        buffer.set_second(now);
        let Buffer { text, stamp, .. } = &mut *buffer;
        match self.format {
            LogFormat::Human => human(text, stamp, entry, ending),
            LogFormat::Json => {
                // Less than a million, so it is no negative number.
                let micros = now.unix_micros().rem_euclid(1_000_000).unsigned_abs();
                json(text, stamp, micros, entry, ending);
            }
        }
        drop(buffer);
        if was_empty {
            self.shared.filled.notify_one();
        }
    }

    /// Writes out what waits, before the process ends.
    pub fn flush(&self) {
        let text = std::mem::take(&mut self.shared.buffer.lock().unwrap_or_else(PoisonError::into_inner).text);
        print(&text);
    }
}

impl Buffer {
    fn set_second(&mut self, now: Timestamp) {
        let second = now.unix_seconds();
        if second != self.second || self.stamp.is_empty() {
            self.second = second;
            self.stamp.clear();
            let whole = Timestamp::from_unix_seconds(second).to_string();
            self.stamp.push_str(whole.trim_end_matches('Z'));
        }
    }
}

fn human(text: &mut String, stamp: &str, entry: &Entry, ending: Ending) {
    let Entry { method, path, id, .. } = entry;
    let millis = ending.took.as_secs_f64() * 1000.0;
    // A String takes whatever is written to it.
    let _ = write!(text, "{stamp}Z  {} {method} {} {millis:.1} ms  {id}", ending.status, path.escape_debug());
    if let Some(refused) = entry.refused {
        push(text, &["  (", refused, ")"]);
    }
    text.push('\n');
}

fn json(text: &mut String, stamp: &str, micros: u64, entry: &Entry, ending: Ending) {
    let Ending { status, took, bytes } = ending;
    let level = if status >= 500 { "error" } else { "info" };
    push(text, &["{\"@timestamp\":\"", stamp, "."]);
    digits::padded(text, micros, 6);
    push(text, &["Z\",\"log.level\":\"", level, "\",\"event.dataset\":\"usher.access\",\"http.request.method\":\""]);
    push(text, &[entry.method.as_str(), "\",\"url.path\":"]);
    quote(text, &entry.path);
    text.push_str(",\"url.domain\":");
    quote(text, &entry.host);
    text.push_str(",\"http.response.status_code\":");
    digits::decimal(text, u64::from(status));
    text.push_str(",\"http.response.body.bytes\":");
    digits::decimal(text, bytes);
    text.push_str(",\"event.duration\":");
    digits::decimal(text, nanos(took));
    text.push_str(",\"client.ip\":\"");
    digits::address(text, entry.client);
    push(text, &["\",\"http.request.id\":\"", &entry.id, "\",\"trace.id\":\""]);
    entry.trace.write_id(text);
    push(text, &["\",\"usher.route\":\"", entry.route, "\""]);
    if let Some(user) = entry.user {
        // A String takes whatever is written to it.
        let _ = write!(text, r#","user.id":"{user}""#);
    }
    if let Some(upstream) = &entry.upstream {
        push(text, &[",\"usher.upstream.address\":\"", &upstream.address, "\",\"usher.upstream.duration\":"]);
        digits::decimal(text, nanos(upstream.first_byte));
        text.push_str(",\"usher.upstream.attempts\":");
        digits::decimal(text, u64::from(upstream.attempts));
    }
    match entry.refused {
        Some(refused) => push(text, &[",\"usher.decision\":\"refused\",\"event.reason\":\"", refused, "\""]),
        None => text.push_str(",\"usher.decision\":\"allowed\""),
    }
    text.push_str(",\"ecs.version\":\"8.11\"}\n");
}

fn push(text: &mut String, parts: &[&str]) {
    for part in parts {
        text.push_str(part);
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// As a JSON string. Nearly every path is plain, and then it is only copied.
fn quote(text: &mut String, value: &str) {
    if value.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\') {
        text.push('"');
        text.push_str(value);
        text.push('"');
    } else {
        text.push_str(&serde_json::to_string(value).unwrap_or_else(|_| "\"\"".into()));
    }
}

fn write_out(shared: &Shared) {
    // Written and emptied, it is filled again: to grow a new one each time would copy what is in it.
    let mut text = String::new();
    loop {
        let mut buffer = shared.buffer.lock().unwrap_or_else(PoisonError::into_inner);
        while buffer.text.is_empty() {
            buffer = shared.filled.wait(buffer).unwrap_or_else(PoisonError::into_inner);
        }
        drop(buffer);
        std::thread::sleep(LINGER);
        let mut buffer = shared.buffer.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut buffer.text, &mut text);
        let dropped = std::mem::take(&mut buffer.dropped);
        drop(buffer);
        print(&text);
        // What a burst needed is given back when it is over.
        text.shrink_to(4 * text.len());
        text.clear();
        if dropped > 0 {
            tracing::warn!(dropped, "access log lines were dropped: its reader is too slow");
        }
    }
}

fn print(text: &str) {
    // If nobody reads standard output any more there is nobody to tell either.
    let _ = std::io::stdout().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i9_a_line_is_one_line_of_json_whatever_the_path_holds() {
        let path = "/a\u{2028}\u{1b}[31m\"\\";
        let entry = Entry {
            method: Method::GET,
            path: path.into(),
            id: "7K3M-9QXP-B2TD".into(),
            host: "a\"b".into(),
            client: "192.0.2.1".parse().unwrap(),
            trace: crate::trace::Traces::new().begin(&axum::http::HeaderMap::new(), false),
            route: "pages",
            user: None,
            refused: Some("expired"),
            upstream: Some(UpstreamEntry {
                address: "http://127.0.0.1:9000".into(),
                first_byte: Duration::from_micros(3),
                attempts: 1,
            }),
        };
        let ending = Ending { status: 200, took: Duration::from_micros(7), bytes: 12 };
        let mut text = String::new();
        json(&mut text, "2026-11-22T08:00:00", 42, &entry, ending);
        assert_eq!(text.lines().count(), 1);
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["url.path"], path);
        assert_eq!(line["event.duration"], 7000);
        assert_eq!(line["url.domain"], "a\"b");
        assert_eq!(line["usher.upstream.duration"], 3000);
        assert_eq!(line["usher.decision"], "refused");
        assert_eq!(line["@timestamp"], "2026-11-22T08:00:00.000042Z");
    }
}
