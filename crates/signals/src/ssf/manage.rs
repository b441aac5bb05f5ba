//! Making, changing and ending streams (SSF 1.0 §8.1).
//!
//! Every change holds the lock under which the reader writes, so that no event slips into a stream
//! between the decision that it carries none and the moment when that is true.

use auth::keys::Algorithm;
use kernel::id::StreamId;
use kernel::{Event, Kind, Timestamp};
use serde_json::{Map, Value};
use storage::{Lock, Tx, ledger};

use super::event_type::EventType;
use super::keys::{self, KeyError};
use super::mapping::{Signal, Subject};
use super::outbox::{self, Pending};
use super::set::{self, Address};
use super::stream::{self, Status, Stream};
use crate::service_token::Service;
use crate::{Signals, ssf};

/// Seconds between two verifications that a receiver may ask for.
pub(super) const VERIFICATION_INTERVAL: u32 = 60;

/// How tokens get to a receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    /// It comes for them (RFC 8936).
    Poll,
    /// They are sent (RFC 8935).
    Push {
        /// Where to, already checked.
        endpoint: String,
        /// What to send as `Authorization`.
        authorization: Option<String>,
    },
}

/// What a receiver wants of its stream. What it leaves out stays, or has its default.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    pub(super) events: Option<Vec<String>>,
    pub(super) delivery: Option<Delivery>,
    pub(super) description: Option<String>,
    pub(super) algorithm: Option<Algorithm>,
}

/// What becomes of what a receiver leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// It stays (PATCH).
    Stays,
    /// It goes back to its default (PUT).
    Defaults,
}

