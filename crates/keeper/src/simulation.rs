//! An upkeep's check and perform on any state, as the registry itself simulates them. Nothing is kept.
//!
//! Calendars are the one thing that the registry cannot read; whether a point of one has come is told here.

use crate::{
    KeeperError, Trigger, UpkeepInfo,
    abi::{
        Automation::{StreamsLookup, checkErrorHandlerCall},
        Registry::{
            checkUpkeepCall, executeCallbackCall, getUpkeepStatusCall, simulatePerformUpkeepCall,
        },
    },
    call::{CallEnd, FreeCall, free_call},
    revert::revert_reason,
    streams_error,
};
use alloy_primitives::{Address, Bytes, U256};
use alloy_sol_types::{SolCall, SolError, sol};
use plasma_evm::EvmEnv;
use plasma_storage::StateReader;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Gas of a simulation. The registry gives a check and a perform their own limits; this is only to be enough.
const SIMULATION_GAS: u64 = 100_000_000;

/// Trigger types that are simulated in their own way.
const CONDITION: u8 = 0;
const CRON: u8 = 3;
/// Those that are not: they need a log.
const LOG: u8 = 1;
const SAME_BLOCK_LOG: u8 = 5;

sol! {
    /// What the registry answers to a check of a trigger that it cannot read.
    error InvalidTriggerType();
}

/// Name and sentence of each reason, by its number.
const REASONS: [(&str, &str); 10] = [
    ("none", "it is due"),
    ("upkeepCancelled", "it is cancelled, or was never registered"),
    ("upkeepPaused", "it is paused"),
    ("targetCheckReverted", "its check failed"),
    ("upkeepNotNeeded", "it is not needed"),
    ("performDataExceedsLimit", "its perform data is longer than the registry allows"),
    ("insufficientBalance", "its balance may not cover a perform"),
    ("callbackReverted", "its callback failed"),
    ("revertDataExceedsLimit", "its check failed with more data than is kept"),
    ("registryPaused", "the whole registry is paused"),
];

/// Why the registry would not perform an upkeep; 0: it would.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailureReason(pub u8);

impl FailureReason {
    /// It is due.
    pub const NONE: Self = Self(0);
    /// Its check failed.
    pub const TARGET_CHECK_REVERTED: Self = Self(3);
    /// It is not needed.
    pub const UPKEEP_NOT_NEEDED: Self = Self(4);

    /// The name that automation registries have for it, in JSON's spelling.
    pub fn name(self) -> &'static str {
        REASONS.get(usize::from(self.0)).map_or("unknown", |(name, _)| name)
    }

    /// What it means, for people.
    pub fn sentence(self) -> &'static str {
        let unknown = "the registry gives a reason that this program does not know";
        REASONS.get(usize::from(self.0)).map_or(unknown, |(_, sentence)| sentence)
    }
}

/// A reason as JSON: `{"number": 4, "name": "upkeepNotNeeded"}`.
#[derive(Serialize, Deserialize)]
struct NumberedReason {
    number: u8,
    #[serde(skip_deserializing)]
    name: &'static str,
}

impl Serialize for FailureReason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        NumberedReason { number: self.0, name: self.name() }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for FailureReason {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(NumberedReason::deserialize(deserializer)?.number))
    }
}

/// How an upkeep's check ends on a state, and how a perform would. What was not simulated is `None`: the check where
/// perform data was given, the perform where there is none to do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Simulation {
    /// Whether it is due and can be performed.
    pub upkeep_needed: Option<bool>,
    /// What a perform gets; where the check failed, what it reverted with.
    pub perform_data: Bytes,
    /// What stands in the way of a perform.
    pub failure_reason: Option<FailureReason>,
    /// Gas that the target's check used.
    pub check_gas: Option<u64>,
    /// Whether the target's call succeeds.
    pub perform_success: Option<bool>,
    /// Gas that the target's call used.
    pub perform_gas: Option<u64>,
}

/// Simulates upkeep `id` on `state` in `env`: its check and, where it is due, the perform that follows. With
/// `perform_data` only a perform with these bytes, whether it is due or not.
///
/// # Errors
/// Where the state cannot be read or the registry does not answer, which is also its answer to a perform of an upkeep
/// that is cancelled, and of any while it is paused; [`KeeperError::NeedsLog`] for a check of an upkeep that waits for logs.
pub fn simulate_upkeep(
    state: &dyn StateReader,
    env: &EvmEnv,
    registry: Address,
    id: U256,
    perform_data: Option<Bytes>,
) -> Result<Simulation, KeeperError> {
    let simulator = Simulator { state, env, registry, id };
    let mut found = match perform_data {
        Some(perform_data) => Simulation { perform_data, ..Simulation::default() },
        None => simulator.check()?,
    };
    if found.upkeep_needed != Some(false) {
        let perform = simulatePerformUpkeepCall { id, performData: found.perform_data.clone() };
        let end = simulator.ask("simulatePerformUpkeep", &perform)?;
        found.perform_success = Some(end.success);
        found.perform_gas = Some(gas(end.gasUsed));
    }
    Ok(found)
}

