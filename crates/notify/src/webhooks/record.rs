//! A webhook, and all SQL that touches `webhooks`.

use kernel::Timestamp;
use kernel::id::WebhookId;
use storage::{Connection, Result, Tx, execute, fetch_all, fetch_one, fetch_optional};

use super::wanted::WantedKinds;

/// Whether a webhook is told anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It is told what happens.
    Active,
    /// What happens is kept for it.
    Paused,
    /// Nothing is kept for it: it said that it is gone.
    Off,
}

impl Status {
    /// Its name in the database and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Off => "off",
        }
    }

    /// What cannot be read counts as off: nothing leaves for what is not understood.
    fn from_stored(text: &str) -> Self {
        [Self::Active, Self::Paused].into_iter().find(|status| status.as_str() == text).unwrap_or(Self::Off)
    }
}

/// A webhook, without its secrets.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// Its id.
    pub id: WebhookId,
    /// What it is called.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// What it wants.
    pub kinds: WantedKinds,
    /// Whether it is told anything.
    pub status: Status,
    /// Why it was paused or switched off, where nobody did it by hand.
    pub reason: Option<String>,
    /// Until when the secret before signs as well.
    pub previous_until: Option<Timestamp>,
    /// Failures in a row.
    pub failures: i64,
    /// Since when.
    pub failing_since: Option<Timestamp>,
    /// Why the last.
    pub failure: Option<String>,
    /// Until then it is left alone.
    pub retry_at: Option<Timestamp>,
    /// When it took something last, within a minute.
    pub taken_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When somebody changed it last.
    pub updated_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: WebhookId,
    name: String,
    url: String,
    kinds: Option<String>,
    status: String,
    reason: Option<String>,
    previous_until: Option<Timestamp>,
    failures: i64,
    failing_since: Option<Timestamp>,
    failure: Option<String>,
    retry_at: Option<Timestamp>,
    taken_at: Option<Timestamp>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<Row> for Webhook {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            name: row.name,
            url: row.url,
            kinds: WantedKinds::from_stored(row.kinds.as_deref()),
            status: Status::from_stored(&row.status),
            reason: row.reason,
            previous_until: row.previous_until,
            failures: row.failures,
            failing_since: row.failing_since,
            failure: row.failure,
            retry_at: row.retry_at,
            taken_at: row.taken_at,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// A webhook to be written down.
pub(super) struct New<'a> {
    pub(super) id: WebhookId,
    pub(super) name: &'a str,
    pub(super) url: &'a str,
    pub(super) kinds: &'a WantedKinds,
    pub(super) secret: &'a [u8],
    pub(super) begins_after: i64,
}

/// Adds a webhook, unless there is one of this name. Whether it was added.
pub(super) async fn insert(tx: &mut Tx, new: &New<'_>, now: Timestamp) -> Result<bool> {
    let inserted = execute!(
        tx,
        "INSERT INTO webhooks (id, name, url, kinds, status, secret_sealed, begins_after, failures, created_at,
             updated_at)
         VALUES ($1, $2, $3, $4, 'active', $5, $6, 0, $7, $7) ON CONFLICT DO NOTHING",
        new.id,
        new.name,
        new.url,
        new.kinds.stored(),
        new.secret,
        new.begins_after,
        now
    )?;
    Ok(inserted == 1)
}

#[derive(sqlx::FromRow)]
struct Count {
    count: i64,
}

/// How many there are.
pub(super) async fn count(on: &mut impl Connection) -> Result<i64> {
    let row: Count = fetch_one!(on, "SELECT COUNT(*) AS count FROM webhooks WHERE status <> 'removed'")?;
    Ok(row.count)
}

/// All of them, in alphabetical order. There are few: an operator made each.
pub(super) async fn list(on: &mut impl Connection) -> Result<Vec<Webhook>> {
    let rows: Vec<Row> = fetch_all!(
        on,
        "SELECT id, name, url, kinds, status, reason, previous_until, failures, failing_since, failure, retry_at,
             taken_at, created_at, updated_at
         FROM webhooks WHERE status <> 'removed' ORDER BY name LIMIT 1000"
    )?;
    Ok(rows.into_iter().map(Webhook::from).collect())
}

/// One of them.
pub(super) async fn find(on: &mut impl Connection, id: WebhookId) -> Result<Option<Webhook>> {
    let row: Option<Row> = fetch_optional!(
        on,
        "SELECT id, name, url, kinds, status, reason, previous_until, failures, failing_since, failure, retry_at,
             taken_at, created_at, updated_at
         FROM webhooks WHERE id = $1 AND status <> 'removed'",
        id
    )?;
    Ok(row.map(Webhook::from))
}

#[derive(sqlx::FromRow)]
struct WantsRow {
    id: WebhookId,
    kinds: Option<String>,
    begins_after: i64,
}

/// What a webhook is to be told.
pub(super) struct Wants {
    pub(super) id: WebhookId,
    pub(super) kinds: WantedKinds,
    pub(super) begins_after: i64,
}

