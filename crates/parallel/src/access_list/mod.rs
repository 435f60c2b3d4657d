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

mod error;
mod parts;

use std::{
    ops::Range,
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
};

use alloy_eip7928::{AccountChanges, BlockAccessIndex, validate_block_access_list};
use alloy_primitives::{Address, B256, U256, keccak256};
use plasma_vm::StorageProbeRef;
use revm::{
    DatabaseRef,
    database_interface::DBErrorMarker,
    primitives::KECCAK_EMPTY,
    state::{Account, AccountId, AccountInfo, Bytecode, EvmState},
};

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

#[derive(Debug)]
struct ListedAccount<'l> {
    changes: &'l AccountChanges,
    codes: Box<[ListedCode]>,
    base: OnceLock<Option<AccountInfo>>,
    accessed: AtomicBool,
    /// Apart: most accounts have none.
    storage: OnceLock<Box<ListedStorage>>,
}

#[derive(Debug)]
struct ListedCode {
    index: BlockAccessIndex,
    hash: B256,
    code: Bytecode,
}

#[derive(Debug)]
struct ListedStorage {
    changed: Parts<U256, ListedSlot>,
    read: Parts<U256, ListedSlot>,
}

#[derive(Debug, Default)]
struct ListedSlot {
    base: OnceLock<U256>,
    accessed: AtomicBool,
}

/// The last of `changes`, sorted by their indexes, before `index`.
fn before<C>(
    changes: &[C],
    index: BlockAccessIndex,
    at: impl Fn(&C) -> BlockAccessIndex,
) -> Option<&C> {
    let end = match changes.last() {
        Some(last) if at(last) >= index => changes.partition_point(|change| at(change) < index),
        _ => changes.len(),
    };
    changes[..end].last()
}

/// The change at `index` among `changes`, sorted by their indexes.
fn exactly<C>(
    changes: &[C],
    index: BlockAccessIndex,
    at: impl Fn(&C) -> BlockAccessIndex,
) -> Option<&C> {
    let place = changes.partition_point(|change| at(change) < index);
    changes.get(place).filter(|change| at(change) == index)
}

/// Marks; whether this was the first time.
fn mark(flag: &AtomicBool) -> bool {
    // The look before spares the others' caches.
    !flag.load(Relaxed) && !flag.swap(true, Relaxed)
}

impl<'l> ListedAccount<'l> {
    fn new(changes: &'l AccountChanges) -> Result<Self, AccessListError> {
        let codes = changes.code_changes.iter().map(|change| {
            let index = change.block_access_index;
            let code = Bytecode::new_raw_checked(change.new_code.clone())
                .map_err(|_| AccessListError::Code { address: changes.address, index })?;
            Ok(ListedCode { index, hash: code.hash_slow(), code })
        });
        Ok(Self {
            changes,
            codes: codes.collect::<Result<_, AccessListError>>()?,
            base: OnceLock::new(),
            accessed: AtomicBool::new(false),
            storage: OnceLock::new(),
        })
    }

    /// The account in the base state, with its code.
    fn base<D: DatabaseRef>(&self, base: &D) -> Result<&Option<AccountInfo>, D::Error> {
        if let Some(info) = self.base.get() {
            return Ok(info);
        }
        let mut info = base.basic_ref(self.changes.address)?;
        if let Some(info) = &mut info
            && info.code.is_none()
            && info.code_hash != KECCAK_EMPTY
        {
            info.code = Some(base.code_by_hash_ref(info.code_hash)?);
        }
        // Two threads may come at once; they have read the same.
        Ok(self.base.get_or_init(|| info))
    }

    /// The account before `index`.
    fn info<D: DatabaseRef>(
        &self,
        index: BlockAccessIndex,
        base: &D,
    ) -> Result<Option<AccountInfo>, D::Error> {
        let base = self.base(base)?;
        let AccountChanges { balance_changes, nonce_changes, .. } = self.changes;
        let balance = before(balance_changes, index, |change| change.block_access_index);
        let nonce = before(nonce_changes, index, |change| change.block_access_index);
        let code = before(&self.codes, index, |code| code.index);
        let mut info = base.clone().unwrap_or_default();
        if let Some(change) = balance {
            info.balance = change.post_balance;
        }
        if let Some(change) = nonce {
            info.nonce = change.new_nonce;
        }
        if let Some(listed) = code {
            info.code_hash = listed.hash;
            info.code = Some(listed.code.clone());
        }
        // Whatever becomes empty is removed (EIP-161); lists are younger than that.
        Ok((!info.is_empty()).then_some(info))
    }

    fn storage(&self) -> &ListedStorage {
        let AccountChanges { storage_changes, storage_reads, .. } = self.changes;
        self.storage.get_or_init(|| {
            Box::new(ListedStorage {
                changed: Parts::new(storage_changes.len(), |place| storage_changes[place].slot),
                read: Parts::new(storage_reads.len(), |place| storage_reads[place]),
            })
        })
    }

    /// A slot: its place among the changed ones, unless it is only read, and its cell.
    fn slot(&self, slot: U256) -> Option<(Option<usize>, &ListedSlot)> {
        let AccountChanges { storage_changes, storage_reads, .. } = self.changes;
        let cells =
            |places: Range<usize>| -> Box<[_]> { places.map(|_| ListedSlot::default()).collect() };
        let storage = self.storage();
        let changed = storage.changed.find(&slot, |place| storage_changes[place].slot, cells);
        if let Some((place, cell)) = changed {
            return Some((Some(place), cell));
        }
        let (_, cell) = storage.read.find(&slot, |place| storage_reads[place], cells)?;
        Some((None, cell))
    }

