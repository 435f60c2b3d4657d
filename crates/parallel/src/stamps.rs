//! Stamps: whether anybody has written a location since it was read, told at a glance, and who.
//!
//! Invariant: whoever writes or withdraws a version changes the location's stamp after it has changed
//! the memory, and whoever reads takes the stamp before it looks at the memory. A stamp that is the
//! same when all earlier transactions are final therefore says that the read still gives the same, and
//! one that is zero that nobody has written the location at all.
//!
//! Stamps stand in rows of eight, one row a cache line. A location has one row, and its stamp there is the one with its
//! tag. Where there is none yet, it is the first that is zero, which the first to write the location takes; who
//! read before has that one, too, and finds it changed. Nothing in a row becomes zero again, so that of two who take one
//! for the same location the second finds that of the first. In a row without a zero others share the last one: a
//! stamp that has changed says nothing, and the read is resolved again.
//!
//! A stamp that is not zero names the one transaction that has written its locations, as long as
//! it is one, and counts how often that one has changed its mind; then, for good, it counts what many have written. It
//! never is again what it was.
//!
//! The committer so decides about most executions from a few words; readers of what nobody has
//! written need no lock, and what one transaction alone has written need not be put anywhere. Neither touches the tables
//! and lists that another processor has just written.

use alloy_primitives::{Address, U256};

use super::atomics::{AtomicU64, Mutex, MutexGuard, Ordering};

/// Stamps of a row.
const ROW: usize = 8;
/// Rows at least, a power of two: much more than what the transactions of a window write.
pub(crate) const LEAST: usize = 1 << 11;
/// Rows at most: 8 MiB.
pub(crate) const MOST: usize = 1 << 17;
/// A row for each transaction of a batch, so that few are full.
pub(crate) const EACH: usize = 1;

/// Stamps that are looked through for one that was taken already.
const LAST_FEW: usize = 8;

/// Odd numbers without a pattern, by which keys are mixed.
const MIX: [u64; 2] = [0x9e37_79b9_7f4a_7c15, 0xc2b2_ae3d_27d4_eb4f];

/// What the lower half of a stamp says that is not zero; the upper one is the tag. `MANY` is set: the others count. Else
/// the upper ones are the transaction that wrote and one, and the lower [`COUNT_BITS`] count.
pub(crate) const MANY: u64 = 1 << 31;
pub(crate) const COUNT_BITS: u32 = 8;
pub(crate) const COUNT_MOST: u64 = (1 << COUNT_BITS) - 1;

/// Locks for stamps that come to stand for many.
const LOCKS: usize = 64;

/// Who has written the locations of a stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writers {
    Nobody,
    /// This transaction alone, maybe more than once.
    One(u32),
    Many,
}

/// Where the stamp of a location is looked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spot {
    pub(crate) row: u32,
    pub(crate) tag: u32,
}

/// The stamp of a location as it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) place: u32,
    /// The location's, which is not the stamp's where nobody has written it or it shares one.
    pub(crate) tag: u32,
    pub(crate) seen: u64,
}

impl Stamp {
    /// Whoever has read it changes it from `before` to `after` by its own write, which it does not read: it takes
    /// the stamp that is there now, unless somebody else has come between. Another location that was read under the
    /// same stamp may have another one in future.
    pub(crate) fn pass(&mut self, before: Stamp, after: Stamp) {
        if *self == before {
            *self = after;
        }
    }

    pub(crate) const fn writers(self) -> Writers {
        match self.seen as u32 {
            0 => Writers::Nobody,
            many if many as u64 & MANY != 0 => Writers::Many,
            one => Writers::One((one >> COUNT_BITS) - 1),
        }
    }

    /// The same after `writer` alone has written, or written again; `None`: that cannot be told in a stamp.
    pub(crate) fn after_one(self, writer: u32) -> Option<Self> {
        let seen = match self.writers() {
            Writers::Nobody if u64::from(writer) < (MANY >> COUNT_BITS) - 1 => {
                self.taken() | u64::from(writer + 1) << COUNT_BITS
            }
            Writers::One(by) if by == writer && self.seen & COUNT_MOST < COUNT_MOST => {
                self.seen + 1
            }
            Writers::Nobody | Writers::One(_) | Writers::Many => return None,
        };
        Some(Self { seen, ..self })
    }

    /// The same when it begins to stand for many.
    pub(crate) fn after_many(self) -> Self {
        Self { seen: self.taken() | MANY, ..self }
    }

    /// The tag where it stays: of whom it belongs to already, or of the location that takes it.
    fn taken(self) -> u64 {
        let tag = (self.seen >> 32) as u32;
        u64::from(if self.seen == 0 { self.tag } else { tag }) << 32
    }

    /// Its row, and which stamp of the row it is.
    pub(crate) const fn row(self) -> (u32, u32) {
        (self.place / ROW as u32, self.place % ROW as u32)
    }

    /// Whether nobody had written the location in this batch.
    pub(crate) const fn is_untouched(self) -> bool {
        self.seen == 0
    }
}

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Stamps {
    rows: Box<[Row]>,
    locks: Box<[Mutex<()>]>,
    /// How many of them this batch uses, a power of two; the others are zero.
    pub(crate) used: usize,
}

