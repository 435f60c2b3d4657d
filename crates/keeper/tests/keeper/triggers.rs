//! What makes upkeeps due: clocks, blocks, balances, intervals.

use crate::chain::*;
use alloy_primitives::{Address, U256};
use plasma_keeper::{DeferReason, Outcome};

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
        keeper.on_sealed(&chain.sealed_block());
        chain.next_block(0);
    }
    // at once, then at the first tick of every period of 2.5 s
    assert_eq!(fired, [0, 2_500, 5_000, 7_500, 10_000]);
    assert_eq!(upkeep(&keeper, id).last_performed_timestamp, 1_010);
    assert_eq!(keeper.next_due().time_ms, Some(1_012_500));
    assert_eq!(chain.load(config()).next_due().time_ms, Some(1_012_500));
}

/// A block that stays open beyond its second performs what comes due there in the block after: what the registry
/// notes is the block's second, by which it would be due again.
#[test]
fn blocks_longer_than_a_second_fire_no_period_twice() {
    for (length, first) in [(1_000, 300), (2_000, 0), (3_000, 700), (12_000, 100)] {
        let mut chain = TestChain::new();
        chain.next_block(first);
        let mut keeper = chain.load(config());
        let interval = chain.register(Trigger::Milliseconds(2_500), 0, 1, 200_000, ETHER);
        let cron = chain.register(Trigger::Cron("*/5 * * * * *"), 0, 2, 200_000, ETHER);
        let (mut periods, mut points) = (Vec::new(), Vec::new());
        for _ in 0..24_000 / length {
            for _ in 0..length / 100 {
                for perform in chain.rounds(&mut keeper) {
                    assert!([interval, cron].contains(&perform.upkeep));
                    let into = if perform.upkeep == interval { &mut periods } else { &mut points };
                    into.push(chain.time_ms);
                }
                chain.time_ms += 100;
            }
            keeper.on_sealed(&chain.sealed_block());
            chain.next_block(0);
        }
        let distinct = |times: &[u64], period: u64| {
            let set: std::collections::BTreeSet<_> = times.iter().map(|at| at / period).collect();
            assert_eq!(set.len(), times.len(), "{length} ms blocks: {times:?}");
        };
        distinct(&periods, 2_500);
        distinct(&points, 5_000);
        if length <= 2_000 {
            assert!(periods.len() >= 8 && points.len() >= 4, "{periods:?} {points:?}");
        }
    }
}

#[test]
fn calendars_fire_once_at_each_point() {
    let mut chain = TestChain::new(); // at second 1,000, 16 minutes and 40 seconds past the hour
    let mut keeper = chain.load(config());
    let tens = chain.register(Trigger::Cron("*/10 * * * * *"), 0, 1, 200_000, ETHER);
    let minutes = chain.register(Trigger::Cron("* * * * *"), 0, 2, 200_000, ETHER);
    let never = chain.register(Trigger::Cron("0 0 30 2 *"), 0, 3, 200_000, ETHER);
    let rarely = chain.register(Trigger::Cron("0 0 29 2 *"), 0, 5, 200_000, ETHER);
    let rubbish = chain.register(Trigger::Cron("now and then"), 0, 4, 200_000, ETHER);
    let (mut fired, mut fired_minutes) = (Vec::new(), Vec::new());
    for _ in 0..45 {
        let second = chain.time_ms / 1_000;
        let record = chain.finish_block(&mut keeper);
        if outcome(&record, tens).is_performed() {
            fired.push(second);
        }
        if outcome(&record, minutes).is_performed() {
            fired_minutes.push(second);
        }
        assert_eq!(outcome(&record, rarely), Outcome::NotNeeded);
        for id in [never, rubbish] {
            let expected = Outcome::Deferred { reason: DeferReason::UnsupportedTrigger, since: 1 };
            assert_eq!(outcome(&record, id), expected);
        }
    }
    // The point at which it was registered is over.
    assert_eq!(fired, [1_010, 1_020, 1_030, 1_040]);
    assert_eq!(fired_minutes, [1_020]);
    assert_eq!(keeper.next_due().time_ms, Some(1_050_000));
    assert_eq!(chain.load(config()).next_due().time_ms, Some(1_050_000));
    // Nobody there for a while: one perform makes up for all.
    chain.next_block(600_000);
    assert!(outcome(&chain.finish_block(&mut keeper), tens).is_performed());
    assert_eq!(outcome(&chain.finish_block(&mut keeper), tens), Outcome::NotNeeded);
}

#[test]
fn a_resolver_says_when_and_what() {
    let mut chain = TestChain::new();
    let mut keeper = chain.load(config());
    let id = chain.register(Trigger::Resolver, 0, 5, 200_000, ETHER);
    assert_eq!(outcome(&chain.finish_block(&mut keeper), id), Outcome::NotNeeded);
    let evaluations = keeper.stats().evaluations;
    chain.finish_block(&mut keeper);
    assert_eq!(keeper.stats().evaluations, evaluations, "what it reads is watched");
    chain.set(5, 1);
    assert!(outcome(&chain.finish_block(&mut keeper), id).is_performed());
    assert_eq!((chain.value(5), chain.count(5)), (0, 1));
    let forwarder = upkeep(&keeper, id).forwarder;
    assert_eq!(chain.call(SUBJECT, Subject::seenSenderCall {}), forwarder);
    chain.set(5, 13);
    let expected = Outcome::SimulationReverted { reason: "thirteen".into() };
    assert_eq!(outcome(&chain.finish_block(&mut keeper), id), expected);
    chain.set(5, 2);
    assert!(outcome(&chain.finish_block(&mut keeper), id).is_performed());
    assert_eq!(chain.count(5), 2);
}

#[test]
fn requests_for_data_streams_go_to_the_error_handler() {
    let mut chain = TestChain::new();
    let mut keeper = chain.load(config());
    let unnamed = chain.conditional(22, 10);
    let named = chain.conditional(23, 20);
    let helpless = chain.conditional(24, 30);
    let endless = chain.conditional(25, 40);
    chain.set(40, 1);
    let record = chain.finish_block(&mut keeper);
    assert_eq!(outcome(&record, unnamed), Outcome::NotNeeded);
    assert_eq!(outcome(&record, named), Outcome::NotNeeded);
    let Outcome::CheckReverted { reason } = outcome(&record, helpless) else { panic!() };
    assert!(reason.contains("no source") && reason.contains("no streams, no perform"), "{reason}");
    let Outcome::CheckReverted { reason } = outcome(&record, endless) else { panic!() };
    assert!(!reason.contains("no source"), "not decoded: {reason}");
    let evaluations = keeper.stats().evaluations;
    chain.finish_block(&mut keeper);
    assert_eq!(keeper.stats().evaluations, evaluations, "what the handler reads is watched");
    chain.set(10, 1);
    chain.set(20, 1);
    let record = chain.finish_block(&mut keeper);
    assert!(outcome(&record, unnamed).is_performed() && outcome(&record, named).is_performed());
    assert_eq!((chain.value(11), chain.value(21)), (808_400, 808_503));
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
        let mut env = chain.env.clone();
        env.block_env.timestamp = U256::from((chain.time_ms + ms) / 1_000);
        keeper.would_perform(&chain.state, &env, chain.time_ms + ms).unwrap()
    };
    assert!(!would(&chain, 0));
    assert!(would(&chain, 10_000));
    // The next block's second lags behind the clock: a round in it would not perform, either.
    let now = chain.time_ms + 10_000;
    assert!(!keeper.would_perform(&chain.state, &chain.env, now).unwrap());
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
