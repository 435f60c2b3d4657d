//! Accounts and precompiles that a request replaces before a block.

use crate::error::{self, RpcResult};
use alloy_evm::precompiles::PrecompilesMap;
use alloy_primitives::{Address, Bytes, U256, keccak256, map::AddressSet};
use alloy_rpc_types_eth::state::{AccountOverride, StateOverride};
use plasma_storage::{AccountChange, StateChanges, StateReader};

/// The precompiles of a block that stand elsewhere, or nowhere, in the order of their addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct MovedPrecompiles(Vec<(Address, Option<Address>)>);

impl MovedPrecompiles {
    pub(super) fn apply(&self, precompiles: &mut PrecompilesMap) {
        for (from, to) in &self.0 {
            let mut moved = None;
            precompiles.apply_precompile(from, |found| {
                moved = found;
                None
            });
            if let Some(to) = to {
                precompiles.apply_precompile(to, |_| moved);
            }
        }
    }
}

/// What `overrides` change in `state`, where `precompiles` are the active ones.
///
/// # Errors
/// -32000 where overrides contradict each other, -32602 where code is malformed.
pub(super) fn state_changes(
    overrides: StateOverride,
    state: &dyn StateReader,
    precompiles: &AddressSet,
) -> RpcResult<(StateChanges, MovedPrecompiles)> {
    let mut sorted: Vec<_> = overrides.iter().collect();
    sorted.sort_unstable_by_key(|(address, _)| **address);
    let mut changes = StateChanges::default();
    let mut moved = MovedPrecompiles::default();
    let mut destinations = AddressSet::default();
    for (address, account) in sorted {
        if destinations.contains(address) {
            return Err(error::server_error(format!(
                "account {address} has already been overridden by a precompile"
            )));
        }
        let is_precompile = precompiles.contains(address);
        if let Some(to) = account.move_precompile_to {
            if !is_precompile {
                return Err(error::server_error(format!("account {address} is not a precompile")));
            }
            if overrides.contains_key(&to) {
                return Err(error::server_error(format!("account {to} is already overridden")));
            }
            destinations.insert(to);
        }
        if is_precompile {
            moved.0.push((*address, account.move_precompile_to));
        }
        if let Some(change) = account_change(*address, account, state, &mut changes)? {
            changes.accounts.insert(*address, change);
        }
    }
    Ok((changes, moved))
}

/// What an override changes in its account; `None`: nothing.
fn account_change(
    address: Address,
    wanted: &AccountOverride,
    state: &dyn StateReader,
    changes: &mut StateChanges,
) -> RpcResult<Option<AccountChange>> {
    let AccountOverride { balance, nonce, code, state: slots, state_diff, move_precompile_to: _ } =
        wanted;
    if slots.is_some() && state_diff.is_some() {
        return Err(error::server_error(format!(
            "account {address} has both 'state' and 'stateDiff'"
        )));
    }
    let nothing = balance.is_none() && nonce.is_none() && code.is_none();
    if nothing && slots.is_none() && state_diff.is_none() {
        return Ok(None);
    }
    let mut account = state.account(address).map_err(error::from_storage)?.unwrap_or_default();
    account.balance = balance.unwrap_or(account.balance);
    account.nonce = nonce.unwrap_or(account.nonce);
    if let Some(code) = code {
        check_code(address, code)?;
        account.bytecode_hash = (!code.is_empty()).then(|| keccak256(code));
        if let Some(hash) = account.bytecode_hash {
            changes.codes.insert(hash, code.clone());
        }
    }
    let storage = slots.iter().chain(state_diff).flatten();
    let storage = storage.map(|(slot, value)| (U256::from_be_bytes(slot.0), (*value).into()));
    Ok(Some(AccountChange {
        account: Some(account),
        storage_wiped: slots.is_some(),
        storage: storage.collect(),
    }))
}

/// Code that begins as a delegation does (EIP-7702) must be one: the EVM tells code by its form.
fn check_code(address: Address, code: &Bytes) -> RpcResult<()> {
    if code.starts_with(&[0xef, 0x01, 0x00]) && code.len() != 23 {
        return Err(error::invalid_params(format!(
            "the code of {address} begins with 0xef0100 but is no delegation of 23 bytes (EIP-7702)"
        )));
    }
    Ok(())
}
