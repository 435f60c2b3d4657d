//! Chains beside each other: the longer one wins, and everything follows.

mod support;

use alloy_primitives::{Address, B256, U256};
use plasma_chain::{Chain, ChainEvent, ExecutedBlock, Imported};
use std::sync::Arc;
use support::{
    appearances, balance, lane_address, open, open_with_way_back, scanned, submit, transfer,
};

/// Mines a block with one transfer of sender `index`.
fn mine(chain: &Chain, index: usize, nonce: u64, to: Address) -> (Arc<ExecutedBlock>, B256) {
    let hash = submit(chain, transfer(index, nonce, to, 3));
    let mined = chain.dev().unwrap().mine(1, None).unwrap();
    (mined.last().unwrap().clone(), hash)
}

/// A second chain of the same genesis whose blocks have another beneficiary.
fn other(dir: &std::path::Path) -> Chain {
    let chain = open(dir, true, false);
    chain.dev().unwrap().set_coinbase(Address::repeat_byte(0xcb)).unwrap();
    chain
}

fn import(chain: &Chain, block: &ExecutedBlock) -> Imported {
    chain.import_block(block.to_block()).unwrap()
}

#[test]
fn a_longer_chain_takes_over_and_gives_transactions_back() {
    let dirs = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (ours, theirs) = (open(dirs.0.path(), true, true), other(dirs.1.path()));
    let (left, right) = (Address::repeat_byte(0x11), Address::repeat_byte(0x22));
    let (_, shared) = mine(&ours, 0, 0, left);
    let (second, lost) = mine(&ours, 1, 0, left);
    let (_, also_lost) = mine(&ours, 1, 1, left);
    let mut events = ours.subscribe();

    // The shared transaction stands in both chains; sender 2's only in theirs.
    let mut branch = vec![mine(&theirs, 0, 0, left).0];
    let mut new = Vec::new();
    for nonce in 0..4 {
        let (block, hash) = mine(&theirs, 2, nonce, right);
        branch.push(block);
        new.push(hash);
    }
    for block in &branch[..3] {
        assert!(matches!(import(&ours, block), Imported::Side(_)), "not longer yet");
        assert!(matches!(import(&ours, block), Imported::Known(_)));
    }
    assert_eq!(ours.head().number(), 3);
    assert!(matches!(import(&ours, &branch[3]), Imported::Head(_)));
    assert!(matches!(import(&ours, &branch[4]), Imported::Head(_)));
    assert_eq!(ours.head().hash, theirs.head().hash);
    for number in 1..=5 {
        let found = ours.block(number).unwrap().unwrap();
        assert_eq!(found.hash, branch[number as usize - 1].hash);
        assert_eq!(ours.block_by_hash(found.hash).unwrap().unwrap().number(), number);
    }
    assert_eq!(ours.block_by_hash(second.hash).unwrap().map(|block| block.hash), None);
    for address in [left, right, Address::repeat_byte(0xcb)] {
        assert_eq!(balance(&ours, address), balance(&theirs, address));
    }
    assert_eq!(balance(&ours, left), U256::from(3));
    for hash in new.iter().chain([&shared]) {
        assert!(ours.transaction(*hash).unwrap().is_some());
        assert!(!ours.pool().contains(*hash));
    }
    for hash in [lost, also_lost] {
        assert!(ours.transaction(hash).unwrap().is_none());
        assert!(ours.pool().contains(hash), "a transaction of a removed block waits again");
    }

    let parties = [left, right, lane_address(0), lane_address(1), lane_address(2)];
    for address in parties {
        assert_eq!(appearances(&ours, address), appearances(&theirs, address));
        assert_eq!(appearances(&ours, address), scanned(&ours, address));
    }
    assert_eq!(appearances(&ours, Address::repeat_byte(0xcb)), [], "a beneficiary alone");
    assert!(ours.sealed_by_nonce(lane_address(1), 0).unwrap().is_none());
    let (block, index) = ours.sealed_by_nonce(lane_address(2), 3).unwrap().unwrap();
    assert_eq!((block.number(), index), (5, 0));

    let mut seen = Vec::new();
    while let Ok(event) = events.try_recv() {
        match event {
            ChainEvent::Reverted { from, to, removed } => {
                assert_eq!((from, to), (3, 0));
                assert_eq!(removed.iter().map(|b| b.number()).collect::<Vec<_>>(), [3, 2, 1]);
                seen.push(0);
            }
            ChainEvent::Sealed(block) => seen.push(block.number()),
            ChainEvent::Tick(_) | ChainEvent::Syncing(_) => {}
        }
    }
    assert_eq!(seen, [0, 1, 2, 3, 4, 5]);

    // What was given back is mined on top, and all of it is there after a restart.
    ours.dev().unwrap().mine(1, None).unwrap();
    let head = ours.head();
    assert_eq!(head.transactions.len(), 2);
    assert_eq!(balance(&ours, left), U256::from(9));
    let root = head.header.state_root;
    ours.stop().unwrap();
    drop(ours);
    let ours = open(dirs.0.path(), true, true);
    assert_eq!((ours.head().hash, ours.head().header.state_root), (head.hash, root));
    assert_eq!(balance(&ours, right), U256::from(12));
    for address in parties {
        assert_eq!(appearances(&ours, address), scanned(&ours, address));
    }
}

