//! What the keeper tells about itself: figures for RPC and for Prometheus.

use crate::decision::{BlockDecisions, Outcome};
use alloy_primitives::{Address, U256};
use metrics::{counter, gauge};
use serde::{Deserialize, Serialize};

/// A lane that needs money.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LaneWarning {
    /// The lane.
    pub lane: Address,
    /// What it holds, in wei.
    pub balance: U256,
}

/// One lane as the registry and the state know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LaneStatus {
    /// Its address.
    pub address: Address,
    /// Authorised in the registry.
    pub active: bool,
}

/// Figures of a keeper.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeeperStats {
    /// Address of the registry contract.
    pub registry: Address,
    /// Upkeeps that are not cancelled.
    pub active: u64,
    /// Upkeeps that were not needed when they were last looked at.
    pub not_needed: u64,
    /// Upkeeps that are due and wait.
    pub due: u64,
    /// Upkeeps paused by their admins.
    pub paused: u64,
    /// Upkeeps that are due and cannot pay.
    pub underfunded: u64,
    /// Upkeeps evaluated in every block, because they read the clock or hang on prices.
    pub every_block: u64,
    /// Accounts that the index watches.
    pub watched_accounts: u64,
    /// Storage slots that the index watches.
    pub watched_slots: u64,
    /// Evaluations since the node was started.
    pub evaluations: u64,
    /// Performs executed since the node was started, reverted ones included.
    pub performs: u64,
    /// Gas that this block's performs reserved so far.
    pub block_gas_reserved: u64,
    /// The lanes, by number.
    pub lanes: Vec<LaneStatus>,
}

pub(crate) fn count_evaluations(evaluated: usize) {
    counter!("keeper_evaluations_total").increment(evaluated as u64);
}

pub(crate) fn report_lanes(active: usize, low: usize) {
    gauge!("keeper_lanes_active").set(active as f64);
    gauge!("keeper_lanes_low").set(low as f64);
}

/// Publishes a closed block's figures.
pub(crate) fn report_block(record: &BlockDecisions, due: usize, gas_reserved: u64) {
    let mut deferred = 0u64;
    let mut underfunded = 0u64;
    for decision in &record.decisions {
        match &decision.outcome {
            Outcome::Deferred { .. } => deferred += 1,
            Outcome::Underfunded { .. } => underfunded += 1,
            outcome if outcome.is_performed() => {
                counter!("keeper_performs_total", "outcome" => outcome.name()).increment(1);
            }
            _ => {}
        }
        counter!("keeper_outcomes_total", "outcome" => decision.outcome.name()).increment(1);
    }
    counter!("keeper_outcomes_total", "outcome" => Outcome::NotNeeded.name())
        .increment(record.not_needed);
    counter!("keeper_missed_total").increment(record.missed());
    gauge!("keeper_upkeeps").set(record.active as f64);
    gauge!("keeper_due").set(due as f64);
    gauge!("keeper_deferred").set(deferred as f64);
    gauge!("keeper_underfunded").set(underfunded as f64);
    gauge!("keeper_block_gas_reserved").set(gas_reserved as f64);
}
