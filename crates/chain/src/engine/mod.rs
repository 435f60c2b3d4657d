//! A chain that a consensus layer drives by the Engine API: it brings blocks, says which of them is
//! the head, and asks for blocks to be built.
//!
//! Invariants:
//! - only [`EngineControl::forkchoice_updated`] moves the head; what [`EngineControl::new_payload`]
//!   brings is executed and held beside the chain until then;
//! - a block is called invalid by its hash only where the hash covers all that made it invalid;
//! - a payload under construction takes nothing out of the pool and promises nothing.
//!
//! Source: execution-apis, `src/engine` (paris.md to osaka.md).

mod build;
mod forkchoice;
mod payloads;

pub use build::{BuiltPayload, PayloadRequest};
pub use forkchoice::{Forkchoice, ForkchoiceVerdict};
pub use payloads::PayloadVerdict;

use crate::{Chain, ChainError, block::ExecutedBlock, inner::Inner, validation::Ancestors};
use alloy_primitives::{B64, B256, Bytes};
use payloads::{Invalid, Orphans};
use plasma_storage::Checkpoints;
use std::{collections::VecDeque, sync::Arc};

/// What names a payload under construction.
pub type PayloadId = B64;

/// Payloads of this node's own that are kept, and payloads that were asked for.
const MAX_PAYLOADS: usize = 16;

/// What a consensus layer has said, and what it has asked for.
#[derive(Default)]
pub(crate) struct EngineState {
    /// The safe and the final block.
    pub(crate) checkpoints: Checkpoints,
    /// Number of the head when one was named that could not be reached; `None` while the chain follows.
    syncing_since: Option<u64>,
    orphans: Orphans,
    invalid: Invalid,
    /// The payload that is under construction.
    open: Option<PayloadId>,
    /// What was asked for, each with its parent's hash: one that made way for another can be taken up again.
    requests: VecDeque<(PayloadId, B256, PayloadRequest)>,
    built: VecDeque<Arc<BuiltPayload>>,
}

/// How far a chain is whose consensus layer has named a head that is not known here. Numbers of blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncProgress {
    /// The head when that began.
    pub starting: u64,
    /// The head.
    pub current: u64,
    /// The highest block that is known of: the head, or one that waits for its ancestors.
    pub highest: u64,
}

impl EngineState {
    /// How far the chain is whose head is `current`; `None` while it follows.
    fn progress(&self, current: u64) -> Option<SyncProgress> {
        let starting = self.syncing_since?;
        let highest = self.orphans.highest().unwrap_or(current).max(current);
        Some(SyncProgress { starting, current, highest })
    }

    fn built(&self, id: PayloadId) -> Option<Arc<BuiltPayload>> {
        self.built.iter().find(|built| built.id == id).cloned()
    }

    fn built_block(&self, hash: B256) -> Option<Arc<BuiltPayload>> {
        self.built.iter().find(|built| built.block.hash == hash).cloned()
    }

    fn remember_built(&mut self, built: Arc<BuiltPayload>) {
        if self.built.len() >= MAX_PAYLOADS {
            self.built.pop_front();
        }
        self.built.push_back(built);
    }

    fn remember_request(&mut self, id: PayloadId, parent: B256, request: PayloadRequest) {
        self.requests.retain(|(known, ..)| *known != id);
        if self.requests.len() >= MAX_PAYLOADS {
            self.requests.pop_front();
        }
        self.requests.push_back((id, parent, request));
    }

    /// What was asked for as `id` on top of `parent`.
    fn request(&self, id: PayloadId, parent: B256) -> Option<PayloadRequest> {
        let mut requests = self.requests.iter();
        requests.find(|(known, on, _)| *known == id && *on == parent).map(|found| found.2.clone())
    }

    /// The keeper's record of a block that this node has built; empty for all others.
    pub(crate) fn keeper_record(&self, hash: B256) -> Bytes {
        self.built_block(hash).map(|built| built.keeper_record.clone()).unwrap_or_default()
    }
}

impl Chain {
    /// What a consensus layer commands; `None` where none drives this chain ([`ChainConfig::driven`]).
    pub fn engine(&self) -> Option<EngineControl> {
        self.inner.config.driven.then(|| EngineControl::new(self.inner.clone()))
    }

    /// The latest block that is safe from reorganisations under honest majority assumptions: what the consensus
    /// layer has said last, before a restart or since, or the head where there is none. `None` before it has said so.
    pub fn safe(&self) -> Option<u64> {
        if self.inner.config.driven {
            self.inner.engine.lock().checkpoints.safe.map(|block| block.number)
        } else {
            Some(self.head().number())
        }
    }

    /// The latest block that is final: what the consensus layer says, or the head where there is none, since sealed
    /// blocks are final then. `None` before it has said so.
    pub fn finalized(&self) -> Option<u64> {
        if self.inner.config.driven {
            self.inner.engine.lock().checkpoints.finalized.map(|block| block.number)
        } else {
            Some(self.head().number())
        }
    }
}

/// What a consensus layer commands. A cheap handle; all calls may execute blocks, and so belong on blocking threads.
#[derive(Clone, Debug)]
pub struct EngineControl {
    chain: Arc<Inner>,
}

impl EngineControl {
    pub(crate) fn new(chain: Arc<Inner>) -> Self {
        Self { chain }
    }

    /// How far the chain is, while the head that the consensus layer has named is not known here.
    pub fn syncing(&self) -> Option<SyncProgress> {
        let head = self.chain.head().number();
        self.chain.engine.lock().progress(head)
    }

    /// The block with this hash, canonical or not.
    ///
    /// # Errors
    /// Where the database fails.
    pub fn block(&self, hash: B256) -> Result<Option<Arc<ExecutedBlock>>, ChainError> {
        self.chain.ancestor(hash)
    }
}
