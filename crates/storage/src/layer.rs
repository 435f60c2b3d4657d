//! Blocks that are not persisted yet, as layers over the persisted state.

use crate::{
    Account, AccountChange, Receipt, StateChanges, TrieNodeKey, TrieUpdates, log_index,
    table::LogKey,
};
use alloy_primitives::{
    Address, B256, Bytes, U256,
    map::{B256Map, B256Set},
};
use std::sync::Arc;

/// What one block adds to the state below it.
#[derive(Debug)]
pub(crate) struct Layer {
    pub(crate) number: u64,
    pub(crate) hash: B256,
    pub(crate) transaction_hashes: Vec<B256>,
    pub(crate) changes: Arc<StateChanges>,
    pub(crate) trie: Arc<TrieUpdates>,
    /// What the block's logs can be searched by, in order.
    pub(crate) log_keys: Vec<LogKey>,
    transactions: B256Map<u64>,
    wiped_tries: B256Set,
}

impl Layer {
    /// Indexes a block.
    pub(crate) fn new(
        number: u64,
        hash: B256,
        transaction_hashes: Vec<B256>,
        changes: Arc<StateChanges>,
        trie: Arc<TrieUpdates>,
        receipts: &[Receipt],
    ) -> Self {
        let transactions = (0..).zip(&transaction_hashes).map(|(i, hash)| (*hash, i)).collect();
        let wiped_tries = trie.wiped.iter().copied().collect();
        let log_keys = log_index::keys_of(receipts);
        Self {
            number,
            hash,
            transaction_hashes,
            changes,
            trie,
            log_keys,
            transactions,
            wiped_tries,
        }
    }

    /// The account after this block; `None`: the block did not change it.
    pub(crate) fn account(&self, address: Address) -> Option<Option<Account>> {
        self.changes.accounts.get(&address).map(|change| change.account)
    }

    /// The slot after this block; `None`: the block did not change it.
    pub(crate) fn storage(&self, address: Address, slot: U256) -> Option<U256> {
        let change = self.changes.accounts.get(&address)?;
        let wiped = change.wipes_storage().then_some(U256::ZERO);
        change.storage.get(&slot).copied().or(wiped)
    }

    /// Code that this block brought.
    pub(crate) fn code(&self, hash: B256) -> Option<&Bytes> {
        self.changes.codes.get(&hash)
    }

    /// The trie node after this block; `None`: the block did not change it.
    pub(crate) fn node(&self, key: &TrieNodeKey) -> Option<Option<&Bytes>> {
        if let Some(node) = self.trie.nodes.get(key) {
            return Some(node.as_ref());
        }
        key.owner.is_some_and(|owner| self.wiped_tries.contains(&owner)).then_some(None)
    }

    /// The transaction's index in this block.
    pub(crate) fn transaction(&self, hash: B256) -> Option<u64> {
        self.transactions.get(&hash).copied()
    }
}

impl AccountChange {
    /// True where all storage from before is gone: said so, or the account itself is gone.
    pub(crate) const fn wipes_storage(&self) -> bool {
        self.storage_wiped || self.account.is_none()
    }
}
