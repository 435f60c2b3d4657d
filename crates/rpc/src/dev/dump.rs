//! The whole state in and out, in anvil's form: JSON, packed with gzip, as hex.
//!
//! Only accounts are told and read. Blocks, which anvil's files may hold as well, belong to the
//! chain that made them.

use super::{Call, Commands, refused_by_chain, state::check_code};
use crate::{
    error::{self, RpcResult},
    params::{Number, Quantity},
};
use alloy_primitives::{Address, B256, Bytes, U64, U256, keccak256};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use plasma_evm::BlockState;
use plasma_storage::{Account, AccountChange, StateChanges, StateReader};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Read as _, Write as _},
    sync::Arc,
};

/// The most bytes of JSON that are unpacked.
const MAX_UNPACKED: u64 = 1 << 30;

/// What gzip's files begin with (RFC 1952).
const GZIP: [u8; 2] = [0x1f, 0x8b];

pub(super) fn register(commands: &mut Commands<'_>) {
    commands.query(&["anvil_dumpState", "hardhat_dumpState"], 1, dump);
    commands.query(&["anvil_loadState", "hardhat_loadState"], 1, load);
}

/// An account as it is read.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Loaded {
    pub(super) nonce: Quantity,
    pub(super) balance: Number,
    #[serde(default)]
    pub(super) code: Bytes,
    #[serde(default)]
    pub(super) storage: BTreeMap<U256, Number>,
}

#[derive(Debug, Deserialize)]
struct LoadedState {
    accounts: BTreeMap<Address, Loaded>,
}

/// An account as it is written.
#[derive(Debug, Serialize)]
struct Dumped {
    nonce: u64,
    balance: U256,
    code: Bytes,
    storage: BTreeMap<B256, B256>,
}

#[derive(Debug, Serialize)]
struct DumpedState {
    block: (),
    accounts: BTreeMap<Address, Dumped>,
    best_block_number: U64,
    blocks: [(); 0],
    transactions: [(); 0],
}

/// The state after the latest block, under what was patched since.
fn dump(call: &Call<'_>) -> RpcResult<Bytes> {
    let (head, patch) = call.dev.patch().map_err(refused_by_chain)?;
    let sealed = call.api.chain.database().snapshot(head).map_err(error::from_storage)?;
    let known = sealed.accounts().map_err(error::from_storage)?;
    let addresses: BTreeSet<Address> =
        known.into_keys().chain(patch.accounts.keys().copied()).collect();
    let mut state = BlockState::new(Arc::new(sealed.clone()));
    state.apply(patch.clone());
    let mut accounts = BTreeMap::new();
    for address in addresses {
        let Some(account) = state.account(address).map_err(error::from_storage)? else { continue };
        let slots = sealed.slots(address).map_err(error::from_storage)?;
        let patched = patch.accounts.get(&address).into_iter().flat_map(|it| it.storage.keys());
        let slots: BTreeSet<U256> = slots.into_keys().chain(patched.copied()).collect();
        let mut storage = BTreeMap::new();
        for slot in slots {
            let value = state.storage(address, slot).map_err(error::from_storage)?;
            if !value.is_zero() {
                storage.insert(slot.into(), value.into());
            }
        }
        let code = match account.bytecode_hash {
            None => Bytes::new(),
            Some(hash) => state.code(hash).map_err(error::from_storage)?.ok_or_else(|| {
                error::internal(format!("the code of {address}, whose hash is {hash}, is missing"))
            })?,
        };
        let Account { nonce, balance, bytecode_hash: _ } = account;
        accounts.insert(address, Dumped { nonce, balance, code, storage });
    }
    call.log(format_args!("the state of {} accounts is dumped", accounts.len()));
    let state = DumpedState {
        block: (),
        accounts,
        best_block_number: U64::from(head),
        blocks: [],
        transactions: [],
    };
    pack(&state).map_err(|failure| error::internal(format!("the state is not written: {failure}")))
}

fn pack(state: &DumpedState) -> io::Result<Bytes> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::default());
    serde_json::to_writer(&mut packer, state)?;
    packer.flush()?;
    Ok(packer.finish()?.into())
}

/// The accounts in a dump, packed or not.
pub(super) fn unpack(dump: &Bytes) -> RpcResult<BTreeMap<Address, Loaded>> {
    let read: Result<LoadedState, _> = if dump.starts_with(&GZIP) {
        serde_json::from_reader(io::BufReader::new(GzDecoder::new(&dump[..]).take(MAX_UNPACKED)))
    } else {
        serde_json::from_slice(dump)
    };
    let state = read.map_err(|reason| {
        error::invalid_params(format!(
            "the state is neither JSON nor JSON packed with gzip, as anvil_dumpState answers it: \
             {reason}"
        ))
    })?;
    Ok(state.accounts)
}

/// Puts the accounts of a dump in place of those with the same addresses; others stay.
fn load(call: &Call<'_>) -> RpcResult<bool> {
    let dump: Bytes = call.arguments.required(0)?;
    let accounts = unpack(&dump)?;
    let count = accounts.len();
    let mut changes = StateChanges::default();
    for (address, Loaded { nonce, balance, code, storage }) in accounts {
        check_code(&code)?;
        let bytecode_hash = (!code.is_empty()).then(|| keccak256(&code));
        if let Some(hash) = bytecode_hash {
            changes.codes.insert(hash, code);
        }
        let account = Account { nonce: nonce.0, balance: balance.0, bytecode_hash };
        let storage = storage.into_iter().map(|(slot, value)| (slot, value.0)).collect();
        changes.accounts.insert(
            address,
            AccountChange { account: Some(account), storage_wiped: true, storage },
        );
    }
    let _writing = call.context.writing.lock();
    let patched = call.dev.patch_state(|_| Ok::<_, std::convert::Infallible>(changes));
    let Ok(()) = patched.map_err(refused_by_chain)?;
    call.log(format_args!("a state of {count} accounts is loaded"));
    Ok(true)
}
