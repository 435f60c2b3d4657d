//! Proofs of present and absent keys, checked by an independent verifier.

mod support;

use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles, TrieAccount, proof::verify_proof};
use plasma_storage::StateChanges;
use plasma_trie::{EmptyNodes, StateTrie};
use rand::{Rng, SeedableRng, rngs::StdRng};
use support::{Chain, Model, NodeStore, account, address, changes};

fn check_proof(
    trie: &StateTrie,
    store: &NodeStore,
    model: &Model,
    address: Address,
    slots: &[u64],
) {
    let keys: Vec<_> = slots.iter().map(|slot| B256::from(U256::from(*slot))).collect();
    let proof = trie.account_proof(store, address, &keys).unwrap();
    assert_eq!(proof.address, address);

    let expected = model.account(address).map(|account| {
        let storage_root = proof.storage_root();
        TrieAccount {
            nonce: account.nonce,
            balance: account.balance,
            storage_root,
            code_hash: account.get_bytecode_hash(),
        }
    });
    assert_eq!(proof.account, expected);
    let value = expected.map(alloy_rlp::encode);
    let key = Nibbles::unpack(keccak256(address));
    verify_proof(trie.root(), key, value, &proof.proof).unwrap();

    assert_eq!(proof.storage.len(), slots.len());
    for ((slot, key), proved) in slots.iter().zip(&keys).zip(&proof.storage) {
        assert_eq!(proved.slot, *key);
        assert_eq!(proved.value, model.slot(address, U256::from(*slot)));
        let value = (!proved.value.is_zero()).then(|| alloy_rlp::encode(proved.value));
        let key = Nibbles::unpack(keccak256(key));
        verify_proof(proof.storage_root(), key, value, &proved.proof).unwrap();
    }
}

#[test]
fn proofs_verify_in_memory_and_from_storage() {
    let mut random = StdRng::seed_from_u64(7);
    let mut chain = Chain::default();
    for _ in 0..12 {
        let mut block = StateChanges::default();
        for _ in 0..60 {
            let slots: Vec<_> = (0..random.random_range(0..20))
                .map(|_| (random.random_range(0..80), random.random_range(0..3)))
                .collect();
            let account = random.random_bool(0.85).then(|| account(1, random.random()));
            block.accounts.extend(
                changes([(address(random.random_range(0..300)), account, false, &slots)]).accounts,
            );
        }
        chain.block(&block);

        let blinded = StateTrie::new(chain.trie.root());
        let mut half = chain.trie.clone();
        half.evict(10_000);
        for number in 0..320 {
            let slots: Vec<_> = (0..90).step_by(7).collect();
            for trie in [&chain.trie, &blinded, &half] {
                check_proof(trie, &chain.store, &chain.model, address(number), &slots);
            }
        }
        assert_eq!(blinded.hot_bytes(), 0, "a proof brings nothing into memory");
    }
}

#[test]
fn the_empty_trie_proves_absence() {
    let trie = StateTrie::new(EMPTY_ROOT_HASH);
    let proof = trie.account_proof(&EmptyNodes, address(1), &[B256::ZERO]).unwrap();
    assert_eq!((proof.account, proof.storage_root()), (None, EMPTY_ROOT_HASH));
    assert!(proof.proof.is_empty() && proof.storage[0].proof.is_empty());
    check_proof(&trie, &NodeStore::default(), &Model::default(), address(1), &[1, 2]);
}
