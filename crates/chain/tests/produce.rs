//! Blocks made from a pool: ticks, seals, restart in the middle, replay, developers' commands.

mod support;

use alloy_consensus::Transaction as _;
use alloy_primitives::{Address, U256};
use plasma_chain::{ChainEvent, ExecutorKind, TickedBlock};
use plasma_storage::{Account, AccountChange, StateChanges};
use std::time::Duration;
use support::{balance, lane_address, open, submit, transfer};

#[tokio::test(flavor = "multi_thread")]
async fn automine_includes_what_is_submitted_and_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let to = Address::repeat_byte(0x42);
    let chain = open(dir.path(), true, true);
    chain.start().unwrap();
    let mut hashes = Vec::new();
    for nonce in 0..20 {
        hashes.push(submit(&chain, transfer(0, nonce, to, 7)));
        hashes.push(submit(&chain, transfer(1, nonce, to, 5)));
    }
    for hash in &hashes {
        let (block, index) =
            chain.wait_for_inclusion(*hash, Duration::from_secs(10)).await.expect("included");
        assert_eq!(block.transactions[index].tx_hash(), hash);
        assert!(block.receipts[index].success);
        assert_eq!(block.gas_used(index), Some(21_000));
    }
    assert_eq!(balance(&chain, to), U256::from(20 * 12));
    let head = chain.head();
    assert!(head.number() >= 1);
    chain.stop().unwrap();
    drop(chain);

    let chain = open(dir.path(), true, true);
    assert_eq!(chain.head().hash, head.hash);
    assert_eq!(balance(&chain, to), U256::from(20 * 12));
    for hash in &hashes {
        assert!(chain.transaction(*hash).unwrap().is_some(), "{hash} is lost");
    }
    for kind in [ExecutorKind::Sequential, ExecutorKind::Parallel] {
        let mut replayed = 0;
        chain
            .replay(1, head.number(), kind, |block| {
                assert_eq!(block.differences, Vec::new());
                replayed += block.transactions;
            })
            .unwrap();
        assert_eq!(replayed, hashes.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn interval_blocks_show_ticks_as_pending_and_restore_them() {
    let dir = tempfile::tempdir().unwrap();
    let to = Address::repeat_byte(0x43);
    let chain = open(dir.path(), false, false);
    // Without the sequencer, ticks come by hand: what a crash between tick and seal leaves.
    let hash = submit(&chain, transfer(0, 0, to, 9));
    chain.tick().unwrap();
    let pending = chain.pending();
    assert_eq!(pending.block.transactions.len(), 1);
    assert_eq!(pending.block.transactions[0].tx_hash(), &hash);
    assert_eq!(pending.state.account(to).unwrap().unwrap().balance, U256::from(9));
    assert_eq!(chain.head().number(), 0);
    let executed = pending.block.clone();
    drop(pending);
    drop(chain); // no stop: as after kill -9

    let chain = open(dir.path(), false, false);
    let restored = chain.pending();
    assert_eq!(restored.block.transactions.len(), 1);
    assert_eq!(restored.block.header.timestamp, executed.header.timestamp);
    assert_eq!(restored.block.receipts, executed.receipts);
    let mined = chain.dev().unwrap().mine(1, None).unwrap();
    assert_eq!(mined[0].transactions.len(), 1);
    assert_eq!(balance(&chain, to), U256::from(9));
}

/// The clock stops at the latest time that a developer can set; a sum beyond 64 bits is no earlier time.
#[test]
fn an_interval_beyond_all_time_ends_at_the_latest() {
    let dir = tempfile::tempdir().unwrap();
    let chain = open(dir.path(), true, false);
    let mined = chain.dev().unwrap().mine(2, Some(u64::MAX)).unwrap();
    assert_eq!(mined[1].header.timestamp, i64::MAX as u64);
}

#[test]
fn snapshots_and_patches_move_the_state_and_the_root_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let chain = open(dir.path(), true, false);
    let dev = chain.dev().unwrap();
    let rich = Address::repeat_byte(0x77);
    dev.mine(3, Some(10)).unwrap();
    let times: Vec<u64> =
        (1..=3).map(|n| chain.block(n).unwrap().unwrap().header.timestamp).collect();
    assert_eq!((times[1] - times[0], times[2] - times[1]), (10, 10));

    let before = chain.head();
    let snapshot = dev.snapshot().unwrap();
    let mut patch = StateChanges::default();
    let account = Account { nonce: 0, balance: U256::from(1_000), bytecode_hash: None };
    patch
        .accounts
        .insert(rich, AccountChange { account: Some(account), ..AccountChange::default() });
    let Ok(()) = dev.patch_state(|_| Ok::<_, std::convert::Infallible>(patch)).unwrap();
    assert_eq!(balance(&chain, rich), U256::from(1_000), "visible at once");
    let mined = dev.mine(2, None).unwrap();
    assert_ne!(mined[0].header.state_root, before.header.state_root);
    assert_eq!(balance(&chain, rich), U256::from(1_000), "and after the next block");
    let proof = chain.proof(mined[0].number(), rich, &[]).unwrap();
    assert_eq!(proof.account.unwrap().balance, U256::from(1_000));
    let earlier = chain.proof(before.number(), rich, &[]).unwrap();
    assert!(earlier.account.is_none(), "absent before the patch");
    chain
        .replay(1, chain.head().number(), ExecutorKind::Parallel, |block| {
            assert_eq!(block.differences, Vec::new());
        })
        .unwrap();

    assert!(dev.revert(snapshot).unwrap());
    assert_eq!(chain.head().hash, before.hash);
    assert_eq!(balance(&chain, rich), U256::ZERO);
    assert!(!dev.revert(snapshot).unwrap(), "a snapshot is used once");
    dev.mine(1, None).unwrap();
    assert_eq!(chain.head().number(), before.number() + 1);
}

#[test]
fn imported_blocks_give_the_same_chain() {
    let dirs = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let made = open(dirs.0.path(), true, false);
    for nonce in 0..5 {
        submit(&made, transfer(2, nonce, Address::repeat_byte(nonce as u8 + 1), 1));
        made.dev().unwrap().mine(1, None).unwrap();
    }
    let taken = open(dirs.1.path(), true, false);
    for number in 1..=made.head().number() {
        let block = made.block(number).unwrap().unwrap();
        assert!(block.transactions.iter().all(|tx| tx.gas_limit() == 21_000));
        let plain = block.to_block();
        let mut wrong = plain.clone();
        wrong.header.gas_used += 1;
        let error = taken.import_block(wrong).unwrap_err().to_string();
        assert!(error.contains("gas used"), "{error}");
        assert_eq!(taken.import_block(plain).unwrap().block().hash, block.hash);
    }
    assert_eq!(taken.head().hash, made.head().hash);
    assert_eq!(lane_address(2), made.block(1).unwrap().unwrap().transactions[0].signer());
}

/// Ticks of a block tell all of its transactions, each once; those with a journal record of their own only after it.
#[test]
fn ticks_are_told_in_order_and_after_they_are_journaled() {
    let dir = tempfile::tempdir().unwrap();
    let to = Address::repeat_byte(0x44);
    let chain = open(dir.path(), false, false);
    let mut events = chain.subscribe();
    let listener = std::thread::spawn({
        let chain = chain.clone();
        move || {
            let mut ticks = Vec::new();
            loop {
                match events.blocking_recv().unwrap() {
                    ChainEvent::Tick(tick) => {
                        if matches!(tick.block, TickedBlock::Open(_)) {
                            // The block may have been sealed meanwhile, which ends its ticks.
                            let journaled = chain.database().open_ticks().unwrap().len();
                            let sealed = chain.head().number() >= tick.block().number();
                            assert!(sealed || journaled > tick.number as usize);
                        }
                        ticks.push(tick);
                    }
                    ChainEvent::Sealed(block) => return (ticks, block),
                    other => panic!("nothing else happened: {other:?}"),
                }
            }
        }
    });
    let mut sent = Vec::new();
    for tick in 0..3 {
        sent.push(submit(&chain, transfer(0, 2 * tick, to, 1)));
        sent.push(submit(&chain, transfer(0, 2 * tick + 1, to, 1)));
        if tick < 2 {
            assert_eq!(chain.tick().unwrap(), 2);
            assert_eq!(chain.tick().unwrap(), 0, "a tick that adds nothing is not told");
        }
    }
    chain.dev().unwrap().mine(1, None).unwrap();
    let (ticks, block) = listener.join().unwrap();
    assert_eq!(ticks.iter().map(|tick| tick.number).collect::<Vec<_>>(), [0, 1, 2]);
    let told: Vec<_> = ticks
        .iter()
        .flat_map(|tick| tick.block().transactions[tick.positions()].iter().map(|tx| *tx.tx_hash()))
        .collect();
    assert_eq!(told, sent);
    assert_eq!(told, block.transactions.iter().map(|tx| *tx.tx_hash()).collect::<Vec<_>>());
    assert!(matches!(&ticks[1].block, TickedBlock::Open(_)));
    match &ticks[2].block {
        TickedBlock::Sealed(last) => assert_eq!(last.hash, block.hash),
        TickedBlock::Open(_) => panic!("the last tick became durable with the block"),
    }
}