struct Simulator<'a> {
    state: &'a dyn StateReader,
    env: &'a EvmEnv,
    registry: Address,
    id: U256,
}

impl Simulator<'_> {
    fn check(&self) -> Result<Simulation, KeeperError> {
        let id = self.id;
        let end = self.call(&checkUpkeepCall { id })?;
        if let CallEnd::Reverted(data) = &end
            && InvalidTriggerType::abi_decode(data).is_ok()
            && Trigger::type_of_id(id) == CRON
        {
            return self.check_calendar();
        }
        if matches!(Trigger::type_of_id(id), LOG | SAME_BLOCK_LOG)
            && matches!(end, CallEnd::Reverted(_))
        {
            return Err(KeeperError::NeedsLog { id });
        }
        let found = self.decode::<checkUpkeepCall>("checkUpkeep", end)?;
        let checked = Simulation {
            upkeep_needed: Some(found.upkeepNeeded),
            perform_data: found.performData,
            failure_reason: Some(FailureReason(found.reason)),
            check_gas: Some(gas(found.gasUsed)),
            ..Simulation::default()
        };
        let asks_for_streams = Trigger::type_of_id(id) == CONDITION
            && checked.failure_reason == Some(FailureReason::TARGET_CHECK_REVERTED);
        match StreamsLookup::abi_decode(&checked.perform_data) {
            Ok(lookup) if asks_for_streams => self.check_without_streams(&checked, lookup),
            _ => Ok(checked),
        }
    }

    /// Goes on as the keeper does where a check asks for data streams: with the target's own handler of errors.
    fn check_without_streams(
        &self,
        asked: &Simulation,
        lookup: StreamsLookup,
    ) -> Result<Simulation, KeeperError> {
        let handler = checkErrorHandlerCall {
            errCode: U256::from(streams_error(&lookup)),
            extraData: lookup.extraData,
        };
        let call = executeCallbackCall { id: self.id, payload: handler.abi_encode().into() };
        let found = self.ask("executeCallback", &call)?;
        Ok(Simulation {
            upkeep_needed: Some(found.upkeepNeeded),
            perform_data: found.performData,
            failure_reason: Some(FailureReason(found.reason)),
            check_gas: asked.check_gas.map(|first| first.saturating_add(gas(found.gasUsed))),
            ..Simulation::default()
        })
    }

    /// The registry found nothing in the way of a cron upkeep: the calendar decides.
    fn check_calendar(&self) -> Result<Simulation, KeeperError> {
        let id = self.id;
        let status = match self.call(&getUpkeepStatusCall { id })? {
            CallEnd::Returned(data) => UpkeepInfo::from_status(id, &data)?,
            end => return Err(self.unanswered("getUpkeepStatus", &end)),
        };
        let block = &self.env.block_env;
        let second: u64 = block.timestamp.saturating_to();
        let is_due =
            status.time_has_come(block.number.saturating_to(), second.saturating_mul(1_000));
        let (perform_data, reason) = if is_due {
            (status.check_data, FailureReason::NONE)
        } else {
            (Bytes::new(), FailureReason::UPKEEP_NOT_NEEDED)
        };
        Ok(Simulation {
            upkeep_needed: Some(is_due),
            perform_data,
            failure_reason: Some(reason),
            check_gas: Some(0),
            ..Simulation::default()
        })
    }

    fn call<C: SolCall>(&self, call: &C) -> Result<CallEnd, KeeperError> {
        // The registry simulates for the zero address alone.
        let call = FreeCall {
            caller: Address::ZERO,
            origin: Address::ZERO,
            target: self.registry,
            data: call.abi_encode().into(),
            gas: SIMULATION_GAS,
            gas_price: 0,
        };
        Ok(free_call(self.state, self.env, &call)?.0)
    }

    fn ask<C: SolCall>(&self, name: &'static str, call: &C) -> Result<C::Return, KeeperError> {
        let end = self.call(call)?;
        self.decode::<C>(name, end)
    }

    fn decode<C: SolCall>(
        &self,
        name: &'static str,
        end: CallEnd,
    ) -> Result<C::Return, KeeperError> {
        match &end {
            CallEnd::Returned(data) => C::abi_decode_returns(data).map_err(|error| {
                let (registry, reason) = (self.registry, error.to_string());
                KeeperError::Registry { registry, call: name, reason }
            }),
            _ => Err(self.unanswered(name, &end)),
        }
    }

    fn unanswered(&self, call: &'static str, end: &CallEnd) -> KeeperError {
        let reason = match end {
            CallEnd::Reverted(data) => revert_reason(data),
            other => format!("{other:?}"),
        };
        KeeperError::Registry { registry: self.registry, call, reason }
    }
}

fn gas(used: U256) -> u64 {
    used.saturating_to()
}
