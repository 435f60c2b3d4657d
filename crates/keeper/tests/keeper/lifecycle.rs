//! From registration to cancellation.

use crate::chain::*;
use alloy_primitives::U256;
use plasma_keeper::{DeferReason, Keeper, NOT_CANCELLED, Outcome};

#[test]
fn a_due_upkeep_is_performed_and_charged() {
    let mut chain = TestChain::new();
    let mut keeper = chain.load(config());
    let id = chain.conditional(0, 1);
    chain.set(1, 1);
    let performs = chain.rounds(&mut keeper);
    assert_eq!(performs.len(), 1);
    assert_eq!(performs[0].upkeep, id);
    assert_eq!((chain.value(1), chain.count(1)), (0, 1));

    let record = chain.seal(&mut keeper);
    assert_eq!((record.active, record.not_needed), (1, 0));
    let Outcome::Performed { tx, gas_used, payment } = outcome(&record, id) else {
        panic!("{record:?}")
    };
    assert_eq!(tx, *performs[0].transaction.tx_hash());
    assert!(gas_used > 20_000 && gas_used < 500_000, "{gas_used}");
    chain.rounds(&mut keeper);
    let info = upkeep(&keeper, id);
    assert_eq!(info.amount_spent, payment);
    assert_eq!(u128::try_from(info.balance + payment).unwrap(), ETHER);
    assert_eq!(info.last_performed_block, 1);
    let owed = chain.call(REGISTRY, Registration::getOwedCall { id });
    assert_eq!(owed, payment);
    assert_eq!(chain.balance(info.forwarder), info.balance + owed);
    assert_eq!(outcome(&chain.seal(&mut keeper), id), Outcome::NotNeeded);
}

#[test]
fn lanes_come_out_with_a_premium() {
    let mut chain = TestChain::new();
    let mut keeper = chain.load(config());
    let lane = config().lanes.lanes()[0];
    let before = chain.balance(lane);
    let id = chain.conditional(18, 1);
    let mut performs = 0;
    let owed = |chain: &TestChain| chain.call(REGISTRY, Registration::getOwedCall { id });
    // Paid when it is worth the gas; until then it is owed.
    while owed(&chain) > U256::ZERO || performs == 0 {
        assert_eq!(chain.rounds(&mut keeper)[0].lane, lane);
        performs += 1;
        assert!(performs < 100);
        if owed(&chain) > U256::ZERO {
            assert!(chain.balance(lane) < before);
        }
        chain.seal(&mut keeper);
    }
    assert!(performs > 16, "{performs}");
    assert!(chain.balance(lane) > before);
}

/// A lane that runs low is paid with every perform, so that it never runs dry.
#[test]
fn a_low_lane_is_paid_at_once() {
    let mut chain = TestChain::new();
    let lane = config().lanes.lanes()[0];
    let low = U256::from(BASE_FEE) * U256::from(10_000_000);
    chain.set_balance(lane, low);
    let mut keeper = chain.load(config());
    let id = chain.conditional(18, 1);
    for _ in 0..30 {
        let before = chain.balance(lane);
        assert_eq!(chain.rounds(&mut keeper)[0].lane, lane);
        assert!(chain.balance(lane) > before);
        assert_eq!(chain.call(REGISTRY, Registration::getOwedCall { id }), U256::ZERO);
        chain.seal(&mut keeper);
    }
}

#[test]
fn the_condition_holding_for_ever_gives_one_perform_a_block() {
    let mut chain = TestChain::new();
    let mut keeper = chain.load(config());
    let id = chain.conditional(18, 1);
    for block in 1..=5 {
        assert_eq!(chain.rounds(&mut keeper).len(), 1);
        chain.time_ms += 100;
        assert!(chain.rounds(&mut keeper).is_empty(), "one perform per upkeep and block");
        assert_eq!(chain.count(1), block);
        assert!(keeper.next_due().every_block);
        assert!(matches!(outcome(&chain.seal(&mut keeper), id), Outcome::Performed { .. }));
        assert!(keeper.would_perform(&chain.state, &chain.env, chain.time_ms).unwrap());
    }
}

#[test]
fn a_change_in_a_later_tick_fires_in_the_same_block() {
    let mut chain = TestChain::new();
    let mut keeper = chain.load(config());
    chain.conditional(0, 1);
    assert!(chain.rounds(&mut keeper).is_empty());
    let evaluations = keeper.stats().evaluations;
    chain.time_ms += 100;
    chain.set(2, 1);
    assert!(chain.rounds(&mut keeper).is_empty());
    assert_eq!(keeper.stats().evaluations, evaluations, "the other slot was not read");
    chain.time_ms += 100;
    chain.set(1, 1);
    assert_eq!(chain.rounds(&mut keeper).len(), 1);
}

