//! Each rule refuses what it should, in geth's words.

mod support;

use alloy_consensus::{TxEip1559, TxEip2930, TxEip7702};
use alloy_eips::{
    Encodable2718,
    eip7702::{Authorization, SignedAuthorization},
};
use alloy_primitives::{Address, Bytes, Signature, TxKind, U256, hex};
use plasma_txpool::{PoolConfig, PoolError, PoolHead, PoolTransaction, TxPool, decode_and_recover};
use support::*;

fn refused(pool: &TxPool, tx: PoolTransaction, state: &TestState, head: &PoolHead) -> String {
    let error = pool.add(tx, state, head).unwrap_err();
    assert_eq!(error.code(), -32000);
    error.to_string()
}

/// The message for a changed transfer of a rich account.
fn message(change: impl FnOnce(&mut TxEip1559)) -> String {
    let wallet = Wallet::new(1);
    let mut tx = transfer(0);
    change(&mut tx);
    refused(&pool(), wallet.pooled(tx), &TestState::with(&[wallet], 100 * ETHER), &head())
}

#[test]
fn a_good_transfer_is_taken() {
    let wallet = Wallet::new(1);
    let pool = pool();
    let state = TestState::with(&[wallet], ETHER);
    let raw = wallet.sign(transfer(0)).encoded_2718();
    let tx = decode_and_recover(&raw).unwrap();
    assert_eq!(tx.sender, wallet.address);
    assert_eq!(tx.encoded_length, raw.len());
    let outcome = pool.add(tx.clone(), &state, &head()).unwrap();
    assert!(outcome.pending);
    assert_eq!((outcome.hash, outcome.replaced), (tx.hash, None));
    assert!(pool.contains(tx.hash));
    assert_eq!(pool.get(tx.hash).unwrap().arrival, 1);
}

#[test]
fn rules_of_the_transaction_itself() {
    assert_eq!(
        message(|tx| tx.gas_limit = 20_999),
        "intrinsic gas too low: gas 20999, minimum needed 21000"
    );
    assert_eq!(
        message(|tx| {
            tx.input = vec![1; 1000].into();
            tx.gas_limit = 50_000;
        }),
        "insufficient gas for floor data gas cost: gas 50000, minimum needed 61000"
    );
    assert_eq!(
        message(|tx| {
            tx.input = vec![1; 1000].into();
            tx.gas_limit = 36_999;
        }),
        "intrinsic gas too low: gas 36999, minimum needed 37000"
    );
    assert_eq!(
        message(|tx| tx.gas_limit = (1 << 24) + 1),
        "transaction gas limit too high (cap: 16777216, tx: 16777217)"
    );
    assert_eq!(
        message(|tx| tx.max_priority_fee_per_gas = 21 * GWEI),
        "max priority fee per gas higher than max fee per gas"
    );
    assert_eq!(
        message(|tx| tx.chain_id = 1),
        "invalid sender: invalid chain id for signer: have 1 want 1337"
    );
    assert_eq!(message(|tx| tx.nonce = u64::MAX), "nonce has max value");
    assert_eq!(
        message(|tx| {
            tx.to = TxKind::Create;
            tx.input = vec![0; 49_153].into();
        }),
        "max initcode size exceeded: code size 49153, limit 49152"
    );
    let oversized = message(|tx| tx.input = vec![0; 131_072].into());
    assert!(oversized.starts_with("oversized data: transaction size 13"), "{oversized}");
    assert!(oversized.ends_with(", limit 131072"), "{oversized}");
    let wallet = Wallet::new(1);
    assert_eq!(
        message(|tx| tx.max_fee_per_gas = 10 * GWEI - 1),
        format!(
            "max fee per gas less than block base fee: address {}, maxFeePerGas: 9999999999, baseFee: 10000000000",
            wallet.address
        )
    );
    assert_eq!(
        message(|tx| {
            tx.gas_limit = 1_000_000;
            tx.max_fee_per_gas = 1234 * GWEI;
        }),
        "tx fee (1.23 ether) exceeds the configured cap (1.00 ether)"
    );
}

#[test]
fn gas_beyond_the_block() {
    let wallet = Wallet::new(1);
    let head = PoolHead { gas_limit: 20_000, ..head() };
    let state = TestState::with(&[wallet], ETHER);
    assert_eq!(
        refused(&pool(), wallet.pooled(transfer(0)), &state, &head),
        "exceeds block gas limit"
    );
}

