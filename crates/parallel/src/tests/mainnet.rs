//! Ethereum mainnet blocks: the fixtures in `$PLASMA_FIXTURES/mainnet-blocks`.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use alloy_evm::EvmEnv;
use alloy_primitives::{Address, B256, Bytes, U256};
use revm::{
    bytecode::Bytecode,
    context::{BlockEnv, CfgEnv, TxEnv},
    context_interface::{
        block::BlobExcessGasAndPrice,
        either::Either,
        transaction::{AccessList, AccessListItem, Authorization, SignedAuthorization},
    },
    database::InMemoryDB,
    primitives::{TxKind, eip4844, hardfork::SpecId},
    state::AccountInfo,
};
use serde::{Deserialize, de::DeserializeOwned};

use super::assert_parallel_equals_sequential;

#[derive(Deserialize)]
struct Block {
    number: u64,
    coinbase: Address,
    timestamp: u64,
    gas_limit: u64,
    basefee: u64,
    difficulty: U256,
    prevrandao: Option<B256>,
    excess_blob_gas: Option<u64>,
    chain_id: u64,
    spec_id: String,
    block_hashes: BTreeMap<String, B256>,
}

#[derive(Deserialize)]
struct Transaction {
    tx_type: u8,
    caller: Address,
    to: Option<Address>,
    nonce: u64,
    value: U256,
    data: Bytes,
    gas_limit: u64,
    gas_price: u128,
    gas_priority_fee: Option<u128>,
    chain_id: Option<u64>,
    access_list: Vec<AccessItem>,
    blob_hashes: Vec<B256>,
    max_fee_per_blob_gas: u128,
    authorization_list: Vec<Authorized>,
}

#[derive(Deserialize)]
struct AccessItem {
    address: Address,
    storage_keys: Vec<B256>,
}

#[derive(Deserialize)]
struct Authorized {
    chain_id: U256,
    address: Address,
    nonce: u64,
    y_parity: u8,
    r: U256,
    s: U256,
}

#[derive(Deserialize)]
struct Account {
    balance: U256,
    nonce: u64,
    code_hash: Option<B256>,
    storage: BTreeMap<U256, U256>,
}

