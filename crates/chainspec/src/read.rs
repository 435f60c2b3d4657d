//! From JSON text to [`Genesis`], field by field, so that a mistake is named by its place.

use crate::{
    ChainSpecError,
    fields::{Fields, parse_address, parse_storage_word},
    forks::{BLOB_FORKS, BLOCK_FORKS, TIME_FORKS},
};
use alloy_eips::{eip4844::BLOB_TX_MIN_BLOB_GASPRICE, eip7840::BlobParams};
use alloy_genesis::{ChainConfig, EthashConfig, Genesis, GenesisAccount};
use alloy_primitives::{Address, B256};
use serde_json::Value;
use std::collections::BTreeMap;

/// Largest chain id: EIP-155's `v` (twice the id and 36) must fit 64 bits (EIP-2294).
const MAX_CHAIN_ID: u64 = u64::MAX / 2 - 36;

/// Smallest gas limit that a block may have (Yellow Paper, equation 47; geth's `MinGasLimit`).
const MIN_GAS_LIMIT: u64 = 5000;

/// Fields of `config` that other clients read and that change nothing here.
const OTHERS: [&str; 4] = ["clique", "parlia", "isDev", "enableVerkleAtGenesis"];

/// A parsed file.
pub(crate) struct ParsedGenesis {
    /// The file's content.
    pub(crate) genesis: Genesis,
    /// Paths under `config` that nothing reads.
    pub(crate) ignored: Vec<String>,
}

/// Parses the text of a genesis file.
pub(crate) fn read_genesis(json: &str) -> Result<ParsedGenesis, ChainSpecError> {
    let file: Value =
        serde_json::from_str(json).map_err(|error| ChainSpecError::Json(error.to_string()))?;
    let fields = Fields::new("", &file)?;

    let config = fields.required("config", "an object", fields.object("config")?)?;
    let (config, ignored) = read_config(&config)?;

    for name in ["number", "gasUsed"] {
        if let Some(found) = fields.u64(name)?.filter(|found| *found != 0) {
            return Err(ChainSpecError::field(name, "0 in a genesis block", found.to_string()));
        }
    }
    let gas_limit = fields.u64("gasLimit")?;
    let gas_limit = fields.required("gasLimit", "the gas limit of the first block", gas_limit)?;
    if gas_limit < MIN_GAS_LIMIT {
        return Err(ChainSpecError::field(
            "gasLimit",
            format!("at least {MIN_GAS_LIMIT}"),
            gas_limit.to_string(),
        ));
    }
    let difficulty = fields.u256("difficulty")?;
    let difficulty = fields.required(
        "difficulty",
        "a difficulty (0 for a chain that starts merged)",
        difficulty,
    )?;
    let alloc =
        fields.required("alloc", "an object of accounts by address", fields.get("alloc"))?;

    let genesis = Genesis {
        config,
        nonce: fields.u64("nonce")?.unwrap_or(0),
        timestamp: fields.u64("timestamp")?.unwrap_or(0),
        extra_data: fields.bytes("extraData")?.unwrap_or_default(),
        gas_limit,
        difficulty,
        mix_hash: fields.hash("mixHash")?.unwrap_or_default(),
        coinbase: fields.address("coinbase")?.unwrap_or_default(),
        alloc: read_alloc(alloc)?,
        base_fee_per_gas: fields.u64("baseFeePerGas")?.map(u128::from),
        excess_blob_gas: fields.u64("excessBlobGas")?,
        blob_gas_used: fields.u64("blobGasUsed")?,
        slot_number: fields.u64("slotNumber")?,
        number: None,
        parent_hash: fields.hash("parentHash")?,
    };
    Ok(ParsedGenesis { genesis, ignored })
}

