//! Stamps: whether anybody has written a location since it was read, told at a glance.
//!
//! Invariant: whoever writes or withdraws a version changes the location's stamp after it has changed
//! the memory, and whoever reads takes the stamp before it looks at the memory. A stamp that is the
//! same when all earlier transactions are final therefore says that the read still gives the same.
//! Locations share stamps: one that has changed says nothing, and the read is resolved again.
//!
//! The committer so decides about most executions from a few words, and does not touch the tables and
//! lists that another processor has just written.

use std::sync::atomic::{AtomicU32, Ordering};

use alloy_primitives::{Address, U256};
use smallvec::SmallVec;

/// Stamps: a power of two, much more than what the transactions of a window write.
const STAMPS: usize = 1 << 14;

/// Slots in a row that have one stamp, as a power of two.
const NEIGHBOURS: u32 = 4;

/// Stamps that are looked through for one that was taken or changed already.
const LAST_FEW: usize = 8;

/// Odd numbers without a pattern, by which keys are mixed.
const MIX: [u64; 2] = [0x9e37_79b9_7f4a_7c15, 0xc2b2_ae3d_27d4_eb4f];

/// The stamp of a location when it was read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp {
    place: u32,
    seen: u32,
}

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Stamps(Box<[AtomicU32]>);

impl Default for Stamps {
    fn default() -> Self {
        Self((0..STAMPS).map(|_| AtomicU32::new(0)).collect())
    }
}

/// The end of an address, which is as random as the whole.
fn word(address: Address) -> u64 {
    u64::from_le_bytes(address.0.0[12..].try_into().expect("an address has 20 bytes"))
}

fn place(key: u64) -> usize {
    // The upper bits depend on all of the key.
    (key.wrapping_mul(MIX[0]) >> (64 - STAMPS.trailing_zeros())) as usize
}

fn account_place(address: Address) -> usize {
    place(word(address))
}

/// Neighbours among slots have one stamp: whoever touches one of them mostly touches others.
fn slot_place(address: Address, slot: U256) -> usize {
    let [low, _, _, high] = *slot.as_limbs();
    place((word(address) ^ (low >> NEIGHBOURS)).wrapping_mul(MIX[1]) ^ high)
}

impl Stamps {
    fn take(&self, place: usize) -> Stamp {
        // Acquire: the memory is looked at afterwards.
        Stamp { place: place as u32, seen: self.0[place].load(Ordering::Acquire) }
    }

    fn change(&self, place: usize) {
        // Release: the memory was changed before. Added to, not set: of two writers at once neither
        // may undo the other's change.
        self.0[place].fetch_add(1, Ordering::Release);
    }

    /// Takes the stamp of an account, which is read next.
    pub(crate) fn read_account(&self, address: Address, taken: &mut Vec<Stamp>) {
        taken.push(self.take(account_place(address)));
    }

    /// Takes the stamp of a storage slot, which is read next, unless it is among the last few taken.
    pub(crate) fn read_slot(&self, address: Address, slot: U256, taken: &mut Vec<Stamp>) {
        let place = slot_place(address, slot);
        let known = taken.iter().rev().take(LAST_FEW).any(|stamp| stamp.place as usize == place);
        if !known {
            taken.push(self.take(place));
        }
    }

    /// Tells that an account was written.
    pub(crate) fn account_written(&self, address: Address) {
        self.change(account_place(address));
    }

    /// Tells that storage slots were written, all of them before this.
    pub(crate) fn slots_written(&self, slots: impl IntoIterator<Item = (Address, U256)>) {
        let mut changed = SmallVec::<[usize; LAST_FEW]>::new();
        for (address, slot) in slots {
            let place = slot_place(address, slot);
            if changed.contains(&place) {
                continue;
            }
            self.change(place);
            if changed.len() < LAST_FEW {
                changed.push(place);
            }
        }
    }

    /// Whether nothing was written since the stamp was taken.
    pub(crate) fn is_current(&self, stamp: Stamp) -> bool {
        // Relaxed: what writers before the asking transaction did has been waited for.
        self.0[stamp.place as usize].load(Ordering::Relaxed) == stamp.seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_is_seen_by_its_location() {
        let stamps = Stamps::default();
        let address = Address::repeat_byte(7);
        for number in 0..1_000u64 {
            let slot = U256::from(number);
            let (mut account, mut of_slot) = (Vec::new(), Vec::new());
            stamps.read_account(address, &mut account);
            stamps.read_slot(address, slot, &mut of_slot);
            // The neighbour's is the same, and taken once.
            stamps.read_slot(address, slot ^ U256::from(1), &mut of_slot);
            assert_eq!(of_slot.len(), 1);
            assert!(stamps.is_current(account[0]) && stamps.is_current(of_slot[0]));
            stamps.slots_written([(address, slot), (address, slot)]);
            assert!(!stamps.is_current(of_slot[0]));
            stamps.account_written(address);
            assert!(!stamps.is_current(account[0]));
        }
    }

    /// What transactions usually touch does not fall on few stamps.
    #[test]
    fn neighbours_have_stamps_of_their_own() {
        let address =
            |number: u64| Address::from_word(alloy_primitives::keccak256(number.to_be_bytes()));
        let mut places = std::collections::BTreeSet::new();
        for number in 0..40 {
            places.insert(account_place(address(number)));
            for slot in 0..24u64 {
                places.insert(slot_place(address(number), U256::from(slot << NEIGHBOURS)));
            }
        }
        for number in 0..500u64 {
            let slot = U256::from_be_bytes(alloy_primitives::keccak256(number.to_le_bytes()).0);
            places.insert(slot_place(address(0), slot));
        }
        // 1,500 throws at 16,384 places leave about 70 on one that was hit.
        assert!(places.len() > 1_380, "{} of 1,500", places.len());
    }
}
