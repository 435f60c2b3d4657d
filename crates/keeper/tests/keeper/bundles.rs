//! Performs that share a transaction.

use crate::chain::*;
use alloy_consensus::Transaction as _;
use alloy_primitives::{B256, U256};
use plasma_keeper::{BlockDecisions, DeferReason, KeeperConfig, LaneKeys, Outcome, PlannedPerform};
use std::collections::BTreeMap;

fn with_lanes(count: u32) -> KeeperConfig {
    let lanes = LaneKeys::from_secret(&LaneKeys::dev_secret().0, count).unwrap();
    KeeperConfig::new(REGISTRY, lanes)
}

/// How many performs each transaction has, in order.
fn sizes(performs: &[PlannedPerform]) -> Vec<usize> {
    performs.chunk_by(|one, next| one.transaction == next.transaction).map(<[_]>::len).collect()
}

fn forty_due(chain: &mut TestChain) -> Vec<U256> {
    let due = (0..40).map(|key| {
        chain.set(key, 1);
        chain.conditional(0, key)
    });
    let mut ids: Vec<_> = due.collect();
    // Those of one block stand in the order of their ids.
    ids.sort_unstable();
    ids
}

#[test]
fn more_due_upkeeps_than_lanes_share_transactions() {
    let mut chain = TestChain::new();
    let mut keeper = chain.load(with_lanes(4));
    let ids = forty_due(&mut chain);
    let performs = chain.rounds(&mut keeper);
    assert_eq!(sizes(&performs), [5; 8]);
    let order: Vec<_> = performs.iter().map(|perform| perform.upkeep).collect();
    assert_eq!(order, ids, "in order of registration");
    for same in performs.chunk_by(|one, next| one.transaction == next.transaction) {
        let parts: u64 = same.iter().map(|perform| perform.gas).sum();
        assert_eq!(parts, same[0].transaction.gas_limit());
    }
    assert!((0..40).all(|key| chain.count(key) == 1));
    let record = chain.seal(&mut keeper);
    let mut spent = BTreeMap::<B256, U256>::new();
    for id in &ids {
        let Outcome::Performed { tx, payment, .. } = outcome(&record, *id) else {
            panic!("{record:?}")
        };
        *spent.entry(tx).or_default() += payment;
        assert_eq!(upkeep(&keeper, *id).amount_spent, payment);
    }
    assert_eq!(spent.len(), 8);
    // with a lane for each nothing is shared, and costs more
    let mut alone = TestChain::new();
    for lane in &with_lanes(20).lanes.lanes()[16..] {
        alone.owner(Registration::setLaneCall { lane: *lane, active: true });
        alone.set_balance(*lane, U256::from(ETHER));
    }
    let mut keeper = alone.load(with_lanes(20));
    let ids = forty_due(&mut alone);
    let apart = alone.rounds(&mut keeper);
    assert_eq!(sizes(&apart), [1; 40]);
    let record = alone.seal(&mut keeper);
    for id in ids {
        let Outcome::Performed { payment, .. } = outcome(&record, id) else { panic!("{record:?}") };
        let shared = spent.values().next().unwrap() / U256::from(5);
        assert!(payment > shared, "{payment} is not more than {shared}");
    }
}

#[test]
fn long_performs_and_those_with_much_data_go_alone() {
    let mut chain = TestChain::new();
    let mut keeper = chain.load(with_lanes(1));
    for key in 0..9 {
        chain.set(key, 1);
    }
    chain.conditional(0, 0);
    let long = chain.register(Trigger::Condition, 0, 1, 1_000_001, ETHER);
    chain.conditional(0, 2);
    for key in 3..9 {
        chain.conditional(0, key);
    }
    let performs = chain.rounds(&mut keeper);
    assert_eq!(performs.len(), 9);
    // 9 due and 1 lane: 5 together; what goes alone is sent when its turn comes
    assert_eq!(sizes(&performs), [1, 5, 3]);
    assert_eq!(performs[0].upkeep, long);
}

