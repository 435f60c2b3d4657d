//! Time, mining and snapshots.

use super::{Call, Commands, refused_by_chain};
use crate::{
    api::Api,
    convert::rpc_block,
    debug::replay::Replay,
    error::{self, RpcResult},
    params::Quantity,
};
use alloy_primitives::{Address, B256, U64};
use plasma_chain::ExecutedBlock;
use plasma_evm::{
    ExecutionResult,
    tracing::{TraceLimits, calls_to},
};
use serde::{Deserialize, Deserializer, de};
use serde_json::{Value, json};
use std::{fmt, sync::Arc};

/// From here on an interval is read as milliseconds: see [`interval_ms`].
const SECONDS_BELOW: u64 = 1000;

pub(super) fn register(commands: &mut Commands<'_>) {
    commands.query(&["evm_snapshot", "anvil_snapshot"], 0, snapshot);
    commands.query(&["evm_revert", "anvil_revert"], 1, revert);
    commands.query(&["evm_mine"], 1, evm_mine);
    commands.query(
        &["evm_mine_detailed", "anvil_mine_detailed", "hardhat_mine_detailed"],
        1,
        mine_detailed,
    );
    commands.command(&["hardhat_mine", "anvil_mine"], 2, mine);
    commands.query(&["evm_increaseTime", "anvil_increaseTime"], 1, increase_time);
    commands.query(&["evm_setTime", "anvil_setTime"], 1, set_time);
    commands.command(&["evm_setNextBlockTimestamp", "anvil_setNextBlockTimestamp"], 1, |call| {
        let Quantity(timestamp) = call.arguments.required(0)?;
        call.dev.set_next_block_timestamp(timestamp).map_err(refused_by_chain)
    });
    commands.command(&["evm_setAutomine", "anvil_setAutomine"], 1, |call| {
        call.dev.set_automine(call.arguments.required(0)?).map_err(refused_by_chain)
    });
    commands.command(&["evm_setIntervalMining", "anvil_setIntervalMining"], 1, |call| {
        let Quantity(interval) = call.arguments.required(0)?;
        call.dev.set_interval_mining(interval_ms(interval)).map_err(refused_by_chain)
    });
    commands
        .query(&["hardhat_getAutomine", "anvil_getAutomine"], 0, |call| Ok(call.dev.automine()));
    commands.query(&["anvil_getIntervalMining", "hardhat_getIntervalMining"], 0, |call| {
        let interval = call.dev.interval_mining().map_err(refused_by_chain)?;
        Ok(interval.map(|ms| ms.div_ceil(1000)))
    });
    commands.command(
        &["anvil_setBlockTimestampInterval", "hardhat_setBlockTimestampInterval"],
        1,
        |call| {
            let Quantity(seconds) = call.arguments.required(0)?;
            call.dev.set_block_timestamp_interval(Some(seconds)).map_err(refused_by_chain)
        },
    );
    commands.query(&["anvil_removeBlockTimestampInterval"], 0, |call| {
        call.dev.set_block_timestamp_interval(None).map_err(refused_by_chain)?;
        Ok(true)
    });
    commands.query(&["evm_setBlockGasLimit", "anvil_setBlockGasLimit"], 1, |call| {
        let Quantity(limit) = call.arguments.required(0)?;
        if limit == 0 {
            return Err(error::invalid_params("Block gas limit must be greater than 0"));
        }
        call.dev.set_gas_limit(limit).map_err(refused_by_chain)?;
        Ok(true)
    });
    commands.command(
        &["hardhat_setNextBlockBaseFeePerGas", "anvil_setNextBlockBaseFeePerGas"],
        1,
        |call| {
            let Quantity(fee) = call.arguments.required(0)?;
            call.dev.set_next_base_fee(fee).map_err(refused_by_chain)
        },
    );
    commands.command(&["hardhat_setPrevRandao", "anvil_setPrevRandao"], 1, |call| {
        let value: B256 = call.arguments.required(0)?;
        call.dev.set_next_prev_randao(value).map_err(refused_by_chain)
    });
    commands.command(&["hardhat_setCoinbase", "anvil_setCoinbase"], 1, |call| {
        call.dev.set_coinbase(call.arguments.required(0)?).map_err(refused_by_chain)
    });
    commands.command(&["hardhat_reset", "anvil_reset"], 1, reset);
}

fn snapshot(call: &Call<'_>) -> RpcResult<U64> {
    let id = call.dev.snapshot().map_err(refused_by_chain)?;
    let head = call.api.chain.head();
    call.context.snapshots.lock().insert(id, (head.number(), head.hash));
    Ok(U64::from(id))
}

