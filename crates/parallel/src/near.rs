//! What one thread remembers of the storage that it has read and written lately.
//!
//! Invariant: a page that is remembered with a stamp holds, for readers from `from` on, what the memory
//! holds as long as the stamp is the same: it was taken over whole after the stamp, and no version in
//! it was by a later transaction or about to change. So a slot comes from here exactly where reading the
//! memory now, or at the moment of the stamp, would have given it.
//!
//! Within one transaction a page is asked for as it was when the transaction first read of it, under the stamp that
//! was noted down then: the next slot of the same page needs no look at the stamp.
//!
//! Automated calls come back to the same contracts. A page that nobody else has written meanwhile costs
//! a look at its stamp, in place of a lock and several look-ups for each slot.

use alloy_primitives::{Address, U256};
use plasma_vm::StorageProbeRef;
use revm::DatabaseRef;

use crate::{
    memory::{Memory, MemoryError},
    page::page_of,
    stamps::Stamp,
    versions::Blocked,
    write_set::SlotWrite,
};

/// Pages that are remembered, each in the place that its stamp gives it: a power of two.
const PAGES: usize = 1024;
/// Nearly all stamps are the first of their row, and neighbours in it far from each other here.
const ROW_APART: u32 = 61;

/// No transaction is as late as this.
const NEVER: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct NearSlot {
    at: u8,
    /// Whether a transaction of the batch has written it.
    versioned: bool,
    value: Result<U256, Blocked>,
}

#[derive(Clone, Debug, Default)]
struct NearPage {
    address: Address,
    page: U256,
    seen: Option<Stamp>,
    /// The first transaction for which it holds.
    from: u32,
    slots: Vec<NearSlot>,
}

impl NearPage {
    fn set(&mut self, at: u8, versioned: bool, value: Result<U256, Blocked>) {
        let slot = NearSlot { at, versioned, value };
        match self.slots.iter_mut().find(|other| other.at == at) {
            Some(other) => *other = slot,
            None => self.slots.push(slot),
        }
    }

    /// The slot at place `at`, as [`Near::slot`] gives it.
    fn slot<D: StorageProbeRef>(
        &mut self,
        memory: &Memory<D>,
        (address, slot): (Address, U256),
        at: u8,
    ) -> Result<(U256, bool), MemoryError<D::Error>> {
        if let Some(slot) = self.slots.iter().find(|slot| slot.at == at) {
            return Ok((slot.value?, slot.versioned));
        }
        let value = memory.base().storage_ref(address, slot).map_err(MemoryError::Base)?;
        self.slots.push(NearSlot { at, versioned: false, value: Ok(value) });
        Ok((value, false))
    }
}

/// See the module's documentation. It serves one memory, while the base below it does not change.
#[derive(Debug, Default)]
pub(crate) struct Near {
    /// Empty until it is needed.
    pages: Vec<NearPage>,
    /// The place of the page that this transaction read last.
    last: Option<usize>,
}

fn place_of(stamp: Stamp) -> usize {
    let (row, at) = stamp.row();
    row.wrapping_add(at * ROW_APART) as usize % PAGES
}

impl Near {
    /// Begins with another transaction.
    pub(crate) fn begin(&mut self) {
        self.last = None;
    }

    /// A storage slot as transaction `reader` sees it, and whether anybody wrote it. The stamp that the
    /// read depends on goes to `stamps`.
    pub(crate) fn slot<D: StorageProbeRef>(
        &mut self,
        memory: &Memory<D>,
        (address, slot): (Address, U256),
        reader: u32,
        stamps: &mut Vec<Stamp>,
    ) -> Result<(U256, bool), MemoryError<D::Error>> {
        let (page, at) = page_of(slot);
        let last = self.last.and_then(|place| self.pages.get_mut(place));
        if let Some(near) = last.filter(|near| near.page == page && near.address == address) {
            return near.slot(memory, (address, slot), at);
        }
        let stamp = memory.stamps().read_page(address, page, stamps);
        if memory.any_wipe() {
            // Wipes change pages without their stamps.
            return memory.slot(address, slot, reader);
        }
        if self.pages.is_empty() {
            self.pages.resize(PAGES, NearPage::default());
        }
        let place = place_of(stamp);
        self.last = Some(place);
        let near = &mut self.pages[place];
        let known = near.page == page && near.address == address;
        if !known || near.seen != Some(stamp) || near.from > reader {
            if known {
                // What nobody wrote is as in the base, which stays.
                near.slots.retain(|slot| !slot.versioned);
            } else {
                near.slots.clear();
                (near.address, near.page) = (address, page);
            }
            near.seen = Some(stamp);
            near.from = if stamp.is_untouched() {
                0
            } else if memory.page((address, page), reader, stamp.writers(), |at, value| {
                near.set(at, true, value);
            }) {
                reader
            } else {
                NEVER
            };
        }
        near.slot(memory, (address, slot), at)
    }

    /// Tells that this thread has just written `slots` of a page as transaction `writer`; `before` and `after` are
    /// the page's stamps.
    pub(crate) fn wrote(
        &mut self,
        (before, after): (Stamp, Stamp),
        (address, page): (Address, U256),
        writer: u32,
        slots: &[SlotWrite],
    ) {
        let Some(near) = self.pages.get_mut(place_of(before)) else { return };
        let stands = near.page == page
            && near.address == address
            && near.seen == Some(before)
            && near.from <= writer;
        if !stands {
            return;
        }
        for write in slots {
            near.set(page_of(write.slot).1, true, Ok(write.value));
        }
        near.seen = Some(after);
        near.from = writer + 1;
    }
}
