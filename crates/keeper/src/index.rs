//! Who read what: finds the upkeeps whose last simulation a batch's writes may have outdated.
//!
//! Invariant: a watched value is the value in the state that the last round saw. So a write of
//! the same value wakes nobody, and an upkeep that is not woken would read what it read before.

use crate::recording::Reads;
use alloy_primitives::{
    Address, U256,
    map::{AddressMap, HashSet},
};
use hashbrown::{HashTable, hash_table::Entry};
use plasma_storage::{Account, StateChanges};
use slab::Slab;
use smallvec::SmallVec;
use std::{
    collections::BTreeSet,
    hash::{BuildHasher as _, RandomState},
};

/// Handle of an upkeep within the keeper.
pub(crate) type Slot = u32;

/// What a reader is entered for: an account, or one slot of one. A handle, as an upkeep is entered for many and the same
/// accounts are read by all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Account(u32),
    Slot(u32),
}

/// Readers of one value: one as a rule, but all upkeeps of a popular contract share its account. Small, as there is one for
/// every slot that is read.
#[derive(Debug, Default)]
enum Readers {
    #[default]
    None,
    One(Slot),
    Few(Box<SmallVec<[Slot; FEW]>>),
    Many(Box<HashSet<Slot>>),
}

const FEW: usize = 16;

impl Readers {
    fn insert(&mut self, reader: Slot) {
        match self {
            Self::None => *self = Self::One(reader),
            Self::One(other) if *other == reader => {}
            Self::One(other) => *self = Self::Few(Box::new([*other, reader].into_iter().collect())),
            Self::Few(few) if few.contains(&reader) => {}
            Self::Few(few) if few.len() < FEW => few.push(reader),
            Self::Few(few) => {
                *self = Self::Many(Box::new(few.iter().copied().chain([reader]).collect()));
            }
            Self::Many(many) => {
                many.insert(reader);
            }
        }
    }

    fn remove(&mut self, reader: Slot) {
        match self {
            Self::One(other) if *other == reader => *self = Self::None,
            Self::None | Self::One(_) => {}
            Self::Few(few) => few.retain(|other| *other != reader),
            Self::Many(many) => {
                many.remove(&reader);
            }
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::None => true,
            Self::One(_) => false,
            Self::Few(few) => few.is_empty(),
            Self::Many(many) => many.is_empty(),
        }
    }

    fn collect_into(&self, woken: &mut BTreeSet<Slot>) {
        match self {
            Self::None => {}
            Self::One(one) => {
                woken.insert(*one);
            }
            Self::Few(few) => woken.extend(few.iter()),
            Self::Many(many) => woken.extend(many.iter()),
        }
    }
}

#[derive(Debug, Default)]
struct Watched<T> {
    value: T,
    readers: Readers,
}

impl<T: PartialEq> Watched<T> {
    /// Takes over a new value; wakes the readers where it differs.
    fn set(&mut self, value: T, woken: &mut BTreeSet<Slot>) {
        if self.value != value {
            self.value = value;
            self.readers.collect_into(woken);
        }
    }
}

/// A watched account, and its watched slots.
#[derive(Debug)]
struct AccountWatch {
    address: Address,
    account: Watched<Option<Account>>,
    /// Handles of its slots, found by the slot's number.
    slots: HashTable<u32>,
}

/// A watched slot.
#[derive(Debug)]
struct SlotWatch {
    account: u32,
    slot: U256,
    value: Watched<U256>,
}

/// The index of all reads.
#[derive(Debug, Default)]
pub(crate) struct ReadIndex {
    by_address: AddressMap<u32>,
    accounts: Slab<AccountWatch>,
    slots: Slab<SlotWatch>,
    hasher: RandomState,
    /// What each upkeep is entered for, by its handle; sorted.
    entries: Vec<Box<[Key]>>,
}

impl ReadIndex {
    /// Enters the reads of `reader`'s newest simulation in place of its former ones. Other readers
    /// of a value that the index knew differently are woken: they were not told of a change.
    pub(crate) fn enter(&mut self, reader: Slot, reads: &Reads, woken: &mut BTreeSet<Slot>) {
        let mut stale = BTreeSet::new();
        let mut keys: SmallVec<[Key; 32]> = SmallVec::new();
        for (address, value) in &reads.accounts {
            let account = self.account(*address);
            self.accounts[account as usize].account.set(*value, &mut stale);
            keys.push(Key::Account(account));
        }
        for ((address, slot), value) in &reads.slots {
            let slot = self.slot(*address, *slot);
            self.slots[slot as usize].value.set(*value, &mut stale);
            keys.push(Key::Slot(slot));
        }
        stale.remove(&reader);
        woken.append(&mut stale);
        keys.sort_unstable();

        let place = reader as usize;
        if self.entries.len() <= place {
            self.entries.resize_with(place + 1, Box::default);
        }
        if *self.entries[place] == *keys {
            return;
        }
        let former = std::mem::replace(&mut self.entries[place], keys[..].into());
        for key in keys.iter().filter(|key| former.binary_search(key).is_err()) {
            if let Some(readers) = self.readers(*key) {
                readers.insert(reader);
            }
        }
        for key in former.iter().filter(|key| keys.binary_search(key).is_err()) {
            self.remove_reader(*key, reader);
        }
    }