fn revert(call: &Call<'_>) -> RpcResult<bool> {
    let Quantity(id) = call.arguments.required(0)?;
    let done = call.dev.revert(id).map_err(refused_by_chain)?;
    if done {
        // The chain forgets this snapshot and all later ones.
        call.context.snapshots.lock().retain(|&other, _| other < id);
    }
    Ok(done)
}

/// Argument of `evm_mine`: a time, or ganache's object.
#[derive(Debug, Default, PartialEq, Eq)]
struct MineOptions {
    timestamp: Option<u64>,
    blocks: Option<u64>,
}

impl<'de> Deserialize<'de> for MineOptions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = MineOptions;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a timestamp, or an object {timestamp, blocks}")
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<MineOptions, E> {
                Ok(MineOptions { timestamp: Some(value), blocks: None })
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<MineOptions, E> {
                let Quantity(timestamp) =
                    Quantity::deserialize(de::value::StrDeserializer::new(text))?;
                Ok(MineOptions { timestamp: Some(timestamp), blocks: None })
            }

            fn visit_map<A: de::MapAccess<'de>>(
                self,
                mut members: A,
            ) -> Result<MineOptions, A::Error> {
                let mut options = MineOptions::default();
                while let Some(name) = members.next_key::<String>()? {
                    let value = members.next_value::<Option<Quantity>>()?.map(|it| it.0);
                    match name.as_str() {
                        "timestamp" => options.timestamp = value,
                        "blocks" => options.blocks = value,
                        other => {
                            return Err(de::Error::unknown_field(other, &["timestamp", "blocks"]));
                        }
                    }
                }
                Ok(options)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// Mines one block, or as many as asked; the first at the given time. Answers `"0x0"`, as both
/// nodes do.
fn evm_mine(call: &Call<'_>) -> RpcResult<&'static str> {
    mine_with_options(call)?;
    Ok("0x0")
}

/// As [`evm_mine`], but answers the blocks with their transactions, and these with what they
/// returned (`output`) and, where they failed with a reason, that (`revertReason`), as anvil does.
fn mine_detailed(call: &Call<'_>) -> RpcResult<Vec<Value>> {
    let blocks = mine_with_options(call)?;
    blocks.iter().map(|block| detailed(call, block)).collect()
}

fn detailed(call: &Call<'_>, block: &ExecutedBlock) -> RpcResult<Value> {
    let unwritten =
        |failure| error::internal(format!("a block cannot be written as JSON: {failure}"));
    let mut written = serde_json::to_value(rpc_block(block, true)).map_err(unwritten)?;
    let Some(transactions) = written["transactions"].as_array_mut() else { return Ok(written) };
    for (transaction, result) in transactions.iter_mut().zip(results(call.api, block)?) {
        if let ExecutionResult::Revert { output, .. } = &result
            && let Some(reason) = error::revert_reason(output)
        {
            transaction["revertReason"] = json!(reason);
        }
        transaction["output"] = json!(result.output().cloned().unwrap_or_default());
    }
    Ok(written)
}

/// What the transactions of `block` came to, by executing them again.
fn results(api: &Api, block: &ExecutedBlock) -> RpcResult<Vec<ExecutionResult>> {
    if block.transactions.is_empty() {
        return Ok(Vec::new());
    }
    let mut replay = Replay::begin(api, block)?;
    let mut results = Vec::with_capacity(block.transactions.len());
    while let Some(traced) = replay.trace_next(|state, env, tx, _| {
        calls_to(state, env, tx, Address::ZERO, TraceLimits::default())
    })? {
        results.push(traced.map_err(|failure| error::server_error(failure.to_string()))?.1);
    }
    Ok(results)
}

/// Most blocks whose details one call may ask for.
const MAX_DETAILED: u64 = 1_000;

fn mine_with_options(call: &Call<'_>) -> RpcResult<Vec<Arc<ExecutedBlock>>> {
    let options: MineOptions = call.arguments.or_default(0)?;
    if call.name.ends_with("_detailed") && options.blocks.is_some_and(|it| it > MAX_DETAILED) {
        return Err(error::invalid_params(format!(
            "at most {MAX_DETAILED} blocks are told in detail at once: use evm_mine"
        )));
    }
    // Hardhat's tools send 0 where no time is meant.
    if let Some(timestamp) = options.timestamp.filter(|&timestamp| timestamp != 0) {
        call.dev.set_next_block_timestamp(timestamp).map_err(refused_by_chain)?;
    }
    let mined = call.dev.mine(options.blocks.unwrap_or(1), None).map_err(refused_by_chain)?;
    call.log(format_args!("mined {} block(s)", mined.len()));
    Ok(mined)
}

/// `hardhat_mine [blocks, interval]`: `interval` is seconds between the blocks.
fn mine(call: &Call<'_>) -> RpcResult<()> {
    let blocks: Option<Quantity> = call.arguments.optional(0)?;
    let interval: Option<Quantity> = call.arguments.optional(1)?;
    let blocks = blocks.map_or(1, |it| it.0);
    let mined = call.dev.mine(blocks, interval.map(|it| it.0)).map_err(refused_by_chain)?;
    call.log(format_args!("mined {} block(s)", mined.len()));
    Ok(())
}

/// A signed number of seconds: ganache and anvil let the clock go back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seconds(i64);

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Signed(i64),
            Unsigned(Quantity),
        }
        match Either::deserialize(deserializer) {
            Ok(Either::Signed(seconds)) => Ok(Self(seconds)),
            Ok(Either::Unsigned(Quantity(seconds))) => {
                i64::try_from(seconds).map(Self).map_err(de::Error::custom)
            }
            Err(_) => Err(de::Error::custom("expected a number of seconds such as 60 or \"0x3c\"")),
        }
    }
}

