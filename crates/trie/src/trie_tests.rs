//! Tests of one trie by its nibbles: deep shared prefixes, embedded nodes, published fixtures.

use crate::{
    NodeSource, TrieError,
    edit::{Applied, Edit, edit_slot},
    evict,
    hash::hash_root,
    node::{Link, Value},
    source::Walk,
};
use alloy_primitives::{B256, Bytes, hex, keccak256};
use alloy_rlp::Decodable;
use alloy_trie::{
    EMPTY_ROOT_HASH, HashBuilder, Nibbles,
    nodes::{RlpNode, TrieNode},
};
use plasma_storage::{StorageError, TrieNodeKey};
use proptest::{collection::vec, prelude::*};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::atomic::AtomicUsize,
};

/// A key with its new value; `None` removes it.
struct Set(Nibbles, Option<Vec<u8>>);

impl Edit for Set {
    fn key(&self) -> &Nibbles {
        &self.0
    }

    fn weight(&self) -> usize {
        1
    }

    fn is_removal(&self) -> bool {
        self.1.is_none()
    }

    fn apply(
        &mut self,
        _walk: &Walk<'_>,
        value: &mut Value,
        exists: bool,
    ) -> Result<Applied, TrieError> {
        let Some(new) = self.1.take() else {
            return Ok(Applied::Removed);
        };
        if exists && *value.rlp == *new {
            return Ok(Applied::Unchanged);
        }
        value.rlp = new.into_boxed_slice();
        Ok(Applied::Changed)
    }
}

#[derive(Default)]
struct Store(BTreeMap<Nibbles, Bytes>);

impl NodeSource for Store {
    fn node(&self, key: &TrieNodeKey) -> Result<Option<Bytes>, StorageError> {
        Ok(self.0.get(&key.path).cloned())
    }
}

/// A trie of plain values with its store and its model.
#[derive(Default)]
struct Raw {
    root: Option<Link>,
    store: Store,
    model: BTreeMap<Nibbles, Vec<u8>>,
    generation: u32,
    hot_bytes: usize,
}

impl Raw {
    fn update(&mut self, batch: BTreeMap<Nibbles, Option<Vec<u8>>>) {
        for (key, value) in &batch {
            match value {
                Some(value) => self.model.insert(*key, value.clone()),
                None => self.model.remove(key),
            };
        }
        let added = AtomicUsize::new(0);
        self.generation += 1;
        let source = &self.store;
        let walk = Walk { source, owner: None, generation: self.generation, added: &added };
        let mut edits: Vec<_> = batch.into_iter().map(|(key, value)| Set(key, value)).collect();
        let mut removed = Vec::new();
        let path = Nibbles::new();
        edit_slot(&walk, &mut self.root, &path, &mut edits, &mut removed).unwrap();
        let nodes = hash_root(self.root.as_mut(), edits.len());
        self.hot_bytes += added.into_inner();
        for (path, rlp) in removed.into_iter().map(|path| (path, None)).chain(nodes) {
            match rlp {
                Some(rlp) => self.store.0.insert(path, rlp),
                None => self.store.0.remove(&path),
            };
        }
    }

    fn evict(&mut self, keep: usize) {
        self.hot_bytes = evict::evict(self.root.as_mut(), keep);
        assert!(self.hot_bytes <= keep);
    }

    fn root(&self) -> B256 {
        Link::root_hash(self.root.as_ref())
    }

    fn expected_root(&self) -> B256 {
        let mut builder = HashBuilder::default();
        for (key, value) in &self.model {
            builder.add_leaf(*key, value);
        }
        builder.root()
    }

    fn check(&self) {
        assert_eq!(self.root(), self.expected_root());
        let in_memory = evict::evict(self.root.clone().as_mut(), usize::MAX);
        assert!(in_memory <= self.hot_bytes, "{in_memory} > {}", self.hot_bytes);
        let mut reached = BTreeSet::new();
        if self.root() != EMPTY_ROOT_HASH {
            self.reach(Nibbles::new(), &RlpNode::word_rlp(&self.root()), &mut reached);
        }
        assert_eq!(reached, self.store.0.keys().copied().collect());
    }

    fn reach(&self, path: Nibbles, rlp: &RlpNode, reached: &mut BTreeSet<Nibbles>) {
        let rlp = match rlp.as_hash() {
            None => rlp.to_vec(),
            Some(hash) => {
                let rlp = &self.store.0[&path];
                assert_eq!(keccak256(rlp), hash);
                reached.insert(path);
                rlp.to_vec()
            }
        };
        match TrieNode::decode(&mut &rlp[..]).unwrap() {
            TrieNode::EmptyRoot => panic!("an empty node is referred to"),
            TrieNode::Leaf(_) => {}
            TrieNode::Extension(node) => self.reach(path.join(&node.key), &node.child, reached),
            TrieNode::Branch(node) => {
                let nibbles = (0..16u8).filter(|nibble| node.state_mask.is_bit_set(*nibble));
                for (nibble, child) in nibbles.zip(&node.stack) {
                    self.reach(crate::node::child_path(&path, nibble), child, reached);
                }
            }
        }
    }
}

