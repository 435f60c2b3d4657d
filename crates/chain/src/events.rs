//! What the chain tells its listeners.

use crate::{ExecutedBlock, PendingBlock, SyncProgress};
use plasma_storage::StateChanges;
use std::{ops::Range, sync::Arc};

/// Something that listeners may want to know. Sent only after it is durable.
#[derive(Clone, Debug)]
pub enum ChainEvent {
    /// A block became the head.
    Sealed(Arc<ExecutedBlock>),
    /// A block that this node makes grew by a tick.
    Tick(Tick),
    /// The head went back from block `from` to block `to`.
    Reverted {
        /// The head before.
        from: u64,
        /// The head now.
        to: u64,
        /// The blocks that are canonical no longer, newest first.
        removed: Vec<Arc<ExecutedBlock>>,
    },
    /// A consensus layer has named a head that is not known here: how far the chain is. `None`: it follows again.
    Syncing(Option<SyncProgress>),
}

/// A tick that added transactions. The ticks of a block, in order, are all of its transactions, each once.
#[derive(Clone, Debug)]
pub struct Tick {
    /// Its number within the block, from 0.
    pub number: u32,
    /// Position within the block of the first transaction that it added.
    pub first: usize,
    /// The block as of the end of the tick.
    pub block: TickedBlock,
    /// What was written since the tick before, to be applied in this order: at the beginning of the
    /// block by its system calls, too, and where the block was sealed with the tick, at its end.
    pub changes: Vec<Arc<StateChanges>>,
}

/// The block of a tick.
#[derive(Clone, Debug)]
pub enum TickedBlock {
    /// It is still open; the tick has a journal record of its own.
    Open(Arc<PendingBlock>),
    /// It was sealed with the tick, which became durable with the block's record. The block is told of right after.
    Sealed(Arc<ExecutedBlock>),
}

impl Tick {
    /// The block as of the end of the tick.
    pub fn block(&self) -> &ExecutedBlock {
        match &self.block {
            TickedBlock::Open(pending) => &pending.block,
            TickedBlock::Sealed(block) => block,
        }
    }

    /// Positions within the block of the transactions that it added.
    pub fn positions(&self) -> Range<usize> {
        self.first..self.block().transactions.len()
    }
}