/// The stream was not made or changed.
#[derive(Debug, thiserror::Error)]
pub(super) enum ManageError {
    /// There is none, or it is another receiver's.
    #[error("no such stream")]
    NotFound,
    /// The receiver has one.
    #[error("this receiver has a stream")]
    Exists,
    /// A disabled stream carries no verification.
    #[error("the stream is disabled")]
    Disabled,
    /// The last verification was asked for too short a time ago.
    #[error("a verification was asked for a moment ago")]
    TooSoon,
    /// The service has no audience: it was not made as a receiver.
    #[error("this service has no audience")]
    NoAudience,
    /// Its key cannot be made or opened.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

/// Makes the one stream of a receiver.
pub(super) async fn create(signals: &Signals, receiver: &Service, wanted: Wanted) -> Result<Stream, ManageError> {
    let now = signals.auth().clock().now();
    let audience = receiver.audience.clone().ok_or(ManageError::NoAudience)?;
    let mut stream = Stream {
        id: StreamId::new(now),
        receiver: receiver.id,
        audience,
        status: Status::Enabled,
        reason: None,
        events_requested: None,
        description: None,
        algorithm: Algorithm::EdDsa,
        endpoint: None,
        authorization_sealed: None,
        begins_after: -1,
        failures: 0,
        created_at: now,
        updated_at: now,
    };
    apply(signals, &mut stream, wanted, Rest::Defaults)?;
    // The key is there, and published, before the receiver knows that it has a stream.
    keys::key(signals, stream.algorithm).await?;
    let mut tx = begin(signals).await?;
    stream.begins_after = ledger::newest(&mut tx).await?;
    if !stream::insert(&mut tx, &stream).await? {
        return Err(ManageError::Exists);
    }
    tx.append(event(Kind::StreamCreated, &stream, now));
    tx.commit().await?;
    Ok(stream)
}

/// Changes a stream.
pub(super) async fn change(
    signals: &Signals,
    receiver: &Service,
    id: StreamId,
    wanted: Wanted,
    rest: Rest,
) -> Result<Stream, ManageError> {
    let now = signals.auth().clock().now();
    if let Some(algorithm) = wanted.algorithm.or((rest == Rest::Defaults).then_some(Algorithm::EdDsa)) {
        keys::key(signals, algorithm).await?;
    }
    let mut tx = begin(signals).await?;
    let mut stream = stream::find_of(&mut tx, receiver.id, id).await?.ok_or(ManageError::NotFound)?;
    apply(signals, &mut stream, wanted, rest)?;
    stream.updated_at = now;
    stream::update(&mut tx, &stream).await?;
    outbox::forgive(&mut tx, id).await?;
    tx.append(event(Kind::StreamUpdated, &stream, now).with("change", "configuration"));
    tx.commit().await?;
    signals.ssf().wake();
    Ok(stream)
}

/// Ends a stream. What it had waiting is gone.
pub(super) async fn delete(signals: &Signals, receiver: &Service, id: StreamId) -> Result<(), ManageError> {
    let now = signals.auth().clock().now();
    let mut tx = begin(signals).await?;
    let stream = stream::find_of(&mut tx, receiver.id, id).await?.ok_or(ManageError::NotFound)?;
    outbox::delete(&mut tx, id).await?;
    stream::delete(&mut tx, id).await?;
    tx.append(event(Kind::StreamDeleted, &stream, now));
    tx.commit().await?;
    signals.ssf().wake();
    Ok(())
}

/// Pauses, disables or enables a stream, and says so on it.
pub(super) async fn set_status(
    signals: &Signals,
    receiver: &Service,
    id: StreamId,
    status: Status,
    reason: Option<String>,
) -> Result<Stream, ManageError> {
    let now = signals.auth().clock().now();
    let mut tx = begin(signals).await?;
    let mut stream = stream::find_of(&mut tx, receiver.id, id).await?.ok_or(ManageError::NotFound)?;
    let changes = stream.status != status;
    if changes && stream.status == Status::Disabled {
        // What happened meanwhile is for nobody, also if the ledger is read from further back after a restart.
        stream.begins_after = ledger::newest(&mut tx).await?;
    }
    (stream.status, stream.reason, stream.updated_at) = (status, reason, now);
    stream::update(&mut tx, &stream).await?;
    if status == Status::Disabled {
        outbox::clear(&mut tx, id).await?;
    }
    let event = event(Kind::StreamUpdated, &stream, now).with("change", status.as_str());
    if changes {
        let mut members = Map::new();
        members.insert("status".into(), status.as_str().into());
        if let Some(reason) = &stream.reason {
            members.insert("reason".into(), reason.as_str().into());
        }
        say(signals, &mut tx, &stream, &Said { event: &event, event_type: EventType::StreamUpdated, members }).await?;
    }
    tx.append(event);
    tx.commit().await?;
    signals.ssf().wake();
    Ok(stream)
}

/// Sends a verification with what the receiver wants to read in it.
pub(super) async fn verify(
    signals: &Signals,
    receiver: &Service,
    id: StreamId,
    state: Option<String>,
) -> Result<(), ManageError> {
    let now = signals.auth().clock().now();
    let mut tx = begin(signals).await?;
    let stream = stream::find_of(&mut tx, receiver.id, id).await?.ok_or(ManageError::NotFound)?;
    if stream.status == Status::Disabled {
        return Err(ManageError::Disabled);
    }
    let latest = now.plus_seconds(-i64::from(VERIFICATION_INTERVAL));
    if !stream::ask_verification(&mut tx, id, now, latest).await? {
        return Err(ManageError::TooSoon);
    }
    let event = event(Kind::StreamUpdated, &stream, now).with("change", "verification");
    let members = state.map(|state| ("state".to_owned(), Value::String(state))).into_iter().collect();
    say(signals, &mut tx, &stream, &Said { event: &event, event_type: EventType::Verification, members }).await?;
    tx.append(event);
    tx.commit().await?;
    signals.ssf().wake();
    Ok(())
}

/// Ends a stream whose receiver's token was taken back.
pub(super) async fn remove_orphan(signals: &Signals, id: StreamId) -> storage::Result<()> {
    let now = signals.auth().clock().now();
    let mut tx = begin(signals).await?;
    outbox::delete(&mut tx, id).await?;
    stream::delete(&mut tx, id).await?;
    tx.append(Event::new(Kind::StreamDeleted, now).with("stream", id.to_string()).with("reason", "receiver_revoked"));
    tx.commit().await
}

async fn begin(signals: &Signals) -> storage::Result<Tx> {
    let mut tx = signals.db().begin().await?;
    tx.hold(Lock::Signals).await?;
    Ok(tx)
}

fn event(kind: Kind, stream: &Stream, now: Timestamp) -> Event {
    Event::new(kind, now).with("stream", stream.id.to_string()).with("receiver", stream.receiver.to_string())
}

fn apply(signals: &Signals, stream: &mut Stream, wanted: Wanted, rest: Rest) -> Result<(), ManageError> {
    let replaces = rest == Rest::Defaults;
    if replaces || wanted.events.is_some() {
        stream.events_requested = wanted.events;
    }
    if replaces || wanted.description.is_some() {
        stream.description = wanted.description;
    }
    if let Some(algorithm) = wanted.algorithm.or(replaces.then_some(Algorithm::EdDsa)) {
        stream.algorithm = algorithm;
    }
    match wanted.delivery.or(replaces.then_some(Delivery::Poll)) {
        None => {}
        Some(Delivery::Poll) => (stream.endpoint, stream.authorization_sealed) = (None, None),
        // What was to be sent to the old address is never sent to a new one.
        Some(Delivery::Push { endpoint, authorization }) => {
            let sealed = authorization.map(|text| ssf::seal_authorization(signals, stream.id, &text)).transpose()?;
            (stream.endpoint, stream.authorization_sealed) = (Some(endpoint), sealed);
        }
    }
    Ok(())
}

/// What is said on a stream about the stream.
struct Said<'a> {
    event: &'a Event,
    event_type: EventType,
    members: Map<String, Value>,
}

async fn say(signals: &Signals, tx: &mut Tx, stream: &Stream, said: &Said<'_>) -> storage::Result<()> {
    let issuer = &signals.auth().settings().issuer;
    let to = Address { issuer, audience: &stream.audience, stream: stream.id };
    let signal = Signal {
        event_type: said.event_type,
        subject: Subject::Stream(stream.id),
        members: said.members.clone(),
        cause: said.event.id,
    };
    let pending = Pending {
        stream: stream.id,
        // After everything that the ledger has caused so far.
        ordinal: outbox::ordinal(ledger::newest(tx).await?, usize::MAX),
        control: said.event_type == EventType::StreamUpdated,
        subject: None,
        claims: set::claims(&to, &signal, 0, said.event.at),
    };
    outbox::insert(tx, &pending, said.event.at).await
}
