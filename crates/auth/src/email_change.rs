//! The record of addresses that people asked to have: all SQL that touches `email_changes`.

use kernel::id::LinkId;
use kernel::{SessionId, Timestamp, UserId};
use storage::{Connection, Result, Tx, execute, fetch_optional};

/// A change that is waited for.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct EmailChange {
    pub(crate) id: LinkId,
    pub(crate) user_id: UserId,
    pub(crate) session_id: SessionId,
    pub(crate) email: String,
    pub(crate) expires_at: Timestamp,
}

/// Keeps what somebody asked for; what the same account asked for before does not count any more.
pub(crate) async fn insert(tx: &mut Tx, change: &EmailChange, now: Timestamp) -> Result<()> {
    remove_all(tx, change.user_id).await?;
    execute!(
        tx,
        "INSERT INTO email_changes (id, user_id, session_id, email, previous, created_at, expires_at, used_at)
         VALUES ($1, $2, $3, $4, NULL, $5, $6, NULL)",
        change.id,
        change.user_id,
        change.session_id,
        change.email.as_str(),
        now,
        change.expires_at
    )?;
    Ok(())
}

/// The change of this id, if it is still waited for.
pub(crate) async fn find(on: &mut impl Connection, id: LinkId, now: Timestamp) -> Result<Option<EmailChange>> {
    fetch_optional!(
        on,
        "SELECT id, user_id, session_id, email, expires_at FROM email_changes
         WHERE id = $1 AND used_at IS NULL AND expires_at > $2",
        id,
        now
    )
}

/// The change that this account waits for.
pub(crate) async fn pending(on: &mut impl Connection, user: UserId, now: Timestamp) -> Result<Option<EmailChange>> {
    fetch_optional!(
        on,
        "SELECT id, user_id, session_id, email, expires_at FROM email_changes
         WHERE user_id = $1 AND used_at IS NULL AND expires_at > $2 ORDER BY id DESC LIMIT 1",
        user,
        now
    )
}

/// Uses the link, once: check and act in one statement. `previous` is the address until now.
pub(crate) async fn consume(tx: &mut Tx, id: LinkId, previous: &str, now: Timestamp) -> Result<bool> {
    let used = execute!(
        tx,
        "UPDATE email_changes SET used_at = $1, previous = $2 WHERE id = $3 AND used_at IS NULL AND expires_at > $1",
        now,
        previous,
        id
    )?;
    Ok(used == 1)
}

/// Forgets all that an account asked for.
pub(crate) async fn remove_all(tx: &mut Tx, user: UserId) -> Result<()> {
    execute!(tx, "DELETE FROM email_changes WHERE user_id = $1", user)?;
    Ok(())
}

/// Removes what expired before then, at most `limit`. How much it was.
pub(crate) async fn sweep(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64> {
    execute!(
        tx,
        "DELETE FROM email_changes WHERE id IN (
             SELECT id FROM email_changes WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)",
        before,
        limit
    )
}
