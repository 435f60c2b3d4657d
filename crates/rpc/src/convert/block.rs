//! Blocks and headers.

use super::transaction::{RpcTransaction, block_transaction};
use crate::{
    api::Target,
    error::{self, RpcResult},
};
use alloy_consensus::Sealed;
use alloy_network_primitives::BlockTransactions;
use alloy_primitives::U256;
use alloy_rlp::{Encodable, Header as RlpHeader};
use alloy_rpc_types_eth::{Block, Header};
use plasma_chain::ExecutedBlock;
use serde::Serialize;
use serde_json::{Value, value::RawValue};

/// Members that geth answers as `null` for the open block: they are not known before it is sealed.
const UNKNOWN_WHILE_OPEN: [&str; 3] = ["hash", "nonce", "miner"];

/// A header with its hash, without `size`.
pub fn rpc_header(block: &ExecutedBlock) -> Header {
    Header::from_sealed(Sealed::new_unchecked(block.header.clone(), block.hash))
}

/// A block with full transactions or only their hashes.
pub fn rpc_block(block: &ExecutedBlock, full: bool) -> Block<RpcTransaction> {
    let transactions = if full {
        let count = block.transactions.len();
        let all = (0..count).filter_map(|index| block_transaction(block, index)).collect();
        BlockTransactions::Full(all)
    } else {
        BlockTransactions::Hashes(block.transactions.iter().map(|tx| *tx.tx_hash()).collect())
    };
    Block {
        header: rpc_header(block).with_size(Some(U256::from(encoded_length(block)))),
        uncles: block.ommers.iter().map(|ommer| ommer.hash_slow()).collect(),
        transactions,
        withdrawals: block.withdrawals.clone(),
    }
}

/// The JSON of a block; the open block lacks what only sealing gives.
pub fn block_json(target: &Target, full: bool) -> RpcResult<Box<RawValue>> {
    json(&rpc_block(target.block(), full), target.is_pending())
}

/// The JSON of a header alone.
pub fn header_json(target: &Target) -> RpcResult<Box<RawValue>> {
    json(&rpc_header(target.block()), target.is_pending())
}

fn json(answer: &impl Serialize, open: bool) -> RpcResult<Box<RawValue>> {
    let raw = if open {
        serde_json::to_value(answer).and_then(|mut value| {
            for member in UNKNOWN_WHILE_OPEN {
                value[member] = Value::Null;
            }
            serde_json::value::to_raw_value(&value)
        })
    } else {
        serde_json::value::to_raw_value(answer)
    };
    raw.map_err(|reason| error::internal(format!("a block cannot be written as JSON: {reason}")))
}

/// Length of the block's RLP in bytes, without encoding it.
fn encoded_length(block: &ExecutedBlock) -> usize {
    let transactions = block.transactions.iter().map(|tx| tx.inner().length()).sum();
    let ommers = block.ommers.iter().map(Encodable::length).sum();
    let withdrawals = block.withdrawals.as_ref().map_or(0, Encodable::length);
    list(block.header.length() + list(transactions) + list(ommers) + withdrawals)
}

fn list(payload_length: usize) -> usize {
    RlpHeader { list: true, payload_length }.length_with_payload()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_consensus::{Block as ConsensusBlock, BlockBody, Header as ConsensusHeader};
    use alloy_eips::eip4895::{Withdrawal, Withdrawals};
    use alloy_primitives::B256;
    use plasma_storage::Transaction;

    proptest::proptest! {
        #[test]
        fn the_length_is_that_of_the_encoding(
            number: u64,
            extra in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..32),
            ommers in 0usize..3,
            withdrawals in proptest::option::of(0usize..20),
        ) {
            let header = ConsensusHeader {
                number,
                extra_data: extra.into(),
                withdrawals_root: withdrawals.map(|_| B256::ZERO),
                base_fee_per_gas: Some(7),
                ..Default::default()
            };
            let withdrawals = withdrawals
                .map(|count| Withdrawals::new(vec![Withdrawal::default(); count]));
            let block = ExecutedBlock {
                header: header.clone(),
                hash: B256::ZERO,
                transactions: Vec::new(),
                receipts: Vec::new(),
                ommers: vec![header.clone(); ommers],
                withdrawals: withdrawals.clone(),
                ..Default::default()
            };
            let consensus: ConsensusBlock<Transaction> = ConsensusBlock {
                header,
                body: BlockBody {
                    transactions: Vec::new(),
                    ommers: block.ommers.clone(),
                    withdrawals,
                },
            };
            proptest::prop_assert_eq!(encoded_length(&block), consensus.length());
        }
    }
}
