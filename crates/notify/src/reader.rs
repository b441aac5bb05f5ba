//! The reader of the ledger: writes down what each entry asks to be told.
//!
//! The deliveries of an entry, what it puts into inboxes and the position after it are written in one transaction. So
//! each entry is told once, whichever process does it and whenever one dies.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use jiff::tz::TimeZone;
use kernel::id::{DeliveryId, DigestItemId, NotificationId};
use kernel::{Event, EventId, Kind, Timestamp, UserId};
use serde::Deserialize;
use serde_json::Map;
use storage::Tx;
use storage::ledger::{Follower, Place, Step};

use crate::channel::ChannelName;
use crate::compose::NOT_WANTED;
use crate::delivery::{self, NewDelivery, State};
use crate::digest::{self, NewItem};
use crate::email::Provider;
use crate::in_app::{self, NewNotification};
use crate::plan::{self, Planned, Ways};
use crate::preference::{self, Preferences, When};
use crate::push;
use crate::template::Action;
use crate::{Notify, TOO_OLD};

/// Reads for as long as the process lives.
pub(crate) async fn run(notify: &Notify) {
    let mut follower = Follower::new(notify.db(), "notifications");
    loop {
        let (place, _) = follower.begin();
        let step = step(notify, place).await;
        follower.rest(step).await;
    }
}

/// Reads some entries. Whoever does not know where they are asks the database.
pub(crate) async fn step(notify: &Notify, place: Option<Place>) -> storage::Result<Step> {
    let mut read = notify.db().read().await?;
    let here = match place {
        Some(place) => place,
        None => Place::known(delivery::position(&mut read).await?),
    };
    let entries = here.entries(&mut read).await?;
    drop(read);
    let Some(&(last, _)) = entries.last() else { return Ok(Step::All(here)) };
    let found: Vec<(i64, Found)> =
        entries.iter().filter_map(|(index, body)| Some((*index, found_in(*index, body)?))).collect();
    let suspects = suspects(notify, &entries).await?;
    let is_due = !found.is_empty() || !suspects.is_empty() || here.is_far_behind(last);
    if is_due && !write(notify, &found, &suspects, (here.written(), last)).await? {
        return Ok(Step::Overtaken);
    }
    Ok(here.after(&entries, is_due))
}

/// What an entry asks for.
enum Found {
    /// These messages.
    Messages(Box<Event>, Vec<Planned>),
    /// That nothing is left of this person.
    Erasure(UserId),
    /// It should ask for some, and it cannot be read.
    Unreadable,
}

/// Whose trust an entry ends.
#[derive(Deserialize)]
struct Ends {
    subject: Option<UserId>,
    #[serde(default)]
    revokes: Option<serde_json::Value>,
}

/// Those who have devices, and some of whose sessions may be over.
async fn suspects(notify: &Notify, entries: &[(i64, String)]) -> storage::Result<BTreeSet<UserId>> {
    let ended: BTreeSet<UserId> = entries
        .iter()
        .filter(|(_, body)| body.contains("\"revokes\":"))
        .filter_map(|(_, body)| serde_json::from_str::<Ends>(body).ok())
        .filter(|ends| ends.revokes.is_some())
        .filter_map(|ends| ends.subject)
        .collect();
    let mut suspects = BTreeSet::new();
    if ended.is_empty() {
        return Ok(suspects);
    }
    let mut read = notify.db().read().await?;
    for user in ended {
        if push::any(&mut read, user).await? {
            suspects.insert(user);
        }
    }
    Ok(suspects)
}

/// The part of an entry by which most are passed over.
#[derive(Deserialize)]
struct KindOnly<'a> {
    #[serde(borrow)]
    kind: std::borrow::Cow<'a, str>,
}

/// The part of an erasure that matters here.
#[derive(Deserialize)]
struct SubjectOnly {
    subject: UserId,
}

/// What an entry asks for; nothing if it is nothing. To stop at one that cannot be read would keep every later
/// message from everybody.
fn found_in(index: i64, body: &str) -> Option<Found> {
    let kind = serde_json::from_str::<KindOnly<'_>>(body).ok()?;
    if kind.kind == Kind::AccountErased.as_str() {
        // Whatever else is in it: what was to be told to somebody who is erased has to go.
        return Some(match serde_json::from_str::<SubjectOnly>(body) {
            Ok(erasure) => Found::Erasure(erasure.subject),
            Err(error) => {
                tracing::error!(index, %error, "an erasure in the ledger cannot be read: what waits for them may remain");
                Found::Unreadable
            }
        });
    }
    if !plan::is_relevant(&kind.kind) {
        return None;
    }
    let planned = catch_unwind(AssertUnwindSafe(|| {
        let event = serde_json::from_str::<Event>(body)?;
        let planned = plan::plan(&event);
        Ok::<_, serde_json::Error>((event, planned))
    }));
    match planned {
        Ok(Ok((_, planned))) if planned.is_empty() => None,
        Ok(Ok((event, planned))) => Some(Found::Messages(Box::new(event), planned)),
        Ok(Err(error)) => {
            tracing::error!(index, %error, "a ledger entry cannot be read: it is told to nobody");
            Some(Found::Unreadable)
        }
        Err(_) => {
            tracing::error!(index, "a ledger entry cannot be understood: it is told to nobody");
            Some(Found::Unreadable)
        }
    }
}

