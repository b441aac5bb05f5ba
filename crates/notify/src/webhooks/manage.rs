//! Making, changing, pausing, testing and removing webhooks. Each is one event.

use kernel::id::{WebhookDeliveryId, WebhookId};
use kernel::secret::Unsealable;
use kernel::{Event, EventId, Kind, Timestamp};
use outbound::Destination;
use storage::{Tx, ledger};
use users::{Authority, may};

use super::MOST;
use super::queue::{self, WebhookDelivery};
use super::record::{self, Status, Webhook};
use super::secret::{self, SecretText};
use super::wanted::{WantedKinds, WebhookName};
use crate::Notify;

/// For how many hours the secret before signs as well, unless somebody says otherwise.
pub const OVERLAP_HOURS: u32 = 24;
/// For how many at most.
pub const MOST_OVERLAP_HOURS: u32 = 7 * 24;

/// A webhook to be made.
#[derive(Clone, Debug)]
pub struct NewWebhook {
    /// What it is called.
    pub name: WebhookName,
    /// Where it is.
    pub url: Destination,
    /// What it wants.
    pub kinds: WantedKinds,
}

/// A webhook that was made, with its secret.
#[derive(Debug)]
pub struct Created {
    /// The webhook.
    pub webhook: Webhook,
    /// What signs, to be shown this once.
    pub secret: SecretText,
}

