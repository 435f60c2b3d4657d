//! Pending and queued, and what the next batch is made of.

mod support;

use alloy_consensus::{Transaction as _, TxEip1559};
use alloy_primitives::U256;
use plasma_txpool::{PoolConfig, PoolHead, PoolStatus, PoolTransaction};
use std::sync::Arc;
use support::*;

const GAS: u64 = 30_000_000;

fn with_tip(wallet: &Wallet, nonce: u64, tip: u128) -> PoolTransaction {
    wallet.pooled(TxEip1559 { max_priority_fee_per_gas: tip, ..transfer(nonce) })
}

fn places(batch: &[Arc<PoolTransaction>], wallets: &[Wallet]) -> Vec<(usize, u64)> {
    let place = |tx: &Arc<PoolTransaction>| {
        (wallets.iter().position(|wallet| wallet.address == tx.sender).unwrap(), tx.nonce())
    };
    batch.iter().map(place).collect()
}

#[test]
fn gaps_queue_and_filling_them_promotes() {
    let wallet = Wallet::new(1);
    let state = TestState::with(&[wallet], ETHER);
    let pool = pool();
    let mut announced = pool.subscribe();
    for nonce in [2, 1, 4] {
        assert!(!pool.add(wallet.pooled(transfer(nonce)), &state, &head()).unwrap().pending);
    }
    assert_eq!(pool.status(), PoolStatus { pending: 0, queued: 3 });
    assert_eq!(pool.next_nonce(wallet.address, 0), 0);
    assert!(pool.best(&head(), &state, GAS, 10).is_empty());
    assert!(announced.try_recv().is_err());

    assert!(pool.add(wallet.pooled(transfer(0)), &state, &head()).unwrap().pending);
    assert_eq!(pool.status(), PoolStatus { pending: 3, queued: 1 });
    assert_eq!(pool.next_nonce(wallet.address, 0), 3);
    let nonces: Vec<u64> =
        std::iter::from_fn(|| announced.try_recv().ok()).map(|tx| tx.nonce()).collect();
    assert_eq!(nonces, [0, 1, 2]);
    let content = pool.content();
    assert_eq!(content.pending[&wallet.address].keys().copied().collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(content.queued[&wallet.address].keys().copied().collect::<Vec<_>>(), [4]);
    let from = pool.content_from(wallet.address);
    assert_eq!((from.pending.len(), from.queued.len()), (1, 1));
    assert!(pool.content_from(Wallet::new(2).address).pending.is_empty());

    // Taking one out of the middle demotes what follows.
    let middle = content.pending[&wallet.address][&1].hash;
    assert!(pool.remove_invalid(middle, "it reverts the universe"));
    assert!(!pool.drop_transaction(middle));
    assert_eq!(pool.status(), PoolStatus { pending: 1, queued: 2 });
    pool.clear();
    assert_eq!(pool.status(), PoolStatus::default());
}

#[test]
fn batches_go_by_tip_then_arrival_and_keep_nonces() {
    let wallets: Vec<_> = (0..3).map(Wallet::new).collect();
    let state = TestState::with(&wallets, ETHER);
    let pool = pool();
    for (wallet, nonce, tip) in
        [(0, 0, 1), (0, 1, 9), (1, 0, 5), (2, 0, 5), (1, 1, 7), (2, 1, 1), (2, 3, 9)]
    {
        pool.add(with_tip(&wallets[wallet], nonce, tip * GWEI), &state, &head()).unwrap();
    }
    let all = [(1, 0), (1, 1), (2, 0), (0, 0), (0, 1), (2, 1)];
    assert_eq!(places(&pool.best(&head(), &state, GAS, 100), &wallets), all);
    assert_eq!(places(&pool.best(&head(), &state, GAS, 2), &wallets), all[..2]);
    assert_eq!(places(&pool.best(&head(), &state, 3 * 21_000, 100), &wallets), all[..3]);
    assert_eq!(places(&pool.best(&head(), &state, 3 * 21_000 - 1, 100), &wallets), all[..2]);
    assert!(pool.best(&head(), &state, 20_999, 100).is_empty());
    assert!(pool.best(&head(), &state, GAS, 0).is_empty());

    // The tip that counts is what the base fee leaves of the fee cap.
    let dear = PoolHead { base_fee: (19 * GWEI) as u64, ..head() };
    let by_arrival = [(0, 0), (0, 1), (1, 0), (2, 0), (1, 1), (2, 1)];
    assert_eq!(places(&pool.best(&dear, &state, GAS, 100), &wallets), by_arrival);
    let too_dear = PoolHead { base_fee: (21 * GWEI) as u64, ..head() };
    assert!(pool.best(&too_dear, &state, GAS, 100).is_empty());
    assert_eq!(places(&pool.best(&head(), &state, GAS, 100), &wallets), all);
}

#[test]
fn one_that_does_not_fit_holds_back_its_sender_only() {
    let wallets: Vec<_> = (0..2).map(Wallet::new).collect();
    let state = TestState::with(&wallets, ETHER);
    let pool = pool();
    let large =
        TxEip1559 { gas_limit: 1_000_000, max_priority_fee_per_gas: 5 * GWEI, ..transfer(0) };
    pool.add(wallets[0].pooled(large), &state, &head()).unwrap();
    pool.add(wallets[0].pooled(transfer(1)), &state, &head()).unwrap();
    pool.add(wallets[1].pooled(transfer(0)), &state, &head()).unwrap();
    assert_eq!(places(&pool.best(&head(), &state, 500_000, 100), &wallets), [(1, 0)]);
}

#[test]
fn the_state_may_be_ahead_of_the_pool() {
    let wallet = Wallet::new(1);
    let mut state = TestState::with(&[wallet], ETHER);
    let pool = pool();
    for nonce in 0..4 {
        pool.add(wallet.pooled(transfer(nonce)), &state, &head()).unwrap();
    }
    state.set(wallet.address, 2, U256::from(ETHER));
    assert_eq!(places(&pool.best(&head(), &state, GAS, 100), &[wallet]), [(0, 2), (0, 3)]);
    assert_eq!(pool.next_nonce(wallet.address, 2), 4);
    assert_eq!(pool.next_nonce(wallet.address, 9), 9);
    // What was executed costs nothing more.
    state.set(wallet.address, 2, U256::from(3 * 420_001 * GWEI));
    pool.add(wallet.pooled(transfer(4)), &state, &head()).unwrap();
    pool.add(wallet.pooled(transfer(5)), &state, &head()).unwrap_err();

    pool.remove_included(&[(wallet.address, 0), (wallet.address, 1)]);
    assert_eq!(pool.status(), PoolStatus { pending: 3, queued: 0 });
    // A state from before: its nonce is not the pool's any more.
    state.set(wallet.address, 1, U256::from(ETHER));
    assert_eq!(
        pool.add(wallet.pooled(transfer(1)), &state, &head()).unwrap_err().to_string(),
        "nonce too low: next nonce 2, tx nonce 1"
    );
    assert!(pool.best(&head(), &state, GAS, 100).is_empty());
}

#[test]
fn a_new_head_drops_what_is_stale_or_impossible() {
    let wallets: Vec<_> = (0..4).map(Wallet::new).collect();
    let mut state = TestState::with(&wallets, ETHER);
    let pool = pool_with(PoolConfig { fee_cap: None, ..PoolConfig::default() });
    for wallet in &wallets {
        for nonce in [0, 1, 3] {
            pool.add(wallet.pooled(transfer(nonce)), &state, &head()).unwrap();
        }
    }
    let large = TxEip1559 { gas_limit: 100_000, ..transfer(2) };
    pool.add(wallets[3].pooled(large), &state, &head()).unwrap();
    assert_eq!(pool.status(), PoolStatus { pending: 10, queued: 3 });

    state.set(wallets[0].address, 1, U256::from(ETHER));
    state.set(wallets[1].address, 3, U256::from(ETHER)); // the gap is passed
    state.set(wallets[2].address, 0, U256::from(1)); // everything is too dear
    let head = PoolHead { gas_limit: 99_999, number: 2, ..head() };
    pool.on_head(&head, &state).unwrap();
    let left = |wallet: usize| {
        let content = pool.content_from(wallets[wallet].address);
        let nonces = |part: &std::collections::BTreeMap<_, std::collections::BTreeMap<u64, _>>| {
            part.values().flat_map(|txs| txs.keys().copied()).collect::<Vec<_>>()
        };
        (nonces(&content.pending), nonces(&content.queued))
    };
    assert_eq!(left(0), (vec![1], vec![3]));
    assert_eq!(left(1), (vec![3], vec![]));
    assert_eq!(left(2), (vec![], vec![]));
    assert_eq!(left(3), (vec![0, 1], vec![3]));

    // A reverted chain: the nonce goes back, and what was pending has a gap before it.
    state.set(wallets[1].address, 2, U256::from(ETHER));
    pool.on_head(&head, &state).unwrap();
    assert_eq!(left(1), (vec![], vec![3]));

    // A state that cannot be read changes nothing.
    let before = pool.status();
    let broken = TestState { broken: true, ..TestState::default() };
    pool.on_head(&head, &broken).unwrap_err();
    assert_eq!(pool.status(), before);
    assert!(pool.best(&head, &broken, GAS, 10).is_empty());
}

#[test]
fn twenty_thousand_of_two_hundred_senders_come_out_in_order() {
    let wallets: Vec<_> = (0..200).map(Wallet::new).collect();
    let state = TestState::with(&wallets, ETHER);
    let pool = pool();
    for nonce in 0..100 {
        for wallet in &wallets {
            // Signatures are not this test's matter: an impersonated sender needs none.
            pool.add_unsigned(transfer(nonce).into(), wallet.address, &state, &head()).unwrap();
        }
    }
    assert_eq!(pool.status().pending, 20_000);
    let batch = pool.best(&head(), &state, u64::MAX, usize::MAX);
    assert_eq!(batch.len(), 20_000);
    let mut next = std::collections::HashMap::new();
    for tx in &batch {
        let expected = next.entry(tx.sender).or_insert(0);
        assert_eq!(tx.transaction.nonce(), *expected);
        *expected += 1;
    }
    // Equal tips: by arrival, so that the answer is the same each time.
    assert!(batch.is_sorted_by_key(|tx| tx.arrival));
    let included: Vec<_> = batch[..10_000].iter().map(|tx| (tx.sender, tx.nonce())).collect();
    pool.remove_included(&included);
    assert_eq!(pool.status(), PoolStatus { pending: 10_000, queued: 0 });
}
