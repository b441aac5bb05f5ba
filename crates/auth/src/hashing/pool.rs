//! Who may hash now. A hash takes some 15 ms of a core, so there are as many at once as cores, a
//! bounded queue behind them, and a quick answer for everybody else. Whoever hangs up while waiting
//! costs nothing.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::{HashSettings, Memory};

/// Too many hashes wait already. Answer 503 with `Retry-After`.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("too many passwords are being checked")]
pub struct Busy;

/// A thread without work gives its memory back after this long.
const IDLE: Duration = Duration::from_secs(20);
/// Nobody waits longer than this in the queue.
const PATIENCE: Duration = Duration::from_secs(4);
/// How far below request threads the hash threads run: a flood of sign-ins must not slow down
/// who-am-I. (`nice`, 0 to 19.)
const NICE: i32 = 15;

type Job = Box<dyn FnOnce(&mut Memory) + Send>;

/// The hashing threads. Cheap to clone.
#[derive(Clone)]
pub struct Hasher {
    admission: Arc<Semaphore>,
    shared: Arc<Shared>,
}

struct Shared {
    /// What was admitted and is not begun: two jobs more than threads at most, or, for a moment,
    /// those whose callers are gone.
    jobs: Mutex<VecDeque<Job>>,
    arrived: Condvar,
    settings: HashSettings,
    waiting: AtomicUsize,
    computed: AtomicU64,
    refused: AtomicU64,
}

/// What the pool has done, for metrics.
#[derive(Clone, Copy, Debug)]
pub struct Stats {
    /// Hashes computed since the start.
    pub computed: u64,
    /// Answers that said to come back.
    pub refused: u64,
    /// Waiting now.
    pub waiting: usize,
}

impl Hasher {
    /// Starts the threads.
    pub fn start(settings: HashSettings) -> std::io::Result<Self> {
        // Two more than threads: the next ones do their database work while others hash.
        let admission = Arc::new(Semaphore::new(settings.threads + 2));
        let threads = settings.threads;
        let shared = Arc::new(Shared {
            jobs: Mutex::default(),
            arrived: Condvar::new(),
            settings,
            waiting: AtomicUsize::new(0),
            computed: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        });
        for number in 0..threads {
            let shared = Arc::downgrade(&shared);
            std::thread::Builder::new().name(format!("hash-{number}")).spawn(move || work(&shared))?;
        }
        Ok(Self { admission, shared })
    }

    /// Waits for a place. Nothing is counted against anybody before there is one.
    pub async fn enter(&self) -> Result<Place, Busy> {
        let waiting = Waiting::begin(&self.shared.waiting);
        if waiting.before >= self.shared.settings.queue {
            return self.refuse();
        }
        match tokio::time::timeout(PATIENCE, self.admission.clone().acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Place { hasher: self.clone(), _permit: permit }),
            Ok(Err(_)) | Err(_) => self.refuse(),
        }
    }

    fn refuse<T>(&self) -> Result<T, Busy> {
        self.shared.refused.fetch_add(1, Ordering::Relaxed);
        Err(Busy)
    }

    /// Says at once that there is no room, before anything else is done for somebody who would only be
    /// told to come back. [`Hasher::enter`] asks again.
    pub fn expect_room(&self) -> Result<(), Busy> {
        let is_full = self.shared.waiting.load(Ordering::Acquire) >= self.shared.settings.queue;
        if is_full { self.refuse() } else { Ok(()) }
    }

    /// What a hash costs here.
    pub fn cost(&self) -> super::Cost {
        self.shared.settings.cost
    }

    /// Numbers for metrics.
    pub fn stats(&self) -> Stats {
        Stats {
            computed: self.shared.computed.load(Ordering::Relaxed),
            refused: self.shared.refused.load(Ordering::Relaxed),
            waiting: self.shared.waiting.load(Ordering::Relaxed),
        }
    }
}

/// Counts one who waits, for as long as they do.
struct Waiting<'c> {
    count: &'c AtomicUsize,
    before: usize,
}

