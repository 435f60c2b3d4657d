//! Block access lists (EIP-7928) in the shape of geth: storage keys and values have 32 bytes, all
//! other numbers are quantities.

use super::blocks::{hash, number};
use crate::{
    api::{Api, Target, heavy},
    error::{self, RpcResult},
    params::Arguments,
};
use alloy_eip7928::{AccountChanges, BlockAccessList};
use alloy_eips::BlockId;
use alloy_primitives::{B256, Bytes};
use alloy_rlp::Decodable;
use jsonrpsee::RpcModule;
use plasma_chain::ExecutedBlock;
use serde_json::{Value, json};

pub(crate) fn register(module: &mut RpcModule<Api>) {
    heavy(module, "eth_getBlockAccessList", 1, |api, arguments| list(api, any(&arguments)?));
    heavy(module, "eth_getBlockAccessListByBlockHash", 1, |api, arguments| {
        list(api, hash(&arguments)?)
    });
    heavy(module, "eth_getBlockAccessListByBlockNumber", 1, |api, arguments| {
        list(api, number(&arguments)?)
    });
    heavy(module, "eth_getBlockAccessListRaw", 1, |api, arguments| raw(api, any(&arguments)?));
}

fn any(arguments: &Arguments<'_>) -> RpcResult<BlockId> {
    arguments.required(0)
}

/// The RLP of the access list of a block; `None` where there is no such block, or it is still open.
///
/// # Errors
/// -32001 where the block is from before Amsterdam.
fn raw(api: &Api, id: BlockId) -> RpcResult<Option<Bytes>> {
    match api.target(id)? {
        Some(Target::Sealed(block)) => {
            encoded(&block).ok_or_else(|| error::no_access_list(block.number())).map(Some)
        }
        Some(Target::Pending(_)) | None => Ok(None),
    }
}

/// The access list of `block` as it is hashed; `None` before Amsterdam.
pub(crate) fn encoded(block: &ExecutedBlock) -> Option<Bytes> {
    if block.number() == 0 && block.header.block_access_list_hash.is_some() {
        // The empty list, which the genesis header commits to.
        return Some(Bytes::from_static(&[alloy_rlp::EMPTY_LIST_CODE]));
    }
    block.access_list.clone()
}

fn list(api: &Api, id: BlockId) -> RpcResult<Option<Vec<Value>>> {
    let Some(encoded) = raw(api, id)? else { return Ok(None) };
    let list = BlockAccessList::decode(&mut encoded.as_ref()).map_err(|reason| {
        error::internal(format!("the stored access list of a block cannot be read: {reason}"))
    })?;
    Ok(Some(list.iter().map(shown).collect()))
}

fn shown(account: &AccountChanges) -> Value {
    let storage = account.storage_changes.iter().map(|slot| {
        let changes = slot.changes.iter().map(|change| {
            json!({"index": change.block_access_index, "value": B256::from(change.new_value)})
        });
        json!({"key": B256::from(slot.slot), "changes": changes.collect::<Vec<_>>()})
    });
    let reads = account.storage_reads.iter().map(|slot| B256::from(*slot));
    let balances = account
        .balance_changes
        .iter()
        .map(|change| json!({"index": change.block_access_index, "value": change.post_balance}));
    let nonces = account.nonce_changes.iter().map(|change| {
        json!({"index": change.block_access_index, "value": format!("{:#x}", change.new_nonce)})
    });
    let codes = account
        .code_changes
        .iter()
        .map(|change| json!({"index": change.block_access_index, "code": change.new_code}));
    json!({
        "address": account.address,
        "storageChanges": storage.collect::<Vec<_>>(),
        "storageReads": reads.collect::<Vec<_>>(),
        "balanceChanges": balances.collect::<Vec<_>>(),
        "nonceChanges": nonces.collect::<Vec<_>>(),
        "codeChanges": codes.collect::<Vec<_>>(),
    })
}