#[test]
fn cascades_run_in_one_block_up_to_the_bound() {
    let mut chain = TestChain::new();
    let mut keeper = chain.load(config());
    for key in 1..=6 {
        chain.conditional(15, key); // each sets the next one's value
    }
    chain.set(1, 1);
    assert_eq!(chain.rounds(&mut keeper).len(), config().max_rounds as usize);
    chain.seal(&mut keeper);
    assert_eq!(chain.rounds(&mut keeper).len(), 2);
    assert_eq!((1..=6).map(|key| chain.count(key)).sum::<u64>(), 6);
}

#[test]
fn pausing_and_unpausing() {
    let mut chain = TestChain::new();
    let mut keeper = chain.load(config());
    let id = chain.conditional(0, 1);
    chain.finish_block(&mut keeper);
    chain.admin(Registration::pauseUpkeepCall { id });
    chain.set(1, 1);
    for _ in 0..2 {
        assert_eq!(outcome(&chain.finish_block(&mut keeper), id), Outcome::Paused);
    }
    assert!(upkeep(&keeper, id).paused);
    chain.admin(Registration::unpauseUpkeepCall { id });
    assert!(outcome(&chain.finish_block(&mut keeper), id).is_performed());
}

#[test]
fn paused_right_after_its_perform() {
    let mut chain = TestChain::new();
    let mut keeper = chain.load(config());
    let id = chain.conditional(0, 1);
    chain.set(1, 1);
    chain.rounds(&mut keeper);
    chain.admin(Registration::pauseUpkeepCall { id });
    assert!(outcome(&chain.finish_block(&mut keeper), id).is_performed());
    assert_eq!(outcome(&chain.finish_block(&mut keeper), id), Outcome::Paused);
}

#[test]
fn cancelling_ends_in_one_last_record() {
    let mut chain = TestChain::new();
    let mut keeper = chain.load(config());
    let id = chain.conditional(0, 1);
    let other = chain.conditional(0, 2);
    chain.finish_block(&mut keeper);
    chain.set(1, 1);
    chain.set(2, 1);
    chain.admin(Registration::cancelUpkeepCall { id });
    assert_eq!(chain.rounds(&mut keeper).len(), 1);
    assert!(!upkeep(&keeper, id).active);
    assert_ne!(upkeep(&keeper, id).max_valid_block, NOT_CANCELLED);
    let record = chain.seal(&mut keeper);
    assert_eq!(record.active, 2);
    assert_eq!(outcome(&record, id), Outcome::Cancelled);
    assert!(outcome(&record, other).is_performed());
    let record = chain.finish_block(&mut keeper);
    assert_eq!((record.active, record.not_needed), (1, 1));
    assert!(keeper.upkeep(id).is_none());
}

#[test]
fn registering_and_cancelling_between_two_rounds_leaves_no_trace() {
    let mut chain = TestChain::new();
    let mut keeper = chain.load(config());
    let id = chain.conditional(0, 1);
    chain.admin(Registration::cancelUpkeepCall { id });
    let record = chain.finish_block(&mut keeper);
    assert_eq!(record.active, 0);
}

#[test]
fn changed_settings_take_effect() {
    let mut chain = TestChain::new();
    let mut keeper = chain.load(config());
    let id = chain.conditional(0, 1);
    chain.finish_block(&mut keeper);
    chain.set(2, 1);
    chain.admin(Registration::setUpkeepCheckDataCall { id, newCheckData: check_data(0, 2) });
    chain.admin(Registration::setUpkeepGasLimitCall { id, gasLimit: 300_000 });
    let performs = chain.rounds(&mut keeper);
    assert_eq!(performs.len(), 1);
    assert_eq!(upkeep(&keeper, id).perform_gas, 300_000);
    assert_eq!(chain.count(2), 1);
    // the target had exactly the registered gas at its first instruction, bar its own first steps
    let seen: u64 = chain.call(SUBJECT, Subject::seenGasCall {}).to();
    assert!((298_000..300_000).contains(&seen), "{seen}");
    assert_eq!(chain.call(SUBJECT, Subject::seenSenderCall {}), upkeep(&keeper, id).forwarder);
    assert_eq!(chain.call(SUBJECT, Subject::seenOriginCall {}), performs[0].lane);
}

