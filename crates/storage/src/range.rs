//! Accounts and slots of one state in the order of their addresses and numbers, a bounded part at a time.

use crate::{
    Account, StateReader, StateSnapshot, StorageError,
    table::{AccountHistory, Accounts, StorageHistory, TableKey},
};
use alloy_primitives::{Address, U256};
use std::collections::{BTreeMap, BTreeSet};

/// Some accounts of a state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountRange {
    /// The accounts, by address.
    pub accounts: Vec<(Address, Account)>,
    /// Where to go on; `None`: there are no more.
    pub next: Option<Address>,
}

impl StateSnapshot {
    /// The first `most` accounts from `start` on. Ends early, with a place to go on from, after `look` addresses that have or had
    /// accounts: in an old state many may come in a row that did not exist yet.
    pub fn account_range(
        &self,
        start: Address,
        most: usize,
        look: usize,
    ) -> Result<AccountRange, StorageError> {
        let reader = self.reader();
        let layers = self.layers().iter().flat_map(|layer| layer.changes.accounts.keys());
        let layered: BTreeSet<Address> = layers.filter(|it| **it >= start).copied().collect();
        let mut range = AccountRange::default();
        let mut from = Some(start);
        for looked in 0.. {
            let Some(at) = from else { break };
            let persisted = reader.seek::<Accounts>(at.as_slice())?.map(|(address, _)| address);
            // What is gone by now has left its values here.
            let gone = match self.is_history() {
                true => reader.seek::<AccountHistory>(at.as_slice())?.map(|((it, _), _)| it),
                false => layered.range(at..).next().copied(),
            };
            let Some(address) = persisted.into_iter().chain(gone).min() else { break };
            if range.accounts.len() >= most || looked >= look {
                range.next = Some(address);
                break;
            }
            if let Some(account) = self.account(address)? {
                range.accounts.push((address, account));
            }
            from = after(address);
        }
        Ok(range)
    }

    /// All slots of `address` that hold a value; `None` where more than `most` have to be looked at for that.
    pub fn slots_within(
        &self,
        address: Address,
        most: usize,
    ) -> Result<Option<BTreeMap<U256, U256>>, StorageError> {
        let layers = self.layers().iter();
        let changes = layers.filter_map(|layer| layer.changes.accounts.get(&address));
        let layered: BTreeSet<U256> =
            changes.flat_map(|change| change.storage.keys()).copied().collect();
        let mut slots = BTreeMap::new();
        let mut from = Some(U256::ZERO);
        for looked in 0.. {
            let Some(at) = from else { break };
            let persisted = self.persisted_slot_from(address, at)?;
            let gone = match self.is_history() {
                true => {
                    let found = self.reader().seek::<StorageHistory>(&(address, at, 0).encode())?;
                    found.and_then(|((it, slot, _), _)| (it == address).then_some(slot))
                }
                false => layered.range(at..).next().copied(),
            };
            let Some(slot) = persisted.into_iter().chain(gone).min() else { break };
            if looked >= most {
                return Ok(None);
            }
            let value = self.storage(address, slot)?;
            if !value.is_zero() {
                slots.insert(slot, value);
            }
            from = slot.checked_add(U256::ONE);
        }
        Ok(Some(slots))
    }
}

/// The address that follows.
fn after(address: Address) -> Option<Address> {
    let mut bytes = address.into_array();
    for byte in bytes.iter_mut().rev() {
        *byte = byte.wrapping_add(1);
        if *byte != 0 {
            return Some(bytes.into());
        }
    }
    None
}
