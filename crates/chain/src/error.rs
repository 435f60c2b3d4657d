//! What can go wrong with the chain.

use alloy_primitives::B256;
use plasma_evm::BlockError;
use plasma_keeper::KeeperError;
use plasma_parallel::ExecutorError;
use plasma_storage::StorageError;
use plasma_trie::TrieError;
use plasma_txpool::PoolError;

/// A request to the chain failed.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// The database failed, or does not keep what was asked for.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The state trie could not be read or updated.
    #[error(transparent)]
    Trie(#[from] TrieError),
    /// A block could not be executed.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// The executor failed.
    #[error(transparent)]
    Executor(#[from] ExecutorError),
    /// The keeper failed.
    #[error(transparent)]
    Keeper(#[from] KeeperError),
    /// The pool could not follow the chain.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// A block breaks a rule.
    #[error("block {number}: {field} is {found}, but {expected} was expected")]
    InvalidBlock {
        /// Number in the block's header.
        number: u64,
        /// What is wrong.
        field: &'static str,
        /// What the block says.
        found: String,
        /// What the rules demand.
        expected: String,
    },
    /// A transaction of a block cannot be executed.
    #[error("block {number}: transaction {index} ({hash}) is invalid: {reason}")]
    InvalidTransaction {
        /// Number of the block.
        number: u64,
        /// Index in the block.
        index: usize,
        /// Hash of the transaction.
        hash: B256,
        /// The rule that it breaks.
        reason: String,
    },
    /// A block does not connect to any block that is known.
    #[error("block {number} ({hash}) cannot be placed: its parent {parent} is unknown here")]
    UnknownParent {
        /// Number of the block.
        number: u64,
        /// Its hash.
        hash: B256,
        /// The hash of its parent.
        parent: B256,
    },
    /// A block that does not exist was asked for.
    #[error("block {0} does not exist")]
    UnknownBlock(u64),
    /// A developer's command cannot be carried out.
    #[error("{0}")]
    Refused(String),
    /// Block production has stopped after an error.
    #[error("block production has stopped: {0}")]
    Stopped(String),
}

impl ChainError {
    /// An [`ChainError::InvalidBlock`].
    pub(crate) fn invalid(
        number: u64,
        field: &'static str,
        found: impl ToString,
        expected: impl ToString,
    ) -> Self {
        Self::InvalidBlock {
            number,
            field,
            found: found.to_string(),
            expected: expected.to_string(),
        }
    }
}
