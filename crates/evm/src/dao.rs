//! The irregular state change of the DAO fork.
//!
//! Source: EIP-779. It comes before the block's first transaction; upstream's executor makes it
//! after the last one, which the receipts of that time, holding state roots, tell apart.

use alloy_evm::eth::dao_fork::{DAO_HARDFORK_ACCOUNTS, DAO_HARDFORK_BENEFICIARY};
use plasma_storage::{AccountChange, StateChanges, StateReader, StorageError};

/// The changes that move the balances of the DAO's accounts to the contract that refunds them.
/// Accounts that do not exist come into being, as they did in geth.
pub(crate) fn moved_money(state: &dyn StateReader) -> Result<StateChanges, StorageError> {
    let mut refund = state.account(DAO_HARDFORK_BENEFICIARY)?.unwrap_or_default();
    let mut changes = StateChanges::default();
    for address in DAO_HARDFORK_ACCOUNTS {
        let mut account = state.account(address)?.unwrap_or_default();
        refund.balance = refund.balance.saturating_add(std::mem::take(&mut account.balance));
        changes
            .accounts
            .insert(address, AccountChange { account: Some(account), ..Default::default() });
    }
    changes.accounts.insert(
        DAO_HARDFORK_BENEFICIARY,
        AccountChange { account: Some(refund), ..Default::default() },
    );
    Ok(changes)
}
