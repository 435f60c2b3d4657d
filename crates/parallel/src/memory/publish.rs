//! What writers do to the memory.
//!
//! Invariant: each location is changed under its shard's lock, and its stamp after that.

use std::sync::atomic::Ordering;

use alloy_primitives::{Address, U256};
use plasma_vm::StorageProbeRef;

use super::Memory;
use crate::{
    page::page_of,
    stamps::Stamp,
    write_set::{AccountWrite, SlotWrite, WriteSet},
};

impl<D: StorageProbeRef> Memory<D> {
    /// Makes `new` the writes of `writer`, in place of `old`. The slots of both are sorted, and the accounts of
    /// both unless `old` is empty. All transactions before `floor` are committed. `passed` is told each
    /// stamp that this changes as it was before, with the page where it is one's.
    pub(crate) fn publish(
        &self,
        writer: u32,
        new: &WriteSet,
        old: &WriteSet,
        floor: u32,
        mut passed: impl FnMut(Stamp, Option<(Address, U256, &[SlotWrite])>),
    ) {
        for write in &new.accounts {
            if let Some(before) = self.publish_account(writer, write, floor) {
                passed(before, None);
            }
        }
        for slots in new.pages() {
            let address = slots[0].address;
            let (page, _) = page_of(slots[0].slot);
            let key = (address, page);
            let mut shard = self.page_shard(&key).write();
            let versions = shard.entry(key).or_default();
            for write in slots {
                versions.entry(page_of(write.slot).1).set(writer, write.value, floor);
            }
            drop(shard);
            let before = self.tables.stamps.page_written(address, page);
            passed(before, Some((address, page, slots)));
        }
        if !old.is_empty() {
            self.withdraw(writer, new, old);
        }
    }

    /// Makes `write` the transaction `writer`'s of an account, see [`Self::publish`]. Gives the account's
    /// stamp from before.
    pub(crate) fn publish_account(
        &self,
        writer: u32,
        write: &AccountWrite,
        floor: u32,
    ) -> Option<Stamp> {
        if write.wipe {
            // Relaxed: see `latest_wipe`.
            self.tables.any_wipe.store(true, Ordering::Relaxed);
            self.tables.wipes.write().entry(write.address).or_default().set(writer, (), floor);
        }
        if !write.has_fields() {
            return None;
        }
        let mut shard = self.account_shard(write.address).write();
        let entry = shard.entry(write.address).or_default();
        if let Some(balance) = write.balance {
            entry.balance.set(writer, balance, floor);
        }
        if let Some(nonce) = write.nonce {
            entry.nonce.set(writer, nonce, floor);
        }
        if write.estimate {
            entry.balance.mark_estimate(writer);
            entry.nonce.mark_estimate(writer);
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
        drop(shard);
        Some(self.tables.stamps.account_written(write.address))
    }

    /// Removes what `old` wrote and `new` does not.
    fn withdraw(&self, writer: u32, new: &WriteSet, old: &WriteSet) {
        for stale in &old.accounts {
            let kept = new.account(stale.address);
            if stale.wipe
                && !kept.is_some_and(|kept| kept.wipe)
                && let Some(versions) = self.tables.wipes.write().get_mut(&stale.address)
            {
                versions.remove(writer);
            }
            if let Some(entry) = self.account_shard(stale.address).write().get_mut(&stale.address) {
                entry.withdraw(writer, stale, kept);
            }
            self.tables.stamps.account_written(stale.address);
        }
        for stale in &old.slots {
            if !new.writes_slot(stale.address, stale.slot) {
                let (page, at) = page_of(stale.slot);
                let key = (stale.address, page);
                let mut shard = self.page_shard(&key).write();
                if let Some(versions) = shard.get_mut(&key).and_then(|page| page.slot_mut(at)) {
                    versions.remove(writer);
                }
                drop(shard);
                self.tables.stamps.page_written(stale.address, page);
            }
        }
    }

    /// Marks what `writer` published as about to change.
    pub(crate) fn mark_estimates(&self, writer: u32, writes: &WriteSet) {
        for write in &writes.accounts {
            if write.wipe
                && let Some(versions) = self.tables.wipes.write().get_mut(&write.address)
            {
                versions.mark_estimate(writer);
            }
            let mut shard = self.account_shard(write.address).write();
            let Some(entry) = shard.get_mut(&write.address) else { continue };
            entry.balance.mark_estimate(writer);
            entry.nonce.mark_estimate(writer);
            if let Some(rare) = &mut entry.rare {
                rare.code.mark_estimate(writer);
                rare.exists.mark_estimate(writer);
            }
        }
        for write in &writes.slots {
            let (page, at) = page_of(write.slot);
            let key = (write.address, page);
            let mut shard = self.page_shard(&key).write();
            if let Some(versions) = shard.get_mut(&key).and_then(|page| page.slot_mut(at)) {
                versions.mark_estimate(writer);
            }
        }
    }
}
