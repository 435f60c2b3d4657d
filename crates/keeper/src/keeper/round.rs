//! One round: take in news, evaluate what may have become due, plan performs.

use super::{Keeper, OpenBlock, RoundInput, RoundPlan};
use crate::{
    KeeperError, LaneWarning, PlannedPerform,
    check::{Evaluator, Verdict},
    config::MAX_TRANSACTION_GAS,
    decision::{Decision, DeferReason, Outcome},
    index::Slot,
    logs::{EmittedLog, LogBlock, TriggerLog},
    perform::{
        LaneAllocator, Unsigned, check_block, encode_perform, perform_gas_limit, trigger_data,
    },
    registry::RegistryView,
    stats,
    upkeep::UpkeepInfo,
};
use alloy_consensus::transaction::Recovered;
use alloy_primitives::{Address, B256, Bytes, U256, map::HashMap};
use plasma_evm::EvmEnv;
use plasma_storage::{StateReader, Transaction};
use rayon::prelude::*;
use std::collections::BTreeSet;

/// Fewer evaluations than this are not worth other threads.
const PARALLEL_FROM: usize = 4;

/// A due upkeep that got gas and a lane.
struct Chosen {
    slot: Slot,
    id: U256,
    since: u64,
    trigger: Bytes,
    unsigned: Unsigned,
}

impl Keeper {
    /// Takes in what happened since the round before and plans performs for now.
    ///
    /// The chain executes the plan, reports to [`Keeper::on_executed`] and, while plans are not
    /// empty and at most [`Keeper::max_rounds`] times after a batch, calls again with what the
    /// performs wrote: so performs that make other upkeeps due fire them in the same block.
    ///
    /// # Errors
    /// Where the state cannot be read or the registry does not answer. An upkeep's own faults are
    /// decisions.
    pub fn round(&mut self, input: RoundInput<'_>) -> Result<RoundPlan, KeeperError> {
        let number = block_number(input.env);
        self.begin_block_if_new(number);
        let env_changed = self.open.env.as_ref() != Some(&input.env.block_env);
        if input.first_of_block || env_changed {
            self.open.env = Some(input.env.block_env.clone());
            self.wake_for_block(number);
        }
        match input.changes {
            Some(changes) => self.index.apply(changes, &mut self.dirty),
            None => self.dirty.extend(self.book.slots()),
        }
        if self.config.check_everything {
            self.dirty.extend(self.book.slots());
        }
        self.take_in_news(input.state, input.env, input.new_logs)?;
        if self.listeners.any_in_same_block() {
            let timestamp = block_timestamp(input.env);
            self.take_in_logs(
                LogBlock { number, hash: B256::ZERO, timestamp },
                input.new_logs,
                true,
            );
        }

        let config = self.config.clone();
        let check_block = check_block(input.state, number)?;
        let max_fee = u128::from(input.env.block_env.basefee).saturating_add(self.config.tip);
        let evaluator = Evaluator {
            config: &config,
            state: input.state,
            env: input.env,
            time_ms: time_within_block(input.env, input.time_ms),
            lane: self.first_active_lane(),
            check_block,
            gas_price: max_fee,
        };
        let candidates = self.candidates(number, evaluator.time_ms);
        self.evaluate(&evaluator, number, &candidates)?;

        let mut lanes =
            LaneAllocator::new(&config, &self.active_lanes, input.state, self.chain_id, max_fee)?;
        let warnings = self.low_lane_warnings(lanes.low());
        let chosen = self.choose(&input, check_block, &mut lanes)?;
        let performs = self.sign(number, chosen);
        let decisions = self.round_decisions(number, &candidates);
        Ok(RoundPlan { performs, decisions, warnings })
    }

    /// Takes in what `logs` of the open block, at `state`, tell of the registry, without looking whether anything is due: before
    /// journaled performs are told again ([`Keeper::on_executed`]).
    ///
    /// # Errors
    /// Where the state cannot be read or the registry does not answer.
    pub fn learn(
        &mut self,
        state: &dyn StateReader,
        env: &EvmEnv,
        logs: &[EmittedLog],
    ) -> Result<(), KeeperError> {
        self.begin_block_if_new(block_number(env));
        self.take_in_news(state, env, logs)
    }

    /// Forgets the open block: the attempt to make it was given up before anything stood in it.
    pub fn abandon_block(&mut self) {
        self.open = OpenBlock::default();
    }

    /// True where a block with this environment and time would perform something, as far as the
    /// keeper knows: for chains that make blocks on demand. Nothing is remembered.
    ///
    /// # Errors
    /// As [`Keeper::round`].
    pub fn would_perform(
        &self,
        state: &dyn StateReader,
        env: &EvmEnv,
        time_ms: u64,
    ) -> Result<bool, KeeperError> {
        if !self.due.is_empty() {
            return Ok(true);
        }
        let number = block_number(env);
        let time_ms = time_within_block(env, time_ms);
        let evaluator = Evaluator {
            config: &self.config,
            state,
            env,
            time_ms,
            lane: self.first_active_lane(),
            check_block: check_block(state, number)?,
            gas_price: u128::from(env.block_env.basefee).saturating_add(self.config.tip),
        };
        let mut slots: BTreeSet<Slot> = self.dirty.union(&self.every_block).copied().collect();
        slots.extend(self.back_off.due(number));
        slots.extend(self.book.scheduled(number, time_ms));
        let mut upkeeps = slots.into_iter().filter(|slot| self.may_evaluate(*slot, number));
        upkeeps.try_fold(false, |found, slot| match self.book.info(slot) {
            Some(info) if !found => {
                let verdict = evaluator.evaluate(info, self.book.log(slot))?.verdict;
                Ok(matches!(verdict, Verdict::Due(_)))
            }
            _ => Ok(found),
        })
    }

