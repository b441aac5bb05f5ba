//! A transaction: rows and one event, all or nothing.

use kernel::Event;
use sqlx::Postgres;

use crate::db::Backend;
use crate::sqlite::Savepoint;
use crate::statement::{Conn, Connection};
use crate::{Db, Result, ledger};

/// A transaction under way. Dropped without [`Tx::commit`], it leaves nothing behind.
pub struct Tx {
    db: Db,
    inner: Inner,
    events: Vec<Event>,
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
        Ok(Self { db: db.clone(), inner, events: Vec::new() })
    }

    /// Adds what happened. It is committed with the rows, or not at all.
    pub fn append(&mut self, event: Event) {
        self.events.push(event);
    }

    /// Makes it true. When this returns, rows and events are on disk and this process has acted on
    /// them. An error means that nothing of it was done, except when the connection broke while
    /// PostgreSQL was answering: then nobody knows, and a retry must be harmless.
    pub async fn commit(self) -> Result<()> {
        let Self { db, inner, events } = self;
        match inner {
            Inner::Sqlite(savepoint) => savepoint.commit(events).await,
            Inner::Postgres(mut tx) => {
                if !events.is_empty() {
                    ledger::insert_outbox(&mut tx, &events).await?;
                }
                tx.commit().await?;
                if !events.is_empty() {
                    if let Some(listener) = db.inner.listener.get() {
                        listener(&events);
                    }
                    if let Backend::Postgres { nudge, .. } = &db.inner.backend {
                        nudge.wake();
                    }
                }
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
