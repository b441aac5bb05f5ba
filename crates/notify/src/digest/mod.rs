//! The digest: what can wait, told together, once a day or a week, to those who want it so.
//!
//! What waits is kept in `record`, as the event said it. When it is due, all of it becomes one delivery, whose mail is
//! written when it is sent: in the language of then, and without what its recipient does not want any more.

pub(crate) mod record;

use std::time::Duration;

use kernel::id::DeliveryId;
use kernel::{EventId, Timestamp, UserId};
use serde_json::Map;
use storage::Connection;
use users::Account;

use record::Item;
pub(crate) use record::NewItem;

use crate::channel::ChannelName;
use crate::compose::ComposeError;
use crate::delivery::{self, NewDelivery, State};
use crate::preference::Preferences;
use crate::template::{Brief, Entry};
use crate::{Category, Notify, Template, in_app};

/// How many people's digests are gathered in one round.
const PEOPLE: i64 = 100;
/// How often it is looked whether one is due.
const LOOK: Duration = Duration::from_secs(2);
/// For how many days it is kept what a digest told.
const KEPT_DAYS: i64 = 30;
/// How many messages one digest names.
const NAMED: usize = 20;
/// How many rows one transaction throws away.
const SWEEP: i64 = 500;

/// Gathers what is due, for as long as the process lives.
pub(crate) async fn run(notify: &Notify) {
    loop {
        match gather_due(notify).await {
            Ok(true) => {}
            Ok(false) => tokio::time::sleep(LOOK).await,
            Err(error) => {
                tracing::warn!(%error, "digests cannot be gathered; it is tried again");
                tokio::time::sleep(LOOK).await;
            }
        }
    }
}

/// One round. Whether there may be more to gather at once.
pub(crate) async fn gather_due(notify: &Notify) -> storage::Result<bool> {
    let due = record::due(&mut notify.db().read().await?, notify.users().clock.now(), PEOPLE).await?;
    let mut gathered = 0;
    for user in &due {
        match gather(notify, *user).await {
            Ok(()) => gathered += 1,
            // One whose digest cannot be gathered does not keep that of the others.
            Err(error) => tracing::warn!(%user, %error, "a digest cannot be gathered; it is tried again"),
        }
    }
    if gathered > 0 {
        notify.wake();
    }
    Ok(gathered > 0 && i64::try_from(due.len()) == Ok(PEOPLE))
}

/// Makes one delivery of all that waits for somebody.
async fn gather(notify: &Notify, user: UserId) -> storage::Result<()> {
    let now = notify.users().clock.now();
    let id = DeliveryId::new(now);
    let mut tx = notify.db().begin().await?;
    // Another process may have been faster.
    if record::gather(&mut tx, user, id).await? == 0 {
        return Ok(());
    }
    let new = NewDelivery {
        id,
        // No event asked for it: it stands for itself.
        event_id: EventId::from_bytes(*id.as_bytes()),
        event_index: None,
        event_at: now,
        user,
        category: Category::Product.as_str(),
        channel: ChannelName::Email.as_str(),
        template: Template::Digest.as_str(),
        urgency: Category::Product.urgency(),
        data: Map::new(),
        state: State::Queued,
        reason: None,
        message_id: Some(notify.settings().message_id(id)),
        next_at: now,
    };
    delivery::insert(&mut tx, &new, now).await?;
    tx.commit().await?;
    notify.metrics().queued(ChannelName::Email, 1);
    Ok(())
}

/// What stands in a digest, and how much there is in all.
pub(crate) struct Contents {
    pub(crate) entries: Vec<Entry>,
    pub(crate) count: i64,
}

/// What a digest tells somebody: what they want no more of is left out.
pub(crate) async fn contents(
    notify: &Notify,
    on: &mut impl Connection,
    delivery: DeliveryId,
    (account, preferences): (&Account, &Preferences),
) -> Result<Contents, ComposeError> {
    let categories = &notify.settings().categories;
    let is_wanted = |item: &Item| {
        let offered = categories.find(&item.category);
        offered.is_some_and(|offered| preferences.wants(categories, offered.category, ChannelName::Email))
    };
    let wanted: Vec<Item> = record::items(on, delivery).await?.into_iter().filter(is_wanted).collect();
    let key = in_app::key_of(notify, on, account.id).await?;
    let mut entries = Vec::with_capacity(NAMED);
    for item in wanted.iter().take(NAMED) {
        match in_app::brief(notify, (&item.template, &item.data, item.event_at), account, key.as_ref()) {
            Ok((Brief { title, text, .. }, link)) => entries.push(Entry {
                title,
                text,
                link: link.unwrap_or_else(|| format!("{}/inbox", notify.settings().origin)),
            }),
            // One that cannot be written does not keep the others.
            Err(error) => tracing::warn!(%delivery, template = item.template, %error, "left out of a digest"),
        }
    }
    if entries.is_empty() {
        return Err(ComposeError::Dropped("its recipient wants nothing of it any more"));
    }
    Ok(Contents { entries, count: i64::try_from(wanted.len()).unwrap_or(i64::MAX) })
}

/// Removes what was told long ago. Whether there may be more.
pub(crate) async fn sweep(notify: &Notify) -> storage::Result<bool> {
    let before: Timestamp = notify.users().clock.now().plus_seconds(-KEPT_DAYS * 86_400);
    if !record::any_to_sweep(&mut notify.db().read().await?, before).await? {
        return Ok(false);
    }
    let mut tx = notify.db().begin().await?;
    let removed = record::sweep(&mut tx, before, SWEEP).await?;
    tx.commit().await?;
    Ok(removed == SWEEP.unsigned_abs())
}