    /// Forgets all reads of `reader`.
    pub(crate) fn leave(&mut self, reader: Slot) {
        let Some(entry) = self.entries.get_mut(reader as usize) else { return };
        for key in std::mem::take(entry) {
            self.remove_reader(key, reader);
        }
    }

    /// Takes over `changes`; wakes everyone who read a value that is another one now.
    pub(crate) fn apply(&mut self, changes: &StateChanges, woken: &mut BTreeSet<Slot>) {
        let Self { by_address, accounts, slots, hasher, .. } = self;
        for (address, change) in &changes.accounts {
            let Some(account) = by_address.get(address) else { continue };
            let watch = &mut accounts[*account as usize];
            watch.account.set(change.account, woken);
            if change.storage_wiped || watch.slots.len() < change.storage.len() {
                for handle in &watch.slots {
                    let SlotWatch { slot, value, .. } = &mut slots[*handle as usize];
                    match change.storage.get(slot) {
                        Some(written) => value.set(*written, woken),
                        None if change.storage_wiped => value.set(U256::ZERO, woken),
                        None => {}
                    }
                }
            } else {
                for (slot, written) in &change.storage {
                    let is_it = |handle: &u32| slots[*handle as usize].slot == *slot;
                    if let Some(handle) = watch.slots.find(hasher.hash_one(slot), is_it) {
                        slots[*handle as usize].value.set(*written, woken);
                    }
                }
            }
        }
    }

    /// Accounts and slots that are watched.
    pub(crate) fn len(&self) -> (usize, usize) {
        (self.accounts.len(), self.slots.len())
    }

    /// The handle of an account, which is entered where it is not watched yet.
    fn account(&mut self, address: Address) -> u32 {
        let accounts = &mut self.accounts;
        *self.by_address.entry(address).or_insert_with(|| {
            let account = Watched::default();
            accounts.insert(AccountWatch { address, account, slots: HashTable::new() }) as u32
        })
    }

    /// The handle of a slot, which is entered where it is not watched yet.
    fn slot(&mut self, address: Address, slot: U256) -> u32 {
        let account = self.account(address);
        let Self { accounts, slots, hasher, .. } = self;
        let entry = accounts[account as usize].slots.entry(
            hasher.hash_one(slot),
            |handle| slots[*handle as usize].slot == slot,
            |handle| hasher.hash_one(slots[*handle as usize].slot),
        );
        match entry {
            Entry::Occupied(entry) => *entry.get(),
            Entry::Vacant(entry) => {
                let value = Watched::default();
                let handle = slots.insert(SlotWatch { account, slot, value }) as u32;
                entry.insert(handle);
                handle
            }
        }
    }

    fn readers(&mut self, key: Key) -> Option<&mut Readers> {
        match key {
            Key::Account(account) => {
                self.accounts.get_mut(account as usize).map(|watch| &mut watch.account.readers)
            }
            Key::Slot(slot) => {
                self.slots.get_mut(slot as usize).map(|watch| &mut watch.value.readers)
            }
        }
    }

    /// Takes `reader` off a value, which is not watched any longer where it was the last one.
    fn remove_reader(&mut self, key: Key, reader: Slot) {
        let Some(readers) = self.readers(key) else { return };
        readers.remove(reader);
        let is_unread = readers.is_empty();
        let account = match key {
            Key::Account(account) => account,
            Key::Slot(handle) => {
                let SlotWatch { account, slot, .. } = self.slots[handle as usize];
                if is_unread {
                    let slots = &mut self.accounts[account as usize].slots;
                    let hash = self.hasher.hash_one(slot);
                    if let Ok(entry) = slots.find_entry(hash, |other| *other == handle) {
                        entry.remove();
                    }
                    self.slots.remove(handle as usize);
                }
                account
            }
        };
        let watch = &self.accounts[account as usize];
        if watch.account.readers.is_empty() && watch.slots.is_empty() {
            let AccountWatch { address, .. } = self.accounts.remove(account as usize);
            self.by_address.remove(&address);
        }
    }
}

#[cfg(test)]
mod tests;
