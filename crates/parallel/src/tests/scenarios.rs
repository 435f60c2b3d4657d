//! Named cases: one kind of conflict each, in the forks where it matters.

use alloy_evm::EvmEnv;
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use revm::{
    bytecode::{Bytecode, opcode as op},
    context::{
        BlockEnv, CfgEnv, TxEnv,
        result::{ExecutionResult, HaltReason, InvalidTransaction},
    },
    context_interface::{
        either::Either,
        transaction::{Authorization, RecoveredAuthority, RecoveredAuthorization},
    },
    database::InMemoryDB,
    primitives::{TxKind, hardfork::SpecId},
    state::AccountInfo,
};

use super::{
    assembler::{Domain, Step, assemble, init_code},
    assert_parallel_equals_sequential,
    world::{NOBODY, SPECS, contract, sender},
};
use crate::{BatchOutcome, TransactionOutcome};

const COINBASE: Address = Address::with_last_byte(0xcb);
const FUNDS: u64 = 1_000_000_000_000;
const NO_CODES: [Bytes; 0] = [];

fn environment(spec: SpecId) -> EvmEnv {
    let block = BlockEnv {
        number: U256::from(10),
        gas_limit: 30_000_000,
        beneficiary: COINBASE,
        prevrandao: Some(B256::ZERO),
        ..BlockEnv::default()
    };
    EvmEnv::new(CfgEnv::new_with_spec(spec), block)
}

fn funded() -> InMemoryDB {
    let mut state = InMemoryDB::default();
    for number in 0..6 {
        let info = AccountInfo { balance: U256::from(FUNDS), ..Default::default() };
        state.insert_account_info(sender(number), info);
    }
    state
}

fn deploy(state: &mut InMemoryDB, address: Address, code: Bytes) {
    let info = AccountInfo { nonce: 1, ..Default::default() };
    state.insert_account_info(address, info.with_code(Bytecode::new_legacy(code)));
}

fn call(from: u8, nonce: u64, to: Address, value: u64) -> TxEnv {
    TxEnv {
        caller: sender(from),
        nonce,
        gas_limit: 500_000,
        gas_price: 1,
        kind: TxKind::Call(to),
        value: U256::from(value),
        chain_id: Some(1),
        ..TxEnv::default()
    }
}

/// The last value that the batch gave a slot.
fn slot(batch: &BatchOutcome, address: Address, slot: u64) -> Option<U256> {
    batch.outcomes.iter().rev().find_map(|outcome| match outcome {
        TransactionOutcome::Executed { state, .. } => {
            Some(state.get(&address)?.storage.get(&U256::from(slot))?.present_value)
        }
        TransactionOutcome::Invalid(_) => None,
    })
}

/// The last balance that the batch gave an account.
fn balance(batch: &BatchOutcome, address: Address) -> Option<U256> {
    batch.outcomes.iter().rev().find_map(|outcome| match outcome {
        TransactionOutcome::Executed { state, .. } => Some(state.get(&address)?.info.balance),
        TransactionOutcome::Invalid(_) => None,
    })
}

#[test]
fn one_chain_of_payments() {
    for spec in SPECS {
        let mut state = InMemoryDB::default();
        let info = AccountInfo { balance: U256::from(FUNDS), ..Default::default() };
        state.insert_account_info(sender(0), info);
        // Each can pay only once it was paid.
        let transactions: Vec<TxEnv> = (0..5)
            .map(|n| call(n, 0, sender(n + 1), FUNDS - (u64::from(n) + 1) * 500_000))
            .collect();
        let batch = assert_parallel_equals_sequential(&state, &environment(spec), &transactions);
        assert!(batch.outcomes.iter().all(|outcome| outcome.result().is_some()), "{spec:?}");
    }
}

