//! The public entry: worker threads, the choice between the two paths, errors.

use std::{
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use alloy_evm::EvmEnv;
use parking_lot::Mutex;
use plasma_vm::StorageProbeRef;
use rayon::{ThreadPool, ThreadPoolBuilder};
use revm::context::TxEnv;

use crate::{
    BatchOutcome, ConflictReport, ExecutorError,
    cache::BatchCache,
    committer::{Committed, Committer},
    execute_sequential,
    memory::{Memory, Tables},
    pace::Stretch,
    payment::Payments,
    placement::Placement,
    sequential::execute_in_order,
    worker::{self, Batch, catch},
};

/// Batches shorter than this are executed one by one unless the configuration says otherwise.
pub const DEFAULT_MIN_TRANSACTIONS: usize = 4;

/// No more than this part of a batch begins alone for what the batch before has shown.
const BEGIN_ALONE_PART: u32 = 8;

/// When the committer goes on alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Switching {
    /// While workers are of no use.
    Auto,
    /// Not at all.
    Never,
    /// Every few transactions, for tests.
    #[cfg_attr(not(test), allow(dead_code, reason = "tests alone want it"))]
    Often,
}

/// How a [`ParallelExecutor`] works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParallelConfig {
    /// Threads that work on a batch, the calling one included.
    pub threads: NonZeroUsize,
    /// Batches shorter than this take the sequential path.
    pub min_transactions: usize,
    /// Whether a single thread takes the sequential path, as it should outside of tests.
    pub sequential_when_single: bool,
    pub(crate) switching: Switching,
}

impl ParallelConfig {
    /// The ordinary configuration for `threads` threads.
    pub const fn new(threads: NonZeroUsize) -> Self {
        Self {
            threads,
            min_transactions: DEFAULT_MIN_TRANSACTIONS,
            sequential_when_single: true,
            switching: Switching::Auto,
        }
    }

    /// A configuration that takes the parallel path whatever the batch, as tests want it.
    pub const fn always_parallel(threads: NonZeroUsize) -> Self {
        Self {
            threads,
            min_transactions: 0,
            sequential_when_single: false,
            switching: Switching::Never,
        }
    }
}

impl Default for ParallelConfig {
    /// As many threads as the machine has processors.
    fn default() -> Self {
        Self::new(std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN))
    }
}

/// Executes batches of transactions on several threads. The threads live as long as the executor
/// and sleep between batches. Several batches may be executed at the same time; they share the
/// threads.
#[derive(Debug)]
pub struct ParallelExecutor {
    config: ParallelConfig,
    /// One thread less than configured, as the calling thread works too; `None` for one thread.
    pool: Option<ThreadPool>,
    placement: Arc<Placement>,
    /// How long the next batch begins alone, in transactions.
    begin_alone: AtomicU32,
    /// What earlier batches have left for later ones: at most one for each that ran at once.
    spare: Mutex<Vec<Tables>>,
}

impl ParallelExecutor {
    /// Starts the worker threads.
    ///
    /// # Errors
    ///
    /// [`ExecutorError::Threads`] when the operating system refuses them.
    pub fn new(config: ParallelConfig) -> Result<Self, ExecutorError> {
        let helpers = config.threads.get() - 1;
        let placement = Arc::new(Placement::new(config.threads.get()));
        let pool = (helpers > 0)
            .then(|| {
                ThreadPoolBuilder::new()
                    .num_threads(helpers)
                    .thread_name(|index| format!("executor-{index}"))
                    .start_handler({
                        let placement = placement.clone();
                        move |_| placement.register()
                    })
                    .build()
            })
            .transpose()
            .map_err(|error| ExecutorError::Threads {
                threads: helpers,
                message: error.to_string(),
            })?;
        let begin_alone = AtomicU32::new(0);
        Ok(Self { config, pool, placement, begin_alone, spare: Mutex::default() })
    }

