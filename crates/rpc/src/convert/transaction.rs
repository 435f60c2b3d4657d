//! Transactions.

use alloy_consensus::transaction::{Recovered, TransactionInfo};
use plasma_chain::ExecutedBlock;
use plasma_storage::Transaction;
use serde::{Serialize, Serializer};

/// A transaction in JSON-RPC's form.
///
/// Its JSON is [`alloy_rpc_types_eth::Transaction`]'s; one that stands in no block yet also has
/// `blockTimestamp: null`, as geth answers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RpcTransaction(pub alloy_rpc_types_eth::Transaction<Transaction>);

impl Serialize for RpcTransaction {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Waiting<'a> {
            #[serde(flatten)]
            transaction: &'a alloy_rpc_types_eth::Transaction<Transaction>,
            #[serde(rename = "blockTimestamp")]
            block_timestamp: (),
        }
        match self.0.block_timestamp {
            Some(_) => self.0.serialize(serializer),
            None => Waiting { transaction: &self.0, block_timestamp: () }.serialize(serializer),
        }
    }
}

/// Transaction `index` of a block; `None` outside of it. In the open block, whose hash is zero, it
/// has no `blockHash`.
pub fn block_transaction(block: &ExecutedBlock, index: usize) -> Option<RpcTransaction> {
    let transaction = block.transactions.get(index)?;
    let info = TransactionInfo {
        hash: Some(*transaction.tx_hash()),
        index: Some(index as u64),
        block_hash: Some(block.hash).filter(|hash| !hash.is_zero()),
        block_number: Some(block.number()),
        base_fee: block.header.base_fee_per_gas,
        block_timestamp: Some(block.header.timestamp),
    };
    let transaction = transaction.clone();
    Some(RpcTransaction(alloy_rpc_types_eth::Transaction::from_transaction(transaction, info)))
}

/// A transaction that waits for a block.
pub fn pool_transaction(transaction: Recovered<Transaction>) -> RpcTransaction {
    let info = TransactionInfo::default();
    RpcTransaction(alloy_rpc_types_eth::Transaction::from_transaction(transaction, info))
}
