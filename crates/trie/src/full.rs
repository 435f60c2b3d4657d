//! The state root from scratch.

use crate::change::trie_account;
use alloy_primitives::{Address, B256, U256};
use alloy_trie::root::{state_root_unhashed, storage_root_unhashed};
use plasma_storage::Account;

/// The state root of these accounts with their slots, computed from nothing by
/// [`alloy_trie`]: the second opinion on [`StateTrie`](crate::StateTrie), and the way to check a
/// whole state.
///
/// Addresses are distinct, and so are the slots of one account; slots with value zero are left out.
pub fn full_state_root(
    accounts: impl Iterator<Item = (Address, Account, Vec<(U256, U256)>)>,
) -> B256 {
    state_root_unhashed(accounts.map(|(address, account, slots)| {
        let slots = slots.into_iter().filter(|(_, value)| !value.is_zero());
        let storage_root =
            storage_root_unhashed(slots.map(|(slot, value)| (B256::from(slot), value)));
        (address, trie_account(&account, storage_root))
    }))
}
