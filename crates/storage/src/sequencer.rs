//! Numbering on PostgreSQL. Any number of processes commit events to the outbox; one of them, the
//! leader, moves them to the ledger. It holds an advisory lock on a connection of its own, so when
//! it dies the lock is free and another goes on. When it does not die but stands still, or its machine is
//! gone without a word, the server ends that connection after some seconds ([`let_go_when_silent`]). It
//! is woken by commits, not only by a timer.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgListener;
use sqlx::{Connection as _, PgConnection, PgPool};
use tokio::sync::{Notify, watch};

use crate::Result;
use crate::db::Raw;
use crate::ledger;
use crate::statement::Conn;

/// The advisory lock of the leader: "usher" in ASCII, then 1.
const LEADER: i64 = 0x75_73_68_65_72_01;
/// How many events one transaction numbers.
const BATCH: i64 = 1000;
/// How long to sleep when nobody wakes us: a lost notification costs at most this.
const PATIENCE: Duration = Duration::from_secs(1);

/// After how many seconds of silence the server ends the leader's connection. The leader says something
/// at least every second.
const SILENCE: i32 = 5;

/// Wakes the sequencer of this process.
#[derive(Clone, Default)]
pub(crate) struct Nudge(Arc<Notify>);

impl Nudge {
    pub(crate) fn wake(&self) {
        self.0.notify_one();
    }
}

/// Numbers events while this process leads, and follows the ledger while another does.
pub(crate) async fn run(pool: &PgPool, nudge: &Nudge, head: &watch::Sender<i64>) {
    while !pool.is_closed() {
        if let Err(error) = lead_or_follow(pool, nudge, head).await {
            tracing::warn!(%error, "the sequencer lost its connection and tries again");
            tokio::time::sleep(PATIENCE).await;
        }
    }
}

async fn lead_or_follow(pool: &PgPool, nudge: &Nudge, head: &watch::Sender<i64>) -> Result<()> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen_all(["usher_outbox", "usher_ledger"]).await?;
    // Its own connection, not one of the pool's: the lock lives and dies with it.
    let mut own = pool.acquire().await?.detach();
    let_go_when_silent(&mut own).await?;
    loop {
        let leads: bool =
            sqlx::query_scalar("SELECT pg_try_advisory_lock($1)").bind(LEADER).fetch_one(&mut own).await?;
        // Also when it begins to lead: what the leader before it numbered was not announced here.
        let newest = ledger::newest(&mut Raw(Conn::Postgres(&mut own))).await?;
        head.send_if_modified(|known| std::mem::replace(known, newest) != newest);
        if leads {
            return lead(&mut own, &mut listener, nudge, head).await;
        }
        let mut ours_to_tell = false;
        tokio::select! {
            () = nudge.0.notified() => ours_to_tell = true,
            notified = listener.recv() => drop(notified?),
            () = tokio::time::sleep(PATIENCE) => {}
        }
        if ours_to_tell {
            // One notification for all commits since the last one. It is not part of their
            // transactions, because NOTIFY makes PostgreSQL commit those one after the other.
            sqlx::query("SELECT pg_notify('usher_outbox', '')").execute(&mut own).await?;
        }
    }
}

/// Has the server end this connection, and free its lock, when nothing comes over it. A process that was
/// stopped still answers TCP, so the session's own timeouts are for that (those of PostgreSQL 14); the
/// keep-alives are for a machine or a network that is gone. An older server is asked for what it has.
async fn let_go_when_silent(own: &mut PgConnection) -> Result<()> {
    let milliseconds = SILENCE * 1000;
    sqlx::query(
        "SELECT set_config(wanted.name, wanted.value::text, false)
         FROM (VALUES ('idle_session_timeout', $1), ('idle_in_transaction_session_timeout', $1),
                      ('tcp_user_timeout', $1), ('tcp_keepalives_idle', $2), ('tcp_keepalives_interval', 1),
                      ('tcp_keepalives_count', 3)) AS wanted (name, value)
         JOIN pg_settings ON pg_settings.name = wanted.name",
    )
    .bind(milliseconds)
    .bind(SILENCE)
    .execute(own)
    .await?;
    Ok(())
}

async fn lead(
    own: &mut PgConnection,
    listener: &mut PgListener,
    nudge: &Nudge,
    head: &watch::Sender<i64>,
) -> Result<()> {
    tracing::debug!("this process numbers the ledger");
    loop {
        while number_batch(own, head).await? {}
        tokio::select! {
            () = nudge.0.notified() => {}
            notified = listener.recv() => drop(notified?),
            () = tokio::time::sleep(PATIENCE) => {}
        }
    }
}

