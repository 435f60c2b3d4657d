//! Upkeeps whose evaluation costs much and fails, again and again: they are looked at more and more seldom.

use crate::{check::Verdict, config::MOST_BACK_OFF_BLOCKS, index::Slot};
use std::collections::{BTreeMap, BTreeSet};

/// How often an upkeep has failed in a row, and when it is looked at again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Streak {
    failures: u32,
    failed_in: u64,
    again_in: u64,
}

/// Those that back off: after the first failure for one block, then for two, four and so on, up to
/// [`MOST_BACK_OFF_BLOCKS`]. What they read is watched all the same: a change wakes them at once.
#[derive(Debug, Default)]
pub(super) struct BackOff {
    streaks: BTreeMap<Slot, Streak>,
    by_block: BTreeSet<(u64, Slot)>,
}

impl BackOff {
    /// Whether a verdict is a failure of the upkeep's own contract; a condition that does not hold, or money that lacks, is none.
    pub(super) fn is_failure(verdict: &Verdict) -> bool {
        matches!(
            verdict,
            Verdict::CheckReverted(_) | Verdict::CheckOutOfGas | Verdict::SimulationReverted(_)
        )
    }

    /// Notes a failure in `block`. Several in one block count once.
    pub(super) fn failed(&mut self, slot: Slot, block: u64) {
        let failures = match self.take(slot) {
            Some(former) if former.failed_in == block => former.failures,
            Some(former) => former.failures.saturating_add(1),
            None => 1,
        };
        let blocks = 1_u64.checked_shl(failures - 1).unwrap_or(u64::MAX).min(MOST_BACK_OFF_BLOCKS);
        let again_in = block.saturating_add(blocks);
        self.by_block.insert((again_in, slot));
        self.streaks.insert(slot, Streak { failures, failed_in: block, again_in });
    }

    /// Ends a streak.
    pub(super) fn end(&mut self, slot: Slot) {
        self.take(slot);
    }

    fn take(&mut self, slot: Slot) -> Option<Streak> {
        let streak = self.streaks.remove(&slot)?;
        self.by_block.remove(&(streak.again_in, slot));
        Some(streak)
    }

    /// Those whose time has come in `block`.
    pub(super) fn due(&self, block: u64) -> impl Iterator<Item = Slot> {
        self.by_block.range(..=(block, Slot::MAX)).map(|(_, slot)| *slot)
    }

    /// All that back off.
    pub(super) fn all(&self) -> impl Iterator<Item = Slot> {
        self.streaks.keys().copied()
    }

    /// The block in which one of them is looked at again.
    pub(super) fn again_in(&self, slot: Slot) -> Option<u64> {
        self.streaks.get(&slot).map(|streak| streak.again_in)
    }

    /// The first block in which any of them is.
    pub(super) fn next(&self) -> Option<u64> {
        self.by_block.first().map(|(block, _)| *block)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound_and_end_with_the_streak() {
        let mut back_off = BackOff::default();
        let (mut block, mut waits) = (10, Vec::new());
        for _ in 0..80 {
            back_off.failed(3, block);
            back_off.failed(3, block); // in a later tick of the same block
            let again = back_off.again_in(3).unwrap();
            assert_eq!(back_off.next(), Some(again));
            assert_eq!(back_off.due(again - 1).count(), 0);
            assert_eq!(back_off.due(again).collect::<Vec<_>>(), [3]);
            waits.push(again - block);
            block = again;
        }
        assert_eq!(waits[..8], [1, 2, 4, 8, 16, 32, 64, 64]);
        assert!(waits[8..].iter().all(|wait| *wait == MOST_BACK_OFF_BLOCKS));
        back_off.end(3);
        assert_eq!((back_off.again_in(3), back_off.next()), (None, None));
        back_off.failed(3, block);
        assert_eq!(back_off.again_in(3), Some(block + 1));
    }
}
