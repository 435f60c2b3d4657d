//! Fees: what a transaction should offer, and what blocks charged.

use crate::{
    api::{Api, guessed_by_params, quick},
    error::{self, RpcResult},
    params::Quantity,
};
use alloy_consensus::Transaction as _;
use alloy_eips::BlockNumberOrTag;
use alloy_primitives::{B256, U256, map::B256Map};
use alloy_rpc_types_eth::FeeHistory;
use jsonrpsee::RpcModule;
use parking_lot::Mutex;
use plasma_chain::ExecutedBlock;
use plasma_evm::revm::context_interface::block::Block as _;
use std::collections::VecDeque;

/// Most blocks of one `eth_feeHistory`, as in geth; more are cut.
const MAX_HISTORY_BLOCKS: u64 = 1024;
/// Most percentiles of one `eth_feeHistory`, as in geth.
const MAX_PERCENTILES: usize = 100;
/// Blocks that the suggested tip looks at, as in geth.
const TIP_BLOCKS: u64 = 20;
/// Lowest tips taken from each of them, as in geth.
const TIPS_PER_BLOCK: usize = 3;
/// The suggestion is this percentile of the tips found, as in geth.
const TIP_PERCENTILE: usize = 60;
/// Tips below this many wei are noise and not counted, as in geth.
const IGNORED_TIP: u128 = 2;
/// The suggestion where blocks tell nothing: 0.001 gwei, geth's default minimum for miners.
const DEFAULT_TIP: u128 = 1_000_000;
/// Highest suggestion in wei (500 gwei), as in geth.
const MAX_TIP: u128 = 500_000_000_000;

pub(crate) fn register(module: &mut RpcModule<Api>) {
    quick(module, "eth_gasPrice", 0, |api, _| {
        let base_fee = api.chain.head().header.base_fee_per_gas.unwrap_or_default();
        Ok(U256::from(suggested_tip(api)? + u128::from(base_fee)))
    });
    quick(module, "eth_maxPriorityFeePerGas", 0, |api, _| Ok(U256::from(suggested_tip(api)?)));
    quick(module, "eth_blobBaseFee", 0, |api, _| Ok(U256::from(blob_base_fee(api))));
    quick(module, "eth_baseFee", 0, |api, _| Ok(U256::from(next_base_fee(api))));
    guessed_by_params(module, "eth_feeHistory", 3, |api, arguments| {
        let Quantity(count) = arguments.required(0)?;
        fee_history(api, count, arguments.required(1)?, arguments.or_default(2)?)
    });
}

/// Base fee of the open block.
pub(super) fn next_base_fee(api: &Api) -> u64 {
    api.chain.pending().env.block_env.basefee()
}

/// Blob base fee of the head block, as geth answers it.
pub(super) fn blob_base_fee(api: &Api) -> u128 {
    let head = api.chain.head();
    blob_fee(api, &head).unwrap_or_default()
}

fn blob_fee(api: &Api, block: &ExecutedBlock) -> Option<u128> {
    let params = api.chain.spec().blob_params_at(block.header.timestamp)?;
    Some(params.calc_blob_fee(block.header.excess_blob_gas?))
}

/// Remembers the lowest tips of recent blocks, so that a new head costs one block's look.
#[derive(Debug, Default)]
pub(crate) struct TipOracle {
    lowest: Mutex<Remembered>,
}

#[derive(Debug, Default)]
struct Remembered {
    head: B256,
    suggestion: u128,
    by_block: B256Map<Vec<u128>>,
    order: VecDeque<B256>,
}

/// The tip in wei with which a transaction should be included soon.
///
/// # Errors
/// Where the database fails.
pub(crate) fn suggested_tip(api: &Api) -> RpcResult<u128> {
    let head = api.chain.head();
    let mut memory = api.tips.lowest.lock();
    if memory.head == head.hash && memory.suggestion > 0 {
        return Ok(memory.suggestion);
    }
    let mut tips = Vec::new();
    let oldest = head.number().saturating_sub(TIP_BLOCKS - 1);
    let mut next = Some(head.clone());
    while let Some(block) = next {
        memory.learn(&block);
        tips.extend_from_slice(&memory.by_block[&block.hash]);
        next = match block.number() {
            number if number > oldest => api.chain.block(number - 1).map_err(error::from_chain)?,
            _ => None,
        };
    }
    let suggestion = percentile(tips).unwrap_or(DEFAULT_TIP);
    memory.head = head.hash;
    memory.suggestion = suggestion;
    Ok(suggestion)
}

fn percentile(mut tips: Vec<u128>) -> Option<u128> {
    tips.sort_unstable();
    let position = tips.len().checked_sub(1)? * TIP_PERCENTILE / 100;
    Some(tips[position].min(MAX_TIP))
}

impl Remembered {
    fn learn(&mut self, block: &ExecutedBlock) {
        if self.by_block.contains_key(&block.hash) {
            return;
        }
        self.by_block.insert(block.hash, lowest_tips(block));
        self.order.push_back(block.hash);
        while self.order.len() as u64 > 2 * TIP_BLOCKS {
            if let Some(oldest) = self.order.pop_front() {
                self.by_block.remove(&oldest);
            }
        }
    }
}

/// The lowest tips of a block that are not noise and not the beneficiary's own.
fn lowest_tips(block: &ExecutedBlock) -> Vec<u128> {
    let base_fee = block.header.base_fee_per_gas.unwrap_or_default();
    let mut tips: Vec<u128> = block
        .transactions
        .iter()
        .filter(|transaction| transaction.signer() != block.header.beneficiary)
        .filter_map(|transaction| transaction.effective_tip_per_gas(base_fee))
        .filter(|tip| *tip >= IGNORED_TIP)
        .collect();
    tips.sort_unstable();
    tips.truncate(TIPS_PER_BLOCK);
    tips
}

