//! A block access list (EIP-7928): the state between a block's transactions, and a claim to be held
//! against what they do.
//!
//! Invariant: a block whose every step was executed on what the list says of the state before it, was
//! found by [`AccessList::check`] to access and change what the list says of it, and whose list
//! [`AccessList::finish`] found to hold nothing more, is the block that sequential order gives. By
//! induction: the first step reads what earlier steps wrote, as the list says, and so on.
//!
//! Locks: none. Entries are looked up in tables that are made part by part, on first use; what the
//! base state holds below an entry is read once and kept with it. Marks of what was accessed are only
//! ever set and are read once all threads have come back, so that relaxed order will do for them.

mod account;
mod changes;
mod error;
mod parts;

use std::{
    ops::Range,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use alloy_eip7928::{AccountChanges, BlockAccessIndex, validate_block_access_list};
use alloy_primitives::{Address, U256};
use plasma_vm::StorageProbeRef;
use revm::{
    database_interface::DBErrorMarker,
    state::{Account, AccountId, AccountInfo, EvmState},
};

use account::ListedAccount;
pub use error::{AccessListError, ChangeDifference, ListedField};
use parts::Parts;

/// A read through the list failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListedReadError<E> {
    #[error(transparent)]
    List(#[from] AccessListError),
    #[error(transparent)]
    Base(E),
}

impl<E: std::error::Error + Send + Sync + 'static> DBErrorMarker for ListedReadError<E> {}

/// What a check has found in the list; added up over all threads.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    accounts: usize,
    slots: usize,
    changes: usize,
}

/// A block access list while its block is executed from it or checked against it. It serves for one
/// execution: what was accessed is marked in it.
#[derive(Debug)]
pub struct AccessList<'l> {
    list: &'l [AccountChanges],
    transactions: usize,
    accounts: Parts<Address, Result<ListedAccount<'l>, AccessListError>>,
    /// Slots and changes of the parts made so far.
    slots: AtomicUsize,
    changes: AtomicUsize,
    seen: [AtomicUsize; 3],
}

impl<'l> AccessList<'l> {
    /// The list of a block with so many transactions. Its form (EIP-7928: order, no repetition,
    /// indexes) is checked as it is used and by [`Self::finish`].
    pub fn new(list: &'l [AccountChanges], transactions: usize) -> Self {
        Self {
            list,
            transactions,
            accounts: Parts::new(list.len(), |place| list[place].address),
            slots: AtomicUsize::new(0),
            changes: AtomicUsize::new(0),
            seen: Default::default(),
        }
    }

    /// Makes the accounts at `places`, which are good only if their form is.
    fn make(&self, places: Range<usize>) -> Box<[Result<ListedAccount<'l>, AccessListError>]> {
        let list = self.list;
        let (mut slots, mut changes) = (0, 0);
        for account in &list[places.clone()] {
            slots += account.storage_changes.len() + account.storage_reads.len();
            changes += account.balance_changes.len()
                + account.nonce_changes.len()
                + account.code_changes.len();
            changes += account.storage_changes.iter().map(|slot| slot.changes.len()).sum::<usize>();
        }
        self.slots.fetch_add(slots, Relaxed);
        self.changes.fetch_add(changes, Relaxed);
        // With the one before, for the order between the parts.
        let form = validate_block_access_list(
            &list[places.start.saturating_sub(1)..places.end],
            self.transactions,
        );
        let make = |place: usize| match &form {
            Ok(()) => ListedAccount::new(&list[place]),
            Err(error) => Err(AccessListError::Malformed(*error)),
        };
        places.map(make).collect()
    }

    /// The entry of `address`; `None` where there is none.
    fn find(
        &self,
        address: Address,
    ) -> Result<Option<(usize, &ListedAccount<'l>)>, AccessListError> {
        let key = |place: usize| self.list[place].address;
        match self.accounts.find(&address, key, |places| self.make(places)) {
            Some((place, Ok(account))) => Ok(Some((place, account))),
            Some((_, Err(error))) => Err(error.clone()),
            None => Ok(None),
        }
    }

