//! Journal records come back as they went in.

use alloy_consensus::{
    EthereumTxEnvelope, Header, Signed, TxEip1559, TxEip2930, TxEip4844, TxEip7702, TxLegacy,
    TxType,
};
use alloy_eips::{
    BlockNumHash,
    eip2930::{AccessList, AccessListItem},
    eip4895::{Withdrawal, Withdrawals},
    eip7702::{Authorization, SignedAuthorization},
};
use alloy_primitives::{Address, B256, Bloom, Bytes, Log, Signature, TxKind, U256};
use plasma_storage::{
    Account, AccountChange, BlockRecord, Checkpoints, Database, DatabaseOptions, Receipt,
    StateChanges, TickRecord, Transaction, TrieUpdates,
};
use proptest::{collection::vec, option, prelude::*};

fn u256() -> impl Strategy<Value = U256> {
    prop_oneof![any::<u64>().prop_map(U256::from), any::<[u8; 32]>().prop_map(U256::from_be_bytes)]
}

fn b256() -> impl Strategy<Value = B256> {
    any::<[u8; 32]>().prop_map(B256::from)
}

fn address() -> impl Strategy<Value = Address> {
    any::<[u8; 20]>().prop_map(Address::from)
}

fn bytes() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..100).prop_map(Bytes::from)
}

fn kind() -> impl Strategy<Value = TxKind> {
    option::of(address()).prop_map(|to| to.map_or(TxKind::Create, TxKind::Call))
}

fn access_list() -> impl Strategy<Value = AccessList> {
    vec((address(), vec(b256(), 0..3)), 0..3).prop_map(|items| {
        let item = |(address, storage_keys)| AccessListItem { address, storage_keys };
        AccessList(items.into_iter().map(item).collect())
    })
}

fn authorizations() -> impl Strategy<Value = Vec<SignedAuthorization>> {
    vec((u256(), address(), any::<u64>(), any::<u8>(), u256(), u256()), 1..3).prop_map(|list| {
        let one = |(chain_id, address, nonce, parity, r, s)| {
            let authorization = Authorization { chain_id, address, nonce };
            SignedAuthorization::new_unchecked(authorization, parity, r, s)
        };
        list.into_iter().map(one).collect()
    })
}

fn signature() -> impl Strategy<Value = Signature> {
    (u256(), u256(), any::<bool>()).prop_map(|(r, s, parity)| Signature::new(r, s, parity))
}

fn transaction() -> impl Strategy<Value = Transaction> {
    // Chain ids above 2^63 do not fit into the `v` of a legacy signature.
    let common = (0..1u64 << 62, any::<u64>(), any::<u64>(), any::<u128>(), any::<u128>());
    let parts = (kind(), address(), u256(), bytes(), access_list());
    let more = (authorizations(), any::<u128>(), vec(b256(), 1..3), option::of(0..1u64 << 62));
    (0u8..5, common, parts, more, signature()).prop_map(
        |(kind_number, common, parts, more, signature)| {
            let (chain_id, nonce, gas_limit, max_fee_per_gas, max_priority_fee_per_gas) = common;
            let (kind, to, value, input, access_list) = parts;
            let (authorization_list, max_fee_per_blob_gas, blob_versioned_hashes, legacy_id) = more;
            let gas_price = max_fee_per_gas;
            match kind_number {
                0 => EthereumTxEnvelope::Legacy(Signed::new_unhashed(
                    TxLegacy {
                        chain_id: legacy_id,
                        nonce,
                        gas_price,
                        gas_limit,
                        to: kind,
                        value,
                        input,
                    },
                    signature,
                )),
                1 => EthereumTxEnvelope::Eip2930(Signed::new_unhashed(
                    TxEip2930 {
                        chain_id,
                        nonce,
                        gas_price,
                        gas_limit,
                        to: kind,
                        value,
                        access_list,
                        input,
                    },
                    signature,
                )),
                2 => EthereumTxEnvelope::Eip1559(Signed::new_unhashed(
                    TxEip1559 {
                        chain_id,
                        nonce,
                        gas_limit,
                        max_fee_per_gas,
                        max_priority_fee_per_gas,
                        to: kind,
                        value,
                        access_list,
                        input,
                    },
                    signature,
                )),
                3 => EthereumTxEnvelope::Eip4844(Signed::new_unhashed(
                    TxEip4844 {
                        chain_id,
                        nonce,
                        gas_limit,
                        max_fee_per_gas,
                        max_priority_fee_per_gas,
                        to,
                        value,
                        access_list,
                        blob_versioned_hashes,
                        max_fee_per_blob_gas,
                        input,
                    },
                    signature,
                )),
                _ => EthereumTxEnvelope::Eip7702(Signed::new_unhashed(
                    TxEip7702 {
                        chain_id,
                        nonce,
                        gas_limit,
                        max_fee_per_gas,
                        max_priority_fee_per_gas,
                        to,
                        value,
                        access_list,
                        authorization_list,
                        input,
                    },
                    signature,
                )),
            }
        },
    )
}

