//! One block: what it is, what it created and cost, and its transactions page by page.

use super::AnyBlock;
use crate::{
    api::{Api, Target},
    convert,
    error::{self, RpcResult},
    params::{Arguments, Quantity},
};
use alloy_eips::BlockId;
use alloy_primitives::U256;
use plasma_chain::ExecutedBlock;
use plasma_evm::block_rewards;
use serde::Serialize;
use serde_json::{Value, json};
use std::ops::Range;

/// The block without its transactions but with their number, what was created with it, and the fees
/// of its senders, base fees included; `null` where there is no such block.
pub(super) fn details(api: &Api, id: BlockId) -> RpcResult<Option<Value>> {
    let Some(target) = api.target(id)? else { return Ok(None) };
    let block = target.block();
    let mut shown = slim(&target, false)?;
    if let Some(members) = shown.as_object_mut() {
        members.remove("transactions");
    }
    let rewards = block_rewards(api.chain.spec(), &block.header, &block.ommers).unwrap_or_default();
    let ommers: u128 = rewards.ommers.iter().map(|(_, reward)| reward).sum();
    let quantity = |wei: u128| format!("{wei:#x}");
    Ok(Some(json!({
        "block": shown,
        "issuance": {
            "blockReward": quantity(rewards.block),
            "uncleReward": quantity(ommers),
            "issuance": quantity(rewards.block + ommers),
        },
        "totalFees": fees(block),
    })))
}

/// What senders paid for gas.
fn fees(block: &ExecutedBlock) -> U256 {
    let fee = |index| {
        let gas = block.gas_used(index)?;
        Some(U256::from(gas).saturating_mul(U256::from(block.effective_gas_price(index)?)))
    };
    (0..block.transactions.len()).filter_map(fee).fold(U256::ZERO, U256::saturating_add)
}

/// A page of a block's transactions with their receipts, from the end of the block: page 0 holds the
/// last ones. `null` where there is no such block.
pub(super) fn transactions(api: &Api, arguments: Arguments<'_>) -> RpcResult<Option<Value>> {
    let AnyBlock(id) = arguments.required(0)?;
    let Quantity(page) = arguments.required(1)?;
    let Quantity(size) = arguments.required(2)?;
    let Some(target) = api.target(id)? else { return Ok(None) };
    let block = target.block();
    let page = page_of(block.transactions.len(), page, size);
    let mut shown = slim(&target, true)?;
    if let Some(all) = shown["transactions"].as_array_mut() {
        all.truncate(page.end);
        all.drain(..page.start);
        for transaction in all {
            // Four bytes tell which function is called.
            if let Some(Value::String(input)) = transaction.get_mut("input") {
                input.truncate(2 + 2 * 4);
            }
        }
    }
    let receipts = page.map(|index| {
        let mut receipt = value(&timed_receipt(api, block, index)?)?;
        receipt["logs"] = Value::Null;
        receipt["logsBloom"] = Value::Null;
        Ok(receipt)
    });
    let receipts: Vec<Value> = receipts.collect::<RpcResult<_>>()?;
    Ok(Some(json!({"fullblock": shown, "receipts": receipts})))
}

/// The places of page `page` of `size` places, counted from the end of `count` places.
fn page_of(count: usize, page: u64, size: u64) -> Range<usize> {
    let skipped = usize::try_from(page.saturating_mul(size)).unwrap_or(usize::MAX);
    let end = count.saturating_sub(skipped);
    let start = end.saturating_sub(usize::try_from(size).unwrap_or(usize::MAX));
    start..end
}

/// The block as `eth_getBlockBy*` has it, without the bloom filter and with a count.
fn slim(target: &Target, full: bool) -> RpcResult<Value> {
    let mut shown = value(&convert::block_json(target, full)?)?;
    shown["logsBloom"] = Value::Null;
    shown["transactionCount"] = target.block().transactions.len().into();
    Ok(shown)
}

/// A receipt with the time of its block.
#[derive(Clone, Debug, Serialize)]
pub(super) struct TimedReceipt {
    #[serde(flatten)]
    receipt: convert::RpcReceipt,
    #[serde(with = "alloy_serde::quantity")]
    timestamp: u64,
}

pub(super) fn timed_receipt(
    api: &Api,
    block: &ExecutedBlock,
    index: usize,
) -> RpcResult<TimedReceipt> {
    let timestamp = block.header.timestamp;
    let blobs = api.chain.spec().blob_params_at(timestamp);
    let receipt = convert::receipt(block, index, block.first_log_index(index), blobs);
    let receipt = receipt.ok_or_else(|| {
        error::internal(format!("block {} has no receipt at index {index}", block.number()))
    })?;
    Ok(TimedReceipt { receipt, timestamp })
}

fn value<T: Serialize>(answer: &T) -> RpcResult<Value> {
    serde_json::to_value(answer)
        .map_err(|reason| error::internal(format!("an answer cannot be written as JSON: {reason}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_come_from_the_end() {
        assert_eq!(page_of(7, 0, 3), 4..7);
        assert_eq!(page_of(7, 1, 3), 1..4);
        assert_eq!(page_of(7, 2, 3), 0..1);
        assert_eq!(page_of(7, 3, 3), 0..0);
        assert_eq!(page_of(7, u64::MAX, u64::MAX), 0..0);
        assert_eq!(page_of(7, 0, 0), 7..7);
        assert_eq!(page_of(0, 0, 25), 0..0);
    }
}
