//! Many upkeeps, several lanes, and gas that does not reach.

use crate::chain::*;
use alloy_consensus::Transaction as _;
use alloy_primitives::U256;
use plasma_keeper::{
    BlockDecisions, DeferReason, KeeperConfig, LaneKeys, MAX_TRANSACTION_GAS, Outcome,
};
use std::collections::HashMap;

fn with_lanes(count: u32) -> KeeperConfig {
    let lanes = LaneKeys::from_secret(&LaneKeys::dev_secret().0, count).unwrap();
    KeeperConfig::new(REGISTRY, lanes)
}

#[test]
fn performs_spread_over_the_lanes_in_nonce_order() {
    let mut chain = TestChain::new();
    let mut keeper = chain.load(with_lanes(4));
    for key in 0..8 {
        chain.conditional(0, key);
        chain.set(key, 1);
    }
    let performs = chain.rounds(&mut keeper);
    assert_eq!(performs.len(), 8);
    let mut nonces: HashMap<_, Vec<u64>> = HashMap::new();
    for perform in &performs {
        nonces.entry(perform.lane).or_default().push(perform.transaction.nonce());
        let transaction = &perform.transaction;
        assert!(transaction.gas_limit() <= MAX_TRANSACTION_GAS);
        assert_eq!(transaction.max_fee_per_gas(), u128::from(BASE_FEE));
        assert_eq!(transaction.max_priority_fee_per_gas(), Some(0));
    }
    let mut counts: Vec<_> = nonces.values().map(Vec::len).collect();
    counts.sort_unstable();
    assert_eq!(counts, [2, 2, 2, 2]);
    assert!(nonces.values().all(|nonces| nonces.iter().copied().eq(0..nonces.len() as u64)));
    assert_eq!((0..8).map(|key| chain.count(key)).sum::<u64>(), 8);
}

#[test]
fn what_exceeds_the_gas_share_is_first_in_line_in_the_next_block() {
    let mut chain = TestChain::new();
    // about 1.3 million gas for each of these, which they use up; the share holds three
    chain.env.block_env.gas_limit = 8_000_000;
    let mut keeper = chain.load(config());
    let ids: Vec<_> = (0..8)
        .map(|key| {
            chain.set(key, 1);
            chain.register(Trigger::Condition, 27, key, 1_100_000, ETHER)
        })
        .collect();
    chain.gas_left = 8_000_000;
    let performs = chain.rounds(&mut keeper);
    let reserved: u64 = performs.iter().map(|perform| perform.transaction.gas_limit()).sum();
    assert!(reserved <= 4_000_000, "{reserved}");
    assert_eq!(performs.len(), 3);
    assert!(keeper.anything_due());
    let record = chain.seal(&mut keeper);
    let expected = Outcome::Deferred { reason: DeferReason::GasShare, since: 1 };
    let deferred: Vec<_> =
        ids.iter().filter(|id| outcome(&record, **id) == expected).copied().collect();
    assert_eq!(deferred.len(), 5);

    // one that becomes due later stands behind those that waited, also after a restart
    let late = chain.register(Trigger::Condition, 27, 50, 1_100_000, ETHER);
    chain.set(50, 1);
    let mut restarted = chain.restart(config(), &record.encode());
    let plan = chain.plan(&mut keeper);
    assert_eq!(plan.performs, chain.plan(&mut restarted).performs);
    assert_eq!(plan.performs.len(), 3);
    assert!(plan.performs.iter().all(|perform| deferred.contains(&perform.upkeep)));
    assert!(plan.performs.iter().all(|perform| perform.due_since_block == 1));
    chain.round_done();
    let executed = chain.perform(&plan.performs);
    report(&mut keeper, &executed);
    let record = chain.finish_block(&mut keeper);
    assert_eq!(
        outcome(&record, late),
        Outcome::Deferred { reason: DeferReason::GasShare, since: 2 }
    );
    let performs = chain.rounds(&mut keeper);
    assert_eq!(performs.len(), 3);
    assert_eq!(performs[2].upkeep, late);
}

