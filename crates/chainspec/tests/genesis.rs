//! Genesis blocks of known chains come out with their known hashes.

use alloy_primitives::{Address, B256, U256, b256};
use alloy_rlp::Decodable;
use plasma_chainspec::{ChainSpec, EthereumHardfork, EthereumHardforks, ForkCondition};
use serde_json::{Map, Value, json};
use std::{fs, path::PathBuf};

const MAINNET_HASH: B256 =
    b256!("d4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3");
const MAINNET_STATE_ROOT: B256 =
    b256!("d7f8974fb5ac78d9ac099b9ad5018bedc2ce0a72dad1827a1709da30580f0544");
const SEPOLIA_HASH: B256 =
    b256!("25a5cc106eea7138acab33231d7160d69cb777ee0c2c553fcddf5138993e6dd9");

/// Ethereum mainnet as geth dumps it; the accounts of the 2014 sale lie beside as RLP.
fn mainnet_json() -> String {
    let mut accounts = Map::new();
    let rlp = include_bytes!("data/mainnet-alloc.rlp");
    let entries = <Vec<Vec<alloy_primitives::Bytes>>>::decode(&mut rlp.as_slice()).unwrap();
    for entry in entries {
        let address = Address::from_slice(&entry[0]);
        let balance = U256::try_from_be_slice(&entry[1]).unwrap();
        accounts.insert(
            alloy_primitives::hex::encode(address),
            json!({ "balance": format!("{balance:#x}") }),
        );
    }
    // Written as text: the total difficulty is a bare number beyond 64 bits in geth's own file.
    format!(
        r#"{{
        "config": {{
            "chainId": 1, "homesteadBlock": 1150000, "daoForkBlock": 1920000, "daoForkSupport": true,
            "eip150Block": 2463000, "eip155Block": 2675000, "eip158Block": 2675000,
            "byzantiumBlock": 4370000, "constantinopleBlock": 7280000, "petersburgBlock": 7280000,
            "istanbulBlock": 9069000, "muirGlacierBlock": 9200000, "berlinBlock": 12244000,
            "londonBlock": 12965000, "arrowGlacierBlock": 13773000, "grayGlacierBlock": 15050000,
            "terminalTotalDifficulty": 58750000000000000000000, "shanghaiTime": 1681338455,
            "cancunTime": 1710338135, "pragueTime": 1746612311, "osakaTime": 1764798551,
            "bpo1Time": 1765290071, "bpo2Time": 1767747671, "ethash": {{}}
        }},
        "nonce": "0x42", "timestamp": "0x0",
        "extraData": "0x11bbe8db4e347b4e8c937c1c8370e4b5ed33adb3db69cbdb7a38e1e50b1b82fa",
        "gasLimit": "0x1388", "difficulty": "0x400000000",
        "mixHash": "0x0000000000000000000000000000000000000000000000000000000000000000",
        "coinbase": "0x0000000000000000000000000000000000000000",
        "number": "0x0", "gasUsed": "0x0", "baseFeePerGas": null,
        "alloc": {}
    }}"#,
        Value::Object(accounts)
    )
}

#[test]
fn mainnet_has_its_genesis_hash_and_forks() {
    let spec = ChainSpec::from_json(&mainnet_json()).unwrap();
    assert_eq!(spec.genesis_state_root(), MAINNET_STATE_ROOT);
    assert_eq!(spec.genesis_hash(), MAINNET_HASH);
    assert_eq!(spec.genesis_alloc().count(), 8893);
    assert!(spec.ignored_fields().is_empty(), "{:?}", spec.ignored_fields());

    // The library's own table of mainnet is the second opinion on every fork.
    for (fork, condition) in EthereumHardfork::mainnet() {
        let ours = spec.ethereum_fork_activation(fork);
        match (ours, condition) {
            (
                ForkCondition::TTD { activation_block_number: a, total_difficulty: d, .. },
                ForkCondition::TTD { activation_block_number: b, total_difficulty: e, .. },
            ) => assert_eq!((a, d), (b, e), "{fork:?}"),
            _ => assert_eq!(ours, condition, "{fork:?}"),
        }
    }
    assert_eq!(
        spec.deposit_contract_address(),
        Some(alloy_primitives::address!("00000000219ab540356cbb839cbe05303d7705fa"))
    );
}

#[test]
fn sepolia_has_its_genesis_hash() {
    let spec = ChainSpec::from_json(include_str!("data/sepolia.json")).unwrap();
    assert_eq!(spec.genesis_hash(), SEPOLIA_HASH);
    assert!(spec.is_paris_active_at_block(1_450_409));
    assert!(!spec.is_paris_active_at_block(1_450_408));
}

