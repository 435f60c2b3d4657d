//! `eth_config` (EIP-7910): the rules that hold, those that come next, and the last ones planned.

use crate::api::{Api, quick};
use alloy_consensus::Header;
use alloy_eips::{eip2124::ForkHash, eip2935, eip4788, eip7002, eip7251};
use alloy_hardforks::{EthereumHardforks, ForkCondition};
use alloy_primitives::{Address, Bytes, U64};
use jsonrpsee::RpcModule;
use plasma_chainspec::ChainSpec;
use plasma_evm::{
    block_env,
    revm::precompile::{PrecompileSpecId, Precompiles},
};
use serde::Serialize;
use std::collections::BTreeMap;

pub(super) fn register(module: &mut RpcModule<Api>) {
    quick(module, "eth_config", 0, |api, _| {
        Ok(config(api.chain.spec(), api.chain.head().header.timestamp))
    });
}

/// The answer of `eth_config`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Config {
    current: Fork,
    next: Option<Fork>,
    last: Option<Fork>,
}

/// The rules from one activation on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Fork {
    /// Seconds; 0 for what holds since genesis.
    activation_time: u64,
    /// `None` before Cancun.
    blob_schedule: Option<BlobSchedule>,
    chain_id: U64,
    fork_id: Bytes,
    precompiles: BTreeMap<String, Address>,
    system_contracts: BTreeMap<&'static str, Address>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct BlobSchedule {
    base_fee_update_fraction: u64,
    max: u64,
    target: u64,
}

/// The configuration as of a head with this `timestamp`.
fn config(spec: &ChainSpec, timestamp: u64) -> Config {
    let times = activation_times(spec);
    let current = times.iter().rev().find(|time| **time <= timestamp).copied().unwrap_or_default();
    let future = || times.iter().filter(|time| **time > timestamp).copied();
    Config {
        current: fork(spec, current),
        next: future().next().map(|time| fork(spec, time)),
        last: future().next_back().map(|time| fork(spec, time)),
    }
}

/// When rules change by time, ascending; 0 stands for whatever holds since genesis.
fn activation_times(spec: &ChainSpec) -> Vec<u64> {
    let genesis = spec.genesis_header().timestamp;
    let mut times: Vec<u64> = spec
        .forks()
        .filter_map(|(_, condition)| match condition {
            ForkCondition::Timestamp(time) => Some(if time <= genesis { 0 } else { time }),
            _ => None,
        })
        .collect();
    times.sort_unstable();
    times.dedup();
    times
}

fn fork(spec: &ChainSpec, activation_time: u64) -> Fork {
    // What is activated before genesis is active at genesis, whose time may be later.
    let timestamp = activation_time.max(spec.genesis_header().timestamp);
    let header = Header { number: u64::MAX, timestamp, ..Header::default() };
    let rules = block_env(spec, &header).cfg_env.spec;
    let precompiles = Precompiles::new(PrecompileSpecId::from_spec_id(rules));
    Fork {
        activation_time,
        blob_schedule: spec.blob_params_at(timestamp).map(|params| BlobSchedule {
            base_fee_update_fraction: params.update_fraction.try_into().unwrap_or(u64::MAX),
            max: params.max_blob_count,
            target: params.target_blob_count,
        }),
        chain_id: U64::from(spec.chain_id()),
        fork_id: fork_hash(spec, timestamp).0.into(),
        precompiles: precompiles
            .inner()
            .iter()
            .map(|(address, precompile)| (precompile.id().name().to_owned(), *address))
            .collect(),
        system_contracts: system_contracts(spec, timestamp),
    }
}

/// The checksum of the genesis hash and all activations up to `timestamp` (EIP-2124, EIP-6122).
fn fork_hash(spec: &ChainSpec, timestamp: u64) -> ForkHash {
    let genesis = spec.genesis_header().timestamp;
    let (mut blocks, mut times) = (Vec::new(), Vec::new());
    for (_, condition) in spec.forks() {
        match condition {
            ForkCondition::Block(number) if number > 0 => blocks.push(number),
            ForkCondition::TTD { fork_block: Some(number), .. } if number > 0 => {
                blocks.push(number);
            }
            ForkCondition::Timestamp(time) if time > genesis && time <= timestamp => {
                times.push(time);
            }
            _ => {}
        }
    }
    let mut hash = ForkHash::from(spec.genesis_hash());
    for list in [&mut blocks, &mut times] {
        list.sort_unstable();
        list.dedup();
        for activation in list.iter() {
            hash += *activation;
        }
    }
    hash
}

