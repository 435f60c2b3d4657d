//! What can be done for a block before its parent is known: the hash and the senders.

use crate::ChainError;
use alloy_consensus::{Block, Transaction as _, transaction::SignerRecoverable};
use alloy_hardforks::EthereumHardforks;
use alloy_primitives::{Address, B256, Bytes, U256};
use plasma_chainspec::ChainSpec;
use plasma_storage::{BlockRecord, Transaction};
use rayon::prelude::*;

/// A block with its hash and the senders of its transactions. Making one costs most of what a
/// transfer costs, needs no state, and so can run beside the execution of earlier blocks.
#[derive(Clone, Debug)]
pub struct PreparedBlock {
    pub(super) block: Block<Transaction>,
    pub(super) hash: B256,
    senders: Vec<Address>,
    access_list: Option<Bytes>,
}

impl PreparedBlock {
    /// Hashes the header and recovers all senders, on all threads of rayon's pool.
    ///
    /// # Errors
    /// [`ChainError::InvalidTransaction`] for the first signature that breaks a rule.
    pub fn new(spec: &ChainSpec, block: Block<Transaction>) -> Result<Self, ChainError> {
        let number = block.header.number;
        let transactions = &block.body.transactions;
        let senders = transactions
            .par_iter()
            .enumerate()
            .map(|(index, transaction)| {
                sender(spec, number, transaction).map_err(|reason| {
                    let hash = *transaction.tx_hash();
                    ChainError::InvalidTransaction { number, index, hash, reason }
                })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { hash: block.header.hash_slow(), block, senders, access_list: None })
    }

    /// The same with its access list in RLP (EIP-7928), from which it is then executed.
    #[must_use]
    pub fn with_access_list(mut self, list: Bytes) -> Self {
        self.access_list = Some(list);
        self
    }

    /// The block's number.
    pub fn number(&self) -> u64 {
        self.block.header.number
    }

    /// Keccak-256 of the header's RLP.
    pub fn hash(&self) -> B256 {
        self.hash
    }

    /// The block as it is stored, without receipts.
    pub(super) fn into_record(self, total_difficulty: U256) -> BlockRecord {
        BlockRecord {
            hash: self.hash,
            header: self.block.header,
            transactions: self.block.body.transactions,
            senders: self.senders,
            ommers: self.block.body.ommers,
            withdrawals: self.block.body.withdrawals,
            total_difficulty,
            access_list: self.access_list,
            ..BlockRecord::default()
        }
    }
}

fn sender(spec: &ChainSpec, number: u64, transaction: &Transaction) -> Result<Address, String> {
    let protected = transaction.is_legacy() && transaction.chain_id().is_some();
    if protected && !spec.is_spurious_dragon_active_at_block(number) {
        return Err("its signature names a chain, which EIP-155 allows from its fork on".into());
    }
    // EIP-2 forbids the upper half of s from Homestead on.
    let recovered = if spec.is_homestead_active_at_block(number) {
        transaction.recover_signer()
    } else {
        transaction.recover_signer_unchecked()
    };
    recovered.map_err(|error| format!("its signature names no sender: {error}"))
}
