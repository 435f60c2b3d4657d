//! Rules that a block must keep before it is worth executing: header, body, uncles.
//!
//! Proof of work itself (the ethash seal) is not verified: it says nothing about state, and this
//! client follows no proof-of-work network.

mod body;
mod difficulty;
mod header;
mod ommers;

use crate::{ChainError, block::ExecutedBlock};
use alloy_consensus::Block;
use alloy_primitives::B256;
use plasma_chainspec::ChainSpec;
use plasma_storage::Transaction;
use std::sync::Arc;

/// Finds the ancestors of a block, whether canonical or not.
pub(crate) trait Ancestors {
    /// The executed block with this hash.
    fn ancestor(&self, hash: B256) -> Result<Option<Arc<ExecutedBlock>>, ChainError>;
}

/// Checks header and body against the parent, the ancestors and each other.
pub(crate) fn validate_block(
    spec: &ChainSpec,
    ancestors: &dyn Ancestors,
    parent: &Arc<ExecutedBlock>,
    block: &Block<Transaction>,
) -> Result<(), ChainError> {
    let above = header::Parent { header: &parent.header, hash: parent.hash };
    let merged = proof_of_stake(spec, parent);
    header::validate_header(spec, above, merged, &block.header)?;
    body::validate_body(spec, block)?;
    ommers::validate_ommers(spec, ancestors, parent, block)
}

/// Whether the child of `parent` is a proof-of-stake block (EIP-3675): the work up to the parent
/// has reached the chain's terminal total difficulty.
pub(crate) fn proof_of_stake(spec: &ChainSpec, parent: &ExecutedBlock) -> bool {
    spec.terminal_total_difficulty().is_some_and(|terminal| parent.total_difficulty >= terminal)
}

/// Fails with the named field unless found and expected agree.
fn expect<T: PartialEq + std::fmt::Debug>(
    number: u64,
    field: &'static str,
    found: T,
    expected: T,
) -> Result<(), ChainError> {
    if found == expected {
        return Ok(());
    }
    Err(ChainError::invalid(number, field, format!("{found:?}"), format!("{expected:?}")))
}
