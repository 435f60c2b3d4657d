//! Is an upkeep due, and would its perform succeed? One upkeep at one state.

use crate::{
    KeeperConfig, KeeperError,
    abi::{
        Automation::{self, StreamsLookup},
        Registry::{self, RegistryEvents},
        RegistryError::RegistryErrorErrors,
    },
    call::{CallEnd, FreeCall, free_call},
    config::MAX_REVERT_DATA_BYTES,
    decision::DeferReason,
    logs::TriggerLog,
    perform::{encode_perform, perform_gas_limit},
    recording::{Reads, RecordingState},
    registry::RegistryView,
    revert::revert_reason,
    trigger::Trigger,
    upkeep::UpkeepInfo,
};
use alloy_primitives::{Address, B256, Bytes, Log, TxKind, U256};
use alloy_sol_types::{SolCall, SolError, SolEventInterface, SolInterface, SolType, sol_data};
use plasma_evm::{EVMError, EvmEnv, ExecutionResult, StateDbError, TxEnv, simulate};
use plasma_storage::StateReader;

/// Codes with which a check's request for data streams is answered, as users of streams know them: the service is
/// not available, and the request names none.
const NO_STREAM_SOURCE: u32 = 808_503;
const NO_STREAM_NAMED: u32 = 808_400;

/// The code that `checkErrorHandler` gets for a request for data streams, of which this node has no source.
pub fn streams_error(lookup: &StreamsLookup) -> u32 {
    if lookup.feeds.is_empty() { NO_STREAM_NAMED } else { NO_STREAM_SOURCE }
}

/// What an evaluation found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    NotNeeded,
    CheckReverted(String),
    CheckOutOfGas,
    SimulationReverted(String),
    Underfunded(U256),
    Blocked(DeferReason),
    /// Due, funded, and its perform succeeds; with the perform data.
    Due(Bytes),
}

impl Verdict {
    /// True where the answer may change by the next block although nothing was written: it hangs
    /// on gas price, lanes or the gas share.
    fn hangs_on_block(&self) -> bool {
        !matches!(self, Self::NotNeeded | Self::CheckReverted(_) | Self::CheckOutOfGas)
    }
}

/// A verdict and what it rests on.
#[derive(Clone, Debug)]
pub(crate) struct Evaluation {
    pub(crate) verdict: Verdict,
    pub(crate) reads: Reads,
    /// Evaluate again in the next block, whatever is written.
    pub(crate) every_block: bool,
}

/// The state, block and money on which upkeeps are evaluated.
#[derive(Clone, Copy)]
pub(crate) struct Evaluator<'a> {
    pub(crate) config: &'a KeeperConfig,
    pub(crate) state: &'a dyn StateReader,
    pub(crate) env: &'a EvmEnv,
    pub(crate) time_ms: u64,
    /// The lane as which performs are simulated; `None`: none is authorised.
    pub(crate) lane: Option<Address>,
    /// Number and hash of the block before, which counts as that of the check.
    pub(crate) check_block: (u32, B256),
    /// Fee cap of performs: base fee and tip, in wei per gas.
    pub(crate) gas_price: u128,
}

