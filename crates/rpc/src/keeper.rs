//! The `keeper` namespace: upkeeps, what became of them, and the keeper's accounts.

use crate::{
    api::{Api, heavy},
    error::{self, RpcResult},
    params::{Arguments, Number},
};
use alloy_eips::BlockNumberOrTag;
use alloy_primitives::U256;
use jsonrpsee::RpcModule;
use plasma_keeper::Decision;

/// Most blocks of one `keeper_history`.
const MAX_HISTORY_BLOCKS: u64 = 10_000;

/// The blocks of a `keeper_history` that names none.
const DEFAULT_HISTORY_BLOCKS: u64 = 256;

/// Most decisions of one `keeper_history`.
const MAX_DECISIONS: usize = 10_000;

pub(crate) fn register(module: &mut RpcModule<Api>) {
    // All of these ask the producer, who may be making a block.
    heavy(module, "keeper_list", 0, |api, _| Ok(api.chain.upkeeps()));
    heavy(module, "keeper_get", 1, |api, arguments| {
        Ok(api.chain.upkeep(arguments.required::<Number>(0)?.0))
    });
    heavy(module, "keeper_stats", 0, |api, _| Ok(api.chain.keeper_stats()));
    heavy(module, "keeper_lanes", 0, |api, _| Ok(api.chain.lanes()));
    heavy(module, "keeper_history", 3, history);
}

/// `keeper_history(upkeep, fromBlock, toBlock)`: what the keeper decided about one upkeep (`null`:
/// about all) in a range of blocks, oldest first. Without a range: the latest blocks.
fn history(api: &Api, arguments: Arguments<'_>) -> RpcResult<Vec<Decision>> {
    let upkeep: Option<U256> = arguments.optional::<Number>(0)?.map(|number| number.0);
    let head = api.chain.head().number();
    let block = |index| -> RpcResult<Option<u64>> {
        let tag: Option<BlockNumberOrTag> = arguments.optional(index)?;
        Ok(tag.map(|tag| api.sealed_number(tag).unwrap_or(head)))
    };
    let to = block(2)?.unwrap_or(head).min(head);
    let from = block(1)?.unwrap_or_else(|| to.saturating_sub(DEFAULT_HISTORY_BLOCKS - 1));
    if from > to {
        return Err(error::invalid_params(format!(
            "invalid block range: it begins with block {from} and ends with block {to}"
        )));
    }
    if to - from >= MAX_HISTORY_BLOCKS {
        return Err(error::limit_exceeded(format!(
            "the range spans {} blocks, but at most {MAX_HISTORY_BLOCKS} are allowed: ask for a \
             shorter one",
            to - from + 1
        )));
    }
    let mut decisions = api.chain.keeper_decisions(from, to).map_err(error::from_chain)?;
    if let Some(upkeep) = upkeep {
        decisions.retain(|decision| decision.upkeep == upkeep);
    }
    if decisions.len() > MAX_DECISIONS {
        return Err(error::limit_exceeded(format!(
            "the range holds {} decisions, but at most {MAX_DECISIONS} are allowed: ask for a \
             shorter one or for one upkeep",
            decisions.len()
        )));
    }
    Ok(decisions)
}
