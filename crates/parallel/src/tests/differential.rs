//! Random worlds, both paths, every worker count; and the sequential path against revm's `State`.

use alloy_primitives::U256;
use proptest::prelude::*;
use revm::{
    Context, Database, DatabaseCommit, ExecuteCommitEvm, MainBuilder, MainContext,
    context::result::EVMError, database::State,
};

use super::{
    assembler::SLOTS,
    assert_parallel_equals_sequential,
    world::{Scene, World, world},
};
use crate::{TransactionOutcome, execute_sequential};

/// Executes the scene one by one with revm's own state and commit.
pub(super) fn assert_sequential_equals_revm(scene: &Scene) {
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
        assert_sequential_equals_revm(&world.without_ghosts().scene());
    }
}
