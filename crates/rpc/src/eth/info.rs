//! What the node and the chain are: ids, height, sync, capabilities.

use crate::{
    api::{Api, heavy, quick},
    error::{self, RpcResult},
};
use alloy_primitives::{U64, U256};
use jsonrpsee::RpcModule;
use plasma_chain::SyncProgress;
use serde_json::{Value, json};

/// The newest version of the wire protocol that geth names here; Plasma has no peers.
const PROTOCOL_VERSION: u64 = 69;

pub(crate) fn register(module: &mut RpcModule<Api>) {
    quick(module, "eth_chainId", 0, |api, _| Ok(U64::from(api.chain.spec().chain_id())));
    quick(module, "eth_blockNumber", 0, |api, _| Ok(U64::from(api.chain.head().number())));
    quick(module, "eth_protocolVersion", 0, |_, _| Ok(U64::from(PROTOCOL_VERSION)));
    quick(module, "eth_syncing", 0, |api, _| Ok(syncing(api)));
    heavy(module, "eth_mining", 0, |api, _| makes_blocks(api));
    quick(module, "eth_hashrate", 0, |_, _| Ok(U256::ZERO));
    quick(module, "eth_coinbase", 0, |api, _| Ok(api.chain.config().beneficiary));
    quick(module, "eth_capabilities", 0, |api, _| Ok(capabilities(api)));
}

/// `false`, as the only source of its chain is never behind; under a consensus layer the numbers of the head and of the
/// highest block that waits, while the head that it has named cannot be reached.
fn syncing(api: &Api) -> Value {
    let Some(SyncProgress { starting, current, highest }) = sync_progress(api) else {
        return json!(false);
    };
    json!({
        "startingBlock": U64::from(starting),
        "currentBlock": U64::from(current),
        "highestBlock": U64::from(highest),
    })
}

/// How far a chain under a consensus layer is while it cannot reach the head that was named.
pub(crate) fn sync_progress(api: &Api) -> Option<SyncProgress> {
    api.chain.engine()?.syncing()
}

/// Whether this node makes blocks by itself: always, but under a consensus layer and on a development node that mines only when
/// it is told to. eth-ape waits for no receipt where this is false.
fn makes_blocks(api: &Api) -> RpcResult<bool> {
    let Some(dev) = api.chain.dev().filter(|_| api.chain.config().automine) else {
        return Ok(!api.chain.config().driven);
    };
    Ok(dev.automine() || dev.interval_mining().map_err(error::from_chain)?.is_some())
}

/// Which data of which blocks this node can answer from.
fn capabilities(api: &Api) -> Value {
    let head = api.chain.head();
    let everything = json!({ "disabled": false, "oldestBlock": "0x0" });
    let database = api.chain.database();
    let mut state = json!({
        "disabled": false,
        "oldestBlock": U64::from(database.oldest_state()),
    });
    if let Some(blocks) = database.history_blocks() {
        state["deleteStrategy"] = json!({ "type": "window", "retentionBlocks": U64::from(blocks) });
    }
    json!({
        "head": { "number": U64::from(head.number()), "hash": head.hash },
        "state": state,
        "stateproofs": state,
        "tx": everything,
        "logs": everything,
        "receipts": everything,
        "blocks": everything,
    })
}