fn read_config(fields: &Fields<'_>) -> Result<(ChainConfig, Vec<String>), ChainSpecError> {
    let chain_id = fields.u64("chainId")?;
    let chain_id = fields.required("chainId", "a chain id", chain_id)?;
    if chain_id == 0 || chain_id > MAX_CHAIN_ID {
        return Err(ChainSpecError::field(
            fields.path_of("chainId"),
            format!("a chain id from 1 to {MAX_CHAIN_ID} (EIP-2294)"),
            chain_id.to_string(),
        ));
    }
    let mut config = ChainConfig {
        chain_id,
        dao_fork_support: fields.bool("daoForkSupport")?.unwrap_or(false),
        terminal_total_difficulty: fields.total_difficulty("terminalTotalDifficulty")?,
        terminal_total_difficulty_passed: fields
            .bool("terminalTotalDifficultyPassed")?
            .unwrap_or(false),
        deposit_contract_address: fields.address("depositContractAddress")?,
        ethash: fields.get("ethash").map(|_| EthashConfig {}),
        ..ChainConfig::default()
    };
    for fork in BLOCK_FORKS.iter().chain(&TIME_FORKS).chain(&BLOB_FORKS) {
        let at = fields.u64(fork.name)?;
        (fork.set)(&mut config, at);
    }
    if let Some(schedule) = fields.object("blobSchedule")? {
        config.blob_schedule = read_blob_schedule(&schedule)?;
    }
    if let Some(plasma) = fields.get("plasma") {
        config.extra_fields.insert("plasma".to_owned(), plasma.clone());
    }
    for name in OTHERS {
        fields.get(name);
    }
    let mut ignored = Vec::new();
    for (name, value) in fields.unasked() {
        config.extra_fields.insert(name.clone(), value.clone());
        ignored.push(fields.path_of(name));
    }
    Ok((config, ignored))
}

fn read_blob_schedule(
    schedule: &Fields<'_>,
) -> Result<BTreeMap<String, BlobParams>, ChainSpecError> {
    let mut entries = BTreeMap::new();
    for (fork, _) in schedule.unasked() {
        let Some(entry) = schedule.object(fork)? else {
            continue;
        };
        let number = |name: &str| entry.required(name, "a whole number", entry.u64(name)?);
        let max = number("max")?;
        let params = BlobParams {
            target_blob_count: number("target")?,
            max_blob_count: max,
            update_fraction: u128::from(number("baseFeeUpdateFraction")?),
            min_blob_fee: BLOB_TX_MIN_BLOB_GASPRICE,
            max_blobs_per_tx: max,
            blob_base_cost: 0,
        };
        entries.insert(fork.to_ascii_lowercase(), params);
    }
    Ok(entries)
}

fn read_alloc(value: &Value) -> Result<BTreeMap<Address, GenesisAccount>, ChainSpecError> {
    let fields = Fields::new("alloc", value)?;
    let mut accounts = BTreeMap::new();
    for (key, value) in fields.unasked() {
        let path = fields.path_of(key);
        let address = parse_address(key).ok_or_else(|| {
            ChainSpecError::field("alloc", "20-byte hex addresses as keys", format!("{key:?}"))
        })?;
        let account = read_account(&Fields::new(&path, value)?)?;
        if accounts.insert(address, account).is_some() {
            return Err(ChainSpecError::field(
                fields.path_of(&format!("{address:#x}")),
                "each address once",
                "it a second time",
            ));
        }
    }
    Ok(accounts)
}

fn read_account(fields: &Fields<'_>) -> Result<GenesisAccount, ChainSpecError> {
    let balance = fields.required("balance", "a balance in wei", fields.u256("balance")?)?;
    Ok(GenesisAccount {
        nonce: fields.u64("nonce")?,
        balance,
        code: fields.bytes("code")?,
        storage: fields.object("storage")?.as_ref().map(read_storage).transpose()?,
        private_key: None,
    })
}

fn read_storage(fields: &Fields<'_>) -> Result<BTreeMap<B256, B256>, ChainSpecError> {
    let mut storage = BTreeMap::new();
    for (key, value) in fields.unasked() {
        let slot = parse_storage_word(key).ok_or_else(|| {
            ChainSpecError::field(
                fields.path_of(key),
                "a slot of at most 32 bytes in hex as key",
                format!("{key:?}"),
            )
        })?;
        let word = value.as_str().and_then(parse_storage_word).ok_or_else(|| {
            ChainSpecError::value(
                fields.path_of(key),
                "a value of at most 32 bytes in hex",
                Some(value),
            )
        })?;
        storage.insert(slot, word);
    }
    Ok(storage)
}