fn read<T: DeserializeOwned>(path: &Path) -> T {
    let text = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn spec(name: &str) -> SpecId {
    match name {
        "Frontier" => SpecId::FRONTIER,
        "Homestead" => SpecId::HOMESTEAD,
        "Tangerine" => SpecId::TANGERINE,
        "Spurious" => SpecId::SPURIOUS_DRAGON,
        "Byzantium" => SpecId::BYZANTIUM,
        "Petersburg" => SpecId::PETERSBURG,
        "Istanbul" => SpecId::ISTANBUL,
        "Berlin" => SpecId::BERLIN,
        "London" => SpecId::LONDON,
        "Merge" => SpecId::MERGE,
        "Shanghai" => SpecId::SHANGHAI,
        "Cancun" => SpecId::CANCUN,
        "Prague" => SpecId::PRAGUE,
        other => panic!("unknown fork {other}"),
    }
}

fn environment(block: &Block) -> EvmEnv {
    let spec = spec(&block.spec_id);
    let mut cfg = CfgEnv::new_with_spec(spec);
    cfg.chain_id = block.chain_id;
    let fraction = if spec.is_enabled_in(SpecId::PRAGUE) {
        eip4844::BLOB_BASE_FEE_UPDATE_FRACTION_PRAGUE
    } else {
        eip4844::BLOB_BASE_FEE_UPDATE_FRACTION_CANCUN
    };
    let block_env = BlockEnv {
        number: U256::from(block.number),
        beneficiary: block.coinbase,
        timestamp: U256::from(block.timestamp),
        gas_limit: block.gas_limit,
        basefee: block.basefee,
        difficulty: block.difficulty,
        prevrandao: block.prevrandao,
        blob_excess_gas_and_price: block
            .excess_blob_gas
            .map(|excess| BlobExcessGasAndPrice::new(excess, fraction)),
        slot_num: 0,
    };
    EvmEnv::new(cfg, block_env)
}

fn transaction(transaction: Transaction) -> TxEnv {
    TxEnv {
        tx_type: transaction.tx_type,
        caller: transaction.caller,
        gas_limit: transaction.gas_limit,
        gas_price: transaction.gas_price,
        kind: transaction.to.map_or(TxKind::Create, TxKind::Call),
        value: transaction.value,
        data: transaction.data,
        nonce: transaction.nonce,
        chain_id: transaction.chain_id,
        access_list: AccessList(
            transaction
                .access_list
                .into_iter()
                .map(|item| AccessListItem {
                    address: item.address,
                    storage_keys: item.storage_keys,
                })
                .collect(),
        ),
        gas_priority_fee: transaction.gas_priority_fee,
        blob_hashes: transaction.blob_hashes,
        max_fee_per_blob_gas: transaction.max_fee_per_blob_gas,
        authorization_list: transaction
            .authorization_list
            .into_iter()
            .map(|authorized| {
                let inner = Authorization {
                    chain_id: authorized.chain_id,
                    address: authorized.address,
                    nonce: authorized.nonce,
                };
                Either::Left(SignedAuthorization::new_unchecked(
                    inner,
                    authorized.y_parity,
                    authorized.r,
                    authorized.s,
                ))
            })
            .collect(),
    }
}

fn state(path: &Path, block: &Block, codes: &BTreeMap<B256, Bytes>) -> InMemoryDB {
    let mut state = InMemoryDB::default();
    let accounts: BTreeMap<Address, Account> = read(&path.join("pre_state.json"));
    for (address, account) in accounts {
        let mut info = AccountInfo {
            balance: account.balance,
            nonce: account.nonce,
            ..AccountInfo::default()
        };
        if let Some(hash) = account.code_hash {
            let code = codes.get(&hash).unwrap_or_else(|| panic!("no code {hash}"));
            info.code_hash = hash;
            info.code = Some(Bytecode::new_raw(code.clone()));
        }
        state.insert_account_info(address, info);
        for (slot, value) in account.storage {
            state.insert_account_storage(address, slot, value).unwrap();
        }
    }
    for (number, hash) in &block.block_hashes {
        let number: u64 = number.parse().unwrap();
        state.cache.block_hashes.insert(U256::from(number), *hash);
    }
    state
}

#[test]
fn mainnet_blocks_equal_sequential() {
    let Some(fixtures) = std::env::var_os("PLASMA_FIXTURES") else {
        println!("skipped: PLASMA_FIXTURES is not set");
        return;
    };
    let root = PathBuf::from(fixtures).join("mainnet-blocks");
    let codes: BTreeMap<B256, Bytes> = read(&root.join("codes.json"));
    let mut blocks = 0;
    let mut transactions_total = 0;
    for entry in std::fs::read_dir(&root).unwrap() {
        let path = entry.unwrap().path();
        if !path.is_dir() {
            continue;
        }
        let block: Block = read(&path.join("block.json"));
        let transactions: Vec<Transaction> = read(&path.join("txs.json"));
        let transactions: Vec<TxEnv> = transactions.into_iter().map(transaction).collect();
        let state = state(&path, &block, &codes);
        let env = environment(&block);
        let batch = assert_parallel_equals_sequential(&state, &env, &transactions);
        // Blocks that were once accepted hold no invalid transactions.
        for (index, outcome) in batch.outcomes.iter().enumerate() {
            assert!(outcome.result().is_some(), "{}, {index}: {outcome:?}", block.number);
        }
        blocks += 1;
        transactions_total += transactions.len();
    }
    assert!(blocks > 0, "no blocks in {}", root.display());
    println!("{blocks} blocks, {transactions_total} transactions");
}
