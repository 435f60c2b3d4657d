//! Blob transactions: fork's proofs, matching counts and hashes, true proofs, own price bump.

mod support;

use alloy_consensus::TxEip4844;
use alloy_eips::{
    Encodable2718,
    eip4844::{
        builder::{SidecarBuilder, SimpleCoder},
        c_kzg::ethereum_kzg_settings,
    },
    eip7594::BlobTransactionSidecarVariant,
};
use alloy_primitives::{Address, B256};
use plasma_txpool::{
    PoolConfig, PoolHead, PoolTransaction, PooledTransaction, TxPool, decode_and_recover,
};
use support::*;

fn sidecar(cells: bool) -> BlobTransactionSidecarVariant {
    let builder: SidecarBuilder<SimpleCoder> = SidecarBuilder::from_slice(b"a blob");
    let settings = ethereum_kzg_settings(0);
    if cells {
        BlobTransactionSidecarVariant::Eip7594(builder.build_7594_with_settings(settings).unwrap())
    } else {
        BlobTransactionSidecarVariant::Eip4844(builder.build_4844_with_settings(settings).unwrap())
    }
}

fn blob_transaction(nonce: u64, hashes: Vec<B256>) -> TxEip4844 {
    TxEip4844 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 20 * GWEI,
        max_priority_fee_per_gas: GWEI,
        max_fee_per_blob_gas: 100,
        blob_versioned_hashes: hashes,
        to: Address::repeat_byte(0xaa),
        ..TxEip4844::default()
    }
}

fn pooled(tx: TxEip4844, sidecar: Option<BlobTransactionSidecarVariant>) -> PoolTransaction {
    let wallet = Wallet::new(1);
    PoolTransaction::new(wallet.sign(tx), wallet.address, sidecar)
}

fn refused(pool: &TxPool, tx: PoolTransaction) -> String {
    let state = TestState::with(&[Wallet::new(1)], ETHER);
    pool.add(tx, &state, &head()).unwrap_err().to_string()
}

#[test]
fn proofs_of_either_kind_travel_with_the_transaction() {
    let state = TestState::with(&[Wallet::new(1)], ETHER);
    for (fork, cells) in [("Prague", false), ("BPO2", true)] {
        let pool = TxPool::new(PoolConfig::default(), spec(CHAIN_ID, fork));
        let sidecar = sidecar(cells);
        let hashes: Vec<_> = sidecar.versioned_hashes().collect();
        let with = blob_transaction(0, hashes.clone());
        let signed = Wallet::new(1).sign(with);
        let network: PooledTransaction =
            signed.clone().try_into_pooled_eip4844(sidecar.clone()).unwrap();
        let raw = network.encoded_2718();
        let tx = decode_and_recover(&raw).unwrap();
        assert_eq!(tx.sender, Wallet::new(1).address);
        assert_eq!(tx.transaction, signed);
        assert_eq!(tx.sidecar.as_deref(), Some(&sidecar));
        assert_eq!(tx.encoded_length, raw.len());
        let hash = tx.hash;
        assert!(pool.add(tx, &state, &head()).unwrap().pending);
        assert_eq!(pool.blob_sidecar(hash).as_deref(), Some(&sidecar));

        // The other fork's proofs.
        let other = if fork == "Prague" { ("BPO2", 1, 0) } else { ("Prague", 0, 1) };
        let pool = TxPool::new(PoolConfig::default(), spec(CHAIN_ID, other.0));
        assert_eq!(
            refused(&pool, pooled(blob_transaction(0, hashes), Some(sidecar))),
            format!("unexpected sidecar version, want: {}, got: {}", other.1, other.2)
        );
    }
}