    /// The configuration in use.
    pub fn config(&self) -> &ParallelConfig {
        &self.config
    }

    /// The threads beside the calling one, which are about to be called.
    pub(crate) fn helpers(&self) -> Option<&ThreadPool> {
        self.placement.make_way();
        self.pool.as_ref()
    }

    /// Executes `transactions` in order on top of `state`; the outcomes are those of
    /// [`execute_sequential`].
    ///
    /// `state` must not change meanwhile. It is read from several threads.
    ///
    /// # Errors
    ///
    /// [`ExecutorError`] when the state cannot be read, the environment is incomplete, the EVM
    /// fails or something panics; an invalid transaction is an outcome, not an error.
    pub fn execute<D: StorageProbeRef + Sync>(
        &self,
        state: &D,
        env: &EvmEnv,
        transactions: &[TxEnv],
    ) -> Result<BatchOutcome, ExecutorError>
    where
        D::Error: std::error::Error + Send + Sync + 'static,
    {
        let single = self.pool.is_none() && self.config.sequential_when_single;
        // Indexes are 32 bits wide, with room for the window.
        let too_long = transactions.len() >= 1 << 31;
        if transactions.is_empty()
            || single
            || too_long
            || transactions.len() < self.config.min_transactions
        {
            return execute_sequential(state, env, transactions);
        }
        let switching = self.config.switching;
        // Relaxed: a hint from whatever batch ended last.
        let alone = self.begin_alone.load(Ordering::Relaxed);
        let payments = Payments::new(env);
        let mut cache = BatchCache::new(state);
        let mut outcomes = Vec::with_capacity(transactions.len());
        let least = alone.min(transactions.len() as u32 / BEGIN_ALONE_PART);
        let mut stretch = Stretch::begin(0, least, transactions.len());
        if switching == Switching::Auto {
            // Most small batches are over before workers would be awake: nothing is set up for them.
            let go_on = |index| !stretch.calls_at(index, transactions);
            let begun = catch(|| {
                execute_in_order(
                    &mut cache,
                    env,
                    transactions,
                    Some(&payments),
                    &mut outcomes,
                    go_on,
                )
            });
            begun.unwrap_or_else(|message| {
                Err(ExecutorError::Panicked { index: outcomes.len(), message })
            })?;
            if outcomes.len() == transactions.len() {
                self.begin_alone.store(0, Ordering::Relaxed);
                let mut report = ConflictReport::sequential(transactions.len());
                report.parallel = true;
                return Ok(BatchOutcome { outcomes, report });
            }
        }
        let threads = (self.config.threads.get()).min(transactions.len());
        let batch = Batch::new(env, transactions, payments, threads);
        let mut tables = self.spare.lock().pop().unwrap_or_default();
        tables.prepare(transactions.len());
        let memory = Memory::new(cache, tables);
        let result = catch(|| match &self.pool {
            Some(pool) => pool.in_place_scope(|scope| {
                let workers = pool.current_num_threads().min(transactions.len() - 1);
                let call = || {
                    self.placement.make_way();
                    scope.spawn(|_| worker::help(&batch));
                };
                Committer::new(&batch, workers, switching, alone, outcomes, &call)
                    .run(memory, stretch)
            }),
            None => {
                Committer::new(&batch, 0, switching, alone, outcomes, &|| ()).run(memory, stretch)
            }
        });
        let Committed { outcomes, report, next_alone, tables } =
            result.unwrap_or_else(|message| Err(ExecutorError::Worker { message }))?;
        // The workers are gone, and the memory with them.
        let outcomes = outcomes.into_own().ok_or_else(|| ExecutorError::Worker {
            message: "a worker kept the outcomes after the batch".into(),
        })?;
        self.begin_alone.store(next_alone, Ordering::Relaxed);
        self.spare.lock().extend(tables);
        Ok(BatchOutcome { outcomes, report })
    }
}