async fn write(
    notify: &Notify,
    found: &[(i64, Found)],
    suspects: &BTreeSet<UserId>,
    (from, last): (i64, i64),
) -> storage::Result<bool> {
    let now = notify.users().clock.now();
    let wishes = wishes(notify, found).await?;
    let mut tx = notify.db().begin().await?;
    if !delivery::advance(&mut tx, from, last).await? {
        return Ok(false);
    }
    let (mut queued, mut pushed) = (0, 0);
    let mut inboxes: Vec<NewNotification> = Vec::new();
    for (index, found) in found {
        match found {
            Found::Messages(event, planned) => {
                for planned in planned {
                    if plan::is_bounded(planned.template) && delivery::is_told_enough(&mut tx, *planned, now).await? {
                        continue;
                    }
                    let happened = Happened { index: *index, event, now };
                    let wish = wishes.get(&planned.user);
                    if planned.ways != Ways::NotMail && told_by_mail(&mut tx, notify, &happened, *planned, wish).await?
                    {
                        queued += 1;
                    }
                    if planned.ways == Ways::Mail {
                        continue;
                    }
                    inboxes.extend(in_inbox(notify, &happened, *planned, wish));
                    if let Some(new) = to_devices(notify, &mut tx, &happened, *planned, wish).await? {
                        pushed += u64::from(delivery::insert(&mut tx, &new, now).await?);
                    }
                }
            }
            Found::Erasure(user) => {
                inboxes.retain(|new| new.user != *user);
                in_app::remove_all(&mut tx, *user).await?;
                push::remove_all(&mut tx, *user).await?;
                digest::record::remove_all(&mut tx, *user).await?;
                preference::record::remove(&mut tx, *user).await?;
            }
            Found::Unreadable => {
                delivery::insert(&mut tx, &unreadable(*index, now), now).await?;
            }
        }
    }
    for user in suspects {
        push::suspect(&mut tx, *user).await?;
    }
    // At the end, for it holds back others who change inboxes.
    in_app::insert(&mut tx, &inboxes, now).await?;
    tx.commit().await?;
    if queued > 0 {
        notify.metrics().queued(ChannelName::Email, queued);
    }
    if pushed > 0 {
        notify.metrics().queued(ChannelName::Push, pushed);
    }
    if queued + pushed > 0 {
        notify.wake();
    }
    if !inboxes.is_empty() {
        let happened: Vec<Timestamp> = inboxes.iter().map(|new| new.event_at).collect();
        notify.metrics().delivered(ChannelName::InApp, &happened, notify.users().clock.now());
        notify.hub().wake();
    }
    Ok(true)
}

/// What somebody has chosen, and their clock.
type Wish = (Preferences, TimeZone);

/// What those have chosen who are to be told.
async fn wishes(notify: &Notify, found: &[(i64, Found)]) -> storage::Result<BTreeMap<UserId, Wish>> {
    let mut people: Vec<UserId> = found
        .iter()
        .filter_map(|(_, found)| if let Found::Messages(_, planned) = found { Some(planned) } else { None })
        .flat_map(|planned| planned.iter().map(|planned| planned.user))
        .collect();
    people.sort_unstable();
    people.dedup();
    if people.is_empty() {
        return Ok(BTreeMap::new());
    }
    preference::of_many(notify, &mut notify.db().read().await?, &people).await
}

/// What happened, and when it is read.
struct Happened<'e> {
    index: i64,
    event: &'e Event,
    now: Timestamp,
}

impl Happened<'_> {
    fn is_too_old(&self) -> bool {
        self.now.since(self.event.at) > TOO_OLD
    }
}

