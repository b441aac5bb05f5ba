//! What a webhook is told and when, with a clock that the tests move.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kernel::{Clock, Event, Kind, MasterKeys, Timestamp, UserId};
use storage::ledger;
use users::Authority;

use super::*;
use crate::State;
use crate::tests::{World, settings};

const URL: &str = "https://hooks.example.com/usher";

async fn world(database: storage::Settings) -> World {
    World::on(database, settings(), Clock::fixed(Timestamp::from_unix_seconds(1_795_000_000))).await
}

/// A world on SQLite, and where it is.
async fn sqlite() -> (World, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (world(storage::Settings::sqlite(folder.path().join("usher.db"), 4)).await, folder)
}

async fn register(notify: &Notify, name: &str) -> WebhookId {
    let new = NewWebhook {
        name: WebhookName::parse(name).unwrap(),
        url: address(notify, URL).unwrap(),
        kinds: WantedKinds::parse(&["profile.updated".to_owned()]).unwrap(),
    };
    create(notify, Authority::Operator, &new).await.unwrap().webhook.id
}

async fn changes(world: &World, user: UserId) {
    world.happens(Event::new(Kind::ProfileUpdated, world.clock.now()).by(user)).await;
}

/// Reads the ledger to its end.
async fn read(world: &World) {
    let db = world.notify.db();
    for _ in 0..3_000 {
        reader::step(&world.notify, None, -1).await.unwrap();
        let mut read = db.read().await.unwrap();
        let waiting = if db.is_shared() { ledger::waiting(&mut read, 10).await.unwrap() } else { 0 };
        let newest = ledger::newest(&mut read).await.unwrap();
        if waiting == 0 && queue::position(&mut read).await.unwrap() >= newest {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the ledger was not read");
}

async fn claim(notify: &Notify, webhook: WebhookId, limit: i64) -> Vec<queue::Claimed> {
    worker::claim(notify, webhook, limit).await.unwrap()
}

async fn settle(notify: &Notify, claimed: queue::Claimed, outcome: Outcome) {
    let failures = find(notify, claimed.webhook_id).await.unwrap().map_or(0, |webhook| webhook.failures);
    let settled = settle::Settled { claimed, url: URL.into(), failures, outcome };
    settle::write(notify, &[settled]).await.unwrap();
}

async fn states(notify: &Notify, webhook: WebhookId) -> Vec<String> {
    let told = deliveries(notify, webhook, None, None, 100).await.unwrap();
    told.into_iter().rev().map(|delivery| delivery.state).collect()
}

async fn of_each_account_only_the_first_is_taken_up(world: World) {
    let notify = &world.notify;
    let webhook = register(notify, "crm").await;
    let (ann, bob) = (world.user("ann").await, world.user("bob").await);
    for user in [ann, ann, bob, ann, bob] {
        changes(&world, user).await;
    }
    read(&world).await;
    let first = claim(notify, webhook, 16).await;
    assert_eq!(first.iter().map(|one| one.lane.as_bytes()).collect::<Vec<_>>(), [ann.as_bytes(), bob.as_bytes()]);
    assert!(claim(notify, webhook, 16).await.is_empty(), "they are under way");
    let [anns, bobs] = <[_; 2]>::try_from(first).unwrap();
    settle(notify, anns, Outcome::Failed("it answered 500".into())).await;
    settle(notify, bobs, Outcome::Taken).await;
    let second = claim(notify, webhook, 16).await;
    assert_eq!(second.iter().map(|one| one.lane.as_bytes()).collect::<Vec<_>>(), [bob.as_bytes()], "ann's first waits");
    settle(notify, second.into_iter().next().unwrap(), Outcome::Taken).await;
    // What comes now about ann waits as long as what is before it.
    changes(&world, ann).await;
    read(&world).await;
    assert!(claim(notify, webhook, 16).await.is_empty());
    world.clock.advance(Duration::from_secs(3));
    let mut order = Vec::new();
    while let Some(next) = claim(notify, webhook, 16).await.pop() {
        order.push(next.event_index);
        settle(notify, next, Outcome::Taken).await;
    }
    assert!(order.len() == 4 && order.is_sorted(), "{order:?}");
    assert!(states(notify, webhook).await.iter().all(|state| state == "sent"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f34_of_each_account_only_the_first_is_taken_up_on_sqlite() {
    let (world, _folder) = sqlite().await;
    of_each_account_only_the_first_is_taken_up(world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f34_of_each_account_only_the_first_is_taken_up_on_postgres() {
    let world = world(storage::Settings::postgres(crate::tests::new_database().await, 8)).await;
    of_each_account_only_the_first_is_taken_up(world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f34_processes_that_share_a_queue_never_have_two_of_one_account() {
    let world = world(storage::Settings::postgres(crate::tests::new_database().await, 16)).await;
    let webhook = register(&world.notify, "crm").await;
    let mut people = Vec::new();
    for number in 0..5 {
        people.push(world.user(&format!("ann{number}")).await);
    }
    for _ in 0..20 {
        for user in &people {
            changes(&world, *user).await;
        }
    }
    read(&world).await;
    let under_way = Arc::new(Mutex::new(HashSet::new()));
    let told = Arc::new(Mutex::new(HashMap::<_, i64>::new()));
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (notify, under_way, told) = (world.another_node().await, under_way.clone(), told.clone());
        workers.spawn(async move {
            let (mut done, mut idle) = (0, 0);
            while idle < 20 {
                let claimed = claim(&notify, webhook, 3).await;
                idle = if claimed.is_empty() { idle + 1 } else { 0 };
                for one in claimed {
                    let (lane, index) = (one.lane, one.event_index);
                    assert!(under_way.lock().unwrap().insert(lane), "two of one account are under way");
                    let before = told.lock().unwrap().insert(lane, index);
                    assert!(before.is_none_or(|before| before < index), "out of order");
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    // Others may take up the next in the moment that this one is settled.
                    assert!(under_way.lock().unwrap().remove(&lane));
                    settle(&notify, one, Outcome::Taken).await;
                    done += 1;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            done
        });
    }
    let mut done = 0;
    while let Some(worker) = workers.join_next().await {
        done += worker.unwrap();
    }
    assert_eq!(done, 100, "each was told once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f34_an_outage_of_a_day_misses_nothing_and_one_of_three_days_pauses() {
    let (world, _folder) = sqlite().await;
    let notify = &world.notify;
    let webhook = register(notify, "crm").await;
    let ann = world.user("ann").await;
    changes(&world, ann).await;
    changes(&world, ann).await;
    read(&world).await;
    let begun = world.clock.now();
    let mut tries = 0;
    while world.clock.now().since(begun) < Duration::from_secs(24 * 3_600) {
        for claimed in claim(notify, webhook, 16).await {
            tries += 1;
            settle(notify, claimed, Outcome::Failed("it answered 500".into())).await;
        }
        world.clock.advance(Duration::from_secs(60));
        sweep(notify).await.unwrap();
    }
    assert!((20..500).contains(&tries), "{tries} tries in a day");
    assert_eq!(states(notify, webhook).await, ["failed", "queued"]);
    world.clock.advance(Duration::from_secs(1_800));
    for _ in 0..2 {
        let next = claim(notify, webhook, 16).await.pop().unwrap();
        settle(notify, next, Outcome::Taken).await;
    }
    assert_eq!(states(notify, webhook).await, ["sent", "sent"]);

    // Away for longer: what is too old is dead, and after three days it is paused. What happens then is kept.
    for day in 0..4 {
        changes(&world, ann).await;
        read(&world).await;
        for _ in 0..24 * 6 {
            for claimed in claim(notify, webhook, 16).await {
                settle(notify, claimed, Outcome::Away { reason: "no connection".into(), after: None }).await;
            }
            world.clock.advance(Duration::from_secs(600));
        }
        sweep(notify).await.unwrap();
        let status = find(notify, webhook).await.unwrap().unwrap().status;
        assert_eq!(status == Status::Paused, day >= 3 - 1, "after {} days", day + 1);
    }
    let paused = find(notify, webhook).await.unwrap().unwrap();
    assert!(paused.reason.unwrap().contains("three days; at last: no connection"));
    let events: Vec<KindRow> = storage::fetch_all!(
        &mut notify.db().read().await.unwrap(),
        "SELECT kind FROM ledger WHERE kind = 'webhook.updated' LIMIT 10"
    )
    .unwrap();
    assert_eq!(events.iter().map(|row| row.kind.as_str()).collect::<Vec<_>>(), ["webhook.updated"]);
    let dead = deliveries(notify, webhook, Some(State::Dead), None, 10).await.unwrap();
    assert!(!dead.is_empty() && dead[0].reason.as_ref().unwrap().contains("26 hours"), "{dead:?}");
    // A dead letter is told again when somebody asks for it, and what waited with it.
    update(notify, Authority::Operator, webhook, &Change { active: Some(true), ..Change::default() }).await.unwrap();
    retry(notify, Authority::Operator, webhook, dead[0].id).await.unwrap();
    let mut taken = 0;
    while let Some(next) = claim(notify, webhook, 16).await.pop() {
        settle(notify, next, Outcome::Taken).await;
        taken += 1;
    }
    assert!(taken >= 2, "{taken}");
}

#[derive(sqlx::FromRow)]
struct KindRow {
    kind: String,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f11_what_cannot_be_told_is_given_up_after_five_tries_and_holds_up_its_own_account_alone() {
    let (world, _folder) = sqlite().await;
    let notify = &world.notify;
    let webhook = register(notify, "crm").await;
    let (ann, bob) = (world.user("ann").await, world.user("bob").await);
    for user in [ann, ann, bob, bob] {
        changes(&world, user).await;
    }
    read(&world).await;
    let mut poisoned = None;
    for _ in 0..40 {
        for claimed in claim(notify, webhook, 16).await {
            let is_anns = claimed.lane.as_bytes() == ann.as_bytes();
            if is_anns && *poisoned.get_or_insert(claimed.event_index) == claimed.event_index {
                settle(notify, claimed, Outcome::Ours("the program failed over it".into())).await;
            } else {
                settle(notify, claimed, Outcome::Taken).await;
            }
        }
        world.clock.advance(Duration::from_secs(10));
    }
    assert_eq!(states(notify, webhook).await, ["dead", "sent", "sent", "sent"]);
    let dead = deliveries(notify, webhook, Some(State::Dead), None, 10).await.unwrap();
    assert_eq!((dead[0].attempts, dead[0].reason.as_deref()), (5, Some("the program failed over it")));
    assert_eq!(find(notify, webhook).await.unwrap().unwrap().failures, 0, "it is not the webhook's fault");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_old_is_thrown_away_and_a_removed_webhook_leaves_nothing() {
    let (world, _folder) = sqlite().await;
    let notify = &world.notify;
    let webhook = register(notify, "crm").await;
    let ann = world.user("ann").await;
    for _ in 0..3 {
        changes(&world, ann).await;
    }
    read(&world).await;
    let first = claim(notify, webhook, 16).await.pop().unwrap();
    settle(notify, first, Outcome::Taken).await;
    world.clock.advance(Duration::from_secs(4 * 86_400));
    while sweep(notify).await.unwrap() {}
    assert_eq!(states(notify, webhook).await, ["queued", "queued"], "what was taken is forgotten after three days");
    world.clock.advance(Duration::from_secs(4 * 86_400));
    while sweep(notify).await.unwrap() {}
    assert_eq!(states(notify, webhook).await, ["dropped", "dropped"], "nobody waits for longer than a week");
    remove(notify, Authority::Operator, webhook).await.unwrap();
    assert!(find(notify, webhook).await.unwrap().is_none());
    while sweep(notify).await.unwrap() {}
    sweep(notify).await.unwrap();
    assert!(record::removed(&mut notify.db().read().await.unwrap()).await.unwrap().is_empty());
    register(notify, "crm").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_are_sealed_anew_with_the_master_key_of_today() {
    let (world, _folder) = sqlite().await;
    register(&world.notify, "crm").await;
    assert_eq!(rewrap(&world.notify).await.unwrap().unwrap(), 0);
    let newer = MasterKeys::generate();
    assert!(rewrap(&world.with_master(&newer)).await.unwrap().is_err(), "the key that sealed it is missing");
    let both = MasterKeys::parse(&format!("{}{}", &*newer.to_text(), &*world.master.to_text())).unwrap();
    assert_eq!(rewrap(&world.with_master(&both)).await.unwrap().unwrap(), 1);
    assert_eq!(rewrap(&world.with_master(&newer)).await.unwrap().unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_lane_holds_up_nobody_and_what_is_about_no_account_has_none() {
    let (world, _folder) = sqlite().await;
    let notify = &world.notify;
    let webhook = register(notify, "crm").await;
    let (ann, bob) = (world.user("ann").await, world.user("bob").await);
    for _ in 0..520 {
        changes(&world, ann).await;
    }
    read(&world).await;
    let anns = claim(notify, webhook, 16).await.pop().unwrap();
    settle(notify, anns, Outcome::Failed("it answered 500".into())).await;
    changes(&world, bob).await;
    read(&world).await;
    let bobs = claim(notify, webhook, 16).await;
    assert_eq!(bobs.iter().map(|one| one.lane.as_bytes()).collect::<Vec<_>>(), [bob.as_bytes()]);
    for _ in 0..2 {
        world.happens(Event::new(Kind::ProfileUpdated, world.clock.now())).await;
    }
    read(&world).await;
    assert_eq!(
        claim(notify, webhook, 16).await.len(),
        2,
        "what is about no account does not wait for another such event"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_old_address_answers_is_not_held_against_a_new_one() {
    let (world, _folder) = sqlite().await;
    let notify = &world.notify;
    let webhook = register(notify, "crm").await;
    let ann = world.user("ann").await;
    changes(&world, ann).await;
    read(&world).await;
    let under_way = claim(notify, webhook, 16).await.pop().unwrap();
    let moved = Change { url: Some(address(notify, "https://new.example.com/").unwrap()), ..Change::default() };
    update(notify, Authority::Operator, webhook, &moved).await.unwrap();
    settle(notify, under_way, Outcome::Away { reason: "no connection".into(), after: None }).await;
    manage::switch_off(notify, webhook, URL).await.unwrap();
    let now = find(notify, webhook).await.unwrap().unwrap();
    assert_eq!((now.status, now.failures), (Status::Active, 0));
    assert_eq!(states(notify, webhook).await, ["failed"]);
    manage::switch_off(notify, webhook, "https://new.example.com/").await.unwrap();
    assert_eq!(find(notify, webhook).await.unwrap().unwrap().status, Status::Off);
    assert_eq!(states(notify, webhook).await, ["dropped"]);
    // As if another process had written it down at that moment.
    let left_over = async || {
        let mut tx = notify.db().begin().await.unwrap();
        storage::execute!(&mut tx, "UPDATE webhook_deliveries SET state = 'queued', ended_at = NULL").unwrap();
        tx.commit().await.unwrap();
    };
    left_over().await;
    notify.sweep_webhooks().await.unwrap();
    assert_eq!(states(notify, webhook).await, ["dropped"]);
    left_over().await;
    update(notify, Authority::Operator, webhook, &Change { active: Some(true), ..Change::default() }).await.unwrap();
    assert_eq!(states(notify, webhook).await, ["dropped"], "it gets what happens from now on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_own_failures_are_counted_apart_from_those_of_the_receiver() {
    let (world, _folder) = sqlite().await;
    let notify = &world.notify;
    let webhook = register(notify, "crm").await;
    changes(&world, world.user("ann").await).await;
    read(&world).await;
    for number in 0..8 {
        let claimed = claim(notify, webhook, 1).await.pop().unwrap();
        let ours = Outcome::Ours("the program failed over it".into());
        settle(notify, claimed, if number < 4 { Outcome::Failed("it answered 500".into()) } else { ours }).await;
        assert_eq!(states(notify, webhook).await, ["failed"], "after {} tries", number + 1);
        world.clock.advance(Duration::from_secs(600));
    }
    let claimed = claim(notify, webhook, 1).await.pop().unwrap();
    settle(notify, claimed, Outcome::Ours("the program failed over it".into())).await;
    assert_eq!(states(notify, webhook).await, ["dead"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_letter_that_is_begun_anew_is_not_thrown_away_for_its_age() {
    let (world, _folder) = sqlite().await;
    let notify = &world.notify;
    let webhook = register(notify, "crm").await;
    changes(&world, world.user("ann").await).await;
    read(&world).await;
    world.clock.advance(Duration::from_secs(8 * 86_400));
    while sweep(notify).await.unwrap() {}
    let dropped = deliveries(notify, webhook, Some(State::Dropped), None, 10).await.unwrap();
    retry(notify, Authority::Operator, webhook, dropped[0].id).await.unwrap();
    while sweep(notify).await.unwrap() {}
    assert_eq!(states(notify, webhook).await, ["queued"]);
    world.clock.advance(Duration::from_secs(27 * 3_600));
    while sweep(notify).await.unwrap() {}
    assert_eq!(states(notify, webhook).await, ["dropped"]);
}