#[test]
fn one_sender_and_one_recipient() {
    for spec in SPECS {
        let mut transactions: Vec<TxEnv> = (0..30).map(|n| call(0, n, NOBODY, 3)).collect();
        transactions.extend((1..6).map(|n| call(n, 0, NOBODY, 5)));
        let batch = assert_parallel_equals_sequential(&funded(), &environment(spec), &transactions);
        assert_eq!(balance(&batch, NOBODY), Some(U256::from(30 * 3 + 5 * 5)));
    }
}

#[test]
fn a_hot_counter_counts_every_call() {
    for spec in SPECS {
        let mut state = funded();
        let domain = Domain { addresses: &[NOBODY], init_codes: &NO_CODES };
        let code = assemble(&[Step::Add { slot: 0, amount: 1 }, Step::Log { slot: 0 }], &domain);
        deploy(&mut state, contract(0), code);
        let transactions: Vec<TxEnv> =
            (0..36).map(|n| call((n % 6) as u8, n / 6, contract(0), 0)).collect();
        let batch = assert_parallel_equals_sequential(&state, &environment(spec), &transactions);
        assert_eq!(slot(&batch, contract(0), 0), Some(U256::from(36)));
    }
}

#[test]
fn tokens_move_between_few_accounts() {
    // balances[calldata[0..32]] += 1, balances[caller] -= 1; reverts below zero.
    let code = [
        op::CALLER,
        op::SLOAD,
        op::DUP1,
        op::ISZERO,
        op::PUSH1,
        21,
        op::JUMPI,
        op::PUSH1,
        1,
        op::SWAP1,
        op::SUB,
        op::CALLER,
        op::SSTORE,
        op::PUSH1,
        0,
        op::CALLDATALOAD,
        op::DUP1,
        op::SLOAD,
        op::PUSH1,
        25,
        op::JUMP,
        op::JUMPDEST,
        op::PUSH1,
        0,
        op::INVALID,
        op::JUMPDEST,
        op::PUSH1,
        1,
        op::ADD,
        op::SWAP1,
        op::SSTORE,
        op::STOP,
    ];
    for spec in SPECS {
        let mut state = funded();
        deploy(&mut state, contract(0), code.to_vec().into());
        state
            .insert_account_storage(contract(0), sender(0).into_word().into(), U256::from(2))
            .unwrap();
        let transactions: Vec<TxEnv> = (0..48u64)
            .map(|n| {
                let mut transaction = call((n % 6) as u8, n / 6, contract(0), 0);
                let to = sender(((n * 5 + n / 7) % 6) as u8);
                transaction.data = to.into_word().into();
                transaction
            })
            .collect();
        let batch = assert_parallel_equals_sequential(&state, &environment(spec), &transactions);
        let moved = batch.outcomes.iter().filter(|o| o.result().unwrap().is_success()).count();
        assert!((2..48).contains(&moved), "{moved} transfers succeeded");
    }
}

#[test]
fn every_reader_of_the_coinbase_sees_the_fees_before_it() {
    for spec in SPECS {
        let mut state = funded();
        let domain = Domain { addresses: &[NOBODY], init_codes: &NO_CODES };
        deploy(
            &mut state,
            contract(0),
            assemble(&[Step::StoreCoinbaseBalance { slot: 0 }], &domain),
        );
        deploy(&mut state, contract(1), assemble(&[Step::PayCoinbase { value: 2 }], &domain));
        let mut transactions = vec![call(0, 0, NOBODY, 1), call(1, 0, contract(0), 0)];
        transactions.push(call(2, 0, contract(1), 10));
        transactions.push(call(3, 0, COINBASE, 7));
        transactions.push(call(4, 0, contract(0), 0));
        transactions.push(call(5, 0, NOBODY, 0));
        let batch = assert_parallel_equals_sequential(&state, &environment(spec), &transactions);
        let fees: u64 = batch.outcomes[..4].iter().map(TransactionOutcome::gas_used).sum();
        assert_eq!(slot(&batch, contract(0), 0), Some(U256::from(fees + 2 + 7)), "{spec:?}");
    }
}