#[test]
fn funds_and_nonces() {
    let wallet = Wallet::new(1);
    let pool = pool();
    let mut state = TestState::with(&[wallet], 420_000 * GWEI);
    assert_eq!(
        refused(&pool, wallet.pooled(transfer(0)), &state, &head()),
        "insufficient funds for gas * price + value: balance 420000000000000, tx cost 420000000000001, overshot 1"
    );
    let poor = Wallet::new(2);
    assert_eq!(
        refused(&pool, poor.pooled(transfer(0)), &state, &head()),
        "insufficient funds for gas * price + value: balance 0, tx cost 420000000000001, overshot 420000000000001"
    );
    state.set(wallet.address, 5, U256::from(600_000 * GWEI));
    assert_eq!(
        refused(&pool, wallet.pooled(transfer(3)), &state, &head()),
        "nonce too low: next nonce 5, tx nonce 3"
    );
    pool.add(wallet.pooled(transfer(5)), &state, &head()).unwrap();
    assert_eq!(
        refused(&pool, wallet.pooled(transfer(6)), &state, &head()),
        "insufficient funds for gas * price + value: balance 600000000000000, queued cost 420000000000001, tx cost 420000000000001, overshot 240000000000002"
    );
    let replacement =
        TxEip1559 { max_fee_per_gas: 30 * GWEI, max_priority_fee_per_gas: 2 * GWEI, ..transfer(5) };
    assert_eq!(
        refused(&pool, wallet.pooled(replacement), &state, &head()),
        "insufficient funds for gas * price + value: balance 600000000000000, tx cost 630000000000001, overshot 30000000000001"
    );
    // What overflows 256 bits is beyond every balance.
    state.set(wallet.address, 5, U256::MAX - U256::from(1));
    let vast = TxEip1559 { value: U256::MAX, ..transfer(7) };
    assert!(
        refused(&pool, wallet.pooled(vast), &state, &head())
            .starts_with("insufficient funds for gas * price + value: balance ")
    );
}

#[test]
fn bumped_replacements_count_beside_the_others() {
    let wallet = Wallet::new(1);
    let pool = pool();
    let state = TestState::with(&[wallet], 900_000 * GWEI);
    pool.add(wallet.pooled(transfer(0)), &state, &head()).unwrap();
    pool.add(wallet.pooled(transfer(1)), &state, &head()).unwrap();
    let replacement =
        TxEip1559 { max_fee_per_gas: 30 * GWEI, max_priority_fee_per_gas: 2 * GWEI, ..transfer(1) };
    assert_eq!(
        refused(&pool, wallet.pooled(replacement), &state, &head()),
        "insufficient funds for gas * price + value: balance 900000000000000, queued cost 840000000000002, tx bumped 210000000000000, overshot 150000000000002"
    );
}

#[test]
fn replacement_needs_ten_percent_more_of_both_fees() {
    let wallet = Wallet::new(1);
    let pool = pool();
    let state = TestState::with(&[wallet], ETHER);
    let first = wallet.pooled(transfer(0));
    pool.add(first.clone(), &state, &head()).unwrap();
    assert_eq!(refused(&pool, first.clone(), &state, &head()), "already known");
    let with = |fee: u128, tip: u128| {
        wallet.pooled(TxEip1559 {
            max_fee_per_gas: fee,
            max_priority_fee_per_gas: tip,
            ..transfer(0)
        })
    };
    for (fee, tip) in [
        (22 * GWEI, GWEI),
        (20 * GWEI, 2 * GWEI),
        (22 * GWEI - 1, 2 * GWEI),
        (22 * GWEI, 11 * GWEI / 10 - 1),
    ] {
        assert_eq!(
            refused(&pool, with(fee, tip), &state, &head()),
            "replacement transaction underpriced"
        );
    }
    let better = with(22 * GWEI, 11 * GWEI / 10);
    let outcome = pool.add(better.clone(), &state, &head()).unwrap();
    assert_eq!(outcome.replaced, Some(first.hash));
    assert!(!pool.contains(first.hash) && pool.contains(better.hash));
    assert_eq!(pool.status().pending, 1);
}

