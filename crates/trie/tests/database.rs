//! The trie over a real database: nodes come back as they were stored, through restarts and
//! reverts.

mod support;

use alloy_consensus::Header;
use alloy_primitives::{B256, U256, keccak256};
use alloy_trie::EMPTY_ROOT_HASH;
use plasma_storage::{AccountChange, BlockRecord, Database, DatabaseOptions, StateChanges};
use plasma_trie::{EmptyNodes, StateTrie};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::sync::Arc;
use support::{Model, account, address};

fn block_hash(number: u64) -> B256 {
    keccak256(number.to_be_bytes())
}

fn random_block(random: &mut StdRng) -> StateChanges {
    let mut block = StateChanges::default();
    for _ in 0..random.random_range(0..60) {
        let slots = if random.random_bool(0.3) { 30 } else { 0 };
        let change = AccountChange {
            account: random.random_bool(0.8).then(|| account(1, random.random())),
            storage_wiped: random.random_bool(0.1),
            storage: (0..slots)
                .map(|_| {
                    let value = random.random_range(0..3u64);
                    (U256::from(random.random_range(0..50u64)), U256::from(value))
                })
                .collect(),
        };
        block.accounts.insert(address(random.random_range(0..200)), change);
    }
    block
}

#[test]
fn roots_survive_restarts_and_reverts() {
    let directory = tempfile::tempdir().unwrap();
    let open = || {
        let options =
            DatabaseOptions { persist_batch: 3, map_bytes: 1 << 30, ..Default::default() };
        Database::open(directory.path(), options).unwrap()
    };
    let mut random = StdRng::seed_from_u64(11);
    let mut database = open();
    let mut trie = StateTrie::new(EMPTY_ROOT_HASH);
    // The state after each block.
    let mut models = vec![Model::default()];

    let genesis = random_block(&mut random);
    let updates = trie.update(&EmptyNodes, &genesis).unwrap();
    database.init_genesis(&Header::default(), block_hash(0), &genesis, &updates).unwrap();
    models[0].apply(&genesis);

    for step in 0..80 {
        let tip = models.len() as u64 - 1;
        let root = models[models.len() - 1].root();
        assert_eq!(trie.root(), root);
        match step % 10 {
            3 => trie = StateTrie::new(root),
            5 => trie.evict(20_000),
            7 => {
                database.flush().unwrap();
                drop(database);
                database = open();
                trie = StateTrie::new(root);
            }
            9 => {
                let number = tip.saturating_sub(random.random_range(1..5));
                database.revert_to(number).unwrap();
                models.truncate(number as usize + 1);
                trie = StateTrie::new(models[models.len() - 1].root());
            }
            _ => {}
        }

        let block = random_block(&mut random);
        let source = database.latest().unwrap();
        let number = models.len() as u64;
        assert_eq!(source.number() + 1, number);
        let updates = trie.update(&source, &block).unwrap();
        let mut model = models[models.len() - 1].clone();
        model.apply(&block);
        models.push(model);
        let header = Header { number, ..Default::default() };
        let record = BlockRecord { header, hash: block_hash(number), ..Default::default() };
        database.append_block(&record).unwrap();
        database
            .push_block_state(
                number,
                block_hash(number),
                vec![],
                Arc::new(block),
                Arc::new(updates),
                &[],
            )
            .unwrap();

        // A proof of every account reads all nodes of the account trie and their hashes.
        let blinded = StateTrie::new(trie.root());
        let source = database.latest().unwrap();
        for number in 0..200 {
            let slots: Vec<_> = (0..50u64).step_by(6).map(|slot| U256::from(slot).into()).collect();
            let proof = blinded.account_proof(&source, address(number), &slots).unwrap();
            let model = &models[models.len() - 1];
            assert_eq!(proof.account.is_some(), model.account(address(number)).is_some());
            for slot in proof.storage {
                assert_eq!(slot.value, model.slot(address(number), slot.slot.into()));
            }
        }
    }
}