/// Those for which something is kept.
pub(super) async fn keeping(on: &mut impl Connection) -> Result<Vec<Wants>> {
    let rows: Vec<WantsRow> = fetch_all!(
        on,
        "SELECT id, kinds, begins_after FROM webhooks WHERE status IN ('active', 'paused') ORDER BY id LIMIT 1000"
    )?;
    let wants = |row: WantsRow| Wants {
        id: row.id,
        kinds: WantedKinds::from_stored(row.kinds.as_deref()),
        begins_after: row.begins_after,
    };
    Ok(rows.into_iter().map(wants).collect())
}

/// A webhook that has something to be told now.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(super) struct Due {
    pub(super) id: WebhookId,
    pub(super) url: String,
    pub(super) secret_sealed: Vec<u8>,
    pub(super) previous_sealed: Option<Vec<u8>>,
    pub(super) previous_until: Option<Timestamp>,
    pub(super) failures: i64,
}

/// The webhooks that may be told something now and have something waiting.
pub(super) async fn due(on: &mut impl Connection, now: Timestamp) -> Result<Vec<Due>> {
    fetch_all!(
        on,
        "SELECT w.id, w.url, w.secret_sealed, w.previous_sealed, w.previous_until, w.failures FROM webhooks w
         WHERE w.status = 'active' AND (w.retry_at IS NULL OR w.retry_at <= $1)
             AND EXISTS (SELECT 1 FROM webhook_deliveries d WHERE d.webhook_id = w.id
                 AND d.state IN ('queued', 'failed') AND d.next_at <= $1
                 AND (d.leased_until IS NULL OR d.leased_until <= $1))
         ORDER BY w.id LIMIT 1000",
        now
    )
}

/// Writes what an operator can change. What failed before counts no more: the change may have mended it.
pub(super) async fn update(
    tx: &mut Tx,
    id: WebhookId,
    url: &str,
    kinds: &WantedKinds,
    status: Status,
    now: Timestamp,
) -> Result<()> {
    execute!(
        tx,
        "UPDATE webhooks SET url = $1, kinds = $2, status = $3, reason = NULL, failures = 0, failing_since = NULL,
             failure = NULL, retry_at = NULL, updated_at = $4
         WHERE id = $5",
        url,
        kinds.stored(),
        status.as_str(),
        now,
        id
    )?;
    Ok(())
}

/// From now on it gets what happens after this entry: one that comes back after it was off.
pub(super) async fn begin_after(tx: &mut Tx, id: WebhookId, index: i64) -> Result<()> {
    execute!(tx, "UPDATE webhooks SET begins_after = $1 WHERE id = $2", index, id)?;
    Ok(())
}

/// Another secret; the one before signs as well until then. Whether there is such a webhook.
pub(super) async fn rotate(
    tx: &mut Tx,
    id: WebhookId,
    secret: &[u8],
    previous_until: Option<Timestamp>,
    now: Timestamp,
) -> Result<bool> {
    let rotated = execute!(
        tx,
        "UPDATE webhooks SET previous_sealed = CASE WHEN CAST($1 AS BIGINT) = 1 THEN secret_sealed ELSE NULL END,
             previous_until = $2, secret_sealed = $3, updated_at = $4
         WHERE id = $5 AND status <> 'removed'",
        i64::from(previous_until.is_some()),
        previous_until,
        secret,
        now,
        id
    )?;
    Ok(rotated == 1)
}

/// It is to be removed: it has no name and no secret any more. Whether there was such a webhook.
pub(super) async fn remove(tx: &mut Tx, id: WebhookId, nothing: &[u8], now: Timestamp) -> Result<bool> {
    let removed = execute!(
        tx,
        "UPDATE webhooks SET status = 'removed', url = '', secret_sealed = $1, previous_sealed = NULL,
             previous_until = NULL, updated_at = $2
         WHERE id = $3 AND status <> 'removed'",
        nothing,
        now,
        id
    )?;
    Ok(removed == 1)
}

/// It is not left alone any more: somebody wants to know how it is now.
pub(super) async fn try_now(tx: &mut Tx, id: WebhookId) -> Result<()> {
    execute!(tx, "UPDATE webhooks SET retry_at = NULL WHERE id = $1", id)?;
    Ok(())
}

/// It took something.
pub(super) async fn took(tx: &mut Tx, id: WebhookId, now: Timestamp) -> Result<()> {
    execute!(
        tx,
        "UPDATE webhooks SET failures = 0, failing_since = NULL, failure = NULL, retry_at = NULL, taken_at = $1
         WHERE id = $2 AND (failures > 0 OR taken_at IS NULL OR taken_at < $3)",
        now,
        id,
        now.plus_seconds(-60)
    )?;
    Ok(())
}

