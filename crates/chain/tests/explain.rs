//! Explanations of blocks that were really made.

mod support;

use alloy_primitives::{Address, U256, hex, keccak256};
use plasma_chain::{
    Chain,
    explain::{Cause, CauseKind, Dependency, Explanation},
};
use plasma_storage::{Account, AccountChange, StateChanges};
use support::{call, lane_address, open, submit, transfer, transfer_with_tip};

/// Adds one to its slot 0.
const COUNTER: Address = Address::repeat_byte(0xc7);
/// PUSH0 SLOAD PUSH1 1 ADD PUSH0 SSTORE STOP
const COUNTER_CODE: [u8; 8] = hex!("5f546001015f5500");

/// Mines what the pool has, and explains that block.
fn mine(chain: &Chain, transactions: usize) -> Explanation {
    let block = chain.dev().unwrap().mine(1, None).unwrap().remove(0);
    assert_eq!(block.transactions.len(), transactions);
    let explanation = chain.dependencies(block.number()).unwrap().explain();
    let again = chain.dependencies(block.number()).unwrap().explain();
    assert_eq!(again, explanation, "an explanation can be repeated");
    assert_eq!(explanation.work, block.header.gas_used);
    explanation
}

fn place_counter(chain: &Chain) {
    let hash = keccak256(COUNTER_CODE);
    let account = Account { nonce: 1, balance: U256::ZERO, bytecode_hash: Some(hash) };
    let mut patch = StateChanges::default();
    patch.codes.insert(hash, COUNTER_CODE.into());
    patch
        .accounts
        .insert(COUNTER, AccountChange { account: Some(account), ..AccountChange::default() });
    let patched = chain.dev().unwrap().patch_state(|_| Ok::<_, std::convert::Infallible>(patch));
    let Ok(()) = patched.unwrap();
}

fn of_sender(address: Address) -> Cause {
    Cause { kind: CauseKind::Sender, address, slot: None }
}

#[test]
fn independent_transfers_depend_on_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let chain = open(dir.path(), true, false);
    for index in 0..4 {
        submit(&chain, transfer(index, 0, Address::repeat_byte(0x50 + index as u8), 1));
    }
    let told = mine(&chain, 4);
    assert_eq!((told.work, told.critical_path, told.limit), (84_000, 21_000, 4.0));
    assert_eq!((told.waiters, told.dependencies), (0, Vec::new()));
    assert!(told.verdict.contains("are independent of each other"), "{}", told.verdict);
}

#[test]
fn a_hot_counter_is_one_chain() {
    let dir = tempfile::tempdir().unwrap();
    let chain = open(dir.path(), true, false);
    place_counter(&chain);
    for index in 0..4 {
        submit(&chain, call(index, 0, COUNTER));
    }
    let told = mine(&chain, 4);
    assert_eq!(told.critical_path, told.work);
    let cause = Cause { kind: CauseKind::Storage, address: COUNTER, slot: Some(U256::ZERO) };
    let expected = |reader| Dependency { reader, writer: reader - 1, cause };
    assert_eq!(told.dependencies, [expected(1), expected(2), expected(3)]);
    let hot = &told.locations[0];
    assert_eq!((hot.cause, hot.writers, hot.waiters), (cause, 4, 3));
    assert_eq!(hot.waiting_gas, told.path[1..].iter().map(|step| step.gas).sum::<u64>());
    let account = &told.accounts[0];
    assert_eq!((account.address, account.contract, account.touched), (COUNTER, true, 4));
    let expected = format!("waited for slot 0x0 of {COUNTER} (written by 4 transactions)");
    assert!(told.verdict.contains(&expected), "{}", told.verdict);

    let about = chain.dependencies(chain.head().number()).unwrap().explain_account(COUNTER);
    assert_eq!(about.locations, told.locations);
    assert!(about.verdict.starts_with("4 transactions of this block used"), "{}", about.verdict);
}

#[test]
fn money_that_is_passed_on_is_a_chain() {
    let dir = tempfile::tempdir().unwrap();
    let chain = open(dir.path(), true, false);
    // The pool's order is by fee, so what pays less comes later.
    for index in 0..3 {
        let tip = 10 - index as u128;
        submit(&chain, transfer_with_tip(index, 0, lane_address(index + 1), 5, tip));
    }
    let told = mine(&chain, 3);
    assert_eq!(told.critical_path, told.work);
    let passed = |reader: u32| Dependency {
        reader,
        writer: reader - 1,
        cause: Cause {
            kind: CauseKind::Balance,
            address: lane_address(reader as usize),
            slot: None,
        },
    };
    assert_eq!(told.dependencies, [passed(1), passed(2)]);
}

#[test]
fn one_sender_waits_for_itself() {
    let dir = tempfile::tempdir().unwrap();
    let chain = open(dir.path(), true, false);
    for nonce in 0..3 {
        submit(&chain, transfer(0, nonce, Address::repeat_byte(0x60 + nonce as u8), 1));
    }
    let told = mine(&chain, 3);
    assert_eq!(told.critical_path, told.work);
    let cause = of_sender(lane_address(0));
    let waited = |reader| Dependency { reader, writer: reader - 1, cause };
    assert_eq!(told.dependencies, [waited(1), waited(2)]);
    let hot = &told.locations[0];
    assert_eq!((hot.cause, hot.writers, hot.waiters), (cause, 3, 2));
    assert!(told.verdict.contains("earlier transactions of sender"), "{}", told.verdict);
    assert!(told.verdict.contains("(who sent 3)"), "{}", told.verdict);
}

#[test]
fn genesis_is_empty_and_the_future_is_unknown() {
    let dir = tempfile::tempdir().unwrap();
    let chain = open(dir.path(), true, false);
    let told = chain.dependencies(0).unwrap().explain();
    assert_eq!((told.work, told.limit), (0, 1.0));
    let error = chain.dependencies(1).unwrap_err();
    assert_eq!(error.to_string(), "block 1 does not exist");
}
