//! Stamps: whether anybody has written a location since it was read, told at a glance.
//!
//! Invariant: whoever writes or withdraws a version changes the location's stamp after it has changed
//! the memory, and whoever reads takes the stamp before it looks at the memory. A stamp that is the
//! same when all earlier transactions are final therefore says that the read still gives the same, and
//! one that is still zero that nobody has written the location at all. Locations share stamps: one
//! that has changed says nothing, and the read is resolved again.
//!
//! The committer so decides about most executions from a few words, and readers of what nobody has
//! written need no lock: neither touches the tables and lists that another processor has just written.

use std::sync::atomic::{AtomicU32, Ordering};

use alloy_primitives::{Address, U256};

/// Stamps at least, a power of two: much more than what the transactions of a window write.
const LEAST: usize = 1 << 14;
/// Stamps at most: 4 MiB.
const MOST: usize = 1 << 20;
/// Stamps for each transaction of a batch, so that most stay zero.
const EACH: usize = 8;

/// Stamps that are looked through for one that was taken already.
const LAST_FEW: usize = 8;

/// Odd numbers without a pattern, by which keys are mixed.
const MIX: [u64; 2] = [0x9e37_79b9_7f4a_7c15, 0xc2b2_ae3d_27d4_eb4f];

/// The stamp of a location when it was read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp {
    pub(crate) place: u32,
    pub(crate) seen: u32,
}

impl Stamp {
    /// Whoever has read it changes it from `before` by its own write, which it does not read: it takes
    /// the stamp that is there now, unless somebody else has come between.
    pub(crate) fn pass(&mut self, before: Stamp) {
        if self.place == before.place && self.seen == before.seen {
            self.seen = before.seen.wrapping_add(1);
        }
    }

    /// Whether nobody had written the location in this batch.
    pub(crate) const fn is_untouched(self) -> bool {
        self.seen == 0
    }
}

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Stamps {
    words: Box<[AtomicU32]>,
    /// How many of them this batch uses, a power of two; the others are zero.
    used: usize,
}

impl Default for Stamps {
    fn default() -> Self {
        Self::of(LEAST)
    }
}

/// The end of an address, which is as random as the whole.
fn word(address: Address) -> u64 {
    u64::from_le_bytes(address.0.0[12..].try_into().expect("an address has 20 bytes"))
}

impl Stamps {
    fn of(count: usize) -> Self {
        Self { words: (0..count).map(|_| AtomicU32::new(0)).collect(), used: count }
    }

    /// Makes place for a batch of so many transactions. All stamps must be zero.
    pub(crate) fn prepare(&mut self, transactions: usize) {
        let wanted = transactions.saturating_mul(EACH).clamp(LEAST, MOST).next_power_of_two();
        if self.words.len() < wanted {
            *self = Self::of(wanted);
        }
        self.used = wanted;
    }

    /// Sets all to zero: nobody has written anything.
    pub(crate) fn clear(&mut self) {
        for stamp in &mut self.words[..self.used] {
            *stamp.get_mut() = 0;
        }
    }

    fn place(&self, key: u64) -> usize {
        // The upper bits depend on all of the key.
        (key.wrapping_mul(MIX[0]) >> (64 - self.used.trailing_zeros())) as usize
    }

    fn account_place(&self, address: Address) -> usize {
        self.place(word(address))
    }

    /// The slots of a page have one stamp: whoever touches one of them mostly touches others.
    fn page_place(&self, address: Address, page: U256) -> usize {
        let [low, _, _, high] = *page.as_limbs();
        self.place((word(address) ^ low).wrapping_mul(MIX[1]) ^ high)
    }

    fn take(&self, place: usize) -> Stamp {
        // Acquire: the memory is looked at afterwards.
        Stamp { place: place as u32, seen: self.words[place].load(Ordering::Acquire) }
    }

    fn change(&self, place: usize) -> Stamp {
        // Release: the memory was changed before. Added to, not set: of two writers at once neither
        // may undo the other's change.
        Stamp { place: place as u32, seen: self.words[place].fetch_add(1, Ordering::Release) }
    }