#[test]
fn broken_blob_transactions() {
    let good = sidecar(true);
    let hashes: Vec<_> = good.versioned_hashes().collect();
    let with = |hashes: Vec<B256>| pooled(blob_transaction(0, hashes), Some(good.clone()));

    let plain = Wallet::new(1).sign(blob_transaction(0, hashes.clone())).encoded_2718();
    assert_eq!(
        refused(&pool(), decode_and_recover(&plain).unwrap()),
        "missing sidecar in blob transaction"
    );
    assert_eq!(refused(&pool(), with(Vec::new())), "blobless blob transaction");
    assert_eq!(
        refused(&pool(), with(vec![hashes[0]; 2])),
        "invalid number of 1 blobs compared to 2 blob hashes"
    );
    assert_eq!(
        refused(&pool(), with(vec![hashes[0]; 7])),
        "transaction blob limit exceeded: blob count 7, limit 6"
    );
    let wrong_hash = refused(&pool(), with(vec![B256::repeat_byte(1)]));
    assert!(wrong_hash.starts_with("invalid blob sidecar: wrong versioned hash"), "{wrong_hash}");
    let BlobTransactionSidecarVariant::Eip7594(mut forged) = good.clone() else { unreachable!() };
    forged.cell_proofs.swap(0, 1);
    let forged = BlobTransactionSidecarVariant::Eip7594(forged);
    assert_eq!(
        refused(&pool(), pooled(blob_transaction(0, hashes.clone()), Some(forged))),
        "invalid blob sidecar: invalid KZG proof"
    );
    let free = TxEip4844 { max_fee_per_blob_gas: 0, ..blob_transaction(0, hashes.clone()) };
    let lenient = pool_with(PoolConfig { require_base_fee: false, ..PoolConfig::default() });
    assert_eq!(
        refused(&lenient, pooled(free, Some(good.clone()))),
        "transaction gas price below minimum: blob fee cap 0, minimum needed 1"
    );
    let early = TxPool::new(PoolConfig::default(), spec(CHAIN_ID, "Shanghai"));
    assert_eq!(
        refused(&early, with(hashes)),
        "transaction type not supported: type 3 rejected, pool not yet in Cancun"
    );
}

#[test]
fn replacing_blobs_takes_twice_the_fees() {
    let state = TestState::with(&[Wallet::new(1)], ETHER);
    let sidecar = sidecar(true);
    let hashes: Vec<_> = sidecar.versioned_hashes().collect();
    let pool = pool();
    pool.add(pooled(blob_transaction(0, hashes.clone()), Some(sidecar.clone())), &state, &head())
        .unwrap();
    let with = |fee: u128, tip: u128, blob_fee: u128| {
        let tx = TxEip4844 {
            max_fee_per_gas: fee,
            max_priority_fee_per_gas: tip,
            max_fee_per_blob_gas: blob_fee,
            ..blob_transaction(0, hashes.clone())
        };
        pooled(tx, Some(sidecar.clone()))
    };
    assert_eq!(
        refused(&pool, with(40 * GWEI, 2 * GWEI, 100)),
        "replacement transaction underpriced: new tx blob gas fee cap 100 <= 100 queued"
    );
    assert_eq!(
        refused(&pool, with(40 * GWEI, 2 * GWEI, 199)),
        "replacement transaction underpriced: new tx blob gas fee cap 199 < 100 queued + 100% replacement penalty"
    );
    assert_eq!(
        refused(&pool, with(39 * GWEI, 2 * GWEI, 200)),
        "replacement transaction underpriced: new tx gas fee cap 39000000000 < 20000000000 queued + 100% replacement penalty"
    );
    // A plain transaction in its place pays as much.
    assert_eq!(
        refused(&pool, Wallet::new(1).pooled(legacy(0))),
        "replacement transaction underpriced: new tx gas fee cap 20000000000 <= 20000000000 queued"
    );
    assert!(pool.add(with(40 * GWEI, 2 * GWEI, 200), &state, &head()).unwrap().replaced.is_some());
    assert_eq!(pool.status().pending, 1);
}

#[test]
fn batches_keep_to_the_blobs_and_blob_fees_of_the_block() {
    let state = TestState::with(&[Wallet::new(1)], ETHER);
    let sidecar = sidecar(true);
    let hashes: Vec<_> = sidecar.versioned_hashes().collect();
    let pool = pool();
    for nonce in 0..3 {
        let tx = pooled(blob_transaction(nonce, hashes.clone()), Some(sidecar.clone()));
        pool.add(tx, &state, &head()).unwrap();
    }
    assert_eq!(pool.best(&head(), &state, 30_000_000, 100).len(), 3);
    assert_eq!(pool.best_with_blobs(&head(), &state, 30_000_000, 100, 2).len(), 2);
    assert_eq!(pool.best_with_blobs(&head(), &state, 30_000_000, 100, 0).len(), 0);
    let dear = PoolHead { blob_base_fee: 101, ..head() };
    assert_eq!(pool.best(&dear, &state, 30_000_000, 100).len(), 0);
    assert_eq!(
        pool.add(pooled(blob_transaction(3, hashes), Some(sidecar)), &state, &dear)
            .unwrap_err()
            .to_string(),
        format!(
            "max fee per blob gas less than block blob gas fee: address {} blobGasFeeCap: 100, blobBaseFee: 101",
            Wallet::new(1).address
        )
    );
}