#[test]
fn the_coinbase_spends_the_fees_it_has_earned() {
    for spec in SPECS {
        let mut env = environment(spec);
        env.block_env.beneficiary = sender(5);
        let mut state = funded();
        state.insert_account_info(sender(5), AccountInfo::default());
        // An account that is there: new ones cost more since Amsterdam (EIP-8037).
        let payee = Address::repeat_byte(0x77);
        let info = AccountInfo { balance: U256::from(1), ..Default::default() };
        state.insert_account_info(payee, info);
        // 21,000 for its own gas, earned by the five before it, of which a part is passed on.
        let mut transactions: Vec<TxEnv> = (0..5).map(|n| call(n, 0, payee, 1)).collect();
        let mut own = call(5, 0, payee, 4 * 21_000);
        own.gas_limit = 21_000;
        transactions.push(own.clone());
        own.nonce = 1;
        transactions.push(own);
        let batch = assert_parallel_equals_sequential(&state, &env, &transactions);
        assert!(batch.outcomes[5].result().is_some_and(|result| result.is_success()));
        // It has its own fee back, and nothing else.
        assert_eq!(balance(&batch, sender(5)), Some(U256::from(21_000)), "{spec:?}");
        assert!(matches!(
            batch.outcomes[6],
            TransactionOutcome::Invalid(InvalidTransaction::LackOfFundForMaxFee { .. })
        ));
    }
}

#[test]
fn invalid_transactions_change_nothing() {
    for spec in SPECS {
        let mut transactions = vec![
            call(0, 0, NOBODY, 1),
            call(0, 0, NOBODY, 1),
            call(0, 2, NOBODY, 1),
            call(0, 1, NOBODY, FUNDS * 2),
            call(0, 1, NOBODY, 1),
        ];
        transactions[3].gas_limit = 21_000;
        let batch = assert_parallel_equals_sequential(&funded(), &environment(spec), &transactions);
        let reason = |index: usize| match &batch.outcomes[index] {
            TransactionOutcome::Invalid(reason) => Some(reason.clone()),
            TransactionOutcome::Executed { .. } => None,
        };
        assert_eq!(reason(0), None);
        assert_eq!(reason(1), Some(InvalidTransaction::NonceTooLow { tx: 0, state: 1 }));
        assert_eq!(reason(2), Some(InvalidTransaction::NonceTooHigh { tx: 2, state: 1 }));
        assert!(matches!(reason(3), Some(InvalidTransaction::LackOfFundForMaxFee { .. })));
        assert_eq!(reason(4), None);
    }
}

/// A contract that comes to be, counts, dies and comes to be again at the same address.
#[test]
fn a_contract_dies_and_is_created_again() {
    let child_steps = [
        // Counts on the first call, dies on the second.
        Step::IfOdd { slot: 0, step: Box::new(Step::SelfDestruct { to: 0 }) },
        Step::Add { slot: 0, amount: 1 },
        Step::Add { slot: 1, amount: 1 },
    ];
    let domain = Domain { addresses: &[NOBODY], init_codes: &NO_CODES };
    let init = init_code(&[], &assemble(&child_steps, &domain), &domain);
    let creator = contract(0);
    let child = creator.create2(B256::ZERO, keccak256(&init));
    let inits = [init];
    let domain = Domain { addresses: &[NOBODY, child], init_codes: &inits };
    let create = Step::Create2 { code: 0, salt: 0, value: 1 };
    let observe = [
        Step::StoreCodeHash { slot: 0, of: 1 },
        Step::StoreCodeSize { slot: 1, of: 1 },
        Step::StoreBalance { slot: 2, of: 1 },
    ];
    for spec in SPECS {
        let mut state = funded();
        deploy(&mut state, creator, assemble(std::slice::from_ref(&create), &domain));
        deploy(&mut state, contract(1), assemble(&observe, &domain));
        let mut transactions = Vec::new();
        for nonce in 0..6 {
            transactions.push(call(0, nonce, creator, 5));
            transactions.push(call(1, nonce, contract(1), 0));
            transactions.push(call(2, nonce, child, 3));
            transactions.push(call(3, nonce, contract(1), 0));
            transactions.push(call(4, nonce, child, 1));
        }
        let batch = assert_parallel_equals_sequential(&state, &environment(spec), &transactions);
        let deaths = batch
            .outcomes
            .iter()
            .filter(|outcome| {
                matches!(outcome, TransactionOutcome::Executed { state, .. }
                    if state.get(&child).is_some_and(|account| account.is_selfdestructed()))
            })
            .count();
        // CREATE2 came with Petersburg; since Cancun only the newborn die.
        let expected = match spec {
            spec if !spec.is_enabled_in(SpecId::PETERSBURG) => 0,
            spec if spec.is_enabled_in(SpecId::CANCUN) => 0,
            _ => 6,
        };
        assert_eq!(deaths, expected, "{spec:?}");
        if expected > 0 {
            // The storage began anew each time.
            assert_eq!(slot(&batch, child, 1).unwrap(), U256::ONE);
        }
    }
}

