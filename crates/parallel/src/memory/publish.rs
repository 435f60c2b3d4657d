//! What writers do to the memory.
//!
//! Invariant: each location is changed under its shard's lock, and its stamp after that. What one
//! transaction alone has written is changed by changing its list or its outcome (`announce`).

use std::sync::atomic::Ordering;

use alloy_primitives::{Address, U256};
use plasma_vm::StorageProbeRef;
use smallvec::SmallVec;

use super::{Memory, Tables};
use crate::{
    announce::{Write, announce},
    page::page_of,
    stamps::{Spot, Stamp, Writers},
    versions::{AccountEntry, Version},
    write_set::{AccountWrite, SlotWrite, WriteSet},
    written::Written,
};

/// A stamp before and after a write.
pub(crate) type Passed = (Stamp, Stamp);

/// A location that was put into the tables: an account, or a slot of one.
type Moved = (Address, Option<U256>);

impl<D: StorageProbeRef> Memory<D> {
    /// Publishes what `writer` wrote ahead of its turn, for which `writes` gets a list that is not needed any
    /// more. Its slots are sorted. All transactions before `floor` are committed. `passed` is told each
    /// stamp that this changes, with the page where it is one's.
    pub(crate) fn publish_ahead(
        &self,
        writer: u32,
        writes: &mut WriteSet,
        floor: u32,
        passed: impl FnMut(Passed, Option<(Address, U256, &[SlotWrite])>),
    ) {
        let listed = self.tables.written.list(writer, writes);
        self.tables.publish(writer, listed.writes(), floor, passed);
    }

    /// Publishes what `writer` wrote, whose outcome is there, in place of what it has listed where that was
    /// `void`; then `new` is sorted. See [`Self::publish_ahead`].
    pub(crate) fn publish_committed(
        &self,
        writer: u32,
        new: &WriteSet,
        void: bool,
        passed: impl FnMut(Passed, Option<(Address, U256, &[SlotWrite])>),
    ) {
        self.tables.publish(writer, new, writer, passed);
        if void {
            self.tables.withdraw(writer, new, self.tables.written.listed(writer).writes());
        }
    }

    /// Makes `write` the transaction `writer`'s of its sender, which is committed.
    pub(crate) fn publish_sender(&self, writer: u32, write: &AccountWrite) {
        let spot = self.tables.stamps.account_spot(write.address);
        self.tables.announce(spot, writer, true, || self.tables.set_account(writer, write, writer));
    }

    /// Marks what `writer` has listed as about to change.
    pub(crate) fn mark_estimates(&self, writer: u32) {
        let tables = &self.tables;
        tables.written.mark_void(writer);
        let listed = tables.written.listed(writer);
        for write in &listed.writes().accounts {
            if write.wipe
                && let Some(versions) = tables.wipes.write().get_mut(&write.address)
            {
                versions.mark_estimate(writer);
            }
            if self.account_writers(write.address) == Writers::Many
                && let Some(entry) =
                    tables.account_shard(write.address).write().get_mut(&write.address)
            {
                entry.mark_estimate(writer);
            }
        }
        for write in &listed.writes().slots {
            let (page, at) = page_of(write.slot);
            if self.page_writers(write.address, page) != Writers::Many {
                continue;
            }
            let key = (write.address, page);
            let mut shard = tables.page_shard(&key).write();
            if let Some(versions) = shard.get_mut(&key).and_then(|page| page.slot_mut(at)) {
                versions.mark_estimate(writer);
            }
        }
    }
}

/// A write, and the tables that it goes to.
struct TableWrite<'a, F> {
    tables: &'a Tables,
    set: F,
}

impl<F: Fn()> Write for TableWrite<'_, F> {
    type Moved = SmallVec<[Moved; 2]>;

    fn set(&self) {
        (self.set)();
    }

    fn move_in(&self, by: u32, place: u32) -> Self::Moved {
        self.tables.move_in(by, place)
    }

    fn move_out(&self, by: u32, moved: Self::Moved) {
        self.tables.move_out(by, moved);
    }
}

impl Tables {
    fn publish(
        &self,
        writer: u32,
        writes: &WriteSet,
        floor: u32,
        mut passed: impl FnMut(Passed, Option<(Address, U256, &[SlotWrite])>),
    ) {
        let alone = Written::holds(writes);
        for write in &writes.accounts {
            if write.wipe {
                // Relaxed: see `latest_wipe`.
                self.any_wipe.store(true, Ordering::Relaxed);
                self.wipes.write().entry(write.address).or_default().set(writer, (), floor);
            }
            if write.has_fields() {
                let spot = self.stamps.account_spot(write.address);
                // Other fields are found in the tables only.
                let alone = alone && write.code.is_none() && write.exists.is_none();
                let set = || self.set_account(writer, write, floor);
                passed(self.announce(spot, writer, alone, set), None);
            }
        }
        for slots in writes.pages() {
            let address = slots[0].address;
            let (page, _) = page_of(slots[0].slot);
            let spot = self.stamps.page_spot(address, page);
            let set = || self.set_page((address, page), writer, slots, floor);
            passed(self.announce(spot, writer, alone, set), Some((address, page, slots)));
        }
    }