fn receipt() -> impl Strategy<Value = Receipt> {
    let log = (address(), vec(b256(), 0..5), bytes())
        .prop_map(|(address, topics, data)| Log::new_unchecked(address, topics, data));
    (0u8..5, any::<bool>(), any::<u64>(), vec(log, 0..4)).prop_map(
        |(tx_type, success, cumulative_gas_used, logs)| Receipt {
            tx_type: TxType::try_from(tx_type).unwrap(),
            success,
            cumulative_gas_used,
            logs,
        },
    )
}

fn header(number: u64) -> impl Strategy<Value = Header> {
    let hashes = (b256(), b256(), address(), b256(), b256(), b256(), b256(), any::<[u8; 8]>());
    let numbers = (u256(), any::<u64>(), any::<u64>(), any::<u64>());
    let optional = (
        option::of(b256()),
        option::of(any::<u64>()),
        option::of(any::<u64>()),
        option::of(any::<u64>()),
        option::of(b256()),
        option::of(b256()),
    );
    let bloom = vec(bytes(), 0..2);
    (hashes, numbers, optional, bytes(), bloom).prop_map(
        move |(hashes, numbers, optional, extra_data, bloom)| Header {
            parent_hash: hashes.0,
            ommers_hash: hashes.1,
            beneficiary: hashes.2,
            state_root: hashes.3,
            transactions_root: hashes.4,
            receipts_root: hashes.5,
            mix_hash: hashes.6,
            nonce: hashes.7.into(),
            logs_bloom: bloom.iter().fold(Bloom::ZERO, |mut all, input| {
                all.accrue(alloy_primitives::BloomInput::Raw(input));
                all
            }),
            difficulty: numbers.0,
            number,
            gas_limit: numbers.1,
            gas_used: numbers.2,
            timestamp: numbers.3,
            extra_data,
            withdrawals_root: optional.0,
            base_fee_per_gas: optional.1,
            blob_gas_used: optional.2,
            excess_blob_gas: optional.3,
            parent_beacon_block_root: optional.4,
            requests_hash: optional.5,
            ..Default::default()
        },
    )
}

fn patch() -> impl Strategy<Value = StateChanges> {
    let account = (any::<u64>(), u256(), option::of(b256()))
        .prop_map(|(nonce, balance, bytecode_hash)| Account { nonce, balance, bytecode_hash });
    let storage = vec((u256(), u256()), 0..3).prop_map(|slots| slots.into_iter().collect());
    let change = (option::of(account), any::<bool>(), storage).prop_map(
        |(account, storage_wiped, storage)| AccountChange { account, storage_wiped, storage },
    );
    (vec((address(), change), 0..3), vec((b256(), bytes()), 0..2)).prop_map(|(accounts, codes)| {
        StateChanges {
            accounts: accounts.into_iter().collect(),
            codes: codes.into_iter().collect(),
        }
    })
}

fn block() -> impl Strategy<Value = BlockRecord> {
    let withdrawal = (any::<u64>(), any::<u64>(), address(), any::<u64>()).prop_map(
        |(index, validator_index, address, amount)| Withdrawal {
            index,
            validator_index,
            address,
            amount,
        },
    );
    let body = (vec((transaction(), address()), 0..4), vec(receipt(), 0..4));
    let rest =
        (vec(header(7), 0..2), option::of(vec(withdrawal, 0..3)), bytes(), option::of(patch()));
    let work = (b256(), vec(b256(), 0..4), option::of(bytes()));
    let all = (header(1), b256(), body, rest, work);
    all.prop_map(|(header, hash, (transactions, receipts), rest, work)| {
        let (transactions, senders) = transactions.into_iter().unzip();
        BlockRecord {
            header,
            hash,
            transactions,
            senders,
            receipts,
            ommers: rest.0,
            withdrawals: rest.1.map(Withdrawals::new),
            keeper: rest.2,
            dev_patch: rest.3,
            total_difficulty: work.0.into(),
            post_states: work.1,
            access_list: work.2,
        }
    })
}

