//! Answers to `GET /api/v1/users/me` that are ready to be sent again.
//!
//! Nothing older than a completed write of this process is ever answered. Every account has a generation, which
//! each of its events raises before the write that made it is answered; an answer carries the generation that
//! was seen before the account was read, and counts for that one only. So it does not matter whether a slow
//! reader puts its answer in place before or after a write.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use kernel::{Event, Kind, UserId};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use storage::{Db, ledger};

/// How much memory all answers together may take, in bytes.
const CAPACITY: u64 = 32 * 1024 * 1024;
/// How many answers that is, as a rule.
const USUALLY: usize = 32 * 1024;
/// How many generations there are. Accounts share them by their id; whoever shares one loses an answer for
/// nothing now and then.
const GENERATIONS: usize = 8 * 1024;
/// How many ledger entries are read at once.
const BATCH: i64 = 500;
/// The ledger is looked at this often even if nobody says that it has grown.
const PATIENCE: Duration = Duration::from_secs(1);

/// An answer.
#[derive(Clone, Debug)]
pub(super) struct Ready {
    pub(super) version: i64,
    pub(super) body: Bytes,
}

impl IntoResponse for Ready {
    fn into_response(self) -> Response {
        let headers =
            [(header::CONTENT_TYPE, "application/json".to_owned()), (header::ETAG, format!("\"{}\"", self.version))];
        (StatusCode::OK, headers, self.body).into_response()
    }
}

#[derive(Clone)]
struct Kept {
    generation: u64,
    ready: Ready,
}

#[derive(Clone)]
struct Weight;

impl Weighter<UserId, Kept> for Weight {
    fn weight(&self, _: &UserId, kept: &Kept) -> u64 {
        // The entry itself takes some, too.
        kept.ready.body.len() as u64 + 256
    }
}

/// The answers of this process. Cheap to clone.
#[derive(Clone)]
pub struct ReadyViews(Arc<Parts>);

struct Parts {
    answers: Cache<UserId, Kept, Weight>,
    generations: Vec<AtomicU64>,
}

impl Default for ReadyViews {
    fn default() -> Self {
        Self(Arc::new(Parts {
            answers: Cache::with_weighter(USUALLY, CAPACITY, Weight),
            generations: (0..GENERATIONS).map(|_| AtomicU64::new(0)).collect(),
        }))
    }
}

impl ReadyViews {
    fn slot(&self, user: UserId) -> &AtomicU64 {
        // The last bytes of an id are random.
        let bytes = user.as_bytes();
        &self.0.generations[usize::from(u16::from_be_bytes([bytes[14], bytes[15]])) % GENERATIONS]
    }

    /// To be asked before the account is read.
    pub(super) fn generation(&self, user: UserId) -> u64 {
        self.slot(user).load(Ordering::Acquire)
    }

    /// The answer for this account, if nothing has happened to it since it was read.
    pub(super) fn get(&self, user: UserId) -> Option<Ready> {
        let kept = self.0.answers.get(&user)?;
        (kept.generation == self.generation(user)).then_some(kept.ready)
    }

    /// Keeps an answer, for as long as the account is of the generation that was seen before it was read.
    pub(super) fn keep(&self, user: UserId, generation: u64, ready: Ready) {
        self.0.answers.insert(user, Kept { generation, ready });
    }

    /// Forgets the answer for this account.
    fn forget(&self, user: UserId) {
        self.slot(user).fetch_add(1, Ordering::AcqRel);
    }

    fn forget_all(&self) {
        for generation in &self.0.generations {
            generation.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Forgets what these events may have changed: to be called after their commit, before it is answered.
    pub fn heed(&self, events: &[Event]) {
        for event in events {
            if let Some(subject) = event.subject {
                self.forget(subject);
            }
            // These change accounts that they do not name.
            if matches!(event.kind, Kind::RoleDeleted | Kind::AccountsImported) {
                self.forget_all();
            }
        }
    }

    /// Follows what other processes do, from this number of the ledger on. It never ends.
    pub async fn follow(&self, db: &Db, mut position: i64) {
        let mut head = db.head();
        loop {
            match self.read_on(db, &mut position).await {
                Ok(true) => {}
                Ok(false) => drop(tokio::time::timeout(PATIENCE, head.changed()).await),
                Err(error) => {
                    tracing::warn!(%error, "the ledger cannot be read: ready answers are thrown away");
                    self.forget_all();
                    tokio::time::sleep(PATIENCE).await;
                }
            }
        }
    }

    /// Whether there may be more.
    async fn read_on(&self, db: &Db, position: &mut i64) -> storage::Result<bool> {
        let entries = ledger::after(&mut db.read().await?, *position, BATCH).await?;
        for (number, body) in &entries {
            match serde_json::from_str::<Event>(body) {
                Ok(event) => self.heed(std::slice::from_ref(&event)),
                // A newer program wrote it: nobody knows whom it is about.
                Err(_) => self.forget_all(),
            }
            *position = *number;
        }
        Ok(entries.len() == usize::try_from(BATCH).unwrap_or(usize::MAX))
    }
}

#[cfg(test)]
mod tests {
    use kernel::Timestamp;

    use super::*;

    fn ready(version: i64) -> Ready {
        Ready { version, body: Bytes::from_static(b"{}") }
    }

    #[test]
    fn an_answer_that_was_read_before_a_write_is_never_given_after_it() {
        let views = ReadyViews::default();
        let now = Timestamp::from_unix_seconds(1_795_000_000);
        let (ann, bob) = (UserId::from_bytes([1; 16]), UserId::from_bytes([2; 16]));
        let written = [Event::new(Kind::ProfileUpdated, now).by(ann)];
        let seen = views.generation(ann);
        views.keep(ann, seen, ready(1));
        views.keep(bob, views.generation(bob), ready(7));
        assert_eq!(views.get(ann).unwrap().version, 1);
        views.heed(&written);
        assert!(views.get(ann).is_none());
        // A slow reader comes with what it read before the write.
        views.keep(ann, seen, ready(1));
        assert!(views.get(ann).is_none());
        views.keep(ann, views.generation(ann), ready(2));
        assert_eq!(views.get(ann).unwrap().version, 2);
        assert_eq!(views.get(bob).unwrap().version, 7);
        views.heed(&[Event::new(Kind::RoleDeleted, now)]);
        assert!(views.get(ann).is_none() && views.get(bob).is_none());
    }
}
