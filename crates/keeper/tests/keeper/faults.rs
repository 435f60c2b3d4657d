//! Targets that misbehave.

use crate::chain::*;
use plasma_keeper::{DeferReason, Keeper, KeeperConfig, NextDue, Outcome};
use std::num::NonZeroU64;

fn outcome_of_kind(kind: u64) -> Outcome {
    let mut chain = TestChain::new();
    let mut keeper = chain.load(config());
    let id = chain.conditional(kind, 1);
    chain.set(1, 1);
    let good = chain.conditional(0, 100);
    chain.set(100, 1);
    let record = chain.finish_block(&mut keeper);
    assert!(outcome(&record, good).is_performed(), "others are served: {record:?}");
    outcome(&record, id)
}

fn check_reverted(kind: u64) -> String {
    match outcome_of_kind(kind) {
        Outcome::CheckReverted { reason } => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn checks_that_revert_tell_why() {
    assert_eq!(check_reverted(1), "not today");
    assert!(check_reverted(2).starts_with("custom error 0x"));
    assert!(check_reverted(3).contains("assertion"), "{}", check_reverted(3));
}

#[test]
fn an_endless_check_is_out_of_gas() {
    assert_eq!(outcome_of_kind(4), Outcome::CheckOutOfGas);
}

#[test]
fn rubbish_answers_are_told_apart_from_needs() {
    assert_eq!(outcome_of_kind(5), Outcome::NotNeeded, "a megabyte of zeros says no");
    assert!(check_reverted(6).contains("7 bytes that are not (bool, bytes)"));
    assert!(check_reverted(7).contains("6000 bytes exceeds the limit of 5000"));
    assert!(check_reverted(14).contains("not (bool, bytes)"));
}

#[test]
fn the_check_environment_is_what_contracts_rely_on() {
    assert!(outcome_of_kind(13).is_performed());
}

#[test]
fn a_perform_that_would_revert_is_not_sent_until_it_would_not() {
    let mut chain = TestChain::new();
    let mut keeper = chain.load(config());
    let id = chain.conditional(16, 1);
    chain.set(1, 1);
    chain.set(2, 1);
    let balance = upkeep_balance(&chain, id);
    for _ in 0..2 {
        let expected = Outcome::SimulationReverted { reason: "wait for the neighbour".into() };
        assert_eq!(outcome(&chain.finish_block(&mut keeper), id), expected);
    }
    assert_eq!(upkeep_balance(&chain, id), balance);
    chain.rounds(&mut keeper);
    chain.time_ms += 100;
    chain.set(2, 0);
    assert!(outcome(&chain.finish_block(&mut keeper), id).is_performed(), "within the same block");
}

fn upkeep_balance(chain: &TestChain, id: alloy_primitives::U256) -> alloy_primitives::U256 {
    upkeep(&chain.load(config()), id).balance
}

#[test]
fn a_perform_that_would_use_up_its_gas_is_not_sent() {
    let Outcome::SimulationReverted { reason } = outcome_of_kind(17) else { panic!() };
    assert_eq!(reason, "ran out of its perform gas limit of 500000");
}

#[test]
fn performs_spoilt_by_an_earlier_one_count_as_performed() {
    let mut chain = TestChain::new();
    let mut keeper = chain.load(config());
    // the first sets the second's neighbour, so that the second reverts when it comes to it
    let first = chain.conditional(15, 1);
    chain.finish_block(&mut keeper);
    let second = chain.conditional(16, 1);
    chain.set(1, 1);
    let record = chain.finish_block(&mut keeper);
    assert!(matches!(outcome(&record, first), Outcome::Performed { .. }), "{record:?}");
    let Outcome::PerformedReverted { payment, gas_used, .. } = outcome(&record, second) else {
        panic!("{record:?}")
    };
    assert!(payment > alloy_primitives::U256::ZERO && gas_used > 0);
}

#[test]
fn an_invalid_perform_is_tried_again_in_the_next_block() {
    let mut chain = TestChain::new();
    let mut keeper = chain.load(config());
    let id = chain.conditional(0, 1);
    chain.set(1, 1);
    let performs = chain.plan(&mut keeper).performs;
    assert_eq!(performs.len(), 1);
    chain.round_done();
    report(&mut keeper, &[(performs[0].clone(), None)]);
    let expected = Outcome::Deferred { reason: DeferReason::InvalidTransaction, since: 1 };
    assert_eq!(outcome(&chain.finish_block(&mut keeper), id), expected);
    let performs = chain.rounds(&mut keeper);
    assert_eq!(performs.len(), 1);
    assert_eq!(performs[0].due_since_block, 1);
    assert!(outcome(&chain.seal(&mut keeper), id).is_performed());
}

#[test]
fn a_dismissed_lane_s_perform_reverts_and_is_tried_again() {
    let mut chain = TestChain::new();
    let mut keeper = chain.load(config());
    let id = chain.conditional(0, 1);
    chain.set(1, 1);
    let performs = chain.plan(&mut keeper).performs;
    chain.round_done();
    chain.owner(Registration::setLaneCall { lane: performs[0].lane, active: false });
    let executed = chain.perform(&performs);
    report(&mut keeper, &executed);
    let record = chain.finish_block(&mut keeper);
    let expected = Outcome::Deferred { reason: DeferReason::TransactionReverted, since: 1 };
    assert_eq!(outcome(&record, id), expected);
    let retried = chain.rounds(&mut keeper);
    assert_eq!(retried.len(), 1);
    assert_ne!(retried[0].lane, performs[0].lane);
    assert!(outcome(&chain.seal(&mut keeper), id).is_performed());
}

/// Upkeeps whose checks never end share what is left for the wasteful; everybody else is checked as if they were not there.
#[test]
fn endless_checks_take_turns_and_nobody_else_waits() {
    let mut chain = TestChain::new();
    let limits = KeeperConfig { check_gas_per_block: 200_000_000, ..config() };
    let mut keeper = chain.load(limits);
    let endless: Vec<_> = (100..140).map(|key| chain.conditional(4, key)).collect();
    let good: Vec<_> = (0..40).map(|key| chain.conditional(0, key)).collect();
    chain.finish_block(&mut keeper);
    let (mut checked, mut blocks) = (vec![0; endless.len()], 0);
    while checked.contains(&0) {
        blocks += 1;
        assert!(blocks <= 20, "some are never checked again: {checked:?}");
        // All of them are woken in each block.
        for key in (100..140).chain(0..40) {
            chain.set(key, blocks + 1);
        }
        let evaluations = keeper.stats().evaluations;
        let record = chain.finish_block(&mut keeper);
        // A tenth of the gas is two checks; they are looked at four at a time. Each good one is checked before its perform.
        let evaluations = keeper.stats().evaluations - evaluations;
        assert!((44..=48 + 40).contains(&evaluations), "{evaluations} evaluations");
        assert!(good.iter().all(|id| outcome(&record, *id).is_performed()), "{record:?}");
        for (id, count) in endless.iter().zip(&mut checked) {
            match outcome(&record, *id) {
                Outcome::CheckOutOfGas => *count += 1,
                Outcome::Deferred { reason: DeferReason::CheckGas, .. } => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(record.missed(), 0);
    }
}

/// What fails at much cost is looked at after 1, 2, 4, … blocks, and at once where something that it read has changed; what
/// costs little is looked at in each block, so that it is not late.
#[test]
fn costly_failures_are_looked_at_more_and_more_seldom() {
    let mut chain = TestChain::new();
    let mut keeper = chain.load(config());
    let costly = chain.register(Trigger::Condition, 17, 1, 2_000_000, ETHER);
    chain.set(1, 1);
    let looks = |chain: &mut TestChain, keeper: &mut Keeper, blocks: u64| -> Vec<u64> {
        let mut looks = Vec::new();
        for _ in 0..blocks {
            let evaluations = keeper.stats().evaluations;
            let record = chain.finish_block(keeper);
            assert!(matches!(outcome(&record, costly), Outcome::SimulationReverted { .. }));
            if keeper.stats().evaluations > evaluations {
                looks.push(record.block);
            }
        }
        looks
    };
    assert_eq!(looks(&mut chain, &mut keeper, 220), [1, 2, 4, 8, 16, 32, 64, 128, 192]);
    assert_eq!(upkeep(&keeper, costly).next_check_block, NonZeroU64::new(256));
    assert_eq!(keeper.next_due(), NextDue { block: Some(256), time_ms: None, every_block: false });

    // Woken by what it reads: the condition does not hold, which is no failure.
    chain.set(1, 0);
    assert_eq!(outcome(&chain.finish_block(&mut keeper), costly), Outcome::NotNeeded);
    assert_eq!(upkeep(&keeper, costly).next_check_block, None);
    chain.set(1, 1);
    assert_eq!(looks(&mut chain, &mut keeper, 10), [222, 223, 225, 229]);
    // Others that hang on the block are looked at in each one.
    let cheap = chain.conditional(16, 2);
    chain.set(2, 1);
    chain.set(3, 1);
    assert_eq!(looks(&mut chain, &mut keeper, 8).len(), 8);
    assert_eq!(upkeep(&keeper, cheap).next_check_block, None);
    // A restart looks at everything, and counts from there.
    let mut restarted = chain.load(config());
    assert_eq!(looks(&mut chain, &mut restarted, 1), [240]);
    assert_eq!(upkeep(&restarted, costly).next_check_block, NonZeroU64::new(241));
}

/// What all checks together may take is a limit, too: the rest is first in line in the next block.
#[test]
fn checks_beyond_the_limit_come_first_in_the_next_block() {
    let mut chain = TestChain::new();
    let limits = KeeperConfig { check_gas_per_block: 1, ..config() };
    let mut keeper = chain.load(limits);
    let ids: Vec<_> = (0..100).map(|key| chain.conditional(0, key)).collect();
    // Nothing has been evaluated yet: this once everything is, whatever it costs.
    assert_eq!(chain.finish_block(&mut keeper).not_needed, 100);
    for key in 0..100 {
        chain.set(key, 1);
    }
    let mut performed = std::collections::BTreeSet::new();
    for block in 0..4 {
        let record = chain.finish_block(&mut keeper);
        let now: Vec<_> =
            ids.iter().filter(|id| outcome(&record, **id).is_performed()).copied().collect();
        assert!(now.len() == 32 || block == 3, "{}", now.len());
        performed.extend(now);
    }
    assert_eq!(performed.len(), 100);
}
