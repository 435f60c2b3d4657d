//! Where work runs.
//!
//! Cheap answers run on the async threads. What executes code, recovers senders or reads much of
//! the database runs on blocking threads, of which a bounded number is busy at once and for which a
//! bounded number of requests may wait. Calls that were short the last time are an exception: the
//! hop to another thread would cost more than the call, so [`Costs`] remembers what a call cost and
//! lets it run in place while it stays cheap.

use crate::error::{self, RpcResult};
use std::{
    hash::{BuildHasher, Hash},
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::Semaphore;

/// A call that took less than this last time runs in place.
const QUICK: Duration = Duration::from_micros(250);

/// Entries of the table of costs; two calls that share an entry only mislead the guess.
const COST_ENTRIES: usize = 8192;

/// A bounded pool of blocking threads.
#[derive(Clone, Debug)]
pub struct Workers(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    running: Semaphore,
    waiting: AtomicUsize,
    max_waiting: usize,
    costs: Costs,
}

impl Workers {
    /// A pool in which `at_once` jobs run (0: one per core) and `max_waiting` more may wait.
    pub fn new(at_once: usize, max_waiting: usize) -> Self {
        let cores = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let at_once = if at_once == 0 { cores() } else { at_once };
        Self(Arc::new(Inner {
            running: Semaphore::new(at_once),
            waiting: AtomicUsize::new(0),
            max_waiting,
            costs: Costs::new(),
        }))
    }

    /// Runs `job` on a blocking thread.
    ///
    /// # Errors
    /// -32005 where too many jobs wait already, the job's own error, -32000 where the node is shutting
    /// down, or -32603 where the job panics.
    pub async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> RpcResult<T> + Send + 'static,
    ) -> RpcResult<T> {
        let _permit = match self.0.running.try_acquire() {
            Ok(permit) => permit,
            Err(_) => {
                let _place = Place::take(&self.0)?;
                let permit = self.0.running.acquire().await;
                permit.map_err(|_| error::internal("the pool of workers is closed"))?
            }
        };
        match tokio::task::spawn_blocking(job).await {
            Ok(answer) => answer,
            // Nothing but the end of the runtime cancels a job.
            Err(failure) if failure.is_cancelled() => {
                Err(error::server_error("the node is shutting down"))
            }
            Err(failure) => {
                tracing::error!(target: "plasma::rpc", %failure, "a request panicked");
                Err(error::internal("the request met a defect of the node; its log tells more"))
            }
        }
    }

    /// Runs `job` in place where its kind was cheap last time, else on a blocking thread.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub async fn run_guessed<T: Send + 'static>(
        &self,
        kind: impl Hash,
        job: impl FnOnce() -> RpcResult<T> + Send + 'static,
    ) -> RpcResult<T> {
        self.run_guessed_at(self.entry(&kind), job).await
    }

    /// The entry of the table of costs for `kind`; see [`Self::run_guessed_at`].
    pub fn entry(&self, kind: &impl Hash) -> usize {
        self.0.costs.entry(kind)
    }

    /// As [`Self::run_guessed`], for an entry of the table of costs.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub async fn run_guessed_at<T: Send + 'static>(
        &self,
        entry: usize,
        job: impl FnOnce() -> RpcResult<T> + Send + 'static,
    ) -> RpcResult<T> {
        let inner = self.0.clone();
        let measured = move || {
            let started = Instant::now();
            let answer = job();
            inner.costs.learn(entry, started.elapsed());
            answer
        };
        if self.0.costs.is_quick(entry) { measured() } else { self.run(measured).await }
    }
}

/// A place among those who wait; given back when the wait ends, also by cancellation.
struct Place<'a>(&'a Inner);

impl<'a> Place<'a> {
    fn take(inner: &'a Inner) -> RpcResult<Self> {
        if inner.waiting.fetch_add(1, Ordering::Relaxed) >= inner.max_waiting {
            inner.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(error::busy(inner.max_waiting));
        }
        Ok(Self(inner))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What calls cost the last time they ran, in microseconds.
///
/// All accesses are relaxed: an entry is a hint on its own and orders nothing else.
#[derive(Debug)]
struct Costs {
    last_micros: Box<[AtomicU32]>,
    hasher: std::hash::RandomState,
}

impl Costs {
    fn new() -> Self {
        let last_micros = (0..COST_ENTRIES).map(|_| AtomicU32::new(u32::MAX)).collect();
        Self { last_micros, hasher: std::hash::RandomState::new() }
    }

    fn entry(&self, kind: impl Hash) -> usize {
        self.hasher.hash_one(kind) as usize % COST_ENTRIES
    }

    fn is_quick(&self, entry: usize) -> bool {
        u128::from(self.last_micros[entry].load(Ordering::Relaxed)) < QUICK.as_micros()
    }

    fn learn(&self, entry: usize, cost: Duration) {
        let micros = u32::try_from(cost.as_micros()).unwrap_or(u32::MAX);
        self.last_micros[entry].store(micros, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_full_queue_answers_at_once_and_empties_again() {
        let workers = Workers::new(1, 1);
        let (release, wait) = std::sync::mpsc::channel::<()>();
        let first = tokio::spawn({
            let workers = workers.clone();
            async move { workers.run(move || Ok(wait.recv().is_ok())).await }
        });
        while workers.0.running.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let second = tokio::spawn({
            let workers = workers.clone();
            async move { workers.run(|| Ok(2)).await }
        });
        while workers.0.waiting.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        let refused = workers.run(|| Ok(3)).await.unwrap_err();
        assert_eq!(refused.code(), -32005);
        assert!(refused.message().contains("--rpc.max-queued"), "{}", refused.message());
        release.send(()).unwrap();
        assert!(first.await.unwrap().unwrap());
        assert_eq!(second.await.unwrap().unwrap(), 2);
        assert_eq!(workers.run(|| Ok(4)).await.unwrap(), 4);
        assert_eq!(workers.0.waiting.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn a_panic_is_an_internal_error() {
        let workers = Workers::new(1, 1);
        let failed = workers.run::<()>(|| panic!("as the test wants")).await.unwrap_err();
        assert_eq!(failed.code(), -32603);
        assert!(failed.message().contains("defect of the node"), "{}", failed.message());
        assert_eq!(workers.run(|| Ok(1)).await.unwrap(), 1);
    }

    #[test]
    fn a_job_that_the_end_of_the_node_cancels_says_so() {
        let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
        let handle = runtime.handle().clone();
        runtime.shutdown_background();
        let _entered = handle.enter();
        let refused = futures::executor::block_on(Workers::new(1, 1).run(|| Ok(1))).unwrap_err();
        assert_eq!((refused.code(), refused.message()), (-32000, "the node is shutting down"));
    }

    #[tokio::test]
    async fn what_was_cheap_runs_in_place_and_what_was_not_does_not() {
        let workers = Workers::new(1, 1);
        let here = std::thread::current().id();
        let entry = workers.0.costs.entry("kind");
        let place = || Ok(std::thread::current().id());
        assert_ne!(workers.run_guessed("kind", place).await.unwrap(), here);
        workers.0.costs.learn(entry, Duration::ZERO);
        assert_eq!(workers.run_guessed("kind", place).await.unwrap(), here);
        workers.0.costs.learn(entry, Duration::from_secs(1));
        assert_ne!(workers.run_guessed("kind", place).await.unwrap(), here);
    }
}