/// Answers the whole offset to the wall clock, in seconds, as anvil and ganache do.
fn increase_time(call: &Call<'_>) -> RpcResult<i64> {
    let Seconds(seconds) = call.arguments.required(0)?;
    call.dev.increase_time(seconds).map_err(refused_by_chain)
}

fn set_time(call: &Call<'_>) -> RpcResult<i64> {
    let Quantity(timestamp) = call.arguments.required(0)?;
    call.dev.set_time(timestamp).map_err(refused_by_chain)
}

/// The interval in milliseconds; `None` where blocks shall not come by time.
///
/// anvil counts in seconds and Hardhat's node in milliseconds, under one name. Nobody means an
/// interval of a quarter of an hour, and nobody means one below a second by a number of four
/// digits: so numbers from 1000 on are milliseconds.
fn interval_ms(interval: u64) -> Option<u64> {
    match interval {
        0 => None,
        seconds if seconds < SECONDS_BELOW => Some(seconds * 1000),
        ms => Some(ms),
    }
}

/// Back to genesis. Forking another chain is not what this node does.
fn reset(call: &Call<'_>) -> RpcResult<()> {
    let options: Option<serde_json::Value> = call.arguments.optional(0)?;
    let forking = options.as_ref().and_then(|it| it.get("forking").or(it.get("jsonRpcUrl")));
    if forking.is_some_and(|it| !it.is_null()) {
        return Err(error::invalid_params(
            "forking is not supported: this node runs a chain of its own; call without arguments \
             to go back to its genesis",
        ));
    }
    call.dev.reset().map_err(refused_by_chain)?;
    call.context.snapshots.lock().clear();
    *call.context.instance.lock() = B256::random();
    call.log(format_args!("the chain went back to its genesis"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn intervals_are_seconds_or_milliseconds() {
        assert_eq!(interval_ms(0), None);
        assert_eq!(interval_ms(1), Some(1000));
        assert_eq!(interval_ms(999), Some(999_000));
        assert_eq!(interval_ms(1000), Some(1000));
        assert_eq!(interval_ms(5000), Some(5000));
    }

    #[test]
    fn mine_options_are_read_in_all_forms() {
        let read = |value| serde_json::from_value::<MineOptions>(value);
        let at = |timestamp| MineOptions { timestamp: Some(timestamp), blocks: None };
        assert_eq!(read(json!(7)).unwrap(), at(7));
        assert_eq!(read(json!("0x7")).unwrap(), at(7));
        assert_eq!(read(json!("7")).unwrap(), at(7));
        assert_eq!(
            read(json!({"timestamp": "0x7", "blocks": 3})).unwrap(),
            MineOptions { timestamp: Some(7), blocks: Some(3) }
        );
        assert_eq!(
            read(json!({"timestamp": null, "blocks": 3})).unwrap(),
            MineOptions { timestamp: None, blocks: Some(3) }
        );
        for wrong in [json!(-1), json!("soon"), json!({"time": 1}), json!([1])] {
            read(wrong).unwrap_err();
        }
    }

    #[test]
    fn seconds_may_be_negative_or_hex() {
        let read = |value| serde_json::from_value::<Seconds>(value).map(|it| it.0);
        assert_eq!(read(json!(60)).unwrap(), 60);
        assert_eq!(read(json!(-60)).unwrap(), -60);
        assert_eq!(read(json!("0x3c")).unwrap(), 60);
        assert_eq!(read(json!("60")).unwrap(), 60);
        read(json!("soon")).unwrap_err();
        read(json!(u64::MAX)).unwrap_err();
    }
}
