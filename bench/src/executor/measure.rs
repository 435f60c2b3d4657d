//! Measuring one batch, in sequence and with one or more parallel executors, in turns.

use std::{
    iter::once,
    num::NonZeroUsize,
    time::{Duration, Instant},
};

use eyre::{Result, ensure, eyre};
use plasma_parallel::{
    BatchOutcome, ParallelConfig, ParallelExecutor, TransactionOutcome, execute_sequential,
};

use super::{
    Workload,
    path::{self, WorkOverPath},
};
use crate::{report::Row, statistics::median};

/// Several times of the same thing.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Times {
    pub(super) median: Duration,
    /// What other users of the machine disturbed least.
    pub(super) minimum: Duration,
}

impl Times {
    pub(super) fn of(mut times: Vec<Duration>) -> Result<Self> {
        let median = median(&mut times).ok_or_else(|| eyre!("no rounds were run"))?;
        let minimum = times.into_iter().min().unwrap_or(median);
        Ok(Self { median, minimum })
    }
}

impl std::ops::AddAssign for Times {
    fn add_assign(&mut self, other: Self) {
        self.median += other.median;
        self.minimum += other.minimum;
    }
}

/// What is known of one workload.
pub(super) struct Measured {
    pub(super) gas: u64,
    pub(super) sequential: Times,
    pub(super) limit: WorkOverPath,
    /// One for each executor.
    pub(super) parallel: Vec<Parallel>,
}

/// What one executor made of a workload.
pub(super) struct Parallel {
    pub(super) threads: NonZeroUsize,
    pub(super) times: Times,
    pub(super) executions_per_transaction: f64,
    pub(super) conflicts: usize,
}

/// Executes a workload in sequence and by each executor in turns.
pub(super) fn measure(
    executors: &[ParallelExecutor],
    workload: &Workload,
    rounds: u32,
) -> Result<Measured> {
    let Workload { state, env, transactions, .. } = workload;
    // The first round warms up and compares.
    let expected = execute_sequential(state, env, transactions)?.outcomes;
    check_success(workload, &expected)?;
    for executor in executors {
        check_equal(workload, &expected, &executor.execute(state, env, transactions)?.outcomes)?;
    }
    let gas = expected.iter().map(TransactionOutcome::gas_used).sum();
    drop(expected);

    let mut sequential = Vec::new();
    let mut parallel: Vec<_> = executors.iter().map(|_| (Vec::new(), 0.0, 0)).collect();
    for round in 0..rounds {
        // Whoever comes second finds memory and caches as the first left them; back and forth, nobody
        // always does.
        let mut order: Vec<Option<usize>> =
            once(None).chain((0..executors.len()).map(Some)).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for contestant in order {
            let Some(place) = contestant else {
                let (took, _) = timed(|| execute_sequential(state, env, transactions))?;
                sequential.push(took);
                continue;
            };
            let (took, outcome) = timed(|| executors[place].execute(state, env, transactions))?;
            let (times, executions, conflicts) = &mut parallel[place];
            times.push(took);
            *executions += outcome.report.executions_per_transaction() / f64::from(rounds);
            *conflicts = outcome.report.conflicts.len();
        }
    }
    let parallel = executors.iter().zip(parallel).map(|(executor, found)| {
        let (times, executions_per_transaction, conflicts) = found;
        let ParallelConfig { threads, .. } = *executor.config();
        Ok(Parallel { threads, times: Times::of(times)?, executions_per_transaction, conflicts })
    });
    Ok(Measured {
        gas,
        sequential: Times::of(sequential)?,
        parallel: parallel.collect::<Result<_>>()?,
        limit: path::work_over_path(workload, &path::weights(workload)?)?,
    })
}

/// The outcome is handed back so that freeing it is not timed, on either side.
fn timed<E>(
    execute: impl FnOnce() -> Result<BatchOutcome, E>,
) -> Result<(Duration, BatchOutcome), E> {
    let started = Instant::now();
    let outcome = execute()?;
    Ok((started.elapsed(), outcome))
}

pub(super) fn check_success(workload: &Workload, outcomes: &[TransactionOutcome]) -> Result<()> {
    for (index, outcome) in outcomes.iter().enumerate() {
        let succeeded = outcome.result().is_some_and(|result| result.is_success());
        ensure!(
            succeeded || !workload.all_succeed,
            "{}: transaction {index} failed: {outcome:?}",
            workload.name
        );
    }
    Ok(())
}

pub(super) fn check_equal(
    workload: &Workload,
    expected: &[TransactionOutcome],
    found: &[TransactionOutcome],
) -> Result<()> {
    ensure!(expected.len() == found.len(), "{}: outcomes lack", workload.name);
    for (index, (expected, found)) in expected.iter().zip(found).enumerate() {
        ensure!(
            expected == found,
            "{}: transaction {index} differs: {expected:?} in sequence, {found:?} in parallel",
            workload.name
        );
    }
    Ok(())
}

/// One row for each executor.
pub(super) fn rows(workload: &Workload, measured: &Measured) -> Vec<Row> {
    let count = workload.transactions.len();
    let micros = |took: Duration| took.as_secs_f64() * 1e6 / count as f64;
    let ggas_per_s = |took: Duration| measured.gas as f64 / took.as_secs_f64() / 1e9;
    let sequential = measured.sequential;
    let row = |parallel: &Parallel| {
        let row = Row::new(&workload.name, parallel.threads.get())
            .figure("transactions", count)
            .figure("gas_mgas", measured.gas as f64 / 1e6);
        times(row, sequential, parallel.times)
            .figure("sequential_us_per_transaction", micros(sequential.median))
            .figure("parallel_us_per_transaction", micros(parallel.times.median))
            .figure("sequential_ggas_per_s", ggas_per_s(sequential.median))
            .figure("parallel_ggas_per_s", ggas_per_s(parallel.times.median))
            .figure("executions_per_transaction", parallel.executions_per_transaction)
            .figure("conflicts", parallel.conflicts)
            .figure("work_over_path", measured.limit.as_executed)
            .figure("work_over_path_additive", measured.limit.additive)
    };
    measured.parallel.iter().map(row).collect()
}

/// The times of both sides and their ratios.
pub(super) fn times(row: Row, sequential: Times, parallel: Times) -> Row {
    let millis = |took: Duration| took.as_secs_f64() * 1e3;
    let ratio = |one: Duration, other: Duration| one.as_secs_f64() / other.as_secs_f64();
    let mut row = row
        .figure("sequential_ms", millis(sequential.median))
        .figure("parallel_ms", millis(parallel.median))
        .figure("sequential_min_ms", millis(sequential.minimum))
        .figure("parallel_min_ms", millis(parallel.minimum))
        .figure("ratio_of_minima", ratio(sequential.minimum, parallel.minimum));
    row.ratio = Some(ratio(sequential.median, parallel.median));
    row
}
