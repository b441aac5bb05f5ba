//! The revocation feed: a snapshot, then a stream of what ends trust, to every service that listens.
//!
//! One task reads the ledger ([`Feed::follow`]), writes each entry once (`text`) into the window
//! (`window`) and hands the same bytes to all connections (`stream`) through one ring. A connection
//! holds its place in the ring and nothing else, so thousands of them cost little, and one that reads
//! too slowly loses its place and is dropped: it comes back and resumes. A feed that may not know all
//! says nothing that sounds as if it did (`complete`).

mod complete;
mod stream;
mod text;
mod verifiers;
mod window;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use kernel::id::ServiceTokenId;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use storage::{Read, ledger};
use tokio::sync::{Semaphore, broadcast, watch};

use crate::service_token::Service;
use crate::{Signals, service_token};
use complete::Complete;
use stream::Seat;
pub use verifiers::Connected;
use verifiers::Verifiers;
use window::{MATTERS, Window};

/// How many services may listen to one process.
const MOST_CONNECTIONS: usize = 5_000;
/// How many pieces a slow connection may be behind: some seconds at a thousand revocations a second.
const RING: usize = 4_096;
/// How often there is something to hear, whatever happens.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// How often it is looked whether tokens were taken back by another process and whether revocations wait
/// for their number, and the ledger read even if nobody says that it has grown.
const PATIENCE: Duration = Duration::from_secs(1);
/// How many entries are read at once.
const BATCH: i64 = 500;

/// What goes through the ring.
#[derive(Clone, Debug)]
enum Piece {
    /// For everybody.
    Text(Bytes),
    /// The connections of this token end.
    End(ServiceTokenId),
    /// All connections end: the process stops.
    Stop,
}

/// The feed of this process.
pub(crate) struct Feed {
    /// Nothing until the ledger was read once: nobody is answered before that.
    window: Mutex<Option<Window>>,
    ready: watch::Sender<bool>,
    ring: broadcast::Sender<Piece>,
    room: Arc<Semaphore>,
    stopping: watch::Sender<bool>,
    complete: Complete,
    pub(crate) verifiers: Verifiers,
    pub(crate) numbers: Numbers,
}

/// What is counted.
#[derive(Clone, Default)]
pub(crate) struct Numbers {
    connections: Gauge,
    sent: Counter,
    dropped: Counter,
    entries: Gauge,
    behind: Gauge,
}

/// Why nobody can listen now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotNow {
    /// Too many do.
    Full,
    /// Too many do with this token.
    TokenFull,
    /// It may not know all that was revoked.
    Incomplete,
    /// The ledger was not read yet, or the process stops.
    Closed,
}

impl Feed {
    pub(crate) fn new() -> Self {
        Self {
            window: Mutex::new(None),
            ready: watch::Sender::new(false),
            ring: broadcast::Sender::new(RING),
            room: Arc::new(Semaphore::new(MOST_CONNECTIONS)),
            stopping: watch::Sender::new(false),
            complete: Complete::new(),
            verifiers: Verifiers::default(),
            numbers: Numbers::default(),
        }
    }

    /// Registers what is counted.
    pub(crate) fn register(&self, registry: &mut Registry) {
        let Numbers { connections, sent, dropped, entries, behind } = self.numbers.clone();
        registry.register("usher_feed_connections", "Services that listen to the revocation feed", connections);
        registry.register("usher_feed_events", "Ledger entries told to the feed's listeners", sent);
        registry.register("usher_feed_dropped", "Listeners dropped because they read too slowly", dropped);
        registry.register("usher_feed_behind", "Ledger entries that the slowest listener has not applied", behind);
        registry.register("usher_feed_entries", "Revocations that a snapshot names", entries);
    }

    fn window(&self) -> MutexGuard<'_, Option<Window>> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How far the ledger was read.
    pub(crate) fn newest(&self) -> Option<i64> {
        self.window().as_ref().map(Window::newest)
    }

    /// A service begins to listen, knowing everything up to `after`.
    pub(crate) async fn listen(self: &Arc<Self>, service: &Service, after: Option<i64>) -> Result<Body, NotNow> {
        // At the start of the process the first services may be here before the ledger was read.
        let mut ready = self.ready.subscribe();
        let in_time = matches!(tokio::time::timeout(PATIENCE, ready.wait_for(|ready| *ready)).await, Ok(Ok(_)));
        if !in_time {
            return Err(NotNow::Closed);
        }
        // What is said first would make the listener believe that it is current.
        if !self.complete.is_so() {
            return Err(NotNow::Incomplete);
        }
        let seat = Seat::take(self, service)?;
        let (first, receiver) = {
            let mut window = self.window();
            let window = window.as_mut().ok_or(NotNow::Closed)?;
            // Under the lock under which pieces are sent: nothing is missed and nothing comes twice.
            (window.begin(after), self.ring.subscribe())
        };
        // Only now: whoever stops after this look reaches the receiver that is already there.
        if *self.stopping.borrow() {
            return Err(NotNow::Closed);
        }
        Ok(stream::body(seat, first, receiver))
    }

