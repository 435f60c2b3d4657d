//! Rules of uncles (proof-of-work chains).
//!
//! Source: yellow paper section 11.1.

use super::{Ancestors, header};
use crate::{ChainError, block::ExecutedBlock};
use alloy_consensus::{Block, Header};
use alloy_primitives::{B256, map::B256Set};
use plasma_chainspec::ChainSpec;
use plasma_storage::Transaction;
use std::sync::Arc;

/// Most uncles of a block.
const MAX_OMMERS: usize = 2;

/// An uncle's parent is at most this many generations above the block's own parent.
const MAX_GENERATIONS: usize = 7;

/// Checks the uncles of `block`, whose parent is `parent`.
pub(super) fn validate_ommers(
    spec: &ChainSpec,
    ancestors: &dyn Ancestors,
    parent: &Arc<ExecutedBlock>,
    block: &Block<Transaction>,
) -> Result<(), ChainError> {
    let ommers = &block.body.ommers;
    if ommers.is_empty() {
        return Ok(());
    }
    let number = block.header.number;
    if ommers.len() > MAX_OMMERS {
        let expected = format!("at most {MAX_OMMERS}");
        return Err(ChainError::invalid(number, "number of ommers", ommers.len(), expected));
    }
    let family = Family::of(ancestors, parent)?;
    let mut seen = B256Set::default();
    for ommer in ommers {
        let hash = ommer.hash_slow();
        if !seen.insert(hash) {
            return Err(refused(number, hash, "only once in the block"));
        }
        family.validate(spec, number, ommer, hash)?;
    }
    Ok(())
}

fn refused(number: u64, hash: B256, expected: &str) -> ChainError {
    ChainError::invalid(number, "an ommer", hash, expected)
}

/// The latest ancestors of a block, its parent first.
struct Family {
    ancestors: Vec<Arc<ExecutedBlock>>,
    hashes: B256Set,
    ommers: B256Set,
}

impl Family {
    fn of(ancestors: &dyn Ancestors, parent: &Arc<ExecutedBlock>) -> Result<Self, ChainError> {
        let mut found = vec![parent.clone()];
        while found.len() < MAX_GENERATIONS {
            let Some(oldest) = found.last() else { break };
            let Some(next) = ancestors.ancestor(oldest.header.parent_hash)? else { break };
            found.push(next);
        }
        let hashes = found.iter().map(|block| block.hash).collect();
        let ommers = found.iter().flat_map(|block| &block.ommers).map(Header::hash_slow).collect();
        Ok(Self { ancestors: found, hashes, ommers })
    }

    fn validate(
        &self,
        spec: &ChainSpec,
        number: u64,
        ommer: &Header,
        hash: B256,
    ) -> Result<(), ChainError> {
        if self.hashes.contains(&hash) {
            return Err(refused(number, hash, "no ancestor of the block"));
        }
        if self.ommers.contains(&hash) {
            return Err(refused(number, hash, "in no earlier block"));
        }
        // A child of the block's own parent would be a sibling, which is no uncle.
        let parent = self.ancestors[1..].iter().find(|block| block.hash == ommer.parent_hash);
        let Some(parent) = parent else {
            let expected = "the child of one of the six ancestors above the parent";
            return Err(refused(number, hash, expected));
        };
        let above = header::Parent { header: &parent.header, hash: parent.hash };
        header::validate_header(spec, above, false, ommer)
    }
}
