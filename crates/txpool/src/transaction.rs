//! [`PoolTransaction`]: a transaction with what the pool needs to know of it.

use alloy_consensus::{EthereumTypedTransaction, Transaction as _, TxEip4844};
use alloy_eips::{Encodable2718, eip7594::BlobTransactionSidecarVariant};
use alloy_primitives::{Address, B256, Signature, U256};
use plasma_storage::Transaction;
use std::sync::Arc;

/// A transaction with its sender, ready to be added to the pool or waiting in it.
#[derive(Clone, Debug)]
pub struct PoolTransaction {
    /// The transaction as it will stand in a block: a blob transaction without its blobs.
    pub transaction: Transaction,
    /// Who sends it.
    pub sender: Address,
    /// Its hash.
    pub hash: B256,
    /// Blobs, commitments and proofs of a blob transaction, as they came.
    pub sidecar: Option<Arc<BlobTransactionSidecarVariant>>,
    /// Bytes of its encoding, sidecar included.
    pub encoded_length: usize,
    /// Order of arrival in the pool: unique and rising. Set by the pool when it takes it.
    pub arrival: u64,
    /// False where the sender did not sign it (a developer's impersonation).
    pub signed: bool,
}

impl PoolTransaction {
    /// A signed transaction whose sender is known.
    pub fn new(
        transaction: Transaction,
        sender: Address,
        sidecar: Option<BlobTransactionSidecarVariant>,
    ) -> Self {
        let blobs = sidecar.as_ref().map_or(0, |sidecar| sidecar.rlp_encoded_fields_length());
        Self {
            hash: *transaction.tx_hash(),
            encoded_length: transaction.encode_2718_len() + blobs,
            transaction,
            sender,
            sidecar: sidecar.map(Arc::new),
            arrival: 0,
            signed: true,
        }
    }

    /// A transaction that `sender` did not sign, for a developer who impersonates it.
    ///
    /// Its signature is made up: `r` is the sender's address and `s` is 1, so that equal
    /// transactions of two senders have two hashes. Recovering a sender from it gives a stranger.
    pub fn unsigned(transaction: EthereumTypedTransaction<TxEip4844>, sender: Address) -> Self {
        let signature = made_up_signature(sender);
        Self { signed: false, ..Self::new((transaction, signature).into(), sender, None) }
    }

    /// Whether `transaction` was made by [`Self::unsigned`] for `sender`.
    ///
    /// No signature of this form recovers to the address that it contains, so a transaction from
    /// outside, whose sender was recovered, is never taken for one of these.
    pub fn is_unsigned(transaction: &Transaction, sender: Address) -> bool {
        *transaction.signature() == made_up_signature(sender)
    }

    /// Its nonce.
    pub fn nonce(&self) -> u64 {
        self.transaction.nonce()
    }

    /// The most that it can cost its sender, in wei: gas and blob gas at their fee caps, and value.
    /// Saturates at 2^256-1, which no balance covers.
    pub fn cost(&self) -> U256 {
        let gas = U256::from(self.transaction.gas_limit())
            * U256::from(self.transaction.max_fee_per_gas());
        let blob_gas = U256::from(self.transaction.blob_gas_used().unwrap_or(0))
            * U256::from(self.transaction.max_fee_per_blob_gas().unwrap_or(0));
        gas.saturating_add(blob_gas).saturating_add(self.transaction.value())
    }

    /// Number of its blobs.
    pub fn blob_count(&self) -> u64 {
        self.transaction.blob_count().unwrap_or(0)
    }

    /// What a gas unit pays the block's producer at `base_fee` (wei); `None` where it cannot pay
    /// that base fee.
    pub(crate) fn effective_tip(&self, base_fee: u64) -> Option<u128> {
        self.transaction.effective_tip_per_gas(base_fee)
    }

    /// Priority fee per gas (wei); for the types without one, the gas price.
    pub(crate) fn tip_cap(&self) -> u128 {
        self.transaction.max_priority_fee_per_gas().unwrap_or(self.transaction.max_fee_per_gas())
    }

    /// Its fee caps pay for gas and blobs in the next block.
    pub(crate) fn pays(&self, base_fee: u64, blob_base_fee: u128) -> bool {
        self.transaction.max_fee_per_gas() >= u128::from(base_fee)
            && self.transaction.max_fee_per_blob_gas().is_none_or(|fee| fee >= blob_base_fee)
    }
}

/// What stands in the place of a signature where `sender` did not sign.
fn made_up_signature(sender: Address) -> Signature {
    let r = U256::from_be_slice(sender.as_slice()).max(U256::from(1));
    Signature::new(r, U256::from(1), false)
}