    /// Ends the connections of a token that was taken back.
    pub(crate) fn end(&self, token: ServiceTokenId) {
        // Nobody may be listening.
        let _ = self.ring.send(Piece::End(token));
        self.verifiers.forget(token);
    }

    /// Ends all connections: their clients resume elsewhere.
    pub(crate) fn stop(&self) {
        self.stopping.send_replace(true);
        let _ = self.ring.send(Piece::Stop);
    }

    fn send(&self, text: Bytes) {
        let _ = self.ring.send(Piece::Text(text));
    }

    /// Reads the ledger and tells. It ends only with the process.
    pub(crate) async fn follow(&self, signals: &Signals) {
        let db = signals.db();
        let mut head = db.head();
        let mut keys = signals.auth().keys().changes();
        let mut published = signals.auth().keys().jwks();
        let mut heartbeat = tokio::time::interval(HEARTBEAT);
        let mut look = tokio::time::interval(PATIENCE);
        heartbeat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut looked_at = signals.auth().clock().now();
        loop {
            let read = self.read_on(signals).await;
            self.complete.ledger_was_read(read.is_ok());
            if let Err(error) = read {
                tracing::warn!(%error, "the ledger cannot be read: the revocation feed waits");
                tokio::time::sleep(PATIENCE / 2).await;
            }
            tokio::select! {
                changed = head.changed() => if changed.is_err() { return },
                changed = keys.changed() => {
                    let now = signals.auth().keys().jwks();
                    if changed.is_ok() && now != published {
                        published = now;
                        self.send(text::keys_changed());
                    }
                }
                _ = heartbeat.tick() => self.beat(signals),
                _ = look.tick() => {
                    self.complete.look(signals).await;
                    looked_at = self.end_revoked(signals, looked_at).await;
                }
            }
        }
    }

    /// Reads what is new. The first time, that is everything that still matters.
    async fn read_on(&self, signals: &Signals) -> storage::Result<()> {
        let mut read = signals.db().read().await?;
        let newest = ledger::newest(&mut read).await?;
        let mut position = match self.newest() {
            Some(position) => position,
            None => first_position(&mut read, signals, newest).await?,
        };
        let mut fresh = self.newest().is_none().then(|| Window::new(position));
        while position < newest {
            let found = ledger::revoking_after(&mut read, position, newest, BATCH).await?;
            position = match found.last() {
                Some(last) if i64::try_from(found.len()) == Ok(BATCH) => last.index,
                _ => newest,
            };
            match &mut fresh {
                Some(window) => {
                    for revoking in &found {
                        window.push(revoking);
                    }
                    window.read_up_to(position);
                }
                None => self.tell(&found, position),
            }
        }
        if let Some(window) = fresh {
            *self.window() = Some(window);
            self.ready.send_replace(true);
        }
        Ok(())
    }

    fn tell(&self, found: &[ledger::Revoking], position: i64) {
        let mut window = self.window();
        let Some(window) = window.as_mut() else { return };
        for revoking in found {
            let text = window.push(revoking);
            self.send(text);
            self.numbers.sent.inc();
        }
        window.read_up_to(position);
    }

    fn beat(&self, signals: &Signals) {
        let mut window = self.window();
        let Some(window) = window.as_mut() else { return };
        window.sweep(signals.auth().clock().now());
        self.numbers.entries.set(i64::try_from(window.len()).unwrap_or(i64::MAX));
        self.numbers.behind.set(self.verifiers.slowest(window.newest()));
        if self.complete.is_so() {
            self.send(text::heartbeat(window.newest()));
        }
    }

    /// Ends what tokens have open that were taken back, here or by another process. Until when it was
    /// looked.
    async fn end_revoked(&self, signals: &Signals, since: kernel::Timestamp) -> kernel::Timestamp {
        let now = signals.auth().clock().now();
        if self.ring.receiver_count() == 0 {
            return now;
        }
        let db = signals.db();
        // A little further back: another process's clock may be behind, and its commit may have taken a while.
        let from = since.plus_seconds(-10);
        let found = async { service_token::revoked_since(&mut db.read().await?, from).await }.await;
        match found {
            Ok(tokens) => {
                for token in tokens {
                    signals.callers().forget(token);
                    self.end(token);
                }
                now
            }
            Err(error) => {
                tracing::warn!(%error, "it cannot be seen which service tokens were taken back");
                since
            }
        }
    }
}

/// Everything after this number is to be read: what could still matter.
async fn first_position(read: &mut Read, signals: &Signals, newest: i64) -> storage::Result<i64> {
    let from = signals.auth().clock().now().plus_seconds(-MATTERS);
    let first = ledger::first_revoking_since(read, from).await?;
    Ok(first.map_or(newest, |first| first - 1))
}
