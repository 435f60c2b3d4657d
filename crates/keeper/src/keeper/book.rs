//! The keeper's book of upkeeps: what it knows of each, and each one's outcome in the open block.

mod logs;

use crate::{
    BlockDecisions,
    check::Verdict,
    decision::{Decision, DeferReason, Outcome},
    index::Slot,
    logs::TriggerLog,
    trigger::{DueAt, Trigger},
    upkeep::UpkeepInfo,
};
use alloy_primitives::{
    B256, Bytes, U256,
    map::{B256Map, HashMap, HashSet},
};
use hashbrown::HashTable;
use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
};

/// What an entry of the book is about.
#[derive(Debug)]
enum Subject {
    /// An upkeep.
    Upkeep(Box<UpkeepInfo>),
    /// A log for which an upkeep, in another entry, may have to be performed.
    Log(Box<WaitingLog>),
}

/// A log that waits.
#[derive(Debug)]
struct WaitingLog {
    upkeep: Slot,
    /// Its key in the registry.
    key: B256,
    log: Arc<TriggerLog>,
}

/// One entry of the book: an upkeep, or a log that one waits with.
#[derive(Debug)]
pub(super) struct Entry {
    subject: Subject,
    /// Perform data where a perform is due.
    pub(super) due_data: Option<Box<Bytes>>,
    /// The block since which it is due.
    pub(super) due_since: Option<u64>,
    /// The block in which a perform was last planned or seen; 0: none, as the keeper begins with block 1.
    pub(super) performed_in: u64,
    /// The block in which it was last evaluated; 0: none.
    pub(super) evaluated_in: u64,
    /// Not needed when last looked at; all other outcomes stand in `Book::outcomes`.
    not_needed: bool,
    /// Over: a cancelled upkeep, or a log of which nothing more becomes. Leaves when the block is sealed.
    gone: bool,
    /// An upkeep whose last evaluation cost much and came to nothing.
    pub(super) wasteful: bool,
    /// The block of the last log that found too many waiting with this upkeep; 0: none.
    full_in: u64,
}

impl Entry {
    fn new(subject: Subject) -> Self {
        Self {
            subject,
            due_data: None,
            due_since: None,
            performed_in: 0,
            evaluated_in: 0,
            not_needed: false,
            gone: false,
            wasteful: false,
            full_in: 0,
        }
    }

    /// The id of the upkeep that this is.
    fn id(&self) -> Option<U256> {
        match &self.subject {
            Subject::Upkeep(info) => Some(info.id),
            Subject::Log(_) => None,
        }
    }
}

