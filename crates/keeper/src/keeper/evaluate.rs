//! Which upkeeps a round evaluates, in what order, and how much that may cost.

use super::{Keeper, backoff::BackOff};
use crate::{
    KeeperError,
    check::{Evaluation, Evaluator, Verdict},
    config::WASTEFUL_CHECK_GAS,
    decision::{DeferReason, Outcome},
    index::Slot,
    stats,
    trigger::Trigger,
};
use alloy_primitives::map::HashMap;
use rayon::prelude::*;
use std::collections::BTreeSet;

/// Fewer evaluations than this are not worth other threads.
const PARALLEL_FROM: usize = 4;
/// Evaluations between two looks at the gas that they may take: usual ones, and those of the wasteful.
const EVALUATED_AT_ONCE: [usize; 2] = [32, 4];
/// The same where they may take what they want; what they have read is held for this many.
const EVALUATED_FREELY: usize = 4_096;
/// The part of the check gas that the wasteful have.
const WASTEFUL_PART: u64 = 10;

impl Keeper {
    /// Lets those be evaluated who are to be in each block, and who have backed off until `number`.
    pub(super) fn wake_for_block(&mut self, number: u64) {
        self.dirty.extend(self.every_block.iter().copied().chain(self.back_off.due(number)));
    }

    pub(super) fn may_evaluate(&self, slot: Slot, number: u64) -> bool {
        let (Some(entry), Some(info)) = (self.book.entry(slot), self.book.info(slot)) else {
            return false;
        };
        info.active
            && !info.paused
            && !self.book.is_over(slot)
            && entry.performed_in != number
            // One upkeep may be performed for many logs of a block.
            && (matches!(info.trigger, Trigger::Log { .. }) || info.last_performed_block != number)
    }

    /// Upkeeps to evaluate in this round; those that wait for the next block stay dirty.
    pub(super) fn candidates(&mut self, number: u64, time_ms: u64) -> Vec<Slot> {
        let scheduled: Vec<_> = self
            .book
            .scheduled(number, time_ms)
            .filter(|slot| {
                let evaluated = self.book.entry(*slot).map(|entry| entry.evaluated_in);
                let judged_not_needed = self.book.outcome(*slot).is_none();
                evaluated != Some(number) || judged_not_needed
            })
            .collect();
        self.dirty.extend(scheduled);
        let (now, later) = std::mem::take(&mut self.dirty)
            .into_iter()
            .partition::<BTreeSet<_>, _>(|slot| self.may_evaluate(*slot, number));
        self.dirty = later;
        now.into_iter().collect()
    }

    /// Evaluates `candidates` as far as this block's check gas goes: whoever was evaluated longest ago comes first, and those who
    /// waste it come last, with a share of their own. The others stay dirty.
    pub(super) fn evaluate(
        &mut self,
        evaluator: &Evaluator<'_>,
        number: u64,
        candidates: &[Slot],
    ) -> Result<(), KeeperError> {
        let free = self.fresh || self.config.check_everything;
        let order = self.in_turn(candidates);
        let wasteful = order.partition_point(|slot| !self.book.is_wasteful(*slot));
        let (usual, wasteful) = order.split_at(wasteful);
        let gas = self.config.check_gas_per_block;
        for (class, slots, limit) in [(0, usual, gas), (1, wasteful, gas / WASTEFUL_PART)] {
            let size = if free { EVALUATED_FREELY } else { EVALUATED_AT_ONCE[class] };
            for some in slots.chunks(size) {
                if !free && self.open.check_gas[class] >= limit {
                    self.leave_unchecked(number, some);
                    continue;
                }
                match self.evaluate_all(evaluator, some) {
                    Ok(evaluations) => {
                        let gas = self.take_over(number, some, evaluations);
                        let taken = &mut self.open.check_gas[class];
                        *taken = taken.saturating_add(gas);
                    }
                    Err(error) => {
                        self.dirty.extend(candidates); // so that nothing is lost when the chain tries again
                        return Err(error);
                    }
                }
            }
        }
        // those evaluated in this very round are up to date
        for slot in candidates {
            let unchecked = matches!(
                self.book.outcome(*slot),
                Some(Outcome::Deferred { reason: DeferReason::CheckGas, .. })
            );
            if !unchecked {
                self.dirty.remove(slot);
            }
        }
        self.fresh = false;
        Ok(())
    }

