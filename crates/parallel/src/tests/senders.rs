//! Senders of several transactions, which are assumed to be what they will be; and codes that are run
//! so often that threads have copies of their own.

use alloy_evm::EvmEnv;
use alloy_primitives::{Address, B256, Bytes, U256, hex};
use revm::{
    bytecode::{Bytecode, opcode as op},
    context::{BlockEnv, CfgEnv, TxEnv},
    database::InMemoryDB,
    primitives::{TxKind, hardfork::SpecId},
    state::AccountInfo,
};

use super::{assert_parallel_equals_sequential, world::SPECS};

/// How often a case is tried: what comes of it depends on who gets how far.
const TRIES: usize = 12;

fn environment(spec: SpecId) -> EvmEnv {
    let block = BlockEnv {
        number: U256::from(10),
        gas_limit: 1_000_000_000,
        beneficiary: Address::with_last_byte(0xcb),
        prevrandao: Some(B256::ZERO),
        ..BlockEnv::default()
    };
    EvmEnv::new(CfgEnv::new_with_spec(spec), block)
}

fn account(number: u8) -> Address {
    Address::repeat_byte(number)
}

fn fund(state: &mut InMemoryDB, address: Address, balance: U256) {
    state.insert_account_info(address, AccountInfo { balance, ..AccountInfo::default() });
}

fn deploy(state: &mut InMemoryDB, address: Address, balance: u64, code: &[u8]) {
    let code = Bytecode::new_legacy(Bytes::copy_from_slice(code));
    let info = AccountInfo { nonce: 1, balance: U256::from(balance), ..AccountInfo::default() };
    state.insert_account_info(address, info.with_code(code));
}

fn call(from: Address, nonce: u64, to: Address, value: u64) -> TxEnv {
    TxEnv {
        caller: from,
        nonce,
        kind: TxKind::Call(to),
        value: U256::from(value),
        gas_limit: 500_000,
        gas_price: 10,
        chain_id: Some(1),
        ..TxEnv::default()
    }
}

/// Counts down from 20,000.
const SPIN: [u8; 13] = hex!("614e20 5b 6001 90 03 80 6003 57 00");

/// Pays its caller 5,000,000 wei and stores whether that worked.
fn pay_caller() -> Vec<u8> {
    let mut code = [op::PUSH1, 0].repeat(4);
    code.extend([op::PUSH4, 0x00, 0x4c, 0x4b, 0x40, op::CALLER, op::GAS, op::CALL]);
    code.extend([op::PUSH1, 0, op::SSTORE, op::STOP]);
    code
}

#[test]
fn a_sender_with_nearly_all_there_can_be_overflows_where_it_should() {
    let (rich, spin, payer) = (account(1), account(0xc1), account(0xc2));
    for spec in [SpecId::BERLIN, SpecId::CANCUN, SpecId::AMSTERDAM] {
        let mut state = InMemoryDB::default();
        fund(&mut state, rich, U256::MAX - U256::from(1_000));
        deploy(&mut state, spin, 0, &SPIN);
        deploy(&mut state, payer, 10_000_000, &pay_caller());
        let mut transactions = vec![call(rich, 0, spin, 10_000_000)];
        for number in 0..5 {
            fund(&mut state, account(10 + number), U256::from(1_u64 << 60));
            transactions.push(call(account(10 + number), 0, account(0x77), 1));
        }
        transactions.push(call(rich, 1, payer, 0));
        for _ in 0..TRIES {
            assert_parallel_equals_sequential(&state, &environment(spec), &transactions);
        }
    }
}

#[test]
fn a_sender_s_balance_is_what_is_left_when_it_is_asked_for() {
    let (spin, asks) = (account(0xc1), account(0xc2));
    for spec in SPECS {
        let mut state = InMemoryDB::default();
        deploy(&mut state, spin, 0, &SPIN);
        let code = [op::ORIGIN, op::BALANCE, op::PUSH1, 0, op::SSTORE, op::STOP];
        deploy(&mut state, asks, 0, &code);
        for number in 1..4 {
            fund(&mut state, account(number), U256::from(1_u64 << 60));
        }
        let transactions: Vec<_> = (0..60u64)
            .map(|number| {
                let from = account(1 + (number % 3) as u8);
                let to = if number % 4 == 1 { asks } else { spin };
                call(from, number / 3, to, number % 2)
            })
            .collect();
        assert_parallel_equals_sequential(&state, &environment(spec), &transactions);
    }
}

#[test]
fn senders_with_too_little_are_found_out_at_their_turn() {
    let mut state = InMemoryDB::default();
    let spin = account(0xc1);
    deploy(&mut state, spin, 0, &SPIN);
    // Enough for the first few.
    fund(&mut state, account(1), U256::from(16_000_000));
    fund(&mut state, account(2), U256::from(1_u64 << 60));
    let transactions: Vec<_> = (0..40u64)
        .map(|number| call(account(1 + (number % 2) as u8), number / 2, spin, 0))
        // A gap in the nonces of the one who has enough.
        .filter(|transaction| transaction.caller != account(2) || transaction.nonce != 7)
        .collect();
    for _ in 0..TRIES {
        let batch =
            assert_parallel_equals_sequential(&state, &environment(SpecId::CANCUN), &transactions);
        let valid = batch.outcomes.iter().filter(|outcome| outcome.result().is_some()).count();
        assert!((8..20).contains(&valid), "{valid} are valid");
    }
}

/// Before London contracts could have codes that begin as delegations do.
#[test]
fn codes_that_look_like_delegations_are_run_as_what_they_are() {
    let caller = account(1);
    for code in [&hex!("ef01")[..], &hex!("ef0100aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")] {
        let mut state = InMemoryDB::default();
        fund(&mut state, caller, U256::from(1_u64 << 60));
        deploy(&mut state, account(0xc1), 0, code);
        let calls: Vec<_> = (0..60).map(|nonce| call(caller, nonce, account(0xc1), 0)).collect();
        assert_parallel_equals_sequential(&state, &environment(SpecId::BERLIN), &calls);
    }
    // The same, created by the batch: MSTORE8 of both bytes, RETURN.
    let mut state = InMemoryDB::default();
    fund(&mut state, caller, U256::from(1_u64 << 60));
    let init = hex!("60ef 6000 53 6001 6001 53 6002 6000 f3");
    let mut create = call(caller, 0, Address::ZERO, 0);
    (create.kind, create.data) = (TxKind::Create, Bytes::copy_from_slice(&init));
    let created = caller.create(0);
    let calls = (1..120).map(|nonce| call(caller, nonce, created, 0));
    let transactions: Vec<_> = std::iter::once(create).chain(calls).collect();
    let batch =
        assert_parallel_equals_sequential(&state, &environment(SpecId::BERLIN), &transactions);
    assert!(batch.outcomes[0].result().unwrap().is_success());
}
