//! What the pool is told and what it answers with.

use crate::{PoolTransaction, index::Fees, limits};
use alloy_primitives::{Address, B256};
use std::{collections::BTreeMap, sync::Arc};

/// What an operator may set. The defaults are those of [`limits`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolConfig {
    /// Least priority fee per gas (wei) that is taken; for types without one, the gas price counts.
    pub min_priority_fee: u128,
    /// Largest fee (gas limit times fee cap, wei) that is taken; `None`: any.
    pub fee_cap: Option<u128>,
    /// Takes transactions whose signature names no chain (before EIP-155), such as those that
    /// deploy well-known factories at fixed addresses.
    pub allow_unprotected: bool,
    /// Refuses what cannot pay the next block's base fee, rather than keeping it until the fee
    /// falls.
    pub require_base_fee: bool,
    /// Most transactions in the pool.
    pub max_transactions: usize,
    /// Most bytes of encoded transactions in the pool.
    pub max_bytes: usize,
    /// Most transactions of one sender.
    pub max_account_transactions: usize,
    /// Most transactions of one sender behind a gap in its nonces.
    pub max_account_queued: usize,
    /// Most blob transactions in the pool.
    pub max_blob_transactions: usize,
    /// By how many percent the fees of a replacement must exceed those that it replaces.
    pub price_bump_percent: u64,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            min_priority_fee: 0,
            fee_cap: Some(limits::FEE_CAP_WEI),
            allow_unprotected: false,
            require_base_fee: true,
            max_transactions: limits::POOL_TRANSACTIONS,
            max_bytes: limits::POOL_BYTES,
            max_account_transactions: limits::ACCOUNT_TRANSACTIONS,
            max_account_queued: limits::ACCOUNT_QUEUED,
            max_blob_transactions: limits::BLOB_TRANSACTIONS,
            price_bump_percent: limits::PRICE_BUMP_PERCENT,
        }
    }
}

/// The block that pooled transactions wait for: the next one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolHead {
    /// Its number.
    pub number: u64,
    /// Its time, in seconds.
    pub timestamp: u64,
    /// Its base fee per gas, in wei; zero before London.
    pub base_fee: u64,
    /// Its base fee per blob gas, in wei; zero before Cancun.
    pub blob_base_fee: u128,
    /// Its gas limit.
    pub gas_limit: u64,
}

impl PoolHead {
    pub(crate) fn fees(&self) -> Fees {
        Fees { base_fee: self.base_fee, blob_base_fee: self.blob_base_fee }
    }
}

/// What became of a transaction that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddOutcome {
    /// Its hash.
    pub hash: B256,
    /// No nonce is missing before it.
    pub pending: bool,
    /// The transaction that it replaced.
    pub replaced: Option<B256>,
}

/// Transactions by sender and nonce.
#[derive(Clone, Debug, Default)]
pub struct PoolContent {
    /// Those that could run next.
    pub pending: BTreeMap<Address, BTreeMap<u64, Arc<PoolTransaction>>>,
    /// Those that wait for a missing nonce.
    pub queued: BTreeMap<Address, BTreeMap<u64, Arc<PoolTransaction>>>,
}

/// Numbers of transactions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolStatus {
    /// Those that could run next.
    pub pending: usize,
    /// Those that wait for a missing nonce.
    pub queued: usize,
}