#[test]
fn contracts_do_not_send_but_delegated_accounts_do() {
    let wallet = Wallet::new(1);
    let mut state = TestState::with(&[wallet], ETHER);
    state.set_code(wallet.address, Bytes::from_static(&[0x60, 0x00]));
    let pool = pool();
    assert_eq!(
        refused(&pool, wallet.pooled(transfer(0)), &state, &head()),
        format!("sender not an eoa: address {}, len(code): 2", wallet.address)
    );
    // A developer may impersonate it.
    assert!(
        pool.add_unsigned(transfer(0).into(), wallet.address, &state, &head()).unwrap().pending
    );

    let delegated = Wallet::new(2);
    state.set(delegated.address, 0, U256::from(ETHER));
    let code = [hex!("ef0100").as_slice(), Address::repeat_byte(7).as_slice()].concat();
    state.set_code(delegated.address, code.into());
    assert_eq!(
        refused(&pool, delegated.pooled(transfer(1)), &state, &head()),
        "gapped-nonce tx from delegated accounts"
    );
    for nonce in 0..16 {
        pool.add(delegated.pooled(transfer(nonce)), &state, &head()).unwrap();
    }
    assert_eq!(
        refused(&pool, delegated.pooled(transfer(16)), &state, &head()),
        "in-flight transaction limit reached for delegated accounts"
    );
}

#[test]
fn unsigned_transactions_of_two_senders_differ() {
    let (a, b) = (Address::repeat_byte(1), Address::repeat_byte(2));
    let mut state = TestState::default();
    state.set(a, 0, U256::from(ETHER));
    state.set(b, 0, U256::from(ETHER));
    let pool = pool();
    let first = pool.add_unsigned(transfer(0).into(), a, &state, &head()).unwrap();
    let second = pool.add_unsigned(transfer(0).into(), b, &state, &head()).unwrap();
    assert_ne!(first.hash, second.hash);
    assert_eq!(pool.status().pending, 2);
    assert!(!pool.get(first.hash).unwrap().signed);
}

#[test]
fn replay_protection() {
    let wallet = Wallet::new(1);
    let state = TestState::with(&[wallet], ETHER);
    let unprotected = alloy_consensus::TxLegacy { chain_id: None, ..legacy(0) };
    assert_eq!(
        refused(&pool(), wallet.pooled(unprotected.clone()), &state, &head()),
        "only replay-protected (EIP-155) transactions allowed over RPC"
    );
    let lenient = pool_with(PoolConfig { allow_unprotected: true, ..PoolConfig::default() });
    assert!(lenient.add(wallet.pooled(unprotected), &state, &head()).is_ok());
}

#[test]
fn configured_fees() {
    let wallet = Wallet::new(1);
    let state = TestState::with(&[wallet], 1000 * ETHER);
    let pool = pool_with(PoolConfig { min_priority_fee: 2 * GWEI, ..PoolConfig::default() });
    assert_eq!(
        refused(&pool, wallet.pooled(transfer(0)), &state, &head()),
        "transaction gas price below minimum: gas tip cap 1000000000, minimum needed 2000000000"
    );
    assert!(pool.add(wallet.pooled(legacy(0)), &state, &head()).is_ok());

    let pool =
        pool_with(PoolConfig { fee_cap: None, require_base_fee: false, ..PoolConfig::default() });
    let dear = TxEip1559 { max_fee_per_gas: 1_000_000 * GWEI, gas_limit: 100_000, ..transfer(0) };
    assert!(pool.add(wallet.pooled(dear), &state, &head()).unwrap().pending);
    let cheap = TxEip1559 { max_fee_per_gas: GWEI, ..transfer(1) };
    assert!(pool.add(wallet.pooled(cheap), &state, &head()).unwrap().pending);
    // It waits until the base fee has fallen.
    assert_eq!(pool.best(&head(), &state, 30_000_000, 10).len(), 1);
    let later = PoolHead { base_fee: GWEI as u64, ..head() };
    assert_eq!(pool.best(&later, &state, 30_000_000, 10).len(), 2);
}

#[test]
fn types_wait_for_their_forks() {
    let wallet = Wallet::new(1);
    let state = TestState::with(&[wallet], ETHER);
    let access = TxEip2930 {
        chain_id: CHAIN_ID,
        gas_limit: 21_000,
        gas_price: 20 * GWEI,
        to: TxKind::Call(Address::ZERO),
        ..TxEip2930::default()
    };
    let set_code = TxEip7702 {
        chain_id: CHAIN_ID,
        gas_limit: 100_000,
        max_fee_per_gas: 20 * GWEI,
        authorization_list: vec![authorization()],
        ..TxEip7702::default()
    };
    let before = |fork| TxPool::new(PoolConfig::default(), spec(CHAIN_ID, fork));
    for (fork, tx, expected) in [
        ("Istanbul", wallet.pooled(access.clone()), "type 1 rejected, pool not yet in Berlin"),
        ("Istanbul", wallet.pooled(transfer(0)), "type 2 rejected, pool not yet in Berlin"),
        ("Berlin", wallet.pooled(transfer(0)), "type 2 rejected, pool not yet in London"),
        ("Cancun", wallet.pooled(set_code.clone()), "type 4 rejected, pool not yet in Prague"),
    ] {
        assert_eq!(
            refused(&before(fork), tx, &state, &head()),
            format!("transaction type not supported: {expected}")
        );
    }
    for (fork, tx) in [
        ("Istanbul", wallet.pooled(legacy(0))),
        ("Berlin", wallet.pooled(access)),
        ("London", wallet.pooled(transfer(0))),
        ("Prague", wallet.pooled(set_code)),
    ] {
        before(fork).add(tx, &state, &head()).unwrap();
    }
}

