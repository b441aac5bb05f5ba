//! What runs beside the requests: following the ledger and the roles, keeping keys fresh, ending suspensions, and
//! throwing away what nobody needs.

use std::sync::Arc;
use std::time::Duration;

use auth::Auth;
use notify::Notify;
use tokio::task::{JoinHandle, JoinSet};
use verify::Verifier;

use crate::assemble::House;
use crate::only::{Only, Service};
use crate::private::Readiness;
use crate::revocations::Applier;

/// How often keys, revocations and old rows are looked after.
const UPKEEP: Duration = Duration::from_secs(30);
/// How often new ledger entries are counted: charts may be this old.
const STATISTICS: Duration = Duration::from_secs(5);
/// How often it is looked whether a suspension has ended.
const SUSPENSIONS: Duration = Duration::from_secs(2);
/// How often it is looked whether accounts are still to be made searchable.
const SEARCH: Duration = Duration::from_secs(2);

/// How often it is looked whether a deleted account is due to be erased.
const ERASURE: Duration = Duration::from_secs(60);

/// Begins everything, for this process's services.
pub fn begin(
    house: &House,
    only: &Only,
    verifier: &Arc<Verifier>,
    applier: &Applier,
    position: i64,
    readiness: &Readiness,
) -> Vec<JoinHandle<()>> {
    let db = house.db().clone();
    let mut tasks = vec![supervise("sequencer", move || {
        let db = db.clone();
        async move { db.keep().await }
    })];
    let (db, probing) = (house.db().clone(), readiness.clone());
    tasks.push(supervise("probe", move || {
        let (db, probing) = (db.clone(), probing.clone());
        async move { probing.probe(&db).await }
    }));
    if house.db().is_shared() {
        let (db, applier) = (house.db().clone(), applier.clone());
        tasks.push(supervise("revocations", move || {
            let (db, applier) = (db.clone(), applier.clone());
            async move { applier.follow(&db, position).await }
        }));
        let (db, views) = (house.db().clone(), house.auth.users().views.clone());
        tasks.push(supervise("views", move || {
            let (db, views) = (db.clone(), views.clone());
            async move { views.follow(&db, position).await }
        }));
    }
    let role_keeper = house.auth.users().role_keeper.clone();
    tasks.push(supervise("roles", move || {
        let role_keeper = role_keeper.clone();
        async move { role_keeper.follow().await }
    }));
    let (auth, verifier, applier) = (house.auth.clone(), verifier.clone(), applier.clone());
    tasks.push(supervise("upkeep", move || {
        let (auth, verifier, applier) = (auth.clone(), verifier.clone(), applier.clone());
        async move { upkeep(&auth, &verifier, &applier).await }
    }));
    if only.has(Service::Users) {
        let users = house.auth.users().clone();
        tasks.push(supervise("suspensions", move || {
            let users = users.clone();
            async move { end_suspensions(&users).await }
        }));
        let users = house.auth.users().clone();
        tasks.push(supervise("pictures", move || {
            let users = users.clone();
            async move { sweep_pictures(&users).await }
        }));
        let users = house.auth.users().clone();
        tasks.push(supervise("search", move || {
            let users = users.clone();
            async move { make_searchable(&users).await }
        }));
        let auth = house.auth.clone();
        tasks.push(supervise("erasure", move || {
            let auth = auth.clone();
            async move { erase_deleted(&auth).await }
        }));
    }
    if only.has(Service::Users) {
        tasks.extend(counts_and_jobs(house.auth.users()));
    }
    if only.has(Service::Auth) || only.has(Service::Pages) {
        tasks.push(requests_by_mail(&house.auth));
    }
    tasks.extend(notifications(&house.notify, only));
    if only.has(Service::Auth) || only.has(Service::Feed) {
        let signals = house.signals.clone();
        tasks.push(supervise("feed", move || {
            let signals = signals.clone();
            async move { signals.follow().await }
        }));
    }
    tasks
}

