//! The keeper itself: what it remembers between rounds, and its doors.

mod backoff;
mod book;
mod evaluate;
mod logs;
mod plan;
mod round;

use crate::{
    BlockDecisions, KeeperConfig, KeeperError, KeeperStats, LaneStatus, LaneWarning,
    PlannedPerform, UpkeepInfo,
    abi::Registry::RegistryEvents,
    check::find_report,
    decision::{Decision, DeferReason, Outcome},
    index::{ReadIndex, Slot},
    logs::{EmittedLog, Listeners, SealedBlock},
    registry::{RegistryNews, RegistryView},
    stats,
    trigger::Trigger,
};
use alloy_consensus::{Transaction as _, transaction::Recovered};
use alloy_primitives::{Address, B256, Bytes, U256};
use backoff::BackOff;
use book::Book;
use plasma_chainspec::ChainSpec;
use plasma_evm::{BlockEnv, EvmEnv};
use plasma_storage::{Receipt, StateChanges, StateReader, Transaction};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    num::NonZeroU64,
    sync::Arc,
};

/// Upkeeps whose status is read at a time when all are.
const READ_AT_ONCE: usize = 4_096;

/// What a round works on.
#[derive(Clone, Copy)]
pub struct RoundInput<'a> {
    /// The state after the batch before.
    pub state: &'a dyn StateReader,
    /// The open block's environment.
    pub env: &'a EvmEnv,
    /// The tick's time in milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// Logs of everything executed since the round before, performs included, in order.
    pub new_logs: &'a [EmittedLog],
    /// Everything that was written since the round before (transactions, performs, system calls,
    /// withdrawals, developers' patches). `None`: unknown, so every upkeep is evaluated.
    pub changes: Option<&'a StateChanges>,
    /// Gas that the block, or the tick, has left for performs.
    pub gas_left: u64,
    /// The first round of its block.
    pub first_of_block: bool,
    /// Whether performs may be planned. Without, what is due is only noted: so that the record tells the truth about what
    /// the last of a tick's performs have made due.
    pub may_perform: bool,
}

impl std::fmt::Debug for RoundInput<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RoundInput")
            .field("number", &self.env.block_env.number)
            .field("time_ms", &self.time_ms)
            .field("gas_left", &self.gas_left)
            .finish_non_exhaustive()
    }
}

/// What a round decided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoundPlan {
    /// Performs to execute now, in this order. Several that follow each other may share a transaction.
    pub performs: Vec<PlannedPerform>,
    /// Upkeeps looked at in this round that are neither performed now nor "not needed".
    pub decisions: Vec<Decision>,
    /// Lanes that hold too little.
    pub warnings: Vec<LaneWarning>,
}

impl RoundPlan {
    /// The transactions to execute, in order, and for each perform the position of its own among them.
    pub fn batch(&self) -> (Vec<Recovered<Transaction>>, Vec<usize>) {
        let mut transactions: Vec<Recovered<Transaction>> = Vec::with_capacity(self.performs.len());
        let mut places = Vec::with_capacity(self.performs.len());
        for PlannedPerform { transaction, .. } in &self.performs {
            if transactions.last().is_none_or(|last| last.tx_hash() != transaction.tx_hash()) {
                transactions.push(transaction.clone());
            }
            places.push(transactions.len() - 1);
        }
        (transactions, places)
    }
}

/// What the keeper waits for: how a chain that makes blocks on demand knows when to make one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NextDue {
    /// The next block number at which an interval upkeep is due, or one is looked at again that backs off.
    pub block: Option<u64>,
    /// The next time, in milliseconds since the Unix epoch, at which an interval or cron upkeep is due.
    pub time_ms: Option<u64>,
    /// Some upkeep must be evaluated in the next block whatever happens until then.
    pub every_block: bool,
}

/// The open block, as far as the keeper is concerned.
#[derive(Debug, Default)]
struct OpenBlock {
    number: Option<u64>,
    /// The environment of the last round; block readers are evaluated again when it changes.
    env: Option<BlockEnv>,
    /// Gas that performs have used, or may use.
    gas_reserved: u64,
    /// Performs for logs that each upkeep may have in the next round.
    allowances: HashMap<U256, u32>,
    /// Gas that evaluations took so far: those of everybody, and those of the wasteful.
    check_gas: [u64; 2],
    /// Planned performs whose execution was not reported yet.
    in_flight: HashSet<Slot>,
}

