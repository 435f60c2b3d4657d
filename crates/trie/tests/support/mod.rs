//! A node store, a plain model of state, and checks that do not use the crate's own code.
#![allow(dead_code, unreachable_pub)] // Each test file uses its part.

pub mod strategies;

use alloy_primitives::{Address, B256, Bytes, U256, keccak256, map::HashMap};
use alloy_rlp::Decodable;
use alloy_trie::{
    EMPTY_ROOT_HASH, Nibbles, TrieAccount,
    nodes::{RlpNode, TrieNode},
};
use plasma_storage::{
    Account, AccountChange, StateChanges, StorageError, TrieNodeKey, TrieUpdates,
};
use plasma_trie::{NodeSource, StateTrie, full_state_root};
use std::collections::{BTreeMap, BTreeSet};

/// Stored nodes, and nothing else: what a database keeps of a trie.
#[derive(Clone, Default)]
pub struct NodeStore(pub HashMap<TrieNodeKey, Bytes>);

impl NodeSource for NodeStore {
    fn node(&self, key: &TrieNodeKey) -> Result<Option<Bytes>, StorageError> {
        Ok(self.0.get(key).cloned())
    }
}

impl NodeStore {
    pub fn apply(&mut self, updates: &TrieUpdates) {
        if !updates.wiped.is_empty() {
            self.0.retain(|key, _| key.owner.is_none_or(|owner| !updates.wiped.contains(&owner)));
        }
        for (key, rlp) in &updates.nodes {
            match rlp {
                Some(rlp) => self.0.insert(key.clone(), rlp.clone()),
                None => self.0.remove(key),
            };
        }
    }

    /// Walks everything below `root` and demands that it is all that is stored.
    pub fn assert_exact(&self, root: B256) {
        let mut reached = BTreeSet::new();
        self.reach_root(None, root, &mut reached);
        let stored: BTreeSet<_> = self.0.keys().cloned().collect();
        let garbage: Vec<_> = stored.difference(&reached).collect();
        assert!(garbage.is_empty(), "stored but not reachable: {garbage:?}");
        assert_eq!(stored, reached);
    }

    fn reach_root(&self, owner: Option<B256>, root: B256, reached: &mut BTreeSet<TrieNodeKey>) {
        if root != EMPTY_ROOT_HASH {
            self.reach(owner, Nibbles::new(), &RlpNode::word_rlp(&root), reached);
        }
    }

    fn reach(
        &self,
        owner: Option<B256>,
        path: Nibbles,
        rlp: &RlpNode,
        reached: &mut BTreeSet<TrieNodeKey>,
    ) {
        let rlp: Bytes = match rlp.as_hash() {
            None => rlp.to_vec().into(),
            Some(hash) => {
                let key = TrieNodeKey { owner, path };
                let rlp = self.0.get(&key).unwrap_or_else(|| panic!("{key:?} is not stored"));
                assert_eq!(keccak256(rlp), hash, "{key:?}");
                assert!(rlp.len() >= 32 || path.is_empty(), "{key:?} belongs into its parent");
                reached.insert(key);
                rlp.clone()
            }
        };
        match TrieNode::decode(&mut &rlp[..]).unwrap() {
            TrieNode::EmptyRoot => panic!("an empty node is referred to"),
            TrieNode::Leaf(leaf) => {
                if owner.is_none() {
                    let account = TrieAccount::decode(&mut &leaf.value[..]).unwrap();
                    let owner = B256::from_slice(&path.join(&leaf.key).pack());
                    self.reach_root(Some(owner), account.storage_root, reached);
                }
            }
            TrieNode::Extension(node) => {
                self.reach(owner, path.join(&node.key), &node.child, reached);
            }
            TrieNode::Branch(node) => {
                let nibbles = (0..16u8).filter(|nibble| node.state_mask.is_bit_set(*nibble));
                for (nibble, child) in nibbles.zip(&node.stack) {
                    let mut path = path;
                    path.push(nibble);
                    self.reach(owner, path, child, reached);
                }
            }
        }
    }
}

/// The whole state as plain maps.
#[derive(Clone, Default)]
pub struct Model(pub BTreeMap<Address, (Account, BTreeMap<U256, U256>)>);