fn authorization() -> SignedAuthorization {
    Authorization { chain_id: U256::from(CHAIN_ID), address: Address::repeat_byte(9), nonce: 0 }
        .into_signed(Signature::new(U256::from(1), U256::from(1), false))
}

#[test]
fn set_code_transactions_authorise_something() {
    let wallet = Wallet::new(1);
    let state = TestState::with(&[wallet], ETHER);
    let mut tx = TxEip7702 {
        chain_id: CHAIN_ID,
        gas_limit: 45_999,
        max_fee_per_gas: 20 * GWEI,
        authorization_list: vec![authorization()],
        ..TxEip7702::default()
    };
    assert_eq!(
        refused(&pool(), wallet.pooled(tx.clone()), &state, &head()),
        "intrinsic gas too low: gas 45999, minimum needed 46000"
    );
    tx.authorization_list.clear();
    assert_eq!(
        refused(&pool(), wallet.pooled(tx), &state, &head()),
        "set code tx must have at least one authorization tuple"
    );
}

#[test]
fn account_limits() {
    let wallet = Wallet::new(1);
    let state = TestState::with(&[wallet], ETHER);
    let pool = pool_with(PoolConfig {
        max_account_transactions: 4,
        max_account_queued: 2,
        ..PoolConfig::default()
    });
    for nonce in [0, 5, 6] {
        pool.add(wallet.pooled(transfer(nonce)), &state, &head()).unwrap();
    }
    assert_eq!(
        refused(&pool, wallet.pooled(transfer(7)), &state, &head()),
        "account limit exceeded: pooled 3 txs"
    );
    pool.add(wallet.pooled(transfer(1)), &state, &head()).unwrap();
    assert_eq!(
        refused(&pool, wallet.pooled(transfer(2)), &state, &head()),
        "account limit exceeded: pooled 4 txs"
    );
}

#[test]
fn a_full_pool_drops_the_cheapest_that_leaves_no_gap() {
    let wallets: Vec<_> = (0..4).map(Wallet::new).collect();
    let state = TestState::with(&wallets, ETHER);
    let pool = pool_with(PoolConfig { max_transactions: 3, ..PoolConfig::default() });
    let with_tip = |wallet: usize, nonce, tip| {
        wallets[wallet].pooled(TxEip1559 { max_priority_fee_per_gas: tip, ..transfer(nonce) })
    };
    let cheap_head = with_tip(0, 0, 1);
    let dear_tail = with_tip(0, 1, 9);
    let middle = with_tip(1, 0, 5);
    for tx in [&cheap_head, &dear_tail, &middle] {
        pool.add(tx.clone(), &state, &head()).unwrap();
    }
    assert_eq!(refused(&pool, with_tip(2, 0, 5), &state, &head()), "transaction underpriced");
    assert_eq!(
        refused(&pool, with_tip(2, 1, 7), &state, &head()),
        "future transaction tries to replace pending"
    );
    // The cheapest of all is safe: its sender's later one needs it.
    pool.add(with_tip(2, 0, 6), &state, &head()).unwrap();
    assert!(pool.contains(cheap_head.hash) && pool.contains(dear_tail.hash));
    assert!(!pool.contains(middle.hash));
    assert_eq!(pool.status().pending, 3);

    // A sender does not push out its own.
    let alone = pool_with(PoolConfig { max_transactions: 1, ..PoolConfig::default() });
    alone.add(with_tip(0, 0, 1), &state, &head()).unwrap();
    assert_eq!(refused(&alone, with_tip(0, 1, 9), &state, &head()), "txpool is full");
    // But it may replace them.
    alone.add(with_tip(0, 0, 1), &state, &head()).unwrap_err();
    let better =
        TxEip1559 { max_fee_per_gas: 40 * GWEI, max_priority_fee_per_gas: 2, ..transfer(0) };
    alone.add(wallets[0].pooled(better), &state, &head()).unwrap();
}

