//! Where blinded nodes are loaded from.

use crate::{
    TrieError,
    error::NodeName,
    node::{Link, Node},
};
use alloy_primitives::{B256, Bytes, keccak256};
use alloy_trie::Nibbles;
use plasma_storage::{StateSnapshot, StorageError, TrieNodeKey};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Stored trie nodes of one state, by path. Several threads ask at once.
pub trait NodeSource: Sync {
    /// The RLP of the node at `key`, or `None` where no node is stored there.
    fn node(&self, key: &TrieNodeKey) -> Result<Option<Bytes>, StorageError>;
}

/// A source without any node: what a fresh chain has before its genesis is written.
#[derive(Clone, Copy, Debug, Default)]
pub struct EmptyNodes;

impl NodeSource for EmptyNodes {
    fn node(&self, _key: &TrieNodeKey) -> Result<Option<Bytes>, StorageError> {
        Ok(None)
    }
}

impl NodeSource for StateSnapshot {
    fn node(&self, key: &TrieNodeKey) -> Result<Option<Bytes>, StorageError> {
        self.trie_node(key)
    }
}

/// What a walk through one trie carries along.
#[derive(Clone, Copy)]
pub(crate) struct Walk<'a> {
    pub(crate) source: &'a dyn NodeSource,
    /// The trie: `None` for the accounts', else the hashed address of the storage trie's account.
    pub(crate) owner: Option<B256>,
    /// Number of this update; nodes remember the last one that reached them.
    pub(crate) generation: u32,
    /// Bytes that came into memory during this update.
    pub(crate) added: &'a AtomicUsize,
}

impl<'a> Walk<'a> {
    /// The same walk, in the storage trie of the account with hash `owner`.
    pub(crate) const fn storage(self, owner: B256) -> Self {
        Self { owner: Some(owner), ..self }
    }

    /// Counts bytes that came into memory.
    pub(crate) fn count(&self, bytes: usize) {
        // A plain sum that is read after all threads of the update were joined: no ordering needed.
        self.added.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Makes sure that the node behind `link` is in memory, and marks it as used.
    pub(crate) fn load<'l>(
        &self,
        link: &'l mut Link,
        path: &Nibbles,
    ) -> Result<&'l mut Arc<Node>, TrieError> {
        link.used = self.generation;
        if link.node.is_none() {
            let node = fetch(self.source, self.owner, path, link)?;
            self.count(node.bytes());
            link.node = Some(Arc::new(node));
        }
        Ok(link.node.as_mut().expect("the node was loaded just above"))
    }

    pub(crate) fn malformed(&self, path: &Nibbles, reason: impl ToString) -> TrieError {
        malformed(self.owner, path, reason)
    }
}

pub(crate) fn malformed(owner: Option<B256>, path: &Nibbles, reason: impl ToString) -> TrieError {
    TrieError::Malformed { node: NodeName::new(owner, *path), reason: reason.to_string() }
}

/// Reads the node behind a blinded link: from the source, or from the link where it is embedded.
pub(crate) fn fetch(
    source: &dyn NodeSource,
    owner: Option<B256>,
    path: &Nibbles,
    link: &Link,
) -> Result<Node, TrieError> {
    let decode =
        |rlp: &[u8]| Node::decode(rlp, path.len()).map_err(|error| malformed(owner, path, error));
    match link.rlp.as_hash() {
        None => decode(&link.rlp),
        Some(expected) => decode(&fetch_rlp(source, owner, path, expected)?),
    }
}

/// Reads the RLP of a hashed node and checks it against its hash.
pub(crate) fn fetch_rlp(
    source: &dyn NodeSource,
    owner: Option<B256>,
    path: &Nibbles,
    expected: B256,
) -> Result<Bytes, TrieError> {
    let key = TrieNodeKey { owner, path: *path };
    let node = || NodeName::new(owner, *path);
    let rlp = source
        .node(&key)
        .map_err(|error| TrieError::Storage { node: node(), error })?
        .ok_or_else(|| TrieError::MissingNode { node: node(), expected })?;
    let found = keccak256(&rlp);
    if found != expected {
        return Err(TrieError::HashMismatch { node: node(), expected, found });
    }
    Ok(rlp)
}
