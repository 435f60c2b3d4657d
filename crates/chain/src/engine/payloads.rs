//! Blocks that a consensus layer brings.

use super::EngineControl;
use crate::{
    ChainError, PreparedBlock,
    block::ExecutedBlock,
    import::{Verified, verify},
    validation::{Ancestors, validate_block},
};
use alloy_consensus::Block;
use alloy_eips::Encodable2718;
use alloy_primitives::{B256, Bytes, map::B256Map};
use plasma_storage::{StorageError, Transaction};
use std::{collections::VecDeque, sync::Arc};

/// Blocks that wait for their parents; the oldest leave first.
const MAX_ORPHANS: usize = 128;

/// Bytes of transactions of blocks that wait for their parents.
const MAX_ORPHAN_BYTES: usize = 64 << 20;

/// Invalid blocks that are remembered; the oldest leave first.
const MAX_INVALID: usize = 512;

/// What became of a payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PayloadVerdict {
    /// It and all its ancestors are valid.
    Valid,
    /// It, or an ancestor of it, breaks a rule.
    Invalid {
        /// Its latest valid ancestor; zero where that is a proof-of-work block, `None` where it is not known.
        latest_valid: Option<B256>,
        /// The rule.
        reason: String,
    },
    /// Its ancestors are not known here. It is kept until they are.
    Syncing,
    /// Its parent is valid, but the state to execute it on is no longer kept.
    Accepted,
}

/// A block whose parent is not known.
struct Orphan {
    block: Block<Transaction>,
    hash: B256,
    access_list: Option<Bytes>,
    bytes: usize,
}

/// Blocks whose parents are not known, in order of arrival.
#[derive(Default)]
pub(super) struct Orphans {
    blocks: VecDeque<Orphan>,
    bytes: usize,
}

impl Orphans {
    fn insert(&mut self, orphan: Orphan) {
        if self.blocks.iter().any(|known| known.hash == orphan.hash) {
            return;
        }
        self.bytes += orphan.bytes;
        self.blocks.push_back(orphan);
        while self.blocks.len() > MAX_ORPHANS || self.bytes > MAX_ORPHAN_BYTES {
            let Some(oldest) = self.blocks.pop_front() else { break };
            self.bytes -= oldest.bytes;
        }
    }

    /// Takes the next block out whose parent is `parent`.
    fn child_of(&mut self, parent: B256) -> Option<Orphan> {
        let place =
            self.blocks.iter().position(|orphan| orphan.block.header.parent_hash == parent)?;
        let orphan = self.blocks.remove(place)?;
        self.bytes -= orphan.bytes;
        Some(orphan)
    }

    /// The highest number.
    pub(super) fn highest(&self) -> Option<u64> {
        self.blocks.iter().map(|orphan| orphan.block.header.number).max()
    }
}

/// Why a block is invalid, and what was valid below it.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    latest_valid: Option<B256>,
    reason: String,
}

impl From<Fault> for PayloadVerdict {
    fn from(fault: Fault) -> Self {
        Self::Invalid { latest_valid: fault.latest_valid, reason: fault.reason }
    }
}

/// Invalid blocks of late.
#[derive(Default)]
pub(super) struct Invalid {
    faults: B256Map<Fault>,
    order: VecDeque<B256>,
}

impl Invalid {
    pub(super) fn get(&self, hash: B256) -> Option<Fault> {
        self.faults.get(&hash).cloned()
    }

    fn insert(&mut self, hash: B256, fault: Fault) {
        if self.faults.insert(hash, fault).is_none() {
            self.order.push_back(hash);
        }
        while self.order.len() > MAX_INVALID {
            let Some(oldest) = self.order.pop_front() else { break };
            self.faults.remove(&oldest);
        }
    }
}

impl EngineControl {
    /// Checks and executes the block with the given hash, which is that of its header, and holds it beside the
    /// chain. `access_list` is its block access list in RLP (EIP-7928), where it comes with one.
    ///
    /// # Errors
    /// Where the node itself fails; a block that breaks a rule is no error.
    pub fn new_payload(
        &self,
        block: Block<Transaction>,
        hash: B256,
        access_list: Option<Bytes>,
    ) -> Result<PayloadVerdict, ChainError> {
        let bytes = block.body.transactions.iter().map(Encodable2718::encode_2718_len).sum();
        let orphan = Orphan { block, hash, access_list, bytes };
        // One after the other, and no block of this node's own in between.
        let _producer = self.chain.producer.lock();
        let verdict = self.take(orphan)?;
        if verdict == PayloadVerdict::Valid {
            self.connect(hash)?;
        }
        Ok(verdict)
    }

