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

/// The slots of a page that somebody wrote.
#[derive(Debug, Default)]
pub(crate) struct Page(SmallVec<[(u8, Versions<U256, 2>); 1]>);

impl Page {
    /// The slots, with their places, in the order in which they were first written.
    pub(crate) fn slots(&self) -> &[(u8, Versions<U256, 2>)] {
        &self.0
    }

    /// The versions of the slot at place `at`.
    pub(crate) fn slot(&self, at: u8) -> Option<&Versions<U256, 2>> {
        self.0.iter().find(|(slot, _)| *slot == at).map(|(_, versions)| versions)
    }

    /// The same, to be changed.
    pub(crate) fn slot_mut(&mut self, at: u8) -> Option<&mut Versions<U256, 2>> {
        self.0.iter_mut().find(|(slot, _)| *slot == at).map(|(_, versions)| versions)
    }

    /// The same, where there are none yet, too.
    pub(crate) fn entry(&mut self, at: u8) -> &mut Versions<U256, 2> {
        let found = self.0.iter().position(|(slot, _)| *slot == at);
        let place = found.unwrap_or_else(|| {
            self.0.push((at, Versions::default()));
            self.0.len() - 1
        });
        &mut self.0[place].1
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
}