fn fee_history(
    api: &Api,
    count: u64,
    newest: BlockNumberOrTag,
    percentiles: Vec<f64>,
) -> RpcResult<FeeHistory> {
    check_percentiles(&percentiles)?;
    let head = api.chain.head().number();
    // The open block's figures change with every tick; its base fee is the entry after the head's.
    let newest = api.sealed_number(newest)?.unwrap_or(head);
    if newest > head {
        return Err(error::server_error(format!(
            "request beyond head block: requested {newest}, head {head}"
        )));
    }
    let count = count.min(MAX_HISTORY_BLOCKS).min(newest + 1);
    let mut history = FeeHistory { oldest_block: newest + 1 - count, ..Default::default() };
    if count == 0 {
        history.oldest_block = 0;
        return Ok(history);
    }
    let mut rewards = Vec::new();
    for number in history.oldest_block..=newest {
        let block = existing(api, number)?;
        let header = &block.header;
        history.base_fee_per_gas.push(header.base_fee_per_gas.unwrap_or_default().into());
        history.gas_used_ratio.push(ratio(header.gas_used, header.gas_limit));
        history.base_fee_per_blob_gas.push(blob_fee(api, &block).unwrap_or_default());
        let blob_limit = api.chain.spec().blob_params_at(header.timestamp);
        let blob_limit = blob_limit.map_or(0, |params| params.max_blob_gas_per_block());
        let blob_used = header.blob_gas_used.unwrap_or_default();
        history.blob_gas_used_ratio.push(ratio(blob_used, blob_limit));
        if !percentiles.is_empty() {
            rewards.push(block_rewards(&block, &percentiles));
        }
    }
    let (base_fee, blob_fee) = fees_after(api, newest, head)?;
    history.base_fee_per_gas.push(base_fee);
    history.base_fee_per_blob_gas.push(blob_fee);
    history.reward = (!percentiles.is_empty()).then_some(rewards);
    Ok(history)
}

fn check_percentiles(percentiles: &[f64]) -> RpcResult<()> {
    if percentiles.len() > MAX_PERCENTILES {
        return Err(error::server_error(format!(
            "invalid reward percentile: over the query limit {MAX_PERCENTILES}"
        )));
    }
    if let Some(wrong) = percentiles.iter().find(|p| !(0.0..=100.0).contains(*p)) {
        return Err(error::server_error(format!("invalid reward percentile: {wrong}")));
    }
    if let Some(pair) = percentiles.windows(2).find(|pair| pair[0] >= pair[1]) {
        return Err(error::server_error(format!(
            "invalid reward percentile: {} does not stand above {}",
            pair[1], pair[0]
        )));
    }
    Ok(())
}

fn existing(api: &Api, number: u64) -> RpcResult<std::sync::Arc<ExecutedBlock>> {
    let block = api.chain.block(number).map_err(error::from_chain)?;
    block.ok_or_else(error::header_not_found)
}

/// Base fee and blob base fee of the block after `newest`.
fn fees_after(api: &Api, newest: u64, head: u64) -> RpcResult<(u128, u128)> {
    if newest < head {
        let next = existing(api, newest + 1)?;
        let base_fee = next.header.base_fee_per_gas.unwrap_or_default();
        return Ok((base_fee.into(), blob_fee(api, &next).unwrap_or_default()));
    }
    let pending = api.chain.pending();
    let env = &pending.env.block_env;
    Ok((env.basefee().into(), env.blob_gasprice().unwrap_or_default()))
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// For each percentile of the block's gas, the tip of the transaction that burned it, cheapest
/// transactions first.
fn block_rewards(block: &ExecutedBlock, percentiles: &[f64]) -> Vec<u128> {
    let base_fee = block.header.base_fee_per_gas.unwrap_or_default();
    let mut spent: Vec<(u128, u64)> = block
        .transactions
        .iter()
        .enumerate()
        .map(|(index, transaction)| {
            let tip = transaction.effective_tip_per_gas(base_fee).unwrap_or_default();
            (tip, block.gas_used(index).unwrap_or_default())
        })
        .collect();
    spent.sort_unstable();
    let total = block.header.gas_used as f64;
    let mut rewards = Vec::with_capacity(percentiles.len());
    let mut transactions = spent.iter();
    let mut current = transactions.next();
    let mut gas = current.map_or(0, |(_, gas)| *gas);
    for percentile in percentiles {
        let threshold = (total * percentile / 100.0) as u64;
        while gas < threshold {
            let Some(next) = transactions.next() else { break };
            current = Some(next);
            gas += next.1;
        }
        rewards.push(current.map_or(0, |(tip, _)| *tip));
    }
    rewards
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_must_rise_within_bounds() {
        check_percentiles(&[]).unwrap();
        check_percentiles(&[0.0, 50.5, 100.0]).unwrap();
        for wrong in [&[-1.0][..], &[101.0], &[50.0, 50.0], &[60.0, 40.0], &[f64::NAN]] {
            let refused = check_percentiles(wrong).unwrap_err();
            assert!(refused.message().starts_with("invalid reward percentile"));
        }
        check_percentiles(&vec![1.0; 101]).unwrap_err();
    }

    #[test]
    fn the_tip_is_a_percentile_with_a_cap() {
        assert_eq!(percentile(Vec::new()), None);
        assert_eq!(percentile(vec![7]), Some(7));
        assert_eq!(percentile((1..=11).collect()), Some(7));
        assert_eq!(percentile(vec![u128::MAX]), Some(MAX_TIP));
    }
}
