//! What tools ask about the node itself.

use super::{Call, Commands, refused_by_chain};
use crate::{
    error::{self, RpcResult},
    eth::fees::suggested_tip,
};
use alloy_primitives::{B256, U64, U256};
use serde::Serialize;
use std::{collections::BTreeMap, sync::atomic::Ordering};

pub(super) fn register(commands: &mut Commands<'_>) {
    commands.query(&["hardhat_metadata"], 0, |call| Ok(metadata(call, None)));
    commands.query(&["anvil_metadata"], 0, |call| {
        let snapshots = call.context.snapshots.lock().clone();
        let snapshots = snapshots.into_iter().map(|(id, at)| (U64::from(id), at)).collect();
        Ok(metadata(call, Some(snapshots)))
    });
    commands.query(&["anvil_nodeInfo"], 0, node_info);
    // Seconds since 1970, as JSON numbers.
    commands.query(&["anvil_getGenesisTime", "hardhat_getGenesisTime"], 0, |call| {
        let genesis = call.api.chain.block(0).map_err(error::from_chain)?;
        Ok(genesis.ok_or_else(error::header_not_found)?.header.timestamp)
    });
    commands.query(&["anvil_getLastBlockWallTime", "hardhat_getLastBlockWallTime"], 0, |call| {
        let sealed = call.dev.last_block_wall_time().map_err(refused_by_chain)?;
        Ok(sealed.unwrap_or_else(|| call.api.chain.head().header.timestamp))
    });
    commands.query(&["eth_networkId"], 0, |call| Ok(call.api.chain.spec().chain_id().to_string()));
    commands.command(&["hardhat_setLoggingEnabled", "anvil_setLoggingEnabled"], 1, |call| {
        call.api.dev_logging.store(call.arguments.required(0)?, Ordering::Relaxed);
        Ok(())
    });
}

/// Hardhat's `hardhat_metadata`, with anvil's additions. Asked for again and again by Hardhat 3,
/// so it reads nothing but what is at hand.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    client_version: String,
    chain_id: u64,
    instance_id: B256,
    latest_block_number: u64,
    latest_block_hash: B256,
    #[serde(skip_serializing_if = "Option::is_none")]
    snapshots: Option<BTreeMap<U64, (u64, B256)>>,
}

fn metadata(call: &Call<'_>, snapshots: Option<BTreeMap<U64, (u64, B256)>>) -> Metadata {
    let head = call.api.chain.head();
    Metadata {
        client_version: call.api.config.client_version.clone(),
        chain_id: call.api.chain.spec().chain_id(),
        instance_id: *call.context.instance.lock(),
        latest_block_number: head.number(),
        latest_block_hash: head.hash,
        snapshots,
    }
}

/// anvil's `anvil_nodeInfo`: forge takes the rules to execute under from it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct NodeInfo {
    current_block_number: U64,
    current_block_timestamp: u64,
    current_block_hash: B256,
    hard_fork: String,
    transaction_order: &'static str,
    environment: NodeEnvironment,
    fork_config: NodeForkConfig,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct NodeEnvironment {
    base_fee: U256,
    chain_id: u64,
    gas_limit: U256,
    gas_price: U256,
}

/// This node forks no other chain.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct NodeForkConfig {
    fork_url: Option<String>,
    fork_block_number: Option<u64>,
    fork_retry_backoff: Option<u64>,
}

fn node_info(call: &Call<'_>) -> RpcResult<NodeInfo> {
    let chain = &call.api.chain;
    let head = chain.head();
    let next = chain.pending();
    let base_fee = u128::from(next.env.block_env.basefee);
    Ok(NodeInfo {
        current_block_number: U64::from(head.number()),
        current_block_timestamp: head.header.timestamp,
        current_block_hash: head.hash,
        hard_fork: format!("{:?}", next.env.cfg_env.spec),
        transaction_order: "fees",
        environment: NodeEnvironment {
            base_fee: U256::from(base_fee),
            chain_id: chain.spec().chain_id(),
            gas_limit: U256::from(next.block.header.gas_limit),
            gas_price: U256::from(base_fee + suggested_tip(call.api)?),
        },
        fork_config: NodeForkConfig::default(),
    })
}
