//! Looking into executions: `debug_*` as geth has it, `trace_*` as Parity had it.
//!
//! A trace of a sealed transaction executes its block again from the parent's post-state up to
//! that transaction, so the parent's state must still be kept.

mod accounts;
mod answer;
mod call;
mod opcode;
mod raw;
pub(crate) mod replay;
mod state;
mod trace;
mod trace_call;

#[cfg(test)]
mod accounts_tests;
#[cfg(test)]
mod parity_tests;
#[cfg(test)]
mod tests;

use crate::{
    api::{Api, guessed_by_params, heavy},
    error::{self, RpcResult},
    exec,
    params::Arguments,
};
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{B256, Bytes};
use alloy_rpc_types_trace::common::TraceResult;
use answer::{Json, Traces, json};
pub(crate) use call::prepare_inside;
use jsonrpsee::{RpcModule, types::ErrorObjectOwned};
use plasma_chain::ExecutedBlock;
use plasma_evm::{
    BlockState, EvmEnv, TxEnv,
    tracing::{
        GethAnswer, GethDebugTracingOptions, GethTracer, TraceLimits, Traced, TracingError,
        TransactionInfo,
    },
};
use replay::Replay;
use std::sync::Arc;
pub(crate) use trace::frames_of;

/// Adds `debug_*` and `trace_*` to `module`.
pub(crate) fn register(module: &mut RpcModule<Api>) {
    guessed_by_params(module, "debug_traceTransaction", 2, trace_transaction);
    heavy(module, "debug_traceCall", 3, call::trace_call);
    heavy(module, "debug_traceCallMany", 3, call::trace_call_many);
    heavy(module, "debug_accountRange", 6, accounts::account_range);
    heavy(module, "debug_intermediateRoots", 2, state::intermediate_roots);
    heavy(module, "debug_storageRangeAt", 5, state::storage_range_at);
    heavy(module, "debug_traceBlockByNumber", 2, trace_block_by_number);
    heavy(module, "debug_traceBlockByHash", 2, trace_block_by_hash);
    heavy(module, "debug_traceBlock", 2, trace_encoded_block);
    heavy(module, "debug_getRawHeader", 1, raw::header);
    heavy(module, "debug_getRawBlock", 1, raw::block);
    heavy(module, "debug_getRawTransaction", 1, raw::transaction);
    heavy(module, "debug_getRawReceipts", 1, raw::receipts);
    heavy(module, "debug_getRawTransactions", 1, raw::transactions);
    heavy(module, "debug_codeByHash", 2, state::code_by_hash);
    heavy(module, "debug_getRawBlockAccessList", 1, raw::access_list);
    heavy(module, "trace_transaction", 1, trace::transaction);
    heavy(module, "trace_get", 2, trace::get);
    heavy(module, "trace_block", 1, trace::block);
    heavy(module, "trace_filter", 1, trace::filter);
    heavy(module, "trace_replayTransaction", 2, trace::replay_transaction);
    heavy(module, "trace_replayBlockTransactions", 2, trace::replay_block);
    heavy(module, "trace_call", 5, trace_call::call);
    heavy(module, "trace_callMany", 2, trace_call::call_many);
    heavy(module, "trace_rawTransaction", 3, trace_call::raw_transaction);
    heavy(module, "trace_transactionOpcodeGas", 1, opcode::transaction);
    heavy(module, "trace_blockOpcodeGas", 1, opcode::block);
}

fn trace_transaction(api: &Api, arguments: Arguments<'_>) -> RpcResult<Json> {
    let hash: B256 = arguments.required(0)?;
    let mut tracer = tracer(api, arguments.or_default(1)?)?;
    let (block, index) = sealed_transaction(api, hash)?
        .ok_or_else(|| error::server_error("transaction not found"))?;
    json(
        api,
        &trace_at(api, &block, index, |state, env, tx, info, _| {
            tracer.trace(state, env, tx, info)
        })?,
    )
}

fn trace_block_by_number(api: &Api, arguments: Arguments<'_>) -> RpcResult<Json> {
    let number: BlockNumberOrTag = arguments.required(0)?;
    let block = sealed_block(api, number.into())?
        .ok_or_else(|| error::server_error(format!("block #{number} not found")))?;
    trace_block(api, &block, arguments.or_default(1)?)
}

fn trace_block_by_hash(api: &Api, arguments: Arguments<'_>) -> RpcResult<Json> {
    let hash: B256 = arguments.required(0)?;
    let block = sealed_block(api, hash.into())?
        .ok_or_else(|| error::server_error(format!("block {hash} not found")))?;
    trace_block(api, &block, arguments.or_default(1)?)
}

