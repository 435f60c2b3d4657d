//! Long random histories: the incremental root equals the full rebuild after each block, and the
//! stored nodes are exactly those of the root.

mod support;

use alloy_primitives::{B256, U256};
use alloy_trie::EMPTY_ROOT_HASH;
use plasma_storage::{AccountChange, StateChanges};
use plasma_trie::{EmptyNodes, StateTrie};
use proptest::{collection::vec, prelude::*};
use rand::{Rng, SeedableRng, rngs::StdRng};
use support::{
    Chain, account, address, changes,
    strategies::{block, pause},
};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(160))]

    #[test]
    fn root_equals_full_rebuild(blocks in vec((block(), pause()), 1..24)) {
        let mut chain = Chain::default();
        for (block, pause) in blocks {
            chain.pause(&pause);
            chain.block(&block);
        }
    }
}

/// Thousands of accounts and blocks large enough for every parallel path, over one seed.
#[test]
fn long_seeded_history() {
    let mut random = StdRng::seed_from_u64(0x706c_6173_6d61);
    let mut chain = Chain::default();
    for number in 0..60 {
        let touched = if number % 3 == 0 { 700 } else { random.random_range(0..40) };
        let mut block = StateChanges::default();
        for _ in 0..touched {
            let slots = match random.random_range(0..200u32) {
                0 => 300,
                1..20 => 5,
                _ => 0,
            };
            let change = AccountChange {
                account: random
                    .random_bool(0.8)
                    .then(|| account(random.random_range(0..4), random.random())),
                storage_wiped: random.random_bool(0.02),
                storage: (0..slots)
                    .map(|_| {
                        let value = if random.random_bool(0.4) { 0 } else { random.random() };
                        (U256::from(random.random_range(0..400u32)), U256::from::<u64>(value))
                    })
                    .collect(),
            };
            block.accounts.insert(address(random.random_range(0..3000)), change);
        }
        match number % 7 {
            3 => chain.trie.evict(100_000),
            5 => chain.trie = StateTrie::new(chain.trie.root()),
            _ => {}
        }
        chain.block(&block);
    }

    // Everything goes again: nothing may be left.
    let mut block = StateChanges::default();
    for address in chain.model.0.keys() {
        block.accounts.insert(*address, AccountChange::default());
    }
    chain.block(&block);
    assert_eq!(chain.trie.root(), EMPTY_ROOT_HASH);
    assert!(chain.store.0.is_empty());
}

#[test]
fn an_empty_block_changes_nothing() {
    let mut chain = Chain::default();
    chain.block(&changes([(address(1), Some(account(1, 1)), false, &[(1, 1)])]));
    let updates = chain.trie.update(&EmptyNodes, &StateChanges::default()).unwrap();
    assert_eq!(updates, Default::default());
    // Values that are the same as before are no change either.
    let same = changes([(address(1), Some(account(1, 1)), false, &[(1, 1), (2, 0)])]);
    assert_eq!(chain.trie.update(&EmptyNodes, &same).unwrap(), Default::default());
    assert_eq!(chain.trie.root(), chain.model.root());
}

#[test]
fn wiped_storage_starts_from_the_empty_trie() {
    let mut chain = Chain::default();
    let many: Vec<_> = (0..50).map(|slot| (slot, slot + 1)).collect();
    chain.block(&changes([(address(1), Some(account(1, 1)), false, &many)]));
    chain.block(&changes([(address(2), Some(account(1, 1)), false, &many)]));
    assert_eq!(chain.trie.clone().root(), chain.model.root());

    chain.trie = StateTrie::new(chain.trie.root());
    chain.block(&changes([(address(1), Some(account(2, 1)), true, &[(3, 9), (60, 1)])]));
    assert_eq!(chain.model.0[&address(1)].1.len(), 2);
    chain.block(&changes([(address(2), None, true, &[])]));
    chain.block(&changes([(address(2), Some(account(0, 5)), true, &many)]));
    // Slot by slot to zero, without a wipe.
    let zeros: Vec<_> = (0..50).map(|slot| (slot, 0)).collect();
    chain.block(&changes([(address(2), Some(account(0, 5)), false, &zeros)]));
    assert!(chain.model.0[&address(2)].1.is_empty());
}

#[test]
fn a_clone_stays_at_its_root() {
    let mut chain = Chain::default();
    let slots: Vec<_> = (1..40).map(|slot| (slot, slot)).collect();
    for number in 0..200 {
        chain.block_unchecked(&changes([(address(number), Some(account(1, number)), false, &[])]));
    }
    chain.block(&changes([(address(7), Some(account(1, 1)), false, &slots)]));

    let (old, old_store, old_root) = (chain.trie.clone(), chain.store.clone(), chain.trie.root());
    let old_proof = old.account_proof(&old_store, address(7), &[B256::with_last_byte(3)]).unwrap();
    for number in 0..100 {
        let gone = (address(number * 2), None, false, &[][..]);
        let changed = (address(number * 2 + 1), Some(account(2, 2)), false, &slots[..3]);
        chain.block_unchecked(&changes([gone, changed]));
    }
    chain.check();
    chain.trie.evict(2_000);

    assert_eq!(old.root(), old_root);
    let proof = old.account_proof(&EmptyNodes, address(7), &[B256::with_last_byte(3)]).unwrap();
    assert_eq!(proof, old_proof, "the clone still has its nodes in memory");

    // The clone goes another way.
    let mut fork = Chain { trie: old, store: old_store, ..Default::default() };
    for number in 0..200 {
        fork.model.apply(&changes([(address(number), Some(account(1, number)), false, &[])]));
    }
    fork.model.apply(&changes([(address(7), Some(account(1, 1)), false, &slots)]));
    fork.block(&changes([(address(9), None, false, &[]), (address(7), None, false, &[])]));
    assert_ne!(fork.trie.root(), chain.trie.root());
    chain.check();
}
