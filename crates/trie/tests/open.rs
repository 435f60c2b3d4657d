//! Work that is done while a block is open changes nothing about its root.

mod support;

use alloy_primitives::Bytes;
use plasma_storage::{StateChanges, StorageError, TrieNodeKey};
use plasma_trie::{EmptyNodes, NodeSource, OpenTrie, StateTrie};
use proptest::{collection::vec, prelude::*};
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};
use support::{
    Chain, NodeStore, Pause, account, address, changes,
    strategies::{block, pause},
};

/// One tick of an open block.
#[derive(Clone, Debug)]
struct Tick {
    changes: StateChanges,
    /// It is handed over before the block ends.
    added: bool,
    /// It is in the block; one that is not was taken back after it was handed over.
    kept: bool,
    /// The work on it is waited for.
    awaited: bool,
}

fn tick() -> impl Strategy<Value = Tick> {
    let weighted = prop::bool::weighted;
    (block(), weighted(0.8), weighted(0.95), any::<bool>())
        .prop_map(|(changes, added, kept, awaited)| Tick { changes, added, kept, awaited })
}

impl Chain {
    fn open_block(&mut self, ticks: &[Tick], keep_bytes: usize) {
        let open = OpenTrie::new(self.trie.clone(), Arc::new(self.store.clone()), keep_bytes);
        let mut all = StateChanges::default();
        // A model of merging that does what an account's life does: what is deleted loses its storage.
        let mut model = self.model.clone();
        for tick in ticks {
            if tick.added {
                open.add(Arc::new(tick.changes.clone()));
                if tick.awaited {
                    open.wait();
                }
            }
            if tick.kept {
                model.apply(&tick.changes);
                for (address, change) in &tick.changes.accounts {
                    let deleted_before =
                        all.accounts.get(address).is_some_and(|before| before.account.is_none());
                    let mut change = change.clone();
                    change.storage_wiped |= deleted_before;
                    let change = [(*address, change)].into_iter().collect();
                    all.merge(StateChanges { accounts: change, ..Default::default() });
                }
            }
        }
        let (trie, updates) = open.finish(&all).unwrap();
        self.past.push(std::mem::replace(&mut self.model, model));
        self.trie = trie;
        self.store.apply(&updates);
        self.check();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn root_equals_full_rebuild(
        blocks in vec((vec(tick(), 0..6), pause(), 0usize..40_000), 1..16),
    ) {
        let mut chain = Chain::default();
        for (ticks, pause, keep_bytes) in blocks {
            chain.pause(&pause);
            chain.open_block(&ticks, keep_bytes);
        }
    }

    /// The block's changes need not even follow from those that were handed over.
    #[test]
    fn whatever_was_handed_over_before(
        first in block(), second in block(), handed_over in vec(block(), 1..4), wait: bool,
    ) {
        let mut chain = Chain::default();
        chain.block(&first);
        let open = OpenTrie::new(chain.trie.clone(), Arc::new(chain.store.clone()), usize::MAX);
        for changes in handed_over {
            open.add(Arc::new(changes));
        }
        if wait {
            open.wait();
        }
        let (trie, updates) = open.finish(&second).unwrap();
        chain.trie = trie;
        chain.store.apply(&updates);
        chain.model.apply(&second);
        chain.check();
    }
}

fn populated() -> Chain {
    let mut chain = Chain::default();
    let slots: Vec<_> = (1..60).map(|slot| (slot, slot)).collect();
    for number in 0..400 {
        let slots = if number == 7 { &slots[..] } else { &[] };
        chain.block_unchecked(&changes([(
            address(number),
            Some(account(1, number)),
            false,
            slots,
        )]));
    }
    chain.check();
    chain
}

/// Counts what is loaded, and fails on command.
struct Watched {
    store: NodeStore,
    loads: AtomicUsize,
    fails: AtomicBool,
    panics: bool,
}

impl Watched {
    fn new(store: &NodeStore) -> Arc<Self> {
        let store = store.clone();
        Arc::new(Self { store, loads: 0.into(), fails: false.into(), panics: false })
    }
}

impl NodeSource for Watched {
    fn node(&self, key: &TrieNodeKey) -> Result<Option<Bytes>, StorageError> {
        if self.fails.load(Ordering::SeqCst) {
            assert!(!self.panics, "the disk is on fire");
            return Err(StorageError::Other("the disk is on fire".into()));
        }
        self.loads.fetch_add(1, Ordering::SeqCst);
        self.store.node(key)
    }
}

#[test]
fn sealing_loads_nothing_that_was_handed_over() {
    let mut chain = populated();
    chain.pause(&Pause::Reopen);
    let source = Watched::new(&chain.store);
    let open = OpenTrie::new(chain.trie.clone(), source.clone(), usize::MAX);
    let many: Vec<_> = (0..150).map(|number| (address(number), Some(account(9, 9)))).collect();
    let mut all = StateChanges::default();
    for (address, account) in many {
        all.merge(changes([(address, account, false, &[])]));
    }
    all.merge(changes([(address(7), Some(account(5, 5)), false, &[(1, 7), (5, 1), (61, 2)])]));
    open.add(Arc::new(all.clone()));
    open.wait();
    let loads = source.loads.load(Ordering::SeqCst);
    assert!(loads > 150, "{loads}");
    let (trie, updates) = open.finish(&all).unwrap();
    assert_eq!(source.loads.load(Ordering::SeqCst), loads);
    chain.trie = trie;
    chain.store.apply(&updates);
    chain.model.apply(&all);
    chain.check();
}

#[test]
fn the_trie_that_it_began_with_stays() {
    let mut chain = populated();
    let open = OpenTrie::new(chain.trie.clone(), Arc::new(EmptyNodes), usize::MAX);
    open.add(Arc::new(changes([(address(7), None, false, &[])])));
    open.wait();
    drop(open);
    chain.check();
    chain.block(&changes([(address(7), Some(account(2, 2)), false, &[(1, 3)])]));
}

#[test]
fn a_failure_is_told_at_the_end_or_overcome() {
    for panics in [false, true] {
        let mut chain = populated();
        chain.pause(&Pause::Reopen);
        let block = changes([(address(7), Some(account(2, 2)), false, &[(1, 3)])]);
        let watched = || {
            let mut source = Watched::new(&chain.store);
            Arc::get_mut(&mut source).unwrap().panics = panics;
            source.fails.store(true, Ordering::SeqCst);
            let open = OpenTrie::new(chain.trie.clone(), source.clone(), usize::MAX);
            open.add(Arc::new(block.clone()));
            open.wait();
            (open, source)
        };
        if !panics {
            let (open, _source) = watched();
            let error = open.finish(&block).unwrap_err();
            assert!(error.to_string().ends_with("the disk is on fire"), "{error}");
        }
        let (open, source) = watched();
        source.fails.store(false, Ordering::SeqCst);
        let (trie, updates) = open.finish(&block).unwrap();
        chain.trie = trie;
        chain.store.apply(&updates);
        chain.model.apply(&block);
        chain.check();
    }
}

/// What was handed over and is no part of the block leaves no trace.
#[test]
fn what_is_taken_back_leaves_no_trace() {
    let base = populated();
    let contract = |account, wiped, slots| changes([(address(7), account, wiped, slots)]);
    let some = Some(account(9, 9));
    let cases = [
        ("a wipe", contract(some, true, &[]), contract(some, false, &[(5, 9)])),
        ("a deletion", contract(None, false, &[]), contract(some, false, &[(5, 9)])),
        ("a slot", contract(some, false, &[(5, 9), (6, 9)]), contract(some, false, &[(5, 9)])),
        ("a new slot", contract(some, false, &[(70, 9)]), contract(some, false, &[])),
        ("a slot after a wipe", contract(some, true, &[(5, 9)]), contract(some, true, &[])),
        ("a change before a wipe", contract(some, false, &[(5, 9)]), contract(some, true, &[])),
        ("a value", contract(some, false, &[(5, 9)]), contract(some, false, &[(5, 5)])),
        (
            "another account",
            changes([(address(8), None, false, &[])]),
            contract(some, false, &[(5, 9)]),
        ),
        ("everything", contract(some, true, &[(5, 9)]), StateChanges::default()),
    ];
    for (name, handed_over, block) in cases {
        let open = OpenTrie::new(base.trie.clone(), Arc::new(base.store.clone()), usize::MAX);
        open.add(Arc::new(handed_over));
        open.wait();
        let (trie, updates) = open.finish(&block).unwrap();
        let mut chain = Chain { trie, model: base.model.clone(), ..Chain::default() };
        chain.store = base.store.clone();
        chain.store.apply(&updates);
        chain.model.apply(&block);
        assert_eq!(chain.trie.root(), chain.model.root(), "{name}");
        chain.check();
    }
}

/// Many blocks at once on one pool: none waits for another.
#[test]
fn blocks_do_not_wait_for_each_other() {
    let chain = populated();
    let expected: Vec<_> = (0..8u64)
        .map(|number| {
            let mut model = chain.model.clone();
            let mut block = StateChanges::default();
            for account_number in 0..300 {
                let account = account(number + 2, account_number);
                block.merge(changes([(address(account_number), Some(account), false, &[])]));
            }
            model.apply(&block);
            (block, model.root())
        })
        .collect();
    std::thread::scope(|scope| {
        for (block, root) in &expected {
            let chain = &chain;
            scope.spawn(move || {
                for _ in 0..10 {
                    let trie = StateTrie::new(chain.trie.root());
                    let open = OpenTrie::new(trie, Arc::new(chain.store.clone()), usize::MAX);
                    for (address, change) in &block.accounts {
                        let accounts = [(*address, change.clone())].into_iter().collect();
                        open.add(Arc::new(StateChanges { accounts, ..Default::default() }));
                    }
                    assert_eq!(open.finish(block).unwrap().0.root(), *root);
                }
            });
        }
    });
}
