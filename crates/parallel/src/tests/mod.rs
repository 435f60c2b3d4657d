//! Differential tests: the parallel path against the sequential one, and the sequential one against
//! revm's own state.

mod access_lists;
mod assembler;
mod differential;
mod faults;
mod fuzz;
mod guide;
mod mainnet;
mod payments;
mod scenarios;
mod scheduler_model;
mod senders;
mod stamps;
mod stamps_model;
mod steps;
mod transactions;
mod varied;
mod world;

use std::num::NonZeroUsize;

use alloy_evm::EvmEnv;
use plasma_vm::StorageProbeRef;
use revm::context::TxEnv;

use crate::{
    BatchOutcome, ParallelConfig, ParallelExecutor, execute_sequential, executor::Switching,
    interleave::set_intensity,
};

/// Worker counts that every comparison runs with.
const WORKERS: [usize; 4] = [1, 2, 4, 8];

/// One executor per worker count and way of switching, kept for the whole test process so that
/// threads are reused.
fn executors() -> &'static [ParallelExecutor] {
    static EXECUTORS: std::sync::OnceLock<Vec<ParallelExecutor>> = std::sync::OnceLock::new();
    EXECUTORS.get_or_init(|| {
        set_intensity(25);
        let switchings = [Switching::Never, Switching::Often, Switching::Auto];
        WORKERS
            .iter()
            .flat_map(|workers| switchings.map(|switching| (*workers, switching)))
            .map(|(workers, switching)| {
                let workers = NonZeroUsize::new(workers).expect("worker counts are positive");
                let config = ParallelConfig::always_parallel(workers);
                ParallelExecutor::new(ParallelConfig { switching, ..config }).unwrap()
            })
            .collect()
    })
}

/// Executes the batch sequentially and in parallel with every worker count; panics on the first
/// difference. Gives the sequential outcome.
fn assert_parallel_equals_sequential<D: StorageProbeRef + Sync>(
    state: &D,
    env: &EvmEnv,
    transactions: &[TxEnv],
) -> BatchOutcome
where
    D::Error: std::error::Error + Send + Sync + 'static,
{
    let expected = execute_sequential(state, env, transactions).unwrap();
    assert_eq!(expected.outcomes.len(), transactions.len());
    for executor in executors() {
        assert_equals(executor, state, env, transactions, &expected);
    }
    expected
}

/// Executes the batch with `executor`; panics on the first difference to `expected`.
fn assert_equals<D: StorageProbeRef + Sync>(
    executor: &ParallelExecutor,
    state: &D,
    env: &EvmEnv,
    transactions: &[TxEnv],
    expected: &BatchOutcome,
) where
    D::Error: std::error::Error + Send + Sync + 'static,
{
    let actual = executor.execute(state, env, transactions).unwrap();
    assert_eq!(actual.outcomes.len(), transactions.len());
    for (index, (actual, expected)) in actual.outcomes.iter().zip(&expected.outcomes).enumerate() {
        assert_eq!(actual, expected, "transaction {index} with {:?}", executor.config());
    }
    check_report(&actual, transactions.len());
}

/// What holds of every report, whatever the timing.
fn check_report(outcome: &BatchOutcome, transactions: usize) {
    let report = &outcome.report;
    assert_eq!(report.parallel, transactions > 0);
    assert_eq!(report.incarnations.len(), transactions);
    assert!(report.incarnations.iter().all(|executions| *executions >= 1));
    for conflict in report.conflicts.iter().chain(&report.waits) {
        assert!(conflict.writer < conflict.reader, "{conflict:?} points forward");
        assert_eq!(conflict.slot.is_some(), conflict.kind == crate::LocationKind::Storage);
    }
}
