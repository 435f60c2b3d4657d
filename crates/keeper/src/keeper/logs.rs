//! Logs that upkeeps wait for: taking them in, giving them up, finding them again after a restart.

use super::{Keeper, plan::not_charged};
use crate::{
    KeeperError, PlannedPerform,
    abi::Registry::RegistryEvents,
    decision::{Decision, Outcome},
    index::Slot,
    logs::{EmittedLog, LogBlock, LogPosition, SealedBlock, TriggerLog},
    trigger::Trigger,
};
use alloy_primitives::{U256, map::HashMap};
use alloy_sol_types::SolEventInterface;
use std::{collections::BTreeMap, sync::Arc};

/// Performs for different logs that one upkeep may have in the first round of a block; twice as many after each round in which
/// the registry refused none. Whoever makes the registry refuse them, at the lanes' cost, gets one at a time.
const FIRST_PERFORMS: u32 = 4;
const MOST_PERFORMS: u32 = 4_096;

impl Keeper {
    /// Whether an upkeep waits for logs, so that those of a sealed block must be told.
    pub fn listens(&self) -> bool {
        !self.listeners.is_empty()
    }

    /// Whether logs wait that the next block will look at or perform as it comes: not those for which something has to change
    /// first, such as the upkeep's balance. For chains that make blocks on demand.
    pub fn logs_press(&self) -> bool {
        let is_log = |slot: &&Slot| self.book.log(**slot).is_some();
        let mut unseen = self.dirty.iter().filter(is_log);
        let mut due = self.due.iter().filter(is_log);
        unseen.any(|slot| self.book.entry(*slot).is_some_and(|entry| entry.evaluated_in == 0))
            || due.any(|slot| self.book.outcome(*slot).is_some_and(Outcome::waits_for_next_block))
    }

    /// Takes over what waited when block `head` was sealed, from the record that was made of it and from its logs, so that a
    /// restart keeps the queue and its order. To be called after [`Keeper::load`] or [`Keeper::reload`].
    ///
    /// `block` answers the block with this number, for logs that have been waiting since earlier blocks.
    ///
    /// # Errors
    /// [`KeeperError::Record`] where the record cannot be decoded. A log that is not where the record says is given up with an
    /// error in the node's log: a chain that cannot be opened would help nobody.
    pub fn restore_queue<E: From<KeeperError>>(
        &mut self,
        record: &[u8],
        head: &SealedBlock,
        mut block: impl FnMut(u64) -> Result<Option<SealedBlock>, E>,
    ) -> Result<(), E> {
        let mut waiting: BTreeMap<LogPosition, Vec<Decision>> = BTreeMap::new();
        let decisions = crate::decode_decisions(record)?;
        self.alone = not_charged(&decisions);
        for decision in decisions {
            let since = match decision.outcome {
                Outcome::Deferred { since, .. } => Some(since),
                _ => None,
            };
            match decision.log {
                Some(position) if !decision.outcome.ends_log() => {
                    waiting.entry(position).or_default().push(decision);
                }
                None if since.is_some() => {
                    self.set_due_since(self.book.slot(decision.upkeep), since)
                }
                _ => {}
            }
        }
        let mut at: Option<SealedBlock> = None;
        for (position, decisions) in waiting {
            let sealed = match at.take() {
                Some(sealed) if sealed.number == position.block_number => Some(sealed),
                _ => block(position.block_number)?,
            };
            let log = sealed.as_ref().and_then(|sealed| {
                let log =
                    sealed.logs.iter().find(|log| u64::from(log.index) == position.log_index)?;
                Some((sealed, log))
            });
            let Some((block, log)) = log else {
                tracing::error!(
                    block = position.block_number,
                    log = position.log_index,
                    upkeeps = decisions.len(),
                    "the keeper's record names a waiting log that is not there: it is given up"
                );
                continue;
            };
            for decision in decisions {
                self.restore_log(&decision, block.into(), log);
            }
            at = sealed;
        }
        self.end_logs(head);
        Ok(())
    }

