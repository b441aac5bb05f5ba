//! How many there are of what: the numbers that whoever looks after Usher begins with.

use std::sync::{Mutex, MutexGuard, PoisonError};

use kernel::Timestamp;
use storage::{Result, ledger};
use users::account::{self, StatusCounts};
use users::job::{self, record::Open};

use crate::{Auth, session};

/// How old a count of all accounts and sessions may be, in seconds: it reads each of them.
const FRESH: i64 = 60;
/// Sessions and waiting events are counted up to here.
const MOST_SESSIONS: i64 = 1_000_000;
/// Events that wait for their number are counted up to here.
const MOST_EVENTS: i64 = 10_000;

/// What is counted in whole tables, now and then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Accounts by status.
    pub accounts: StatusCounts,
    /// Sessions that are on, a million at most.
    pub sessions: i64,
    /// When this was counted.
    pub at: Timestamp,
}

/// The numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overview {
    /// What was counted within the last minute.
    pub counted: Counted,
    /// Sign-ins of this process that wait for a hash, now.
    pub hashes_waiting: usize,
    /// Events that wait for their number, now; ten thousand at most. Always none on SQLite.
    pub events_waiting: i64,
    /// Jobs that are not over, now.
    pub jobs: Open,
}

/// The last count of this process.
#[derive(Default)]
pub(crate) struct Kept {
    newest: Mutex<Option<Counted>>,
    counting: tokio::sync::Mutex<()>,
}

impl Kept {
    fn newest(&self) -> MutexGuard<'_, Option<Counted>> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fresh(&self, now: Timestamp) -> Option<Counted> {
        self.newest().filter(|counted| counted.at > now.plus_seconds(-FRESH))
    }
}

/// The numbers as they are, or were a minute ago. At most one request counts at a time; the others are
/// given what was counted before, if there is anything.
pub async fn overview(auth: &Auth) -> Result<Overview> {
    let counted = counted(auth).await?;
    let mut read = auth.db().read().await?;
    let events_waiting = ledger::waiting(&mut read, MOST_EVENTS).await?;
    let jobs = job::record::count_open(&mut read).await?;
    Ok(Overview { counted, hashes_waiting: auth.hasher().stats().waiting, events_waiting, jobs })
}

async fn counted(auth: &Auth) -> Result<Counted> {
    let kept = auth.kept_overview();
    let now = auth.clock().now();
    if let Some(fresh) = kept.fresh(now) {
        return Ok(fresh);
    }
    let before = *kept.newest();
    let _counting = match (kept.counting.try_lock(), before) {
        (Ok(counting), _) => counting,
        (Err(_), Some(before)) => return Ok(before),
        (Err(_), None) => kept.counting.lock().await,
    };
    if let Some(fresh) = kept.fresh(now) {
        return Ok(fresh);
    }
    let mut read = auth.db().read().await?;
    let counted = Counted {
        accounts: account::count_by_status(&mut read).await?,
        sessions: session::count(&mut read, now, MOST_SESSIONS).await?,
        at: now,
    };
    *kept.newest() = Some(counted);
    Ok(counted)
}
