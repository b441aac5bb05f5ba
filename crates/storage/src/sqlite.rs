//! SQLite: one writer that commits in groups, and a pool of readers.
//!
//! The disk is the slow part: one `fsync` a commit. So a use case's transaction is a part of a
//! transaction that all share: the first begins it, each later one sets a savepoint that it can be
//! rolled back to. Whoever finishes while others wait leaves the commit to them; the last one
//! commits for all, and each is answered only after that. One at a time holds the writer.
//!
//! A client may hang up at any `await`, so the state says what is to be undone *before* each
//! statement is sent, and finishing runs as a task of its own.

use std::fs::{File, OpenOptions};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use kernel::Event;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection as _, SqliteConnection, SqlitePool};
use tokio::sync::{Mutex, OwnedMutexGuard, oneshot, watch};

use crate::db::{Backend, Listener, Raw};
use crate::ledger::{self, Entry};
use crate::statement::{Conn, Connection};
use crate::{Error, OpenError, Result, Settings, execute};

/// Commit at the latest after this many transactions, so that the first one does not wait for ever
/// and savepoints do not nest without bound.
const MAX_GROUP: usize = 128;

pub(crate) struct Opened {
    connection: SqliteConnection,
    patience: Duration,
    readers: SqlitePool,
    lock: File,
}

/// Opens the file, and refuses if another process has it.
pub(crate) async fn open(path: &Path, settings: &Settings) -> std::result::Result<Opened, OpenError> {
    let lock = lock(path)?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // An acknowledged write is on disk: FULL syncs the log at every commit.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(5))
        .pragma("trusted_schema", "OFF")
        .pragma("cell_size_check", "ON")
        .pragma("cache_size", if settings.bulk { "-262144" } else { "-2048" })
        // In pages. Rows that come in no order touch the same pages of an index again and again: each is put into its place
        // once a checkpoint, so fewer checkpoints are less writing. A server keeps its log short.
        .pragma("wal_autocheckpoint", if settings.bulk { "65536" } else { "1000" })
        // What a savepoint may have to undo stays in memory: as a file it was more writing than the
        // log itself (ten writes a refresh, a third of a commit's CPU).
        .pragma("temp_store", "MEMORY")
        .statement_cache_capacity(256)
        .disable_statement_logging();
    let connection = options.connect().await?;
    let readers = SqlitePoolOptions::new()
        .max_connections(settings.max_connections.clamp(1, 8))
        .min_connections(1)
        .test_before_acquire(false)
        .acquire_timeout(settings.acquire_timeout)
        .connect_with(options.pragma("query_only", "ON"))
        .await?;
    Ok(Opened { connection, patience: settings.acquire_timeout, readers, lock })
}

fn lock(path: &Path) -> std::result::Result<File, OpenError> {
    let lock_path = path.with_extension("lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&lock_path)
        .map_err(|cause| OpenError::File { path: lock_path.clone(), cause })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(OpenError::InUse(path.to_owned())),
        Err(std::fs::TryLockError::Error(cause)) => Err(OpenError::File { path: lock_path, cause }),
    }
}

impl Opened {
    pub(crate) fn connection(&mut self) -> Raw<'_> {
        Raw(Conn::Sqlite(&mut self.connection))
    }

    pub(crate) async fn into_backend(
        mut self,
        head: watch::Sender<i64>,
        listener: Arc<OnceLock<Listener>>,
    ) -> Result<Backend> {
        let newest = ledger::newest(&mut self.connection()).await?;
        let group = Group {
            connection: Some(self.connection),
            open: false,
            unfinished: false,
            members: 0,
            waiting: Vec::new(),
            events: Vec::new(),
            next_index: newest + 1,
            head,
            listener,
            _lock: self.lock,
        };
        let writer = Writer {
            group: Arc::new(Mutex::new(group)),
            patience: self.patience,
            queue: Arc::new(AtomicUsize::new(0)),
        };
        Ok(Backend::Sqlite { writer, readers: self.readers })
    }
}

/// The one writer.
#[derive(Clone)]
pub(crate) struct Writer {
    group: Arc<Mutex<Group>>,
    /// How long to wait for it before answering that the database is unavailable.
    patience: Duration,
    /// How many wait to begin.
    queue: Arc<AtomicUsize>,
}

/// The transaction that is shared, and who waits for its commit.
struct Group {
    connection: Option<SqliteConnection>,
    /// `BEGIN` was done and `COMMIT` was not.
    open: bool,
    /// A use case is under way, or was dropped and is not rolled back yet.
    unfinished: bool,
    /// How many parts the open transaction has had, those that were rolled back included.
    members: usize,
    waiting: Vec<oneshot::Sender<Result<()>>>,
    events: Vec<Event>,
    next_index: i64,
    head: watch::Sender<i64>,
    listener: Arc<OnceLock<Listener>>,
    _lock: File,
}

impl Writer {
    /// Waits for the writer and begins a part.
    pub(crate) async fn begin(&self) -> Result<Savepoint> {
        let mut place = Place::in_queue(self);
        let waited = tokio::time::timeout(self.patience, self.group.clone().lock_owned()).await;
        let guard = waited.map_err(|_| Error::Unavailable("too many writes are waiting".into()))?;
        place.left = true;
        drop(place);
        // From here on the guard is inside the savepoint, whose drop puts things right.
        let mut savepoint = Savepoint { guard: Some(guard), queue: self.queue.clone() };
        let group = savepoint.group()?;
        group.unfinished = true;
        if group.open {
            group.members += 1;
            execute!(&mut group.raw()?, "SAVEPOINT one")?;
        } else {
            group.open = true;
            group.members = 1;
            execute!(&mut group.raw()?, "BEGIN IMMEDIATE")?;
        }
        Ok(savepoint)
    }

