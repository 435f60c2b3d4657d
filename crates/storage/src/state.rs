//! The vocabulary of state: what a reader can ask and what a block changed.

use crate::StorageError;
use alloy_consensus::{EthereumReceipt, EthereumTxEnvelope, TxEip4844};
use alloy_primitives::{
    Address, B256, Bytes, U256,
    map::{AddressMap, B256Map, HashMap, HashSet},
};
use alloy_trie::Nibbles;
use serde::{Deserialize, Serialize};

/// A plain account: nonce, balance (wei) and the hash of its code (`None`: no code).
pub use reth_primitives_traits::Account;

/// A signed transaction as it stands in a block (EIP-2718 types 0 to 4; blobs travel apart from it).
pub type Transaction = EthereumTxEnvelope<TxEip4844>;

/// A consensus receipt: type, status, cumulative gas of the block up to and with it, logs.
pub type Receipt = EthereumReceipt;

/// Read access to one consistent state: all answers belong to the same block (and tick).
pub trait StateReader: Send + Sync {
    /// The account at `address`, or `None` where there is none.
    fn account(&self, address: Address) -> Result<Option<Account>, StorageError>;

    /// The value of `slot` in the storage of `address`; zero where nothing is stored.
    fn storage(&self, address: Address, slot: U256) -> Result<U256, StorageError>;

    /// True where a slot of `address` outside `hidden` holds a value.
    ///
    /// EIP-7610 asks this of an account without nonce and code, before a contract is created there;
    /// for an account with much storage it may take long. `hidden` are slots that layers above this
    /// state have written.
    fn has_storage(&self, address: Address, hidden: &HashSet<U256>) -> Result<bool, StorageError>;

    /// The code with this Keccak-256 hash, or `None` where it is unknown.
    fn code(&self, code_hash: B256) -> Result<Option<Bytes>, StorageError>;

    /// The hash of the canonical block `number`, or `None` where this state does not know it.
    fn block_hash(&self, number: u64) -> Result<Option<B256>, StorageError>;
}

/// What one block (or one tick, or a developer's patch) changed, as values after it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateChanges {
    /// Changed accounts. An account that is only read does not stand here.
    pub accounts: AddressMap<AccountChange>,
    /// New contract code by Keccak-256 hash.
    pub codes: B256Map<Bytes>,
}

/// What happened to one account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountChange {
    /// The account after the change; `None`: it does not exist any more.
    pub account: Option<Account>,
    /// All storage from before was removed first; what stands in `storage` was written afterwards.
    pub storage_wiped: bool,
    /// Slots with their values after the change; zero: the slot is empty now.
    pub storage: HashMap<U256, U256>,
}

impl AccountChange {
    /// Whether a slot outside `hidden` holds a value, as far as this change tells; `None` leaves it
    /// to the state below, in which this change's slots, now added to `hidden`, do not count.
    pub fn has_storage(&self, hidden: &mut HashSet<U256>) -> Option<bool> {
        for (slot, value) in &self.storage {
            if hidden.insert(*slot) && !value.is_zero() {
                return Some(true);
            }
        }
        self.wipes_storage().then_some(false)
    }
}

impl StateChanges {
    /// True where nothing changed.
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty() && self.codes.is_empty()
    }

    /// Adds `later`, which happened after `self`, so that `self` tells both.
    pub fn merge(&mut self, later: Self) {
        for (address, change) in later.accounts {
            let entry = self.accounts.entry(address).or_default();
            entry.account = change.account;
            if change.storage_wiped {
                entry.storage_wiped = true;
                entry.storage = change.storage;
            } else {
                entry.storage.extend(change.storage);
            }
        }
        self.codes.extend(later.codes);
    }
}

/// Names one node of the state trie.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TrieNodeKey {
    /// `None`: the account trie. `Some(keccak256(address))`: the storage trie of that account.
    pub owner: Option<B256>,
    /// Nibbles from the trie's root to the node; empty for the root node.
    pub path: Nibbles,
}

/// Trie nodes that a block changed, by path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrieUpdates {
    /// Storage tries to drop whole (`keccak256(address)`) before `nodes` is applied.
    pub wiped: Vec<B256>,
    /// RLP of each changed node; `None`: no node stands at this path any more.
    pub nodes: HashMap<TrieNodeKey, Option<Bytes>>,
}
