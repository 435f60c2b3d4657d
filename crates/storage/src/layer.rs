//! Blocks that are not persisted yet, as layers over the persisted state.

use crate::{
    Account, AccountChange, Receipt, StateChanges, TransactionEntry, TrieNodeKey, TrieUpdates,
    address_index, log_index, table::LogKey,
};
use alloy_primitives::{
    Address, B256, Bytes, U256,
    map::{B256Map, B256Set},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

/// What one block adds to the state below it.
#[derive(Debug)]
pub(crate) struct Layer {
    pub(crate) number: u64,
    pub(crate) hash: B256,
    pub(crate) transactions: Vec<TransactionEntry>,
    pub(crate) changes: Arc<StateChanges>,
    pub(crate) trie: Arc<TrieUpdates>,
    /// What the block's logs can be searched by, in order.
    pub(crate) log_keys: Vec<LogKey>,
    positions: B256Map<u64>,
    appearances: OnceLock<BTreeMap<Address, Vec<u64>>>,
    wiped_tries: B256Set,
}

impl Layer {
    /// Indexes a block.
    pub(crate) fn new(
        number: u64,
        hash: B256,
        transactions: Vec<TransactionEntry>,
        changes: Arc<StateChanges>,
        trie: Arc<TrieUpdates>,
        receipts: &[Receipt],
    ) -> Self {
        let positions = (0..).zip(&transactions).map(|(i, entry)| (entry.hash, i)).collect();
        let wiped_tries = trie.wiped.iter().copied().collect();
        let log_keys = log_index::keys_of(receipts);
        Self {
            number,
            hash,
            transactions,
            changes,
            trie,
            log_keys,
            positions,
            appearances: OnceLock::new(),
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
        self.positions.get(&hash).copied()
    }

    /// Indexes of the transactions in which each address appears. Made on first use: whoever pushes
    /// the block does not wait for it.
    pub(crate) fn appearances(&self) -> &BTreeMap<Address, Vec<u64>> {
        self.appearances.get_or_init(|| address_index::by_address(&self.transactions))
    }
}

impl AccountChange {
    /// True where all storage from before is gone: said so, or the account itself is gone.
    pub(crate) const fn wipes_storage(&self) -> bool {
        self.storage_wiped || self.account.is_none()
    }
}
