//! Nodes that are not in memory: loading, checking, bounding.

mod support;

use alloy_primitives::{Bytes, U256, keccak256};
use alloy_trie::{Nibbles, nodes::LeafNode};
use plasma_storage::{StateChanges, StorageError, TrieNodeKey};
use plasma_trie::{EmptyNodes, NodeSource, StateTrie, TrieError};
use std::sync::atomic::{AtomicUsize, Ordering};
use support::{Chain, NodeStore, account, address, changes};

fn populated() -> Chain {
    let mut chain = Chain::default();
    let slots: Vec<_> = (1..60).map(|slot| (slot, slot)).collect();
    let mut block = StateChanges::default();
    for number in 0..400 {
        let slots = if number == 7 { &slots[..] } else { &[] };
        block
            .accounts
            .extend(changes([(address(number), Some(account(1, number)), false, slots)]).accounts);
    }
    chain.block(&block);
    chain
}

struct Counting<'a>(&'a NodeStore, AtomicUsize);

impl NodeSource for Counting<'_> {
    fn node(&self, key: &TrieNodeKey) -> Result<Option<Bytes>, StorageError> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.node(key)
    }
}

struct Failing;

impl NodeSource for Failing {
    fn node(&self, _key: &TrieNodeKey) -> Result<Option<Bytes>, StorageError> {
        Err(StorageError::Other("the disk is on fire".into()))
    }
}

#[test]
fn only_what_is_touched_is_loaded() {
    let mut chain = populated();
    let mut trie = StateTrie::new(chain.trie.root());
    let source = Counting(&chain.store, AtomicUsize::new(0));
    let block = changes([(address(7), Some(account(9, 9)), false, &[(5, 1), (61, 2)])]);
    trie.update(&source, &block).unwrap();
    let loads = source.1.into_inner();
    assert!((2..=12).contains(&loads), "{loads} nodes were loaded");
    assert!(trie.hot_bytes() >= loads * 100);
    chain.block(&block);
    assert_eq!(trie.root(), chain.trie.root());
}

#[test]
fn a_wiped_storage_trie_is_not_loaded() {
    let mut chain = populated();
    let owner = keccak256(address(7));
    let block = changes([(address(7), Some(account(9, 9)), true, &[(5, 1)])]);
    struct NoStorage<'a>(&'a NodeStore);
    impl NodeSource for NoStorage<'_> {
        fn node(&self, key: &TrieNodeKey) -> Result<Option<Bytes>, StorageError> {
            assert_eq!(key.owner, None);
            self.0.node(key)
        }
    }
    let mut trie = StateTrie::new(chain.trie.root());
    let updates = trie.update(&NoStorage(&chain.store), &block).unwrap();
    assert_eq!(updates.wiped, [owner]);
    chain.block(&block);
    assert_eq!(trie.root(), chain.trie.root());
}

#[test]
fn a_missing_node_is_named_and_nothing_is_lost() {
    let chain = populated();
    let root = chain.trie.root();
    let mut trie = StateTrie::new(root);
    let block = changes([(address(7), Some(account(9, 9)), false, &[(5, 1)])]);

    let error = trie.update(&EmptyNodes, &block).unwrap_err();
    assert!(matches!(error, TrieError::MissingNode { .. }));
    assert!(error.to_string().starts_with("the root node of the account trie is not stored"));
    assert_eq!(trie.root(), root);

    // One node of the storage trie is missing: the account's path is changed by then.
    let owner = keccak256(address(7));
    let key = TrieNodeKey { owner: Some(owner), path: Nibbles::new() };
    let mut store = chain.store.clone();
    store.0.remove(&key).unwrap();
    let mut block = block;
    for number in 100..300 {
        block
            .accounts
            .extend(changes([(address(number), Some(account(9, 9)), false, &[])]).accounts);
    }
    let error = trie.update(&store, &block).unwrap_err();
    let TrieError::MissingNode { node, .. } = &error else { panic!("{error}") };
    assert_eq!(*node.key(), key);
    assert!(error.to_string().contains(&owner.to_string()), "{error}");
    assert_eq!(trie.root(), root);
    assert_eq!(trie.hot_bytes(), 0);

    // With the right source the same trie goes on.
    let mut chain = Chain { trie, ..chain };
    chain.block(&block);
}

