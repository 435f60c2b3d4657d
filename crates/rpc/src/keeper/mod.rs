//! The `keeper` namespace: upkeeps, what became of them, and the keeper's accounts.

mod list;

use crate::{
    api::{Api, heavy},
    error::{self, RpcResult},
    params::{Arguments, Number},
};
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{Address, Bytes, U256};
use jsonrpsee::RpcModule;
use plasma_keeper::{BlockDecisions, Decision, Simulation, simulate_upkeep};

/// Most blocks of one `keeper_history`.
const MAX_HISTORY_BLOCKS: u64 = 10_000;

/// The blocks of a `keeper_history` that names none.
const DEFAULT_HISTORY_BLOCKS: u64 = 256;

/// Most decisions of one `keeper_history`.
const MAX_DECISIONS: usize = 10_000;

pub(crate) fn register(module: &mut RpcModule<Api>) {
    // All of these ask the producer, who may be making a block.
    heavy(module, "keeper_list", 1, list::list);
    heavy(module, "keeper_get", 1, |api, arguments| {
        Ok(api.chain.upkeep(arguments.required::<Number>(0)?.0))
    });
    heavy(module, "keeper_stats", 0, |api, _| Ok(api.chain.keeper_stats()));
    heavy(module, "keeper_lanes", 0, |api, _| Ok(api.chain.lanes()));
    heavy(module, "keeper_history", 3, history);
    heavy(module, "keeper_decisions", 1, decisions);
    heavy(module, "keeper_simulate", 3, simulate);
}

/// The registry's address.
///
/// # Errors
/// -32000 where the chain has none.
fn registry(api: &Api) -> RpcResult<Address> {
    api.chain.spec().plasma().registry.ok_or_else(|| {
        error::server_error(
            "this chain has no registry: config.plasma.registry is not set in its genesis file",
        )
    })
}

/// `keeper_decisions(block)`: all that the keeper decided in a block, with its sums; `null` where the block is unknown
/// or has no record.
fn decisions(api: &Api, arguments: Arguments<'_>) -> RpcResult<Option<BlockDecisions>> {
    let number = match arguments.required(0)? {
        BlockId::Number(tag) => api.sealed_number(tag)?,
        BlockId::Hash(hash) => {
            let block = api.chain.block_by_hash(hash.block_hash).map_err(error::from_chain)?;
            block.map(|block| block.number())
        }
    };
    let Some(number) = number else { return Ok(None) };
    api.chain.keeper_record(number).map_err(error::from_chain)
}

/// `keeper_simulate(upkeep, block, performData)`: how an upkeep's check ends on the state of a block (`latest` where none
/// is named), and how a perform would. With perform data: a perform with it, without a check.
fn simulate(api: &Api, arguments: Arguments<'_>) -> RpcResult<Simulation> {
    let Number(id) = arguments.required(0)?;
    let (state, env) = api.state_and_env(arguments.optional(1)?)?;
    let data: Option<Bytes> = arguments.optional(2)?;
    simulate_upkeep(&*state, &env, registry(api)?, id, data).map_err(error::from_keeper)
}

/// `keeper_history(upkeep, fromBlock, toBlock)`: what the keeper decided about one upkeep (`null`:
/// about all) in a range of blocks, oldest first. Without a range: the latest blocks.
fn history(api: &Api, arguments: Arguments<'_>) -> RpcResult<Vec<Decision>> {
    let upkeep: Option<U256> = arguments.optional::<Number>(0)?.map(|number| number.0);
    let head = api.chain.head().number();
    let block = |index| -> RpcResult<Option<u64>> {
        let tag: Option<BlockNumberOrTag> = arguments.optional(index)?;
        let number = tag.map(|tag| api.sealed_number(tag)).transpose()?;
        Ok(number.map(|number| number.unwrap_or(head)))
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