impl Evaluator<'_> {
    /// Evaluates one upkeep that is neither paused nor cancelled: by itself, or for `log`.
    pub(crate) fn evaluate(
        &self,
        upkeep: &UpkeepInfo,
        log: Option<&TriggerLog>,
    ) -> Result<Evaluation, KeeperError> {
        let mut reads = Reads::default();
        let verdict = match self.check(upkeep, log, &mut reads)? {
            Verdict::Due(data) => self.simulate_perform(upkeep, log, data, &mut reads)?,
            other => other,
        };
        let every_block = reads.block || verdict.hangs_on_block();
        Ok(Evaluation { verdict, reads, every_block })
    }

    /// Does the trigger hold?
    fn check(
        &self,
        upkeep: &UpkeepInfo,
        log: Option<&TriggerLog>,
        reads: &mut Reads,
    ) -> Result<Verdict, KeeperError> {
        match &upkeep.trigger {
            Trigger::Conditional => {
                let call = Automation::checkUpkeepCall { checkData: upkeep.check_data.clone() };
                self.ask_target(upkeep.target, call.abi_encode(), reads)
            }
            // Without a log there is nothing to be due for.
            Trigger::Log { .. } => match log {
                Some(log) => {
                    let call = log.check_call(&upkeep.check_data);
                    self.ask_target(upkeep.target, call.abi_encode(), reads)
                }
                None => Ok(Verdict::NotNeeded),
            },
            Trigger::Resolver { resolver, call } => {
                Ok(self.read_end(self.ask(*resolver, call.clone(), reads)?))
            }
            Trigger::EveryBlocks { .. }
            | Trigger::EveryMilliseconds { .. }
            | Trigger::Cron { .. } => Ok(
                if upkeep.time_has_come(self.env.block_env.number.saturating_to(), self.time_ms) {
                    Verdict::Due(upkeep.check_data.clone())
                } else {
                    Verdict::NotNeeded
                },
            ),
            Trigger::Unknown => Ok(Verdict::Blocked(DeferReason::UnsupportedTrigger)),
        }
    }

    /// Asks the upkeep's own target, which may ask for data streams in turn.
    fn ask_target(
        &self,
        target: Address,
        call: Vec<u8>,
        reads: &mut Reads,
    ) -> Result<Verdict, KeeperError> {
        let end = self.ask(target, call.into(), reads)?;
        match &end {
            // Longer data is not decoded: all its strings may be one and the same long one.
            CallEnd::Reverted(data) if data.len() <= MAX_REVERT_DATA_BYTES => {
                match StreamsLookup::abi_decode(data) {
                    Ok(lookup) => self.answer_lookup(target, lookup, reads),
                    Err(_) => Ok(self.read_end(end)),
                }
            }
            _ => Ok(self.read_end(end)),
        }
    }

    /// Asks a contract whether the upkeep is needed.
    fn ask(&self, target: Address, data: Bytes, reads: &mut Reads) -> Result<CallEnd, KeeperError> {
        let call = FreeCall {
            caller: self.config.registry,
            origin: Address::ZERO,
            target,
            data,
            gas: self.config.check_gas,
            gas_price: 0,
        };
        let (end, check_reads) = free_call(self.state, self.env, &call)?;
        reads.merge(check_reads);
        Ok(end)
    }

    /// Answers a request for data streams, of which there is no source, through the target's error handler.
    fn answer_lookup(
        &self,
        target: Address,
        lookup: StreamsLookup,
        reads: &mut Reads,
    ) -> Result<Verdict, KeeperError> {
        let call = Automation::checkErrorHandlerCall {
            errCode: U256::from(streams_error(&lookup)),
            extraData: lookup.extraData,
        };
        let end = self.ask(target, call.abi_encode().into(), reads)?;
        Ok(match self.read_end(end) {
            Verdict::CheckReverted(reason) => Verdict::CheckReverted(format!(
                "it asks for data streams, of which this node has no source; checkErrorHandler: {reason}"
            )),
            other => other,
        })
    }

    /// What the end of a check means.
    fn read_end(&self, end: CallEnd) -> Verdict {
        match end {
            CallEnd::Returned(data) => self.read_answer(&data),
            CallEnd::Reverted(data) => Verdict::CheckReverted(revert_reason(&data)),
            CallEnd::OutOfGas => Verdict::CheckOutOfGas,
            CallEnd::Halted(reason) => Verdict::CheckReverted(reason),
        }
    }

    /// Reads a check's return data as `(bool, bytes)`.
    fn read_answer(&self, data: &[u8]) -> Verdict {
        let rubbish = || {
            let what =
                format!("the check returned {} bytes that are not (bool, bytes)", data.len());
            Verdict::CheckReverted(what)
        };
        // The registry's own check wants this much, too.
        let needed = match data.get(..96).map(|head| U256::from_be_slice(&head[..32])) {
            Some(word) if word <= U256::from(1) => word == U256::from(1),
            _ => return rubbish(),
        };
        let Ok((_, perform_data)) =
            <(sol_data::Bool, sol_data::Bytes) as SolType>::abi_decode_params(data)
        else {
            return rubbish();
        };
        if !needed {
            return Verdict::NotNeeded;
        }
        let limit = self.config.max_perform_data_bytes;
        if perform_data.len() > limit {
            return Verdict::CheckReverted(format!(
                "the perform data of {} bytes exceeds the limit of {limit}",
                perform_data.len()
            ));
        }
        Verdict::Due(perform_data)
    }

    /// Runs the perform transaction as it would be sent.
    fn simulate_perform(
        &self,
        upkeep: &UpkeepInfo,
        log: Option<&TriggerLog>,
        data: Bytes,
        reads: &mut Reads,
    ) -> Result<Verdict, KeeperError> {
        let Some(lane) = self.lane else {
            return Ok(Verdict::Blocked(DeferReason::NoActiveLane));
        };
        let trigger = log.map(|log| log.trigger(self.check_block)).unwrap_or_default();
        let input = encode_perform(upkeep.id, &trigger, &data);
        let limit = perform_gas_limit(self.config, upkeep.perform_gas, log.is_some(), &input);
        let Some(gas_limit) = limit else {
            return Ok(Verdict::Blocked(DeferReason::TooLarge));
        };
        let recording = RecordingState::new(self.state);
        let nonce = self.state.account(lane)?.map_or(0, |account| account.nonce);
        let tx = TxEnv {
            tx_type: 2,
            caller: lane,
            gas_limit,
            gas_price: self.gas_price,
            gas_priority_fee: Some(self.config.tip),
            kind: TxKind::Call(self.config.registry),
            data: input,
            nonce,
            chain_id: Some(self.env.cfg_env.chain_id),
            ..TxEnv::default()
        };
        let result = simulate(&recording, self.simulation_env(), tx)
            .map_err(|error| match error {
                EVMError::Database(StateDbError::Storage(error)) => KeeperError::Storage(error),
                other => KeeperError::Execution {
                    target: self.config.registry,
                    reason: other.to_string(),
                },
            })?
            .result;
        let mut perform_reads = recording.into_reads();
        perform_reads.gas = result.tx_gas_used();
        // every perform writes these two, and no sane target asks for them
        perform_reads.accounts.remove(&lane);
        perform_reads.accounts.remove(&self.env.block_env.beneficiary);
        reads.merge(perform_reads);
        match result {
            ExecutionResult::Success { logs, .. } => {
                self.read_report(upkeep, log, lane, data, &logs)
            }
            ExecutionResult::Revert { output, .. } => Ok(refused_by_registry(&output)),
            ExecutionResult::Halt { reason, .. } => Ok(Verdict::SimulationReverted(format!(
                "the perform transaction halted: {reason:?}"
            ))),
        }
    }

    fn simulation_env(&self) -> EvmEnv {
        let mut env = self.env.clone();
        env.cfg_env.disable_nonce_check = true;
        env.cfg_env.disable_balance_check = true;
        env.cfg_env.disable_block_gas_limit = true;
        env
    }

    /// What the registry reported about the simulated perform.
    fn read_report(
        &self,
        upkeep: &UpkeepInfo,
        log: Option<&TriggerLog>,
        lane: Address,
        data: Bytes,
        logs: &[Log],
    ) -> Result<Verdict, KeeperError> {
        match find_report(self.config.registry, upkeep.id, logs) {
            Some(RegistryEvents::UpkeepPerformed(report)) if report.success => {
                Ok(Verdict::Due(data))
            }
            Some(RegistryEvents::UpkeepPerformed(_)) => {
                Ok(Verdict::SimulationReverted(self.perform_failure(upkeep, lane, data)?))
            }
            Some(RegistryEvents::InsufficientFundsUpkeepReport(_)) => {
                let needed = self.view().min_balance(upkeep.id, self.gas_price)?;
                Ok(Verdict::Underfunded(needed.saturating_sub(upkeep.balance)))
            }
            // This upkeep is not paused, so it is the registry, or the log has been performed already.
            Some(RegistryEvents::StaleUpkeepReport(_)) => match log {
                Some(log) if self.view().has_dedup_key(log.key(upkeep.id))? => {
                    Ok(Verdict::NotNeeded)
                }
                _ => Ok(Verdict::Blocked(DeferReason::RegistryPaused)),
            },
            _ => Ok(Verdict::Blocked(DeferReason::Refused)),
        }
    }

    /// Calls the target as the forwarder does, to learn why it fails.
    fn perform_failure(
        &self,
        upkeep: &UpkeepInfo,
        lane: Address,
        data: Bytes,
    ) -> Result<String, KeeperError> {
        let data = match upkeep.trigger {
            Trigger::Resolver { .. } => data,
            _ => Automation::performUpkeepCall { performData: data }.abi_encode().into(),
        };
        let call = FreeCall {
            caller: upkeep.forwarder,
            origin: lane,
            target: upkeep.target,
            data,
            gas: u64::from(upkeep.perform_gas),
            gas_price: self.gas_price,
        };
        Ok(match free_call(self.state, self.env, &call)?.0 {
            CallEnd::Reverted(data) => revert_reason(&data),
            CallEnd::OutOfGas => {
                format!("ran out of its perform gas limit of {}", upkeep.perform_gas)
            }
            CallEnd::Halted(reason) => reason,
            CallEnd::Returned(_) => "the target's call failed".into(),
        })
    }

    fn view(&self) -> RegistryView<'_> {
        RegistryView { state: self.state, env: self.env, registry: self.config.registry }
    }
}

fn refused_by_registry(output: &[u8]) -> Verdict {
    match RegistryErrorErrors::abi_decode(output) {
        Ok(RegistryErrorErrors::OnlyActiveTransmitters(_)) => {
            Verdict::Blocked(DeferReason::NoActiveLane)
        }
        _ => Verdict::SimulationReverted(format!("the registry: {}", revert_reason(output))),
    }
}

/// The registry's last report about upkeep `id` among `logs`.
pub(crate) fn find_report(registry: Address, id: U256, logs: &[Log]) -> Option<RegistryEvents> {
    logs.iter().rev().find_map(|log| {
        if log.address != registry || log.topics().get(1) != Some(&B256::from(id)) {
            return None;
        }
        let event = Registry::RegistryEvents::decode_log(log).ok()?.data;
        matches!(
            event,
            RegistryEvents::UpkeepPerformed(_)
                | RegistryEvents::InsufficientFundsUpkeepReport(_)
                | RegistryEvents::CancelledUpkeepReport(_)
                | RegistryEvents::StaleUpkeepReport(_)
                | RegistryEvents::ReorgedUpkeepReport(_)
        )
        .then_some(event)
    })
}
