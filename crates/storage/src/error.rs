//! What can go wrong in storage.

use std::sync::Arc;

/// A failure of the storage layer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StorageError {
    /// State that is no longer kept was asked for.
    #[error("state of block {number} is pruned: answers exist from block {oldest} on")]
    Pruned {
        /// The block that was asked for.
        number: u64,
        /// The oldest block whose state is kept.
        oldest: u64,
    },
    /// Any other failure, as a sentence.
    #[error("{0}")]
    Other(Arc<str>),
}