/// Moves one batch from the outbox to the ledger. Whether there may be more.
async fn number_batch(own: &mut PgConnection, head: &watch::Sender<i64>) -> Result<bool> {
    let mut tx = own.begin().await?;
    let mut raw = Raw(Conn::Postgres(&mut tx));
    let entries = ledger::take_from_outbox(&mut raw, BATCH).await?;
    if entries.is_empty() {
        // Dropped, it would stay open until the next statement.
        tx.rollback().await?;
        return Ok(false);
    }
    let first = ledger::newest(&mut raw).await? + 1;
    ledger::insert(&mut raw, first, &entries).await?;
    sqlx::query("SELECT pg_notify('usher_ledger', '')").execute(&mut *tx).await?;
    tx.commit().await?;
    head.send_replace(first + i64::try_from(entries.len()).unwrap_or(0) - 1);
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::mpsc;
    use std::time::Instant;

    use kernel::{Clock, Event, Kind, Revocation, UserId};

    use super::*;
    use crate::{Db, MIGRATIONS, Settings};

    /// A database of its own on the server that `cargo xtask test` started.
    async fn new_database() -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let server =
            std::env::var("TEST_POSTGRES_URL").expect("run `cargo xtask test`: it starts a PostgreSQL for the tests");
        let name = format!("storage_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::SeqCst));
        let mut connection = PgConnection::connect(&server).await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await.unwrap();
        let (base, _) = server.rsplit_once('/').unwrap();
        format!("{base}/{name}")
    }

    /// One process that numbers or follows.
    async fn process(url: &str) -> Db {
        let db = Db::open(&Settings::postgres(url.to_owned(), 4), MIGRATIONS, true).await.unwrap();
        let kept = db.clone();
        tokio::spawn(async move { kept.keep().await });
        db
    }

    async fn revoke(db: &Db) {
        let now = Clock::system().now();
        let mut event = Event::new(Kind::AccountSuspended, now);
        event.revokes = Some(Revocation::Subject { subject: UserId::new(now), epoch: 2 });
        let mut tx = db.begin().await.unwrap();
        tx.append(event);
        tx.commit().await.unwrap();
    }

    async fn knows(db: &Db, newest: i64, within: Duration) {
        let mut head = db.head();
        let reached = tokio::time::timeout(within, head.wait_for(|head| *head >= newest)).await;
        assert!(matches!(reached, Ok(Ok(_))), "{newest} was not numbered");
    }

    #[tokio::test]
    async fn what_waits_for_its_number_is_seen_only_if_it_ends_trust() {
        let url = new_database().await;
        // Nobody numbers here.
        let db = Db::open(&Settings::postgres(url, 4), MIGRATIONS, true).await.unwrap();
        let waits = async || ledger::revocation_waits_since(&mut db.read().await.unwrap()).await.unwrap();
        let mut tx = db.begin().await.unwrap();
        tx.append(Event::new(Kind::SessionStarted, Clock::system().now()));
        tx.commit().await.unwrap();
        assert_eq!(waits().await, None);
        let before = Clock::system().now();
        revoke(&db).await;
        let first = waits().await.unwrap();
        revoke(&db).await;
        assert!(first >= before);
        assert_eq!(waits().await, Some(first), "the oldest of them");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_leader_that_stands_still_loses_its_lead_and_finds_back() {
        let url = new_database().await;
        let (said, leads) = mpsc::channel();
        let (thaw, frozen) = mpsc::channel::<()>();
        // A runtime with one thread, which is then held up: nothing in it moves, and its connections stay open.
        let still = std::thread::spawn({
            let url = url.clone();
            move || {
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
                    let db = process(&url).await;
                    revoke(&db).await;
                    knows(&db, 0, Duration::from_secs(5)).await;
                    said.send(()).unwrap();
                    frozen.recv().unwrap();
                    knows(&db, 1, Duration::from_secs(10)).await;
                    // It takes part again.
                    revoke(&db).await;
                    knows(&db, 2, Duration::from_secs(10)).await;
                });
            }
        });
        tokio::task::block_in_place(|| leads.recv_timeout(Duration::from_secs(20))).unwrap();
        let db = process(&url).await;
        let begun = Instant::now();
        revoke(&db).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(*db.head().borrow(), 0, "the other one still leads");
        knows(&db, 1, Duration::from_secs(10)).await;
        let longest = Duration::from_secs(u64::try_from(SILENCE).unwrap()) + 3 * PATIENCE;
        assert!(begun.elapsed() < longest, "{:?}", begun.elapsed());
        thaw.send(()).unwrap();
        tokio::task::block_in_place(|| still.join()).unwrap();
    }
}
