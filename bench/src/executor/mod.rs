//! `plasma-bench executor`: the parallel executor against sequential execution, in one process.
//!
//! State lies in memory. What is timed is the execution of a batch and nothing else: no sender
//! recovery, no receipts, no roots, no disk. Both sides execute the same batch in turns, and their
//! outcomes must be equal.

mod mainnet;
mod workloads;

use std::{
    num::NonZeroUsize,
    path::PathBuf,
    time::{Duration, Instant},
};

use alloy_evm::EvmEnv;
use clap::Args;
use eyre::{Result, bail, ensure, eyre};
use plasma_parallel::{BatchOutcome, ParallelConfig, ParallelExecutor, execute_sequential};
use revm::{context::TxEnv, database::InMemoryDB};

use crate::{
    machine,
    report::{Report, Row},
    statistics::median,
};

/// Arguments of `plasma-bench executor`.
#[derive(Debug, Args)]
pub(crate) struct ExecutorArgs {
    /// Threads of the parallel executor, separated by commas: rows for each [default: one per core].
    #[arg(long, value_delimiter = ',')]
    threads: Vec<NonZeroUsize>,
    /// Folder of block snapshots: `<number>/{block,txs,pre_state}.json` and `codes.json`.
    #[arg(long)]
    blocks: Option<PathBuf>,
    /// Leave the generated workloads out.
    #[arg(long, requires = "blocks")]
    only_blocks: bool,
    /// Only workloads and blocks whose names contain this.
    #[arg(long)]
    only: Option<String>,
    /// Take the parallel path with a single thread and for short batches, too: shows what it costs.
    #[arg(long)]
    always_parallel: bool,
    /// Rounds of each workload; medians are printed.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Rounds of each block of a folder, which are shorter.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..))]
    block_rounds: u32,
    /// Size of the generated workloads; 1 is about 1 Ggas each.
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl ExecutorArgs {
    fn selects(&self, workload: &Workload) -> bool {
        self.only.as_ref().is_none_or(|only| workload.name.contains(only.as_str()))
    }
}

/// A batch with everything that executing it needs.
pub(crate) struct Workload {
    pub(crate) name: String,
    pub(crate) state: InMemoryDB,
    pub(crate) env: EvmEnv,
    pub(crate) transactions: Vec<TxEnv>,
    /// Whether every transaction must be valid and succeed, as the generated ones do.
    pub(crate) all_succeed: bool,
}

/// Median times of one workload.
struct Measured {
    sequential: Duration,
    parallel: Duration,
    gas: u64,
    executions_per_transaction: f64,
    conflicts: usize,
}

/// Runs the benchmark.
pub(crate) fn run(args: &ExecutorArgs) -> Result<()> {
    ensure!(args.scale > 0.0, "--scale must be above 0");
    let cores = NonZeroUsize::new(machine::cores()).unwrap_or(NonZeroUsize::MIN);
    let threads = if args.threads.is_empty() { vec![cores] } else { args.threads.clone() };
    let mut report = Report { machine: machine::description(), rows: Vec::new() };
    for threads in threads {
        let config = if args.always_parallel {
            ParallelConfig::always_parallel(threads)
        } else {
            ParallelConfig::new(threads)
        };
        let executor = ParallelExecutor::new(config)?;
        if !args.only_blocks {
            for generate in workloads::ALL {
                let workload = generate(args.scale);
                if !args.selects(&workload) {
                    continue;
                }
                let measured = measure(&executor, &workload, args.rounds)?;
                eprintln!("{}: done", workload.name);
                report.rows.push(row(&workload, threads, &measured));
            }
        }
        if let Some(folder) = &args.blocks {
            report.rows.extend(blocks(&executor, threads, folder, args)?);
        }
    }
    if args.json {
        return report.print(true);
    }
    print!("{}\n\n{}", report.machine, report.wide_table());
    Ok(())
}

/// Executes a workload both ways in turns.
fn measure(executor: &ParallelExecutor, workload: &Workload, rounds: u32) -> Result<Measured> {
    let Workload { state, env, transactions, .. } = workload;
    // The first round warms up and compares.
    let expected = execute_sequential(state, env, transactions)?;
    let found = executor.execute(state, env, transactions)?;
    for (index, (expected, found)) in expected.outcomes.iter().zip(&found.outcomes).enumerate() {
        ensure!(
            expected == found,
            "{}: transaction {index} differs: {expected:?} in sequence, {found:?} in parallel",
            workload.name
        );
        let succeeded = expected.result().is_some_and(|result| result.is_success());
        ensure!(
            succeeded || !workload.all_succeed,
            "{}: transaction {index} failed: {expected:?}",
            workload.name
        );
    }
    ensure!(expected.outcomes.len() == found.outcomes.len(), "{}: outcomes lack", workload.name);
    let gas = expected.outcomes.iter().map(|outcome| outcome.gas_used()).sum();
    drop((expected, found));

    let (mut sequential, mut parallel) = (Vec::new(), Vec::new());
    let (mut executions, mut conflicts) = (0.0, 0);
    for _ in 0..rounds {
        let (took, _) = timed(|| execute_sequential(state, env, transactions))?;
        sequential.push(took);
        let (took, outcome) = timed(|| executor.execute(state, env, transactions))?;
        parallel.push(took);
        executions += outcome.report.executions_per_transaction() / f64::from(rounds);
        conflicts = outcome.report.conflicts.len();
    }
    let (Some(sequential), Some(parallel)) = (median(&mut sequential), median(&mut parallel))
    else {
        bail!("no rounds were run");
    };
    Ok(Measured { sequential, parallel, gas, executions_per_transaction: executions, conflicts })
}

/// The outcome is handed back so that freeing it is not timed, on either side.
fn timed<E>(
    execute: impl FnOnce() -> Result<BatchOutcome, E>,
) -> Result<(Duration, BatchOutcome), E> {
    let started = Instant::now();
    let outcome = execute()?;
    Ok((started.elapsed(), outcome))
}

fn row(workload: &Workload, threads: NonZeroUsize, measured: &Measured) -> Row {
    let count = workload.transactions.len();
    let micros = |took: Duration| took.as_secs_f64() * 1e6 / count as f64;
    let mut row = Row::new(&workload.name, threads.get())
        .figure("transactions", count)
        .figure("gas_mgas", measured.gas as f64 / 1e6)
        .figure("sequential_ms", measured.sequential.as_secs_f64() * 1e3)
        .figure("parallel_ms", measured.parallel.as_secs_f64() * 1e3)
        .figure("sequential_us_per_transaction", micros(measured.sequential))
        .figure("parallel_us_per_transaction", micros(measured.parallel))
        .figure("parallel_ggas_per_s", measured.gas as f64 / measured.parallel.as_secs_f64() / 1e9)
        .figure("executions_per_transaction", measured.executions_per_transaction)
        .figure("conflicts", measured.conflicts);
    row.ratio = Some(measured.sequential.as_secs_f64() / measured.parallel.as_secs_f64());
    row
}

/// All blocks of a folder, their sum and the worst of them.
fn blocks(
    executor: &ParallelExecutor,
    threads: NonZeroUsize,
    folder: &std::path::Path,
    args: &ExecutorArgs,
) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let (mut sequential, mut parallel, mut gas, mut transactions) =
        (Duration::ZERO, Duration::ZERO, 0, 0);
    for workload in mainnet::load(folder)? {
        if workload.transactions.is_empty() || !args.selects(&workload) {
            continue;
        }
        let measured = measure(executor, &workload, args.block_rounds)?;
        sequential += measured.sequential;
        parallel += measured.parallel;
        gas += measured.gas;
        transactions += workload.transactions.len();
        rows.push(row(&workload, threads, &measured));
    }
    eprintln!("{} blocks: done", rows.len());
    let worst = rows
        .iter()
        .min_by(|a, b| a.ratio.unwrap_or(f64::NAN).total_cmp(&b.ratio.unwrap_or(f64::NAN)))
        .ok_or_else(|| eyre!("{} holds no blocks with transactions", folder.display()))?;
    let mut worst = Row { name: "mainnet-worst".to_owned(), ..worst.clone() };
    worst.figures.retain(|(name, _)| name != "conflicts");
    let mut mean = Row::new("mainnet-mean", threads.get())
        .figure("transactions", transactions)
        .figure("gas_mgas", gas as f64 / 1e6)
        .figure("sequential_ms", sequential.as_secs_f64() * 1e3)
        .figure("parallel_ms", parallel.as_secs_f64() * 1e3);
    mean.ratio = Some(sequential.as_secs_f64() / parallel.as_secs_f64());
    rows.splice(0..0, [mean, worst]);
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workloads_are_what_they_say() {
        let executor =
            ParallelExecutor::new(ParallelConfig::always_parallel(NonZeroUsize::new(2).unwrap()))
                .unwrap();
        let mut names = std::collections::BTreeSet::new();
        for generate in workloads::ALL {
            let workload = generate(0.002);
            assert!(workload.transactions.len() > 20, "{}", workload.name);
            // Compares both executors and demands success.
            let measured = measure(&executor, &workload, 1).unwrap();
            assert!(measured.gas >= 21_000 * workload.transactions.len() as u64);
            assert!(names.insert(workload.name));
        }
    }
}