/// The RPC conformance chain: block 1 of `chain.rlp` names its parent, the genesis block.
#[test]
fn the_conformance_chain_has_the_hash_that_its_first_block_names() {
    let Some(fixtures) = std::env::var_os("PLASMA_FIXTURES") else {
        println!("skipped: PLASMA_FIXTURES is not set");
        return;
    };
    let folder = PathBuf::from(fixtures).join("rpc-compat");
    let spec =
        ChainSpec::from_json(&fs::read_to_string(folder.join("genesis.json")).unwrap()).unwrap();
    let chain = fs::read(folder.join("chain.rlp")).unwrap();
    let mut rest = chain.as_slice();
    let first = alloy_consensus::Block::<alloy_consensus::TxEnvelope>::decode(&mut rest).unwrap();
    assert_eq!(first.header.number, 1);
    assert_eq!(spec.genesis_hash(), first.header.parent_hash);

    // Every header of the chain has the base fee that the rules give it.
    let mut parent = spec.genesis_header().clone();
    let mut block = first;
    let mut blocks = 0;
    loop {
        let header = block.header;
        assert_eq!(
            header.base_fee_per_gas,
            spec.next_base_fee(&parent, header.timestamp),
            "block {}",
            header.number
        );
        assert_eq!(
            header.difficulty.is_zero(),
            spec.is_paris_active_at_block(header.number),
            "block {}",
            header.number
        );
        if let Some(excess) = header.excess_blob_gas {
            let params = spec.blob_params_at(header.timestamp).unwrap();
            let parent_excess = parent.excess_blob_gas.unwrap_or(0);
            let used = parent.blob_gas_used.unwrap_or(0);
            let fee = parent.base_fee_per_gas.unwrap_or(0);
            assert_eq!(
                excess,
                params.next_block_excess_blob_gas_osaka(parent_excess, used, fee),
                "block {}",
                header.number
            );
        } else {
            assert_eq!(spec.blob_params_at(header.timestamp), None);
        }
        parent = header;
        blocks += 1;
        if rest.is_empty() {
            break;
        }
        block = alloy_consensus::Block::decode(&mut rest).unwrap();
    }
    assert_eq!(blocks, 54);
}

#[test]
fn the_genesis_header_has_the_fields_of_its_forks() {
    let all = json!({
        "config": {
            "chainId": 1337, "homesteadBlock": 0, "eip150Block": 0, "eip155Block": 0,
            "eip158Block": 0, "byzantiumBlock": 0, "constantinopleBlock": 0, "petersburgBlock": 0,
            "istanbulBlock": 0, "berlinBlock": 0, "londonBlock": 0, "terminalTotalDifficulty": 0,
            "shanghaiTime": 0, "cancunTime": 10, "pragueTime": 20, "osakaTime": 30,
            "amsterdamTime": 40
        },
        "gasLimit": "0xee6b280", "difficulty": "0x0", "alloc": {}
    });
    // (genesis time, withdrawals, blob fields, requests, access list)
    for (time, blobs, requests, access_list) in [
        (0, false, false, false),
        (10, true, false, false),
        (20, true, true, false),
        (30, true, true, false),
        (40, true, true, true),
    ] {
        let mut file = all.clone();
        file["timestamp"] = json!(time);
        let spec = ChainSpec::from_json(&file.to_string()).unwrap();
        let header = spec.genesis_header();
        assert_eq!(header.base_fee_per_gas, Some(1_000_000_000));
        assert!(header.withdrawals_root.is_some());
        assert_eq!(header.blob_gas_used, blobs.then_some(0));
        assert_eq!(header.excess_blob_gas, blobs.then_some(0));
        assert_eq!(header.parent_beacon_block_root, blobs.then_some(B256::ZERO));
        assert_eq!(header.requests_hash.is_some(), requests);
        assert_eq!(header.block_access_list_hash.is_some(), access_list);
        assert_eq!(header.slot_number, access_list.then_some(0));
    }
}

#[test]
fn storage_code_and_nonces_reach_the_state() {
    let file = json!({
        "config": { "chainId": 7 },
        "gasLimit": 30000000, "difficulty": "1", "mixhash": B256::repeat_byte(3),
        "alloc": {
            "0x00000000000000000000000000000000000000aa": {
                "balance": "1000", "nonce": "0x5", "code": "0x6001",
                "storage": { "0x1": "0x2", "03": "0x00" }, "builtin": {}
            },
            "00000000000000000000000000000000000000bb": { "balance": "0x0" }
        }
    });
    let spec = ChainSpec::from_json(&file.to_string()).unwrap();
    let accounts: Vec<_> = spec.genesis_alloc().collect();
    assert_eq!(accounts.len(), 2);
    assert_eq!(accounts[0].nonce, 5);
    assert_eq!(accounts[0].balance, U256::from(1000));
    assert_eq!(accounts[0].code.unwrap().as_ref(), [0x60, 0x01]);
    assert_eq!(accounts[0].storage, vec![(U256::from(1), U256::from(2))]);
    assert_eq!(accounts[1].code, None);
    assert_eq!(spec.genesis_header().mix_hash, B256::repeat_byte(3));
}
