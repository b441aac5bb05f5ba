//! The reader of the ledger: writes down which webhook each entry is to be told to.
//!
//! The deliveries of some entries and the position after them are written in one transaction, so each entry is turned into
//! deliveries once, whichever process does it and whenever one dies.

use kernel::id::{WebhookDeliveryId, WebhookId};
use kernel::{EventId, Kind, Timestamp, UserId};
use serde::Deserialize;
use storage::ledger::{Follower, Place, Step};

use super::queue::{self, New};
use super::record::{self, Wants};
use crate::Notify;

/// Reads for as long as the process lives.
pub(crate) async fn run(notify: &Notify) {
    let mut follower = Follower::new(notify.db(), "webhooks");
    loop {
        let (place, newest) = follower.begin();
        let step = step(notify, place, newest).await;
        follower.rest(step).await;
    }
}

/// Reads some entries. Whoever does not know where they are asks the database.
pub(super) async fn step(notify: &Notify, place: Option<Place>, newest: i64) -> storage::Result<Step> {
    let mut read = notify.db().read().await?;
    let here = match place {
        Some(place) => place,
        None => Place::known(queue::position(&mut read).await?),
    };
    let webhooks = record::keeping(&mut read).await?;
    let Some(oldest) = webhooks.iter().map(|webhook| webhook.begins_after).min() else {
        // Nobody listens. A webhook that is made from now on begins after `newest`.
        return Ok(Step::All(here.past(newest)));
    };
    let here = here.past(oldest);
    let entries = here.entries(&mut read).await?;
    // Once more, after the entries: one that was made or changed in between may want some of them.
    let webhooks = record::keeping(&mut read).await?;
    drop(read);
    let Some(&(last, _)) = entries.last() else { return Ok(Step::All(here)) };
    let found: Vec<Found> = entries.iter().filter_map(|(index, body)| Found::read(*index, body)).collect();
    let is_wanted = found.iter().any(|found| webhooks.iter().any(|webhook| found.is_for(webhook)));
    let is_due = is_wanted || here.is_far_behind(last);
    if is_due && !write(notify, &found, here.written(), last).await? {
        return Ok(Step::Overtaken);
    }
    Ok(here.after(&entries, is_due))
}

/// The part of an entry by which it is known whose it is. The kind is a text: an entry of a newer program is told too.
#[derive(Deserialize)]
struct Entry {
    id: EventId,
    kind: String,
    at: Timestamp,
    subject: Option<UserId>,
    #[serde(default)]
    data: Named,
}

/// The webhook that an entry names.
#[derive(Default, Deserialize)]
struct Named {
    webhook: Option<WebhookId>,
}

/// An entry that somebody may want.
struct Found {
    index: i64,
    entry: Entry,
}

impl Found {
    /// To stop at one that cannot be read would keep every later event from everybody.
    fn read(index: i64, body: &str) -> Option<Self> {
        match serde_json::from_str(body) {
            Ok(entry) => Some(Self { index, entry }),
            Err(error) => {
                tracing::error!(index, %error, "a ledger entry cannot be read: no webhook is told of it");
                None
            }
        }
    }

    fn is_test(&self) -> bool {
        self.entry.kind == Kind::WebhookTested.as_str()
    }

    fn is_for(&self, webhook: &Wants) -> bool {
        if self.index <= webhook.begins_after {
            return false;
        }
        if self.is_test() {
            return self.entry.data.webhook == Some(webhook.id);
        }
        webhook.kinds.include(&self.entry.kind)
    }

    /// What is about the same account is told in its order. A test waits for nobody; nor does what is about no account:
    /// anybody can cause it as often as they like (`sign_in.failed`), and in one lane it would be told one after the other.
    fn lane(&self, webhook: WebhookId) -> [u8; 16] {
        match self.entry.subject {
            _ if self.is_test() => *webhook.as_bytes(),
            Some(subject) => *subject.as_bytes(),
            None => *self.entry.id.as_bytes(),
        }
    }
}

async fn write(notify: &Notify, found: &[Found], from: i64, last: i64) -> storage::Result<bool> {
    let now = notify.users().clock.now();
    let mut tx = notify.db().begin().await?;
    if !queue::advance(&mut tx, from, last).await? {
        return Ok(false);
    }
    // As they are now: one that was made, changed or removed meanwhile is taken as it is.
    let webhooks = record::keeping(&mut tx).await?;
    let mut queued = 0;
    for found in found {
        for webhook in webhooks.iter().filter(|webhook| found.is_for(webhook)) {
            let new = New {
                id: WebhookDeliveryId::new(now),
                webhook: webhook.id,
                event_id: found.entry.id,
                event_index: found.index,
                event_at: found.entry.at,
                kind: found.entry.kind.clone(),
                lane: found.lane(webhook.id),
                is_test: found.is_test(),
            };
            queued += u64::from(queue::insert(&mut tx, &new, now).await?);
        }
    }
    tx.commit().await?;
    if queued > 0 {
        notify.metrics().webhooks_queued(queued);
        notify.wake();
    }
    Ok(true)
}