    /// `candidates` in the order in which they have a claim to check gas: of each upkeep one log after all others' first, then whoever
    /// was evaluated longest ago.
    fn in_turn(&self, candidates: &[Slot]) -> Vec<Slot> {
        let mut nth_of: HashMap<Slot, u32> = HashMap::default();
        let mut order: Vec<_> = candidates
            .iter()
            .map(|slot| {
                let owner = self.book.owner(*slot).map_or(*slot, |(upkeep, _)| upkeep);
                let nth = nth_of.entry(owner).or_default();
                *nth += 1;
                let evaluated_in = self.book.entry(owner).map_or(0, |entry| entry.evaluated_in);
                ((self.book.is_wasteful(*slot), *nth, evaluated_in), *slot)
            })
            .collect();
        order.sort_unstable();
        order.into_iter().map(|(_, slot)| slot).collect()
    }

    /// Notes that `slots` may be due, and that nobody has looked.
    fn leave_unchecked(&mut self, number: u64, slots: &[Slot]) {
        for slot in slots {
            self.dirty.insert(*slot);
            self.due.remove(slot);
            let Some(entry) = self.book.entry_mut(*slot) else { continue };
            entry.due_data = None;
            let since = *entry.due_since.get_or_insert(number);
            self.book
                .set_outcome(*slot, Outcome::Deferred { reason: DeferReason::CheckGas, since });
        }
    }

    fn evaluate_all(
        &self,
        evaluator: &Evaluator<'_>,
        slots: &[Slot],
    ) -> Result<Vec<Evaluation>, KeeperError> {
        let evaluate = |slot: &Slot| {
            let info = self.book.info(*slot).expect("candidates stand in the book");
            evaluator.evaluate(info, self.book.log(*slot))
        };
        if slots.len() < PARALLEL_FROM {
            slots.iter().map(evaluate).collect()
        } else {
            slots.par_iter().map(evaluate).collect()
        }
    }

    /// Takes over what was found of `slots`; returns the gas that it took.
    fn take_over(&mut self, number: u64, slots: &[Slot], evaluations: Vec<Evaluation>) -> u64 {
        let mut gas = 0_u64;
        self.evaluations += slots.len() as u64;
        stats::count_evaluations(slots.len());
        for (slot, evaluation) in slots.iter().zip(evaluations) {
            gas = gas.saturating_add(evaluation.reads.gas);
            let wasteful = !matches!(evaluation.verdict, Verdict::Due(_))
                && evaluation.reads.gas >= WASTEFUL_CHECK_GAS;
            self.book.note_evaluation(*slot, number, wasteful);
            if evaluation.verdict == Verdict::NotNeeded && self.book.log(*slot).is_some() {
                // The target has looked at the log and does not want it.
                self.forget(*slot);
                self.book.remove(*slot);
                continue;
            }
            self.index.enter(*slot, &evaluation.reads, &mut self.dirty);
            self.every_block.remove(slot);
            if evaluation.every_block && wasteful && BackOff::is_failure(&evaluation.verdict) {
                self.back_off.failed(*slot, number);
            } else {
                self.back_off.end(*slot);
                if evaluation.every_block {
                    self.every_block.insert(*slot);
                }
            }
            if self.book.judge(*slot, evaluation.verdict, number) {
                self.due.insert(*slot);
            } else {
                self.due.remove(slot);
            }
        }
        gas
    }
}