/// The keeper. One thread owns it; a round uses the rayon pool for checks and signatures.
#[derive(Debug)]
pub struct Keeper {
    config: Arc<KeeperConfig>,
    chain_id: u64,
    book: Book,
    index: ReadIndex,
    listeners: Listeners,
    /// To be evaluated in the next round.
    dirty: BTreeSet<Slot>,
    /// To be evaluated in each block.
    every_block: BTreeSet<Slot>,
    /// Those that would be, but fail at much cost again and again.
    back_off: BackOff,
    /// Due and performable, waiting for gas or a lane.
    due: BTreeSet<Slot>,
    /// Upkeeps whose performs share no transaction in this block.
    alone: HashSet<U256>,
    active_lanes: Vec<bool>,
    low_lanes: HashSet<Address>,
    /// News from executed performs that the next round takes in.
    news: RegistryNews,
    open: OpenBlock,
    /// Nothing has been evaluated since all upkeeps were read: this once everything is, whatever it costs.
    fresh: bool,
    evaluations: u64,
    performs: u64,
}

impl Keeper {
    /// Builds the keeper from the registry as it stands in `state`; no history is needed.
    ///
    /// Every upkeep is evaluated in the first round. `env` may be that of any block on top of the
    /// state.
    ///
    /// # Errors
    /// Where no registry stands at the configured address, or it does not answer.
    pub fn load(
        config: KeeperConfig,
        spec: &ChainSpec,
        state: &dyn StateReader,
        env: &EvmEnv,
    ) -> Result<Self, KeeperError> {
        let mut keeper = Self {
            config: Arc::new(config),
            chain_id: spec.chain_id(),
            book: Book::default(),
            index: ReadIndex::default(),
            listeners: Listeners::default(),
            dirty: BTreeSet::new(),
            every_block: BTreeSet::new(),
            back_off: BackOff::default(),
            due: BTreeSet::new(),
            alone: HashSet::new(),
            active_lanes: Vec::new(),
            low_lanes: HashSet::new(),
            news: RegistryNews::default(),
            open: OpenBlock::default(),
            fresh: true,
            evaluations: 0,
            performs: 0,
        };
        keeper.reload(state, env)?;
        tracing::info!(
            upkeeps = keeper.book.active(),
            lanes = keeper.active_lanes.iter().filter(|active| **active).count(),
            registry = %keeper.config.registry,
            "keeper loaded"
        );
        Ok(keeper)
    }

    /// Builds everything anew from `state`, after the chain went back to an earlier block.
    ///
    /// # Errors
    /// As [`Keeper::load`]; the keeper stays as it was.
    pub fn reload(&mut self, state: &dyn StateReader, env: &EvmEnv) -> Result<(), KeeperError> {
        let view = RegistryView { state, env, registry: self.config.registry };
        view.expect_code()?;
        let ids = view.active_ids()?;
        let mut upkeeps = Vec::with_capacity(ids.len());
        for some in ids.chunks(READ_AT_ONCE) {
            for (id, status) in some.iter().zip(view.statuses(some)?) {
                upkeeps.push(Box::new(status.ok_or_else(|| KeeperError::UpkeepStatus {
                    id: *id,
                    reason: "it answers that it is unknown".into(),
                })?));
            }
        }
        let active_lanes = view.active_lanes(self.config.lanes.lanes())?;

        upkeeps.sort_by_key(|upkeep| upkeep.registration_order());
        self.book = Book::default();
        self.index = ReadIndex::default();
        self.listeners.clear();
        self.dirty.clear();
        self.every_block.clear();
        self.back_off = BackOff::default();
        self.due.clear();
        self.news = RegistryNews::default();
        self.open = OpenBlock::default();
        self.fresh = true;
        for upkeep in upkeeps {
            self.put(upkeep);
        }
        self.set_active_lanes(active_lanes);
        tracing::debug!(upkeeps = self.book.active(), "the registry was read anew");
        Ok(())
    }

    /// Takes in what became of planned performs; `None`: the executor found the transaction
    /// invalid. Also takes performs that were read back from journaled ticks
    /// ([`PlannedPerform::from_transaction`]) when those are executed again after a restart.
    pub fn on_executed(&mut self, executed: &[(PlannedPerform, Option<&Receipt>)]) {
        let mut refused: BTreeMap<U256, bool> = BTreeMap::new();
        // Performs that share a transaction share its logs.
        let mut told: Option<&Receipt> = None;
        for (perform, receipt) in executed {
            self.begin_block_if_new(perform.block);
            let Some(slot) = self.slot_of(perform) else { continue };
            if !self.open.in_flight.remove(&slot) {
                self.open.gas_reserved += perform.gas;
                self.due.remove(&slot);
                self.dirty.insert(slot);
            }
            if let Some(receipt) = *receipt {
                if told.replace(receipt).is_none_or(|last| !std::ptr::eq(last, receipt)) {
                    self.news.add(self.config.registry, receipt.logs.iter());
                }
                self.performs += 1;
            }
            let (outcome, used) = self.outcome_of(perform, *receipt);
            // What was reserved and is not used is there for others.
            self.open.gas_reserved = self.open.gas_reserved + used - perform.gas;
            if perform.log_key().is_some() {
                *refused.entry(perform.upkeep).or_default() |= !outcome.is_performed();
            }
            let Some(entry) = self.book.entry_mut(slot) else { continue };
            entry.performed_in = perform.block;
            entry.due_data = None;
            if outcome.is_performed() {
                entry.due_since = None;
            }
            self.book.set_outcome(slot, outcome);
        }
        self.change_allowances(refused);
    }