#[test]
fn bytes_are_limited_too() {
    let wallets: Vec<_> = (0..3).map(Wallet::new).collect();
    let state = TestState::with(&wallets, ETHER);
    let pool = pool_with(PoolConfig { max_bytes: 300, ..PoolConfig::default() });
    let with_tip = |wallet: usize, tip| {
        wallets[wallet].pooled(TxEip1559 { max_priority_fee_per_gas: tip, ..transfer(0) })
    };
    let (first, second) = (with_tip(0, 1), with_tip(1, 2));
    assert!(first.encoded_length * 2 <= 300 && first.encoded_length * 3 > 300);
    pool.add(first.clone(), &state, &head()).unwrap();
    pool.add(second.clone(), &state, &head()).unwrap();
    pool.add(with_tip(2, 3), &state, &head()).unwrap();
    assert!(!pool.contains(first.hash) && pool.contains(second.hash));
}

#[test]
fn undecodable_bytes() {
    let message = |raw: &[u8]| {
        let error = decode_and_recover(raw).unwrap_err();
        assert_eq!(error.code(), -32000);
        error.to_string()
    };
    assert_eq!(message(&[]), "typed transaction too short");
    assert_eq!(message(&[2]), "typed transaction too short");
    assert_eq!(message(&hex!("05c0")), "transaction type not supported");
    assert_eq!(message(&hex!("7fc0")), "transaction type not supported");
    assert_eq!(message(&hex!("00c0")), "transaction type not supported");
    for raw in
        [hex!("c0").as_slice(), &hex!("02c0"), &hex!("f8"), &hex!("02f8ff00"), &hex!("01deadbeef")]
    {
        assert!(message(raw).starts_with("rlp: "), "{raw:02x?}: {}", message(raw));
    }
    let mut trailing = Wallet::new(1).sign(transfer(0)).encoded_2718();
    trailing.push(0);
    assert!(message(&trailing).starts_with("rlp: "));
}

#[test]
fn bad_signatures() {
    let unsigned = |r: U256, s: U256| {
        let tx: alloy_consensus::EthereumTypedTransaction<alloy_consensus::TxEip4844> =
            transfer(0).into();
        let tx: plasma_storage::Transaction = (tx, Signature::new(r, s, false)).into();
        decode_and_recover(&tx.encoded_2718()).unwrap_err().to_string()
    };
    let expected = "invalid sender: invalid transaction v, r, s values";
    assert_eq!(unsigned(U256::ZERO, U256::ZERO), expected);
    assert_eq!(unsigned(U256::MAX, U256::from(1)), expected);
    // The upper half of the curve (EIP-2).
    let signed = Wallet::new(1).sign(transfer(0));
    let order = U256::from_be_bytes(hex!(
        "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"
    ));
    let signature = signed.signature();
    assert_eq!(unsigned(signature.r(), order - signature.s()), expected);
}

#[test]
fn a_broken_state_is_told_apart() {
    let wallet = Wallet::new(1);
    let state = TestState { broken: true, ..TestState::default() };
    let error = pool().add(wallet.pooled(transfer(0)), &state, &head()).unwrap_err();
    assert!(matches!(error, PoolError::State(_)));
    assert_eq!(error.code(), -32603);
}

/// What was validated against the state before a block is not left behind a gap that the block has filled.
#[test]
fn a_sender_that_the_last_block_changed_is_caught_up_with() {
    let wallet = Wallet::new(1);
    let pool = pool();
    let old = TestState::with(&[wallet], ETHER);
    let first = pool.add(wallet.pooled(transfer(1)), &old, &head()).unwrap();
    assert!(
        !first.pending,
        "the transaction before it is in a block of which this state knows nothing"
    );
    let at = |nonce: u64| move |_| Ok::<_, ()>(nonce);
    assert_eq!(pool.catch_up(first.hash, at(0)), Ok(false));
    assert_eq!(pool.catch_up(first.hash, at(1)), Ok(true));
    assert_eq!(pool.status().pending, 1);
    // The pool knows of a later block, and the state does not.
    assert_eq!(pool.catch_up(first.hash, at(0)), Ok(true));
    assert_eq!(pool.catch_up(first.hash, |_| Err(())), Err(()));
    // One whose nonce is used goes.
    assert_eq!(pool.catch_up(first.hash, at(2)), Ok(false));
    assert!(!pool.contains(first.hash));
    assert_eq!(pool.catch_up(first.hash, at(2)), Ok(false));
}
