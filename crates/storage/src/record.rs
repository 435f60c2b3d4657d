//! What the journal holds: sealed blocks and the ticks of the open one.

use crate::{Receipt, StateChanges, Transaction};
use alloy_consensus::Header;
use alloy_eips::{BlockNumHash, eip4895::Withdrawals};
use alloy_primitives::{Address, B256, Bytes, U256};

/// The blocks that a consensus layer has called safe and final last (`ForkchoiceStateV1`); `None`: it has named none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checkpoints {
    /// The latest block that is safe.
    pub safe: Option<BlockNumHash>,
    /// The latest block that is final.
    pub finalized: Option<BlockNumHash>,
}

/// A sealed block with everything that is needed to show it and to execute it again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockRecord {
    /// The block's header.
    pub header: Header,
    /// Keccak-256 of the header's RLP.
    pub hash: B256,
    /// Transactions in block order.
    pub transactions: Vec<Transaction>,
    /// Sender of each transaction, in the same order.
    pub senders: Vec<Address>,
    /// Receipt of each transaction, in the same order.
    pub receipts: Vec<Receipt>,
    /// Uncle headers (empty since the merge).
    pub ommers: Vec<Header>,
    /// Withdrawals (EIP-4895); `None` before Shanghai.
    pub withdrawals: Option<Withdrawals>,
    /// The keeper's encoded decisions in this block.
    pub keeper: Bytes,
    /// State set directly by a developer before the block's first transaction.
    pub dev_patch: Option<StateChanges>,
    /// Sum of the difficulties up to and with this block (yellow paper section 10); stands still
    /// from the merge on.
    pub total_difficulty: U256,
    /// State root after each transaction, as receipts told it before Byzantium (EIP-658); empty
    /// from then on.
    pub post_states: Vec<B256>,
    /// RLP of the block access list (EIP-7928); `None` before Amsterdam, and where the block came
    /// without one and was not executed yet.
    pub access_list: Option<Bytes>,
}

/// One batch of the open block: what must be executed again after a crash.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TickRecord {
    /// Number of the open block.
    pub block_number: u64,
    /// Number of the tick within the block, from 0.
    pub tick: u32,
    /// Timestamp of the open block in seconds.
    pub timestamp: u64,
    /// Clock when the tick ran, in milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// Receiver of the block's fees.
    pub beneficiary: Address,
    /// Gas limit of the block.
    pub gas_limit: u64,
    /// `prevRandao` of the block (EIP-4399).
    pub prev_randao: B256,
    /// Base fee per gas in wei.
    pub base_fee: u64,
    /// Transactions in execution order.
    pub transactions: Vec<Transaction>,
    /// Sender of each transaction, in the same order.
    pub senders: Vec<Address>,
    /// Indexes into `transactions` of those that the keeper made.
    pub performs: Vec<u32>,
    /// The keeper's encoded decisions in this tick.
    pub keeper: Bytes,
    /// State set directly by a developer before this tick.
    pub dev_patch: Option<StateChanges>,
}
