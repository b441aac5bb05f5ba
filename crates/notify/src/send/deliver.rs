//! Telling some people something that an application says: rows of inboxes, of the queue of mail, and of digests, in the
//! caller's transaction. Whoever is told twice under one id is told once.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use kernel::id::{DeliveryId, DigestItemId, NotificationId, SendId};
use kernel::{EventId, Timestamp, UserId};
use serde_json::{Map, Value};
use storage::Tx;
use users::job::Told;
use users::{PersonalDataError, Status, account};

use crate::channel::ChannelName;
use crate::delivery::{self, NewDelivery, State};
use crate::digest::{self, NewItem};
use crate::email::Provider;
use crate::in_app::{self, NewNotification};
use crate::own::OwnMessage;
use crate::preference::{self, Preferences, When};
use crate::push;
use crate::{Category, Notify, Template};

/// The name of what an application says, sealed with the key of whoever it is said to.
pub(crate) const VALUES: &str = "values";

/// What is said.
pub(super) struct Batch<'a> {
    pub(super) id: SendId,
    pub(super) message: OwnMessage,
    pub(super) values: &'a Map<String, Value>,
    /// When the application asked for it.
    pub(super) at: Timestamp,
}

/// What is written down.
#[derive(Default)]
struct Rows {
    mails: Vec<NewDelivery>,
    pushes: Vec<NewDelivery>,
    waiting: Vec<NewItem>,
    inboxes: Vec<NewNotification>,
}

/// Somebody who is told.
struct Recipient<'a> {
    user: UserId,
    preferences: &'a Preferences,
    zone: &'a TimeZone,
    has_devices: bool,
    /// What is said, sealed with their key.
    data: Map<String, Value>,
}

/// Tells these people, each of them once, however often this is done.
pub(super) async fn deliver(
    notify: &Notify,
    tx: &mut Tx,
    batch: &Batch<'_>,
    people: &[UserId],
) -> storage::Result<Told> {
    let now = notify.users().clock.now();
    // Whoever is suspended or erased now is so before this, and then not told, or after it, and what is told goes with
    // them.
    account::lock_many(tx, people).await?;
    let (active, mut refused) = among(tx, people).await?;
    let said = if batch.values.is_empty() { None } else { Some(seal(notify, tx, batch, &active).await?) };
    let wishes = preference::of_many(notify, tx, &active).await?;
    let owners = if notify.settings().push.is_on() { push::owners(tx, &active).await? } else { BTreeSet::new() };
    let everybody = (Preferences::default(), TimeZone::UTC);
    let mut rows = Rows::default();
    for user in active {
        let mut data = Map::new();
        if let Some(said) = &said {
            let Some(sealed) = said.get(&user) else {
                refused.push((user, "internal_error"));
                continue;
            };
            data.insert(VALUES.to_owned(), sealed.as_str().into());
        }
        let (preferences, zone) = wishes.get(&user).unwrap_or(&everybody);
        let has_devices = owners.contains(&user);
        rows.add(notify, batch, Recipient { user, preferences, zone, has_devices, data }, now);
    }
    let queued = delivery::insert_many(tx, &rows.mails, now).await?;
    let pushed = delivery::insert_many(tx, &rows.pushes, now).await?;
    for item in &rows.waiting {
        digest::record::insert(tx, item, now).await?;
    }
    // At the end, for it holds back others who change inboxes.
    let shown = in_app::insert(tx, &rows.inboxes, now).await?;
    Ok(Told { refused, queued, pushed, shown, at: batch.at })
}