#[test]
fn a_wiped_storage_reads_zero() {
    let domain = Domain { addresses: &[NOBODY], init_codes: &NO_CODES };
    let steps = [
        Step::Add { slot: 0, amount: 1 },
        Step::IfOdd { slot: 3, step: Box::new(Step::SelfDestruct { to: 0 }) },
    ];
    for spec in SPECS {
        let mut state = funded();
        deploy(&mut state, contract(0), assemble(&steps, &domain));
        state.insert_account_storage(contract(0), U256::ZERO, U256::from(40)).unwrap();
        state.insert_account_storage(contract(0), U256::from(3), U256::ONE).unwrap();
        let transactions: Vec<TxEnv> = (0..6).map(|n| call(n, 0, contract(0), 1)).collect();
        let batch = assert_parallel_equals_sequential(&state, &environment(spec), &transactions);
        if spec.is_enabled_in(SpecId::CANCUN) {
            assert_eq!(slot(&batch, contract(0), 0), Some(U256::from(46)));
        } else {
            // Whoever comes after the first pays an account without code.
            assert_eq!(balance(&batch, contract(0)), Some(U256::from(5)));
        }
    }
}

#[test]
fn empty_accounts_are_cleared_since_spurious_dragon() {
    for spec in SPECS {
        let mut state = funded();
        let empty = contract(3);
        state.insert_account_info(empty, AccountInfo::default());
        let domain = Domain { addresses: &[empty, NOBODY], init_codes: &NO_CODES };
        // The gas of a call with value tells whether the callee exists.
        let steps =
            [Step::Call { to: 0, value: 0, gas: 100 }, Step::Call { to: 1, value: 0, gas: 100 }];
        deploy(&mut state, contract(0), assemble(&steps, &domain));
        let transactions = vec![
            call(0, 0, contract(0), 1),
            call(1, 0, empty, 0),
            call(2, 0, contract(0), 1),
            call(3, 0, NOBODY, 0),
            call(4, 0, contract(0), 1),
        ];
        let batch = assert_parallel_equals_sequential(&state, &environment(spec), &transactions);
        assert!(batch.outcomes.iter().all(|o| o.result().unwrap().is_success()), "{spec:?}");
    }
}

