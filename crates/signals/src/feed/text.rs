//! What the feed says, as server-sent events (HTML §9.2). Each event is written once, however many
//! services listen.

use axum::body::Bytes;
use kernel::Revocation;
use serde::Serialize;
use serde_json::json;
use storage::ledger::Revoking;

/// The events of one ledger entry. Only the last of them has an id, so that whoever was cut off in the
/// middle gets the whole entry again. `previous` is the entry that ended trust before this one: whoever
/// does not know that one has missed something.
pub(super) fn entry(revoking: &Revoking, previous: i64) -> Bytes {
    let Revoking { index, kind: reason, revocation, .. } = revoking;
    let mut text = String::with_capacity(256);
    match revocation {
        Revocation::Subject { subject, epoch } => {
            let data = json!({
                "index": index, "previous": previous, "subject": subject, "epoch": epoch, "reason": reason,
            });
            event(&mut text, "revoked", Some(*index), &data);
        }
        Revocation::Sessions { subject, sessions } => {
            for (at, session) in sessions.iter().enumerate() {
                let data = json!({
                    "index": index, "previous": previous, "subject": subject, "session": session, "reason": reason,
                });
                let is_last = at + 1 == sessions.len();
                event(&mut text, "revoked", is_last.then_some(*index), &data);
            }
        }
        Revocation::Key { kid } => {
            let data = json!({ "index": index, "previous": previous, "withdrawn": [kid], "reason": reason });
            event(&mut text, "keys", Some(*index), &data);
        }
    }
    Bytes::from(text)
}

/// The key set has changed.
pub(super) fn keys_changed() -> Bytes {
    let mut text = String::new();
    event(&mut text, "keys", None, &json!({ "withdrawn": [] }));
    Bytes::from(text)
}

/// Something to hear every few seconds, with how far the feed has read. An id alone moves a client's
/// place without being an event.
pub(super) fn heartbeat(index: i64) -> Bytes {
    Bytes::from(format!(":\nid: {index}\n\n"))
}

#[derive(Serialize)]
pub(super) struct SnapshotPart {
    pub(super) index: i64,
    pub(super) last: bool,
    pub(super) access_seconds: u32,
    pub(super) subjects: Vec<SubjectPart>,
    pub(super) sessions: Vec<String>,
    pub(super) keys: Vec<String>,
}

#[derive(Serialize)]
pub(super) struct SubjectPart {
    pub(super) subject: String,
    pub(super) epoch: i64,
}

/// One part of a snapshot. Only the last has an id.
pub(super) fn snapshot(part: &SnapshotPart) -> Bytes {
    let mut text = String::new();
    let data = serde_json::to_value(part).unwrap_or_default();
    event(&mut text, "snapshot", part.last.then_some(part.index), &data);
    Bytes::from(text)
}

fn event(text: &mut String, name: &str, id: Option<i64>, data: &serde_json::Value) {
    use std::fmt::Write as _;
    // Writing to a String cannot fail, and JSON has no line breaks of its own.
    let _ = writeln!(text, "event: {name}");
    if let Some(id) = id {
        let _ = writeln!(text, "id: {id}");
    }
    let _ = write!(text, "data: {data}\n\n");
}
