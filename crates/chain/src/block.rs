//! Blocks as the rest of the node sees them.

use alloy_consensus::{
    Block, BlockBody, Header, Transaction as _, TxReceipt, transaction::Recovered,
};
use alloy_eips::eip4895::Withdrawals;
use alloy_primitives::{Address, B256, Bytes, U256};
use plasma_evm::{EvmEnv, complete_appearances};
use plasma_storage::{
    Appearances, BlockRecord, Receipt, StateChanges, StateReader, Transaction, TransactionEntry,
};
use std::sync::Arc;

/// A block with its receipts and senders.
#[derive(Clone, Debug, Default)]
pub struct ExecutedBlock {
    /// The header.
    pub header: Header,
    /// Keccak-256 of the header's RLP; zero for a block that is still open.
    pub hash: B256,
    /// Transactions in order, with their senders.
    pub transactions: Vec<Recovered<Transaction>>,
    /// One receipt per transaction.
    pub receipts: Vec<Receipt>,
    /// Uncle headers (proof-of-work chains).
    pub ommers: Vec<Header>,
    /// Withdrawals (Shanghai and later).
    pub withdrawals: Option<Withdrawals>,
    /// Sum of the difficulties up to and with this block.
    pub total_difficulty: U256,
    /// State root after each transaction, as receipts told it before Byzantium (EIP-658); empty
    /// from then on.
    pub post_states: Vec<B256>,
    /// RLP of the block access list (EIP-7928); `None` before Amsterdam and for a block that is
    /// still open.
    pub access_list: Option<Bytes>,
}

impl ExecutedBlock {
    /// The block's number.
    pub fn number(&self) -> u64 {
        self.header.number
    }

    /// The block as it travels: without receipts and senders.
    pub fn to_block(&self) -> Block<Transaction> {
        Block {
            header: self.header.clone(),
            body: BlockBody {
                transactions: self.transactions.iter().map(|tx| tx.inner().clone()).collect(),
                ommers: self.ommers.clone(),
                withdrawals: self.withdrawals.clone(),
            },
        }
    }

    /// Gas used by transaction `index` alone; `None` outside the block.
    pub fn gas_used(&self, index: usize) -> Option<u64> {
        let cumulative = self.receipts.get(index)?.cumulative_gas_used;
        let before = match index.checked_sub(1) {
            Some(previous) => self.receipts.get(previous)?.cumulative_gas_used,
            None => 0,
        };
        Some(cumulative - before)
    }

    /// Index within the block of the first log of transaction `index`.
    pub fn first_log_index(&self, index: usize) -> u64 {
        self.receipts.iter().take(index).map(|receipt| receipt.logs().len() as u64).sum()
    }

    /// Price per gas in wei that transaction `index` pays; `None` outside the block.
    pub fn effective_gas_price(&self, index: usize) -> Option<u128> {
        Some(self.transactions.get(index)?.effective_gas_price(self.header.base_fee_per_gas))
    }

    /// Position of the transaction with this hash.
    pub fn position(&self, hash: &B256) -> Option<usize> {
        self.transactions.iter().position(|transaction| transaction.tx_hash() == hash)
    }
}

impl From<BlockRecord> for ExecutedBlock {
    fn from(record: BlockRecord) -> Self {
        let transactions = record
            .transactions
            .into_iter()
            .zip(record.senders)
            .map(|(transaction, sender): (Transaction, Address)| {
                Recovered::new_unchecked(transaction, sender)
            })
            .collect();
        Self {
            header: record.header,
            hash: record.hash,
            transactions,
            receipts: record.receipts,
            ommers: record.ommers,
            withdrawals: record.withdrawals,
            total_difficulty: record.total_difficulty,
            post_states: record.post_states,
            access_list: record.access_list,
        }
    }
}

/// What a block does beside its receipts.
#[derive(Clone, Debug)]
pub(crate) struct Effects {
    /// Its changes of the state.
    pub(crate) changes: Arc<StateChanges>,
    /// By what each of its transactions can be found, as its execution told.
    pub(crate) appearances: Arc<Vec<Appearances>>,
}

impl Effects {
    pub(crate) fn new(changes: StateChanges, appearances: Vec<Appearances>) -> Self {
        Self { changes: Arc::new(changes), appearances: Arc::new(appearances) }
    }
}

/// What the database's indexes take in of the transactions of `block`.
pub(crate) fn transaction_entries(
    block: &ExecutedBlock,
    appearances: Vec<Appearances>,
) -> Vec<TransactionEntry> {
    debug_assert_eq!(block.transactions.len(), appearances.len());
    let entry = |(transaction, mut appearances): (&Recovered<Transaction>, Appearances)| {
        let (sender, nonce) = (transaction.signer(), transaction.nonce());
        complete_appearances(&mut appearances, sender, nonce, transaction.kind());
        TransactionEntry { hash: *transaction.tx_hash(), sender, nonce, appearances }
    };
    block.transactions.iter().zip(appearances).map(entry).collect()
}

/// The open block as of its last tick.
#[derive(Clone)]
pub struct PendingBlock {
    /// What stands in the block so far. Its header has no roots and no hash yet.
    pub block: ExecutedBlock,
    /// State after the transactions so far.
    pub state: Arc<dyn StateReader>,
    /// Environment of the block.
    pub env: EvmEnv,
}

impl std::fmt::Debug for PendingBlock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PendingBlock").field("block", &self.block).finish_non_exhaustive()
    }
}
