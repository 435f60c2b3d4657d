//! The edits that changes of state stand for.

use crate::{
    TrieError,
    edit::{Applied, Edit, edit_slot},
    hash::{NodeUpdate, hash_root},
    node::{Link, Value},
    source::{Walk, malformed},
};
use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256, keccak256};
use alloy_rlp::Decodable;
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles, TrieAccount};
use plasma_storage::{Account, AccountChange};
use rayon::prelude::*;
use std::borrow::Cow;

/// Keys from which on hashing them is divided among threads.
const PARALLEL_KEYS: usize = 256;

/// An account as its leaf holds it.
pub(crate) fn trie_account(account: &Account, storage_root: B256) -> TrieAccount {
    TrieAccount::new(
        account.nonce,
        account.balance,
        storage_root,
        account.bytecode_hash.unwrap_or(KECCAK256_EMPTY),
    )
}

/// Reads the RLP of an account's leaf; `key` is the leaf's whole key.
pub(crate) fn decode_account(mut rlp: &[u8], key: &Nibbles) -> Result<TrieAccount, TrieError> {
    TrieAccount::decode(&mut rlp)
        .map_err(|error| malformed(None, key, format_args!("its value is no account: {error}")))
}

/// The key of an account's leaf.
pub(crate) fn account_key(address: Address) -> B256 {
    keccak256(address)
}

/// The key of a slot's leaf.
pub(crate) fn slot_key(slot: U256) -> B256 {
    keccak256(B256::from(slot))
}

/// Makes an edit of each of `keys`, sorted by key, as the trie takes them.
fn sorted<K: Send, E: Edit>(keys: Vec<K>, edit: impl Fn(K) -> E + Send + Sync) -> Vec<E> {
    if keys.len() < PARALLEL_KEYS {
        let mut edits: Vec<E> = keys.into_iter().map(edit).collect();
        edits.sort_unstable_by(|a, b| a.key().cmp(b.key()));
        return edits;
    }
    let mut edits: Vec<E> = keys.into_par_iter().map(edit).collect();
    edits.par_sort_unstable_by(|a, b| a.key().cmp(b.key()));
    edits
}

/// What happens to one account, and what that made of its storage trie.
pub(crate) struct AccountEdit<'a> {
    key: Nibbles,
    pub(crate) hash: B256,
    change: &'a AccountChange,
    /// The storage trie from before is dropped whole.
    pub(crate) wiped: bool,
    /// Changed nodes of the storage trie; later entries take precedence.
    pub(crate) nodes: Vec<NodeUpdate>,
}

impl<'a> AccountEdit<'a> {
    /// The edits of these accounts, sorted.
    pub(crate) fn all(accounts: &'a [(Address, Cow<'_, AccountChange>)]) -> Vec<Self> {
        sorted(accounts.iter().collect(), |(address, change)| {
            let hash = account_key(*address);
            let key = Nibbles::unpack_array(&hash);
            AccountEdit { key, hash, change, wiped: false, nodes: Vec::new() }
        })
    }

    /// Applies the storage part of the change and gives the new storage root.
    fn apply_storage(
        &mut self,
        walk: &Walk<'_>,
        value: &mut Value,
        root: B256,
    ) -> Result<B256, TrieError> {
        let change = self.change;
        let node = value.storage.take();
        let mut root = if change.storage_wiped {
            self.wiped = root != EMPTY_ROOT_HASH;
            None
        } else {
            Link::root(root, node)
        };
        let mut edits = SlotEdit::all(change.storage.iter().map(|(slot, value)| (*slot, *value)));
        let mut removed = Vec::new();
        let walk = walk.storage(self.hash);
        edit_slot(&walk, &mut root, &Nibbles::new(), &mut edits, &mut removed)?;
        self.nodes.extend(removed.into_iter().map(|path| (path, None)));
        self.nodes.extend(hash_root(root.as_mut(), edits.len()));
        let hash = Link::root_hash(root.as_ref());
        value.storage = root.and_then(|link| link.node);
        Ok(hash)
    }
}

impl Edit for AccountEdit<'_> {
    fn key(&self) -> &Nibbles {
        &self.key
    }

    fn weight(&self) -> usize {
        1 + self.change.storage.len()
    }

    fn is_removal(&self) -> bool {
        self.change.account.is_none()
    }

    fn apply(
        &mut self,
        walk: &Walk<'_>,
        value: &mut Value,
        exists: bool,
    ) -> Result<Applied, TrieError> {
        let mut storage_root = EMPTY_ROOT_HASH;
        if exists {
            storage_root = decode_account(&value.rlp, &self.key)?.storage_root;
        }
        let Some(account) = &self.change.account else {
            self.wiped = storage_root != EMPTY_ROOT_HASH;
            return Ok(Applied::Removed);
        };
        if self.change.storage_wiped || !self.change.storage.is_empty() {
            storage_root = self.apply_storage(walk, value, storage_root)?;
        }
        let rlp = alloy_rlp::encode(trie_account(account, storage_root));
        if exists && *rlp == *value.rlp {
            return Ok(Applied::Unchanged);
        }
        value.rlp = rlp.into_boxed_slice();
        Ok(Applied::Changed)
    }
}

/// What happens to one slot: its value afterwards, zero for none.
struct SlotEdit {
    key: Nibbles,
    value: U256,
}

impl SlotEdit {
    fn all(slots: impl Iterator<Item = (U256, U256)>) -> Vec<Self> {
        sorted(slots.collect(), |(slot, value)| Self {
            key: Nibbles::unpack_array(&slot_key(slot)),
            value,
        })
    }
}

impl Edit for SlotEdit {
    fn key(&self) -> &Nibbles {
        &self.key
    }

    fn weight(&self) -> usize {
        1
    }

    fn is_removal(&self) -> bool {
        self.value.is_zero()
    }

    fn apply(
        &mut self,
        _walk: &Walk<'_>,
        value: &mut Value,
        _exists: bool,
    ) -> Result<Applied, TrieError> {
        if self.value.is_zero() {
            return Ok(Applied::Removed);
        }
        let rlp = alloy_rlp::encode_fixed_size(&self.value);
        if *rlp == *value.rlp {
            return Ok(Applied::Unchanged);
        }
        value.rlp = rlp.as_slice().into();
        Ok(Applied::Changed)
    }
}