/// Keys of 64 nibbles that agree in long stretches: each is made of few bits at chosen depths.
fn deep_keys() -> impl Strategy<Value = Nibbles> {
    let depth = prop_oneof![Just(0usize), Just(1), Just(5), Just(40), Just(61), Just(62), Just(63)];
    vec((depth, 0u8..3), 0..4).prop_map(|marks| {
        let mut key = [0u8; 64];
        for (depth, nibble) in marks {
            key[depth] = nibble * 5;
        }
        Nibbles::from_nibbles(key)
    })
}

fn values() -> impl Strategy<Value = Option<Vec<u8>>> {
    prop_oneof![
        2 => Just(None),
        3 => vec(any::<u8>(), 1..3).prop_map(Some),
        1 => vec(any::<u8>(), 20..60).prop_map(Some),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn deep_prefixes_and_embedded_nodes(
        batches in vec(
            (prop::collection::btree_map(deep_keys(), values(), 1..12), 0u8..3),
            1..24,
        ),
    ) {
        let mut trie = Raw::default();
        for (batch, pause) in batches {
            match pause {
                0 => trie.root = Link::root(trie.root(), None),
                1 => trie.evict(700),
                _ => {}
            }
            trie.update(batch);
            trie.check();
        }
    }
}

#[test]
fn small_nodes_stand_in_their_parents() {
    let key = |last: u8| {
        let mut key = [0u8; 64];
        key[63] = last;
        Nibbles::from_nibbles(key)
    };
    let mut trie = Raw::default();
    trie.update([(key(1), Some(vec![1])), (key(2), Some(vec![2]))].into());
    trie.check();
    // An extension and a small branch, whose leaves are embedded: one or two stored nodes.
    assert!(trie.store.0.len() <= 2);
    trie.update([(key(2), None)].into());
    trie.check();
    assert_eq!(trie.store.0.len(), 1);
    trie.update([(key(1), None)].into());
    assert_eq!(trie.root(), EMPTY_ROOT_HASH);
    assert!(trie.store.0.is_empty());
}

fn fixture(name: &str) -> Option<serde_json::Map<String, serde_json::Value>> {
    let Some(fixtures) = std::env::var_os("PLASMA_FIXTURES") else {
        println!("skipped: PLASMA_FIXTURES is not set, so there are no trie fixtures");
        return None;
    };
    let path = PathBuf::from(fixtures).join("ethereum-tests/TrieTests").join(name);
    if !path.exists() {
        println!("skipped: {} does not exist", path.display());
        return None;
    }
    Some(serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap())
}

fn bytes(text: &str) -> Vec<u8> {
    match text.strip_prefix("0x") {
        Some(digits) => hex::decode(digits).unwrap(),
        None => text.as_bytes().to_vec(),
    }
}

/// The steps of a fixture, in order: key and value (`None`: removed).
fn steps(case: &serde_json::Value) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
    let step = |key: &str, value: &serde_json::Value| (bytes(key), value.as_str().map(bytes));
    match &case["in"] {
        serde_json::Value::Array(steps) => {
            steps.iter().map(|pair| step(pair[0].as_str().unwrap(), &pair[1])).collect()
        }
        serde_json::Value::Object(steps) => {
            steps.iter().map(|(key, value)| step(key, value)).collect()
        }
        other => panic!("{other} is no list of steps"),
    }
}

fn run_fixture(name: &str, key: impl Fn(&[u8]) -> Option<Nibbles>) -> usize {
    let mut passed = 0;
    for (case, content) in fixture(name).unwrap_or_default() {
        let root: B256 = content["root"].as_str().unwrap().parse().unwrap();
        let steps = steps(&content);
        let Some(steps) = steps
            .into_iter()
            .map(|(bytes, value)| Some((key(&bytes)?, value)))
            .collect::<Option<Vec<_>>>()
        else {
            println!("{name}: {case} is left out: its keys are no trie keys of a state");
            continue;
        };

        let mut one_by_one = Raw::default();
        let mut batch = BTreeMap::new();
        for (key, value) in steps {
            one_by_one.update([(key, value.clone())].into());
            one_by_one.check();
            batch.insert(key, value);
        }
        assert_eq!(one_by_one.root(), root, "{name}: {case}");
        let mut at_once = Raw::default();
        at_once.update(batch);
        at_once.check();
        assert_eq!(at_once.root(), root, "{name}: {case} at once");
        passed += 1;
    }
    passed
}

#[test]
fn published_tries_with_hashed_keys() {
    let hashed = |key: &[u8]| Some(Nibbles::unpack(keccak256(key)));
    for (name, cases) in [
        ("trieanyorder_secureTrie.json", 7),
        ("trietest_secureTrie.json", 3),
        ("hex_encoded_securetrie_test.json", 3),
    ] {
        let passed = run_fixture(name, hashed);
        println!("{name}: {passed} cases pass");
        assert!(passed == cases || std::env::var_os("PLASMA_FIXTURES").is_none());
    }
}

/// State tries have keys of one length, so of the plain tries only those with such keys apply.
#[test]
fn published_tries_with_keys_of_one_length() {
    let plain = |key: &[u8]| (key.len() == 20).then(|| Nibbles::unpack(key));
    let passed = run_fixture("trietest.json", plain);
    assert!(passed == 1 || std::env::var_os("PLASMA_FIXTURES").is_none());
}