    pub(super) fn begin_block_if_new(&mut self, number: u64) {
        if self.open.number != Some(number) {
            self.open = OpenBlock { number: Some(number), ..OpenBlock::default() };
            self.wake_for_block(number);
        }
    }

    /// Reads again what the registry's logs say has changed.
    pub(super) fn take_in_news(
        &mut self,
        state: &dyn StateReader,
        env: &EvmEnv,
        new_logs: &[EmittedLog],
    ) -> Result<(), KeeperError> {
        let mut news = std::mem::take(&mut self.news);
        news.add(self.config.registry, new_logs.iter().map(|emitted| &emitted.log));
        if news.is_empty() {
            return Ok(());
        }
        let view = RegistryView { state, env, registry: self.config.registry };
        let ids: Vec<_> = news.changed.iter().copied().collect();
        let read = view.statuses(&ids).and_then(|statuses| {
            let lanes = news.lanes.then(|| view.active_lanes(self.config.lanes.lanes()));
            Ok((statuses, lanes.transpose()?))
        });
        let (statuses, lanes) = match read {
            Ok(read) => read,
            Err(error) => {
                self.news = news; // so that nothing is lost when the chain tries again
                return Err(error);
            }
        };
        if let Some(lanes) = lanes {
            self.set_active_lanes(lanes);
        }
        if news.lanes || news.paused.is_some() {
            self.dirty.extend(self.every_block.iter().copied().chain(self.back_off.all()));
        }
        for (id, status) in ids.into_iter().zip(statuses) {
            match (status, self.book.slot(id)) {
                // registered and cancelled since the round before: never seen active
                (Some(status), None) if !status.active => {}
                (Some(status), _) => self.put(Box::new(status)),
                (None, Some(slot)) => {
                    self.book.cancel(slot);
                    self.forget(slot);
                }
                (None, None) => {}
            }
        }
        Ok(())
    }

    /// Gives gas and lanes to due upkeeps: the oldest first, then in order of registration.
    fn choose(
        &mut self,
        input: &RoundInput<'_>,
        check_block: (u32, B256),
        lanes: &mut LaneAllocator<'_>,
    ) -> Result<Vec<Chosen>, KeeperError> {
        let mut queue: Vec<_> = self
            .due
            .iter()
            .filter_map(|slot| {
                let since = self.book.entry(*slot)?.due_since?;
                let order = self.book.info(*slot)?.registration_order();
                let log = self.book.log(*slot).map(TriggerLog::position);
                Some(((since, order, log), *slot))
            })
            .collect();
        queue.sort_unstable();
        let share = gas_share(input.env.block_env.gas_limit, self.config.gas_share_percent);
        let mut gas_left = input.gas_left;
        let mut chosen = Vec::new();
        let mut purses = Purses::new(self.view(input));
        let mut planned: HashMap<U256, u32> = HashMap::default();
        for ((since, ..), slot) in queue {
            let Some(info) = self.book.info(slot) else { continue };
            let Some(data) = self.book.entry(slot).and_then(|entry| entry.due_data.as_ref()) else {
                continue;
            };
            let id = info.id;
            let log = self.book.log(slot);
            let trigger = trigger_data(check_block, log);
            let calldata = encode_perform(id, &trigger, data);
            let gas = perform_gas_limit(&self.config, info.perform_gas, log.is_some(), &calldata);
            let allocated = match gas {
                Some(gas) if gas <= share.min(MAX_TRANSACTION_GAS) => {
                    if self.open.gas_reserved + gas > share {
                        Err(DeferReason::GasShare)
                    } else if gas > gas_left {
                        Err(DeferReason::BlockGas)
                    } else if log.is_some()
                        && (planned.get(&id).is_some_and(|count| *count >= self.allowance(id))
                            || !purses.covers(info, gas, lanes.max_fee())?)
                    {
                        Err(DeferReason::PerformsBefore)
                    } else {
                        lanes.allocate(calldata, gas)
                    }
                }
                _ => Err(DeferReason::TooLarge),
            };
            match allocated {
                Ok(_) if !input.may_perform => {
                    let reason = DeferReason::RoundLimit;
                    self.book.set_outcome(slot, Outcome::Deferred { reason, since });
                }
                Ok(unsigned) => {
                    self.open.gas_reserved += unsigned.transaction.gas_limit;
                    gas_left -= unsigned.transaction.gas_limit;
                    *planned.entry(id).or_default() += 1;
                    chosen.push(Chosen { slot, id, since, trigger, unsigned });
                }
                Err(reason) => self.book.set_outcome(slot, Outcome::Deferred { reason, since }),
            }
        }
        Ok(chosen)
    }

