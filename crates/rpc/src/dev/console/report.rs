//! What one transaction said, and how it is written to the log.

use super::{CONSOLE, format, signature};
use crate::{
    api::Api,
    debug::replay::Replay,
    error::{self, RpcResult},
};
use alloy_consensus::Transaction as _;
use alloy_primitives::{Address, B256, TxKind, hex};
use alloy_sol_types::{Panic, Revert, SolError as _};
use plasma_chain::ExecutedBlock;
use plasma_evm::{
    ExecutionResult,
    tracing::{CallsTo, TraceLimits, calls_to},
};

/// Most bytes of revert data that are shown.
const MAX_SHOWN: usize = 1_024;

/// A transaction that said something, or failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) hash: B256,
    pub(super) from: Address,
    pub(super) to: Option<Address>,
    pub(super) created: Option<Address>,
    pub(super) gas_used: u64,
    pub(super) failure: Option<String>,
    pub(super) lines: Vec<String>,
}

/// The transactions of `block` that said something or failed.
///
/// # Errors
/// Where the block cannot be executed again.
pub(super) fn of_block(api: &Api, block: &ExecutedBlock) -> RpcResult<Vec<Report>> {
    let mut replay = Replay::begin(api, block)?;
    let mut reports = Vec::new();
    for (index, transaction) in block.transactions.iter().enumerate() {
        let traced = replay.trace_expected(|state, env, tx, _| {
            calls_to(state, env, tx, CONSOLE, TraceLimits::default())
        })?;
        let Ok((calls, result)) = traced else { continue };
        let (lines, failure) = (lines(&calls), failure(&result));
        if lines.is_empty() && failure.is_none() {
            continue;
        }
        let (to, created) = match transaction.kind() {
            TxKind::Call(to) => (Some(to), None),
            TxKind::Create => (None, Some(transaction.signer().create(transaction.nonce()))),
        };
        let gas_used = block.gas_used(index).unwrap_or_else(|| result.tx_gas_used());
        let (hash, from) = (*transaction.tx_hash(), transaction.signer());
        reports.push(Report { hash, from, to, created, gas_used, failure, lines });
    }
    Ok(reports)
}

impl Report {
    /// One line about the transaction, and one for each that it said.
    pub(super) fn log(&self) {
        let Self { hash, from, gas_used, .. } = self;
        let to = self.to.map(tracing::field::display);
        let created = self.created.map(tracing::field::display);
        let what = match &self.failure {
            None => "transaction".to_owned(),
            Some(reason) => format!("transaction failed: {reason}"),
        };
        let status = u8::from(self.failure.is_none());
        tracing::info!(target: "plasma::dev", %hash, %from, to, created, gas_used, status, "{what}");
        log_lines(&self.lines);
    }
}

/// Logs what a call said that is on no chain.
pub(super) fn log_call(method: &'static str, from: Address, to: Option<Address>, calls: &CallsTo) {
    let to = to.map(tracing::field::display);
    tracing::info!(target: "plasma::dev", method, %from, to, "call");
    log_lines(&lines(calls));
}

fn log_lines(lines: &[String]) {
    for line in lines {
        tracing::info!(target: "plasma::dev", "  console.log: {line}");
    }
}

/// What was said, by lines.
fn lines(calls: &CallsTo) -> Vec<String> {
    let mut lines = Vec::new();
    for input in calls.inputs() {
        match signature::arguments(input) {
            Some(values) => lines.extend(format::line(&values).split('\n').map(str::to_owned)),
            None => lines.push(format!("(not of console.sol: {})", shown(input))),
        }
    }
    if calls.omitted() > 0 {
        lines.push(format!("({} more calls are not shown)", calls.omitted()));
    }
    lines
}

/// Why an execution failed, in words; `None` where it did not.
fn failure(result: &ExecutionResult) -> Option<String> {
    match result {
        ExecutionResult::Success { .. } => None,
        ExecutionResult::Halt { reason, .. } => Some(error::halt_message(reason)),
        ExecutionResult::Revert { output, .. } => Some(reason(output)),
    }
}

/// `Error(string)` and `Panic(uint256)` in words, errors of contracts by selector and data.
fn reason(output: &[u8]) -> String {
    let text = match (Revert::abi_decode(output), Panic::abi_decode(output)) {
        (Ok(revert), _) => format!("reverted with \"{}\"", revert.reason),
        (_, Ok(panic)) => {
            let words = error::revert_reason(output).unwrap_or_default();
            format!("panicked with code {:#04x}: {words}", panic.code)
        }
        _ => match output.split_first_chunk::<4>() {
            _ if output.is_empty() => "reverted without a reason".to_owned(),
            None => format!("reverted with {}", shown(output)),
            Some((selector, data)) => {
                let selector = hex::encode_prefixed(selector);
                format!("reverted with the custom error {selector}, data {}", shown(data))
            }
        },
    };
    format::harmless(&text).replace('\n', "\\n")
}

fn shown(bytes: &[u8]) -> String {
    match bytes.get(..MAX_SHOWN) {
        Some(start) if bytes.len() > MAX_SHOWN => {
            format!("{}... ({} bytes)", hex::encode_prefixed(start), bytes.len())
        }
        _ => hex::encode_prefixed(bytes),
    }
}

#[cfg(test)]
mod tests;
