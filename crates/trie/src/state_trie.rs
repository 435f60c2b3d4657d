//! The state trie as a whole.

use crate::{
    NodeSource, TrieError, change::AccountEdit, edit::edit_slot, evict, hash::hash_root,
    node::Link, source::Walk,
};
use alloy_primitives::{Address, B256, Bytes, map::HashMap};
use alloy_trie::Nibbles;
use plasma_storage::{AccountChange, StateChanges, TrieNodeKey, TrieUpdates};
use std::{borrow::Cow, sync::atomic::AtomicUsize};

/// The account trie with all storage tries (yellow paper, section 4.1 and appendix D), in memory
/// as far as it was used lately.
///
/// A clone costs nothing and stays at its root while the original moves on; the two share the
/// nodes that neither has changed. But a clone's blinded nodes can only be loaded from a source
/// that still has the nodes of the clone's root.
#[derive(Clone, Debug)]
pub struct StateTrie {
    pub(crate) root: Option<Link>,
    /// Number of the last update.
    generation: u32,
    /// Memory that the nodes take, never too low.
    hot_bytes: usize,
}

impl StateTrie {
    /// The state trie with this root hash, of which nothing is in memory yet.
    pub fn new(root: B256) -> Self {
        Self { root: Link::root(root, None), generation: 0, hot_bytes: 0 }
    }

    /// The state root: the Keccak-256 hash of the account trie's root node.
    pub fn root(&self) -> B256 {
        Link::root_hash(self.root.as_ref())
    }

    /// Memory that the nodes take, in bytes, at most: what is dropped by changes is counted until the
    /// next [`evict`](Self::evict) that has something to do.
    pub const fn hot_bytes(&self) -> usize {
        self.hot_bytes
    }

    /// Applies what a block changed and returns the stored nodes that differ afterwards.
    ///
    /// `source` must hold the nodes of the present root. The returned nodes must be applied to it
    /// before nodes that are no longer in memory are needed again, that is before the next update.
    /// A change whose account is `None` deletes the account and its storage; whether an empty
    /// account is to be deleted (EIP-161) is for the caller to say.
    ///
    /// # Errors
    /// Where a node cannot be loaded. The trie is then still at its root, with nothing in memory.
    pub fn update(
        &mut self,
        source: &dyn NodeSource,
        changes: &StateChanges,
    ) -> Result<TrieUpdates, TrieError> {
        let accounts: Vec<_> = changes
            .accounts
            .iter()
            .map(|(address, change)| (*address, Cow::Borrowed(change)))
            .collect();
        self.update_accounts(source, &accounts)
    }

    /// [`Self::update`] with distinct accounts.
    pub(crate) fn update_accounts(
        &mut self,
        source: &dyn NodeSource,
        accounts: &[(Address, Cow<'_, AccountChange>)],
    ) -> Result<TrieUpdates, TrieError> {
        if accounts.is_empty() {
            return Ok(TrieUpdates::default());
        }
        let before = self.root();
        let added = AtomicUsize::new(0);
        let result = self.apply(source, accounts, &added);
        self.after(before, added.into_inner(), result.is_ok());
        result
    }

    /// Drops nodes from memory until they take `keep_bytes` at most: first those that no update has
    /// reached for longest, and of these the deepest.
    ///
    /// Where they take more, a quarter less than `keep_bytes` is kept, so that the next calls have
    /// nothing to do. The nodes of the last update must be stored before.
    pub fn evict(&mut self, keep_bytes: usize) {
        if self.hot_bytes > keep_bytes {
            self.hot_bytes = evict::evict(self.root.as_mut(), keep_bytes - keep_bytes / 4);
        }
    }

    fn apply(
        &mut self,
        source: &dyn NodeSource,
        accounts: &[(Address, Cow<'_, AccountChange>)],
        added: &AtomicUsize,
    ) -> Result<TrieUpdates, TrieError> {
        self.generation = self.generation.saturating_add(1);
        let walk = Walk { source, owner: None, generation: self.generation, added };
        let mut edits = AccountEdit::all(accounts);
        let mut removed = Vec::new();
        edit_slot(&walk, &mut self.root, &Nibbles::new(), &mut edits, &mut removed)?;
        let nodes = hash_root(self.root.as_mut(), edits.len());

        let storage_nodes: usize = edits.iter().map(|edit| edit.nodes.len()).sum();
        let capacity = removed.len() + nodes.len() + storage_nodes;
        let mut updates = TrieUpdates {
            wiped: edits.iter().filter(|edit| edit.wiped).map(|edit| edit.hash).collect(),
            nodes: HashMap::with_capacity_and_hasher(capacity, Default::default()),
        };
        let mut put = |owner: Option<B256>, path: Nibbles, rlp: Option<Bytes>| {
            updates.nodes.insert(TrieNodeKey { owner, path }, rlp);
        };
        // A node that is there now takes precedence over one that left the same path.
        removed.into_iter().for_each(|path| put(None, path, None));
        nodes.into_iter().for_each(|(path, rlp)| put(None, path, rlp));
        for edit in edits {
            for (path, rlp) in edit.nodes {
                put(Some(edit.hash), path, rlp);
            }
        }
        Ok(updates)
    }

    /// Takes note of what an update did to memory. After a failure the nodes in memory may be half
    /// changed, while those in the source are still right.
    fn after(&mut self, root_before: B256, added: usize, is_ok: bool) {
        if is_ok {
            self.hot_bytes = self.hot_bytes.saturating_add(added);
        } else {
            *self = Self { generation: self.generation, ..Self::new(root_before) };
        }
    }
}