    /// The entry of `address`, which an earlier read has found at `hint`.
    fn find_again(
        &self,
        address: Address,
        hint: Option<AccountId>,
    ) -> Result<Option<&ListedAccount<'l>>, AccessListError> {
        let hinted = hint.and_then(|hint| self.accounts.at(hint.get()));
        if let Some(Ok(account)) = hinted
            && account.changes.address == address
        {
            return Ok(Some(account));
        }
        Ok(self.find(address)?.map(|(_, account)| account))
    }

    /// The account at `address` before `index`.
    pub(crate) fn account<D: StorageProbeRef>(
        &self,
        address: Address,
        index: BlockAccessIndex,
        base: &D,
    ) -> Result<Option<AccountInfo>, ListedReadError<D::Error>> {
        let Some((place, account)) = self.find(address)? else {
            return Err(AccessListError::AccountMissing { address, index: Some(index) }.into());
        };
        let mut info = account.info(index, base)?;
        if let Some(info) = &mut info {
            info.account_id = AccountId::new(place);
        }
        Ok(info)
    }

    /// A storage slot before `index`; `hint` is where the account was found.
    pub(crate) fn slot<D: StorageProbeRef>(
        &self,
        address: Address,
        slot: U256,
        index: BlockAccessIndex,
        hint: Option<AccountId>,
        base: &D,
    ) -> Result<U256, ListedReadError<D::Error>> {
        let Some(account) = self.find_again(address, hint)? else {
            return Err(AccessListError::AccountMissing { address, index: Some(index) }.into());
        };
        let Some(cell) = account.slot(slot) else {
            return Err(AccessListError::SlotMissing { address, slot, index: Some(index) }.into());
        };
        cell.value(index, || base.storage_ref(address, slot)).map_err(ListedReadError::Base)
    }

    /// Holds the `state` that a step of the block left behind, with all that it only loaded, against
    /// what the list says of it. Each step is to be checked once; steps may be checked in any order
    /// and on several threads.
    ///
    /// # Errors
    /// The first difference, in the order of addresses.
    pub fn check(&self, index: BlockAccessIndex, state: &EvmState) -> Result<(), AccessListError> {
        let mut seen = Seen::default();
        let checked = self.check_into(index, state, &mut seen);
        self.add(seen);
        checked
    }

    pub(crate) fn check_into(
        &self,
        index: BlockAccessIndex,
        state: &EvmState,
        seen: &mut Seen,
    ) -> Result<(), AccessListError> {
        for (address, account) in state {
            if self.check_account(index, *address, account, seen).is_err() {
                return self.first_difference(index, state);
            }
        }
        Ok(())
    }

    fn check_account(
        &self,
        index: BlockAccessIndex,
        address: Address,
        account: &Account,
        seen: &mut Seen,
    ) -> Result<(), AccessListError> {
        match self.find_again(address, account.info.account_id)? {
            Some(listed) => listed.check(index, account, seen),
            None => Err(AccessListError::AccountMissing { address, index: Some(index) }),
        }
    }

    /// Holds a part of the block's own list, of steps that were executed together, against the list:
    /// in place of [`Self::check`] for each of them.
    ///
    /// # Errors
    /// The first difference.
    pub fn check_part(&self, part: &[AccountChanges]) -> Result<(), AccessListError> {
        let mut seen = Seen::default();
        for own in part {
            let address = own.address;
            match self.find(address)? {
                Some((_, listed)) => listed.check_part(own, &mut seen)?,
                None => return Err(AccessListError::AccountMissing { address, index: None }),
            }
        }
        self.add(seen);
        Ok(())
    }

    /// The same difference in every run, whatever the order of maps.
    #[cold]
    fn first_difference(
        &self,
        index: BlockAccessIndex,
        state: &EvmState,
    ) -> Result<(), AccessListError> {
        let mut addresses: Vec<_> = state.keys().copied().collect();
        addresses.sort_unstable();
        for address in addresses {
            let mut account = state[&address].clone();
            let storage = std::mem::take(&mut account.storage);
            self.check_account(index, address, &account, &mut Seen::default())?;
            let mut slots: Vec<_> = storage.into_iter().collect();
            slots.sort_unstable_by_key(|(slot, _)| *slot);
            for slot in slots {
                account.storage = [slot].into_iter().collect();
                self.check_account(index, address, &account, &mut Seen::default())?;
            }
        }
        Ok(())
    }

    /// Adds up what a thread has seen.
    pub(crate) fn add(&self, seen: Seen) {
        for (sum, part) in self.seen.iter().zip([seen.accounts, seen.slots, seen.changes]) {
            sum.fetch_add(part, Relaxed);
        }
    }

    /// Whether the list holds nothing but what the checks have found, each step of the block having
    /// been checked.
    ///
    /// # Errors
    /// The first entry too many, or what is wrong with the list's form.
    pub fn finish(self) -> Result<(), AccessListError> {
        let [accounts, slots, changes] = self.seen.map(AtomicUsize::into_inner);
        if accounts < self.list.len() {
            // Of a malformed list that is what to say.
            validate_block_access_list(self.list, self.transactions)?;
            let unseen = (0..self.list.len()).find(|place| match self.accounts.at(*place) {
                Some(Ok(account)) => !account.is_accessed(),
                _ => true,
            });
            let place = unseen.expect("fewer accounts were accessed than there are");
            return Err(AccessListError::AccountSurplus { address: self.list[place].address });
        }
        if slots < self.slots.into_inner() {
            for (place, account) in self.list.iter().enumerate() {
                let address = account.address;
                let Some(Ok(listed)) = self.accounts.at(place) else { continue };
                for slot in account.storage_slots() {
                    if listed.slot(slot).is_none_or(|cell| !cell.is_accessed()) {
                        return Err(AccessListError::SlotSurplus { address, slot });
                    }
                }
            }
        }
        let listed = self.changes.into_inner();
        if changes != listed {
            return Err(AccessListError::ChangesSurplus { listed, found: changes });
        }
        Ok(())
    }
}
