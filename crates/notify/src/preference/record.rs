//! The record of what people have chosen: all SQL that touches `notification_preferences`.

use std::collections::BTreeMap;

use kernel::{Timestamp, UserId};
use storage::{Connection, Result, Tx, execute, fetch_optional};

use super::{DIGEST_HOUR, Digest, Preferences, QuietHours};
use crate::among::fetch_among;

/// How many people one statement asks about.
const PIECE: usize = 200;

#[derive(sqlx::FromRow)]
struct Row {
    user_id: UserId,
    choices: String,
    quiet_from: Option<i64>,
    quiet_to: Option<i64>,
    digest: String,
    digest_hour: i64,
}

impl From<Row> for Preferences {
    fn from(row: Row) -> Self {
        let quiet = row.quiet_from.zip(row.quiet_to);
        Self {
            choices: serde_json::from_str(&row.choices).unwrap_or_default(),
            quiet: quiet.and_then(|(from, to)| QuietHours::from_stored(from, to)),
            digest: Digest::parse(&row.digest).unwrap_or_default(),
            digest_hour: i8::try_from(row.digest_hour).unwrap_or(DIGEST_HOUR),
        }
    }
}

/// What somebody has chosen, if they have.
pub(crate) async fn find(on: &mut impl Connection, user: UserId) -> Result<Option<Preferences>> {
    let row: Option<Row> = fetch_optional!(
        on,
        "SELECT user_id, choices, quiet_from, quiet_to, digest, digest_hour FROM notification_preferences
         WHERE user_id = $1",
        user
    )?;
    Ok(row.map(Preferences::from))
}

/// What these people have chosen, of those who have.
pub(super) async fn find_many(on: &mut impl Connection, people: &[UserId]) -> Result<BTreeMap<UserId, Preferences>> {
    let mut all = BTreeMap::new();
    for piece in people.chunks(PIECE) {
        let rows: Vec<Row> = fetch_among!(
            on,
            Row,
            " user_id, choices, quiet_from, quiet_to, digest, digest_hour FROM notification_preferences WHERE user_id",
            piece,
            ""
        )?;
        all.extend(rows.into_iter().map(|row| (row.user_id, Preferences::from(row))));
    }
    Ok(all)
}

/// Writes down what somebody has chosen. The caller has locked the account's row.
pub(super) async fn put(tx: &mut Tx, user: UserId, preferences: &Preferences, now: Timestamp) -> Result<()> {
    let quiet = preferences.quiet.map(QuietHours::to_stored);
    execute!(
        tx,
        "INSERT INTO notification_preferences (user_id, choices, quiet_from, quiet_to, digest, digest_hour, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (user_id) DO UPDATE SET choices = excluded.choices, quiet_from = excluded.quiet_from,
             quiet_to = excluded.quiet_to, digest = excluded.digest, digest_hour = excluded.digest_hour,
             updated_at = excluded.updated_at",
        user,
        serde_json::to_string(&preferences.choices).unwrap_or_default(),
        quiet.map(|(from, _)| from),
        quiet.map(|(_, to)| to),
        preferences.digest.as_str(),
        i64::from(preferences.digest_hour),
        now
    )?;
    Ok(())
}

/// Forgets what somebody has chosen.
pub(crate) async fn remove(tx: &mut Tx, user: UserId) -> Result<()> {
    execute!(tx, "DELETE FROM notification_preferences WHERE user_id = $1", user)?;
    Ok(())
}
