//! Snapshots of Ethereum blocks with the state that they touch.

use std::{collections::BTreeMap, path::Path};

use alloy_evm::EvmEnv;
use alloy_primitives::{Address, B256, Bytes, U256};
use eyre::{Context as _, Result, bail, eyre};
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

use super::Workload;

/// `block.json`: the environment of a block.
#[derive(Deserialize)]
struct BlockFile {
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

/// An entry of `txs.json`.
#[derive(Deserialize)]
struct TransactionEntry {
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
    access_list: Vec<AccessEntry>,
    blob_hashes: Vec<B256>,
    max_fee_per_blob_gas: u128,
    authorization_list: Vec<AuthorizationEntry>,
}

#[derive(Deserialize)]
struct AccessEntry {
    address: Address,
    storage_keys: Vec<B256>,
}

#[derive(Deserialize)]
struct AuthorizationEntry {
    chain_id: U256,
    address: Address,
    nonce: u64,
    y_parity: u8,
    r: U256,
    s: U256,
}

/// An entry of `pre_state.json`.
#[derive(Deserialize)]
struct AccountEntry {
    balance: U256,
    nonce: u64,
    code_hash: Option<B256>,
    storage: BTreeMap<U256, U256>,
}

/// Loads all blocks of a folder in the order of their numbers.
pub(crate) fn load(folder: &Path) -> Result<Vec<Workload>> {
    let codes: BTreeMap<B256, Bytes> = read(&folder.join("codes.json"))?;
    let codes: BTreeMap<B256, Bytecode> =
        codes.into_iter().map(|(hash, code)| (hash, Bytecode::new_raw(code))).collect();
    let mut numbered = Vec::new();
    for entry in
        std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?
    {
        let path = entry?.path();
        let number = path.file_name().and_then(|name| name.to_str()?.parse::<u64>().ok());
        if let (Some(number), true) = (number, path.is_dir()) {
            numbered.push((number, path));
        }
    }
    numbered.sort_unstable();
    numbered.iter().map(|(_, path)| load_block(path, &codes)).collect()
}

fn load_block(path: &Path, codes: &BTreeMap<B256, Bytecode>) -> Result<Workload> {
    let block: BlockFile = read(&path.join("block.json"))?;
    let transactions: Vec<TransactionEntry> = read(&path.join("txs.json"))?;
    let accounts: BTreeMap<Address, AccountEntry> = read(&path.join("pre_state.json"))?;
    let mut state = InMemoryDB::default();
    for (address, account) in accounts {
        let mut info = AccountInfo {
            balance: account.balance,
            nonce: account.nonce,
            code: None,
            ..AccountInfo::default()
        };
        if let Some(hash) = account.code_hash {
            let code = codes
                .get(&hash)
                .ok_or_else(|| eyre!("{}: codes.json lacks {hash}", path.display()))?;
            info.code_hash = hash;
            info.code = Some(code.clone());
        }
        state.insert_account_info(address, info);
        for (slot, value) in account.storage {
            let Ok(()) = state.insert_account_storage(address, slot, value);
        }
    }
    for (number, hash) in &block.block_hashes {
        let number: u64 = number
            .parse()
            .with_context(|| format!("{}: {number} is no block number", path.display()))?;
        state.cache.block_hashes.insert(U256::from(number), *hash);
    }
    Ok(Workload {
        name: format!("mainnet-{}", block.number),
        env: environment(&block)?,
        state,
        transactions: transactions.into_iter().map(TxEnv::from).collect(),
        all_succeed: false,
    })
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is malformed", path.display()))
}

fn environment(block: &BlockFile) -> Result<EvmEnv> {
    let spec = match block.spec_id.as_str() {
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
        "Osaka" => SpecId::OSAKA,
        other => bail!("block {}: no fork is named {other}", block.number),
    };
    let mut cfg = CfgEnv::new_with_spec(spec);
    cfg.chain_id = block.chain_id;
    let fraction = if spec.is_enabled_in(SpecId::PRAGUE) {
        eip4844::BLOB_BASE_FEE_UPDATE_FRACTION_PRAGUE
    } else {
        eip4844::BLOB_BASE_FEE_UPDATE_FRACTION_CANCUN
    };
    let excess = block.excess_blob_gas;
    let block = BlockEnv {
        number: U256::from(block.number),
        beneficiary: block.coinbase,
        timestamp: U256::from(block.timestamp),
        gas_limit: block.gas_limit,
        basefee: block.basefee,
        difficulty: block.difficulty,
        prevrandao: block.prevrandao,
        blob_excess_gas_and_price: excess
            .map(|excess| BlobExcessGasAndPrice::new(excess, fraction)),
        ..BlockEnv::default()
    };
    Ok(EvmEnv::new(cfg, block))
}

impl From<TransactionEntry> for TxEnv {
    fn from(entry: TransactionEntry) -> Self {
        let access = |item: AccessEntry| AccessListItem {
            address: item.address,
            storage_keys: item.storage_keys,
        };
        let authorization = |item: AuthorizationEntry| {
            let inner =
                Authorization { chain_id: item.chain_id, address: item.address, nonce: item.nonce };
            Either::Left(SignedAuthorization::new_unchecked(inner, item.y_parity, item.r, item.s))
        };
        Self {
            tx_type: entry.tx_type,
            caller: entry.caller,
            gas_limit: entry.gas_limit,
            gas_price: entry.gas_price,
            kind: entry.to.map_or(TxKind::Create, TxKind::Call),
            value: entry.value,
            data: entry.data,
            nonce: entry.nonce,
            chain_id: entry.chain_id,
            access_list: AccessList(entry.access_list.into_iter().map(access).collect()),
            gas_priority_fee: entry.gas_priority_fee,
            blob_hashes: entry.blob_hashes,
            max_fee_per_blob_gas: entry.max_fee_per_blob_gas,
            authorization_list: entry.authorization_list.into_iter().map(authorization).collect(),
        }
    }
}