    /// What became of a perform, and the gas that it used: all that it had where the registry did not charge it. Of performs that
    /// share a transaction the sum is the same however its gas limit is divided among them.
    fn outcome_of(&self, perform: &PlannedPerform, receipt: Option<&Receipt>) -> (Outcome, u64) {
        let since = perform.due_since_block;
        let deferred = |reason| (Outcome::Deferred { reason, since }, perform.gas);
        let Some(receipt) = receipt else {
            tracing::warn!(
                upkeep = %B256::from(perform.upkeep),
                lane = %perform.lane,
                "the executor found a perform transaction invalid"
            );
            return deferred(DeferReason::InvalidTransaction);
        };
        if !receipt.success {
            return deferred(DeferReason::TransactionReverted);
        }
        let tx = *perform.transaction.tx_hash();
        match find_report(self.config.registry, perform.upkeep, &receipt.logs) {
            Some(RegistryEvents::UpkeepPerformed(report)) => {
                let gas_used = u64::try_from(report.gasUsed).unwrap_or(u64::MAX);
                let payment = U256::from(report.totalPayment);
                let outcome = if report.success {
                    Outcome::Performed { tx, gas_used, payment }
                } else {
                    let reason = "the target's call failed; its simulation had succeeded".into();
                    Outcome::PerformedReverted { tx, gas_used, payment, reason }
                };
                let all = report.gasUsed.saturating_add(report.gasOverhead);
                (outcome, u64::try_from(all).unwrap_or(perform.gas))
            }
            // Telling that is little beside the performs around it.
            _ if perform.gas < perform.transaction.gas_limit() => {
                (Outcome::Deferred { reason: DeferReason::Refused, since }, 0)
            }
            _ => deferred(DeferReason::Refused),
        }
    }

    /// Closes the block and returns its decisions, encoded, to be journaled with it. Its logs make upkeeps due from the next
    /// block on.
    pub fn on_sealed(&mut self, block: &SealedBlock) -> Bytes {
        let number = block.number;
        self.begin_block_if_new(number);
        let mut record: BlockDecisions = self.book.decisions(number);
        self.add_unknown(&mut record);
        if record.missed() > 0 {
            tracing::error!(
                number,
                hash = %block.hash,
                active = record.active,
                missed = record.missed(),
                "upkeeps without an outcome"
            );
        }
        debug_assert_eq!(record.missed(), 0, "every active upkeep has an outcome");
        let gas_limit = self.open.env.as_ref().map_or(0, |env| env.gas_limit);
        let share = round::gas_share(gas_limit, self.config.gas_share_percent);
        self.alone = plan::not_charged(&record.decisions);
        let (gone, performed) = self.book.end_block();
        for slot in gone {
            self.forget(slot);
        }
        self.dirty.extend(performed);
        self.end_logs(block);
        let (due, logs) = (self.due.len(), self.book.logs());
        stats::report_block(&record, due, self.open.gas_reserved, share, logs);
        self.news.registered.clear();
        self.open = OpenBlock::default();
        record.encode()
    }

    /// Adds upkeeps that the block's last performs registered: known by their logs only, they are
    /// active all the same.
    fn add_unknown(&self, record: &mut BlockDecisions) {
        let block = record.block;
        let unknown = self.news.registered.iter().filter(|id| self.book.slot(**id).is_none());
        for id in unknown {
            let outcome = Outcome::Deferred { reason: DeferReason::NotCheckedYet, since: block };
            record.active += 1;
            record.decisions.push(Decision { block, upkeep: *id, log: None, outcome });
        }
    }

    /// Drops every trace of an entry outside the book.
    fn forget(&mut self, slot: Slot) {
        self.index.leave(slot);
        self.listeners.leave(slot);
        self.dirty.remove(&slot);
        self.every_block.remove(&slot);
        self.back_off.end(slot);
        self.due.remove(&slot);
        self.open.in_flight.remove(&slot);
    }

