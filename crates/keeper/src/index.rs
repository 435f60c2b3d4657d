//! Who read what: finds the upkeeps whose last simulation a batch's writes may have outdated.
//!
//! Invariant: a watched value is the value in the state that the last round saw. So a write of
//! the same value wakes nobody, and an upkeep that is not woken would read what it read before.

use crate::recording::Reads;
use alloy_primitives::{Address, U256, map::AddressMap, map::HashMap};
use plasma_storage::{Account, AccountChange, StateChanges};
use smallvec::SmallVec;
use std::collections::{BTreeSet, HashSet};

/// Handle of an upkeep within the keeper.
pub(crate) type Slot = u32;

/// What a reader is entered for: an account, or one of its slots.
type Key = (Address, Option<U256>);

/// Readers of one value: one as a rule, but all upkeeps of a popular contract share its account. Small, as there is one for
/// every slot that is read.
#[derive(Debug, Default)]
enum Readers {
    #[default]
    None,
    One(Slot),
    Few(Box<SmallVec<[Slot; FEW]>>),
    #[expect(clippy::box_collection, reason = "the common variants are to stay small")]
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

#[derive(Debug, Default)]
struct AccountWatch {
    account: Watched<Option<Account>>,
    slots: HashMap<U256, Watched<U256>>,
}

/// The index of all reads.
#[derive(Debug, Default)]
pub(crate) struct ReadIndex {
    accounts: AddressMap<AccountWatch>,
    /// What each upkeep is entered for, by its handle: accounts, and slots of theirs.
    entries: Vec<Box<[Key]>>,
    slots: usize,
}

impl ReadIndex {
    /// Enters the reads of `reader`'s newest simulation in place of its former ones. Other readers
    /// of a value that the index knew differently are woken: they were not told of a change.
    pub(crate) fn enter(&mut self, reader: Slot, reads: &Reads, woken: &mut BTreeSet<Slot>) {
        let mut keys: Box<[Key]> = reads
            .accounts
            .keys()
            .map(|address| (*address, None))
            .chain(reads.slots.keys().map(|(address, slot)| (*address, Some(*slot))))
            .collect();
        keys.sort_unstable();
        let same = self.entries.get(reader as usize).is_some_and(|former| *former == keys);
        let mut stale = BTreeSet::new();
        if !same {
            self.leave(reader);
        }
        for (address, account) in &reads.accounts {
            let watch = self.accounts.entry(*address).or_default();
            watch.account.set(*account, &mut stale);
            watch.account.readers.insert(reader);
        }
        for ((address, slot), value) in &reads.slots {
            let slots = &mut self.accounts.entry(*address).or_default().slots;
            let before = slots.len();
            let watch = slots.entry(*slot).or_default();
            watch.set(*value, &mut stale);
            watch.readers.insert(reader);
            self.slots += slots.len() - before;
        }
        stale.remove(&reader);
        woken.append(&mut stale);
        if !same {
            let place = reader as usize;
            if self.entries.len() <= place {
                self.entries.resize_with(place + 1, Box::default);
            }
            self.entries[place] = keys;
        }
    }

    /// Forgets all reads of `reader`.
    pub(crate) fn leave(&mut self, reader: Slot) {
        let Some(entry) = self.entries.get_mut(reader as usize) else { return };
        for (address, slot) in std::mem::take(entry) {
            let Some(watch) = self.accounts.get_mut(&address) else { continue };
            match slot {
                None => watch.account.readers.remove(reader),
                Some(slot) => {
                    if let Some(watched) = watch.slots.get_mut(&slot) {
                        watched.readers.remove(reader);
                        if watched.readers.is_empty() {
                            watch.slots.remove(&slot);
                            self.slots -= 1;
                        }
                    }
                }
            }
            if watch.account.readers.is_empty() && watch.slots.is_empty() {
                self.accounts.remove(&address);
            }
        }
    }

    /// Takes over `changes`; wakes everyone who read a value that is another one now.
    pub(crate) fn apply(&mut self, changes: &StateChanges, woken: &mut BTreeSet<Slot>) {
        for (address, change) in &changes.accounts {
            if let Some(watch) = self.accounts.get_mut(address) {
                watch.account.set(change.account, woken);
                apply_slots(&mut watch.slots, change, woken);
            }
        }
    }

    /// Accounts and slots that are watched.
    pub(crate) fn len(&self) -> (usize, usize) {
        (self.accounts.len(), self.slots)
    }
}

fn apply_slots(
    slots: &mut HashMap<U256, Watched<U256>>,
    change: &AccountChange,
    woken: &mut BTreeSet<Slot>,
) {
    if change.storage_wiped || slots.len() < change.storage.len() {
        for (slot, watched) in slots {
            match change.storage.get(slot) {
                Some(value) => watched.set(*value, woken),
                None if change.storage_wiped => watched.set(U256::ZERO, woken),
                None => {}
            }
        }
    } else {
        for (slot, value) in &change.storage {
            if let Some(watched) = slots.get_mut(slot) {
                watched.set(*value, woken);
            }
        }
    }
}
