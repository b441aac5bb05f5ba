//! Keeping the roles that this process holds in memory as the database has them.
//!
//! A use case that changes a role reads them again before it answers. Whatever else committed a change (a
//! request whose client hung up, another process) is found by the number that every change raises.

use std::sync::Arc;
use std::time::Duration;

use kernel::{Event, Kind, RoleBook, RoleDirectory};
use storage::Db;
use tokio::sync::{Mutex, Notify};

use crate::role_record;

/// How often it is looked whether another process has changed a role.
const EVERY: Duration = Duration::from_millis(250);

/// Keeps a [`RoleDirectory`] up to date. Cheap to clone.
#[derive(Clone)]
pub struct RoleKeeper(Arc<Parts>);

struct Parts {
    db: Db,
    roles: RoleDirectory,
    /// The revision that the directory has. It is held while reading, so that of two who read at once the
    /// later one also has the last word.
    known: Mutex<i64>,
    changed: Notify,
}

impl RoleKeeper {
    /// Reads all roles for the first time.
    pub(crate) async fn open(db: Db, roles: RoleDirectory) -> storage::Result<Self> {
        let keeper = Self(Arc::new(Parts { db, roles, known: Mutex::new(0), changed: Notify::new() }));
        keeper.refresh().await?;
        Ok(keeper)
    }

    /// Looks at what this process has just committed.
    pub fn heed(&self, events: &[Event]) {
        let is_about_roles =
            |event: &Event| matches!(event.kind, Kind::RoleCreated | Kind::RoleUpdated | Kind::RoleDeleted);
        if events.iter().any(is_about_roles) {
            self.0.changed.notify_one();
        }
    }

    /// Follows what this process and others do. It never ends.
    pub async fn follow(&self) {
        loop {
            if self.0.db.is_shared() {
                // The pause is the point: nobody may have told us.
                let _ = tokio::time::timeout(EVERY, self.0.changed.notified()).await;
            } else {
                self.0.changed.notified().await;
            }
            while let Err(error) = self.refresh().await {
                tracing::warn!(%error, "the roles cannot be read: those from before are used");
                tokio::time::sleep(2 * EVERY).await;
            }
        }
    }

    /// Reads the roles again after a change. The change is made by now, so a failure does not undo the
    /// answer; whoever follows tries again.
    pub(crate) async fn refresh_now(&self) {
        if let Err(error) = self.refresh().await {
            tracing::warn!(%error, "a role was changed, and the roles cannot be read: those from before are used for a moment");
            self.0.changed.notify_one();
        }
    }

    async fn refresh(&self) -> storage::Result<()> {
        let mut known = self.0.known.lock().await;
        let mut read = self.0.db.read().await?;
        if role_record::revision(&mut read).await? == *known {
            return Ok(());
        }
        let written = role_record::written(&mut read).await?;
        self.0.roles.set(RoleBook::new(&written.definitions));
        *known = written.revision;
        Ok(())
    }
}
