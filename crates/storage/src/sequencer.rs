//! Numbering on PostgreSQL. Any number of processes commit events to the outbox; one of them, the
//! leader, moves them to the ledger. It holds an advisory lock on a connection of its own, so when
//! it dies the lock is free and another goes on. It is woken by commits, not only by a timer.

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
        return Ok(false);
    }
    let first = ledger::newest(&mut raw).await? + 1;
    ledger::insert(&mut raw, first, &entries).await?;
    sqlx::query("SELECT pg_notify('usher_ledger', '')").execute(&mut *tx).await?;
    tx.commit().await?;
    head.send_replace(first + i64::try_from(entries.len()).unwrap_or(0) - 1);
    Ok(true)
}
