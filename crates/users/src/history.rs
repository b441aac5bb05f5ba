//! What has happened to an account, as the ledger has it.

use kernel::{Kind, SessionId, Timestamp, UserId};
use serde::Deserialize;
use serde_json::{Map, Value};
use storage::{Connection, Error, Result, ledger};

/// One thing that happened to an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryEntry {
    /// Its number in the ledger.
    pub index: i64,
    /// What happened: the name of a [`kernel::Kind`], or one that a newer program has written.
    pub kind: String,
    /// When.
    pub at: Timestamp,
    /// Who did it; nobody for what a command or the time did, and for people who were not signed in.
    pub actor: Option<UserId>,
    /// The session that it happened in or to.
    pub session: Option<SessionId>,
    /// What else is known.
    pub facts: Facts,
}

/// What events say beside what happened, to whom and when. Each is of some kinds only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Why, as an operator wrote it.
    pub reason: Option<String>,
    /// Until when a suspension lasts.
    pub until: Option<Timestamp>,
    /// The roles before.
    pub before: Vec<String>,
    /// The roles after.
    pub after: Vec<String>,
    /// Which fields were changed.
    pub fields: Vec<String>,
}

/// The part of an event that is shown. The kind is a text here: an entry of a newer program is shown too.
#[derive(Deserialize)]
struct Body {
    kind: String,
    at: Timestamp,
    actor: Option<UserId>,
    session: Option<SessionId>,
    #[serde(default)]
    data: Map<String, Value>,
}

impl Facts {
    fn read(data: &Map<String, Value>) -> Self {
        let text = |name: &str| data.get(name).and_then(Value::as_str);
        let list = |name: &str| {
            let items = data.get(name).and_then(Value::as_array);
            items.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        Self {
            reason: text("reason").filter(|reason| !reason.is_empty()).map(str::to_owned),
            until: data.get("until").and_then(|until| Timestamp::deserialize(until).ok()),
            before: list("before"),
            after: list("after"),
            fields: list("fields"),
        }
    }
}

/// What happened to this account, newest first, `limit` entries of those numbered below `before`. On
/// PostgreSQL an event gets its number a moment after its commit, and is seen then.
pub async fn of_account(
    on: &mut impl Connection,
    user: UserId,
    before: Option<i64>,
    limit: u32,
) -> Result<Vec<HistoryEntry>> {
    let found = ledger::about(on, user, before, i64::from(limit)).await?;
    found.into_iter().map(|(index, body)| read(index, &body)).collect()
}

/// What of these kinds happened among the newest `look_back` entries of the ledger, newest first, each with
/// whom it is about.
pub async fn recent(
    on: &mut impl Connection,
    kinds: &[Kind],
    look_back: i64,
) -> Result<Vec<(Option<UserId>, HistoryEntry)>> {
    let newest = ledger::newest(on).await?;
    let found = ledger::after(on, (newest - look_back).max(0), look_back).await?;
    let mut recent = Vec::new();
    for (index, body) in found.iter().rev() {
        let entry = read(*index, body)?;
        if kinds.iter().any(|kind| kind.as_str() == entry.kind) {
            let About { subject } = serde_json::from_str(body).map_err(broken)?;
            recent.push((subject, entry));
        }
    }
    Ok(recent)
}

/// Whom an event is about.
#[derive(Deserialize)]
struct About {
    subject: Option<UserId>,
}

fn broken(error: serde_json::Error) -> Error {
    Error::Broken(sqlx::Error::Decode(error.into()))
}

fn read(index: i64, body: &str) -> Result<HistoryEntry> {
    let Body { kind, at, actor, session, data } = serde_json::from_str(body).map_err(broken)?;
    Ok(HistoryEntry { index, kind, at, actor, session, facts: Facts::read(&data) })
}

#[cfg(test)]
mod tests {
    use kernel::Event;

    use super::*;

    #[test]
    fn facts_are_read_and_what_is_not_known_is_left_out() {
        let now = Timestamp::from_unix_seconds(1_795_000_000);
        let event = Event::new(Kind::AccountSuspended, now)
            .about(UserId::new(now))
            .with("reason", "Spam")
            .with("until", now.plus_seconds(60).to_string())
            .with("of_tomorrow", 1);
        let entry = read(7, &serde_json::to_string(&event).unwrap()).unwrap();
        assert_eq!((entry.index, entry.kind.as_str(), entry.at, entry.actor), (7, "account.suspended", now, None));
        let facts = Facts { reason: Some("Spam".into()), until: Some(now.plus_seconds(60)), ..Facts::default() };
        assert_eq!(entry.facts, facts);
        let text = serde_json::to_string(&event).unwrap().replace("account.suspended", "account.of_tomorrow");
        assert_eq!(read(8, &text).unwrap().kind, "account.of_tomorrow");
        assert!(read(9, "{}").is_err());
    }
}
