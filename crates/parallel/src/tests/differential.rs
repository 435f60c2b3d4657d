//! Random worlds, both paths, every worker count; and the sequential path against revm's `State`.

use std::collections::BTreeMap;

use alloy_primitives::U256;
use proptest::{
    prelude::*,
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};
use revm::{
    Context, Database, DatabaseCommit, ExecuteCommitEvm, MainBuilder, MainContext,
    context::result::{EVMError, ExecutionResult},
    database::State,
};

use super::{
    assembler::SLOTS,
    assert_parallel_equals_sequential,
    world::{Scene, World, world},
};
use crate::{TransactionOutcome, execute_sequential};

/// Executes the scene one by one with revm's own state and commit.
fn assert_sequential_equals_revm(scene: &Scene) {
    let outcome = execute_sequential(&scene.state, &scene.env, &scene.transactions).unwrap();
    let state = State::builder().with_database_ref(&scene.state).build();
    let mut evm = Context::mainnet()
        .with_db(state)
        .with_cfg(scene.env.cfg_env.clone())
        .with_block(scene.env.block_env.clone())
        .build_mainnet();
    for (transaction, outcome) in scene.transactions.iter().zip(&outcome.outcomes) {
        match (evm.transact_commit(transaction.clone()), outcome) {
            (Ok(expected), TransactionOutcome::Executed { result, .. }) => {
                assert_eq!(*result, expected);
            }
            (Err(EVMError::Transaction(expected)), TransactionOutcome::Invalid(reason)) => {
                assert_eq!(*reason, expected);
            }
            (expected, _) => panic!("revm gives {expected:?}, the crate {outcome:?}"),
        }
    }
    // Committing the outcomes one after the other gives revm's post-state.
    let mut committed = State::builder().with_database_ref(&scene.state).build();
    for outcome in outcome.outcomes {
        if let TransactionOutcome::Executed { state, .. } = outcome {
            committed.commit(state);
        }
    }
    let expected = &mut evm.ctx.journaled_state.database;
    for address in &scene.addresses {
        let (actual, expected_info) =
            (committed.basic(*address).unwrap(), expected.basic(*address).unwrap());
        assert_eq!(actual, expected_info, "account {address}");
        for slot in (0..SLOTS).map(U256::from) {
            assert_eq!(
                committed.storage(*address, slot).unwrap(),
                expected.storage(*address, slot).unwrap(),
                "slot {slot} of {address}"
            );
        }
    }
}

fn check(world: &World) {
    let scene = world.scene();
    assert_parallel_equals_sequential(&scene.state, &scene.env, &scene.transactions);
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 3_000, ..ProptestConfig::default() })]

    #[test]
    fn small_batches_equal_sequential(world in world(8)) {
        check(&world);
    }

    #[test]
    fn long_batches_equal_sequential(world in world(60)) {
        check(&world);
    }

    #[test]
    fn sequential_equals_revm(world in world(40)) {
        assert_sequential_equals_revm(&world.scene());
    }
}

/// The worlds are worth something only if they hold what they are meant to hold.
#[test]
fn worlds_are_varied() {
    let mut runner = TestRunner::deterministic();
    let strategy = world(60);
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    let mut count = |what, times| *seen.entry(what).or_default() += times;
    for _ in 0..300 {
        let scene = strategy.new_tree(&mut runner).unwrap().current().scene();
        let batch =
            assert_parallel_equals_sequential(&scene.state, &scene.env, &scene.transactions);
        for outcome in batch.outcomes {
            let TransactionOutcome::Executed { result, state } = outcome else {
                count("invalid", 1);
                continue;
            };
            match result {
                ExecutionResult::Success { logs, .. } => {
                    count("succeeded", 1);
                    count("logs", logs.len());
                }
                ExecutionResult::Revert { .. } => count("reverted", 1),
                ExecutionResult::Halt { .. } => count("halted", 1),
            }
            for account in state.values() {
                count("self-destructed", account.is_selfdestructed().into());
                count("created", account.is_created().into());
                let code = account.info.code.as_ref();
                count("delegated", code.is_some_and(|code| code.is_eip7702()).into());
            }
        }
    }
    for (what, times) in &seen {
        assert!(*times >= 20, "only {times} {what}: {seen:?}");
    }
    assert!(seen["succeeded"] > 3 * seen["invalid"] / 2, "{seen:?}");
}