fn tick(tick: u32) -> impl Strategy<Value = TickRecord> {
    let numbers = (any::<u64>(), any::<u64>(), any::<u64>(), any::<u64>());
    let rest = (address(), b256(), vec(any::<u32>(), 0..4), bytes(), option::of(patch()));
    (numbers, rest, vec((transaction(), address()), 0..4)).prop_map(
        move |(numbers, rest, transactions)| {
            let (transactions, senders) = transactions.into_iter().unzip();
            TickRecord {
                block_number: 1,
                tick,
                timestamp: numbers.0,
                time_ms: numbers.1,
                beneficiary: rest.0,
                gas_limit: numbers.2,
                prev_randao: rest.1,
                base_fee: numbers.3,
                transactions,
                senders,
                performs: rest.2,
                keeper: rest.3,
                dev_patch: rest.4,
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn records_come_back_as_they_went_in(genesis in header(0), block in block(), ticks in (tick(0), tick(1))) {
        let dir = tempfile::tempdir().unwrap();
        let open = || Database::open(dir.path(), DatabaseOptions::default()).unwrap();
        let hash = B256::repeat_byte(3);
        let db = open();
        db.init_genesis(&genesis, hash, &StateChanges::default(), &TrieUpdates::default()).unwrap();
        db.append_tick(&ticks.0).unwrap();
        db.append_tick(&ticks.1).unwrap();
        drop(db);
        let db = open();
        prop_assert_eq!(db.header(0).unwrap(), Some(genesis));
        prop_assert_eq!(db.genesis_hash().unwrap(), Some(hash));
        prop_assert_eq!(db.open_ticks().unwrap(), vec![ticks.0, ticks.1]);
        db.append_block(&block).unwrap();
        drop(db);
        let db = open();
        prop_assert!(db.open_ticks().unwrap().is_empty());
        prop_assert_eq!(db.journal_head().unwrap(), 1);
        let hashes: Vec<_> = block.transactions.iter().map(|tx| *tx.tx_hash()).collect();
        let found = db.block_record(1).unwrap().unwrap();
        let found_hashes: Vec<_> = found.transactions.iter().map(|tx| *tx.tx_hash()).collect();
        prop_assert_eq!(found_hashes, hashes);
        prop_assert_eq!(&found, &block);
        prop_assert_eq!(db.header(1).unwrap(), Some(block.header));
        prop_assert_eq!(db.block_hash(1).unwrap(), Some(block.hash));
        prop_assert_eq!(db.receipts(1).unwrap(), Some(block.receipts));
        prop_assert_eq!(db.keeper_record(1).unwrap(), Some(block.keeper));
        prop_assert_eq!(db.block_record(2).unwrap(), None);
        prop_assert_eq!(db.keeper_record(2).unwrap(), None);
    }
}

/// What was remembered goes to disk with the next block, or when the database is flushed, and a block that was taken back is
/// neither safe nor final.
#[test]
fn checkpoints_come_back_with_the_blocks_that_they_name() {
    let dir = tempfile::tempdir().unwrap();
    let copy = tempfile::tempdir().unwrap();
    let open = |dir: &std::path::Path| Database::open(dir, DatabaseOptions::default()).unwrap();
    let named = |number: u64| Some(BlockNumHash::new(number, B256::repeat_byte(number as u8)));
    let append = |db: &Database, number: u64| {
        let header = Header { number, ..Default::default() };
        let hash = B256::repeat_byte(number as u8);
        db.append_block(&BlockRecord { header, hash, ..Default::default() }).unwrap();
    };
    let db = open(dir.path());
    db.init_genesis(
        &Header::default(),
        B256::ZERO,
        &StateChanges::default(),
        &TrieUpdates::default(),
    )
    .unwrap();
    assert_eq!(db.checkpoints().unwrap(), Checkpoints::default());
    append(&db, 1);
    append(&db, 2);
    let first = Checkpoints { safe: named(2), finalized: named(1) };
    db.remember_checkpoints(first);
    append(&db, 3);
    let second = Checkpoints { safe: named(3), finalized: None };
    db.remember_checkpoints(second);
    assert_eq!(db.checkpoints().unwrap(), second);
    // What a process leaves that is killed now: the first, which went to disk with block 3.
    for name in ["journal", "state"] {
        std::fs::create_dir(copy.path().join(name)).unwrap();
        let file = format!("{name}/mdbx.dat");
        std::fs::copy(dir.path().join(&file), copy.path().join(&file)).unwrap();
    }
    assert_eq!(open(copy.path()).checkpoints().unwrap(), first);
    db.flush().unwrap();
    drop(db);
    let db = open(dir.path());
    assert_eq!(db.checkpoints().unwrap(), second);
    // Another block 3 is not the one that was called safe.
    let other =
        Checkpoints { safe: Some(BlockNumHash::new(3, B256::repeat_byte(9))), finalized: named(2) };
    db.remember_checkpoints(other);
    assert_eq!(db.checkpoints().unwrap(), Checkpoints { safe: None, finalized: named(2) });
    db.flush().unwrap();
    drop(db);
    assert_eq!(
        open(dir.path()).checkpoints().unwrap(),
        Checkpoints { safe: None, finalized: named(2) }
    );
}