/// `debug_traceBlock`: a block given as RLP. It must be one that this node knows.
fn trace_encoded_block(api: &Api, arguments: Arguments<'_>) -> RpcResult<Json> {
    let encoded: Bytes = arguments.required(0)?;
    let block: alloy_consensus::Block<plasma_storage::Transaction> =
        alloy_rlp::Decodable::decode(&mut encoded.as_ref())
            .map_err(|failure| error::server_error(format!("could not decode block: {failure}")))?;
    let hash = block.header.hash_slow();
    let known = sealed_block(api, hash.into())?
        .ok_or_else(|| error::server_error(format!("block {hash} is not part of this chain")))?;
    trace_block(api, &known, arguments.or_default(1)?)
}

fn trace_block(
    api: &Api,
    block: &ExecutedBlock,
    options: GethDebugTracingOptions,
) -> RpcResult<Json> {
    let mut tracer = tracer(api, options)?;
    let mut results = Traces::new(api);
    let mut replay = Replay::begin(api, block)?;
    for transaction in &block.transactions {
        let hash = Some(*transaction.tx_hash());
        let traced: Result<GethAnswer, TracingError> =
            replay.trace_expected(|state, env, tx, info| tracer.trace(state, env, tx, info))?;
        results.push(&match traced {
            Ok(result) => TraceResult::<_, String>::Success { result, tx_hash: hash },
            Err(failure) => TraceResult::Error { error: failure.to_string(), tx_hash: hash },
        })?;
    }
    results.finish()
}

/// The tracer that the options ask for, within this node's limits.
fn tracer(api: &Api, options: GethDebugTracingOptions) -> RpcResult<GethTracer> {
    GethTracer::new(options, limits(api), api.config.trace_timeout).map_err(from_tracing)
}

fn limits(api: &Api) -> TraceLimits {
    TraceLimits {
        timeout: api.config.call_timeout,
        max_bytes: api.config.max_trace_bytes,
        interrupted: exec::is_interrupted,
    }
}

/// The sealed block that `id` names.
///
/// # Errors
/// -32000 for `pending`: geth does not trace the open block either.
fn sealed_block(api: &Api, id: BlockId) -> RpcResult<Option<Arc<ExecutedBlock>>> {
    match api.target(id)? {
        None => Ok(None),
        Some(crate::api::Target::Sealed(block)) => Ok(Some(block)),
        Some(crate::api::Target::Pending(_)) => {
            Err(error::server_error("tracing on top of pending is not supported"))
        }
    }
}

/// `index` as a place in `block`: before one of its transactions, or after the last one.
fn transaction_index(block: &ExecutedBlock, index: u64) -> RpcResult<usize> {
    let count = block.transactions.len();
    usize::try_from(index).ok().filter(|index| *index <= count).ok_or_else(|| {
        error::server_error(format!(
            "transaction index {index} is out of range: block {} has {count} transactions",
            block.number()
        ))
    })
}

fn sealed_transaction(api: &Api, hash: B256) -> RpcResult<Option<(Arc<ExecutedBlock>, usize)>> {
    api.chain.transaction(hash).map_err(error::from_chain)
}

/// Traces transaction `index` of `block` after those before it.
fn trace_at<T>(
    api: &Api,
    block: &ExecutedBlock,
    index: usize,
    tracer: impl FnOnce(
        &mut BlockState,
        &EvmEnv,
        TxEnv,
        TransactionInfo,
        TraceLimits,
    ) -> Result<Traced<T>, TracingError>,
) -> RpcResult<T> {
    let mut replay = Replay::begin(api, block)?;
    replay.skip_to(index)?;
    let traced =
        replay.trace_next(|state, env, tx, info| tracer(state, env, tx, info, limits(api)))?;
    traced.ok_or_else(|| error::server_error("transaction not found"))?.map_err(from_tracing)
}

/// Traces the sealed transaction with this hash.
///
/// # Errors
/// -32000 where it is unknown, and as all traces.
pub(crate) fn trace_sealed<T>(
    api: &Api,
    hash: B256,
    tracer: impl FnOnce(&mut BlockState, &EvmEnv, TxEnv, TraceLimits) -> Result<Traced<T>, TracingError>,
) -> RpcResult<T> {
    let (block, index) = sealed_transaction(api, hash)?
        .ok_or_else(|| error::server_error("transaction not found"))?;
    trace_at(api, &block, index, |state, env, tx, _, limits| tracer(state, env, tx, limits))
}

/// Words and code for a trace that failed.
fn from_tracing(failure: TracingError) -> ErrorObjectOwned {
    match failure {
        TracingError::UnknownTracer(_)
        | TracingError::JavaScript
        | TracingError::Config { .. }
        | TracingError::Timeout(_) => error::invalid_params(failure.to_string()),
        TracingError::Invalid(invalid) => {
            error::server_error(error::invalid_transaction_message(&invalid))
        }
        TracingError::TooLarge { .. } => error::limit_exceeded(failure.to_string()),
        TracingError::TimedOut { .. } | TracingError::Interrupted | TracingError::Script(_) => {
            error::server_error(failure.to_string())
        }
        TracingError::Database(_) | TracingError::Execution(_) => {
            error::internal(failure.to_string())
        }
    }
}
