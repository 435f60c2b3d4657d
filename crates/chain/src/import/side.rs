//! Blocks that are valid but not canonical, and the state after them.
//!
//! They are held in memory: nothing was acknowledged with them, and whoever sent them sends them
//! again after a restart.

use crate::{
    ChainError,
    block::{Effects, ExecutedBlock},
    inner::Inner,
    replay::execute_record,
    validation::Ancestors,
};
use alloy_primitives::{B256, map::B256Map};
use plasma_evm::LayeredState;
use plasma_storage::{BlockRecord, StateReader, StateSnapshot};
use plasma_trie::StateTrie;
use std::{collections::BTreeSet, sync::Arc};

/// Most blocks beside the canonical chain; the lowest leave first.
const MAX_SIDE_BLOCKS: usize = 1_024;

/// A valid block beside the canonical chain.
#[derive(Clone)]
struct SideBlock {
    block: Arc<ExecutedBlock>,
    /// What it does; `None`: it was canonical and has to be executed again to know.
    effects: Option<Effects>,
}

/// All valid blocks beside the canonical chain.
#[derive(Default)]
pub(crate) struct SideChains {
    blocks: B256Map<SideBlock>,
    by_number: BTreeSet<(u64, B256)>,
}

impl SideChains {
    pub(crate) fn insert(&mut self, block: Arc<ExecutedBlock>, effects: Option<Effects>) {
        self.by_number.insert((block.number(), block.hash));
        self.blocks.insert(block.hash, SideBlock { block, effects });
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

/// The state after a block, canonical or not, and how the block is reached.
pub(super) struct StateAfter {
    pub(super) state: Arc<dyn StateReader>,
    pub(super) trie: StateTrie,
    /// Holds the stored nodes of `trie`.
    pub(super) nodes: StateSnapshot,
    /// The canonical block from which the branch starts.
    pub(super) fork: u64,
    /// The side blocks from there up to and with the block, with what they do.
    pub(super) branch: Vec<(Arc<ExecutedBlock>, Effects)>,
}

impl Inner {
    /// State and trie after `block`, which is canonical or a side block.
    pub(super) fn state_after(&self, block: &Arc<ExecutedBlock>) -> Result<StateAfter, ChainError> {
        let (mut trie, nodes) = self.trie_at_head()?;
        let (fork, blocks) = self.branch(block)?;
        let base: Arc<dyn StateReader> = if fork == nodes.number() {
            Arc::new(nodes.clone())
        } else {
            self.rewind(&mut trie, &nodes, fork)?;
            Arc::new(self.db.snapshot(fork)?)
        };
        let mut state = LayeredState::new(base, Vec::new());
        let mut branch = Vec::with_capacity(blocks.len());
        for block in blocks {
            let effects = self.side_effects(&block, &state)?;
            trie.update(&nodes, &effects.changes)?;
            state.push_block(block.number(), block.hash, effects.changes.clone());
            branch.push((block, effects));
        }
        Ok(StateAfter { state: Arc::new(state), trie, nodes, fork, branch })
    }

    /// Whether `block` stands in the chain that ends in `target`.
    pub(crate) fn is_ancestor(
        &self,
        block: &ExecutedBlock,
        target: &Arc<ExecutedBlock>,
    ) -> Result<bool, ChainError> {
        let (fork, branch) = self.branch(target)?;
        if block.number() > fork {
            return Ok(branch.iter().any(|found| found.hash == block.hash));
        }
        Ok(self.block(block.number())?.is_some_and(|found| found.hash == block.hash))
    }

    /// The canonical block above which `block` lies, and the side blocks from there up to and
    /// with `block`.
    fn branch(
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

    /// What side block `block` does on its parent's state.
    fn side_effects(
        &self,
        block: &Arc<ExecutedBlock>,
        parent: &LayeredState,
    ) -> Result<Effects, ChainError> {
        let known = self.side.lock().blocks.get(&block.hash).and_then(|side| side.effects.clone());
        if let Some(effects) = known {
            return Ok(effects);
        }
        let record = BlockRecord::from(&**block);
        let state = Arc::new(parent.clone());
        let finished = execute_record(self, self.config.executor, &record, state)?;
        let effects = Effects::new(finished.changes, finished.appearances);
        self.side.lock().insert(block.clone(), Some(effects.clone()));
        Ok(effects)
    }
}