/// Those of these people who may use their account, and why the others are not told.
async fn among(tx: &mut Tx, people: &[UserId]) -> storage::Result<(Vec<UserId>, Vec<(UserId, &'static str)>)> {
    let accounts = account::find_many(tx, people).await?;
    let (mut active, mut refused) = (Vec::with_capacity(accounts.len()), Vec::new());
    for user in people {
        match accounts.binary_search_by_key(user, |account| account.id).map(|at| accounts[at].status) {
            Ok(Status::Active) => active.push(*user),
            Ok(Status::Suspended) => refused.push((*user, "not_active")),
            Ok(Status::Deleted) | Err(_) => refused.push((*user, "not_found")),
        }
    }
    Ok((active, refused))
}

/// What is said, sealed for each of these people, whose rows are locked. Who is not in the answer has a key that does not
/// open.
async fn seal(
    notify: &Notify,
    tx: &mut Tx,
    batch: &Batch<'_>,
    people: &[UserId],
) -> storage::Result<BTreeMap<UserId, String>> {
    let text = serde_json::to_string(batch.values).unwrap_or_default();
    match notify.users().seal_said_for(tx, people, VALUES, &text).await {
        Ok(sealed) => Ok(sealed),
        Err(PersonalDataError::Storage(error)) => Err(error),
        Err(PersonalDataError::Unsealable(error)) => Err(storage::Error::Broken(sqlx::Error::Encode(error.into()))),
    }
}

impl Rows {
    fn add(&mut self, notify: &Notify, batch: &Batch<'_>, to: Recipient<'_>, now: Timestamp) {
        let categories = &notify.settings().categories;
        let (category, template) = (batch.message.category(), Template::Own(batch.message));
        let event_id = EventId::from_bytes(*batch.id.as_bytes());
        if to.preferences.wants(categories, category, ChannelName::InApp) {
            self.inboxes.push(NewNotification {
                id: NotificationId::new(now),
                user: to.user,
                event_id,
                event_at: batch.at,
                category: category.as_str().to_owned(),
                template: template.as_str().to_owned(),
                data: to.data.clone(),
            });
        }
        if to.has_devices
            && let Some(next_at) = to.preferences.push_at(categories, category, now, to.zone)
        {
            let delivery = delivery_of(notify, batch, &to, (ChannelName::Push, next_at), now);
            self.pushes.push(NewDelivery { message_id: None, ..delivery });
        }
        if matches!(notify.settings().provider, Provider::None) {
            return;
        }
        match to.preferences.when(categories, (template, category), now, to.zone) {
            // Who does not want it is not written down for it: there may be a hundred thousand.
            When::Never => {}
            When::Together(due_at) => self.waiting.push(NewItem {
                id: DigestItemId::new(now),
                user: to.user,
                event_id,
                event_at: batch.at,
                category: category.as_str().to_owned(),
                template: template.as_str().to_owned(),
                data: to.data,
                due_at,
            }),
            When::Now => self.mails.push(delivery_of(notify, batch, &to, (ChannelName::Email, now), now)),
            When::At(moment) => self.mails.push(delivery_of(notify, batch, &to, (ChannelName::Email, moment), now)),
        }
    }
}

fn delivery_of(
    notify: &Notify,
    batch: &Batch<'_>,
    to: &Recipient<'_>,
    (channel, next_at): (ChannelName, Timestamp),
    now: Timestamp,
) -> NewDelivery {
    let (id, category) = (DeliveryId::new(now), batch.message.category());
    NewDelivery {
        id,
        event_id: EventId::from_bytes(*batch.id.as_bytes()),
        event_index: None,
        event_at: batch.at,
        user: to.user,
        category: category.as_str(),
        channel: channel.as_str(),
        template: Template::Own(batch.message).as_str(),
        // However it is called: a link that somebody waits for is not behind what very many are told.
        urgency: Category::Product.urgency(),
        data: to.data.clone(),
        state: State::Queued,
        reason: None,
        message_id: Some(notify.settings().message_id(id)),
        next_at,
    }
}

/// What follows when it is committed.
pub(super) fn after(notify: &Notify, told: &Told) {
    if told.queued > 0 {
        notify.metrics().queued(ChannelName::Email, told.queued);
    }
    if told.pushed > 0 {
        notify.metrics().queued(ChannelName::Push, told.pushed);
    }
    if told.queued + told.pushed > 0 {
        notify.wake();
    }
    if told.shown > 0 {
        let happened = vec![told.at; usize::try_from(told.shown).unwrap_or(0)];
        notify.metrics().delivered(ChannelName::InApp, &happened, notify.users().clock.now());
        notify.hub().wake();
    }
}