    /// Holds what became of the account at `index` against the list.
    fn check(
        &self,
        index: BlockAccessIndex,
        account: &Account,
        seen: &mut Seen,
    ) -> Result<(), AccessListError> {
        let AccountChanges { address, balance_changes, nonce_changes, storage_changes, .. } =
            self.changes;
        seen.accounts += usize::from(mark(&self.accessed));
        let mut field = |field, listed: Option<U256>, before: U256, after: U256| {
            let found = (before != after).then_some(after);
            if listed != found {
                let address = *address;
                let difference = ChangeDifference { address, field, index, listed, found };
                return Err(AccessListError::Change(Box::new(difference)));
            }
            seen.changes += usize::from(found.is_some());
            Ok(())
        };
        let gone = account.is_selfdestructed_locally();
        let nobody = AccountInfo::default();
        let original = account.original_info();
        // See `AccessListBuilder` about what is not touched.
        let touched = account.is_touched();
        let info = match (touched, gone) {
            (false, _) => &original,
            (true, true) => &nobody,
            (true, false) => &account.info,
        };
        let balance = exactly(balance_changes, index, |change| change.block_access_index);
        let nonce = exactly(nonce_changes, index, |change| change.block_access_index);
        let code = exactly(&self.codes, index, |code| code.index);
        let word = |hash: B256| U256::from_be_bytes(hash.0);
        field(
            ListedField::Balance,
            balance.map(|change| change.post_balance),
            original.balance,
            info.balance,
        )?;
        field(
            ListedField::Nonce,
            nonce.map(|change| U256::from(change.new_nonce)),
            U256::from(original.nonce),
            U256::from(info.nonce),
        )?;
        field(
            ListedField::Code,
            code.map(|code| word(code.hash)),
            word(original.code_hash),
            word(info.code_hash),
        )?;
        let mut slots = 0;
        for (slot, value) in &account.storage {
            let Some((place, cell)) = self.slot(*slot) else {
                let (address, slot) = (*address, *slot);
                return Err(AccessListError::SlotMissing { address, slot, index: Some(index) });
            };
            slots += usize::from(mark(&cell.accessed));
            let listed = place.and_then(|place| {
                exactly(&storage_changes[place].changes, index, |change| change.block_access_index)
            });
            let present = match (touched, gone) {
                (false, _) => value.original_value,
                (true, true) => U256::ZERO,
                (true, false) => value.present_value,
            };
            field(
                ListedField::Slot(*slot),
                listed.map(|change| change.new_value),
                value.original_value,
                present,
            )?;
        }
        seen.slots += slots;
        Ok(())
    }

    /// Holds what a part of the block's own list says of the account against the list.
    fn check_part(&self, own: &AccountChanges, seen: &mut Seen) -> Result<(), AccessListError> {
        let address = own.address;
        let AccountChanges { balance_changes, nonce_changes, storage_changes, .. } = self.changes;
        seen.accounts += usize::from(mark(&self.accessed));
        let mut change = |field, index, listed: Option<U256>, found: U256| {
            if listed != Some(found) {
                let found = Some(found);
                let difference = ChangeDifference { address, field, index, listed, found };
                return Err(AccessListError::Change(Box::new(difference)));
            }
            seen.changes += 1;
            Ok(())
        };
        for own in &own.balance_changes {
            let index = own.block_access_index;
            let listed = exactly(balance_changes, index, |it| it.block_access_index);
            let listed = listed.map(|it| it.post_balance);
            change(ListedField::Balance, index, listed, own.post_balance)?;
        }
        for own in &own.nonce_changes {
            let index = own.block_access_index;
            let listed = exactly(nonce_changes, index, |it| it.block_access_index);
            let listed = listed.map(|it| U256::from(it.new_nonce));
            change(ListedField::Nonce, index, listed, U256::from(own.new_nonce))?;
        }
        for own in &own.code_changes {
            let index = own.block_access_index;
            let listed = exactly(&self.codes, index, |it| it.index).map(|it| it.hash.into());
            change(ListedField::Code, index, listed, keccak256(&own.new_code).into())?;
        }
        for slot in own.storage_slots() {
            let Some((_, cell)) = self.slot(slot) else {
                return Err(AccessListError::SlotMissing { address, slot, index: None });
            };
            seen.slots += usize::from(mark(&cell.accessed));
        }
        for own in &own.storage_changes {
            let place = self.slot(own.slot).and_then(|(place, _)| place);
            let listed = place.map_or(&[][..], |place| &storage_changes[place].changes);
            for own_change in &own.changes {
                let index = own_change.block_access_index;
                let listed = exactly(listed, index, |it| it.block_access_index);
                let listed = listed.map(|it| it.new_value);
                change(ListedField::Slot(own.slot), index, listed, own_change.new_value)?;
            }
        }
        Ok(())
    }
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
        let mut info = account.info(index, base).map_err(ListedReadError::Base)?;
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
        let Some((place, cell)) = account.slot(slot) else {
            return Err(AccessListError::SlotMissing { address, slot, index: Some(index) }.into());
        };
        let changes =
            place.map_or(&[][..], |place| &account.changes.storage_changes[place].changes);
        if let Some(change) = before(changes, index, |change| change.block_access_index) {
            return Ok(change.new_value);
        }
        if let Some(value) = cell.base.get() {
            return Ok(*value);
        }
        let value = base.storage_ref(address, slot).map_err(ListedReadError::Base)?;
        Ok(*cell.base.get_or_init(|| value))
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
                Some(Ok(account)) => !account.accessed.load(Relaxed),
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
                    let cell = listed.slot(slot);
                    if cell.is_none_or(|(_, cell)| !cell.accessed.load(Relaxed)) {
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