/// All upkeeps, and the logs that wait with them.
#[derive(Debug, Default)]
pub(super) struct Book {
    entries: Vec<Option<Entry>>,
    free: Vec<Slot>,
    /// Upkeeps by id, which stands in the entry alone.
    by_id: HashTable<Slot>,
    hasher: RandomState,
    /// Logs, by their key in the registry.
    by_key: B256Map<Slot>,
    /// Logs of each upkeep that has any.
    logs: HashMap<Slot, BTreeSet<Slot>>,
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
        let is_it = |slot: &Slot| self.entry(*slot).and_then(Entry::id) == Some(id);
        self.by_id.find(self.hasher.hash_one(id), is_it).copied()
    }

    pub(super) fn entry(&self, slot: Slot) -> Option<&Entry> {
        self.entries.get(slot as usize)?.as_ref()
    }

    pub(super) fn entry_mut(&mut self, slot: Slot) -> Option<&mut Entry> {
        self.entries.get_mut(slot as usize)?.as_mut()
    }

    /// The upkeep that an entry is, or whose log it is.
    pub(super) fn info(&self, slot: Slot) -> Option<&UpkeepInfo> {
        match &self.entry(slot)?.subject {
            Subject::Upkeep(info) => Some(info),
            Subject::Log(waiting) => self.info(waiting.upkeep),
        }
    }

    fn info_mut(&mut self, slot: Slot) -> Option<&mut UpkeepInfo> {
        match &mut self.entry_mut(slot)?.subject {
            Subject::Upkeep(info) => Some(info),
            Subject::Log(_) => None,
        }
    }

    /// All entries, logs included.
    pub(super) fn slots(&self) -> impl Iterator<Item = Slot> {
        self.iter().map(|(slot, _)| slot)
    }

    fn iter(&self) -> impl Iterator<Item = (Slot, &Entry)> {
        (0..).zip(&self.entries).filter_map(|(slot, entry)| Some((slot, entry.as_ref()?)))
    }

    /// Enters a new upkeep, or the new status of a known one.
    pub(super) fn put(&mut self, info: Box<UpkeepInfo>) -> Slot {
        if let Some(slot) = self.slot(info.id) {
            self.leave_schedule(slot);
            if let Some(known) = self.info_mut(slot) {
                let last_outcome = known.last_outcome.take();
                *known = UpkeepInfo { last_outcome, ..*info };
            }
            self.enter_schedule(slot);
            return slot;
        }
        let id = info.id;
        let slot = self.place(Entry::new(Subject::Upkeep(info)));
        let Self { by_id, entries, hasher, .. } = self;
        by_id.insert_unique(hasher.hash_one(id), slot, |slot| {
            let id = entries[*slot as usize].as_ref().and_then(Entry::id);
            hasher.hash_one(id.expect("an upkeep leaves the table with the book"))
        });
        self.active += 1;
        self.enter_schedule(slot);
        slot
    }

    fn place(&mut self, entry: Entry) -> Slot {
        let slot = self.free.pop().unwrap_or(self.entries.len() as Slot);
        if slot as usize == self.entries.len() {
            self.entries.push(Some(entry));
        } else {
            self.entries[slot as usize] = Some(entry);
        }
        slot
    }

    /// Marks an upkeep as cancelled; it leaves the book when the block is sealed.
    pub(super) fn cancel(&mut self, slot: Slot) {
        self.leave_schedule(slot);
        if let Some(info) = self.info_mut(slot) {
            info.active = false;
        }
        let performed = self.outcome(slot).is_some_and(Outcome::is_performed);
        self.end(slot);
        if !performed {
            self.set_outcome(slot, Outcome::Cancelled);
        }
    }

    /// Marks an entry as one that leaves when the block is sealed.
    fn end(&mut self, slot: Slot) {
        let Some(entry) = self.entry_mut(slot) else { return };
        entry.due_data = None;
        entry.due_since = None;
        if !std::mem::replace(&mut entry.gone, true) {
            self.gone.push(slot);
        }
    }

    /// Takes an entry out.
    pub(super) fn remove(&mut self, slot: Slot) {
        self.set_not_needed(slot, false);
        self.outcomes.remove(&slot);
        let Some(entry) = self.entries.get_mut(slot as usize).and_then(Option::take) else {
            return;
        };
        self.free.push(slot);
        match entry.subject {
            Subject::Upkeep(info) => {
                let hash = self.hasher.hash_one(info.id);
                if let Ok(known) = self.by_id.find_entry(hash, |other| *other == slot) {
                    known.remove();
                }
                self.active -= 1;
            }
            Subject::Log(waiting) => self.unlink_log(waiting.upkeep, slot, waiting.key),
        }
    }

    fn enter_schedule(&mut self, slot: Slot) {
        match self.info(slot).and_then(UpkeepInfo::due_at) {
            Some(DueAt::Block(block)) => self.by_block.insert((block, slot)),
            Some(DueAt::Millisecond(ms)) => self.by_millisecond.insert((ms, slot)),
            None => false,
        };
    }

    fn leave_schedule(&mut self, slot: Slot) {
        match self.info(slot).and_then(UpkeepInfo::due_at) {
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
        if self.log(slot).is_some() && outcome.ends_log() {
            self.end(slot);
        }
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
        entry.evaluated_in = block;
        match &mut entry.subject {
            // What became of a log stays told.
            Subject::Upkeep(info) if !matches!(info.trigger, Trigger::Log { .. }) => {
                info.last_outcome = None;
            }
            _ => {}
        }
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
                entry.due_data = Some(Box::new(data));
                Outcome::Deferred { reason: DeferReason::NotCheckedYet, since }
            }
        };
        let can_be_performed = entry.due_data.is_some();
        self.set_outcome(slot, outcome);
        can_be_performed
    }

    /// The decisions of the block, with an outcome for those that no round has seen yet.
    pub(super) fn decisions(&mut self, block: u64) -> BlockDecisions {
        if self.not_needed + self.outcomes.len() < self.active + self.by_key.len() {
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
        let mut told_by_logs: HashSet<Slot> = HashSet::default();
        let mut decisions: Vec<_> = self
            .outcomes
            .iter()
            .filter_map(|(slot, outcome)| {
                let (upkeep, log) = self.owner(*slot)?;
                if log.is_some() && self.entry(upkeep)?.not_needed {
                    told_by_logs.insert(upkeep);
                }
                let info = self.info(upkeep)?;
                let log = log.map(TriggerLog::position);
                let decision = Decision { block, upkeep: info.id, log, outcome: outcome.clone() };
                Some((info.registration_order(), decision))
            })
            .collect();
        decisions.sort_by_key(|(order, decision)| (*order, decision.log));
        BlockDecisions {
            block,
            active: self.active as u64,
            not_needed: (self.not_needed - told_by_logs.len()) as u64,
            decisions: decisions.into_iter().map(|(_, decision)| decision).collect(),
        }
    }

    /// Ends the block: cancelled upkeeps and finished logs leave, performed upkeeps wait for their next evaluation.
    /// Returns the slots that left and those that are to be evaluated again.
    pub(super) fn end_block(&mut self) -> (Vec<Slot>, Vec<Slot>) {
        self.keep_last_log_outcomes();
        let gone = std::mem::take(&mut self.gone);
        for slot in &gone {
            self.remove(*slot);
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
            let Some(info) = self.info_mut(slot) else { continue };
            info.last_outcome = outcome.map(Box::new);
            if info.paused {
                self.set_outcome(slot, Outcome::Paused); // paused after it was performed
            } else {
                again.push(slot);
            }
        }
        (gone, again)
    }

    /// An upkeep with its newest outcome; `None` for a log.
    pub(super) fn describe(&self, slot: Slot) -> Option<UpkeepInfo> {
        let entry = self.entry(slot)?;
        let Subject::Upkeep(info) = &entry.subject else { return None };
        let mut info = UpkeepInfo::clone(info);
        if let Some(outcome) = self.newest_log_outcome(slot).or_else(|| self.outcome(slot)) {
            info.last_outcome = Some(Box::new(outcome.clone()));
        } else if entry.not_needed && info.last_outcome.is_none() {
            info.last_outcome = Some(Box::new(Outcome::NotNeeded));
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
