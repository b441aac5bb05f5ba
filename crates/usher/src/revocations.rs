//! The first reader of events: what ends trust goes into the verifier's map.
//!
//! The process that commits applies it before it answers. On a shared database the ledger brings
//! what other processes did. At start, the map is filled with what an access token could outlive.

use std::sync::Arc;
use std::time::Duration;

use auth::MAX_ACCESS_SECONDS;
use auth::keys::Keys;
use kernel::{Clock, Revocation};
use storage::{Db, ledger};
use verify::Verifier;

/// For how long a revocation matters, in seconds: as long as any access token may be good, whatever
/// the setting is now or was before a restart, and two minutes for clocks that are apart.
const MATTERS: i64 = MAX_ACCESS_SECONDS as i64 + 120;
/// How many are read at once.
const BATCH: u16 = 500;
/// The ledger is looked at this often even if nobody says that it has grown.
const PATIENCE: Duration = Duration::from_secs(1);

/// Applies revocations to a verifier. Cheap to clone.
#[derive(Clone)]
pub struct Applier {
    verifier: Arc<Verifier>,
    keys: Keys,
    clock: Clock,
}

impl Applier {
    /// For this verifier.
    pub fn new(verifier: Arc<Verifier>, keys: Keys, clock: Clock) -> Self {
        Self { verifier, keys, clock }
    }

    /// Applies these.
    pub fn apply<'r>(&self, revocations: impl Iterator<Item = &'r Revocation>) {
        let forget_at = self.clock.now().unix_seconds() + MATTERS;
        let map = self.verifier.revocations();
        for revocation in revocations {
            match revocation {
                Revocation::Subject { subject, epoch } => map.end_subject(&subject.to_string(), *epoch, forget_at),
                Revocation::Key { kid } => map.end_key(&kid.to_string(), forget_at),
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
        let from = self.clock.now().plus_seconds(-MATTERS);
        let found = ledger::revocations_since(&mut read, from).await?;
        self.apply(found.iter().map(|(_, revocation)| revocation));
        self.verifier.revocations().set_applied(newest);
        Ok(newest)
    }

    /// Follows the ledger for what other processes revoke. It never gives up.
    pub async fn follow(&self, db: &Db, mut position: i64) {
        let mut head = db.head();
        loop {
            match self.read_on(db, &mut position).await {
                Ok(()) => match tokio::time::timeout(PATIENCE, head.changed()).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_closed)) => return,
                    Err(_elapsed) => self.hear_what_waits(db).await,
                },
                Err(error) => {
                    tracing::warn!(%error, "the ledger cannot be read: revocations of other processes wait");
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
            }
        }
    }

    /// Applies what is committed and not numbered yet: while nobody numbers, nobody else would hear of it.
    async fn hear_what_waits(&self, db: &Db) {
        let found = async { ledger::revocations_since(&mut db.read().await?, self.clock.now()).await }.await;
        match found {
            Ok(found) => self.apply(found.iter().map(|(_, revocation)| revocation)),
            Err(error) => tracing::warn!(%error, "revocations that wait for their number cannot be read"),
        }
    }

    async fn read_on(&self, db: &Db, position: &mut i64) -> storage::Result<()> {
        let mut read = db.read().await?;
        let newest = ledger::newest(&mut read).await?;
        loop {
            let found = ledger::revocations_after(&mut read, *position, newest, i64::from(BATCH)).await?;
            self.apply(found.iter().map(|(_, revocation)| revocation));
            if found.iter().any(|(_, revocation)| matches!(revocation, Revocation::Key { .. })) {
                self.stop_signing_with_withdrawn_keys().await;
            }
            *position = match found.last() {
                Some((last, _)) if found.len() == usize::from(BATCH) => *last,
                _ => newest,
            };
            self.verifier.revocations().set_applied(*position);
            if *position == newest {
                return Ok(());
            }
        }
    }

    /// Another process has withdrawn a key that this one may have loaded.
    async fn stop_signing_with_withdrawn_keys(&self) {
        if let Err(error) = self.keys.reload().await {
            tracing::error!(%error, "a signing key was withdrawn, and the keys cannot be read again");
        }
    }

    /// Forgets what no token can outlive any more.
    pub fn sweep(&self) {
        self.verifier.revocations().sweep(self.clock.now().unix_seconds());
    }
}
