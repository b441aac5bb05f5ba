//! A stream, and all SQL that touches `signal_streams`.

use auth::keys::Algorithm;
use kernel::Timestamp;
use kernel::id::{ServiceTokenId, StreamId};
use storage::{Connection, Result, Tx, execute, fetch_all, fetch_optional};

use super::event_type::EventType;

/// Whether a stream carries events (SSF 1.0 §8.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = StreamStatusValue)]
pub(super) enum Status {
    /// Events are sent.
    Enabled,
    /// Events are kept.
    Paused,
    /// Events are neither sent nor kept.
    Disabled,
}

impl Status {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Paused => "paused",
            Self::Disabled => "disabled",
        }
    }

    /// What cannot be read counts as disabled: nothing may leave on a stream that is not understood.
    fn from_stored(text: &str) -> Self {
        [Self::Enabled, Self::Paused].into_iter().find(|status| status.as_str() == text).unwrap_or(Self::Disabled)
    }
}

/// One stream.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    pub(super) id: StreamId,
    pub(super) receiver: ServiceTokenId,
    pub(super) audience: String,
    pub(super) status: Status,
    pub(super) reason: Option<String>,
    /// Nothing asks for all.
    pub(super) events_requested: Option<Vec<String>>,
    pub(super) description: Option<String>,
    pub(super) algorithm: Algorithm,
    /// Where to push to; nothing for a receiver that polls.
    pub(super) endpoint: Option<String>,
    pub(super) authorization_sealed: Option<Vec<u8>>,
    pub(super) begins_after: i64,
    pub(super) failures: i64,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
}

impl Stream {
    /// The events that the stream carries: those that are asked for, of those that there are.
    pub(super) fn delivered(&self) -> impl Iterator<Item = EventType> {
        EventType::SUPPORTED.into_iter().filter(|event| self.delivers(*event))
    }

    /// Whether the stream carries events of this kind.
    pub(super) fn delivers(&self, event: EventType) -> bool {
        self.events_requested.as_ref().is_none_or(|requested| requested.iter().any(|uri| uri == event.uri()))
    }

