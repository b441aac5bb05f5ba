//! What a webhook is told of an event: what happened, when, to whom, and facts. It is written from the ledger's entry when
//! it is sent, so a repeat says the same, and no second copy of it is kept.

use kernel::{SessionId, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The facts that are told. What is not listed stays here: texts that people wrote (why an account was suspended), and
/// whatever is sealed because it is about a person. A fact that a new event brings is told when it is added here.
const TOLD: [&str; 42] = [
    "accounts",
    "action",
    "after",
    "alg",
    "amr",
    "at",
    "before",
    "by_session",
    "change",
    "delivery",
    "done",
    "expires_at",
    "failed",
    "failures",
    "fields",
    "filtered",
    "given_up",
    "id",
    "imported",
    "includes",
    "includes_added",
    "includes_removed",
    "job",
    "kid",
    "kind",
    "name",
    "new_device",
    "permissions",
    "permissions_added",
    "permissions_removed",
    "receiver",
    "refused",
    "role",
    "roles",
    "sessions",
    "signs_now",
    "skipped",
    "source",
    "status",
    "stream",
    "until",
    "webhook",
];

/// The part of a ledger entry that is told. The kind is a text: an entry of a newer program is told too.
#[derive(Deserialize)]
struct Entry {
    id: String,
    kind: String,
    at: Timestamp,
    actor: Option<UserId>,
    subject: Option<UserId>,
    session: Option<SessionId>,
    #[serde(default)]
    data: Map<String, Value>,
}

/// The body, in the order in which it is written.
#[derive(Serialize)]
struct Body {
    id: String,
    kind: String,
    time: Timestamp,
    ledger: i64,
    subject: Option<UserId>,
    actor: Option<UserId>,
    session: Option<SessionId>,
    facts: Map<String, Value>,
}

/// The body that tells of this entry of the ledger.
pub(super) fn body(index: i64, entry: &str) -> Result<String, serde_json::Error> {
    let Entry { id, kind, at, actor, subject, session, data } = serde_json::from_str(entry)?;
    let facts = data.into_iter().filter(|(name, _)| TOLD.contains(&name.as_str())).collect();
    serde_json::to_string(&Body { id, kind, time: at, ledger: index, subject, actor, session, facts })
}

#[cfg(test)]
mod tests {
    use kernel::{Event, Kind};
    use serde_json::json;

    use super::*;

    #[test]
    fn what_people_wrote_and_what_is_sealed_is_not_told() {
        let now = Timestamp::from_unix_seconds(1_795_000_000);
        let user = UserId::new(now);
        let event = Event::new(Kind::AccountSuspended, now)
            .about(user)
            .with("reason", "Ann Smith of 12 High Street called")
            .with("email_sealed", "AAAA")
            .with("of_tomorrow", 1)
            .with("until", now.plus_seconds(60).to_string());
        let text = body(1042, &serde_json::to_string(&event).unwrap()).unwrap();
        let told: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            told,
            json!({
                "id": event.id, "kind": "account.suspended", "time": now, "ledger": 1042, "subject": user,
                "actor": null, "session": null, "facts": {"until": now.plus_seconds(60).to_string()},
            })
        );
        let of_tomorrow = serde_json::to_string(&event).unwrap().replace("account.suspended", "account.of_tomorrow");
        assert!(body(1, &of_tomorrow).unwrap().contains("account.of_tomorrow"));
        assert!(body(1, "{}").is_err());
    }
}
