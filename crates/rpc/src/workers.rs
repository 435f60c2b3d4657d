//! Where work runs.
//!
//! Cheap answers run on the async threads. What executes code, recovers senders or reads much of
//! the database runs on blocking threads, of which a bounded number is busy at once and for which a
//! bounded number of requests may wait. Calls that were short the last time are an exception: the
//! hop to another thread would cost more than the call, so [`Costs`] remembers what a call cost and
//! lets it run in place while it stays cheap. One that turns out not to be is stopped and runs again
//! on a blocking thread.
//!
//! A job whose request is dropped, since its client has gone, is told to end early; it keeps its
//! place among the busy ones until it has.

use crate::{
    error::{self, RpcResult},
    exec::{run_briefly, run_unless},
};
use std::{
    hash::{BuildHasher, Hash},
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::Semaphore;

/// A call that took less than this last time runs in place.
const QUICK: Duration = Duration::from_micros(250);

/// A call that runs in place and takes longer is stopped there.
const BRIEF: Duration = Duration::from_millis(5);

/// Entries of the table of costs; two calls that share an entry only mislead the guess.
const COST_ENTRIES: usize = 8192;

/// A bounded pool of blocking threads.
#[derive(Clone, Debug)]
pub struct Workers(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    running: Arc<Semaphore>,
    at_once: usize,
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
            running: Arc::new(Semaphore::new(at_once)),
            at_once,
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
        let running = &self.0.running;
        let permit = match running.clone().try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => {
                let _place = Place::take(&self.0)?;
                let permit = running.clone().acquire_owned().await;
                permit.map_err(|_| error::internal("the pool of workers is closed"))?
            }
        };
        let abandoned = Abandon::default();
        let flag = abandoned.0.clone();
        let job = move || {
            let _permit = permit;
            run_unless(flag, job)
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
        job: impl Fn() -> RpcResult<T> + Send + 'static,
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
        job: impl Fn() -> RpcResult<T> + Send + 'static,
    ) -> RpcResult<T> {
        let costs = &self.0.costs;
        if costs.is_quick(entry) {
            let started = Instant::now();
            let answer = run_briefly(BRIEF, &job);
            costs.learn(entry, started.elapsed());
            if let Some(answer) = answer {
                return answer;
            }
        }
        let inner = self.0.clone();
        let measured = move || {
            let started = Instant::now();
            let answer = job();
            inner.costs.learn(entry, started.elapsed());
            answer
        };
        self.run(measured).await
    }

    /// Jobs that run now.
    pub fn busy(&self) -> usize {
        self.0.at_once - self.0.running.available_permits()
    }
}

/// Tells a job, when it is dropped, that nobody waits for its answer.
#[derive(Default)]
struct Abandon(Arc<AtomicBool>);

impl Drop for Abandon {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
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

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_job_that_nobody_waits_for_ends_and_keeps_its_place_until_then() {
        let workers = Workers::new(1, 1);
        let (ended, wait) = std::sync::mpsc::channel();
        let job = move || {
            while !crate::exec::is_interrupted() {
                std::thread::yield_now();
            }
            ended.send(()).map_err(|_| error::internal("the test has gone"))
        };
        let running = tokio::spawn({
            let workers = workers.clone();
            async move { workers.run(job).await }
        });
        while workers.busy() == 0 {
            tokio::task::yield_now().await;
        }
        running.abort();
        assert!(running.await.unwrap_err().is_cancelled());
        tokio::task::spawn_blocking(move || wait.recv().unwrap()).await.unwrap();
        assert_eq!(workers.run(|| Ok(2)).await.unwrap(), 2);
        assert_eq!(workers.busy(), 0);
    }

    #[tokio::test]
    async fn what_was_cheap_and_is_not_any_more_goes_to_a_worker() {
        let workers = Workers::new(1, 1);
        let here = std::thread::current().id();
        let entry = workers.0.costs.entry("kind");
        workers.0.costs.learn(entry, Duration::ZERO);
        let places = Arc::new(parking_lot::Mutex::new(Vec::new()));
        let seen = places.clone();
        let job = move || {
            let place = std::thread::current().id();
            seen.lock().push(place);
            while place == here && !crate::exec::is_interrupted() {}
            crate::exec::check_time().map(|()| place)
        };
        let place = workers.run_guessed("kind", job).await.unwrap();
        assert_ne!(place, here);
        assert_eq!(*places.lock(), [here, place]);
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
