//! The public entry: worker threads, the choice between the two paths, errors.

use std::num::NonZeroUsize;

use alloy_evm::EvmEnv;
use alloy_primitives::map::AddressMap;
use plasma_vm::StorageProbeRef;
use rayon::{ThreadPool, ThreadPoolBuilder};
use revm::{context::TxEnv, primitives::TxKind};

use crate::{
    BatchOutcome, ConflictReport, ExecutorError, execute_sequential,
    scheduler::NO_DEPENDENCY,
    worker::{self, Batch},
};

/// Batches shorter than this are executed one by one unless the configuration says otherwise.
pub const DEFAULT_MIN_TRANSACTIONS: usize = 4;

/// How a [`ParallelExecutor`] works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParallelConfig {
    /// Threads that work on a batch, the calling one included.
    pub threads: NonZeroUsize,
    /// Batches shorter than this take the sequential path.
    pub min_transactions: usize,
    /// Whether a single thread takes the sequential path, as it should outside of tests.
    pub sequential_when_single: bool,
}

impl ParallelConfig {
    /// The ordinary configuration for `threads` threads.
    pub const fn new(threads: NonZeroUsize) -> Self {
        Self { threads, min_transactions: DEFAULT_MIN_TRANSACTIONS, sequential_when_single: true }
    }

    /// A configuration that takes the parallel path whatever the batch, as tests want it.
    pub const fn always_parallel(threads: NonZeroUsize) -> Self {
        Self { threads, min_transactions: 0, sequential_when_single: false }
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
}

impl ParallelExecutor {
    /// Starts the worker threads.
    ///
    /// # Errors
    ///
    /// [`ExecutorError::Threads`] when the operating system refuses them.
    pub fn new(config: ParallelConfig) -> Result<Self, ExecutorError> {
        let helpers = config.threads.get() - 1;
        let pool = (helpers > 0)
            .then(|| {
                ThreadPoolBuilder::new()
                    .num_threads(helpers)
                    .thread_name(|index| format!("executor-{index}"))
                    .build()
            })
            .transpose()
            .map_err(|error| ExecutorError::Threads {
                threads: helpers,
                message: error.to_string(),
            })?;
        Ok(Self { config, pool })
    }

    /// The configuration in use.
    pub fn config(&self) -> &ParallelConfig {
        &self.config
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
        // Indexes are 32 bits wide.
        let too_long = transactions.len() >= NO_DEPENDENCY as usize;
        if transactions.is_empty()
            || single
            || too_long
            || transactions.len() < self.config.min_transactions
        {
            return execute_sequential(state, env, transactions);
        }
        let batch = Batch::new(state, env, transactions, predict(transactions));
        match &self.pool {
            Some(pool) => pool.in_place_scope(|scope| {
                let helpers = pool.current_num_threads().min(transactions.len() - 1);
                for _ in 0..helpers {
                    scope.spawn(|_| worker::run(&batch));
                }
                worker::run(&batch);
            }),
            None => worker::run(&batch),
        }
        self.collect(batch)
    }

    fn collect<D: StorageProbeRef>(
        &self,
        batch: Batch<'_, D>,
    ) -> Result<BatchOutcome, ExecutorError> {
        let (incarnations, committed, stalled) = batch.scheduler.finish();
        if let Some(error) = batch.error.into_inner() {
            return Err(error);
        }
        let outcomes = batch.outcomes.into_inner();
        let total = batch.transactions.len();
        if stalled || outcomes.len() != total {
            return Err(ExecutorError::Stalled { committed, total });
        }
        let report = ConflictReport {
            parallel: true,
            threads: u32::try_from(self.config.threads.get()).unwrap_or(u32::MAX),
            incarnations,
            conflicts: batch.conflicts.into_inner(),
            waits: batch.waits.into_inner(),
        };
        Ok(BatchOutcome { outcomes, report })
    }
}

/// For each transaction the latest earlier one that surely changes the balance or nonce of its
/// sender or the balance of the recipient that it pays. A wrong guess costs time, nothing else.
fn predict(transactions: &[TxEnv]) -> Vec<u32> {
    let mut latest: AddressMap<u32> =
        AddressMap::with_capacity_and_hasher(2 * transactions.len(), Default::default());
    (0u32..)
        .zip(transactions)
        .map(|(index, transaction)| {
            let by_sender = latest.insert(transaction.caller, index);
            let by_recipient = match transaction.kind {
                TxKind::Call(recipient)
                    if !transaction.value.is_zero() && recipient != transaction.caller =>
                {
                    latest.insert(recipient, index)
                }
                _ => None,
            };
            // `None` is below any index.
            by_sender.max(by_recipient).unwrap_or(NO_DEPENDENCY)
        })
        .collect()
}
