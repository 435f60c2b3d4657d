//! Environments: of a block that exists and of the one that comes next.

use crate::{EvmEnv, rules::BlockRules};
use alloy_consensus::{BlockHeader, Header, transaction::Recovered};
use alloy_evm::{FromRecoveredTx, eth::NextEvmEnvAttributes};
use alloy_hardforks::EthereumHardforks;
use alloy_primitives::{Address, B256};
use plasma_chainspec::ChainSpec;
use plasma_storage::Transaction;
use revm::context::TxEnv;

/// What the producer of the next block chooses freely.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextBlockAttributes {
    /// Block time in seconds; above the parent's.
    pub timestamp: u64,
    /// Receiver of the priority fees.
    pub beneficiary: Address,
    /// The randomness that PREVRANDAO answers.
    pub prev_randao: B256,
    /// Gas limit of the block.
    pub gas_limit: u64,
    /// Base fee in wei, where it is not to follow from the parent (developers' override).
    pub base_fee: Option<u64>,
    /// The slot (EIP-7843), where a consensus layer tells it; without one it counts on from the parent's.
    pub slot_number: Option<u64>,
}

/// The environment in which the block with `header` executes.
pub fn block_env(spec: &ChainSpec, header: &Header) -> EvmEnv {
    let blobs = spec.blob_params_at(header.timestamp());
    EvmEnv::for_eth_block(header, BlockRules::of(spec, header), spec.chain_id(), blobs)
}

/// The environment of the block after `parent`.
pub fn next_block_env(spec: &ChainSpec, parent: &Header, next: &NextBlockAttributes) -> EvmEnv {
    let base_fee =
        next.base_fee.or_else(|| spec.next_base_fee(parent, next.timestamp)).unwrap_or(0); // before London there is no base fee
    EvmEnv::for_eth_next_block(
        parent,
        NextEvmEnvAttributes {
            timestamp: next.timestamp,
            suggested_fee_recipient: next.beneficiary,
            prev_randao: next.prev_randao,
            gas_limit: next.gas_limit,
            slot_number: next_slot(spec, parent, next),
        },
        base_fee,
        BlockRules::of_next(spec),
        spec.chain_id(),
        spec.blob_params_at(next.timestamp),
    )
}

/// The slot of the block after `parent` (EIP-7843): nobody tells a node without a consensus layer,
/// so it counts on. `None` before Amsterdam.
fn next_slot(spec: &ChainSpec, parent: &Header, next: &NextBlockAttributes) -> Option<u64> {
    let counted = || parent.slot_number.map_or(0, |slot| slot.saturating_add(1));
    spec.is_amsterdam_active_at_timestamp(next.timestamp)
        .then(|| next.slot_number.unwrap_or_else(counted))
}

/// The execution form of a transaction whose sender is known.
pub fn tx_env(transaction: &Recovered<Transaction>) -> TxEnv {
    TxEnv::from_recovered_tx(transaction.inner(), transaction.signer())
}