/// The webhook was not made.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// Whoever asks lacks the permission.
    #[error("the permission {} is missing", may::WEBHOOKS_WRITE)]
    Forbidden,
    /// There is one of this name.
    #[error("there is a webhook of this name: choose another, or change that one")]
    Taken,
    /// There are as many as there can be.
    #[error("there are {MOST} webhooks already: remove one first")]
    TooMany,
    /// Its secret could not be sealed.
    #[error(transparent)]
    Secret(#[from] Unsealable),
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

/// The webhook was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ManageError {
    /// Whoever asks lacks the permission.
    #[error("the permission {} is missing", may::WEBHOOKS_WRITE)]
    Forbidden,
    /// There is none.
    #[error("there is no such webhook, or no such delivery of it")]
    NotFound,
    /// It is paused or off.
    #[error("the webhook is paused or off: resume it first")]
    NotActive,
    /// The event was taken, or is being told at this moment.
    #[error("it was taken already, or is being told right now")]
    NotWaiting,
    /// Its secret could not be sealed.
    #[error(transparent)]
    Secret(#[from] Unsealable),
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

/// Makes a webhook. It is told what happens from now on.
pub async fn create(notify: &Notify, authority: Authority, new: &NewWebhook) -> Result<Created, CreateError> {
    let now = notify.users().clock.now();
    let id = WebhookId::new(now);
    let (sealed, secret) = secret::make(notify.sealing(), id)?;
    let mut tx = notify.db().begin().await?;
    let begins_after = ledger::newest(&mut tx).await?;
    let url = new.url.as_text();
    let row = record::New { id, name: new.name.as_str(), url: &url, kinds: &new.kinds, secret: &sealed, begins_after };
    let inserted = record::insert(&mut tx, &row, now).await?;
    if !authority.may(&mut tx, may::WEBHOOKS_WRITE).await? {
        return Err(CreateError::Forbidden);
    }
    if !inserted {
        return Err(CreateError::Taken);
    }
    if record::count(&mut tx).await? > MOST {
        return Err(CreateError::TooMany);
    }
    let webhook = record::find(&mut tx, id).await?.ok_or(CreateError::Taken)?;
    tx.append(authority.sign(event(Kind::WebhookCreated, &webhook, now)));
    tx.commit().await?;
    Ok(Created { webhook, secret })
}

/// What to change of a webhook. What is left out stays.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// Where it is.
    pub url: Option<Destination>,
    /// What it wants.
    pub kinds: Option<WantedKinds>,
    /// Whether it is told anything.
    pub active: Option<bool>,
}

/// Why a webhook is not told what was written for it while it was switched off.
pub(super) const WAS_OFF: &str = "the webhook was off";

/// Changes a webhook, pauses it or has it go on. What waits while it is paused is told when it goes on. One that was off
/// gets what happens from then on.
pub async fn update(
    notify: &Notify,
    authority: Authority,
    id: WebhookId,
    change: &Change,
) -> Result<Webhook, ManageError> {
    let now = notify.users().clock.now();
    let mut tx = notify.db().begin().await?;
    allowed(&mut tx, authority).await?;
    let before = found(&mut tx, id).await?;
    let url = change.url.as_ref().map_or_else(|| before.url.clone(), Destination::as_text);
    let kinds = change.kinds.as_ref().unwrap_or(&before.kinds);
    let status = match change.active {
        Some(true) => Status::Active,
        Some(false) => Status::Paused,
        None => before.status,
    };
    // What was written for it while it was being switched off is older than what it gets from now on.
    queue::drop_waiting(&mut tx, id, WAS_OFF, now).await?;
    record::update(&mut tx, id, &url, kinds, status, now).await?;
    if before.status == Status::Off && status != Status::Off {
        let newest = ledger::newest(&mut tx).await?;
        record::begin_after(&mut tx, id, newest).await?;
    }
    if status == Status::Active && (status != before.status || url != before.url) {
        // Whatever kept it from being taken may be mended. All that waits is written: not for a change of something else.
        queue::begin_anew(&mut tx, id, now).await?;
    }
    let after = found(&mut tx, id).await?;
    let fields: Vec<&str> = [("url", change.url.is_some()), ("kinds", change.kinds.is_some())]
        .into_iter()
        .filter_map(|(name, changed)| changed.then_some(name))
        .chain((status != before.status).then_some("status"))
        .collect();
    tx.append(authority.sign(event(Kind::WebhookUpdated, &after, now).with("fields", fields)));
    tx.commit().await?;
    notify.wake();
    Ok(after)
}

/// Gives a webhook another secret. For so many hours the one before signs as well.
pub async fn rotate(
    notify: &Notify,
    authority: Authority,
    id: WebhookId,
    overlap_hours: u32,
) -> Result<Created, ManageError> {
    let now = notify.users().clock.now();
    let overlap = i64::from(overlap_hours.min(MOST_OVERLAP_HOURS)) * 3_600;
    let (sealed, secret) = secret::make(notify.sealing(), id)?;
    let mut tx = notify.db().begin().await?;
    let previous_until = (overlap > 0).then(|| now.plus_seconds(overlap));
    let rotated = record::rotate(&mut tx, id, &sealed, previous_until, now).await?;
    allowed(&mut tx, authority).await?;
    if !rotated {
        return Err(ManageError::NotFound);
    }
    let webhook = found(&mut tx, id).await?;
    tx.append(authority.sign(event(Kind::WebhookSecretRotated, &webhook, now)));
    tx.commit().await?;
    Ok(Created { webhook, secret })
}

/// Removes a webhook. What waits for it is told to nobody.
pub async fn remove(notify: &Notify, authority: Authority, id: WebhookId) -> Result<(), ManageError> {
    let now = notify.users().clock.now();
    let mut tx = notify.db().begin().await?;
    allowed(&mut tx, authority).await?;
    let webhook = found(&mut tx, id).await?;
    if !record::remove(&mut tx, id, &[], now).await? {
        return Err(ManageError::NotFound);
    }
    tx.append(authority.sign(event(Kind::WebhookDeleted, &webhook, now)));
    tx.commit().await?;
    Ok(())
}

/// Has a webhook told that this works, and no other. The event, by which to look for what became of it.
pub async fn test(notify: &Notify, authority: Authority, id: WebhookId) -> Result<EventId, ManageError> {
    let now = notify.users().clock.now();
    let mut tx = notify.db().begin().await?;
    allowed(&mut tx, authority).await?;
    let webhook = found(&mut tx, id).await?;
    if webhook.status != Status::Active {
        return Err(ManageError::NotActive);
    }
    record::try_now(&mut tx, id).await?;
    let tested = event(Kind::WebhookTested, &webhook, now);
    let event_id = tested.id;
    tx.append(authority.sign(tested));
    tx.commit().await?;
    Ok(event_id)
}

/// What has become of a test; nothing while it is not written down.
pub async fn delivery_of_test(
    notify: &Notify,
    id: WebhookId,
    event: EventId,
) -> storage::Result<Option<WebhookDelivery>> {
    queue::of_event(&mut notify.db().read().await?, id, event).await
}

/// Has an event told again that was not taken, at once and for as long as a new one.
pub async fn retry(
    notify: &Notify,
    authority: Authority,
    id: WebhookId,
    delivery: WebhookDeliveryId,
) -> Result<WebhookDelivery, ManageError> {
    let now = notify.users().clock.now();
    let mut tx = notify.db().begin().await?;
    let restarted = queue::restart(&mut tx, id, delivery, now).await?;
    allowed(&mut tx, authority).await?;
    let webhook = found(&mut tx, id).await?;
    let found = queue::find(&mut tx, id, delivery).await?.ok_or(ManageError::NotFound)?;
    if !restarted {
        return Err(ManageError::NotWaiting);
    }
    record::try_now(&mut tx, id).await?;
    let retried = event(Kind::WebhookRetried, &webhook, now).with("delivery", delivery.to_string());
    tx.append(authority.sign(retried));
    tx.commit().await?;
    notify.wake();
    Ok(found)
}

/// Pauses a webhook that has done nothing but fail since then. What waits is kept.
pub(super) async fn pause_failing(notify: &Notify, id: WebhookId, since: Timestamp) -> storage::Result<()> {
    let now = notify.users().clock.now();
    let words = "it did nothing but fail for three days; at last: ";
    let mut tx = notify.db().begin().await?;
    if !record::pause_failing(&mut tx, id, since, words, now).await? {
        return Ok(());
    }
    changed_by_itself(&mut tx, id, now).await?;
    tx.commit().await?;
    tracing::warn!(webhook = %id, "a webhook did nothing but fail for three days: it is paused");
    Ok(())
}

/// Switches a webhook off that says that it is gone, unless it was moved away from this address meanwhile. What waits is
/// dropped.
pub(super) async fn switch_off(notify: &Notify, id: WebhookId, url: &str) -> storage::Result<()> {
    let now = notify.users().clock.now();
    let mut tx = notify.db().begin().await?;
    if !record::switch_off(&mut tx, id, url, "it answered 410: it is gone", now).await? {
        return Ok(());
    }
    queue::drop_waiting(&mut tx, id, "the webhook answered 410: it is gone", now).await?;
    changed_by_itself(&mut tx, id, now).await?;
    tx.commit().await
}

async fn changed_by_itself(tx: &mut Tx, id: WebhookId, now: Timestamp) -> storage::Result<()> {
    if let Some(webhook) = record::find(tx, id).await? {
        tx.append(event(Kind::WebhookUpdated, &webhook, now).with("fields", vec!["status"]));
    }
    Ok(())
}

async fn allowed(tx: &mut Tx, authority: Authority) -> Result<(), ManageError> {
    if authority.may(tx, may::WEBHOOKS_WRITE).await? { Ok(()) } else { Err(ManageError::Forbidden) }
}

async fn found(tx: &mut Tx, id: WebhookId) -> Result<Webhook, ManageError> {
    record::find(tx, id).await?.ok_or(ManageError::NotFound)
}

fn event(kind: Kind, webhook: &Webhook, now: Timestamp) -> Event {
    Event::new(kind, now)
        .with("webhook", webhook.id.to_string())
        .with("name", webhook.name.as_str())
        .with("status", webhook.status.as_str())
}