#[test]
fn an_underfunded_upkeep_is_told_what_it_lacks() {
    let mut chain = TestChain::new();
    let mut keeper = chain.load(config());
    let id = chain.register(Trigger::Condition, 0, 1, 500_000, 1_000);
    chain.set(1, 1);
    let record = chain.finish_block(&mut keeper);
    let Outcome::Underfunded { by } = outcome(&record, id) else { panic!("{record:?}") };
    assert!(by > alloy_primitives::U256::ZERO);
    chain.fund(id, by.to());
    assert!(outcome(&chain.finish_block(&mut keeper), id).is_performed());
}

#[test]
fn a_paused_registry_defers() {
    let mut chain = TestChain::new();
    let mut keeper = chain.load(config());
    let id = chain.conditional(0, 1);
    chain.owner(Registration::pauseCall {});
    chain.set(1, 1);
    let since = chain.number();
    for _ in 0..2 {
        let expected = Outcome::Deferred { reason: DeferReason::RegistryPaused, since };
        assert_eq!(outcome(&chain.finish_block(&mut keeper), id), expected);
    }
    chain.owner(Registration::unpauseCall {});
    assert!(outcome(&chain.finish_block(&mut keeper), id).is_performed());
}

#[test]
fn a_restart_needs_no_history() {
    let mut chain = TestChain::new();
    let mut keeper = chain.load(config());
    for key in 0..20 {
        chain.conditional(if key % 5 == 0 { 1 } else { 0 }, key);
    }
    chain.set(3, 1);
    chain.finish_block(&mut keeper);
    for key in 0..10 {
        chain.set(key, 1);
    }
    let mut restarted = chain.load(config());
    let (plan, plan_restarted) = (chain.plan(&mut keeper), chain.plan(&mut restarted));
    assert_eq!(plan.performs.len(), 8);
    assert_eq!(plan.performs, plan_restarted.performs);
    chain.round_done();
    let executed = chain.perform(&plan.performs);
    report(&mut keeper, &executed);
    report(&mut restarted, &executed);
    let record = restarted.on_sealed(&chain.sealed_block());
    assert_eq!(chain.seal(&mut keeper).encode(), record);
    assert_eq!(keeper.upkeeps(), restarted.upkeeps());
}

#[test]
fn a_restart_within_a_block_performs_nothing_twice() {
    let mut chain = TestChain::new();
    let mut keeper = chain.load(config());
    let id = chain.conditional(18, 1);
    let performs = chain.plan(&mut keeper).performs;
    chain.round_done();
    let executed = chain.perform(&performs);
    report(&mut keeper, &executed);
    chain.round_done();

    let mut restarted = chain.load(config());
    let replayed = read_back(&executed);
    assert_eq!(replayed, executed);
    assert!(chain.plan(&mut restarted).performs.is_empty(), "the registry tells of the perform");
    report(&mut restarted, &replayed);
    assert!(chain.plan(&mut restarted).performs.is_empty());
    let sealed = chain.sealed_block();
    assert_eq!(keeper.on_sealed(&sealed), restarted.on_sealed(&sealed));
    assert_eq!(upkeep(&restarted, id).last_performed_block, 1);
}

#[test]
fn an_upkeep_registered_by_the_last_perform_has_an_outcome_too() {
    let mut chain = TestChain::new();
    let mut keeper = chain.load(config());
    chain.conditional(18, 1);
    let performs = chain.plan(&mut keeper).performs;
    chain.round_done();
    // the perform's receipt also tells of a registration, and no round follows in this block
    let mut executed = chain.perform(&performs);
    let id = chain.conditional(0, 2);
    executed[0]
        .1
        .as_mut()
        .unwrap()
        .logs
        .extend(chain.logs.iter().map(|emitted| emitted.log.clone()));
    report(&mut keeper, &executed);
    let record = chain.seal(&mut keeper);
    assert_eq!(record.active, 2);
    let expected = Outcome::Deferred { reason: DeferReason::NotCheckedYet, since: 1 };
    assert_eq!(outcome(&record, id), expected);
    let record = chain.finish_block(&mut keeper);
    assert_eq!(record.active, 2);
    assert_eq!(outcome(&record, id), Outcome::NotNeeded);
}

#[test]
fn without_a_registry_the_reason_is_told() {
    let chain = TestChain::new();
    let mut config = config();
    config.registry = alloy_primitives::Address::repeat_byte(9);
    let error = Keeper::load(config, &SPEC, &chain.state, &chain.env).unwrap_err().to_string();
    assert!(error.contains("no contract stands at the registry address"), "{error}");
}
