//! Where pictures are made: one at a time, in a thread of its own that runs below everything else, so
//! that requests go on as fast and memory is bounded whatever is sent. A few may wait; whoever hangs up
//! meanwhile costs nothing.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use tokio::sync::{Semaphore, oneshot};

use super::container::BadImage;
use super::develop::{Developed, develop};

/// How many may wait, each with a file of up to 5 MiB in memory.
const QUEUE: usize = 8;
/// Nobody waits longer than this for their turn.
const PATIENCE: Duration = Duration::from_secs(10);
/// How far below request threads the work runs. (`nice`, 0 to 19.)
const NICE: i32 = 15;

/// Too many wait already. Answer 503 with `Retry-After`.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("too many pictures are being made")]
pub struct Busy;

/// Cheap to clone.
#[derive(Clone)]
pub(super) struct Studio {
    /// Who works or waits.
    admitted: Arc<Semaphore>,
    /// Who works.
    turn: Arc<Semaphore>,
}

impl Studio {
    pub(super) fn new() -> Self {
        Self { admitted: Arc::new(Semaphore::new(QUEUE + 1)), turn: Arc::new(Semaphore::new(1)) }
    }

    /// The pictures of what somebody sent.
    pub(super) async fn develop(&self, sent: Bytes) -> Result<Result<Developed, BadImage>, Busy> {
        let work = move || {
            std::panic::catch_unwind(AssertUnwindSafe(|| develop(&sent))).unwrap_or_else(|_panic| {
                tracing::error!("a decoder panicked over an image");
                Err(BadImage::Broken)
            })
        };
        self.run(work).await
    }

    /// Does this when it is its turn. If the caller is gone before that, it is not done.
    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Busy> {
        let admitted = self.admitted.clone().try_acquire_owned().map_err(|_| Busy)?;
        let turn = tokio::time::timeout(PATIENCE, self.turn.clone().acquire_owned());
        let turn = turn.await.map_err(|_| Busy)?.map_err(|_| Busy)?;
        let (done, result) = oneshot::channel();
        // A thread that ends gives its memory back; beside the work, making one costs nothing.
        let thread = std::thread::Builder::new().name("picture".into()).spawn(move || {
            // An unprivileged process may always be nicer. If not, the work is done all the same.
            let _ = rustix::process::setpriority_process(None, NICE);
            let result = work();
            drop((turn, admitted));
            let _ = done.send(result);
        });
        if let Err(error) = thread {
            tracing::error!(%error, "no thread for a picture could be made");
            return Err(Busy);
        }
        result.await.map_err(|_| Busy)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn i3_one_at_a_time_a_few_wait_and_who_hangs_up_costs_nothing() {
        let studio = Studio::new();
        let done = Arc::new(AtomicUsize::new(0));
        let (release, blocked) = mpsc::channel::<()>();
        let (started, start) = oneshot::channel::<()>();
        let first = tokio::spawn({
            let studio = studio.clone();
            async move {
                studio
                    .run(move || {
                        started.send(()).unwrap();
                        blocked.recv()
                    })
                    .await
            }
        });
        start.await.unwrap();
        let wait = || {
            let (studio, done) = (studio.clone(), done.clone());
            tokio::spawn(async move { studio.run(move || done.fetch_add(1, Ordering::AcqRel)).await })
        };
        let waiting: Vec<_> = std::iter::repeat_with(wait).take(QUEUE).collect();
        while studio.admitted.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert!(wait().await.unwrap().is_err(), "there is no place left");
        for gone in &waiting[1..] {
            gone.abort();
        }
        release.send(()).unwrap();
        first.await.unwrap().unwrap().unwrap();
        for waited in waiting {
            let _ = waited.await;
        }
        assert_eq!(done.load(Ordering::Acquire), 1);
        assert!(wait().await.unwrap().is_ok());
        assert_eq!(studio.admitted.available_permits(), QUEUE + 1);
    }
}
