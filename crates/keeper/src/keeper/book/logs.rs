//! Logs in the book: each waits in an entry of its own with the upkeep that it made due.

use super::{Book, Entry, Subject, WaitingLog};
use crate::{
    config::{LOG_PATIENCE_BLOCKS, MAX_WAITING_LOGS},
    decision::{DropReason, Outcome},
    index::Slot,
    logs::TriggerLog,
};
use alloy_primitives::B256;
use std::{collections::BTreeSet, sync::Arc};

impl Book {
    /// Lets a log wait with `upkeep`. Returns its slot where it is to be evaluated; it is not where it stands in the book
    /// already, or where too many wait. The first that is too much has a decision that says so, for itself and for all later ones of
    /// its block.
    pub(in crate::keeper) fn add_log(
        &mut self,
        upkeep: Slot,
        log: Arc<TriggerLog>,
    ) -> Option<Slot> {
        let key = log.key(self.info(upkeep)?.id);
        if let Some(slot) = self.log_slot(key) {
            return self.replace_placeholder(slot, log);
        }
        let waiting = self.logs.get(&upkeep).map_or(0, |logs| logs.len());
        let too_many = waiting >= MAX_WAITING_LOGS;
        if too_many {
            let owner = self.entry_mut(upkeep)?;
            if std::mem::replace(&mut owner.full_in, log.block) == log.block {
                return None;
            }
        }
        let slot = self.place(Entry::new(Subject::Log(Box::new(WaitingLog { upkeep, key, log }))));
        self.by_key.insert(key, slot);
        self.logs.entry(upkeep).or_default().insert(slot);
        if too_many {
            self.set_outcome(slot, Outcome::Dropped { reason: DropReason::TooMany });
            return None;
        }
        Some(slot)
    }

    /// Puts a log in the place that was held for it; returns the slot where something may still become of it.
    fn replace_placeholder(&mut self, slot: Slot, log: Arc<TriggerLog>) -> Option<Slot> {
        let entry = self.entry_mut(slot)?;
        match &mut entry.subject {
            Subject::Log(waiting) if waiting.log.is_placeholder() => waiting.log = log,
            _ => return None,
        }
        (!entry.gone).then_some(slot)
    }

    pub(super) fn unlink_log(&mut self, upkeep: Slot, slot: Slot, key: B256) {
        self.by_key.remove(&key);
        if let Some(logs) = self.logs.get_mut(&upkeep) {
            logs.remove(&slot);
            if logs.is_empty() {
                self.logs.remove(&upkeep);
            }
        }
    }

    /// Where the log with this key in the registry stands.
    pub(in crate::keeper) fn log_slot(&self, key: B256) -> Option<Slot> {
        self.by_key.get(&key).copied()
    }

    /// The log that an entry is about; `None` for an upkeep.
    pub(in crate::keeper) fn log(&self, slot: Slot) -> Option<&TriggerLog> {
        self.owner(slot)?.1
    }

    /// The upkeep's own entry, and the log that this one is about.
    pub(in crate::keeper) fn owner(&self, slot: Slot) -> Option<(Slot, Option<&TriggerLog>)> {
        match &self.entry(slot)?.subject {
            Subject::Upkeep(_) => Some((slot, None)),
            Subject::Log(waiting) => Some((waiting.upkeep, Some(&waiting.log))),
        }
    }

    /// Logs of `upkeep` of which something may still become.
    pub(in crate::keeper) fn waiting_logs(&self, upkeep: Slot) -> Vec<Slot> {
        let logs = self.logs.get(&upkeep).into_iter().flatten().copied();
        logs.filter(|slot| self.entry(*slot).is_some_and(|entry| !entry.gone)).collect()
    }

    /// Whether the last evaluation of an upkeep, or for one of its logs, cost much and came to nothing.
    pub(in crate::keeper) fn is_wasteful(&self, slot: Slot) -> bool {
        let owner = self.owner(slot).and_then(|(upkeep, _)| self.entry(upkeep));
        owner.is_some_and(|entry| entry.wasteful)
    }

    /// Notes with the upkeep that it, or one of its logs, was evaluated, and whether that was wasteful.
    pub(in crate::keeper) fn note_evaluation(&mut self, slot: Slot, block: u64, wasteful: bool) {
        let owner = self.owner(slot).map(|(upkeep, _)| upkeep);
        if let Some(entry) = owner.and_then(|upkeep| self.entry_mut(upkeep)) {
            entry.wasteful = wasteful;
            entry.evaluated_in = block;
        }
    }

    /// How many logs wait, those that end with the open block included.
    pub(in crate::keeper) fn logs(&self) -> usize {
        self.by_key.len()
    }

    /// True for a log of which nothing more becomes, and for a cancelled upkeep.
    pub(in crate::keeper) fn is_over(&self, slot: Slot) -> bool {
        self.entry(slot).is_none_or(|entry| entry.gone)
    }

    /// Gives up logs that have waited for too long in block `number`, save those that only lack gas or a lane. The record of
    /// the block to come tells of it. Returns their slots.
    pub(in crate::keeper) fn drop_old_logs(&mut self, number: u64) -> Vec<Slot> {
        if self.by_key.is_empty() {
            return Vec::new();
        }
        let old: Vec<_> = self
            .outcomes
            .iter()
            .filter(|(slot, outcome)| {
                let block = self.log(**slot).map(|log| log.block);
                block.is_some_and(|block| block.saturating_add(LOG_PATIENCE_BLOCKS) <= number)
                    && !outcome.ends_log()
                    && !matches!(outcome, Outcome::Deferred { .. })
            })
            .map(|(slot, _)| *slot)
            .collect();
        for slot in &old {
            self.set_outcome(*slot, Outcome::Dropped { reason: DropReason::TooOld });
        }
        old
    }

    /// What became of the newest of an upkeep's logs in the open block.
    pub(super) fn newest_log_outcome(&self, upkeep: Slot) -> Option<&Outcome> {
        let logs = self.logs.get(&upkeep)?.iter();
        let told =
            logs.filter_map(|slot| Some((self.log(*slot)?.position(), self.outcome(*slot)?)));
        told.max_by_key(|(position, _)| *position).map(|(_, outcome)| outcome)
    }

    /// Keeps with each upkeep what became of the newest of the logs that are about to leave.
    pub(super) fn keep_last_log_outcomes(&mut self) {
        let upkeeps: BTreeSet<_> = self
            .gone
            .iter()
            .filter_map(|slot| self.owner(*slot))
            .filter_map(|(upkeep, log)| log.map(|_| upkeep))
            .collect();
        for upkeep in upkeeps {
            let outcome = self.newest_log_outcome(upkeep).cloned();
            if let (Some(outcome), Some(info)) = (outcome, self.info_mut(upkeep)) {
                info.last_outcome = Some(Box::new(outcome));
            }
        }
    }
}