    fn restore_log(&mut self, decision: &Decision, block: LogBlock, log: &EmittedLog) {
        let Some(upkeep) = self.book.slot(decision.upkeep) else { return };
        let Some(info) = self.book.info(upkeep) else { return };
        let same_block = matches!(info.trigger, Trigger::Log { same_block: true, .. });
        let log = Arc::new(TriggerLog::new(log, block, same_block));
        let Some(slot) = self.wait_with(upkeep, log) else { return };
        if let Outcome::Deferred { since, .. } = decision.outcome {
            self.set_due_since(Some(slot), Some(since));
        } else {
            // Stands until the next evaluation, as it would without the restart.
            self.book.set_outcome(slot, decision.outcome.clone());
        }
        if decision.outcome == Outcome::Paused {
            self.dirty.remove(&slot);
        }
    }

    fn set_due_since(&mut self, slot: Option<Slot>, since: Option<u64>) {
        if let Some(entry) = slot.and_then(|slot| self.book.entry_mut(slot)) {
            entry.due_since = since;
        }
    }

    /// At the end of a block: gives up what has waited for too long, and takes in what is to be delivered from the next
    /// block on.
    pub(super) fn end_logs(&mut self, block: &SealedBlock) {
        for slot in self.book.drop_old_logs(block.number) {
            self.forget(slot);
        }
        self.take_in_logs(block.into(), &block.logs, false);
    }

    /// Lets those wait with `logs` whom they make due.
    pub(super) fn take_in_logs(&mut self, block: LogBlock, logs: &[EmittedLog], same_block: bool) {
        if self.listeners.is_empty() {
            return;
        }
        let mut registered = None;
        for log in logs {
            let mut shared = None;
            for upkeep in self.listeners.of(&log.log, same_block) {
                let Some(info) = self.book.info(upkeep) else { continue };
                if info.registered_block == block.number {
                    let registered =
                        registered.get_or_insert_with(|| registrations(self.config.registry, logs));
                    // What was emitted before somebody listened is none of theirs.
                    if registered.get(&info.id).is_some_and(|index| log.index < *index) {
                        continue;
                    }
                }
                // All of them know the log by its block, or none does.
                let log = shared
                    .get_or_insert_with(|| Arc::new(TriggerLog::new(log, block, same_block)))
                    .clone();
                self.wait_with(upkeep, log);
            }
        }
    }

    fn wait_with(&mut self, upkeep: Slot, log: Arc<TriggerLog>) -> Option<Slot> {
        let slot = self.book.add_log(upkeep, log)?;
        self.dirty.insert(slot);
        Some(slot)
    }

    /// How many performs an upkeep may have for logs in the next round.
    pub(super) fn allowance(&self, upkeep: U256) -> u32 {
        self.open.allowances.get(&upkeep).copied().unwrap_or(FIRST_PERFORMS)
    }

    /// Changes allowances by what became of performs for logs: of each upkeep, whether one was refused.
    pub(super) fn change_allowances(&mut self, refused: BTreeMap<U256, bool>) {
        for (upkeep, refused) in refused {
            let next = match self.allowance(upkeep) {
                _ if refused => 1,
                1 => 1,
                allowance => (allowance * 2).min(MOST_PERFORMS),
            };
            self.open.allowances.insert(upkeep, next);
        }
    }

    /// What a perform is for: an upkeep, or a log that it is due for.
    pub(super) fn slot_of(&mut self, perform: &PlannedPerform) -> Option<Slot> {
        let upkeep = self.book.slot(perform.upkeep)?;
        let Some(key) = perform.log_key() else { return Some(upkeep) };
        self.book.log_slot(key).or_else(|| {
            // Read back from the journal before the log of its own block was.
            self.book.add_log(upkeep, Arc::new(perform.place_of_log()?))
        })
    }
}

/// Where in `logs` upkeeps were registered.
fn registrations(registry: alloy_primitives::Address, logs: &[EmittedLog]) -> HashMap<U256, u32> {
    let of_registry = logs.iter().filter(|emitted| emitted.log.address == registry);
    of_registry
        .filter_map(|emitted| match RegistryEvents::decode_log(&emitted.log).ok()?.data {
            RegistryEvents::UpkeepRegistered(event) => Some((event.id, emitted.index)),
            _ => None,
        })
        .collect()
}
