//! The keeper's book of upkeeps: what it knows of each, and each one's outcome in the open block.

use crate::{
    check::Verdict,
    decision::{BlockDecisions, Decision, DeferReason, Outcome},
    index::Slot,
    trigger::DueAt,
    upkeep::UpkeepInfo,
};
use alloy_primitives::{U256, map::HashMap};
use std::collections::{BTreeMap, BTreeSet};

/// One upkeep in the book.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) info: UpkeepInfo,
    /// Perform data of an upkeep that is due.
    pub(super) due_data: Option<alloy_primitives::Bytes>,
    /// The block since which it is due.
    pub(super) due_since: Option<u64>,
    /// The block in which a perform was last planned or seen.
    pub(super) performed_in: Option<u64>,
    /// The block in which it was last evaluated.
    pub(super) evaluated_in: Option<u64>,
    /// Not needed when last looked at; all other outcomes stand in `Book::outcomes`.
    not_needed: bool,
    /// Cancelled in the open block; leaves the book when that is sealed.
    gone: bool,
}

/// All upkeeps.
#[derive(Debug, Default)]
pub(super) struct Book {
    entries: Vec<Option<Entry>>,
    free: Vec<Slot>,
    by_id: HashMap<U256, Slot>,
    active: usize,
    not_needed: usize,
    /// Outcomes in the open block other than "not needed".
    outcomes: BTreeMap<Slot, Outcome>,
    /// Interval and cron upkeeps by when they are due next.
    by_block: BTreeSet<(u64, Slot)>,
    by_millisecond: BTreeSet<(u64, Slot)>,
    gone: Vec<Slot>,
}

impl Book {
    pub(super) fn slot(&self, id: U256) -> Option<Slot> {
        self.by_id.get(&id).copied()
    }

    pub(super) fn entry(&self, slot: Slot) -> Option<&Entry> {
        self.entries.get(slot as usize)?.as_ref()
    }

    pub(super) fn entry_mut(&mut self, slot: Slot) -> Option<&mut Entry> {
        self.entries.get_mut(slot as usize)?.as_mut()
    }

    pub(super) fn slots(&self) -> impl Iterator<Item = Slot> {
        self.iter().map(|(slot, _)| slot)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Slot, &Entry)> {
        (0..).zip(&self.entries).filter_map(|(slot, entry)| Some((slot, entry.as_ref()?)))
    }

    /// Enters a new upkeep, or the new status of a known one.
    pub(super) fn put(&mut self, info: UpkeepInfo) -> Slot {
        if let Some(slot) = self.slot(info.id) {
            self.leave_schedule(slot);
            if let Some(entry) = self.entry_mut(slot) {
                entry.info = UpkeepInfo { last_outcome: entry.info.last_outcome.take(), ..info };
            }
            self.enter_schedule(slot);
            return slot;
        }
        let id = info.id;
        let entry = Entry {
            info,
            due_data: None,
            due_since: None,
            performed_in: None,
            evaluated_in: None,
            not_needed: false,
            gone: false,
        };
        let slot = self.free.pop().unwrap_or(self.entries.len() as Slot);
        if slot as usize == self.entries.len() {
            self.entries.push(Some(entry));
        } else {
            self.entries[slot as usize] = Some(entry);
        }
        self.by_id.insert(id, slot);
        self.active += 1;
        self.enter_schedule(slot);
        slot
    }

    /// Marks an upkeep as cancelled; it leaves the book when the block is sealed.
    pub(super) fn cancel(&mut self, slot: Slot) {
        self.leave_schedule(slot);
        let Some(entry) = self.entry_mut(slot) else { return };
        entry.due_data = None;
        entry.due_since = None;
        entry.info.active = false;
        if std::mem::replace(&mut entry.gone, true) {
            return;
        }
        let performed = self.outcome(slot).is_some_and(Outcome::is_performed);
        if !performed {
            self.set_outcome(slot, Outcome::Cancelled);
        }
        self.gone.push(slot);
    }

    fn enter_schedule(&mut self, slot: Slot) {
        match self.entry(slot).and_then(|entry| entry.info.due_at()) {
            Some(DueAt::Block(block)) => self.by_block.insert((block, slot)),
            Some(DueAt::Millisecond(ms)) => self.by_millisecond.insert((ms, slot)),
            None => false,
        };
    }

    fn leave_schedule(&mut self, slot: Slot) {
        match self.entry(slot).and_then(|entry| entry.info.due_at()) {
            Some(DueAt::Block(block)) => self.by_block.remove(&(block, slot)),
            Some(DueAt::Millisecond(ms)) => self.by_millisecond.remove(&(ms, slot)),
            None => false,
        };
    }

    /// Interval upkeeps whose time has come.
    pub(super) fn scheduled(&self, block: u64, time_ms: u64) -> impl Iterator<Item = Slot> {
        let by_block = self.by_block.range(..=(block, Slot::MAX));
        let by_millisecond = self.by_millisecond.range(..=(time_ms, Slot::MAX));
        by_block.chain(by_millisecond).map(|(_, slot)| *slot)
    }

    /// The next block and the next millisecond at which an interval upkeep is due.
    pub(super) fn next_scheduled(&self) -> (Option<u64>, Option<u64>) {
        (
            self.by_block.first().map(|(block, _)| *block),
            self.by_millisecond.first().map(|(ms, _)| *ms),
        )
    }

