//! Accounts, storage, code and proofs.

use crate::{
    api::{Api, Target, heavy, quick},
    error::{self, RpcResult},
    params::StorageKey,
};
use alloy_consensus::TrieAccount;
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{Address, B256, Bytes, U64, map::HashMap};
use alloy_rpc_types_eth::{AccountInfo, EIP1186AccountProofResponse, EIP1186StorageProof};
use alloy_serde::JsonStorageKey;
use jsonrpsee::RpcModule;
use plasma_storage::{Account, StateReader};
use std::collections::BTreeMap;

/// Most slots of one `eth_getStorageValues` or `eth_getProof`, as in geth.
const MAX_SLOTS: usize = 1024;

pub(crate) fn register(module: &mut RpcModule<Api>) {
    quick(module, "eth_getBalance", 2, |api, arguments| {
        let state = api.state(arguments.optional(1)?)?;
        Ok(account(&*state, arguments.required(0)?)?.balance)
    });
    quick(module, "eth_getCode", 2, |api, arguments| {
        let state = api.state(arguments.optional(1)?)?;
        code(&*state, &account(&*state, arguments.required(0)?)?)
    });
    quick(module, "eth_getTransactionCount", 2, |api, arguments| {
        transaction_count(api, arguments.required(0)?, arguments.optional(1)?)
    });
    quick(module, "eth_getStorageAt", 3, |api, arguments| {
        let address = arguments.required(0)?;
        let key: StorageKey = arguments.required(1)?;
        let state = api.state(arguments.optional(2)?)?;
        slot(&*state, address, &key)
    });
    quick(module, "eth_getAccountInfo", 2, |api, arguments| {
        let state = api.state(arguments.optional(1)?)?;
        let account = account(&*state, arguments.required(0)?)?;
        let code = code(&*state, &account)?;
        Ok(AccountInfo { balance: account.balance, nonce: account.nonce, code })
    });
    heavy(module, "eth_getStorageValues", 2, |api, arguments| {
        storage_values(api, arguments.required(0)?, arguments.optional(1)?)
    });
    heavy(module, "eth_getAccount", 2, |api, arguments| {
        trie_account(api, arguments.required(0)?, arguments.optional(1)?)
    });
    heavy(module, "eth_getProof", 3, |api, arguments| {
        proof(api, arguments.required(0)?, arguments.or_default(1)?, arguments.optional(2)?)
    });
}

fn account(state: &dyn StateReader, address: Address) -> RpcResult<Account> {
    Ok(state.account(address).map_err(error::from_storage)?.unwrap_or_default())
}

fn code(state: &dyn StateReader, account: &Account) -> RpcResult<Bytes> {
    let Some(hash) = account.bytecode_hash else { return Ok(Bytes::new()) };
    let code = state.code(hash).map_err(error::from_storage)?;
    code.ok_or_else(|| error::internal(format!("code {hash} is missing from the database")))
}

fn slot(state: &dyn StateReader, address: Address, key: &StorageKey) -> RpcResult<B256> {
    Ok(state.storage(address, key.number()).map_err(error::from_storage)?.into())
}

/// The next nonce; `pending` counts what waits in the pool, too.
fn transaction_count(api: &Api, address: Address, block: Option<BlockId>) -> RpcResult<U64> {
    let nonce = account(&*api.state(block)?, address)?.nonce;
    let next = match block {
        Some(BlockId::Number(BlockNumberOrTag::Pending)) => {
            api.chain.pool().next_nonce(address, nonce)
        }
        _ => nonce,
    };
    Ok(U64::from(next))
}

fn storage_values(
    api: &Api,
    wanted: BTreeMap<Address, Vec<StorageKey>>,
    block: Option<BlockId>,
) -> RpcResult<HashMap<Address, Vec<B256>>> {
    let slots: usize = wanted.values().map(Vec::len).sum();
    if slots == 0 {
        return Err(error::invalid_params("empty request"));
    }
    if slots > MAX_SLOTS {
        return Err(error::invalid_params(format!("too many slots (max {MAX_SLOTS})")));
    }
    let state = api.state(block)?;
    wanted
        .into_iter()
        .map(|(address, keys)| {
            let values = keys.iter().map(|key| slot(&*state, address, key));
            Ok((address, values.collect::<RpcResult<_>>()?))
        })
        .collect()
}

/// The number of a block that has a state root.
fn sealed_number(api: &Api, block: Option<BlockId>) -> RpcResult<u64> {
    match api.existing(block)? {
        Target::Sealed(block) => Ok(block.number()),
        Target::Pending(_) => Err(error::server_error(
            "proofs exist of sealed blocks only: the open block has no state root yet",
        )),
    }
}

/// An account as the state trie has it; `None` where there is none.
fn trie_account(
    api: &Api,
    address: Address,
    block: Option<BlockId>,
) -> RpcResult<Option<TrieAccount>> {
    let number = sealed_number(api, block)?;
    Ok(api.chain.proof(number, address, &[]).map_err(error::from_chain)?.account)
}

fn proof(
    api: &Api,
    address: Address,
    keys: Vec<StorageKey>,
    block: Option<BlockId>,
) -> RpcResult<EIP1186AccountProofResponse> {
    if keys.len() > MAX_SLOTS {
        return Err(error::invalid_params(format!("too many keys, want at most {MAX_SLOTS}")));
    }
    let number = sealed_number(api, block)?;
    let slots: Vec<B256> = keys.iter().map(|key| key.slot).collect();
    let proof = api.chain.proof(number, address, &slots).map_err(error::from_chain)?;
    let (storage_hash, account) = (proof.storage_root(), proof.account.unwrap_or_default());
    let storage_proof = keys
        .iter()
        .zip(proof.storage)
        .map(|(key, found)| EIP1186StorageProof {
            key: answered_key(key),
            value: found.value,
            proof: found.proof,
        })
        .collect();
    Ok(EIP1186AccountProofResponse {
        address,
        balance: account.balance,
        code_hash: account.code_hash,
        nonce: account.nonce,
        storage_hash,
        account_proof: proof.proof,
        storage_proof,
    })
}

/// geth answers a key of 32 bytes as such and a short one as a number.
fn answered_key(key: &StorageKey) -> JsonStorageKey {
    if key.full { JsonStorageKey::Hash(key.slot) } else { JsonStorageKey::Number(key.number()) }
}
