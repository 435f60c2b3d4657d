//! Checks and performs that are simulated on a state.

use crate::chain::*;
use alloy_primitives::{Bytes, U256};
use plasma_keeper::{FailureReason, KeeperError, Outcome, Simulation, simulate_upkeep};

fn simulate(chain: &TestChain, id: U256, data: Option<Bytes>) -> Result<Simulation, KeeperError> {
    simulate_upkeep(&chain.state, &chain.env, REGISTRY, id, data)
}

fn reason(chain: &TestChain, id: U256) -> &'static str {
    let found = simulate(chain, id, None).unwrap();
    let reason = found.failure_reason.unwrap();
    assert_eq!(found.upkeep_needed, Some(reason == FailureReason::NONE));
    assert_eq!(found.perform_success.is_some(), reason == FailureReason::NONE);
    reason.name()
}

#[test]
fn a_simulation_says_what_a_block_then_does_and_changes_nothing() {
    let mut chain = TestChain::new();
    let mut keeper = chain.load(config());
    let id = chain.conditional(0, 1);
    assert_eq!(reason(&chain, id), "upkeepNotNeeded");
    chain.set(1, 1);
    let found = simulate(&chain, id, None).unwrap();
    assert_eq!((found.upkeep_needed, found.perform_success), (Some(true), Some(true)));
    assert!(found.check_gas.unwrap() > 0);
    assert_eq!(chain.count(1), 0);
    let record = chain.finish_block(&mut keeper);
    let Outcome::Performed { gas_used, .. } = outcome(&record, id) else { panic!("{record:?}") };
    // The subject notes tx.origin, which is zero in a simulation: writing that costs less.
    assert!((1..=gas_used).contains(&found.perform_gas.unwrap()), "{found:?}");
    assert_eq!(chain.count(1), 1);
    // Given data is performed with, whatever the check would say.
    assert_eq!(reason(&chain, id), "upkeepNotNeeded");
    let forced = simulate(&chain, id, Some(found.perform_data.clone())).unwrap();
    assert_eq!((forced.upkeep_needed, forced.failure_reason, forced.check_gas), (None, None, None));
    assert_eq!((forced.perform_success, &forced.perform_data), (Some(true), &found.perform_data));
}

#[test]
fn every_trigger_is_simulated() {
    let mut chain = TestChain::new();
    let interval = chain.register(Trigger::Blocks(2), 0, 2, 200_000, ETHER);
    let cron = chain.register(Trigger::Cron("*/20 * * * * *"), 0, 3, 200_000, ETHER);
    let resolver = chain.register(Trigger::Resolver, 0, 4, 200_000, ETHER);
    for id in [interval, cron, resolver] {
        assert_eq!(reason(&chain, id), "upkeepNotNeeded");
    }
    chain.set(4, 1);
    chain.next_block(19_000);
    assert_eq!(reason(&chain, interval), "upkeepNotNeeded");
    assert_eq!(reason(&chain, cron), "upkeepNotNeeded");
    chain.next_block(1_000);
    for id in [interval, cron, resolver] {
        assert_eq!(reason(&chain, id), "none");
    }
}

#[test]
fn what_stands_in_the_way_is_told() {
    let mut chain = TestChain::new();
    let id = chain.conditional(0, 1);
    chain.set(1, 1);
    let poor = chain.register(Trigger::Cron("* * * * * *"), 0, 2, 200_000, 0);
    assert_eq!(reason(&chain, poor), "insufficientBalance");
    chain.admin(Registration::pauseUpkeepCall { id });
    assert_eq!(reason(&chain, id), "upkeepPaused");
    chain.owner(Registration::pauseCall {});
    assert_eq!(reason(&chain, id), "registryPaused");
    let refused = simulate(&chain, id, Some(Bytes::new())).unwrap_err().to_string();
    assert!(refused.contains("simulatePerformUpkeep: RegistryPaused"), "{refused}");
    chain.owner(Registration::unpauseCall {});
    chain.admin(Registration::cancelUpkeepCall { id });
    assert_eq!(reason(&chain, id), "upkeepCancelled");
    assert_eq!(reason(&chain, U256::from(7)), "upkeepCancelled");
}

#[test]
fn a_simulation_survives_json() {
    let found = Simulation {
        upkeep_needed: Some(false),
        failure_reason: Some(FailureReason(4)),
        check_gas: Some(9),
        ..Simulation::default()
    };
    let json = serde_json::to_value(&found).unwrap();
    assert_eq!(json["failureReason"], serde_json::json!({"number": 4, "name": "upkeepNotNeeded"}));
    assert_eq!(serde_json::from_value::<Simulation>(json).unwrap(), found);
    assert_eq!(FailureReason(200).name(), "unknown");
}
