//! Logs that upkeeps wait for: taking them in, giving them up, finding them again after a restart.

use super::Keeper;
use crate::{
    KeeperError, PlannedPerform,
    abi::Registry::RegistryEvents,
    decision::{Decision, Outcome},
    index::Slot,
    logs::{EmittedLog, LogPosition, SealedBlock, TriggerLog},
    trigger::Trigger,
};
use alloy_primitives::{B256, U256, map::HashMap};
use alloy_sol_types::SolEventInterface;
use std::{collections::BTreeMap, sync::Arc};

/// The block in which logs stand.
#[derive(Clone, Copy, Debug)]
pub(super) struct LogBlock {
    pub(super) number: u64,
    /// Zero while it is open.
    pub(super) hash: B256,
    pub(super) timestamp: u64,
}

impl From<&SealedBlock> for LogBlock {
    fn from(block: &SealedBlock) -> Self {
        Self { number: block.number, hash: block.hash, timestamp: block.timestamp }
    }
}

impl Keeper {
    /// Whether an upkeep waits for logs, so that those of a sealed block must be told.
    pub fn listens(&self) -> bool {
        !self.listeners.is_empty()
    }

    /// Whether logs wait that upkeeps were due for when the last block was sealed.
    pub fn logs_wait(&self) -> bool {
        self.book.logs() > 0
    }

    /// Takes over what waited when block `head` was sealed, from the record that was made of it and from its logs, so that a
    /// restart keeps the queue and its order. To be called after [`Keeper::load`] or [`Keeper::reload`].
    ///
    /// `block` answers the block with this number, for logs that have been waiting since earlier blocks.
    ///
    /// # Errors
    /// [`KeeperError::Record`] where the record cannot be decoded, or names a log that is not there.
    pub fn restore_queue<E: From<KeeperError>>(
        &mut self,
        record: &[u8],
        head: &SealedBlock,
        mut block: impl FnMut(u64) -> Result<SealedBlock, E>,
    ) -> Result<(), E> {
        let mut waiting: BTreeMap<LogPosition, Vec<Decision>> = BTreeMap::new();
        for decision in crate::decode_decisions(record)? {
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
                Some(sealed) if sealed.number == position.block_number => sealed,
                _ => block(position.block_number)?,
            };
            let log = sealed.logs.iter().find(|log| u64::from(log.index) == position.log_index);
            let log = log.ok_or_else(|| {
                KeeperError::Record(format!(
                    "log {} of block {} waits, but there is none in that place",
                    position.log_index, position.block_number
                ))
            })?;
            for decision in decisions {
                self.restore_log(&decision, (&sealed).into(), log);
            }
            at = Some(sealed);
        }
        self.end_logs(head);
        Ok(())
    }

    fn restore_log(&mut self, decision: &Decision, block: LogBlock, log: &EmittedLog) {
        let Some(upkeep) = self.book.slot(decision.upkeep) else { return };
        let Some(slot) = self.wait_with(upkeep, block, log) else { return };
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
                self.wait_with(upkeep, block, log);
            }
        }
    }

    fn wait_with(&mut self, upkeep: Slot, block: LogBlock, log: &EmittedLog) -> Option<Slot> {
        let trigger = &self.book.info(upkeep)?.trigger;
        // Known without its block's hash, a log keeps being so when it is still waiting in later blocks.
        let known_by_hash = !matches!(trigger, Trigger::Log { same_block: true, .. });
        let log = Arc::new(TriggerLog {
            emitted: log.clone(),
            block: block.number,
            block_hash: if known_by_hash { block.hash } else { B256::ZERO },
            timestamp: block.timestamp,
        });
        let slot = self.book.add_log(upkeep, log)?;
        self.dirty.insert(slot);
        Some(slot)
    }

    /// What a perform is for: an upkeep, or a log that it is due for.
    pub(super) fn slot_of(&mut self, perform: &PlannedPerform) -> Option<Slot> {
        let upkeep = self.book.slot(perform.upkeep)?;
        let Some(key) = perform.log_key() else { return Some(upkeep) };
        self.book.log_slot(key).or_else(|| {
            // Read back from the journal before the log of its own block was.
            let source = self.book.info(upkeep)?.target;
            self.book.add_log(upkeep, Arc::new(perform.log_of_same_block(source)?))
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
