//! The state inside a block: `debug_intermediateRoots` and `debug_storageRangeAt`.

use super::{replay::Replay, sealed_block};
use crate::{
    api::Api,
    error::{self, RpcResult},
    params::{Arguments, Quantity},
};
use alloy_eips::BlockId;
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use plasma_storage::StateReader;
use serde::Serialize;
use serde::de::IgnoredAny;
use std::collections::{BTreeMap, BTreeSet};

/// The most slots in one answer.
const MAX_SLOTS: usize = 10_000;

/// The state root after each transaction of the block with this hash. What comes before the first
/// transaction counts for it; what comes after the last one is not told.
pub(super) fn intermediate_roots(api: &Api, arguments: Arguments<'_>) -> RpcResult<Vec<B256>> {
    let hash: B256 = arguments.required(0)?;
    // A tracer's settings, which mean nothing for roots.
    let _options: Option<IgnoredAny> = arguments.optional(1)?;
    let block = sealed_block(api, hash.into())?
        .ok_or_else(|| error::server_error(format!("block {hash} not found")))?;
    let mut replay = Replay::begin(api, &block)?;
    let mut fork = api.chain.fork(replay.parent()).map_err(error::from_chain)?;
    let mut roots = Vec::with_capacity(block.transactions.len());
    for next in 1..=block.transactions.len() {
        replay.skip_to(next)?;
        roots.push(fork.apply(&replay.end_tick()).map_err(error::from_chain)?);
    }
    Ok(roots)
}

/// `debug_codeByHash`: the code with this Keccak-256 hash, whichever contract has or had it; `null`
/// where it is unknown. A block, if any is named, must be one whose state is kept.
pub(super) fn code_by_hash(api: &Api, arguments: Arguments<'_>) -> RpcResult<Option<Bytes>> {
    let state = api.state(arguments.optional(1)?)?;
    state.code(arguments.required(0)?).map_err(error::from_storage)
}

/// The answer of `debug_storageRangeAt`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StorageRange {
    /// By the hash of the slot, which is the order of the storage trie.
    storage: BTreeMap<B256, Slot>,
    next_key: Option<B256>,
}

#[derive(Clone, Debug, Serialize)]
struct Slot {
    key: B256,
    value: B256,
}

/// Slots of an account before a transaction of a block, by their hashes from a first one on.
pub(super) fn storage_range_at(api: &Api, arguments: Arguments<'_>) -> RpcResult<StorageRange> {
    let block: BlockId = arguments.required(0)?;
    let Quantity(index) = arguments.required(1)?;
    let address: Address = arguments.required(2)?;
    let start: Bytes = arguments.required(3)?;
    let Quantity(limit) = arguments.required(4)?;
    if start.len() > 32 {
        return Err(error::invalid_argument(3, "a key has at most 32 bytes"));
    }
    // A key that is cut short stands for the first one that begins so.
    let start = B256::right_padding_from(&start);
    let limit = usize::try_from(limit).unwrap_or(MAX_SLOTS).min(MAX_SLOTS);
    let block = sealed_block(api, block)?.ok_or_else(error::header_not_found)?;
    let index = super::transaction_index(&block, index)?;
    let mut replay = Replay::begin(api, &block)?;
    replay.skip_to(index)?;
    let before = api.chain.database().snapshot(replay.parent()).map_err(error::from_storage)?;
    let (state, _) = replay.into_state_and_env();
    let mut keys: BTreeSet<U256> =
        before.slots(address).map_err(error::from_storage)?.into_keys().collect();
    let changes = state.clone().into_changes();
    if let Some(change) = changes.accounts.get(&address) {
        keys.extend(change.storage.keys());
    }
    let mut storage = BTreeMap::new();
    for slot in keys {
        let key = B256::from(slot);
        let hash = keccak256(key);
        if hash < start {
            continue;
        }
        let value = state.storage(address, slot).map_err(error::from_storage)?;
        if !value.is_zero() {
            storage.insert(hash, Slot { key, value: value.into() });
        }
    }
    let next_key = storage.keys().nth(limit).copied();
    if let Some(next) = next_key {
        storage.split_off(&next);
    }
    Ok(StorageRange { storage, next_key })
}
