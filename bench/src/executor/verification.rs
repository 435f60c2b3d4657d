//! Verifying blocks by their access lists (EIP-7928) against verifying them one transaction after the
//! other, under Amsterdam.
//!
//! Sequential verification is done in three ways, and the fastest of them is what the parallel one is
//! compared with: executing in order and making the list anew, executing in order and holding each
//! outcome against the list, and executing from the list with a single thread. Decoding and hashing of
//! lists, which a node does besides, is not timed on any side.

use std::{
    num::NonZeroUsize,
    time::{Duration, Instant},
};

use alloy_eip7928::{BlockAccessIndex, BlockAccessList};
use eyre::{Result, ensure, eyre};
use plasma_parallel::{
    AccessList, ParallelConfig, ParallelExecutor, TransactionOutcome, VerifiedTransactions,
    execute_sequential,
};
use plasma_vm::AccessListBuilder;
use revm::{context::CfgEnv, primitives::hardfork::SpecId};

use super::{Workload, measure};
use crate::report::Row;

/// State costs so much more gas under Amsterdam (EIP-8037) that transactions get so much more.
const GAS_FACTOR: u64 = 20;

/// The same batch in a block of Amsterdam.
fn under_amsterdam(mut workload: Workload) -> Workload {
    let chain_id = workload.env.cfg_env.chain_id;
    workload.env.cfg_env = CfgEnv::new_with_spec(SpecId::AMSTERDAM);
    workload.env.cfg_env.chain_id = chain_id;
    for transaction in &mut workload.transactions {
        transaction.gas_limit *= GAS_FACTOR;
    }
    workload.name = format!("verify-{}", workload.name);
    workload
}

fn list_of(outcomes: &[TransactionOutcome]) -> BlockAccessList {
    let mut list = AccessListBuilder::default();
    for (index, outcome) in (0..).zip(outcomes) {
        if let TransactionOutcome::Executed { state, .. } = outcome {
            list.add_state(BlockAccessIndex::from_tx_index(index), state);
        }
    }
    list.finish()
}

/// Executes in order and makes the list anew.
fn rebuild(workload: &Workload, list: &BlockAccessList) -> Result<Vec<TransactionOutcome>> {
    let Workload { state, env, transactions, .. } = workload;
    let outcomes = execute_sequential(state, env, transactions)?.outcomes;
    ensure!(list_of(&outcomes) == *list, "{}: another list", workload.name);
    Ok(outcomes)
}

/// Executes in order and holds each outcome against the list.
fn check(workload: &Workload, list: &BlockAccessList) -> Result<Vec<TransactionOutcome>> {
    let Workload { state, env, transactions, .. } = workload;
    let outcomes = execute_sequential(state, env, transactions)?.outcomes;
    let checked = AccessList::new(list, transactions.len());
    for (index, outcome) in (0..).zip(&outcomes) {
        if let TransactionOutcome::Executed { state, .. } = outcome {
            checked.check(BlockAccessIndex::from_tx_index(index), state)?;
        }
    }
    checked.finish()?;
    Ok(outcomes)
}

/// Executes from the list.
fn verify(
    executor: &ParallelExecutor,
    workload: &Workload,
    list: &BlockAccessList,
) -> Result<VerifiedTransactions> {
    let Workload { state, env, transactions, .. } = workload;
    let checked = AccessList::new(list, transactions.len());
    let outcomes = executor.verify(state, env, transactions, &checked)?;
    checked.finish()?;
    Ok(outcomes)
}

/// What came out is handed back so that freeing it is not timed, on either side.
fn timed<T>(times: &mut Vec<Duration>, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let started = Instant::now();
    let out = work()?;
    times.push(started.elapsed());
    Ok(out)
}

/// Names of the sequential ways, in the order in which they are measured.
const WAYS: [&str; 3] = ["list made anew", "outcomes checked", "from the list"];

/// A row for each executor.
pub(super) fn rows(
    executors: &[ParallelExecutor],
    workload: Workload,
    rounds: u32,
) -> Result<Vec<Row>> {
    let workload = under_amsterdam(workload);
    let Workload { state, env, transactions, .. } = &workload;
    let expected = execute_sequential(state, env, transactions)?.outcomes;
    measure::check_success(&workload, &expected)?;
    let list = list_of(&expected);
    let single = ParallelExecutor::new(ParallelConfig::new(NonZeroUsize::MIN))?;
    for executor in executors.iter().chain([&single]) {
        let found: Vec<_> = verify(executor, &workload, &list)?.into_iter().collect();
        measure::check_equal(&workload, &expected, &found)?;
    }
    let gas: u64 = expected.iter().map(TransactionOutcome::gas_used).sum();
    drop(expected);

    let mut sequential = WAYS.map(|_| Vec::new());
    let mut parallel: Vec<_> = executors.iter().map(|_| Vec::new()).collect();
    for _ in 0..rounds {
        drop(timed(&mut sequential[0], || rebuild(&workload, &list))?);
        drop(timed(&mut sequential[1], || check(&workload, &list))?);
        drop(timed(&mut sequential[2], || verify(&single, &workload, &list))?);
        for (executor, times) in executors.iter().zip(&mut parallel) {
            drop(timed(times, || verify(executor, &workload, &list))?);
        }
    }
    let mut ways = Vec::new();
    for (way, times) in WAYS.iter().zip(sequential) {
        ways.push((measure::Times::of(times)?, *way));
    }
    let fastest = *ways
        .iter()
        .min_by_key(|(times, _)| times.median)
        .ok_or_else(|| eyre!("there is no sequential way"))?;
    let millis = |took: Duration| took.as_secs_f64() * 1e3;
    let row = |(executor, times): (&ParallelExecutor, Vec<Duration>)| {
        let row = Row::new(&workload.name, executor.config().threads.get())
            .figure("transactions", transactions.len())
            .figure("gas_mgas", gas as f64 / 1e6);
        let row = measure::times(row, fastest.0, measure::Times::of(times)?);
        Ok(row
            .figure("rebuilt_ms", millis(ways[0].0.median))
            .figure("checked_ms", millis(ways[1].0.median))
            .figure("listed_ms", millis(ways[2].0.median))
            .figure("note", fastest.1))
    };
    executors.iter().zip(parallel).map(row).collect()
}