/// Counts events for the charts, and does what is to be done to many accounts.
fn counts_and_jobs(users: &users::Users) -> Vec<JoinHandle<()>> {
    let counting = users.clone();
    let mut tasks = vec![supervise("statistics", move || {
        let users = counting.clone();
        async move { count_events(&users).await }
    })];
    for name in ["jobs", "more jobs"] {
        let users = users.clone();
        tasks.push(supervise(name, move || {
            let users = users.clone();
            async move { users::job::run(&users).await }
        }));
    }
    tasks
}

/// Answers what is asked for by naming an address.
fn requests_by_mail(auth: &Auth) -> JoinHandle<()> {
    let auth = auth.clone();
    supervise("requests by mail", move || {
        let auth = auth.clone();
        async move { auth::answer_link_requests(&auth).await }
    })
}

/// Follows the ledger for what people and webhooks are to be told, removes what was told long ago, and shows inboxes live.
fn notifications(notify: &Notify, only: &Only) -> Vec<JoinHandle<()>> {
    let mut tasks = Vec::new();
    if only.has(Service::Notify) {
        let (reading, sweeping) = (notify.clone(), notify.clone());
        let (reading_for_webhooks, sweeping_webhooks) = (notify.clone(), notify.clone());
        tasks.push(supervise("webhooks", move || {
            let notify = reading_for_webhooks.clone();
            async move { notify.follow_for_webhooks().await }
        }));
        let devices = notify.clone();
        tasks.push(supervise("devices", move || {
            let notify = devices.clone();
            async move { notify.keep_devices().await }
        }));
        tasks.push(supervise("old webhooks", move || {
            let notify = sweeping_webhooks.clone();
            async move { sweep_webhooks(&notify).await }
        }));
        tasks.push(supervise("notifications", move || {
            let notify = reading.clone();
            async move { notify.follow().await }
        }));
        let gathering = notify.clone();
        tasks.push(supervise("digests", move || {
            let notify = gathering.clone();
            async move { notify.gather().await }
        }));
        tasks.push(supervise("old notifications", move || {
            let notify = sweeping.clone();
            async move { sweep_deliveries(&notify).await }
        }));
    }
    if only.has(Service::Notify) || only.has(Service::Pages) {
        let showing = notify.clone();
        tasks.push(supervise("inboxes", move || {
            let notify = showing.clone();
            async move { notify.show_live().await }
        }));
    }
    tasks
}

/// Tells services and people until `stop` of each is called; what is under way then is finished. To be waited for,
/// not aborted: what is broken off has to wait for its lease.
pub fn tell(house: &House, only: &Only) -> Vec<JoinHandle<()>> {
    let mut tellers = Vec::new();
    if only.has(Service::Auth) || only.has(Service::Feed) {
        let signals = house.signals.clone();
        tellers.push(until_it_ends("Shared Signals", move || {
            let signals = signals.clone();
            async move { signals.transmit().await }
        }));
    }
    if only.has(Service::Notify) {
        let notify = house.notify.clone();
        tellers.push(until_it_ends("notifications", move || {
            let notify = notify.clone();
            async move { notify.deliver().await }
        }));
        let notify = house.notify.clone();
        tellers.push(until_it_ends("webhooks", move || {
            let notify = notify.clone();
            async move { notify.tell_webhooks().await }
        }));
    }
    tellers
}

/// Runs a task until it ends by itself; if it panics, it is begun again.
fn until_it_ends<F>(name: &'static str, task: impl Fn() -> F + Send + 'static) -> JoinHandle<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    tokio::spawn(async move {
        while let Err(error) = tokio::spawn(task()).await {
            tracing::error!(task = name, %error, "sending panicked; it is begun again");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    })
}

/// Runs a task for ever: if it ends or panics, it is begun again.
fn supervise<F>(name: &'static str, task: impl Fn() -> F + Send + 'static) -> JoinHandle<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    tokio::spawn(async move {
        loop {
            let mut running = JoinSet::new();
            running.spawn(task());
            let ended = running.join_next().await;
            tracing::error!(task = name, ended = ?ended, "a background task ended; it is begun again");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    })
}

/// Gives the verifier the keys that are published now.
pub fn load_keys(auth: &Auth, verifier: &Verifier) {
    if let Err(error) = verifier.set_keys(auth.keys().jwks().to_string().as_bytes()) {
        tracing::error!(%error, "the new signing keys were refused; the old ones stay");
    }
}

