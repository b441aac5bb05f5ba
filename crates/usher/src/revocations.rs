//! The first reader of events: what ends trust goes into the verifier's map.
//!
//! The process that commits applies it before it answers. On a shared database the ledger brings
//! what other processes did. At start, the map is filled with what an access token could outlive.

use std::sync::Arc;
use std::time::Duration;

use kernel::{Clock, Event, Revocation};
use storage::{Db, ledger};
use verify::Verifier;

/// Clocks of processes may be this far apart, in seconds; and a commit may take a while.
const SLACK: i64 = 120;

/// Applies revocations to a verifier. Cheap to clone.
#[derive(Clone)]
pub struct Applier {
    verifier: Arc<Verifier>,
    clock: Clock,
    access_seconds: i64,
}

impl Applier {
    /// For this verifier; `access_seconds` is how long an access token lives.
    pub fn new(verifier: Arc<Verifier>, clock: Clock, access_seconds: u32) -> Self {
        Self { verifier, clock, access_seconds: i64::from(access_seconds) }
    }

    /// Applies what these events end.
    pub fn apply(&self, events: &[Event]) {
        let forget_at = self.clock.now().unix_seconds() + self.access_seconds + SLACK;
        let map = self.verifier.revocations();
        for revocation in events.iter().filter_map(|event| event.revokes.as_ref()) {
            match revocation {
                Revocation::Subject { subject, epoch } => map.end_subject(&subject.to_string(), *epoch, forget_at),
                Revocation::Sessions { sessions, .. } => {
                    for session in sessions {
                        map.end_session(&session.to_string(), forget_at);
                    }
                }
            }
        }
    }

    /// Fills the map with what was revoked before this process began.
    pub async fn catch_up(&self, db: &Db) -> storage::Result<i64> {
        let mut read = db.read().await?;
        let newest = ledger::newest(&mut read).await?;
        let from = self.clock.now().plus_seconds(-self.access_seconds - SLACK);
        self.apply(&ledger::revocations_since(&mut read, from).await?);
        self.verifier.revocations().set_applied(newest);
        Ok(newest)
    }

    /// Follows the ledger for what other processes revoke. It never gives up.
    pub async fn follow(&self, db: &Db, mut position: i64) {
        let mut head = db.head();
        loop {
            match self.read_on(db, &mut position).await {
                Ok(()) => {
                    if head.changed().await.is_err() {
                        return;
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "the ledger cannot be read: revocations of other processes wait");
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
            }
        }
    }

    async fn read_on(&self, db: &Db, position: &mut i64) -> storage::Result<()> {
        let mut read = db.read().await?;
        loop {
            let entries = ledger::after(&mut read, *position, 500).await?;
            let Some(last) = entries.last() else { return Ok(()) };
            *position = last.index;
            self.apply(&entries.into_iter().map(|entry| entry.event).collect::<Vec<_>>());
            self.verifier.revocations().set_applied(*position);
        }
    }

    /// Forgets what no token can outlive any more.
    pub fn sweep(&self) {
        self.verifier.revocations().sweep(self.clock.now().unix_seconds());
    }
}
