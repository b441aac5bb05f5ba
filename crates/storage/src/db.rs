//! The database as a whole: opened once, shared by all.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use kernel::Event;
use sqlx::pool::PoolConnection;
use sqlx::{PgPool, Postgres, Sqlite, SqlitePool};
use tokio::sync::watch;

use crate::sqlite::Writer;
use crate::statement::{Conn, Connection, Dialect};
use crate::{Error, Migration, Result, Tx, ledger, migrate, postgres, sequencer, sqlite};

/// Which database to open, and how.
#[derive(Clone)]
pub struct Settings {
    /// Where it is.
    pub location: Location,
    /// Connections that this process may hold at once (PostgreSQL), or readers (SQLite).
    pub max_connections: u32,
    /// How long to wait for one before answering that the database is unavailable.
    pub acquire_timeout: Duration,
    /// Whether very much is written, and nobody served meanwhile: SQLite takes up to 256 MiB of memory then, and lets its log
    /// grow to as much before it tidies it up.
    pub bulk: bool,
}

/// Where a database is. It has no `Debug`: the address of a server has its password in it.
#[derive(Clone)]
pub enum Location {
    /// A SQLite file, made if it is not there.
    File(PathBuf),
    /// A PostgreSQL server: `postgres://user:password@host/database`.
    Server(String),
}

impl Settings {
    /// A SQLite file.
    pub fn sqlite(path: PathBuf, max_connections: u32) -> Self {
        Self { location: Location::File(path), max_connections, acquire_timeout: Duration::from_secs(2), bulk: false }
    }

    /// The same, for writing very much while nobody is served.
    #[must_use]
    pub fn for_bulk(self) -> Self {
        Self { bulk: true, ..self }
    }

    /// A PostgreSQL server.
    pub fn postgres(url: String, max_connections: u32) -> Self {
        Self { location: Location::Server(url), max_connections, acquire_timeout: Duration::from_secs(2), bulk: false }
    }
}

/// The database cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has the file.
    #[error("another process is using {0}: stop it first, or point `data_dir` somewhere else")]
    InUse(PathBuf),
    /// The file or its lock cannot be opened.
    #[error("cannot open {path}: {cause}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why not.
        cause: std::io::Error,
    },
    /// The server or the file does not answer as a database.
    #[error("cannot open the database: {0}")]
    Database(#[from] sqlx::Error),
    /// The schema cannot be brought up to date.
    #[error("cannot migrate the database: {0}")]
    Migrate(#[from] migrate::MigrateError),
    /// It opened and then failed.
    #[error(transparent)]
    Storage(#[from] Error),
}

/// A function that sees every event right after the commit that made it, before the answer goes out.
pub type Listener = Box<dyn Fn(&[Event]) + Send + Sync>;

/// The database. Cheap to clone.
#[derive(Clone)]
pub struct Db {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) backend: Backend,
    pub(crate) listener: Arc<OnceLock<Listener>>,
    /// The number of the newest ledger entry that this process knows to be on disk.
    pub(crate) head: watch::Sender<i64>,
}

pub(crate) enum Backend {
    Sqlite { writer: Writer, readers: SqlitePool },
    Postgres { pool: PgPool, nudge: sequencer::Nudge },
}

impl Db {
    /// Opens the database and refuses a schema that these migrations do not lead to.
    ///
    /// With `migrate`, pending migrations are applied first.
    pub async fn open(
        settings: &Settings,
        migrations: &[Migration],
        migrate: bool,
    ) -> std::result::Result<Self, OpenError> {
        let listener = Arc::new(OnceLock::new());
        let (head, _) = watch::channel(-1);
        let backend = match &settings.location {
            Location::File(path) => {
                let mut opened = sqlite::open(path, settings).await?;
                migrate::bring_up_to_date(&mut opened.connection(), migrations, migrate).await?;
                opened.into_backend(head.clone(), listener.clone()).await?
            }
            Location::Server(url) => {
                let pool = postgres::connect(url, settings).await?;
                let mut connection = pool.acquire().await?;
                migrate::bring_up_to_date(&mut Raw(Conn::Postgres(&mut connection)), migrations, migrate).await?;
                Backend::Postgres { pool, nudge: sequencer::Nudge::default() }
            }
        };
        let db = Self { inner: Arc::new(Inner { backend, listener, head }) };
        let newest = ledger::newest(&mut db.read().await?).await?;
        db.inner.head.send_replace(newest);
        Ok(db)
    }

    /// Which database it is.
    pub fn dialect(&self) -> Dialect {
        match &self.inner.backend {
            Backend::Sqlite { .. } => Dialect::Sqlite,
            Backend::Postgres { .. } => Dialect::Postgres,
        }
    }

    /// Begins a transaction. Nothing slow may happen before it ends: on SQLite all others wait.
    pub async fn begin(&self) -> Result<Tx> {
        Tx::begin(self).await
    }

    /// A connection for reading. It sees every transaction whose `commit` has returned.
    pub async fn read(&self) -> Result<Read> {
        Ok(match &self.inner.backend {
            Backend::Sqlite { readers, .. } => Read::Sqlite(readers.acquire().await?),
            Backend::Postgres { pool, .. } => Read::Postgres(pool.acquire().await?),
        })
    }

    /// Names the function that sees every event right after its commit. It is set once, at start.
    pub fn on_commit(&self, listener: Listener) {
        if self.inner.listener.set(listener).is_err() {
            tracing::error!("a second commit listener was refused: there is one, set at start");
        }
    }

    /// The number of the newest ledger entry, as it grows; -1 while there is none.
    pub fn head(&self) -> watch::Receiver<i64> {
        self.inner.head.subscribe()
    }

    /// Does what this database needs done all the time: on PostgreSQL, numbering the ledger while
    /// this process leads, and following it while another does. Returns when the database is closed.
    pub async fn keep(&self) {
        match &self.inner.backend {
            Backend::Sqlite { .. } => std::future::pending().await,
            Backend::Postgres { pool, nudge } => sequencer::run(pool, nudge, &self.inner.head).await,
        }
    }

    /// Whether other processes may be writing to it.
    pub fn is_shared(&self) -> bool {
        self.dialect() == Dialect::Postgres
    }

    /// Waits for what is under way and closes every connection.
    pub async fn close(&self) {
        match &self.inner.backend {
            Backend::Sqlite { writer, readers } => {
                readers.close().await;
                writer.close().await;
            }
            Backend::Postgres { pool, .. } => pool.close().await,
        }
    }
}

/// A connection for reading; it goes back to its pool when dropped.
pub enum Read {
    /// From the pool of readers.
    Sqlite(PoolConnection<Sqlite>),
    /// From the pool.
    Postgres(PoolConnection<Postgres>),
}

impl Connection for Read {
    fn conn(&mut self) -> Conn<'_> {
        match self {
            Self::Sqlite(connection) => Conn::Sqlite(connection),
            Self::Postgres(connection) => Conn::Postgres(connection),
        }
    }
}

/// A connection that is neither a transaction nor from a pool: while migrating and committing.
pub(crate) struct Raw<'c>(pub(crate) Conn<'c>);

impl Connection for Raw<'_> {
    fn conn(&mut self) -> Conn<'_> {
        match &mut self.0 {
            Conn::Sqlite(connection) => Conn::Sqlite(connection),
            Conn::Postgres(connection) => Conn::Postgres(connection),
        }
    }
}