async fn upkeep(auth: &Auth, verifier: &Verifier, applier: &Applier) {
    let mut keys_changed = auth.keys().changes();
    loop {
        let by_hand = tokio::time::timeout(UPKEEP, keys_changed.changed()).await.is_ok();
        if !by_hand {
            look_after(auth, applier).await;
        }
        load_keys(auth, verifier);
    }
}

/// What has to be done now and then. A failure is logged; the next round tries again.
async fn look_after(auth: &Auth, applier: &Applier) {
    applier.sweep();
    if let Err(error) = auth.keys().keep_fresh().await {
        tracing::warn!(%error, "the signing keys could not be looked after");
    }
    let users = auth.users();
    sweep("what jobs have left behind", || users::job::sweep(users)).await;
    sweep("old counts", || users::statistics::sweep(users)).await;
    sweep("old rows", || auth::sweep(auth)).await;
}

/// Removes something, a round after the other, until there is no more for now.
async fn sweep<F: Future<Output = storage::Result<bool>>>(what: &str, round: impl Fn() -> F) {
    loop {
        match round().await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                tracing::warn!(%error, what, "something old could not be removed; the next round tries again");
                return;
            }
        }
    }
}

/// Removes what was told long ago.
async fn sweep_deliveries(notify: &Notify) {
    loop {
        match notify.sweep().await {
            Ok(true) => {}
            Ok(false) => tokio::time::sleep(UPKEEP).await,
            Err(error) => {
                tracing::warn!(%error, "old deliveries could not be removed");
                tokio::time::sleep(UPKEEP).await;
            }
        }
    }
}

/// Removes what webhooks were told long ago, and pauses those that do nothing but fail.
async fn sweep_webhooks(notify: &Notify) {
    loop {
        match notify.sweep_webhooks().await {
            Ok(true) => {}
            Ok(false) => tokio::time::sleep(UPKEEP).await,
            Err(error) => {
                tracing::warn!(%error, "webhooks could not be looked after");
                tokio::time::sleep(UPKEEP).await;
            }
        }
    }
}

async fn sweep_pictures(users: &users::Users) {
    loop {
        match users::avatar::sweep_pictures(users).await {
            Ok(true) => {}
            Ok(false) => tokio::time::sleep(UPKEEP).await,
            Err(error) => {
                tracing::warn!(%error, "old pictures could not be removed");
                tokio::time::sleep(UPKEEP).await;
            }
        }
    }
}

/// Takes in accounts that were written without what they are searched by.
async fn make_searchable(users: &users::Users) {
    loop {
        match users::search::fold_pending(users).await {
            Ok(true) => {}
            Ok(false) => tokio::time::sleep(SEARCH).await,
            Err(error) => {
                tracing::warn!(%error, "new accounts could not be made searchable");
                tokio::time::sleep(SEARCH).await;
            }
        }
    }
}

async fn end_suspensions(users: &users::Users) {
    loop {
        match users::lift_expired_suspensions(users).await {
            Ok(true) => {}
            Ok(false) => tokio::time::sleep(SUSPENSIONS).await,
            Err(error) => {
                tracing::warn!(%error, "suspensions that have ended could not be lifted");
                tokio::time::sleep(SUSPENSIONS).await;
            }
        }
    }
}

async fn count_events(users: &users::Users) {
    let mut head = users.db.head();
    loop {
        match users::statistics::count_events(users).await {
            Ok(true) => {}
            Ok(false) => {
                tokio::time::sleep(STATISTICS).await;
                // Nothing is written, and nothing asked, while nothing happens.
                if head.changed().await.is_err() {
                    return;
                }
            }
            Err(error) => {
                tracing::warn!(%error, "events could not be counted");
                tokio::time::sleep(STATISTICS).await;
            }
        }
    }
}

async fn erase_deleted(auth: &Auth) {
    loop {
        match auth::erase_expired(auth).await {
            Ok(true) => {}
            Ok(false) => tokio::time::sleep(ERASURE).await,
            Err(error) => {
                tracing::warn!(%error, "accounts that were deleted 30 days ago could not be erased");
                tokio::time::sleep(ERASURE).await;
            }
        }
    }
}
