//! Receipts and logs.

use alloy_consensus::{
    Eip658Value, Receipt as ConsensusReceipt, ReceiptEnvelope, ReceiptWithBloom, Transaction as _,
    TxReceipt, TxType,
};
use alloy_eips::eip7840::BlobParams;
use alloy_primitives::{Log as ConsensusLog, TxKind};
use alloy_rpc_types_eth::{Filter, Log, TransactionReceipt};
use plasma_chain::ExecutedBlock;

/// A receipt in JSON-RPC's form.
pub type RpcReceipt = TransactionReceipt<ReceiptEnvelope<Log>>;

/// The receipt of transaction `index`, whose first log has `first_log` as its index in the block;
/// `None` outside the block. `blobs` are the blob parameters at the block's time.
pub fn receipt(
    block: &ExecutedBlock,
    index: usize,
    first_log: u64,
    blobs: Option<BlobParams>,
) -> Option<RpcReceipt> {
    let transaction = block.transactions.get(index)?;
    let receipt = block.receipts.get(index)?;
    let logs = receipt
        .logs()
        .iter()
        .zip(first_log..)
        .map(|(log, log_index)| rpc_log(block, index, log, log_index, false))
        .collect();
    let logs_bloom = receipt.bloom();
    let inner = ReceiptWithBloom {
        receipt: ConsensusReceipt {
            // Before Byzantium a receipt told the state's root instead of a status (EIP-658).
            status: match block.post_states.get(index) {
                Some(root) => Eip658Value::PostState(*root),
                None => receipt.success.into(),
            },
            cumulative_gas_used: receipt.cumulative_gas_used,
            logs,
        },
        logs_bloom,
    };
    let inner = match receipt.tx_type {
        TxType::Legacy => ReceiptEnvelope::Legacy(inner),
        TxType::Eip2930 => ReceiptEnvelope::Eip2930(inner),
        TxType::Eip1559 => ReceiptEnvelope::Eip1559(inner),
        TxType::Eip4844 => ReceiptEnvelope::Eip4844(inner),
        TxType::Eip7702 => ReceiptEnvelope::Eip7702(inner),
    };
    let sender = transaction.signer();
    let (to, contract_address) = match transaction.kind() {
        TxKind::Call(to) => (Some(to), None),
        TxKind::Create => (None, Some(sender.create(transaction.nonce()))),
    };
    let blob_gas_used = transaction.blob_gas_used();
    let blob_gas_price = blob_gas_used.and(block.header.excess_blob_gas).zip(blobs);
    Some(TransactionReceipt {
        inner,
        transaction_hash: *transaction.tx_hash(),
        transaction_index: Some(index as u64),
        block_hash: Some(block.hash).filter(|hash| !hash.is_zero()),
        block_number: Some(block.number()),
        gas_used: block.gas_used(index)?,
        effective_gas_price: block.effective_gas_price(index)?,
        blob_gas_used,
        blob_gas_price: blob_gas_price.map(|(excess, params)| params.calc_blob_fee(excess)),
        from: sender,
        to,
        contract_address,
    })
}

/// A log of transaction `index` of a block; `log_index` counts within the block.
pub fn rpc_log(
    block: &ExecutedBlock,
    index: usize,
    log: &ConsensusLog,
    log_index: u64,
    removed: bool,
) -> Log {
    Log {
        inner: log.clone(),
        block_hash: Some(block.hash).filter(|hash| !hash.is_zero()),
        block_number: Some(block.number()),
        block_timestamp: Some(block.header.timestamp),
        transaction_hash: block.transactions.get(index).map(|tx| *tx.tx_hash()),
        transaction_index: Some(index as u64),
        log_index: Some(log_index),
        removed,
    }
}

/// The logs of a block that `filter` wants, in order. Only addresses and topics are looked at.
pub fn block_logs<'a>(
    block: &'a ExecutedBlock,
    filter: &'a Filter,
    removed: bool,
) -> impl Iterator<Item = Log> + 'a {
    matching_logs(block, filter)
        .map(move |(index, log, position)| rpc_log(block, index, log, position, removed))
}

/// The logs of a block that `filter` wants, in order: each with the position of its transaction and its own in the block.
pub(crate) fn matching_logs<'a>(
    block: &'a ExecutedBlock,
    filter: &'a Filter,
) -> impl Iterator<Item = (usize, &'a alloy_primitives::Log, u64)> + 'a {
    let logs = block
        .receipts
        .iter()
        .enumerate()
        .flat_map(|(index, receipt)| receipt.logs().iter().map(move |log| (index, log)));
    logs.zip(0u64..)
        .filter(|((_, log), _)| {
            filter.matches_address(log.address) && filter.matches_topics(log.topics())
        })
        .map(|((index, log), position)| (index, log, position))
}
