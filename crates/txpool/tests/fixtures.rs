//! The transaction tests of ethereum/tests: what is valid under a fork is taken, with the sender,
//! hash and intrinsic gas that the file names; what is not is refused.

mod support;

use alloy_primitives::{Address, B256, Bytes, U256, map::HashSet};
use plasma_chainspec::{BlobParams, EthereumHardfork as Fork};
use plasma_storage::{Account, StateReader, StorageError};
use plasma_txpool::{PoolConfig, PoolError, PoolHead, TxPool, decode_and_recover, intrinsic_gas};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};
use support::spec;

/// Valid cases with a gas price beyond 128 bits, which no balance could pay and alloy's types do not
/// hold.
const BEYOND_128_BITS: [&str; 2] =
    ["GasLimitPriceProductOverflowtMinusOne", "TransactionWithHighGasPrice"];

/// Everybody has all the money there is.
struct Rich;

impl StateReader for Rich {
    fn account(&self, _: Address) -> Result<Option<Account>, StorageError> {
        Ok(Some(Account { nonce: 0, balance: U256::MAX, bytecode_hash: None }))
    }

    fn storage(&self, _: Address, _: U256) -> Result<U256, StorageError> {
        Ok(U256::ZERO)
    }

    fn has_storage(&self, _: Address, _: &HashSet<U256>) -> Result<bool, StorageError> {
        Ok(false)
    }

    fn code(&self, _: B256) -> Result<Option<Bytes>, StorageError> {
        Ok(None)
    }

    fn block_hash(&self, _: u64) -> Result<Option<B256>, StorageError> {
        Ok(None)
    }
}

fn json_files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            json_files(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "json") {
            into.push(path);
        }
    }
}

#[test]
fn transaction_tests() {
    let Some(fixtures) = std::env::var_os("PLASMA_FIXTURES") else {
        println!("skipped: PLASMA_FIXTURES is not set");
        return;
    };
    let mut files = Vec::new();
    json_files(&PathBuf::from(fixtures).join("ethereum-tests/TransactionTests"), &mut files);
    let mut specs = BTreeMap::new();
    let mut wrong = Vec::new();
    let (mut valid, mut invalid) = (0, 0);
    for file in &files {
        let text = fs::read_to_string(file).unwrap();
        let cases: BTreeMap<String, Value> = serde_json::from_str(&text).unwrap();
        for (name, case) in cases {
            let raw: Bytes = serde_json::from_value(case["txbytes"].clone()).unwrap();
            for (fork, expected) in case["result"].as_object().unwrap() {
                let spec = specs.entry(fork.clone()).or_insert_with(|| spec(1, fork));
                let place = format!("{name} under {fork}");
                let pool = TxPool::new(
                    PoolConfig { fee_cap: None, allow_unprotected: true, ..PoolConfig::default() },
                    spec.clone(),
                );
                let head = PoolHead { number: 1, gas_limit: u64::MAX, ..PoolHead::default() };
                let taken = decode_and_recover(&raw)
                    .and_then(|tx| pool.add(tx.clone(), &Rich, &head).map(|_| tx));
                if expected.get("exception").is_some() {
                    invalid += 1;
                    // Fees beyond what the pool's other limits let through count as refused too.
                    if taken.is_ok() {
                        wrong.push(format!("{place} was taken: {}", expected["exception"]));
                    }
                    continue;
                }
                valid += 1;
                let tx = match taken {
                    Ok(tx) => tx,
                    // Consensus knows no size limit, the pool does; nor has it EIP-2 in Frontier.
                    Err(PoolError::Oversized { .. }) => continue,
                    Err(PoolError::Decode(_)) if BEYOND_128_BITS.contains(&name.as_str()) => {
                        continue;
                    }
                    Err(PoolError::InvalidSignature) if fork == "Frontier" => continue,
                    Err(error) => {
                        wrong.push(format!("{place}: {error}"));
                        continue;
                    }
                };
                let text = |field: &str| expected[field].as_str().unwrap().to_owned();
                assert_eq!(tx.sender, text("sender").parse::<Address>().unwrap(), "{place}");
                assert_eq!(tx.hash, text("hash").parse::<B256>().unwrap(), "{place}");
                let gas = U256::from_str_radix(&text("intrinsicGas")[2..], 16).unwrap();
                let fork = spec.fork_at(1, 0);
                assert_eq!(U256::from(intrinsic_gas(&tx.transaction, fork)), gas, "{place}");
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    println!("{} files, {valid} valid cases, {invalid} invalid ones", files.len());
    assert!(files.len() > 90 && valid > 200 && invalid > 900);
}

/// The transactions that the RPC conformance suite sends, a blob transaction with cell proofs among
/// them, are taken on the chain that it sends them to.
#[test]
fn the_conformance_suite_sends_what_is_taken() {
    let Some(fixtures) = std::env::var_os("PLASMA_FIXTURES") else {
        println!("skipped: PLASMA_FIXTURES is not set");
        return;
    };
    let folder = PathBuf::from(fixtures).join("rpc-compat");
    let genesis = fs::read_to_string(folder.join("genesis.json")).unwrap();
    let spec = plasma_chainspec::ChainSpec::from_json(&genesis).unwrap();
    let head = PoolHead {
        number: 55,
        timestamp: 600,
        base_fee: 1,
        blob_base_fee: 1,
        gas_limit: 100_000_000,
    };
    assert_eq!(spec.fork_at(head.number, head.timestamp), Fork::Bpo2);
    let pool = TxPool::new(PoolConfig::default(), spec.into());
    let mut files = Vec::new();
    json_files_io(&folder.join("eth_sendRawTransaction"), &mut files);
    for file in &files {
        let text = fs::read_to_string(file).unwrap();
        let line = |mark: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(mark)).unwrap();
            serde_json::from_str::<Value>(line).unwrap()
        };
        let raw: Bytes = serde_json::from_value(line(">> ")["params"][0].clone()).unwrap();
        let tx = decode_and_recover(&raw).unwrap();
        let outcome = pool
            .add(tx, &Rich, &head)
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        assert_eq!(outcome.hash, line("<< ")["result"].as_str().unwrap().parse::<B256>().unwrap());
    }
    assert_eq!(files.len(), 5);
    assert_eq!(BlobParams::bpo2().max_blob_count, 21);
}

fn json_files_io(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        into.push(entry.unwrap().path());
    }
    into.sort();
}
