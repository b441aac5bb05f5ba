//! The worker: takes up what is due for each webhook and tells it.
//!
//! Each webhook has places of its own, so one that is slow or dead holds up nobody else. Of what is about one account only
//! the first event is under way (`queue::claim`); what is about others goes on beside it. One that fails gets one place, and
//! is left alone for longer each time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kernel::id::WebhookId;
use outbound::{Client, Reach};
use storage::ledger;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::message;
use super::queue::{self, Claimed};
use super::record::{self, Due};
use super::send::{Outcome, send};
use super::settle::{self, Settled};
use crate::Notify;

/// How many events are under way to one webhook.
const AT_ONCE: i64 = 16;
/// From so many failures in a row on, one.
pub(super) const FAILING: i64 = 5;
/// For how many seconds a delivery is ours: far longer than the longest exchange.
const LEASE: i64 = 60;
/// How often it is looked whether another process has left something.
const IDLE: Duration = Duration::from_secs(1);
/// How often a delivery may be taken up without an end before it is given up: then it is what ends our processes.
const ABANDONED: i64 = 10;
/// How long to wait when the database cannot be read.
const PAUSE: Duration = Duration::from_secs(1);

/// What the tasks share.
struct Desk {
    notify: Notify,
    client: Client,
    under_way: Mutex<HashMap<WebhookId, i64>>,
    settled: mpsc::UnboundedSender<Settled>,
}

impl Desk {
    fn places(&self, due: &Due) -> i64 {
        let most = if due.failures >= FAILING { 1 } else { AT_ONCE };
        let under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        most - under_way.get(&due.id).copied().unwrap_or(0)
    }

    fn count(&self, webhook: WebhookId, change: i64) {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        let here = under_way.entry(webhook).or_default();
        *here += change;
        if *here <= 0 {
            under_way.remove(&webhook);
        }
    }
}

/// Works until the process stops; then what is under way is finished.
pub(crate) async fn run(notify: &Notify) {
    let client = match Client::new(Reach::of(&notify.settings().origin)) {
        Ok(client) => client,
        Err(error) => {
            tracing::error!(%error, "TLS cannot be set up: webhooks are told nothing");
            return;
        }
    };
    let (settled, receiver) = mpsc::unbounded_channel();
    let settling = tokio::spawn(settle::run(notify.clone(), receiver));
    let desk = Arc::new(Desk { notify: notify.clone(), client, under_way: Mutex::default(), settled });
    let mut tasks = JoinSet::new();
    let mut woken = notify.woken();
    while !notify.is_stopping() {
        let _ = woken.borrow_and_update();
        while tasks.try_join_next().is_some() {}
        match take_up(&desk).await {
            Ok(taken) if !taken.is_empty() => {
                for (due, claimed) in taken {
                    desk.count(due.id, 1);
                    tasks.spawn(deal_with(desk.clone(), due, claimed));
                }
                continue;
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "events for webhooks cannot be taken up"),
        }
        let _ = tokio::time::timeout(IDLE, woken.changed()).await;
    }
    while tasks.join_next().await.is_some() {}
    drop(desk);
    let _ = settling.await;
}

/// Takes up what is due, for each webhook as much as it has places for.
async fn take_up(desk: &Desk) -> storage::Result<Vec<(Arc<Due>, Claimed)>> {
    let now = desk.notify.users().clock.now();
    // A write transaction every second would be felt by others; a look is not.
    let due = record::due(&mut desk.notify.db().read().await?, now).await?;
    let mut taken = Vec::new();
    for due in due {
        let places = desk.places(&due);
        if places <= 0 {
            continue;
        }
        let claimed = claim(&desk.notify, due.id, places).await?;
        let due = Arc::new(due);
        taken.extend(claimed.into_iter().map(|claimed| (due.clone(), claimed)));
    }
    Ok(taken)
}

/// Takes up what is due for a webhook and waits for nothing in its lane, the oldest first, at most `limit`.
pub(super) async fn claim(notify: &Notify, webhook: WebhookId, limit: i64) -> storage::Result<Vec<Claimed>> {
    let now = notify.users().clock.now();
    let heads = queue::heads(&mut notify.db().read().await?, webhook, now, limit).await?;
    let mut claimed = Vec::with_capacity(heads.len());
    if heads.is_empty() {
        return Ok(claimed);
    }
    let mut tx = notify.db().begin().await?;
    for id in heads {
        claimed.extend(queue::claim(&mut tx, id, now, now.plus_seconds(LEASE)).await?);
    }
    tx.commit().await?;
    claimed.sort_by_key(|delivery| delivery.event_index);
    Ok(claimed)
}

/// Deals with one delivery from the moment that it is taken up.
async fn deal_with(desk: Arc<Desk>, due: Arc<Due>, claimed: Claimed) {
    let outcome = if desk.notify.is_stopping() {
        Outcome::NotTried
    } else if claimed.claims - claimed.attempts > ABANDONED {
        Outcome::Ours("it was taken up again and again without an end: something in it ends the process".into())
    } else {
        // In a task of its own: a panic is this delivery's failure, not the worker's.
        let (own, webhook, delivery) = (desk.clone(), due.clone(), claimed.clone());
        let trying = tokio::spawn(async move { attempt(&own, &webhook, &delivery).await });
        trying.await.unwrap_or_else(|error| {
            tracing::error!(delivery = %claimed.id, %error, "an event for a webhook ended in a panic");
            Outcome::Ours("the program failed over it".into())
        })
    };
    desk.count(due.id, -1);
    // It is gone only when the process ends.
    let _ = desk.settled.send(Settled { claimed, url: due.url.clone(), failures: due.failures, outcome });
}

async fn attempt(desk: &Desk, due: &Due, claimed: &Claimed) -> Outcome {
    let body = match written(desk, claimed).await {
        Ok(Some(body)) => body,
        Ok(None) => return Outcome::Ours("its entry of the ledger cannot be read".into()),
        Err(error) => {
            // It says nothing about the webhook, which must not be paused for it.
            tracing::warn!(%error, delivery = %claimed.id, "an event for a webhook cannot be read; it is tried again");
            tokio::time::sleep(PAUSE).await;
            return Outcome::NotTried;
        }
    };
    send(&desk.notify, &desk.client, due, claimed, body).await
}

/// What is said of the event, from its entry of the ledger.
async fn written(desk: &Desk, claimed: &Claimed) -> storage::Result<Option<String>> {
    let entries = ledger::after(&mut desk.notify.db().read().await?, claimed.event_index - 1, 1).await?;
    let entry = entries.into_iter().find(|(index, _)| *index == claimed.event_index);
    Ok(entry.and_then(|(index, text)| message::body(index, &text).ok()))
}