impl<'c> Waiting<'c> {
    fn begin(count: &'c AtomicUsize) -> Self {
        Self { before: count.fetch_add(1, Ordering::AcqRel), count }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The right to one hash.
pub struct Place {
    hasher: Hasher,
    _permit: OwnedSemaphorePermit,
}

impl Place {
    /// Runs `job` on a hashing thread. If the caller is gone before its turn, it is not run.
    pub async fn run<T: Send + 'static>(self, job: impl FnOnce(&mut Memory) -> T + Send + 'static) -> Result<T, Busy> {
        let (done, result) = oneshot::channel();
        let shared = self.hasher.shared.clone();
        let boxed: Job = Box::new(move |memory| {
            if !done.is_closed() {
                let result = job(memory);
                shared.computed.fetch_add(memory.take_count(), Ordering::Relaxed);
                let _ = done.send(result);
            }
        });
        self.hasher.shared.jobs.lock().unwrap_or_else(PoisonError::into_inner).push_back(boxed);
        self.hasher.shared.arrived.notify_one();
        result.await.map_err(|_| Busy)
    }
}

/// One thread's life: it ends when the pool is dropped.
fn work(shared: &Weak<Shared>) {
    // An unprivileged process may always be nicer.
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        tracing::debug!(%error, "the hashing threads keep the normal priority");
    }
    let mut memory = Memory::default();
    while let Some(shared) = shared.upgrade() {
        match shared.next_job() {
            Some(job) => {
                // A panic answers its own caller, who sees the channel close, and nobody else.
                if std::panic::catch_unwind(AssertUnwindSafe(|| job(&mut memory))).is_err() {
                    memory = Memory::default();
                }
                memory.keep_at_most(shared.settings.cost.blocks());
            }
            None => memory = Memory::default(),
        }
    }
}

impl Shared {
    /// The next job; nothing if none came for a while.
    fn next_job(&self) -> Option<Job> {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut jobs, _) =
            self.arrived.wait_timeout_while(jobs, IDLE, |jobs| jobs.is_empty()).unwrap_or_else(PoisonError::into_inner);
        jobs.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::hashing::Cost;

    fn hasher(threads: usize, queue: usize) -> Hasher {
        Hasher::start(HashSettings { cost: Cost { memory_kib: 7168, passes: 5, lanes: 1 }, threads, queue }).unwrap()
    }

    #[tokio::test]
    async fn a_full_queue_answers_at_once() {
        let hasher = hasher(1, 1);
        let held: Vec<Place> =
            vec![hasher.enter().await.unwrap(), hasher.enter().await.unwrap(), hasher.enter().await.unwrap()];
        let waiting = tokio::spawn({
            let hasher = hasher.clone();
            async move { hasher.enter().await.is_ok() }
        });
        while hasher.stats().waiting == 0 {
            tokio::task::yield_now().await;
        }
        assert!(hasher.enter().await.is_err());
        drop(held);
        assert!(waiting.await.unwrap());
        assert_eq!(hasher.stats().refused, 1);
    }

    #[tokio::test]
    async fn a_thread_keeps_the_memory_of_our_own_hashes_and_not_that_of_a_dearer_one() {
        let hasher = hasher(1, 64);
        let run = async |blocks: usize| {
            let place = hasher.enter().await.unwrap();
            place.run(move |memory| (memory.room(), memory.blocks(blocks).len())).await.unwrap()
        };
        assert_eq!(run(7_168).await, (0, 7_168));
        assert_eq!(run(100_000).await, (7_168, 100_000), "ours stays");
        assert_eq!(run(7_168).await, (0, 7_168), "the dear one went");
    }

    #[tokio::test]
    async fn whoever_hangs_up_costs_no_hash() {
        let hasher = hasher(1, 64);
        let (release, blocked) = mpsc::channel::<()>();
        let (started, start) = oneshot::channel::<()>();
        let first = tokio::spawn({
            let place = hasher.enter().await.unwrap();
            place.run(move |memory| {
                memory.blocks(8);
                started.send(()).unwrap();
                blocked.recv()
            })
        });
        start.await.unwrap();
        for _ in 0..64 {
            let hasher = hasher.clone();
            let gone =
                tokio::spawn(async move { hasher.enter().await.unwrap().run(|memory| memory.blocks(8).len()).await });
            tokio::task::yield_now().await;
            gone.abort();
            assert!(gone.await.is_err());
        }
        release.send(()).unwrap();
        first.await.unwrap().unwrap().unwrap();
        assert_eq!(hasher.enter().await.unwrap().run(|memory| memory.blocks(8).len()).await.unwrap(), 8);
        assert_eq!(hasher.stats().computed, 2);
        assert_eq!(hasher.stats().waiting, 0);
    }
}
