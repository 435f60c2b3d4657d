//! What can go wrong in the state trie.

use alloy_primitives::B256;
use alloy_trie::Nibbles;
use plasma_storage::{StorageError, TrieNodeKey};
use std::fmt;

/// A failure of the state trie. Each message names the node it is about.
///
/// A trie never answers from a node that does not hash to what its parent says, so any of these
/// means that the stored nodes and the state root do not belong together, or that storage failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TrieError {
    /// Storage failed while a node was read.
    #[error("cannot read {node}: {error}")]
    Storage {
        /// The node that was asked for.
        node: NodeName,
        /// What storage answered.
        #[source]
        error: StorageError,
    },
    /// A node that the trie needs is not stored.
    #[error(
        "{node} is not stored, though its hash should be {expected}: the stored trie is \
         incomplete or belongs to another state root"
    )]
    MissingNode {
        /// The node that was asked for.
        node: NodeName,
        /// The hash that its parent, or the state root, gives.
        expected: B256,
    },
    /// A stored node is not the one that the trie expects.
    #[error(
        "{node} hashes to {found}, but {expected} was expected: the stored trie is damaged or \
         belongs to another state root"
    )]
    HashMismatch {
        /// The node that was asked for.
        node: NodeName,
        /// The hash that its parent, or the state root, gives.
        expected: B256,
        /// The hash of what is stored.
        found: B256,
    },
    /// A node has the right hash, but is no node of a state trie.
    #[error("{node} is not a valid trie node: {reason}")]
    Malformed {
        /// The node in question.
        node: NodeName,
        /// What is wrong with it.
        reason: String,
    },
}

/// Names a trie node in messages for people. Boxed, so that results stay small.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeName(Box<TrieNodeKey>);

impl NodeName {
    pub(crate) fn new(owner: Option<B256>, path: Nibbles) -> Self {
        Self(Box::new(TrieNodeKey { owner, path }))
    }

    /// The key under which the node is stored.
    pub fn key(&self) -> &TrieNodeKey {
        &self.0
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.path.is_empty() {
            f.write_str("the root node")?;
        } else {
            f.write_str("the node at path ")?;
            self.0.path.iter().try_for_each(|nibble| write!(f, "{nibble:x}"))?;
        }
        match self.0.owner {
            None => f.write_str(" of the account trie"),
            Some(owner) => write!(f, " of the storage trie of the account with hash {owner}"),
        }
    }
}
