//! What the chain tells its listeners.

use crate::{ExecutedBlock, PendingBlock};
use std::sync::Arc;

/// Something that listeners may want to know. Sent only after it is durable.
#[derive(Clone, Debug)]
pub enum ChainEvent {
    /// A block became the head.
    Sealed(Arc<ExecutedBlock>),
    /// The open block grew by a tick.
    Tick(Arc<PendingBlock>),
    /// The head went back from block `from` to block `to`.
    Reverted {
        /// The head before.
        from: u64,
        /// The head now.
        to: u64,
        /// The blocks that are canonical no longer, newest first.
        removed: Vec<Arc<ExecutedBlock>>,
    },
}