    /// Takes the stamp of an account, which is read next.
    pub(crate) fn read_account(&self, address: Address, taken: &mut Vec<Stamp>) -> Stamp {
        let stamp = self.take(self.account_place(address));
        taken.push(stamp);
        stamp
    }

    /// Takes the stamp of a page of storage, which is read next; it is noted down unless it is among
    /// the last few.
    pub(crate) fn read_page(&self, address: Address, page: U256, taken: &mut Vec<Stamp>) -> Stamp {
        let stamp = self.take(self.page_place(address, page));
        if !taken.iter().rev().take(LAST_FEW).any(|other| other.place == stamp.place) {
            taken.push(stamp);
        }
        stamp
    }

    /// Tells that an account was written; gives the stamp that was there before.
    pub(crate) fn account_written(&self, address: Address) -> Stamp {
        self.change(self.account_place(address))
    }

    /// Tells that slots of a page were written; gives the stamp that was there before.
    pub(crate) fn page_written(&self, address: Address, page: U256) -> Stamp {
        self.change(self.page_place(address, page))
    }

    /// Whether nothing was written since the stamp was taken.
    pub(crate) fn is_current(&self, stamp: Stamp) -> bool {
        // Relaxed: what writers before the asking transaction did has been waited for.
        self.words[stamp.place as usize].load(Ordering::Relaxed) == stamp.seen
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
            let page = U256::from(number);
            let (mut account, mut of_page) = (Vec::new(), Vec::new());
            stamps.read_account(address, &mut account);
            stamps.read_page(address, page, &mut of_page);
            // Taken once.
            stamps.read_page(address, page, &mut of_page);
            assert_eq!(of_page.len(), 1);
            assert!(stamps.is_current(account[0]) && stamps.is_current(of_page[0]));
            let before = stamps.page_written(address, page);
            assert_eq!((before.place, before.seen), (of_page[0].place, of_page[0].seen));
            assert!(!stamps.is_current(of_page[0]));
            // The writer itself passes on to the new one, but not beyond what somebody else wrote.
            of_page[0].pass(before);
            assert!(stamps.is_current(of_page[0]));
            stamps.page_written(address, page);
            of_page[0].pass(stamps.page_written(address, page));
            assert!(!stamps.is_current(of_page[0]));
            stamps.account_written(address);
            assert!(!stamps.is_current(account[0]));
        }
    }

    #[test]
    fn stamps_grow_with_batches_and_begin_at_zero() {
        let (address, page) = (Address::repeat_byte(1), U256::from(5));
        let mut stamps = Stamps::default();
        for transactions in [0, 10, 100_000, 1_000, usize::MAX] {
            stamps.prepare(transactions);
            let enough = transactions.saturating_mul(EACH).clamp(LEAST, MOST);
            assert!((enough..=MOST).contains(&stamps.used));
            assert!(stamps.read_page(address, page, &mut Vec::new()).is_untouched());
            stamps.page_written(address, page);
            assert!(!stamps.read_page(address, page, &mut Vec::new()).is_untouched());
            stamps.clear();
        }
    }

    /// What transactions usually touch does not fall on few stamps.
    #[test]
    fn neighbours_have_stamps_of_their_own() {
        let stamps = Stamps::default();
        let address =
            |number: u64| Address::from_word(alloy_primitives::keccak256(number.to_be_bytes()));
        let mut places = std::collections::BTreeSet::new();
        for number in 0..40 {
            places.insert(stamps.account_place(address(number)));
            for page in 0..24u64 {
                places.insert(stamps.page_place(address(number), U256::from(page)));
            }
        }
        for number in 0..500u64 {
            let page = U256::from_be_bytes(alloy_primitives::keccak256(number.to_le_bytes()).0);
            places.insert(stamps.page_place(address(0), page));
        }
        // 1,500 throws at 16,384 places leave about 70 on one that was hit.
        assert!(places.len() > 1_380, "{} of 1,500", places.len());
    }
}
