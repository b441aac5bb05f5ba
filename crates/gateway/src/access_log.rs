//! The access log: one line a request, in the field names of the Elastic Common Schema, or short
//! for people. Never a query, a token or an address of e-mail.
//!
//! A line is written to a buffer in memory; a thread empties it. If the reader of the log is slower
//! than the requests are, lines are dropped and counted rather than kept without bound.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::IpAddr;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use axum::http::{Method, Request};
use kernel::{Timestamp, UserId};

use crate::gateway::cut;

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
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    buffer: Mutex<Buffer>,
    filled: Condvar,
}

#[derive(Default)]
struct Buffer {
    text: String,
    dropped: u64,
    /// The second that `stamp` is for: most lines share it.
    second: i64,
    stamp: String,
}

/// What is known of a request before its answer.
pub(crate) struct Entry {
    method: Method,
    path: String,
    id: String,
    client: IpAddr,
    route: &'static str,
    pub(crate) user: Option<UserId>,
    pub(crate) refused: Option<&'static str>,
}

impl Entry {
    pub(crate) fn begin<B>(request: &Request<B>, id: &str, client: IpAddr, route: &'static str) -> Self {
        Self {
            method: request.method().clone(),
            path: cut(request.uri().path()).to_owned(),
            id: id.to_owned(),
            client,
            route,
            user: None,
            refused: None,
        }
    }
}

impl AccessLog {
    /// Starts the log on standard output.
    pub fn start(format: LogFormat) -> Self {
        let shared = Arc::new(Shared::default());
        let writer = shared.clone();
        let spawned = std::thread::Builder::new().name("access-log".into()).spawn(move || write_out(&writer));
        if let Err(error) = spawned {
            tracing::error!(%error, "the access log could not be started");
        }
        Self { format, shared }
    }

    pub(crate) fn write(&self, entry: &Entry, status: u16, took: Duration, now: Timestamp) {
        let mut buffer = self.shared.buffer.lock().unwrap_or_else(PoisonError::into_inner);
        if buffer.text.len() > BUFFER {
            buffer.dropped += 1;
            return;
        }
        let was_empty = buffer.text.is_empty();
        buffer.set_second(now);
        let Buffer { text, stamp, .. } = &mut *buffer;
        let micros = now.unix_micros().rem_euclid(1_000_000);
        let written = match self.format {
            LogFormat::Human => human(text, stamp, entry, status, took),
            LogFormat::Json => json(text, stamp, micros, entry, status, took),
        };
        if written.is_err() {
            buffer.dropped += 1;
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

fn human(text: &mut String, stamp: &str, entry: &Entry, status: u16, took: Duration) -> std::fmt::Result {
    let Entry { method, path, id, .. } = entry;
    let millis = took.as_secs_f64() * 1000.0;
    write!(text, "{stamp}Z  {status} {method} {} {millis:.1} ms  {id}", path.escape_debug())?;
    if let Some(refused) = entry.refused {
        write!(text, "  ({refused})")?;
    }
    text.write_char('\n')
}

fn json(text: &mut String, stamp: &str, micros: i64, entry: &Entry, status: u16, took: Duration) -> std::fmt::Result {
    let level = if status >= 500 { "error" } else { "info" };
    write!(text, r#"{{"@timestamp":"{stamp}.{micros:06}Z","log.level":"{level}","event.dataset":"usher.access""#)?;
    write!(text, r#","http.request.method":"{}","url.path":"#, entry.method)?;
    text.push_str(&serde_json::to_string(&entry.path).unwrap_or_default());
    write!(
        text,
        r#","http.response.status_code":{status},"event.duration":{},"client.ip":"{}","http.request.id":"{}","usher.route":"{}""#,
        took.as_nanos(),
        entry.client,
        entry.id,
        entry.route
    )?;
    if let Some(user) = entry.user {
        write!(text, r#","user.id":"{user}""#)?;
    }
    if let Some(refused) = entry.refused {
        write!(text, r#","event.reason":"{refused}""#)?;
    }
    text.push_str(",\"ecs.version\":\"8.11\"}\n");
    Ok(())
}

fn write_out(shared: &Shared) {
    loop {
        let mut buffer = shared.buffer.lock().unwrap_or_else(PoisonError::into_inner);
        while buffer.text.is_empty() {
            buffer = shared.filled.wait(buffer).unwrap_or_else(PoisonError::into_inner);
        }
        drop(buffer);
        std::thread::sleep(LINGER);
        let mut buffer = shared.buffer.lock().unwrap_or_else(PoisonError::into_inner);
        let text = std::mem::take(&mut buffer.text);
        let dropped = std::mem::take(&mut buffer.dropped);
        drop(buffer);
        print(&text);
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
            client: "192.0.2.1".parse().unwrap(),
            route: "pages",
            user: None,
            refused: Some("expired"),
        };
        let mut text = String::new();
        json(&mut text, "2026-11-22T08:00:00", 42, &entry, 200, Duration::from_micros(7)).unwrap();
        assert_eq!(text.lines().count(), 1);
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["url.path"], path);
        assert_eq!(line["event.duration"], 7000);
        assert_eq!(line["@timestamp"], "2026-11-22T08:00:00.000042Z");
    }
}