#[derive(Debug, Default)]
#[repr(align(64))]
struct Row([AtomicU64; ROW]);

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
    /// So many rows.
    pub(crate) fn of(count: usize) -> Self {
        let rows = (0..count).map(|_| Row::default()).collect();
        let locks = (0..LOCKS).map(|_| Mutex::default()).collect();
        Self { rows, locks, used: count }
    }

    /// Makes place for a batch of so many transactions. All stamps must be zero.
    pub(crate) fn prepare(&mut self, transactions: usize) {
        let wanted = transactions.saturating_mul(EACH).clamp(LEAST, MOST).next_power_of_two();
        // Some batches of tests have full rows.
        #[cfg(test)]
        let wanted = if transactions % 8 == 5 { 2 } else { wanted };
        if self.rows.len() < wanted {
            *self = Self::of(wanted);
        }
        self.used = wanted;
    }

    /// Sets all to zero: nobody has written anything.
    pub(crate) fn clear(&mut self) {
        for Row(stamps) in &mut self.rows[..self.used] {
            for stamp in stamps {
                *stamp.get_mut() = 0;
            }
        }
    }

    fn spot(&self, key: u64) -> Spot {
        // The upper bits depend on all of the key, and the tag on others than the row.
        let mixed = key.wrapping_mul(MIX[0]);
        let row = (mixed >> 32) as u32 & (self.used - 1) as u32;
        let tag = ((mixed ^ (mixed >> 32)).wrapping_mul(MIX[1]) >> 32) as u32;
        Spot { row, tag }
    }

    pub(crate) fn account_spot(&self, address: Address) -> Spot {
        self.spot(word(address))
    }

    /// The slots of a page have one stamp: whoever touches one of them mostly touches others.
    pub(crate) fn page_spot(&self, address: Address, page: U256) -> Spot {
        let [low, _, _, high] = *page.as_limbs();
        self.spot((word(address) ^ low).wrapping_mul(MIX[1]) ^ high)
    }

    /// The stamp of a location as it is now.
    pub(crate) fn find(&self, spot: Spot) -> Stamp {
        let Spot { row, tag } = spot;
        let mut seen = 0;
        let mut at = 0;
        for (number, stamp) in self.rows[row as usize].0.iter().enumerate() {
            // Acquire: the memory is looked at afterwards.
            seen = stamp.load(Ordering::Acquire);
            at = number;
            if seen == 0 || (seen >> 32) as u32 == tag {
                break;
            }
        }
        Stamp { place: row * ROW as u32 + at as u32, tag, seen }
    }

    /// Whether the stamp of a location is the one at `place`.
    pub(crate) fn is_at(&self, spot: Spot, place: u32) -> bool {
        place / ROW as u32 == spot.row && self.find(spot).place == place
    }

    fn stamp(&self, place: u32) -> &AtomicU64 {
        &self.rows[place as usize / ROW].0[place as usize % ROW]
    }

    /// Changes a stamp that still is as `before`; false where it is not.
    pub(crate) fn change(&self, before: Stamp, after: Stamp) -> bool {
        // Release: the memory was changed before. Acquire: it is looked at next where somebody else
        // has come between.
        self.stamp(before.place)
            .compare_exchange(before.seen, after.seen, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }

    /// Counts one more write where many have written. Gives the stamp before and after.
    pub(crate) fn count(&self, found: Stamp) -> (Stamp, Stamp) {
        // Release: the memory was changed before. Added to, not set: of two writers at once neither
        // may undo the other's change. Two thousand million writes would reach the tag.
        let seen = self.stamp(found.place).fetch_add(1, Ordering::Release);
        let before = Stamp { seen, ..found };
        debug_assert_eq!(before.writers(), Writers::Many);
        (before, Stamp { seen: seen + 1, ..found })
    }

    /// Keeps others from making a stamp stand for many.
    pub(crate) fn lock(&self, found: Stamp) -> MutexGuard<'_, ()> {
        self.locks[found.place as usize % LOCKS].lock()
    }

    /// Takes the stamp of an account, which is read next.
    pub(crate) fn read_account(&self, address: Address, taken: &mut Vec<Stamp>) -> Stamp {
        let stamp = self.find(self.account_spot(address));
        taken.push(stamp);
        stamp
    }

    /// Takes the stamp of a page of storage, which is read next; it is noted down unless it is among
    /// the last few.
    pub(crate) fn read_page(&self, address: Address, page: U256, taken: &mut Vec<Stamp>) -> Stamp {
        let stamp = self.find(self.page_spot(address, page));
        let is_same = |other: &Stamp| (other.place, other.tag) == (stamp.place, stamp.tag);
        if !taken.iter().rev().take(LAST_FEW).any(is_same) {
            taken.push(stamp);
        }
        stamp
    }

    /// Whether nothing was written since the stamp was taken.
    pub(crate) fn is_current(&self, stamp: Stamp) -> bool {
        // Relaxed: what writers before the asking transaction did has been waited for.
        self.stamp(stamp.place).load(Ordering::Relaxed) == stamp.seen
    }
}
