//! How often what happens, by the hour: a reader of the ledger, and all SQL that touches `event_counts`
//! and `event_counts_position`.

use std::collections::BTreeMap;

use kernel::{Kind, Timestamp};
use storage::{Connection, Result, Tx, execute, fetch_all, fetch_one, ledger};

use crate::Users;

/// Seconds of an hour.
const HOUR: i64 = 3_600;
/// How many entries of the ledger one transaction counts.
const BATCH: u16 = 5_000;
/// The longest time that can be asked for by the hour: a year.
const MAX_HOURS: i64 = 366 * 24;
/// How long counts are kept, in seconds: the longest time that can be asked for, and the same before it to compare.
const KEPT: i64 = 2 * MAX_HOURS * HOUR;
/// How many rows one transaction looks at when old ones are removed.
const OLD: i64 = 500;

/// Events of one kind, hour by hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    /// What happened.
    pub kind: Kind,
    /// When its first hour begins.
    pub from: Timestamp,
    /// How often, one number for each hour, also where nothing happened.
    pub counts: Vec<u64>,
}

/// How often one kind of thing happened in some time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Total {
    /// Its name in the ledger; a newer program may have written one that this one does not know.
    pub kind: String,
    /// How often.
    pub events: u64,
}

/// When the hour began that a moment is in.
fn hour_of(moment: Timestamp) -> Timestamp {
    Timestamp::from_unix_seconds(moment.unix_seconds().div_euclid(HOUR) * HOUR)
}

/// Counts what is new in the ledger, one batch. Whether there may be more to do at once. Any number of
/// processes may: an entry is counted by whoever moves the position past it, so once.
pub async fn count_events(users: &Users) -> Result<bool> {
    let (position, happened) = {
        let mut read = users.db.read().await?;
        let position = position(&mut read).await?;
        (position, ledger::happened_after(&mut read, position, i64::from(BATCH)).await?)
    };
    let Some(last) = happened.last().map(|happened| happened.index) else { return Ok(false) };
    let mut counts: BTreeMap<(&str, Timestamp), i64> = BTreeMap::new();
    for happened in &happened {
        *counts.entry((&happened.kind, hour_of(happened.at))).or_default() += 1;
    }
    let mut tx = users.db.begin().await?;
    if !advance(&mut tx, position, last).await? {
        return Ok(true);
    }
    for ((kind, hour), events) in counts {
        add(&mut tx, kind, hour, events).await?;
    }
    tx.commit().await?;
    Ok(happened.len() == usize::from(BATCH))
}

/// Removes counts that are too old, some of them. Whether there may be more.
pub async fn sweep(users: &Users) -> Result<bool> {
    let before = users.clock.now().plus_seconds(-KEPT);
    let mut tx = users.db.begin().await?;
    let removed = execute!(
        &mut tx,
        "DELETE FROM event_counts WHERE hour IN (SELECT hour FROM event_counts WHERE hour < $1 ORDER BY hour LIMIT $2)",
        before,
        OLD
    )?;
    tx.commit().await?;
    Ok(removed > 0)
}

/// How often each of these kinds happened, hour by hour, from the hour of `from` up to `to`, a year at most.
pub async fn hourly(on: &mut impl Connection, kinds: &[Kind], from: Timestamp, to: Timestamp) -> Result<Vec<Series>> {
    let from = hour_of(from);
    let seconds = (to.unix_seconds().saturating_sub(from.unix_seconds())).max(0);
    let hours = ((seconds + HOUR - 1) / HOUR).min(MAX_HOURS);
    let end = from.plus_seconds(hours * HOUR);
    let mut series = Vec::with_capacity(kinds.len());
    for kind in kinds {
        let mut counts = vec![0; usize::try_from(hours).unwrap_or(0)];
        for row in of_kind(on, *kind, from, end).await? {
            let place = (row.hour.unix_seconds() - from.unix_seconds()) / HOUR;
            if let Some(count) = usize::try_from(place).ok().and_then(|place| counts.get_mut(place)) {
                *count = u64::try_from(row.events).unwrap_or(0);
            }
        }
        series.push(Series { kind: *kind, from, counts });
    }
    Ok(series)
}

/// How often each kind happened from the hour of `from` up to `to`, by name.
pub async fn totals(on: &mut impl Connection, from: Timestamp, to: Timestamp) -> Result<Vec<Total>> {
    let rows: Vec<TotalRow> = fetch_all!(
        on,
        "SELECT kind, CAST(SUM(events) AS BIGINT) AS events FROM event_counts WHERE hour >= $1 AND hour < $2
         GROUP BY kind ORDER BY kind LIMIT 1000",
        hour_of(from),
        to
    )?;
    let total = |row: TotalRow| Total { kind: row.kind, events: u64::try_from(row.events).unwrap_or(0) };
    Ok(rows.into_iter().map(total).collect())
}

#[derive(sqlx::FromRow)]
struct TotalRow {
    kind: String,
    events: i64,
}

#[derive(sqlx::FromRow)]
struct HourRow {
    hour: Timestamp,
    events: i64,
}

#[derive(sqlx::FromRow)]
struct Position {
    idx: i64,
}

async fn of_kind(on: &mut impl Connection, kind: Kind, from: Timestamp, end: Timestamp) -> Result<Vec<HourRow>> {
    fetch_all!(
        on,
        "SELECT hour, events FROM event_counts WHERE kind = $1 AND hour >= $2 AND hour < $3 ORDER BY hour LIMIT $4",
        kind.as_str(),
        from,
        end,
        MAX_HOURS
    )
}

async fn position(on: &mut impl Connection) -> Result<i64> {
    let row: Position = fetch_one!(on, "SELECT idx FROM event_counts_position WHERE one = 1")?;
    Ok(row.idx)
}

/// Moves the position on, if nobody else has. Whoever does holds the row until its commit, so the counts
/// are written by one at a time.
async fn advance(tx: &mut Tx, from: i64, to: i64) -> Result<bool> {
    let moved = execute!(tx, "UPDATE event_counts_position SET idx = $1 WHERE one = 1 AND idx = $2", to, from)?;
    Ok(moved == 1)
}

async fn add(tx: &mut Tx, kind: &str, hour: Timestamp, events: i64) -> Result<()> {
    execute!(
        tx,
        "INSERT INTO event_counts (kind, hour, events) VALUES ($1, $2, $3)
         ON CONFLICT (kind, hour) DO UPDATE SET events = event_counts.events + excluded.events",
        kind,
        hour,
        events
    )?;
    Ok(())
}
