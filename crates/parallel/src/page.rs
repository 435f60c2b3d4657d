//! Pages of storage: 16 slots in a row of one account.
//!
//! Invariant: a slot is in one page, at one place. The slots of a contract that stand in a row are mostly
//! read and written together, so that they share a lock, a look-up and a stamp.

use alloy_primitives::U256;
use smallvec::SmallVec;

use crate::versions::Versions;

/// Slots of a page, as a power of two.
const PAGE_BITS: usize = 4;
pub(crate) const PAGE_SLOTS: u8 = 1 << PAGE_BITS;

/// The page of a slot, and where in it the slot is.
pub(crate) fn page_of(slot: U256) -> (U256, u8) {
    (slot >> PAGE_BITS, slot.byte(0) & (PAGE_SLOTS - 1))
}

/// The slot at place `at` of a page.
pub(crate) fn join(page: U256, at: u8) -> U256 {
    (page << PAGE_BITS) | U256::from(at)
}

/// Which slots of a page are in a list, and where: a byte for each place, one more than the index.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Places([u8; PAGE_SLOTS as usize]);

impl Places {
    /// Where in the list the slot at place `at` is.
    pub(crate) fn find(&self, at: u8) -> Option<usize> {
        usize::from(self.0[usize::from(at)]).checked_sub(1)
    }

    /// Notes down that the slot at place `at` is the one at `index`, which is less than a page has slots.
    pub(crate) fn set(&mut self, at: u8, index: usize) {
        self.0[usize::from(at)] = index as u8 + 1;
    }
}

/// The slots of a page that somebody wrote.
#[derive(Debug, Default)]
pub(crate) struct Page {
    places: Places,
    slots: SmallVec<[(u8, Versions<U256, 2>); 1]>,
}

impl Page {
    /// The slots, with their places, in the order in which they were first written.
    pub(crate) fn slots(&self) -> &[(u8, Versions<U256, 2>)] {
        &self.slots
    }

    /// The versions of the slot at place `at`.
    pub(crate) fn slot(&self, at: u8) -> Option<&Versions<U256, 2>> {
        self.places.find(at).map(|index| &self.slots[index].1)
    }

    /// The same, to be changed.
    pub(crate) fn slot_mut(&mut self, at: u8) -> Option<&mut Versions<U256, 2>> {
        self.places.find(at).map(|index| &mut self.slots[index].1)
    }

    /// The same, where there are none yet, too.
    pub(crate) fn entry(&mut self, at: u8) -> &mut Versions<U256, 2> {
        let index = self.places.find(at).unwrap_or_else(|| {
            self.slots.push((at, Versions::default()));
            self.places.set(at, self.slots.len() - 1);
            self.slots.len() - 1
        });
        &mut self.slots[index].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_have_one_page_and_place() {
        for slot in [U256::ZERO, U256::from(15), U256::from(16), U256::MAX, U256::from(0x1234)] {
            let (page, at) = page_of(slot);
            assert_eq!(join(page, at), slot);
            assert!(at < 1 << PAGE_BITS);
        }
        assert_eq!(page_of(U256::from(15)).0, page_of(U256::ZERO).0);
        assert_ne!(page_of(U256::from(16)).0, page_of(U256::from(15)).0);
    }

    #[test]
    fn slots_are_found_where_they_were_put() {
        let mut page = Page::default();
        let order = [3, 15, 0, 7, 1, 2, 14, 4, 5, 6, 8, 9, 10, 11, 12, 13];
        for (count, at) in order.into_iter().enumerate() {
            assert!(page.slot(at).is_none());
            page.entry(at).set(u32::from(at), U256::from(at), 0);
            assert_eq!(page.slots().len(), count + 1);
        }
        for at in order {
            assert_eq!(page.slot(at).unwrap().before(99).unwrap().value, U256::from(at));
            page.entry(at).set(50, U256::from(100 + at), 0);
            assert_eq!(page.slot_mut(at).unwrap().before(99).unwrap().value, U256::from(100 + at));
        }
        assert_eq!(page.slots().len(), order.len());
    }
}
