//! One account of a block access list.

use std::{
    ops::Range,
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use alloy_eip7928::{AccountChanges, BalanceChange, BlockAccessIndex, NonceChange, StorageChange};
use alloy_primitives::{B256, U256, keccak256};
use revm::{
    DatabaseRef,
    primitives::KECCAK_EMPTY,
    state::{Account, AccountInfo, Bytecode},
};

use crate::own_code::NOBODY;

use super::{
    AccessListError, ChangeDifference, ListedField, ListedReadError, Seen, changes::Changes,
    parts::Parts,
};

/// An account's entry, and what lies below it in the base state as far as it was asked.
#[derive(Debug)]
pub(super) struct ListedAccount<'l> {
    pub(super) changes: &'l AccountChanges,
    balance: Changes<'l, BalanceChange>,
    nonce: Changes<'l, NonceChange>,
    codes: Box<[ListedCode]>,
    /// With its code; without one where that is empty. Kept only of accounts that are likely to be read
    /// again, and apart, so that the others stay small.
    base: OnceLock<Box<Option<AccountInfo>>>,
    accessed: AtomicBool,
    /// Apart: most accounts have none.
    storage: OnceLock<Box<ListedStorage<'l>>>,
}

#[derive(Debug)]
struct ListedCode {
    index: BlockAccessIndex,
    hash: B256,
    code: Bytecode,
}

#[derive(Debug)]
struct ListedStorage<'l> {
    changed: Parts<U256, ListedSlot<'l>>,
    read: Parts<U256, ListedSlot<'l>>,
}

#[derive(Debug)]
pub(super) struct ListedSlot<'l> {
    changes: Changes<'l, StorageChange>,
    base: OnceLock<U256>,
    accessed: AtomicBool,
}

/// A hash as a number, as differences tell values.
fn word(hash: B256) -> U256 {
    U256::from_be_bytes(hash.0)
}

/// Marks; whether this was the first time.
fn mark(flag: &AtomicBool) -> bool {
    // The look before spares the others' caches.
    !flag.load(Relaxed) && !flag.swap(true, Relaxed)
}

impl<'l> ListedSlot<'l> {
    fn new(changes: &'l [StorageChange]) -> Self {
        Self {
            changes: Changes::new(changes),
            base: OnceLock::new(),
            accessed: AtomicBool::new(false),
        }
    }

    /// The slot's value before `index`; `base` tells what it is in the base.
    pub(super) fn value<E>(
        &self,
        index: BlockAccessIndex,
        base: impl FnOnce() -> Result<U256, E>,
    ) -> Result<U256, E> {
        if let Some(value) = self.changes.before(index) {
            return Ok(value);
        }
        if let Some(value) = self.base.get() {
            return Ok(*value);
        }
        let value = base()?;
        // Two threads may come at once; they have read the same.
        Ok(*self.base.get_or_init(|| value))
    }

    /// Whether anybody has accessed it.
    pub(super) fn is_accessed(&self) -> bool {
        self.accessed.load(Relaxed)
    }
}

impl<'l> ListedAccount<'l> {
    pub(super) fn new(changes: &'l AccountChanges) -> Result<Self, AccessListError> {
        let codes = changes.code_changes.iter().map(|change| {
            let index = change.block_access_index;
            let code = Bytecode::new_raw_checked(change.new_code.clone())
                .map_err(|_| AccessListError::Code { address: changes.address, index })?;
            Ok(ListedCode { index, hash: code.hash_slow(), code })
        });
        Ok(Self {
            changes,
            balance: Changes::new(&changes.balance_changes),
            nonce: Changes::new(&changes.nonce_changes),
            codes: codes.collect::<Result<_, AccessListError>>()?,
            base: OnceLock::new(),
            accessed: AtomicBool::new(false),
            storage: OnceLock::new(),
        })
    }

    /// Whether anybody has accessed it.
    pub(super) fn is_accessed(&self) -> bool {
        self.accessed.load(Relaxed)
    }

    fn base<D: DatabaseRef>(&self, base: &D) -> Result<Option<AccountInfo>, D::Error> {
        if let Some(info) = self.base.get() {
            return Ok(Option::clone(info));
        }
        let mut info = base.basic_ref(self.changes.address)?;
        let mut again = matches!(self.balance, Changes::Many(_));
        if let Some(info) = &mut info {
            if info.code_hash == KECCAK_EMPTY {
                // See `NOBODY`.
                info.code = None;
            } else {
                again = true;
                if info.code.is_none() {
                    info.code = Some(base.code_by_hash_ref(info.code_hash)?);
                }
            }
        }
        if again {
            self.base.get_or_init(|| Box::new(info.clone()));
        }
        Ok(info)
    }