    /// Changes the stamp of a location that `writer` has written, see [`announce`]; `set` puts that into the tables.
    fn announce(&self, spot: Spot, writer: u32, alone: bool, set: impl Fn()) -> Passed {
        announce(&self.stamps, spot, writer, alone, &TableWrite { tables: self, set })
    }

    /// Puts into the tables what `writer`, so far the only one, wrote to the locations of a stamp.
    fn move_in(&self, writer: u32, place: u32) -> SmallVec<[Moved; 2]> {
        // Nobody reads the tables for it, so that nothing in it is too old.
        const FLOOR: u32 = 0;
        let moved = std::cell::RefCell::new(SmallVec::new());
        let account = |address: Address, entry: &dyn Fn() -> AccountEntry| {
            if self.stamps.is_at(self.stamps.account_spot(address), place) {
                let mut shard = self.account_shard(address).write();
                shard.entry(address).or_default().take_over(writer, entry());
                moved.borrow_mut().push((address, None));
            }
        };
        let slot = |address: Address, slot: U256, version: Version<U256>| {
            let (page, at) = page_of(slot);
            if self.stamps.is_at(self.stamps.page_spot(address, page), place) {
                let key = (address, page);
                let mut shard = self.page_shard(&key).write();
                let versions = shard.entry(key).or_default().entry(at);
                versions.set(writer, version.value, FLOOR);
                if version.estimate {
                    versions.mark_estimate(writer);
                }
                moved.borrow_mut().push((address, Some(slot)));
            }
        };
        self.written.all(writer, account, slot);
        moved.into_inner()
    }

    /// Takes back what [`Self::move_in`] did.
    fn move_out(&self, writer: u32, moved: SmallVec<[Moved; 2]>) {
        for (address, slot) in moved {
            match slot {
                None => {
                    let mut shard = self.account_shard(address).write();
                    if let Some(entry) = shard.get_mut(&address) {
                        entry.remove(writer);
                    }
                }
                Some(slot) => self.remove_slot(writer, address, slot),
            }
        }
    }

    fn set_account(&self, writer: u32, write: &AccountWrite, floor: u32) {
        let mut shard = self.account_shard(write.address).write();
        let entry = shard.entry(write.address).or_default();
        if let Some(balance) = write.balance {
            entry.balance.set(writer, balance, floor);
        }
        if let Some(nonce) = write.nonce {
            entry.nonce.set(writer, nonce, floor);
        }
        if write.code.is_some() || write.exists.is_some() {
            let rare = entry.rare.get_or_insert_default();
            if let Some(code) = &write.code {
                rare.code.set(writer, code.clone(), floor);
            }
            if let Some(exists) = write.exists {
                rare.exists.set(writer, exists, floor);
            }
        }
    }

    fn set_page(&self, key: (Address, U256), writer: u32, slots: &[SlotWrite], floor: u32) {
        let mut shard = self.page_shard(&key).write();
        let versions = shard.entry(key).or_default();
        for write in slots {
            versions.entry(page_of(write.slot).1).set(writer, write.value, floor);
        }
    }

    fn remove_slot(&self, writer: u32, address: Address, slot: U256) {
        let (page, at) = page_of(slot);
        let key = (address, page);
        let mut shard = self.page_shard(&key).write();
        if let Some(versions) = shard.get_mut(&key).and_then(|page| page.slot_mut(at)) {
            versions.remove(writer);
        }
    }

    /// Removes what `old` wrote and `new` does not.
    fn withdraw(&self, writer: u32, new: &WriteSet, old: &WriteSet) {
        for stale in &old.accounts {
            let kept = new.account(stale.address);
            if stale.wipe
                && !kept.is_some_and(|kept| kept.wipe)
                && let Some(versions) = self.wipes.write().get_mut(&stale.address)
            {
                versions.remove(writer);
            }
            if stale.has_fields() {
                let spot = self.stamps.account_spot(stale.address);
                self.announce(spot, writer, true, || {
                    let mut shard = self.account_shard(stale.address).write();
                    if let Some(entry) = shard.get_mut(&stale.address) {
                        entry.withdraw(writer, stale, kept);
                    }
                });
            }
        }
        for stale in &old.slots {
            if !new.writes_slot(stale.address, stale.slot) {
                let (page, _) = page_of(stale.slot);
                let spot = self.stamps.page_spot(stale.address, page);
                let remove = || self.remove_slot(writer, stale.address, stale.slot);
                self.announce(spot, writer, true, remove);
            }
        }
    }
}