#[test]
fn one_that_reverts_is_charged_and_the_others_are_performed() {
    let mut chain = TestChain::new();
    let mut keeper = chain.load(with_lanes(1));
    // the first spoils the second
    let first = chain.conditional(15, 1);
    chain.finish_block(&mut keeper);
    let second = chain.conditional(16, 1);
    chain.finish_block(&mut keeper);
    let third = chain.conditional(0, 3);
    chain.finish_block(&mut keeper);
    chain.set(1, 1);
    chain.set(3, 1);
    let performs = chain.rounds(&mut keeper);
    assert_eq!(sizes(&performs), [2, 1]);
    let record = chain.seal(&mut keeper);
    assert!(matches!(outcome(&record, first), Outcome::Performed { .. }), "{record:?}");
    assert!(matches!(outcome(&record, second), Outcome::PerformedReverted { .. }), "{record:?}");
    assert!(matches!(outcome(&record, third), Outcome::Performed { .. }), "{record:?}");
}

#[test]
fn one_that_the_registry_refuses_goes_alone_in_the_next_block() {
    let mut chain = TestChain::new();
    let mut keeper = chain.load(with_lanes(1));
    let mut ids: Vec<_> = (0..4).map(|key| chain.conditional(18, key)).collect();
    ids.sort_unstable();
    let plan = chain.plan(&mut keeper);
    assert_eq!(sizes(&plan.performs), [2, 2]);
    chain.round_done();
    // paused between plan and execution, and unpaused right after
    chain.admin(Registration::pauseUpkeepCall { id: ids[1] });
    let executed = chain.perform(&plan.performs);
    chain.admin(Registration::unpauseUpkeepCall { id: ids[1] });
    report(&mut keeper, &executed);
    let record = chain.seal(&mut keeper);
    let refused = Outcome::Deferred { reason: DeferReason::Refused, since: 1 };
    assert_eq!(outcome(&record, ids[1]), refused);
    for id in [ids[0], ids[2], ids[3]] {
        assert!(outcome(&record, id).is_performed(), "{record:?}");
    }
    let mut restarted = chain.restart(with_lanes(1), &record.encode());
    let plan = chain.plan(&mut keeper);
    assert_eq!(plan.performs, chain.plan(&mut restarted).performs);
    let alone: Vec<_> = plan
        .performs
        .iter()
        .filter(|perform| perform.gas == perform.transaction.gas_limit())
        .map(|perform| perform.upkeep)
        .collect();
    assert!(alone.contains(&ids[1]), "{alone:?}");
    chain.round_done();
    let executed = chain.perform(&plan.performs);
    report(&mut keeper, &executed);
    let record = chain.finish_block(&mut keeper);
    assert!(ids.iter().all(|id| outcome(&record, *id).is_performed()), "{record:?}");
}

/// A restart within a block reads from a transaction what it performed.
#[test]
fn bundles_are_read_back_from_their_transactions() {
    let mut chain = TestChain::new();
    let mut keeper = chain.load(with_lanes(4));
    forty_due(&mut chain);
    let plan = chain.plan(&mut keeper);
    chain.round_done();
    let executed = chain.perform(&plan.performs);
    report(&mut keeper, &executed);
    let mut restarted = chain.load(with_lanes(4));
    let again = read_back(&executed);
    let upkeeps = |executed: &[(PlannedPerform, _)]| -> Vec<U256> {
        executed.iter().map(|(perform, _)| perform.upkeep).collect()
    };
    assert_eq!(upkeeps(&again), upkeeps(&executed));
    report(&mut restarted, &again);
    assert_eq!(keeper.stats().block_gas_reserved, restarted.stats().block_gas_reserved);
    let sealed = chain.sealed_block();
    let record = keeper.on_sealed(&sealed);
    assert_eq!(record, restarted.on_sealed(&sealed));
    let record = BlockDecisions::decode(&record).unwrap();
    assert_eq!(record.decisions.len(), 40);
}

/// A lane that cannot pay for a bundle may do for one perform.
#[test]
fn lanes_with_little_money_send_performs_one_by_one() {
    let mut chain = TestChain::new();
    let config = with_lanes(1);
    let lane = config.lanes.lanes()[0];
    let mut ids: Vec<_> = (0..4).map(|key| chain.conditional(18, key)).collect();
    ids.sort_unstable();
    // 600,000 gas and a little for one, 1.1 million for two
    chain.set_balance(lane, U256::from(BASE_FEE) * U256::from(700_000));
    let mut keeper = chain.load(config);
    let plan = chain.plan(&mut keeper);
    assert_eq!(sizes(&plan.performs), [1]);
    assert_eq!(plan.performs[0].upkeep, ids[0]);
    let waiting = Outcome::Deferred { reason: DeferReason::LaneFunds, since: 1 };
    assert!(plan.decisions.iter().all(|decision| decision.outcome == waiting));
    assert_eq!(plan.decisions.len(), 3);
}