#[test]
fn the_first_chain_can_come_back() {
    let dirs = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let source = tempfile::tempdir().unwrap();
    let (ours, theirs) = (open(dirs.0.path(), true, false), other(dirs.1.path()));
    let first = open(source.path(), true, false);
    let to = Address::repeat_byte(0x33);
    let mut firsts = Vec::new();
    let mut others = Vec::new();
    for nonce in 0..6 {
        firsts.push(mine(&first, 0, nonce, to).0);
        others.push(mine(&theirs, 1, nonce, to).0);
    }
    // The lead changes with every block that makes one of them longer.
    for height in 0..6 {
        let (leads, follows) =
            if height % 2 == 0 { (&firsts, &others) } else { (&others, &firsts) };
        assert!(matches!(import(&ours, &leads[height]), Imported::Head(_)), "height {height}");
        assert!(matches!(import(&ours, &follows[height]), Imported::Side(_)));
        assert_eq!(ours.head().hash, leads[height].hash);
        let proof = ours.proof(ours.head().number(), to, &[]).unwrap();
        assert_eq!(proof.account.unwrap().balance, U256::from(3 * (height as u64 + 1)));
        for address in [to, lane_address(0), lane_address(1)] {
            assert_eq!(appearances(&ours, address), scanned(&ours, address));
        }
    }
}

#[test]
fn blocks_without_a_parent_are_refused_with_its_hash() {
    let dirs = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (ours, theirs) = (open(dirs.0.path(), true, false), other(dirs.1.path()));
    let (parent, _) = mine(&theirs, 0, 0, Address::ZERO);
    let (orphan, _) = mine(&theirs, 0, 1, Address::ZERO);
    let error = ours.import_block(orphan.to_block()).unwrap_err().to_string();
    assert!(error.contains(&parent.hash.to_string()), "{error}");
    // A bad body under a good header is refused and does not stand in the good one's way.
    let mut bad = parent.to_block();
    bad.body.transactions.clear();
    let error = ours.import_block(bad).unwrap_err().to_string();
    assert!(error.contains("transactions root"), "{error}");
    assert!(matches!(import(&ours, &parent), Imported::Head(_)));
    assert!(matches!(import(&ours, &orphan), Imported::Head(_)));
}

#[test]
fn an_imported_block_gives_the_open_blocks_transactions_back() {
    let dirs = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (ours, theirs) = (open(dirs.0.path(), false, false), other(dirs.1.path()));
    let (block, _) = mine(&theirs, 0, 0, Address::repeat_byte(0x44));
    let shown = submit(&ours, transfer(1, 0, Address::repeat_byte(0x44), 3));
    assert_eq!(ours.tick().unwrap(), 1);
    assert!(ours.pending().block.position(&shown).is_some());
    assert!(!ours.pool().contains(shown), "it stands in the open block");
    assert!(matches!(import(&ours, &block), Imported::Head(_)));
    assert!(ours.pending().block.position(&shown).is_none());
    assert!(ours.pool().contains(shown));
    assert_eq!(ours.tick().unwrap(), 1);
    assert!(ours.pending().block.position(&shown).is_some());
}

#[test]
fn a_fork_deeper_than_the_way_back_is_refused_and_nothing_changes() {
    let dirs = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let ours = open_with_way_back(dirs.0.path(), true, false, 2);
    let theirs = other(dirs.1.path());
    let to = Address::repeat_byte(0x55);
    for nonce in 0..5 {
        mine(&ours, 0, nonce, to);
    }
    ours.database().flush().unwrap();
    let head = ours.head();
    let branch: Vec<_> = (0..6).map(|nonce| mine(&theirs, 1, nonce, to).0).collect();
    for block in &branch[..5] {
        assert!(matches!(import(&ours, block), Imported::Side(_)));
    }
    let error = ours.import_block(branch[5].to_block()).unwrap_err().to_string();
    assert!(error.contains("reorg"), "{error}");
    assert_eq!(ours.head().hash, head.hash);
    assert_eq!(balance(&ours, to), U256::from(15));
    mine(&ours, 0, 5, to);
    assert_eq!(ours.head().header.parent_hash, head.hash);
}