#[test]
fn delegations_are_set_changed_used_and_cleared() {
    let authorize = |from: u8, nonce: u64, authority: u8, at: u64, target: Address| {
        let mut transaction = call(from, nonce, NOBODY, 0);
        let inner = Authorization { chain_id: U256::ONE, address: target, nonce: at };
        transaction.tx_type = 4;
        transaction.gas_priority_fee = Some(0);
        transaction.authorization_list =
            vec![Either::Right(RecoveredAuthorization::new_unchecked(
                inner,
                RecoveredAuthority::Valid(sender(authority)),
            ))];
        transaction
    };
    let domain = Domain { addresses: &[sender(0)], init_codes: &NO_CODES };
    for spec in [SpecId::PRAGUE, SpecId::OSAKA] {
        let mut state = funded();
        deploy(&mut state, contract(0), assemble(&[Step::Add { slot: 0, amount: 1 }], &domain));
        deploy(&mut state, contract(1), assemble(&[Step::Add { slot: 0, amount: 10 }], &domain));
        deploy(
            &mut state,
            contract(2),
            assemble(&[Step::StoreCodeHash { slot: 1, of: 0 }], &domain),
        );
        let transactions = vec![
            call(1, 0, sender(0), 0),
            authorize(2, 0, 0, 0, contract(0)),
            call(1, 1, sender(0), 0),
            call(4, 0, contract(2), 0),
            authorize(3, 0, 0, 1, contract(1)),
            call(1, 2, sender(0), 0),
            // The authority goes on sending, its nonce raised twice.
            call(0, 2, sender(0), 1),
            // A payment to it does not drop its code.
            call(5, 0, sender(0), 77),
            authorize(2, 1, 0, 3, Address::ZERO),
            call(1, 3, sender(0), 0),
            call(4, 1, contract(2), 0),
        ];
        let batch = assert_parallel_equals_sequential(&state, &environment(spec), &transactions);
        assert!(batch.outcomes.iter().all(|o| o.result().unwrap().is_success()));
        assert_eq!(slot(&batch, sender(0), 0), Some(U256::from(1 + 10 + 10 + 10)));
        let TransactionOutcome::Executed { state, .. } = &batch.outcomes[8] else { unreachable!() };
        assert!(state[&sender(0)].info.is_empty_code_hash());
    }
}

#[test]
fn creations_by_one_sender_follow_its_nonce() {
    let domain = Domain { addresses: &[NOBODY], init_codes: &NO_CODES };
    let init = init_code(&[], &assemble(&[Step::Add { slot: 0, amount: 1 }], &domain), &domain);
    for spec in SPECS {
        let mut transactions = Vec::new();
        for nonce in 0..4 {
            let mut create = call(0, nonce, NOBODY, 1);
            create.kind = TxKind::Create;
            create.data = init.clone();
            transactions.push(create);
            transactions.push(call(1, nonce, sender(0).create(nonce), 2));
        }
        let batch = assert_parallel_equals_sequential(&funded(), &environment(spec), &transactions);
        for nonce in 0..4 {
            let created = sender(0).create(nonce);
            assert_eq!(slot(&batch, created, 0), Some(U256::ONE), "{spec:?}");
        }
    }
}

/// Whether the batch gave an account code.
fn got_code(batch: &BatchOutcome, address: Address) -> bool {
    batch.outcomes.iter().any(|outcome| {
        matches!(outcome, TransactionOutcome::Executed { state, .. }
            if state.get(&address).is_some_and(|account| !account.info.is_empty_code_hash()))
    })
}

fn creation(from: u8, nonce: u64, init: &Bytes) -> TxEnv {
    TxEnv { kind: TxKind::Create, data: init.clone(), ..call(from, nonce, NOBODY, 1) }
}

fn collides(batch: &BatchOutcome, index: usize) -> bool {
    matches!(
        batch.outcomes[index].result(),
        Some(ExecutionResult::Halt { reason: HaltReason::CreateCollision, .. })
    )
}