    pub(crate) async fn close(&self) {
        let mut group = self.group.lock().await;
        group.commit().await;
        if let Some(connection) = group.connection.take()
            && let Err(error) = connection.close().await
        {
            tracing::error!(%error, "closing the database failed");
        }
    }
}

/// One waiting use case.
struct Place<'w> {
    writer: &'w Writer,
    /// It got the writer.
    left: bool,
}

impl<'w> Place<'w> {
    fn in_queue(writer: &'w Writer) -> Self {
        writer.queue.fetch_add(1, Ordering::AcqRel);
        Self { writer, left: false }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.writer.queue.fetch_sub(1, Ordering::AcqRel);
        if self.left {
            return;
        }
        // It gave up, and those before it may have left the commit to it.
        let (group, queue) = (self.writer.group.clone(), self.writer.queue.clone());
        tokio::spawn(async move {
            let group = group.lock_owned().await;
            finish(group, queue).await;
        });
    }
}

/// One use case's part of the group.
pub(crate) struct Savepoint {
    guard: Option<OwnedMutexGuard<Group>>,
    queue: Arc<AtomicUsize>,
}

impl Savepoint {
    fn group(&mut self) -> Result<&mut Group> {
        self.guard.as_deref_mut().ok_or_else(|| Error::Commit("the transaction has ended".into()))
    }

    pub(crate) fn conn(&mut self) -> Conn<'_> {
        #[expect(
            clippy::expect_used,
            reason = "the guard is taken only by commit and drop, which consume the savepoint"
        )]
        let group = self.guard.as_deref_mut().expect("the savepoint holds the writer");
        #[expect(clippy::expect_used, reason = "begin gave out the savepoint only with an open connection")]
        Conn::Sqlite(group.connection.as_mut().expect("the writer is open"))
    }

    /// Ends this part, and answers when the group's commit is on disk. The savepoint stays open:
    /// the commit releases it with all others.
    pub(crate) async fn commit(mut self, events: Vec<Event>) -> Result<()> {
        let group = self.group()?;
        group.unfinished = false;
        group.events.extend(events);
        let (done, committed) = oneshot::channel();
        group.waiting.push(done);
        // Ends here for this savepoint: dropping it passes the writer on or commits.
        drop(self);
        committed.await.unwrap_or_else(|_| Err(Error::Commit("the writer stopped".into())))
    }
}

impl Drop for Savepoint {
    fn drop(&mut self) {
        let Some(guard) = self.guard.take() else { return };
        let queue = self.queue.clone();
        let others_wait = queue.load(Ordering::Acquire) > 0 && guard.members < MAX_GROUP;
        if others_wait && !guard.unfinished {
            return; // the next in the queue goes on in the same group
        }
        // A commit must not be torn by a client that hangs up, so it runs as a task of its own.
        tokio::spawn(finish(guard, queue));
    }
}

/// Rolls back what was dropped, and commits the group unless somebody else will.
async fn finish(mut group: OwnedMutexGuard<Group>, queue: Arc<AtomicUsize>) {
    if group.unfinished {
        group.roll_back_one().await;
    }
    let others_wait = queue.load(Ordering::Acquire) > 0 && group.members < MAX_GROUP;
    if !others_wait {
        group.commit().await;
    }
}

impl Group {
    fn raw(&mut self) -> Result<Raw<'_>> {
        let connection = self.connection.as_mut().ok_or_else(|| Error::Unavailable("the database is closed".into()))?;
        Ok(Raw(Conn::Sqlite(connection)))
    }

    async fn roll_back_one(&mut self) {
        self.unfinished = false;
        if self.waiting.is_empty() {
            return self.fail("nobody").await; // it was the first, so there is nothing else to keep
        }
        let Ok(mut raw) = self.raw() else { return };
        if execute!(&mut raw, "ROLLBACK TO one").is_err() {
            // After some errors (a full disk is one) SQLite has rolled back the whole transaction by
            // itself. Then the others of the group are gone too, and must be told so.
            self.fail("the transaction was rolled back").await;
        }
    }

    async fn commit(&mut self) {
        if !self.open {
            return;
        }
        let events = std::mem::take(&mut self.events);
        match self.try_commit(&events).await {
            Ok(()) => {
                self.open = false;
                if !events.is_empty() {
                    self.next_index += i64::try_from(events.len()).unwrap_or(0);
                    if let Some(listener) = self.listener.get() {
                        listener(&events);
                    }
                    self.head.send_replace(self.next_index - 1);
                }
                for done in self.waiting.drain(..) {
                    let _ = done.send(Ok(()));
                }
            }
            Err(error) => self.fail(&error.to_string()).await,
        }
    }

    async fn try_commit(&mut self, events: &[Event]) -> Result<()> {
        let entries: Vec<Entry> = events.iter().map(Entry::from).collect();
        let first = self.next_index;
        let mut raw = self.raw()?;
        ledger::insert(&mut raw, first, &entries).await?;
        execute!(&mut raw, "COMMIT")?;
        Ok(())
    }

    /// Undoes the group and tells everybody in it.
    async fn fail(&mut self, cause: &str) {
        self.open = false;
        self.events.clear();
        if let Ok(mut raw) = self.raw()
            && let Err(error) = execute!(&mut raw, "ROLLBACK")
        {
            tracing::debug!(%error, "nothing was left to roll back");
        }
        for done in self.waiting.drain(..) {
            let _ = done.send(Err(Error::Commit(cause.to_owned())));
        }
    }
}

impl Connection for SqliteConnection {
    fn conn(&mut self) -> Conn<'_> {
        Conn::Sqlite(self)
    }
}