    /// Enters an upkeep's status, new or changed.
    fn put(&mut self, info: Box<UpkeepInfo>) {
        let (active, paused) = (info.active, info.paused);
        let trigger = info.trigger.clone();
        let slot = self.book.put(info);
        let logs = self.book.waiting_logs(slot);
        if !active {
            for log in logs {
                self.book.set_outcome(log, Outcome::Cancelled);
                self.forget(log);
            }
            self.book.cancel(slot);
            self.forget(slot);
        } else if paused {
            for slot in logs.into_iter().chain([slot]) {
                self.forget(slot);
                let performed = self.book.outcome(slot).is_some_and(Outcome::is_performed);
                if !performed {
                    self.book.set_outcome(slot, Outcome::Paused);
                }
                if let Some(entry) = self.book.entry_mut(slot) {
                    entry.due_data = None;
                    entry.due_since = None;
                }
            }
        } else {
            if let Trigger::Log { filter, same_block } = &trigger {
                self.listeners.enter(slot, filter, *same_block);
            }
            self.dirty.insert(slot);
            self.dirty.extend(logs);
        }
    }

    fn set_active_lanes(&mut self, active: Vec<bool>) {
        if active != self.active_lanes {
            let lanes = self.config.lanes.lanes().iter().zip(&active);
            let missing: Vec<_> =
                lanes.filter(|(_, active)| !**active).map(|(lane, _)| *lane).collect();
            if !missing.is_empty() {
                tracing::warn!(
                    lanes = ?missing,
                    registry = %self.config.registry,
                    "these lanes are not authorised: the registry's owner must call setLane(lane, true)"
                );
            }
        }
        self.active_lanes = active;
    }

    /// True while an upkeep is known to be due and waits for gas, a lane or the next block.
    pub fn anything_due(&self) -> bool {
        !self.due.is_empty() || !self.open.in_flight.is_empty()
    }

    /// The block since which an upkeep has been due and waiting; `None` where it does not wait.
    pub fn due_since(&self, id: U256) -> Option<u64> {
        self.book.entry(self.book.slot(id)?)?.due_since
    }

    /// What the keeper waits for.
    pub fn next_due(&self) -> NextDue {
        let (scheduled, time_ms) = self.book.next_scheduled();
        let block = scheduled.into_iter().chain(self.back_off.next()).min();
        let every_block = !self.every_block.is_empty() || !self.dirty.is_empty();
        NextDue { block, time_ms, every_block }
    }

    /// Most rounds after one batch.
    pub fn max_rounds(&self) -> u32 {
        self.config.max_rounds
    }

    /// The keeper's configuration.
    pub fn config(&self) -> &KeeperConfig {
        &self.config
    }

    /// All upkeeps, in order of registration.
    pub fn upkeeps(&self) -> Vec<UpkeepInfo> {
        let mut upkeeps: Vec<_> =
            self.book.slots().filter_map(|slot| self.describe(slot)).collect();
        upkeeps.sort_by_key(UpkeepInfo::registration_order);
        upkeeps
    }

    /// One upkeep; `None` where it is unknown or was cancelled.
    pub fn upkeep(&self, id: U256) -> Option<UpkeepInfo> {
        self.describe(self.book.slot(id)?)
    }

    fn describe(&self, slot: Slot) -> Option<UpkeepInfo> {
        let info = self.book.describe(slot)?;
        let next_check_block = self.back_off.again_in(slot).and_then(NonZeroU64::new);
        Some(UpkeepInfo { next_check_block, ..info })
    }

    /// Figures about the keeper.
    pub fn stats(&self) -> KeeperStats {
        let (accounts, slots) = self.index.len();
        let count = |wanted: fn(&Outcome) -> bool| self.book.count_outcomes(wanted) as u64;
        KeeperStats {
            registry: self.config.registry,
            active: self.book.active() as u64,
            not_needed: self.book.not_needed() as u64,
            due: self.due.len() as u64,
            logs_waiting: self.book.logs() as u64,
            paused: count(|outcome| matches!(outcome, Outcome::Paused)),
            underfunded: count(|outcome| matches!(outcome, Outcome::Underfunded { .. })),
            every_block: self.every_block.len() as u64,
            watched_accounts: accounts as u64,
            watched_slots: slots as u64,
            evaluations: self.evaluations,
            performs: self.performs,
            block_gas_reserved: self.open.gas_reserved,
            lanes: self.lane_statuses(),
        }
    }

    fn lane_statuses(&self) -> Vec<LaneStatus> {
        let lanes = self.config.lanes.lanes().iter().zip(&self.active_lanes);
        lanes.map(|(address, active)| LaneStatus { address: *address, active: *active }).collect()
    }
}