/// EIP-7610: storage alone keeps a contract from being created, by a transaction or by CREATE2.
#[test]
fn storage_without_code_and_nonce_collides_with_creations() {
    const GAS: u64 = 4_000_000;
    let domain = Domain { addresses: &[NOBODY], init_codes: &NO_CODES };
    let init = init_code(&[], &assemble(&[Step::Add { slot: 0, amount: 1 }], &domain), &domain);
    let creator = contract(0);
    let by_transaction = sender(0).create(0);
    let by_create2 = creator.create2(B256::ZERO, keccak256(&init));
    let inits = [init.clone()];
    let domain = Domain { addresses: &[NOBODY], init_codes: &inits };
    let steps = [Step::Create2 { code: 0, salt: 0, value: 0 }, Step::Add { slot: 1, amount: 1 }];
    for spec in SPECS {
        let mut state = funded();
        deploy(&mut state, creator, assemble(&steps, &domain));
        for address in [by_transaction, by_create2] {
            let info = AccountInfo { balance: U256::from(7), ..Default::default() };
            state.insert_account_info(address, info);
            state.insert_account_storage(address, U256::from(9), U256::ONE).unwrap();
        }
        let create2 = |from| TxEnv { gas_limit: GAS, ..call(from, 0, creator, 0) };
        let transactions = [
            // Payments make no room, and neither does an attempt that failed.
            call(1, 0, by_transaction, 3),
            creation(0, 0, &init),
            call(2, 0, by_transaction, 3),
            create2(3),
            create2(4),
            call(5, 0, by_create2, 3),
            // The nonce went up: this is for another address, where there is nothing.
            creation(0, 1, &init),
        ];
        let batch = assert_parallel_equals_sequential(&state, &environment(spec), &transactions);
        assert!(collides(&batch, 1), "{spec:?}: {:?}", batch.outcomes[1]);
        assert_eq!(batch.outcomes[1].gas_used(), transactions[1].gas_limit, "{spec:?}");
        assert_eq!(balance(&batch, by_transaction), Some(U256::from(7 + 3 + 3)), "{spec:?}");
        assert_eq!(balance(&batch, by_create2), Some(U256::from(7 + 3)), "{spec:?}");
        for address in [by_transaction, by_create2] {
            assert!(!got_code(&batch, address), "{spec:?}: {address}");
        }
        assert!(got_code(&batch, sender(0).create(1)), "{spec:?}");
        // Since Amsterdam (EIP-8037) what is left does not do for a new slot.
        if (SpecId::PETERSBURG..SpecId::AMSTERDAM).contains(&spec) {
            // A collision takes all gas that the creation got, and the creator goes on without it.
            for index in [3, 4] {
                let outcome = &batch.outcomes[index];
                assert!(outcome.result().unwrap().is_success(), "{spec:?}: {outcome:?}");
                assert!(outcome.gas_used() > GAS / 64 * 62, "{spec:?}: {outcome:?}");
            }
            assert_eq!(slot(&batch, creator, 1), Some(U256::from(2)), "{spec:?}");
        }
    }
}

/// What a contract stored before it died in the batch is in nobody's way.
#[test]
fn storage_that_was_wiped_does_not_collide() {
    let domain = Domain { addresses: &[NOBODY], init_codes: &NO_CODES };
    let init = init_code(&[], &assemble(&[Step::Add { slot: 0, amount: 1 }], &domain), &domain);
    let address = sender(0).create(0);
    for spec in SPECS {
        let mut state = funded();
        deploy(&mut state, address, assemble(&[Step::SelfDestruct { to: 0 }], &domain));
        state.insert_account_storage(address, U256::from(9), U256::ONE).unwrap();
        let transactions = [call(1, 0, address, 0), creation(0, 0, &init), call(2, 0, address, 0)];
        let batch = assert_parallel_equals_sequential(&state, &environment(spec), &transactions);
        // Since Cancun the contract stays, and it is its code that collides.
        let stays = spec.is_enabled_in(SpecId::CANCUN);
        assert_eq!(collides(&batch, 1), stays, "{spec:?}: {:?}", batch.outcomes[1]);
        let counted = (!stays).then_some(U256::ONE);
        assert_eq!(slot(&batch, address, 0), counted, "{spec:?}");
    }
}

#[test]
fn an_empty_batch_has_no_outcomes() {
    let batch = assert_parallel_equals_sequential(&funded(), &environment(SpecId::OSAKA), &[]);
    assert!(batch.outcomes.is_empty());
}
