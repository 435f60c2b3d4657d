//! Graphs of made-up transactions; `tests/explain.rs` has real ones.

use super::*;
use alloy_primitives::{Address, U256};
use plasma_evm::{Accesses, Location};
use proptest::prelude::*;

const BENEFICIARY: Address = Address::repeat_byte(0xbe);

fn transaction(sender: u8, gas: u64, reads: &[Location], writes: &[Location]) -> Weighed {
    let mut accesses = Accesses {
        reads: reads.iter().chain(writes).copied().collect(),
        writes: writes.iter().copied().collect(),
        ..Accesses::default()
    };
    // The fee: added unread, unless the reads name it.
    accesses.writes.insert(Location::Balance(BENEFICIARY));
    Weighed { sender: Address::repeat_byte(sender), gas, accesses }
}

fn slot(number: u64) -> Location {
    Location::Storage(Address::repeat_byte(0xcc), U256::from(number))
}

#[test]
fn a_block_without_dependencies_is_praised() {
    let all = (1..=10).map(|n| transaction(n, 100, &[slot(99)], &[slot(n.into())])).collect();
    let told = Dependencies::new(BENEFICIARY, all).explain();
    assert_eq!((told.work, told.critical_path, told.limit), (1_000, 100, 10.0));
    assert_eq!((told.waiters, told.dependencies.len(), told.locations.len()), (0, 0, 0));
    assert_eq!(
        told.verdict,
        "The 10 transactions of this block are independent of each other: with enough cores it \
         runs up to 10.0 times as fast as one by one."
    );
}

#[test]
fn the_hottest_slot_and_what_it_costs() {
    let mut all: Vec<_> = (1..=6).map(|n| transaction(n, 100, &[], &[slot(3)])).collect();
    all.extend((7..=9).map(|n| transaction(n, 100, &[], &[slot(n.into())])));
    all.push(transaction(10, 50, &[slot(7)], &[]));
    let graph = Dependencies::new(BENEFICIARY, all);
    let told = graph.explain();
    assert_eq!((told.work, told.critical_path), (950, 600));
    let [hot, warm] = &told.locations[..] else { panic!("two locations: {told:?}") };
    assert_eq!(hot.cause, slot(3).into());
    assert_eq!((hot.writers, hot.waiters, hot.waiting_gas), (6, 5, 500));
    assert_eq!(hot.critical_path_without, 150);
    assert_eq!((warm.writers, warm.waiters, warm.waiting_gas), (1, 1, 50));
    assert_eq!(warm.critical_path_without, 600);
    assert_eq!(told.path.len(), 6);
    assert_eq!(told.path[0].waited_for, None);
    assert!(told.path[1..].iter().all(|step| step.waited_for == Some(slot(3).into())));
    let account = &told.accounts[0];
    assert_eq!((account.writers, account.waiters, account.waiting_gas), (7, 6, 550));
    let contract = Address::repeat_byte(0xcc);
    assert_eq!(
        told.verdict,
        format!(
            "52% of this block waited for slot 0x3 of {contract} (written by 6 transactions); \
             with any number of cores it runs at most 1.6 times as fast as one by one."
        )
    );
    let other = graph.explain_account(Address::repeat_byte(1));
    assert!(other.verdict.starts_with("No transaction of this block used"), "{}", other.verdict);
    assert_eq!((other.work, other.critical_path), (950, 600));
}

#[test]
fn spread_out_waits_are_told_of_the_account() {
    // Five pairs, each with a slot of its own.
    let all = (0..10).map(|n| transaction(n, 100, &[], &[slot(u64::from(n) / 2)])).collect();
    let told = Dependencies::new(BENEFICIARY, all).explain();
    let account = Address::repeat_byte(0xcc);
    let start = format!("50% of this block waited for various parts of {account} (written by 10");
    assert!(told.verdict.starts_with(&start), "{}", told.verdict);
}

#[test]
fn a_reader_of_the_beneficiarys_balance_waits_for_all_fees() {
    let fees = Location::Balance(BENEFICIARY);
    let all = vec![
        transaction(1, 300, &[], &[]),
        transaction(2, 100, &[], &[]),
        transaction(3, 10, &[fees], &[]),
    ];
    let told = Dependencies::new(BENEFICIARY, all).explain();
    assert_eq!(told.critical_path, 310, "the longest, not the latest");
    assert_eq!(told.path[0].transaction, 0);
}

#[test]
fn an_empty_block_and_a_single_transaction() {
    let empty = Dependencies::default().explain();
    assert_eq!((empty.work, empty.critical_path, empty.limit), (0, 0, 1.0));
    assert_eq!(empty.verdict, "This block has no transactions.");
    let one = Dependencies::new(BENEFICIARY, vec![transaction(1, 5, &[], &[slot(1)])]).explain();
    assert_eq!((one.limit, one.path.len()), (1.0, 1));
    assert!(one.verdict.contains("one transaction"), "{}", one.verdict);
}

/// Transactions over a few locations, so that many conflict.
fn transactions() -> impl Strategy<Value = Vec<Weighed>> {
    let location = || {
        prop_oneof![
            (0_u64..4).prop_map(slot),
            (1_u8..4).prop_map(|n| Location::Balance(Address::repeat_byte(n))),
            Just(Location::Existence(Address::repeat_byte(0xcc))),
            Just(Location::Balance(BENEFICIARY)),
        ]
    };
    let locations = || prop::collection::vec(location(), 0..3);
    let one = (1_u8..4, 1_u64..100, locations(), locations()).prop_map(
        |(sender, gas, reads, mut writes)| {
            // Nobody but code that asks reads what fees add to.
            writes.retain(|location| *location != Location::Balance(BENEFICIARY));
            writes.push(Location::Nonce(Address::repeat_byte(sender)));
            transaction(sender, gas, &reads, &writes)
        },
    );
    prop::collection::vec(one, 0..24)
}

proptest! {
    /// All pairs of transactions, looked at one by one, give the same path and the same waiters.
    #[test]
    fn the_path_is_that_of_all_pairs(all in transactions()) {
        let mut ends: Vec<u64> = Vec::new();
        let mut waiters = 0;
        for (reader, transaction) in all.iter().enumerate() {
            let before = (0..reader).filter(|writer| {
                !all[*writer].accesses.writes.is_disjoint(&transaction.accesses.reads)
            });
            let start = before.clone().map(|writer| ends[writer]).max();
            waiters += u32::from(start.is_some());
            ends.push(start.unwrap_or_default() + transaction.gas);
        }
        let gas: Vec<u64> = all.iter().map(|transaction| transaction.gas).collect();
        let graph = Dependencies::new(BENEFICIARY, all);
        let told = graph.explain();
        prop_assert_eq!(told.critical_path, ends.iter().copied().max().unwrap_or_default());
        prop_assert_eq!(told.waiters, waiters);
        prop_assert_eq!(told.work, gas.iter().sum::<u64>());
        let path: u64 = told.path.iter().map(|step| gas[step.transaction as usize]).sum();
        prop_assert_eq!(path, told.critical_path);
        prop_assert!(told.path.is_sorted_by_key(|step| step.transaction));
        // Taking a cause away never makes the block slower.
        for hot in &told.locations {
            prop_assert!(hot.critical_path_without <= told.critical_path);
        }
        let text = serde_json::to_string(&told).unwrap();
        prop_assert_eq!(serde_json::from_str::<Explanation>(&text).unwrap(), told);
    }
}