/// Writes down what is told by mail, now, later or with others. Whether something is to be sent.
async fn told_by_mail(
    tx: &mut Tx,
    notify: &Notify,
    happened: &Happened<'_>,
    planned: Planned,
    wish: Option<&Wish>,
) -> storage::Result<bool> {
    // Their clock does not matter to those who have chosen nothing.
    let everybody = (Preferences::default(), TimeZone::UTC);
    let (preferences, zone) = wish.unwrap_or(&everybody);
    let what = (planned.template, planned.category);
    let when = preferences.when(&notify.settings().categories, what, happened.now, zone);
    let no_provider = matches!(notify.settings().provider, Provider::None);
    let (state, reason, next_at) = match when {
        _ if no_provider => (State::Dropped, Some("no mail provider is configured (`mail.url`)"), happened.now),
        _ if happened.is_too_old() => {
            (State::Dropped, Some("it had happened more than 24 hours before it could be told"), happened.now)
        }
        When::Never => (State::Dropped, Some(NOT_WANTED), happened.now),
        When::Now => (State::Queued, None, happened.now),
        When::At(moment) => (State::Queued, None, moment),
        When::Together(due) => {
            digest::record::insert(tx, &for_digest(happened, planned, due), happened.now).await?;
            return Ok(false);
        }
    };
    let id = DeliveryId::new(happened.now);
    let new = NewDelivery {
        id,
        event_id: happened.event.id,
        event_index: Some(happened.index),
        event_at: happened.event.at,
        user: planned.user,
        category: planned.category.as_str(),
        channel: ChannelName::Email.as_str(),
        template: planned.template.as_str(),
        urgency: planned.category.urgency(),
        data: happened.event.data.clone(),
        state,
        reason,
        message_id: Some(notify.settings().message_id(id)),
        next_at,
    };
    Ok(delivery::insert(tx, &new, happened.now).await? && state == State::Queued)
}

fn for_digest(happened: &Happened<'_>, planned: Planned, due_at: Timestamp) -> NewItem {
    NewItem {
        id: DigestItemId::new(happened.now),
        user: planned.user,
        event_id: happened.event.id,
        event_at: happened.event.at,
        category: planned.category.as_str().to_owned(),
        template: planned.template.as_str().to_owned(),
        data: happened.event.data.clone(),
        due_at,
    }
}

/// What goes into the inbox: nothing of what is too old to be told, and no link that lets somebody in. Whoever reads
/// their inbox is in, and a session is no mailbox.
fn in_inbox(
    notify: &Notify,
    happened: &Happened<'_>,
    planned: Planned,
    wish: Option<&Wish>,
) -> Option<NewNotification> {
    let everybody = Preferences::default();
    let preferences = wish.map_or(&everybody, |(preferences, _)| preferences);
    let is_for_inbox = matches!(planned.template.action(), Action::Page(_))
        && !happened.is_too_old()
        && preferences.wants(&notify.settings().categories, planned.category, ChannelName::InApp);
    is_for_inbox.then(|| NewNotification {
        id: NotificationId::new(happened.now),
        user: planned.user,
        event_id: happened.event.id,
        event_at: happened.event.at,
        category: planned.category.as_str().to_owned(),
        template: planned.template.as_str().to_owned(),
        data: happened.event.data.clone(),
    })
}

/// What goes to somebody's devices, if they have any: nothing of what is too old to be told, and no link that lets somebody
/// in, for whoever holds a telephone sees what is on it.
async fn to_devices(
    notify: &Notify,
    tx: &mut Tx,
    happened: &Happened<'_>,
    planned: Planned,
    wish: Option<&Wish>,
) -> storage::Result<Option<NewDelivery>> {
    let is_for_devices = matches!(planned.template.action(), Action::Page(_)) && !happened.is_too_old();
    if !is_for_devices || !notify.settings().push.is_on() {
        return Ok(None);
    }
    let everybody = (Preferences::default(), TimeZone::UTC);
    let (preferences, zone) = wish.unwrap_or(&everybody);
    let Some(next_at) = preferences.push_at(&notify.settings().categories, planned.category, happened.now, zone) else {
        return Ok(None);
    };
    if !push::any(tx, planned.user).await? {
        return Ok(None);
    }
    Ok(Some(NewDelivery {
        id: DeliveryId::new(happened.now),
        event_id: happened.event.id,
        event_index: Some(happened.index),
        event_at: happened.event.at,
        user: planned.user,
        category: planned.category.as_str(),
        channel: ChannelName::Push.as_str(),
        template: planned.template.as_str(),
        urgency: planned.category.urgency(),
        data: happened.event.data.clone(),
        state: State::Queued,
        reason: None,
        message_id: None,
        next_at,
    }))
}

/// A dead letter for an entry that cannot be read: somebody has to look at it.
fn unreadable(index: i64, now: Timestamp) -> NewDelivery {
    let mut place = [0; 16];
    place[8..].copy_from_slice(&index.to_be_bytes());
    NewDelivery {
        id: DeliveryId::new(now),
        // Its own id is among what cannot be read: its number stands for it.
        event_id: EventId::from_bytes(place),
        event_index: Some(index),
        event_at: now,
        user: UserId::from_bytes([0; 16]),
        category: "security",
        channel: ChannelName::Email.as_str(),
        template: "",
        urgency: 0,
        data: Map::new(),
        state: State::Dead,
        reason: Some("the ledger entry cannot be read"),
        message_id: None,
        next_at: now,
    }
}