impl Model {
    pub fn apply(&mut self, changes: &StateChanges) {
        for (address, change) in &changes.accounts {
            let Some(account) = change.account else {
                self.0.remove(address);
                continue;
            };
            let (old, storage) = self.0.entry(*address).or_default();
            *old = account;
            if change.storage_wiped {
                storage.clear();
            }
            for (slot, value) in &change.storage {
                if value.is_zero() {
                    storage.remove(slot);
                } else {
                    storage.insert(*slot, *value);
                }
            }
        }
    }

    pub fn root(&self) -> B256 {
        full_state_root(self.0.iter().map(|(address, (account, storage))| {
            (*address, *account, storage.iter().map(|(slot, value)| (*slot, *value)).collect())
        }))
    }

    /// The changes that lead from this state to `other`, slot by slot.
    pub fn changes_to(&self, other: &Self) -> StateChanges {
        let mut changes = StateChanges::default();
        for address in self.0.keys().chain(other.0.keys()) {
            let (before, after) = (self.0.get(address), other.0.get(address));
            if before == after {
                continue;
            }
            let change = changes.accounts.entry(*address).or_default();
            let Some((account, storage)) = after else { continue };
            change.account = Some(*account);
            if let Some((_, gone)) = before {
                change.storage.extend(gone.keys().map(|slot| (*slot, U256::ZERO)));
            }
            change.storage.extend(storage.iter().map(|(slot, value)| (*slot, *value)));
        }
        changes
    }

    pub fn account(&self, address: Address) -> Option<Account> {
        self.0.get(&address).map(|(account, _)| *account)
    }

    pub fn slot(&self, address: Address, slot: U256) -> U256 {
        self.0
            .get(&address)
            .and_then(|(_, storage)| storage.get(&slot))
            .copied()
            .unwrap_or_default()
    }
}

/// What happens to the trie between two blocks.
#[derive(Clone, Debug)]
pub enum Pause {
    Nothing,
    /// Memory is bounded to this many KiB.
    Evict(usize),
    /// A restart: only what is stored is left.
    Reopen,
    /// Back by this many blocks, in one step, by the reverse changes.
    Revert(usize),
}

/// The model, the store and the trie, moving together.
pub struct Chain {
    pub model: Model,
    pub store: NodeStore,
    pub trie: StateTrie,
    /// States before the present one.
    pub past: Vec<Model>,
}

impl Default for Chain {
    fn default() -> Self {
        let trie = StateTrie::new(EMPTY_ROOT_HASH);
        Self { model: Model::default(), store: NodeStore::default(), trie, past: Vec::new() }
    }
}

impl Chain {
    /// Applies a block and compares with the model; checks the whole store as well.
    pub fn block(&mut self, changes: &StateChanges) {
        self.block_unchecked(changes);
        self.check();
    }

    pub fn pause(&mut self, pause: &Pause) {
        match *pause {
            Pause::Nothing => {}
            Pause::Evict(keep) => {
                self.trie.evict(keep << 10);
                assert!(self.trie.hot_bytes() <= keep << 10);
            }
            Pause::Reopen => self.trie = StateTrie::new(self.trie.root()),
            Pause::Revert(blocks) => {
                let kept = self.past.len().saturating_sub(blocks);
                let Some(target) = self.past.drain(kept..).next() else { return };
                let back = self.model.changes_to(&target);
                self.block_unchecked(&back);
                self.past.pop();
                assert!(self.model.0 == target.0);
                self.check();
            }
        }
    }

    pub fn block_unchecked(&mut self, changes: &StateChanges) {
        self.past.push(self.model.clone());
        let updates = self.trie.update(&self.store, changes).unwrap();
        self.store.apply(&updates);
        self.model.apply(changes);
    }

    pub fn check(&self) {
        assert_eq!(self.trie.root(), self.model.root());
        self.store.assert_exact(self.trie.root());
    }
}

pub fn address(number: u64) -> Address {
    Address::left_padding_from(&number.to_be_bytes())
}

pub fn account(nonce: u64, balance: u64) -> Account {
    Account { nonce, balance: U256::from(balance), bytecode_hash: None }
}

/// Address, account, whether its storage was wiped, slots with values.
type Change<'a> = (Address, Option<Account>, bool, &'a [(u64, u64)]);

pub fn changes<const N: usize>(accounts: [Change<'_>; N]) -> StateChanges {
    let accounts = accounts.into_iter().map(|(address, account, storage_wiped, slots)| {
        let storage =
            slots.iter().map(|(slot, value)| (U256::from(*slot), U256::from(*value))).collect();
        (address, AccountChange { account, storage_wiped, storage })
    });
    StateChanges { accounts: accounts.collect(), ..Default::default() }
}
