//! A transaction: rows and one event, all or nothing.

use std::any::Any;

use kernel::Event;
use sqlx::Postgres;

use crate::db::Backend;
use crate::sqlite::Savepoint;
use crate::statement::{Conn, Connection};
use crate::{Db, Error, Result, ledger};

/// What at most one transaction does at a time, on all nodes together.
#[derive(Clone, Copy, Debug)]
#[repr(i64)]
pub enum Lock {
    /// Making a signing key.
    SigningKeys = 0x75_73_68_65_72_03,
    /// Making the first administrator, or the link for that.
    Administrators = 0x75_73_68_65_72_04,
    /// Turning ledger entries into Shared Signals.
    Signals = 0x75_73_68_65_72_05,
    /// Defining roles, and giving them to accounts: no role goes away while it is given, and no two changes
    /// make a circle together. Rows of accounts are locked before it, administrators are counted after it.
    Roles = 0x75_73_68_65_72_06,
}

async fn commit_to_postgres(
    db: Db,
    mut tx: sqlx::Transaction<'static, Postgres>,
    events: Vec<Event>,
    repeated: Vec<Event>,
) -> Result<()> {
    if !events.is_empty() {
        ledger::insert_outbox(&mut tx, &events).await?;
    }
    tx.commit().await?;
    if let Some(listener) = db.inner.listener.get() {
        listener(&repeated);
        listener(&events);
    }
    if let (false, Backend::Postgres { nudge, .. }) = (events.is_empty(), &db.inner.backend) {
        nudge.wake();
    }
    Ok(())
}

/// A transaction under way. Dropped without [`Tx::commit`], it leaves nothing behind.
pub struct Tx {
    db: Db,
    inner: Inner,
    events: Vec<Event>,
    repeated: Vec<Event>,
    remembered: Option<Box<dyn Any + Send>>,
}

enum Inner {
    Sqlite(Savepoint),
    Postgres(sqlx::Transaction<'static, Postgres>),
}

impl Tx {
    pub(crate) async fn begin(db: &Db) -> Result<Self> {
        let inner = match &db.inner.backend {
            Backend::Sqlite { writer, .. } => Inner::Sqlite(writer.begin().await?),
            Backend::Postgres { pool, .. } => Inner::Postgres(pool.begin().await?),
        };
        Ok(Self { db: db.clone(), inner, events: Vec::new(), repeated: Vec::new(), remembered: None })
    }

    /// Adds what happened. It is committed with the rows, or not at all.
    pub fn append(&mut self, event: Event) {
        self.events.push(event);
    }

    /// Tells this process again, after the commit, what somebody else's transaction has already
    /// recorded: it may have been answered by another process, or not have been heard here yet.
    pub fn repeat(&mut self, event: Event) {
        self.repeated.push(event);
    }

    /// Keeps something that was read in this transaction, in the place of what was kept before, for whoever would read
    /// it again.
    pub fn remember(&mut self, what: impl Any + Send) {
        self.remembered = Some(Box::new(what));
    }

    /// What was kept last, if it is one of these.
    pub fn remembered<T: Any>(&self) -> Option<&T> {
        self.remembered.as_ref()?.downcast_ref()
    }

    /// Makes it true. When this returns, rows and events are on disk and this process has acted on
    /// them. An error means that nothing of it was done, except when the connection broke while
    /// PostgreSQL was answering: then nobody knows, and a retry must be harmless.
    pub async fn commit(self) -> Result<()> {
        let Self { db, inner, events, repeated, remembered: _ } = self;
        match inner {
            // Whatever was committed before on SQLite was also heard before: one at a time has the writer.
            Inner::Sqlite(savepoint) => savepoint.commit(events).await,
            Inner::Postgres(tx) => {
                // A client that hangs up must not come between the commit and what follows from it.
                let committed = tokio::spawn(commit_to_postgres(db, tx, events, repeated)).await;
                committed.unwrap_or_else(|_| Err(Error::Commit("the commit was interrupted".into())))
            }
        }
    }

    /// Waits until no other transaction holds `lock`, and holds it until this one ends. For what has
    /// to be checked and then done in two statements. (SQLite has one writer anyway.)
    pub async fn hold(&mut self, lock: Lock) -> Result<()> {
        match &mut self.inner {
            Inner::Sqlite(_) => Ok(()),
            Inner::Postgres(_) => {
                crate::execute!(self, "SELECT pg_advisory_xact_lock($1)", lock as i64)?;
                Ok(())
            }
        }
    }
}

impl Connection for Tx {
    fn conn(&mut self) -> Conn<'_> {
        match &mut self.inner {
            Inner::Sqlite(savepoint) => savepoint.conn(),
            Inner::Postgres(tx) => Conn::Postgres(tx),
        }
    }
}
