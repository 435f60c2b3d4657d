//! What makes upkeeps due: clocks, blocks, balances, intervals.

use crate::chain::*;
use alloy_primitives::{Address, U256};
use plasma_keeper::Outcome;

#[test]
fn clock_readers_are_checked_in_every_block() {
    let mut chain = TestChain::new();
    let mut keeper = chain.load(config());
    let at = chain.conditional(8, 1);
    chain.set(1, 1_003);
    let every_second = chain.conditional(9, 2);
    chain.set(2, 2);
    let mut performed = Vec::new();
    for _ in 0..6 {
        let record = chain.finish_block(&mut keeper);
        for id in [at, every_second] {
            if outcome(&record, id).is_performed() {
                performed.push((record.block, id == at));
                if id == every_second {
                    chain.set(2, 2); // performing cleared it
                }
            }
        }
    }
    assert_eq!(performed, [(2, false), (4, true), (4, false), (6, false)]);
    assert!(keeper.next_due().every_block);
}

#[test]
fn balances_and_code_of_other_accounts_are_watched() {
    let mut chain = TestChain::new();
    let mut keeper = chain.load(config());
    let watched = Address::with_last_byte(0x77);
    let key = 0x77u64;
    let id = chain.conditional(11, key);
    chain.set(key, 5);
    assert_eq!(outcome(&chain.finish_block(&mut keeper), id), Outcome::NotNeeded);
    let evaluations = keeper.stats().evaluations;
    chain.send(OWNER, Address::with_last_byte(0x78), 6, Vec::new());
    chain.finish_block(&mut keeper);
    assert_eq!(keeper.stats().evaluations, evaluations);
    chain.send(OWNER, watched, 6, Vec::new());
    assert!(outcome(&chain.finish_block(&mut keeper), id).is_performed());
}

#[test]
fn block_intervals_fire_every_so_many_blocks() {
    let mut chain = TestChain::new();
    let mut keeper = chain.load(config());
    let id = chain.register(Trigger::Blocks(3), 0, 1, 200_000, ETHER);
    assert_eq!(keeper.next_due().block, None);
    let mut fired = Vec::new();
    for _ in 0..10 {
        let record = chain.finish_block(&mut keeper);
        if outcome(&record, id).is_performed() {
            fired.push(record.block);
        } else {
            assert_eq!(outcome(&record, id), Outcome::NotNeeded);
        }
    }
    assert_eq!(fired, [4, 7, 10]); // registered in block 1
    assert_eq!(chain.count(1), 3);
    chain.rounds(&mut keeper);
    assert_eq!(keeper.next_due().block, Some(13));
    assert_eq!(chain.load(config()).next_due().block, Some(13));
}

#[test]
fn millisecond_intervals_fire_once_in_each_period() {
    let mut chain = TestChain::new();
    let mut keeper = chain.load(config());
    let id = chain.register(Trigger::Milliseconds(2_500), 0, 1, 200_000, ETHER);
    let mut fired = Vec::new();
    for _ in 0..12 {
        for _ in 0..10 {
            if !chain.rounds(&mut keeper).is_empty() {
                fired.push(chain.time_ms - 1_000_000);
            }
            chain.time_ms += 100; // ticks
        }
        let number = chain.number();
        keeper.on_sealed(number, block_hash(number));
        chain.next_block(0);
    }
    // at once, then at the first tick of every period of 2.5 s
    assert_eq!(fired, [0, 2_500, 5_000, 7_500, 10_000]);
    assert_eq!(upkeep(&keeper, id).last_performed_timestamp, 1_010);
    assert_eq!(keeper.next_due().time_ms, Some(1_012_500));
    assert_eq!(chain.load(config()).next_due().time_ms, Some(1_012_500));
}

#[test]
fn an_interval_whose_target_would_revert_waits() {
    let mut chain = TestChain::new();
    let mut keeper = chain.load(config());
    let id = chain.register(Trigger::Blocks(2), 16, 1, 200_000, ETHER);
    chain.set(2, 1);
    chain.finish_block(&mut keeper);
    chain.finish_block(&mut keeper);
    let expected = Outcome::SimulationReverted { reason: "wait for the neighbour".into() };
    assert_eq!(outcome(&chain.finish_block(&mut keeper), id), expected);
    chain.rounds(&mut keeper);
    chain.set(2, 0);
    assert!(outcome(&chain.finish_block(&mut keeper), id).is_performed());
}

#[test]
fn a_chain_on_demand_knows_whether_a_block_is_worth_it() {
    let mut chain = TestChain::new();
    let mut keeper = chain.load(config());
    chain.register(Trigger::Milliseconds(10_000), 0, 1, 200_000, ETHER);
    chain.finish_block(&mut keeper);
    chain.rounds(&mut keeper);
    chain.seal(&mut keeper);
    let would = |chain: &TestChain, ms| {
        keeper.would_perform(&chain.state, &chain.env, chain.time_ms + ms).unwrap()
    };
    assert!(!would(&chain, 0));
    assert!(would(&chain, 10_000));
    assert_eq!(keeper.next_due().time_ms, Some(1_010_000));
}

#[test]
fn the_index_wakes_only_readers_of_what_changed() {
    let mut chain = TestChain::new();
    let mut keeper = chain.load(config());
    for key in 0..50 {
        chain.conditional(0, key);
    }
    chain.finish_block(&mut keeper);
    let before = keeper.stats();
    assert_eq!(before.evaluations, 50);
    assert_eq!(before.watched_slots, 50);
    chain.finish_block(&mut keeper);
    assert_eq!(keeper.stats().evaluations, 50, "an idle block costs nothing");
    chain.set(7, 1);
    chain.rounds(&mut keeper);
    assert_eq!(keeper.stats().evaluations, 51);
    assert_eq!(chain.count(7), 1);
    assert_eq!(keeper.upkeeps().len(), 50);
    let spent: Vec<_> =
        keeper.upkeeps().into_iter().filter(|upkeep| upkeep.amount_spent > U256::ZERO).collect();
    assert_eq!(spent.len(), 1);
}