    /// Remembers that the block with this hash, a child of `parent`, cannot be decoded, and answers what is to be said of it.
    ///
    /// # Errors
    /// Where the database fails.
    pub fn undecodable(
        &self,
        hash: B256,
        parent: B256,
        reason: String,
    ) -> Result<PayloadVerdict, ChainError> {
        let parent = self.chain.ancestor(parent)?;
        Ok(self.fault(hash, parent.as_deref(), reason).into())
    }

    fn take(&self, orphan: Orphan) -> Result<PayloadVerdict, ChainError> {
        let chain = &*self.chain;
        let (hash, parent_hash) = (orphan.hash, orphan.block.header.parent_hash);
        {
            let mut state = chain.engine.lock();
            if let Some(fault) = state.invalid.get(hash) {
                return Ok(fault.into());
            }
            if let Some(fault) = state.invalid.get(parent_hash) {
                let reason = match fault.reason.strip_prefix(DESCENDS) {
                    Some(_) => fault.reason,
                    None => format!("{DESCENDS}{parent_hash}: {}", fault.reason),
                };
                let fault = Fault { reason, ..fault };
                state.invalid.insert(hash, fault.clone());
                return Ok(fault.into());
            }
        }
        if chain.ancestor(hash)?.is_some() {
            return Ok(PayloadVerdict::Valid);
        }
        let Some(parent) = chain.ancestor(parent_hash)? else {
            chain.engine.lock().orphans.insert(orphan);
            return Ok(PayloadVerdict::Syncing);
        };
        let built = chain.engine.lock().built_block(hash);
        if let Some(built) = built {
            // Its hash covers all of it, and it was executed when it was built.
            chain.side.lock().insert(built.block.clone(), Some(built.effects.clone()));
            return Ok(PayloadVerdict::Valid);
        }
        match self.execute(orphan, &parent) {
            Ok(Verified { record, effects, .. }) => {
                let block = Arc::new(ExecutedBlock::from(record));
                chain.side.lock().insert(block, Some(effects));
                Ok(PayloadVerdict::Valid)
            }
            Err(ChainError::Storage(
                StorageError::Pruned { .. } | StorageError::BeyondReorgs { .. },
            )) => Ok(PayloadVerdict::Accepted),
            Err(error) if breaks_a_rule(&error) => {
                Ok(self.fault(hash, Some(&parent), error.to_string()).into())
            }
            Err(error) => Err(error),
        }
    }

    fn execute(&self, orphan: Orphan, parent: &Arc<ExecutedBlock>) -> Result<Verified, ChainError> {
        let chain = &*self.chain;
        validate_block(&chain.spec, chain, parent, &orphan.block)?;
        let mut prepared = PreparedBlock::new(&chain.spec, orphan.block)?;
        if let Some(list) = orphan.access_list {
            prepared = prepared.with_access_list(list);
        }
        verify(chain, parent, prepared)
    }

    /// Takes in what waited for the block with this hash.
    fn connect(&self, hash: B256) -> Result<(), ChainError> {
        let mut parents = vec![hash];
        while let Some(parent) = parents.pop() {
            loop {
                let child = self.chain.engine.lock().orphans.child_of(parent);
                let Some(child) = child else { break };
                let hash = child.hash;
                // Children of an invalid block are invalid, too, and are remembered so.
                match self.take(child)? {
                    PayloadVerdict::Valid | PayloadVerdict::Invalid { .. } => parents.push(hash),
                    PayloadVerdict::Syncing | PayloadVerdict::Accepted => {}
                }
            }
        }
        Ok(())
    }

    fn fault(&self, hash: B256, parent: Option<&ExecutedBlock>, reason: String) -> Fault {
        let latest_valid = parent.map(latest_valid);
        let fault = Fault { latest_valid, reason };
        tracing::warn!(target: "plasma::chain", %hash, reason = %fault.reason, "the consensus layer brought an invalid block");
        self.chain.engine.lock().invalid.insert(hash, fault.clone());
        fault
    }
}

/// How the reason begins of a block that is invalid for its ancestor's sake.
const DESCENDS: &str = "it descends from the invalid block ";

/// How a valid block is named as the latest valid ancestor: zero for a proof-of-work block.
fn latest_valid(block: &ExecutedBlock) -> B256 {
    if block.header.difficulty.is_zero() { block.hash } else { B256::ZERO }
}

/// Whether an error says something of the block, and not of this node.
fn breaks_a_rule(error: &ChainError) -> bool {
    match error {
        ChainError::InvalidBlock { .. } | ChainError::InvalidTransaction { .. } => true,
        ChainError::Block(error) => error.is_the_blocks(),
        _ => false,
    }
}