fn system_contracts(spec: &ChainSpec, timestamp: u64) -> BTreeMap<&'static str, Address> {
    let mut contracts = BTreeMap::new();
    if spec.is_cancun_active_at_timestamp(timestamp) {
        contracts.insert("BEACON_ROOTS_ADDRESS", eip4788::BEACON_ROOTS_ADDRESS);
    }
    if spec.is_prague_active_at_timestamp(timestamp) {
        contracts.insert(
            "CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS",
            eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS,
        );
        contracts.insert("HISTORY_STORAGE_ADDRESS", eip2935::HISTORY_STORAGE_ADDRESS);
        contracts.insert(
            "WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS",
            eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS,
        );
        if let Some(address) = spec.deposit_contract_address() {
            contracts.insert("DEPOSIT_CONTRACT_ADDRESS", address);
        }
    }
    contracts
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// A chain with block forks at genesis and forks by time at 0, 100 and 200.
    fn spec() -> ChainSpec {
        let blobs = json!({"target": 6, "max": 9, "baseFeeUpdateFraction": 5_007_716});
        let genesis = json!({
            "config": {
                "chainId": 0x88bb0, "homesteadBlock": 0, "eip150Block": 0, "eip155Block": 0,
                "eip158Block": 0, "byzantiumBlock": 0, "constantinopleBlock": 0,
                "petersburgBlock": 0, "istanbulBlock": 0, "berlinBlock": 0, "londonBlock": 0,
                "terminalTotalDifficulty": 0, "shanghaiTime": 0, "cancunTime": 0,
                "pragueTime": 100, "osakaTime": 200,
                "blobSchedule": {
                    "cancun": {"target": 3, "max": 6, "baseFeeUpdateFraction": 3_338_477},
                    "prague": blobs, "osaka": blobs,
                },
                "depositContractAddress": "0x00000000219ab540356cbb839cbe05303d7705fa",
            },
            "timestamp": "0x1", "gasLimit": "0x1c9c380", "difficulty": "0x0", "alloc": {},
        });
        ChainSpec::from_json(&genesis.to_string()).unwrap()
    }

    #[test]
    fn forks_move_from_next_to_current() {
        let spec = spec();
        let times = |timestamp| {
            let Config { current, next, last } = config(&spec, timestamp);
            let time = |fork: Option<Fork>| fork.map(|fork| fork.activation_time);
            (current.activation_time, time(next), time(last))
        };
        assert_eq!(times(1), (0, Some(100), Some(200)));
        assert_eq!(times(99), (0, Some(100), Some(200)));
        assert_eq!(times(100), (100, Some(200), Some(200)));
        assert_eq!(times(200), (200, None, None));
    }

    #[test]
    fn the_members_are_those_of_the_eip() {
        let spec = spec();
        let answer = serde_json::to_value(config(&spec, 1)).unwrap();
        let current = &answer["current"];
        assert_eq!(
            current["blobSchedule"],
            json!({"baseFeeUpdateFraction": 3_338_477, "max": 6, "target": 3})
        );
        assert_eq!(current["chainId"], "0x88bb0");
        assert_eq!(current["precompiles"].as_object().unwrap().len(), 10);
        assert_eq!(
            current["precompiles"]["KZG_POINT_EVALUATION"],
            "0x000000000000000000000000000000000000000a"
        );
        assert_eq!(
            current["systemContracts"],
            json!({"BEACON_ROOTS_ADDRESS": "0x000f3df6d732807ef1319fb7b8bb8522d0beac02"})
        );
        assert_eq!(answer["next"]["precompiles"].as_object().unwrap().len(), 17);
        assert_eq!(
            answer["last"]["precompiles"]["P256VERIFY"],
            "0x0000000000000000000000000000000000000100"
        );
        let contracts = answer["next"]["systemContracts"].as_object().unwrap();
        let names: Vec<_> = contracts.keys().collect();
        assert_eq!(
            names,
            [
                "BEACON_ROOTS_ADDRESS",
                "CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS",
                "DEPOSIT_CONTRACT_ADDRESS",
                "HISTORY_STORAGE_ADDRESS",
                "WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS",
            ]
        );
    }

    #[test]
    fn the_fork_id_is_a_checksum_over_what_was_activated() {
        // CRC-32 (IEEE) bit by bit, as the second opinion.
        fn checksum(bytes: &[u8]) -> [u8; 4] {
            let mut sum = u32::MAX;
            for byte in bytes {
                sum ^= u32::from(*byte);
                for _ in 0..8 {
                    sum = if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 };
                }
            }
            (!sum).to_be_bytes()
        }
        let spec = spec();
        let mut bytes = spec.genesis_hash().to_vec();
        let Config { current, next, last } = config(&spec, 1);
        assert_eq!(current.fork_id, Bytes::from(checksum(&bytes)));
        bytes.extend(100u64.to_be_bytes());
        assert_eq!(next.unwrap().fork_id, Bytes::from(checksum(&bytes)));
        bytes.extend(200u64.to_be_bytes());
        assert_eq!(last.unwrap().fork_id, Bytes::from(checksum(&bytes)));
    }
}
