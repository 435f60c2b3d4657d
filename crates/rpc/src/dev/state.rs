//! Patches of state and impersonation.

use super::{Call, Commands, refused_by_chain};
use crate::{
    error::{self, RpcResult},
    params::{Number, Quantity, StorageKey},
};
use alloy_primitives::{Address, Bytes, U256, keccak256, map::HashMap};
use plasma_storage::{Account, AccountChange, StateChanges};

pub(super) fn register(commands: &mut Commands<'_>) {
    commands.command(&["hardhat_setBalance", "anvil_setBalance"], 2, |call| {
        let Number(balance) = call.arguments.required(1)?;
        patch_account(call, |account| {
            account.balance = balance;
            Ok(())
        })
    });
    commands.command(&["anvil_addBalance", "hardhat_addBalance"], 2, |call| {
        let Number(amount) = call.arguments.required(1)?;
        patch_account(call, |account| {
            account.balance = account
                .balance
                .checked_add(amount)
                .ok_or_else(|| error::invalid_params("the new balance does not fit in 256 bits"))?;
            Ok(())
        })
    });
    commands.command(&["hardhat_setNonce", "anvil_setNonce", "evm_setAccountNonce"], 2, |call| {
        let Quantity(nonce) = call.arguments.required(1)?;
        patch_account(call, |account| {
            account.nonce = nonce;
            Ok(())
        })
    });
    commands.command(&["hardhat_setCode", "anvil_setCode"], 2, set_code);
    commands.command(&["hardhat_setStorageAt", "anvil_setStorageAt"], 3, set_storage);
    commands.command(&["hardhat_impersonateAccount", "anvil_impersonateAccount"], 1, |call| {
        impersonate(call, true)
    });
    commands.command(
        &["hardhat_stopImpersonatingAccount", "anvil_stopImpersonatingAccount"],
        1,
        |call| impersonate(call, false),
    );
    commands.command(
        &["anvil_autoImpersonateAccount", "hardhat_autoImpersonateAccount"],
        1,
        |call| {
            call.dev.set_auto_impersonate(call.arguments.required(0)?);
            Ok(())
        },
    );
}

fn impersonate(call: &Call<'_>, on: bool) -> RpcResult<()> {
    call.dev.impersonate(call.arguments.required(0)?, on);
    Ok(())
}

/// Changes the account that the first argument names.
fn patch_account(
    call: &Call<'_>,
    change: impl FnOnce(&mut Account) -> RpcResult<()>,
) -> RpcResult<()> {
    patch(call, |account, _| change(account))
}

/// Changes the account that the first argument names, with its storage and code.
fn patch(
    call: &Call<'_>,
    change: impl FnOnce(&mut Account, &mut Extras) -> RpcResult<()>,
) -> RpcResult<()> {
    let address: Address = call.arguments.required(0)?;
    let _writing = call.context.writing.lock();
    let patched = call.dev.patch_state(|state| {
        let account = state.account(address).map_err(error::from_storage)?;
        let mut account = account.unwrap_or_default();
        let mut extras = Extras::default();
        change(&mut account, &mut extras)?;
        let mut changes = StateChanges::default();
        changes.accounts.insert(
            address,
            AccountChange { account: Some(account), storage_wiped: false, storage: extras.storage },
        );
        if let Some(code) = extras.code {
            changes.codes.insert(keccak256(&code), code);
        }
        Ok(changes)
    });
    patched.map_err(refused_by_chain)?
}

#[derive(Default)]
struct Extras {
    storage: HashMap<U256, U256>,
    code: Option<Bytes>,
}

fn set_code(call: &Call<'_>) -> RpcResult<()> {
    let code: Bytes = call.arguments.required(1)?;
    check_code(&code)?;
    patch(call, |account, extras| {
        account.bytecode_hash = (!code.is_empty()).then(|| keccak256(&code));
        extras.code = (!code.is_empty()).then_some(code);
        Ok(())
    })
}

/// The EVM analyses code by its form: what begins as a delegation (EIP-7702) must be one.
pub(super) fn check_code(code: &Bytes) -> RpcResult<()> {
    if code.starts_with(&[0xef, 0x01, 0x00]) && code.len() != 23 {
        return Err(error::invalid_params(
            "code that begins with 0xef0100 must be a delegation of 23 bytes (EIP-7702)",
        ));
    }
    Ok(())
}

fn set_storage(call: &Call<'_>) -> RpcResult<()> {
    let slot: StorageKey = call.arguments.required(1)?;
    let Number(value) = call.arguments.required(2)?;
    patch(call, |_, extras| {
        extras.storage.insert(slot.number(), value);
        Ok(())
    })
}
