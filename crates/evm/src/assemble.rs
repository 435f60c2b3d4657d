//! The header that follows from an executed block.

use crate::{EvmEnv, FinishedBlock};
use alloy_consensus::{EMPTY_OMMER_ROOT_HASH, Header, Transaction as _, TxReceipt, proofs};
use alloy_eips::{eip4895::Withdrawals, merge::BEACON_NONCE};
use alloy_hardforks::EthereumHardforks;
use alloy_primitives::{B256, Bloom, Bytes, U256, keccak256};
use plasma_chainspec::ChainSpec;
use plasma_storage::{Receipt, Transaction};

/// What a header needs beside the block's environment and outcome.
#[derive(Clone, Debug)]
pub struct BlockParts<'a> {
    /// Hash of the parent.
    pub parent_hash: B256,
    /// State root after the block.
    pub state_root: B256,
    /// Transactions in order.
    pub transactions: &'a [Transaction],
    /// Withdrawals (Shanghai and later).
    pub withdrawals: Option<&'a Withdrawals>,
    /// Parent beacon block root (Cancun and later).
    pub parent_beacon_block_root: Option<B256>,
    /// RLP of the block access list (Amsterdam and later).
    pub access_list: Option<&'a Bytes>,
    /// Extra data.
    pub extra_data: Bytes,
}

/// Builds the header of a proof-of-stake block from its parts and its outcome.
pub fn assemble_header(
    spec: &ChainSpec,
    env: &EvmEnv,
    parts: &BlockParts<'_>,
    finished: &FinishedBlock,
) -> Header {
    let block = &env.block_env;
    let timestamp = block.timestamp.saturating_to::<u64>();
    let number = block.number.saturating_to::<u64>();
    let cancun = spec.is_cancun_active_at_timestamp(timestamp);
    let receipts: Vec<_> =
        finished.receipts.iter().map(|receipt| receipt.with_bloom_ref()).collect();
    let logs_bloom = receipts.iter().fold(Bloom::ZERO, |all, receipt| all | receipt.logs_bloom);
    Header {
        parent_hash: parts.parent_hash,
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        beneficiary: block.beneficiary,
        state_root: parts.state_root,
        transactions_root: proofs::calculate_transaction_root(parts.transactions),
        receipts_root: proofs::calculate_receipt_root(&receipts),
        withdrawals_root: parts
            .withdrawals
            .map(|list| proofs::calculate_withdrawals_root(list.as_slice())),
        logs_bloom,
        difficulty: U256::ZERO,
        number,
        gas_limit: block.gas_limit,
        gas_used: finished.gas_used,
        timestamp,
        mix_hash: block.prevrandao.unwrap_or_default(),
        nonce: BEACON_NONCE.into(),
        base_fee_per_gas: spec.is_london_active_at_block(number).then_some(block.basefee),
        blob_gas_used: cancun.then_some(finished.blob_gas_used),
        excess_blob_gas: if cancun {
            Some(block.blob_excess_gas_and_price.map_or(0, |blob| blob.excess_blob_gas))
        } else {
            None
        },
        parent_beacon_block_root: parts.parent_beacon_block_root,
        requests_hash: spec
            .is_prague_active_at_timestamp(timestamp)
            .then(|| finished.requests.requests_hash()),
        block_access_list_hash: parts.access_list.map(keccak256),
        slot_number: spec.is_amsterdam_active_at_timestamp(timestamp).then_some(block.slot_num),
        extra_data: parts.extra_data.clone(),
    }
}

/// What the transactions of a block pay its beneficiary for their gas, in wei: what is above the base fee.
pub fn priority_fees<'a>(
    header: &Header,
    transactions: impl IntoIterator<Item = &'a Transaction>,
    receipts: &[Receipt],
) -> U256 {
    let base_fee = header.base_fee_per_gas.unwrap_or(0); // before London there is none
    let mut used_before = 0;
    let fees = transactions.into_iter().zip(receipts).map(|(transaction, receipt)| {
        let used = receipt.cumulative_gas_used - used_before;
        used_before = receipt.cumulative_gas_used;
        // A block has no transaction that cannot pay its base fee.
        U256::from(transaction.effective_tip_per_gas(base_fee).unwrap_or(0)) * U256::from(used)
    });
    fees.fold(U256::ZERO, U256::saturating_add)
}
