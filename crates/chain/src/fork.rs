//! State roots of blocks that are only imagined.

use crate::ChainError;
use alloy_primitives::{Address, B256};
use plasma_storage::{StateChanges, StateSnapshot};
use plasma_trie::StateTrie;

/// The state trie after a sealed block, to be moved on with changes that are never kept.
#[derive(Debug)]
pub struct StateFork {
    pub(crate) trie: StateTrie,
    pub(crate) nodes: StateSnapshot,
    /// The state after the block.
    pub(crate) state: StateSnapshot,
}

impl StateFork {
    /// The state after the block that it began with.
    pub const fn state(&self) -> &StateSnapshot {
        &self.state
    }

    /// The root of the storage trie of `address` after all changes so far.
    ///
    /// # Errors
    /// Where the trie cannot be read.
    pub fn storage_root(&self, address: Address) -> Result<B256, ChainError> {
        Ok(self.trie.account_proof(&self.nodes, address, &[])?.storage_root())
    }

    /// The state root after all changes so far.
    pub fn root(&self) -> B256 {
        self.trie.root()
    }

    /// Applies `changes` and returns the state root after them.
    ///
    /// # Errors
    /// Where the trie cannot be read.
    pub fn apply(&mut self, changes: &StateChanges) -> Result<B256, ChainError> {
        self.trie.update(&self.nodes, changes)?;
        Ok(self.trie.root())
    }
}
