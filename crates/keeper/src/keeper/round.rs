//! One round: take in news, evaluate what may have become due, plan performs.

use super::{Keeper, OpenBlock, RoundInput, RoundPlan};
use crate::{
    KeeperError, LaneWarning,
    check::{Evaluator, Verdict},
    decision::Decision,
    index::Slot,
    logs::{EmittedLog, LogBlock, TriggerLog},
    perform::{LaneAllocator, check_block},
    registry::RegistryView,
    stats,
};
use alloy_primitives::{Address, B256, U256};
use plasma_evm::EvmEnv;
use plasma_storage::StateReader;
use std::collections::BTreeSet;

/// Fewer evaluations than this are not worth other threads.
pub(super) const PARALLEL_FROM: usize = 4;

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

    pub(super) fn view<'a>(&self, input: &RoundInput<'a>) -> RegistryView<'a> {
        RegistryView { state: input.state, env: input.env, registry: self.config.registry }
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
