//! The file format of blockchain tests.

use super::networks;
use crate::cli::state_test::{Config, PreAccount, Quantity};
use alloy_genesis::{Genesis, GenesisAccount};
use alloy_primitives::{Address, B256, Bytes, U256};
use plasma_chainspec::ChainSpec;
use serde::{Deserialize, de};
use std::collections::BTreeMap;

/// Tells blockchain tests from the suites' other kinds of files by the members of their cases.
pub(super) fn is_blockchain_test(text: &str) -> bool {
    #[derive(Deserialize)]
    struct Probe {
        blocks: Option<de::IgnoredAny>,
        network: Option<de::IgnoredAny>,
    }
    let cases: Result<BTreeMap<String, Probe>, _> = serde_json::from_str(text);
    cases.is_ok_and(|cases| {
        cases.values().any(|case| case.blocks.is_some() && case.network.is_some())
    })
}

/// One chain: its first state, blocks that are sent to it, and the head at the end.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Case {
    pub(crate) network: String,
    genesis_block_header: GenesisHeader,
    pre: BTreeMap<Address, PreAccount>,
    /// The blocks, in tests that import them.
    #[serde(default)]
    pub(super) blocks: Vec<TestBlock>,
    /// The blocks, in tests by the Engine API.
    #[serde(default)]
    pub(crate) engine_new_payloads: Vec<EnginePayload>,
    pub(crate) lastblockhash: B256,
    #[serde(default)]
    config: Config,
}

/// A block as a consensus layer brings it, and what is to be answered.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EnginePayload {
    /// All parameters of the method.
    pub(crate) params: serde_json::Value,
    /// Version of `engine_newPayload`.
    pub(crate) new_payload_version: String,
    /// Version of `engine_forkchoiceUpdated`.
    pub(crate) forkchoice_updated_version: String,
    /// Why the block is invalid; `None`: it is valid.
    pub(crate) validation_error: Option<String>,
    /// The code of the error, where one is to be answered.
    pub(crate) error_code: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct GenesisHeader {
    coinbase: Address,
    difficulty: Quantity,
    extra_data: Bytes,
    gas_limit: Quantity,
    hash: B256,
    mix_hash: B256,
    nonce: Quantity,
    timestamp: Quantity,
    #[serde(default)]
    base_fee_per_gas: Option<Quantity>,
    #[serde(default)]
    blob_gas_used: Option<Quantity>,
    #[serde(default)]
    excess_blob_gas: Option<Quantity>,
}

/// A block that is sent.
#[derive(Debug, Deserialize)]
pub(super) struct TestBlock {
    pub(super) rlp: Bytes,
    /// `expectException` and, in older suites, `expectException<FORK>` or `expectExceptionALL`.
    #[serde(flatten)]
    others: BTreeMap<String, serde_json::Value>,
}

impl TestBlock {
    /// Why the block has to be refused; `None`: it is valid.
    pub(super) fn exception(&self, network: &str) -> Option<String> {
        ["", "ALL", network].into_iter().find_map(|suffix| {
            self.others.get(&format!("expectException{suffix}")).map(ToString::to_string)
        })
    }
}

impl Case {
    /// Tells tests by the Engine API from other kinds of files by the members of their cases.
    pub(crate) fn is_engine_test(text: &str) -> bool {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Probe {
            engine_new_payloads: Option<de::IgnoredAny>,
        }
        let cases: Result<BTreeMap<String, Probe>, _> = serde_json::from_str(text);
        cases.is_ok_and(|cases| cases.values().any(|case| case.engine_new_payloads.is_some()))
    }

    /// The chain's rules and genesis block; `None` where its network is not implemented.
    ///
    /// # Errors
    /// Where the genesis block does not come out as the file says.
    pub(crate) fn spec(&self) -> Result<Option<ChainSpec>, String> {
        let Some(mut config) = networks::config(&self.network, &self.config.blob_schedule) else {
            return Ok(None);
        };
        config.chain_id = self.config.chainid.map_or(1, Quantity::as_u64);
        let header = &self.genesis_block_header;
        let genesis = Genesis {
            config,
            nonce: header.nonce.as_u64(),
            timestamp: header.timestamp.as_u64(),
            extra_data: header.extra_data.clone(),
            gas_limit: header.gas_limit.as_u64(),
            difficulty: header.difficulty.0,
            mix_hash: header.mix_hash,
            coinbase: header.coinbase,
            alloc: self.pre.iter().map(|(address, pre)| (*address, account(pre))).collect(),
            base_fee_per_gas: header.base_fee_per_gas.map(Quantity::as_u128),
            excess_blob_gas: header.excess_blob_gas.map(Quantity::as_u64),
            blob_gas_used: header.blob_gas_used.map(Quantity::as_u64),
            ..Genesis::default()
        };
        let spec = ChainSpec::from_genesis(genesis).map_err(|error| error.to_string())?;
        if spec.genesis_hash() != header.hash {
            return Err(format!(
                "the genesis block is {}, the file says {}",
                spec.genesis_hash(),
                header.hash
            ));
        }
        Ok(Some(spec))
    }
}

fn account(pre: &PreAccount) -> GenesisAccount {
    let word = |value: U256| B256::from(value);
    let storage = pre.storage.iter().map(|(slot, value)| (word(slot.0), word(value.0)));
    GenesisAccount {
        nonce: Some(pre.nonce.as_u64()),
        balance: pre.balance.0,
        code: (!pre.code.is_empty()).then(|| pre.code.clone()),
        storage: (!pre.storage.is_empty()).then(|| storage.collect()),
        private_key: None,
    }
}