    fn requested_text(&self) -> Option<String> {
        // A list of texts can always be written as JSON.
        self.events_requested.as_ref().map(|uris| serde_json::to_string(uris).unwrap_or_default())
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    id: StreamId,
    receiver_id: ServiceTokenId,
    audience: String,
    status: String,
    reason: Option<String>,
    events_requested: Option<String>,
    description: Option<String>,
    algorithm: String,
    endpoint: Option<String>,
    authorization_sealed: Option<Vec<u8>>,
    begins_after: i64,
    failures: i64,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<Row> for Stream {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            receiver: row.receiver_id,
            audience: row.audience,
            status: Status::from_stored(&row.status),
            reason: row.reason,
            // A list that cannot be read asks for nothing: no receiver gets what it has not asked for.
            events_requested: row.events_requested.map(|text| serde_json::from_str(&text).unwrap_or_default()),
            description: row.description,
            algorithm: Algorithm::from_name(&row.algorithm).unwrap_or(Algorithm::EdDsa),
            endpoint: row.endpoint,
            authorization_sealed: row.authorization_sealed,
            begins_after: row.begins_after,
            failures: row.failures,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// Adds a stream, unless its receiver has one.
pub(super) async fn insert(tx: &mut Tx, stream: &Stream) -> Result<bool> {
    let inserted = execute!(
        tx,
        "INSERT INTO signal_streams (id, receiver_id, audience, status, reason, events_requested, description,
             algorithm, endpoint, authorization_sealed, begins_after, failures, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0, $12, $12) ON CONFLICT DO NOTHING",
        stream.id,
        stream.receiver,
        stream.audience.as_str(),
        stream.status.as_str(),
        stream.reason.as_deref(),
        stream.requested_text(),
        stream.description.as_deref(),
        stream.algorithm.name(),
        stream.endpoint.as_deref(),
        stream.authorization_sealed.as_deref(),
        stream.begins_after,
        stream.created_at
    )?;
    Ok(inserted == 1)
}

/// Writes what a receiver can change. What failed before counts no more: the change may have mended it.
pub(super) async fn update(tx: &mut Tx, stream: &Stream) -> Result<()> {
    execute!(
        tx,
        "UPDATE signal_streams SET status = $1, reason = $2, events_requested = $3, description = $4, algorithm = $5,
             endpoint = $6, authorization_sealed = $7, begins_after = $8, failures = 0, retry_at = NULL, updated_at = $9
         WHERE id = $10",
        stream.status.as_str(),
        stream.reason.as_deref(),
        stream.requested_text(),
        stream.description.as_deref(),
        stream.algorithm.name(),
        stream.endpoint.as_deref(),
        stream.authorization_sealed.as_deref(),
        stream.begins_after,
        stream.updated_at,
        stream.id
    )?;
    Ok(())
}

/// Removes a stream. Its events have to be gone.
pub(super) async fn delete(tx: &mut Tx, id: StreamId) -> Result<()> {
    execute!(tx, "DELETE FROM signal_streams WHERE id = $1", id)?;
    Ok(())
}

/// The stream of this id, if it is this receiver's and its token was not taken back meanwhile: a poll
/// may wait for long.
pub(super) async fn find_of(
    on: &mut impl Connection,
    receiver: ServiceTokenId,
    id: StreamId,
) -> Result<Option<Stream>> {
    let row: Option<Row> = fetch_optional!(
        on,
        "SELECT id, receiver_id, audience, status, reason, events_requested, description, algorithm, endpoint,
             authorization_sealed, begins_after, failures, created_at, updated_at
         FROM signal_streams WHERE id = $1 AND receiver_id = $2
             AND receiver_id IN (SELECT id FROM service_tokens WHERE revoked_at IS NULL)",
        id,
        receiver
    )?;
    Ok(row.map(Stream::from))
}

/// The stream of this receiver, if it has one.
pub(super) async fn of_receiver(on: &mut impl Connection, receiver: ServiceTokenId) -> Result<Option<Stream>> {
    let row: Option<Row> = fetch_optional!(
        on,
        "SELECT id, receiver_id, audience, status, reason, events_requested, description, algorithm, endpoint,
             authorization_sealed, begins_after, failures, created_at, updated_at
         FROM signal_streams WHERE receiver_id = $1",
        receiver
    )?;
    Ok(row.map(Stream::from))
}

/// The streams that keep events: not disabled, and their receiver's token was not taken back. There are
/// few: an operator made each receiver.
pub(super) async fn keeping(on: &mut impl Connection) -> Result<Vec<Stream>> {
    let rows: Vec<Row> = fetch_all!(
        on,
        "SELECT id, receiver_id, audience, status, reason, events_requested, description, algorithm, endpoint,
             authorization_sealed, begins_after, failures, created_at, updated_at
         FROM signal_streams WHERE status <> 'disabled'
             AND receiver_id IN (SELECT id FROM service_tokens WHERE revoked_at IS NULL)
         ORDER BY id LIMIT 10000"
    )?;
    Ok(rows.into_iter().map(Stream::from).collect())
}

#[derive(sqlx::FromRow)]
struct Authorization {
    id: StreamId,
    authorization_sealed: Vec<u8>,
}

/// What streams are pushed with, as it is sealed.
pub(super) async fn authorizations(on: &mut impl Connection) -> Result<Vec<(StreamId, Vec<u8>)>> {
    let rows: Vec<Authorization> = fetch_all!(
        on,
        "SELECT id, authorization_sealed FROM signal_streams WHERE authorization_sealed IS NOT NULL
         ORDER BY id LIMIT 10000"
    )?;
    Ok(rows.into_iter().map(|row| (row.id, row.authorization_sealed)).collect())
}

/// Replaces what it is sealed to, if it is still the same.
pub(super) async fn reseal_authorization(tx: &mut Tx, id: StreamId, before: &[u8], sealed: &[u8]) -> Result<()> {
    execute!(
        tx,
        "UPDATE signal_streams SET authorization_sealed = $1 WHERE id = $2 AND authorization_sealed = $3",
        sealed,
        id,
        before
    )?;
    Ok(())
}

/// A stream that may be pushed to now, whose receiver's token was not taken back.
pub(super) async fn to_push(on: &mut impl Connection, id: StreamId) -> Result<Option<Stream>> {
    let row: Option<Row> = fetch_optional!(
        on,
        "SELECT id, receiver_id, audience, status, reason, events_requested, description, algorithm, endpoint,
             authorization_sealed, begins_after, failures, created_at, updated_at
         FROM signal_streams WHERE id = $1 AND endpoint IS NOT NULL
             AND receiver_id IN (SELECT id FROM service_tokens WHERE revoked_at IS NULL)",
        id
    )?;
    Ok(row.map(Stream::from))
}

#[derive(sqlx::FromRow)]
struct IdRow {
    id: StreamId,
}

/// The streams that have something to push now (by the rule of `outbox::waiting`) and that no process
/// is pushing.
pub(super) async fn due(on: &mut impl Connection, now: Timestamp) -> Result<Vec<StreamId>> {
    let rows: Vec<IdRow> = fetch_all!(
        on,
        "SELECT s.id FROM signal_streams s
         WHERE s.endpoint IS NOT NULL AND (s.retry_at IS NULL OR s.retry_at <= $1)
             AND (s.leased_until IS NULL OR s.leased_until <= $1)
             AND s.receiver_id IN (SELECT id FROM service_tokens WHERE revoked_at IS NULL)
             AND EXISTS (SELECT 1 FROM signal_events e WHERE e.stream_id = s.id AND e.refused_at IS NULL
                 AND (e.control OR s.status = 'enabled') AND (e.retry_at IS NULL OR e.retry_at <= $1)
                 AND NOT EXISTS (SELECT 1 FROM signal_events earlier WHERE earlier.stream_id = s.id
                     AND earlier.subject = e.subject AND earlier.ordinal < e.ordinal
                     AND earlier.refused_at IS NULL AND earlier.retry_at > $1))
         ORDER BY s.id LIMIT 1000",
        now
    )?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// Takes a stream for this process alone, until `until`. Whether nobody else has it.
pub(super) async fn lease(tx: &mut Tx, id: StreamId, now: Timestamp, until: Timestamp) -> Result<bool> {
    let taken = execute!(
        tx,
        "UPDATE signal_streams SET leased_until = $1 WHERE id = $2 AND (leased_until IS NULL OR leased_until <= $3)",
        until,
        id,
        now
    )?;
    Ok(taken == 1)
}

/// Gives a stream back, if the lease is still the one that ends at `until`.
pub(super) async fn release(
    tx: &mut Tx,
    id: StreamId,
    until: Timestamp,
    failures: i64,
    retry_at: Option<Timestamp>,
) -> Result<()> {
    execute!(
        tx,
        "UPDATE signal_streams SET leased_until = NULL, failures = $1, retry_at = $2
         WHERE id = $3 AND leased_until = $4",
        failures,
        retry_at,
        id,
        until
    )?;
    Ok(())
}

/// Notes that a receiver asks for a verification, if the last one was at `latest` or before.
pub(super) async fn ask_verification(tx: &mut Tx, id: StreamId, now: Timestamp, latest: Timestamp) -> Result<bool> {
    let asked = execute!(
        tx,
        "UPDATE signal_streams SET verification_asked_at = $1
         WHERE id = $2 AND (verification_asked_at IS NULL OR verification_asked_at <= $3)",
        now,
        id,
        latest
    )?;
    Ok(asked == 1)
}

/// Streams whose receiver's token was taken back.
pub(super) async fn orphans(on: &mut impl Connection) -> Result<Vec<StreamId>> {
    let rows: Vec<IdRow> = fetch_all!(
        on,
        "SELECT id FROM signal_streams
         WHERE receiver_id IN (SELECT id FROM service_tokens WHERE revoked_at IS NOT NULL) ORDER BY id LIMIT 100"
    )?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}