    pub(super) fn outcome(&self, slot: Slot) -> Option<&Outcome> {
        self.outcomes.get(&slot)
    }

    /// Sets the outcome in the open block.
    pub(super) fn set_outcome(&mut self, slot: Slot, outcome: Outcome) {
        let not_needed = outcome == Outcome::NotNeeded;
        if not_needed {
            self.outcomes.remove(&slot);
        } else {
            self.outcomes.insert(slot, outcome);
        }
        self.set_not_needed(slot, not_needed);
    }

    fn set_not_needed(&mut self, slot: Slot, not_needed: bool) {
        let Some(entry) = self.entry_mut(slot) else { return };
        let before = std::mem::replace(&mut entry.not_needed, not_needed);
        self.not_needed += usize::from(not_needed);
        self.not_needed -= usize::from(before);
    }

    /// Writes a verdict into the book. Returns true where the upkeep is due and can be performed.
    pub(super) fn judge(&mut self, slot: Slot, verdict: Verdict, block: u64) -> bool {
        let Some(entry) = self.entry_mut(slot) else { return false };
        entry.evaluated_in = Some(block);
        entry.info.last_outcome = None;
        // only these have a place in the queue; the record keeps it, so a restart does too
        let due = matches!(verdict, Verdict::Due(_) | Verdict::Blocked(_));
        let since = *entry.due_since.get_or_insert(block);
        if !due {
            entry.due_since = None;
        }
        entry.due_data = None;
        let outcome = match verdict {
            Verdict::NotNeeded => Outcome::NotNeeded,
            Verdict::CheckReverted(reason) => Outcome::CheckReverted { reason },
            Verdict::CheckOutOfGas => Outcome::CheckOutOfGas,
            Verdict::SimulationReverted(reason) => Outcome::SimulationReverted { reason },
            Verdict::Underfunded(by) => Outcome::Underfunded { by },
            Verdict::Blocked(reason) => Outcome::Deferred { reason, since },
            Verdict::Due(data) => {
                entry.due_data = Some(data);
                Outcome::Deferred { reason: DeferReason::NotCheckedYet, since }
            }
        };
        let can_be_performed = entry.due_data.is_some();
        self.set_outcome(slot, outcome);
        can_be_performed
    }

    /// The decisions of the block, with an outcome for those that no round has seen yet.
    pub(super) fn decisions(&mut self, block: u64) -> BlockDecisions {
        if self.not_needed + self.outcomes.len() < self.active {
            let unseen: Vec<_> = self
                .iter()
                .filter(|(slot, entry)| !entry.not_needed && !self.outcomes.contains_key(slot))
                .map(|(slot, entry)| (slot, entry.due_since.unwrap_or(block)))
                .collect();
            for (slot, since) in unseen {
                let reason = DeferReason::NotCheckedYet;
                self.set_outcome(slot, Outcome::Deferred { reason, since });
            }
        }
        let mut decisions: Vec<_> = self
            .outcomes
            .iter()
            .filter_map(|(slot, outcome)| {
                let info = &self.entry(*slot)?.info;
                let decision = Decision { block, upkeep: info.id, outcome: outcome.clone() };
                Some((info.registration_order(), decision))
            })
            .collect();
        decisions.sort_by_key(|(order, _)| *order);
        BlockDecisions {
            block,
            active: self.active as u64,
            not_needed: self.not_needed as u64,
            decisions: decisions.into_iter().map(|(_, decision)| decision).collect(),
        }
    }

    /// Ends the block: cancelled upkeeps leave, performed ones wait for their next evaluation.
    /// Returns the slots that left and those that are to be evaluated again.
    pub(super) fn end_block(&mut self) -> (Vec<Slot>, Vec<Slot>) {
        let gone = std::mem::take(&mut self.gone);
        for slot in &gone {
            self.set_not_needed(*slot, false);
            self.outcomes.remove(slot);
            if let Some(entry) = self.entries[*slot as usize].take() {
                self.by_id.remove(&entry.info.id);
                self.free.push(*slot);
                self.active -= 1;
            }
        }
        let performed: Vec<_> = self
            .outcomes
            .iter()
            .filter(|(_, outcome)| outcome.is_performed())
            .map(|(slot, _)| *slot)
            .collect();
        let mut again = Vec::with_capacity(performed.len());
        for slot in performed {
            let outcome = self.outcomes.remove(&slot);
            let Some(entry) = self.entry_mut(slot) else { continue };
            entry.info.last_outcome = outcome;
            if entry.info.paused {
                self.set_outcome(slot, Outcome::Paused); // paused after it was performed
            } else {
                again.push(slot);
            }
        }
        (gone, again)
    }

    /// An upkeep with its newest outcome.
    pub(super) fn describe(&self, slot: Slot) -> Option<UpkeepInfo> {
        let entry = self.entry(slot)?;
        let mut info = entry.info.clone();
        if let Some(outcome) = self.outcome(slot) {
            info.last_outcome = Some(outcome.clone());
        } else if entry.not_needed {
            info.last_outcome = Some(Outcome::NotNeeded);
        }
        Some(info)
    }

    pub(super) fn active(&self) -> usize {
        self.active
    }

    pub(super) fn not_needed(&self) -> usize {
        self.not_needed
    }

    pub(super) fn count_outcomes(&self, wanted: impl Fn(&Outcome) -> bool) -> usize {
        self.outcomes.values().filter(|outcome| wanted(outcome)).count()
    }
}