/// It failed at this address; with `retry_at` it is left alone until then. What was under way together and fails together
/// counts once.
pub(super) async fn failed(
    tx: &mut Tx,
    id: WebhookId,
    url: &str,
    reason: &str,
    retry_at: Option<Timestamp>,
    now: Timestamp,
) -> Result<()> {
    execute!(
        tx,
        "UPDATE webhooks SET failures = failures + 1, failing_since = COALESCE(failing_since, $1), failure = $2,
             retry_at = COALESCE($3, retry_at)
         WHERE id = $4 AND url = $5 AND status = 'active' AND (retry_at IS NULL OR retry_at <= $1)",
        now,
        reason,
        retry_at,
        id,
        url
    )?;
    Ok(())
}

/// Pauses it if it has done nothing but fail since then. Whether it was so.
pub(super) async fn pause_failing(
    tx: &mut Tx,
    id: WebhookId,
    since: Timestamp,
    words: &str,
    now: Timestamp,
) -> Result<bool> {
    let paused = execute!(
        tx,
        "UPDATE webhooks SET status = 'paused', reason = $1 || COALESCE(failure, ''), updated_at = $2
         WHERE id = $3 AND status = 'active' AND failing_since <= $4",
        words,
        now,
        id,
        since
    )?;
    Ok(paused == 1)
}

/// Switches it off, if it is still at this address. Whether it was on.
pub(super) async fn switch_off(tx: &mut Tx, id: WebhookId, url: &str, reason: &str, now: Timestamp) -> Result<bool> {
    let switched = execute!(
        tx,
        "UPDATE webhooks SET status = 'off', reason = $1, updated_at = $2
         WHERE id = $3 AND url = $4 AND status = 'active'",
        reason,
        now,
        id,
        url
    )?;
    Ok(switched == 1)
}

#[derive(sqlx::FromRow)]
struct IdRow {
    id: WebhookId,
}

/// Those that have done nothing but fail since then.
pub(super) async fn failing_since(on: &mut impl Connection, since: Timestamp) -> Result<Vec<WebhookId>> {
    let rows: Vec<IdRow> = fetch_all!(
        on,
        "SELECT id FROM webhooks WHERE status = 'active' AND failing_since <= $1 ORDER BY id LIMIT 1000",
        since
    )?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// Those that are off and have something waiting still: it was written while they were switched off.
pub(super) async fn off_with_waiting(on: &mut impl Connection) -> Result<Vec<WebhookId>> {
    let rows: Vec<IdRow> = fetch_all!(
        on,
        "SELECT id FROM webhooks WHERE status = 'off' AND EXISTS (
             SELECT 1 FROM webhook_deliveries WHERE webhook_id = webhooks.id AND state IN ('queued', 'failed'))
         ORDER BY id LIMIT 100"
    )?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// Those that are to be removed.
pub(super) async fn removed(on: &mut impl Connection) -> Result<Vec<WebhookId>> {
    let rows: Vec<IdRow> = fetch_all!(on, "SELECT id FROM webhooks WHERE status = 'removed' ORDER BY id LIMIT 100")?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// Forgets one that is to be removed. What it was told has to be gone.
pub(super) async fn forget(tx: &mut Tx, id: WebhookId) -> Result<()> {
    execute!(tx, "DELETE FROM webhooks WHERE id = $1 AND status = 'removed'", id)?;
    Ok(())
}

/// Forgets secrets that do not sign any more.
pub(super) async fn forget_previous(tx: &mut Tx, now: Timestamp) -> Result<()> {
    execute!(tx, "UPDATE webhooks SET previous_sealed = NULL, previous_until = NULL WHERE previous_until <= $1", now)?;
    Ok(())
}

/// Whether a secret of before signs no more and is still there.
pub(super) async fn any_previous_to_forget(on: &mut impl Connection, now: Timestamp) -> Result<bool> {
    let row: Count = fetch_one!(on, "SELECT COUNT(*) AS count FROM webhooks WHERE previous_until <= $1", now)?;
    Ok(row.count > 0)
}

/// The secrets of a webhook, as they are sealed.
#[derive(sqlx::FromRow)]
pub(super) struct Secrets {
    pub(super) id: WebhookId,
    pub(super) secret_sealed: Vec<u8>,
    pub(super) previous_sealed: Option<Vec<u8>>,
}

/// Those of all.
pub(super) async fn sealed(on: &mut impl Connection) -> Result<Vec<Secrets>> {
    fetch_all!(
        on,
        "SELECT id, secret_sealed, previous_sealed FROM webhooks WHERE status <> 'removed' ORDER BY id LIMIT 1000"
    )
}

/// Replaces what secrets are sealed to, if they are still the same.
pub(super) async fn reseal(tx: &mut Tx, before: &Secrets, secret: &[u8], previous: Option<&[u8]>) -> Result<()> {
    execute!(
        tx,
        "UPDATE webhooks SET secret_sealed = $1, previous_sealed = $2 WHERE id = $3 AND secret_sealed = $4",
        secret,
        previous,
        before.id,
        before.secret_sealed.as_slice()
    )?;
    Ok(())
}