#[test]
fn the_block_s_own_gas_bounds_performs_too() {
    let mut chain = TestChain::new();
    let mut keeper = chain.load(config());
    let id = chain.conditional(0, 1);
    chain.set(1, 1);
    chain.gas_left = 400_000;
    let expected = Outcome::Deferred { reason: DeferReason::BlockGas, since: 1 };
    assert_eq!(outcome(&chain.finish_block(&mut keeper), id), expected);
    assert!(outcome(&chain.finish_block(&mut keeper), id).is_performed());
}

#[test]
fn an_upkeep_larger_than_the_share_is_told_so() {
    let mut chain = TestChain::new();
    chain.env.block_env.gas_limit = 5_000_000;
    let mut keeper = chain.load(config());
    let id = chain.register(Trigger::Condition, 0, 1, 4_000_000, ETHER);
    chain.set(1, 1);
    let expected = Outcome::Deferred { reason: DeferReason::TooLarge, since: 1 };
    assert_eq!(outcome(&chain.finish_block(&mut keeper), id), expected);
}

#[test]
fn without_an_authorised_lane_everything_waits() {
    let mut chain = TestChain::new();
    let mut config = config();
    config.lanes = LaneKeys::from_secret(&[7; 32], 2).unwrap();
    let stranger = config.lanes.lanes()[1];
    let mut keeper = chain.load(config);
    let id = chain.conditional(0, 1);
    chain.set(1, 1);
    let waits = |record: &BlockDecisions, reason| {
        assert_eq!(outcome(record, id), Outcome::Deferred { reason, since: 1 });
    };
    waits(&chain.finish_block(&mut keeper), DeferReason::NoActiveLane);
    assert!(keeper.stats().lanes.iter().all(|lane| !lane.active));
    // authorised, but without money
    chain.owner(Registration::setLaneCall { lane: stranger, active: true });
    waits(&chain.finish_block(&mut keeper), DeferReason::LaneFunds);
    // and with
    chain.send(OWNER, stranger, ETHER, Vec::new());
    let performs = chain.rounds(&mut keeper);
    assert_eq!(performs.len(), 1);
    assert_eq!(performs[0].lane, stranger);
}

#[test]
fn lanes_that_run_low_are_reported() {
    let mut chain = TestChain::new();
    let mut config = with_lanes(2);
    config.low_lane_balance = U256::from(2_000 * ETHER);
    let mut keeper = chain.load(config);
    let warnings = chain.plan(&mut keeper).warnings;
    assert_eq!(warnings.len(), 2);
    assert_eq!(warnings[0].balance, U256::from(1_000 * ETHER));
}

#[test]
fn a_poor_lane_gets_only_what_it_can_pay() {
    let mut chain = TestChain::new();
    let mut keeper = chain.load(with_lanes(1));
    for key in 0..3 {
        chain.conditional(0, key);
        chain.set(key, 1);
    }
    let lane = LaneKeys::dev().lanes()[0];
    // two performs' worth
    chain.set_balance(lane, U256::from(1_300_000 * u128::from(BASE_FEE)));
    let plan = chain.plan(&mut keeper);
    assert_eq!(plan.performs.len(), 2);
    let deferred: Vec<_> = plan.decisions.iter().map(|decision| &decision.outcome).collect();
    assert_eq!(deferred, [&Outcome::Deferred { reason: DeferReason::LaneFunds, since: 1 }]);
}

/// A gas limit is what a perform may use; what it does not use is there for others in the same block.
#[test]
fn unused_gas_goes_to_others() {
    let mut chain = TestChain::new();
    chain.env.block_env.gas_limit = 8_000_000;
    chain.gas_left = 8_000_000;
    let mut keeper = chain.load(config());
    for key in 0..8 {
        chain.set(key, 1);
        chain.register(Trigger::Condition, 0, key, 1_100_000, ETHER);
    }
    let mut rounds = Vec::new();
    for _ in 0..keeper.max_rounds() {
        let performs = chain.plan(&mut keeper).performs;
        chain.round_done();
        let executed = chain.perform(&performs);
        report(&mut keeper, &executed);
        rounds.push(performs.len());
    }
    assert_eq!(rounds, [3, 3, 2, 0]);
    let used = keeper.stats().block_gas_reserved;
    let receipts: u64 = 8_000_000 - chain.gas_left;
    // Counted is what was charged; the refund for what the target clears is no part of it.
    assert!(used >= receipts && used < receipts + 8 * 5_000, "{used} of {receipts}");
}
