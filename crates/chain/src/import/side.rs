//! Blocks that are valid but not canonical, and the state after them.
//!
//! They are held in memory: nothing was acknowledged with them, and whoever sent them sends them
//! again after a restart.

use super::ParentState;
use crate::{
    ChainError, block::ExecutedBlock, inner::Inner, replay::execute_with_report,
    validation::Ancestors,
};
use alloy_primitives::{
    Address, B256, Bytes, U256,
    map::{B256Map, HashMap, HashSet},
};
use plasma_evm::LayeredState;
use plasma_storage::{Account, BlockRecord, StateChanges, StateReader, StorageError};
use std::{collections::BTreeSet, sync::Arc};

/// Most blocks beside the canonical chain; the lowest leave first.
const MAX_SIDE_BLOCKS: usize = 1_024;

/// A valid block beside the canonical chain.
#[derive(Clone)]
struct SideBlock {
    block: Arc<ExecutedBlock>,
    /// What it changed; `None`: it was canonical and has to be executed again to know.
    changes: Option<Arc<StateChanges>>,
}

/// All valid blocks beside the canonical chain.
#[derive(Default)]
pub(crate) struct SideChains {
    blocks: B256Map<SideBlock>,
    by_number: BTreeSet<(u64, B256)>,
}

impl SideChains {
    pub(super) fn insert(&mut self, block: Arc<ExecutedBlock>, changes: Option<Arc<StateChanges>>) {
        self.by_number.insert((block.number(), block.hash));
        self.blocks.insert(block.hash, SideBlock { block, changes });
        while self.blocks.len() > MAX_SIDE_BLOCKS {
            let Some((_, hash)) = self.by_number.pop_first() else { break };
            self.blocks.remove(&hash);
        }
    }

    pub(super) fn remove(&mut self, block: &ExecutedBlock) {
        self.by_number.remove(&(block.number(), block.hash));
        self.blocks.remove(&block.hash);
    }

    /// The block with this hash.
    pub(crate) fn block(&self, hash: B256) -> Option<Arc<ExecutedBlock>> {
        self.blocks.get(&hash).map(|side| side.block.clone())
    }
}

impl Ancestors for Inner {
    fn ancestor(&self, hash: B256) -> Result<Option<Arc<ExecutedBlock>>, ChainError> {
        if let Some(block) = self.side.lock().block(hash) {
            return Ok(Some(block));
        }
        self.block_by_hash(hash)
    }
}

impl Inner {
    /// State and trie after `parent`, which is canonical or a side block.
    pub(super) fn parent_state(
        &self,
        parent: &Arc<ExecutedBlock>,
    ) -> Result<ParentState, ChainError> {
        let (trie, nodes) = self.trie_at_head()?;
        if parent.hash == self.head().hash {
            return Ok(ParentState { state: Arc::new(nodes.clone()), trie, nodes });
        }
        let (fork, branch) = self.branch(parent)?;
        let mut after = self
            .canonical_state(fork, ParentState { state: Arc::new(nodes.clone()), trie, nodes })?;
        let base = after.state.clone();
        let mut layers = Vec::with_capacity(branch.len());
        let mut hashes = HashMap::default();
        for block in &branch {
            let changes = self.side_changes(block, &after)?;
            after.trie.update(&after.nodes, &changes)?;
            layers.push(changes);
            hashes.insert(block.number(), block.hash);
            after.state = Arc::new(BranchState {
                layered: LayeredState::new(base.clone(), layers.clone()),
                hashes: hashes.clone(),
                number: block.number(),
            });
        }
        Ok(after)
    }

    /// The canonical block above which `block` lies, and the side blocks from there up to and
    /// with `block`.
    pub(super) fn branch(
        &self,
        block: &Arc<ExecutedBlock>,
    ) -> Result<(u64, Vec<Arc<ExecutedBlock>>), ChainError> {
        let mut branch = Vec::new();
        let mut current = block.clone();
        loop {
            let canonical = self.block(current.number())?;
            if canonical.is_some_and(|found| found.hash == current.hash) {
                branch.reverse();
                return Ok((current.number(), branch));
            }
            let parent = current.header.parent_hash;
            let unknown =
                ChainError::UnknownParent { number: current.number(), hash: current.hash, parent };
            branch.push(current);
            current = self.ancestor(parent)?.ok_or(unknown)?;
        }
    }

    fn canonical_state(&self, number: u64, tip: ParentState) -> Result<ParentState, ChainError> {
        if number == tip.nodes.number() {
            return Ok(tip);
        }
        let ParentState { mut trie, nodes, .. } = tip;
        self.rewind(&mut trie, &nodes, number)?;
        Ok(ParentState { state: Arc::new(self.db.snapshot(number)?), trie, nodes })
    }

    /// What side block `block` changes on its parent's state.
    pub(super) fn side_changes(
        &self,
        block: &Arc<ExecutedBlock>,
        parent: &ParentState,
    ) -> Result<Arc<StateChanges>, ChainError> {
        let known = self.side.lock().blocks.get(&block.hash).and_then(|side| side.changes.clone());
        if let Some(changes) = known {
            return Ok(changes);
        }
        let above = self
            .ancestor(block.header.parent_hash)?
            .ok_or(ChainError::UnknownBlock(block.number().saturating_sub(1)))?;
        let record = BlockRecord::from(&**block);
        let execution = execute_with_report(
            self,
            self.config.executor,
            &above.header,
            &record,
            parent.state.clone(),
            None,
        )?;
        let changes = Arc::new(execution.finished.changes);
        self.side.lock().insert(block.clone(), Some(changes.clone()));
        Ok(changes)
    }
}

/// The state after a side block: like [`LayeredState`], with the branch's own block hashes.
struct BranchState {
    layered: LayeredState,
    hashes: HashMap<u64, B256>,
    number: u64,
}

impl StateReader for BranchState {
    fn account(&self, address: Address) -> Result<Option<Account>, StorageError> {
        self.layered.account(address)
    }

    fn storage(&self, address: Address, slot: U256) -> Result<U256, StorageError> {
        self.layered.storage(address, slot)
    }

    fn has_storage(&self, address: Address, hidden: &HashSet<U256>) -> Result<bool, StorageError> {
        self.layered.has_storage(address, hidden)
    }

    fn code(&self, code_hash: B256) -> Result<Option<Bytes>, StorageError> {
        self.layered.code(code_hash)
    }

    fn block_hash(&self, number: u64) -> Result<Option<B256>, StorageError> {
        match self.hashes.get(&number) {
            Some(hash) => Ok(Some(*hash)),
            None if number > self.number => Ok(None),
            None => self.layered.block_hash(number),
        }
    }
}