#[test]
fn a_damaged_node_is_refused() {
    let chain = populated();
    let mut store = chain.store.clone();
    let path = Nibbles::unpack(keccak256(address(3))).slice(..1);
    let key = TrieNodeKey { owner: None, path };
    let rlp = store.0.get_mut(&key).unwrap();
    let mut bytes = rlp.to_vec();
    bytes[40] ^= 1;
    *rlp = bytes.into();

    let mut trie = StateTrie::new(chain.trie.root());
    let block = changes([(address(3), None, false, &[])]);
    let error = trie.update(&store, &block).unwrap_err();
    let TrieError::HashMismatch { node, .. } = &error else { panic!("{error}") };
    assert_eq!(*node.key(), key);
    assert!(error.to_string().starts_with("the node at path "), "{error}");
    let error = trie.account_proof(&store, address(3), &[]).unwrap_err();
    assert!(matches!(error, TrieError::HashMismatch { .. }));
    assert!(trie.update(&store, &block).is_err());
}

#[test]
fn what_is_no_trie_of_accounts_is_refused() {
    // A leaf of a storage trie in the place of the account trie's root: right hash, wrong thing.
    let chain = populated();
    let rlp = Bytes::from(alloy_rlp::encode(vec![U256::from(1), U256::from(2), U256::from(3)]));
    let mut store = chain.store.clone();
    store.0.insert(TrieNodeKey { owner: None, path: Nibbles::new() }, rlp.clone());
    let mut trie = StateTrie::new(keccak256(&rlp));
    let block = changes([(address(3), None, false, &[])]);
    assert!(matches!(trie.update(&store, &block), Err(TrieError::Malformed { .. })));
    assert!(matches!(
        trie.account_proof(&store, address(3), &[]),
        Err(TrieError::Malformed { .. })
    ));
}

#[test]
fn leaves_that_do_not_fit_are_refused() {
    let key = Nibbles::unpack(keccak256(address(3)));
    let block = changes([(address(3), Some(account(1, 1)), false, &[(1, 1)])]);
    for (key, value, reason) in [
        (key, &b"no account at all, but quite long"[..], "its value is no account"),
        (key.slice(..10), b"a leaf that ends far too early", "its depth does not fit"),
    ] {
        let rlp = Bytes::from(alloy_rlp::encode(LeafNode::new(key, value.to_vec()).as_ref()));
        let root = keccak256(&rlp);
        let mut store = NodeStore::default();
        let path = Nibbles::new();
        store.0.insert(TrieNodeKey { owner: None, path }, rlp);
        let error = StateTrie::new(root).update(&store, &block).unwrap_err();
        assert!(matches!(error, TrieError::Malformed { .. }));
        assert!(error.to_string().contains(reason), "{error}");
    }
}

#[test]
fn a_failure_of_storage_is_passed_on() {
    let chain = populated();
    let mut trie = StateTrie::new(chain.trie.root());
    let block = changes([(address(3), None, false, &[])]);
    let error = trie.update(&Failing, &block).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot read the root node of the account trie: the disk is on fire"
    );
}

#[test]
fn eviction_bounds_memory_and_keeps_the_recent() {
    let mut chain = populated();
    assert!(chain.trie.hot_bytes() > 40_000);
    chain.trie.evict(1 << 20);
    assert!(chain.trie.hot_bytes() > 40_000, "within the bound nothing is dropped");

    let recent = changes([(address(3), Some(account(5, 5)), false, &[])]);
    chain.block(&recent);
    chain.trie.evict(16_000);
    assert!((1..=16_000).contains(&chain.trie.hot_bytes()));
    // What was used last is still there.
    let again = changes([(address(3), Some(account(6, 6)), false, &[])]);
    let updates = chain.trie.update(&EmptyNodes, &again).unwrap();
    chain.store.apply(&updates);
    chain.model.apply(&again);
    chain.check();

    chain.trie.evict(0);
    assert_eq!(chain.trie.hot_bytes(), 0);
    assert!(chain.trie.clone().update(&EmptyNodes, &again).is_err());
    chain.block(&changes([(address(3), None, false, &[]), (address(7), None, false, &[])]));
}