    fn view<'a>(&self, input: &RoundInput<'a>) -> RegistryView<'a> {
        RegistryView { state: input.state, env: input.env, registry: self.config.registry }
    }

    /// Signs what was chosen, in parallel, and notes it as planned.
    fn sign(&mut self, number: u64, chosen: Vec<Chosen>) -> Vec<PlannedPerform> {
        let keys = &self.config.lanes;
        let sign =
            |chosen: &Chosen| keys.sign(chosen.unsigned.lane, chosen.unsigned.transaction.clone());
        let signed: Vec<Recovered<Transaction>> = if chosen.len() < PARALLEL_FROM {
            chosen.iter().map(sign).collect()
        } else {
            chosen.par_iter().map(sign).collect()
        };
        let mut performs = Vec::with_capacity(chosen.len());
        for (chosen, transaction) in chosen.into_iter().zip(signed) {
            let Chosen { slot, id, since, trigger, .. } = chosen;
            self.due.remove(&slot);
            self.dirty.insert(slot);
            self.open.in_flight.insert(slot);
            if let Some(entry) = self.book.entry_mut(slot) {
                entry.performed_in = number;
                entry.due_data = None;
            }
            // holds until the execution is reported
            let reason = DeferReason::InvalidTransaction;
            self.book.set_outcome(slot, Outcome::Deferred { reason, since });
            performs.push(PlannedPerform {
                upkeep: id,
                block: number,
                lane: transaction.signer(),
                transaction,
                trigger,
                due_since_block: since,
            });
        }
        performs
    }

    fn round_decisions(&self, block: u64, candidates: &[Slot]) -> Vec<Decision> {
        let shown = candidates.iter().filter(|slot| !self.open.in_flight.contains(slot));
        shown
            .filter_map(|slot| {
                let upkeep = self.book.info(*slot)?.id;
                let log = self.book.log(*slot).map(TriggerLog::position);
                let outcome = self.book.outcome(*slot)?.clone();
                Some(Decision { block, upkeep, log, outcome })
            })
            .collect()
    }

    fn first_active_lane(&self) -> Option<Address> {
        let lanes = self.config.lanes.lanes().iter().zip(&self.active_lanes);
        lanes.filter(|(_, active)| **active).map(|(lane, _)| *lane).next()
    }

    fn low_lane_warnings(&mut self, low: Vec<(Address, U256)>) -> Vec<LaneWarning> {
        let active = self.active_lanes.iter().filter(|active| **active).count();
        stats::report_lanes(self.active_lanes.len(), active, low.len());
        for (lane, balance) in &low {
            if !self.low_lanes.contains(lane) {
                tracing::warn!(%lane, %balance, "this lane runs low: send it native token");
            }
        }
        self.low_lanes = low.iter().map(|(lane, _)| *lane).collect();
        low.into_iter().map(|(lane, balance)| LaneWarning { lane, balance }).collect()
    }
}

/// What upkeeps can spend on performs for several logs in one round: each alone was seen to be paid for, but not all
/// together.
struct Purses<'a> {
    view: RegistryView<'a>,
    premium_ppb: Option<u32>,
    left: HashMap<U256, U256>,
}

impl<'a> Purses<'a> {
    fn new(view: RegistryView<'a>) -> Self {
        Self { view, premium_ppb: None, left: HashMap::default() }
    }

    /// Whether `upkeep` can pay for one perform more, with `gas` at `max_fee` wei per gas. The first one always can.
    fn covers(
        &mut self,
        upkeep: &UpkeepInfo,
        gas: u64,
        max_fee: u128,
    ) -> Result<bool, KeeperError> {
        let premium = match self.premium_ppb {
            Some(premium) => premium,
            None => *self.premium_ppb.insert(self.view.premium_ppb()?),
        };
        let price = U256::from(gas) * U256::from(max_fee);
        let cost = price + price * U256::from(premium) / U256::from(1_000_000_000);
        let first = !self.left.contains_key(&upkeep.id);
        let left = self.left.entry(upkeep.id).or_insert(upkeep.balance);
        let covered = *left >= cost;
        *left = left.saturating_sub(cost);
        Ok(first || covered)
    }
}

fn block_number(env: &EvmEnv) -> u64 {
    u64::try_from(env.block_env.number).unwrap_or(u64::MAX)
}

fn block_timestamp(env: &EvmEnv) -> u64 {
    u64::try_from(env.block_env.timestamp).unwrap_or(u64::MAX)
}

/// A time within its block's second. The registry notes a perform by that second: a later time, in a block that stays open
/// for long, would be due again in the next block.
fn time_within_block(env: &EvmEnv, time_ms: u64) -> u64 {
    let second = block_timestamp(env).saturating_mul(1_000);
    time_ms.clamp(second, second.saturating_add(999))
}

pub(super) fn gas_share(block_gas_limit: u64, percent: u64) -> u64 {
    (u128::from(block_gas_limit) * u128::from(percent.min(100)) / 100) as u64
}