    /// The account before `index`.
    pub(super) fn info<D: DatabaseRef>(
        &self,
        index: BlockAccessIndex,
        base: &D,
    ) -> Result<Option<AccountInfo>, ListedReadError<D::Error>> {
        let base = self.base(base).map_err(ListedReadError::Base)?;
        if base.as_ref().is_some_and(AccountInfo::is_empty) {
            return Err(AccessListError::EmptyAccount { address: self.changes.address }.into());
        }
        let mut info = base.unwrap_or(NOBODY);
        if let Some(balance) = self.balance.before(index) {
            info.balance = balance;
        }
        if let Some(nonce) = self.nonce.before(index) {
            info.nonce = nonce;
        }
        if let Some(listed) = self.codes.iter().rfind(|code| code.index < index) {
            info.code_hash = listed.hash;
            info.code = Some(listed.code.clone());
        }
        // Whatever becomes empty is removed (EIP-161); lists are younger than that.
        Ok((!info.is_empty()).then_some(info))
    }

    /// The hash of the code that it gets at `index`.
    fn code_hash(&self, index: BlockAccessIndex) -> Option<B256> {
        self.codes.iter().find(|code| code.index == index).map(|code| code.hash)
    }

    /// A slot, changed or read.
    pub(super) fn slot(&self, slot: U256) -> Option<&ListedSlot<'l>> {
        let AccountChanges { storage_changes, storage_reads, .. } = self.changes;
        let storage = self.storage.get_or_init(|| {
            Box::new(ListedStorage {
                changed: Parts::new(storage_changes.len(), |place| storage_changes[place].slot),
                read: Parts::new(storage_reads.len(), |place| storage_reads[place]),
            })
        });
        let changed = |places: Range<usize>| -> Box<[_]> {
            storage_changes[places].iter().map(|slot| ListedSlot::new(&slot.changes)).collect()
        };
        let read =
            |places: Range<usize>| -> Box<[_]> { places.map(|_| ListedSlot::new(&[])).collect() };
        let found = storage
            .changed
            .find(&slot, |place| storage_changes[place].slot, changed)
            .or_else(|| storage.read.find(&slot, |place| storage_reads[place], read));
        found.map(|(_, cell)| cell)
    }

    /// Holds what became of the account at `index` against the list.
    pub(super) fn check(
        &self,
        index: BlockAccessIndex,
        account: &Account,
        seen: &mut Seen,
    ) -> Result<(), AccessListError> {
        let address = self.changes.address;
        seen.accounts += usize::from(mark(&self.accessed));
        let mut field = |field, listed: Option<U256>, before: U256, after: U256| {
            let found = (before != after).then_some(after);
            if listed != found {
                let difference = ChangeDifference { address, field, index, listed, found };
                return Err(AccessListError::Change(Box::new(difference)));
            }
            seen.changes += usize::from(found.is_some());
            Ok(())
        };
        let gone = account.is_selfdestructed_locally();
        let original = account.original_info();
        // See `AccessListBuilder` about what is not touched.
        let touched = account.is_touched();
        let info = match (touched, gone) {
            (false, _) => &original,
            (true, true) => &NOBODY,
            (true, false) => &account.info,
        };
        let nonce = self.nonce.exactly(index).map(U256::from);
        let code_hash = self.code_hash(index).map(word);
        field(ListedField::Balance, self.balance.exactly(index), original.balance, info.balance)?;
        field(ListedField::Nonce, nonce, U256::from(original.nonce), U256::from(info.nonce))?;
        field(ListedField::Code, code_hash, word(original.code_hash), word(info.code_hash))?;
        for (slot, value) in &account.storage {
            let Some(cell) = self.slot(*slot) else {
                let slot = *slot;
                return Err(AccessListError::SlotMissing { address, slot, index: Some(index) });
            };
            let present = match (touched, gone) {
                (false, _) => value.original_value,
                (true, true) => U256::ZERO,
                (true, false) => value.present_value,
            };
            let listed = cell.changes.exactly(index);
            field(ListedField::Slot(*slot), listed, value.original_value, present)?;
            seen.slots += usize::from(mark(&cell.accessed));
        }
        Ok(())
    }

    /// Holds what a part of the block's own list says of the account against the list.
    pub(super) fn check_part(
        &self,
        own: &AccountChanges,
        seen: &mut Seen,
    ) -> Result<(), AccessListError> {
        let address = own.address;
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
            let listed = self.balance.exactly(index);
            change(ListedField::Balance, index, listed, own.post_balance)?;
        }
        for own in &own.nonce_changes {
            let index = own.block_access_index;
            let listed = self.nonce.exactly(index).map(U256::from);
            change(ListedField::Nonce, index, listed, U256::from(own.new_nonce))?;
        }
        for own in &own.code_changes {
            let index = own.block_access_index;
            let listed = self.code_hash(index).map(word);
            change(ListedField::Code, index, listed, word(keccak256(&own.new_code)))?;
        }
        for own in &own.storage_changes {
            let Some(cell) = self.slot(own.slot) else { continue };
            for own_change in &own.changes {
                let index = own_change.block_access_index;
                let listed = cell.changes.exactly(index);
                change(ListedField::Slot(own.slot), index, listed, own_change.new_value)?;
            }
        }
        for slot in own.storage_slots() {
            let Some(cell) = self.slot(slot) else {
                return Err(AccessListError::SlotMissing { address, slot, index: None });
            };
            seen.slots += usize::from(mark(&cell.accessed));
        }
        Ok(())
    }
}
