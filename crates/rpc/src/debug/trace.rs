//! Parity's `trace_*`.

use super::{Json, Traces, from_tracing, limits, replay::Replay, sealed_block, sealed_transaction};
use crate::{
    api::Api,
    error::{self, RpcResult},
    params::{Arguments, Quantity},
};
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{B256, map::HashSet};
use alloy_rpc_types_trace::{
    filter::TraceFilter,
    parity::{LocalizedTransactionTrace, TraceResults, TraceResultsWithTransactionHash, TraceType},
};
use plasma_chain::ExecutedBlock;
use plasma_evm::tracing::{localized_traces, trace_results};

/// `trace_transaction`: the call frames of one transaction; `null` where it is unknown.
pub(super) fn transaction(
    api: &Api,
    arguments: Arguments<'_>,
) -> RpcResult<Option<Vec<LocalizedTransactionTrace>>> {
    let Some((block, index)) = sealed_transaction(api, arguments.required::<B256>(0)?)? else {
        return Ok(None);
    };
    frames_of(api, &block, index).map(Some)
}

/// `trace_get`: the frame of a transaction at a path of indexes; `null` where there is none.
pub(super) fn get(
    api: &Api,
    arguments: Arguments<'_>,
) -> RpcResult<Option<LocalizedTransactionTrace>> {
    let Some((block, index)) = sealed_transaction(api, arguments.required::<B256>(0)?)? else {
        return Ok(None);
    };
    let path: Vec<Quantity> = arguments.required(1)?;
    let path: Vec<usize> = path.into_iter().map(|step| step.0 as usize).collect();
    let frames = frames_of(api, &block, index)?;
    Ok(frames.into_iter().find(|frame| frame.trace.trace_address == path))
}

fn frames_of(
    api: &Api,
    block: &ExecutedBlock,
    index: usize,
) -> RpcResult<Vec<LocalizedTransactionTrace>> {
    let mut replay = Replay::begin(api, block)?;
    replay.skip_to(index)?;
    let traced = replay
        .trace_next(|state, env, tx, info| localized_traces(state, env, tx, info, limits(api)))?;
    traced.ok_or_else(|| error::server_error("transaction not found"))?.map_err(from_tracing)
}

/// `trace_block`: the call frames of all transactions; `null` where there is no such block.
pub(super) fn block(api: &Api, arguments: Arguments<'_>) -> RpcResult<Option<Json>> {
    let Some(block) = sealed_block(api, arguments.required::<BlockId>(0)?)? else {
        return Ok(None);
    };
    let mut frames = Traces::new(api);
    each_frame(api, &block, |frame| frames.push(&frame))?;
    frames.finish().map(Some)
}

/// Tells `each` the frames of all transactions of `block`, in order.
fn each_frame(
    api: &Api,
    block: &ExecutedBlock,
    mut each: impl FnMut(LocalizedTransactionTrace) -> RpcResult<()>,
) -> RpcResult<()> {
    if block.transactions.is_empty() {
        return Ok(());
    }
    let mut replay = Replay::begin(api, block)?;
    while let Some(traced) = replay
        .trace_next(|state, env, tx, info| localized_traces(state, env, tx, info, limits(api)))?
    {
        traced.map_err(from_tracing)?.into_iter().try_for_each(&mut each)?;
    }
    Ok(())
}

/// `trace_filter`: the call frames of a range of blocks from or to certain addresses, paged.
pub(super) fn filter(api: &Api, arguments: Arguments<'_>) -> RpcResult<Json> {
    /// Every block of the range is executed again, so the range is small.
    const MAX_BLOCKS: u64 = 100;

    let filter: TraceFilter = arguments.required(0)?;
    let head = api.chain.head().number();
    let from = filter.from_block.unwrap_or(0);
    let to = filter.to_block.unwrap_or(head);
    if from > to {
        return Err(error::invalid_params(format!(
            "invalid block range: fromBlock {from} is above toBlock {to}"
        )));
    }
    if to > head {
        return Err(error::invalid_params(format!(
            "invalid block range: toBlock {to} is above the latest block {head}"
        )));
    }
    if to - from >= MAX_BLOCKS {
        return Err(error::invalid_params(format!(
            "block range too large: {from} to {to} is {} blocks, at most {MAX_BLOCKS} can be \
             traced at once",
            to - from + 1
        )));
    }
    let (after, count) = (filter.after.unwrap_or(0), filter.count.unwrap_or(u64::MAX));
    let matcher = filter.matcher();
    let mut seen = 0u64;
    let mut matches = Traces::new(api);
    for number in from..=to {
        let Some(block) = sealed_block(api, BlockNumberOrTag::Number(number).into())? else {
            continue;
        };
        each_frame(api, &block, |frame| {
            if !matcher.matches(&frame.trace) {
                return Ok(());
            }
            seen += 1;
            if seen > after && (matches.len() as u64) < count {
                matches.push(&frame)?;
            }
            Ok(())
        })?;
        if matches.len() as u64 >= count {
            break;
        }
    }
    matches.finish()
}

/// `trace_replayTransaction`: frames, steps or state differences of one transaction.
pub(super) fn replay_transaction(api: &Api, arguments: Arguments<'_>) -> RpcResult<TraceResults> {
    let (block, index) = sealed_transaction(api, arguments.required::<B256>(0)?)?
        .ok_or_else(|| error::server_error("transaction not found"))?;
    let types: HashSet<TraceType> = arguments.required(1)?;
    let mut replay = Replay::begin(api, &block)?;
    replay.skip_to(index)?;
    let traced = replay
        .trace_next(|state, env, tx, _| trace_results(state, env, tx, &types, limits(api)))?;
    traced.ok_or_else(|| error::server_error("transaction not found"))?.map_err(from_tracing)
}

/// `trace_replayBlockTransactions`: the same for all transactions; `null` without such a block.
pub(super) fn replay_block(api: &Api, arguments: Arguments<'_>) -> RpcResult<Option<Json>> {
    let Some(block) = sealed_block(api, arguments.required::<BlockId>(0)?)? else {
        return Ok(None);
    };
    let types: HashSet<TraceType> = arguments.required(1)?;
    let mut results = Traces::new(api);
    if block.transactions.is_empty() {
        return results.finish().map(Some);
    }
    let mut replay = Replay::begin(api, &block)?;
    for transaction in &block.transactions {
        let traced = replay
            .trace_next(|state, env, tx, _| trace_results(state, env, tx, &types, limits(api)))?
            .ok_or_else(|| error::internal("a replay ended before its block"))?;
        results.push(&TraceResultsWithTransactionHash {
            full_trace: traced.map_err(from_tracing)?,
            transaction_hash: *transaction.tx_hash(),
        })?;
    }
    results.finish().map(Some)
}
