//! What the keeper tells about itself: figures for RPC and for Prometheus.

use crate::{BlockDecisions, decision::Outcome};
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
    /// Logs that upkeeps wait with.
    pub logs_waiting: u64,
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
    /// Gas that this block's performs used so far, or may use.
    pub block_gas_reserved: u64,
    /// The lanes, by number.
    pub lanes: Vec<LaneStatus>,
}

pub(crate) fn count_evaluations(evaluated: usize) {
    counter!("keeper_evaluations_total").increment(evaluated as u64);
}

pub(crate) fn report_lanes(all: usize, active: usize, low: usize) {
    gauge!("keeper_lanes").set(all as f64);
    gauge!("keeper_lanes_active").set(active as f64);
    gauge!("keeper_lanes_low").set(low as f64);
}

/// Publishes a closed block's figures: its record, the length of the queue, and how much gas its performs reserved of
/// the keeper's share.
pub(crate) fn report_block(
    record: &BlockDecisions,
    due: usize,
    gas_reserved: u64,
    gas_share: u64,
    logs_waiting: usize,
) {
    let counts = outcome_counts(record);
    // All names, so that series are there before the first.
    for (name, count) in counts {
        counter!("keeper_outcomes_total", "outcome" => name).increment(count);
        if PERFORMED.contains(&name) {
            counter!("keeper_performs_total", "outcome" => name).increment(count);
        }
    }
    let count =
        |wanted| counts.iter().find(|(name, _)| *name == wanted).map_or(0, |(_, count)| *count);
    counter!("keeper_missed_total").increment(record.missed());
    gauge!("keeper_upkeeps").set(record.active as f64);
    gauge!("keeper_due").set(due as f64);
    gauge!("keeper_logs_waiting").set(logs_waiting as f64);
    gauge!("keeper_deferred").set(count("deferred") as f64);
    gauge!("keeper_underfunded").set(count("underfunded") as f64);
    gauge!("keeper_block_gas_reserved").set(gas_reserved as f64);
    let used = if gas_share == 0 { 0.0 } else { gas_reserved as f64 / gas_share as f64 };
    gauge!("keeper_gas_share_used").set(used);
}

/// Names of outcomes that are performs.
const PERFORMED: [&str; 2] = ["performed", "performedReverted"];

/// How many upkeeps, or logs that they were looked at for, had each outcome.
fn outcome_counts(record: &BlockDecisions) -> [(&'static str, u64); Outcome::NAMES.len()] {
    let mut counts = Outcome::NAMES.map(|name| (name, 0));
    let mut add = |name, more| {
        let found = counts.iter_mut().find(|(known, _)| *known == name);
        found.expect("every name of an outcome is among the names").1 += more;
    };
    add(Outcome::NotNeeded.name(), record.not_needed);
    for decision in &record.decisions {
        add(decision.outcome.name(), 1);
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Decision;

    #[test]
    fn outcomes_are_counted_by_name_and_sum_up_to_the_active_upkeeps() {
        let outcomes = [
            Outcome::Paused,
            Outcome::Underfunded { by: U256::from(1) },
            Outcome::Paused,
            Outcome::CheckOutOfGas,
        ];
        let decide = |outcome| Decision { block: 1, upkeep: U256::ZERO, log: None, outcome };
        let record = BlockDecisions {
            block: 1,
            active: 9,
            not_needed: 5,
            decisions: outcomes.map(decide).into(),
        };
        let counts = outcome_counts(&record);
        for (name, count) in counts {
            let expected = match name {
                "notNeeded" => 5,
                "paused" => 2,
                "underfunded" | "checkOutOfGas" => 1,
                _ => 0,
            };
            assert_eq!(count, expected, "{name}");
        }
        assert_eq!(counts.iter().map(|(_, count)| count).sum::<u64>(), record.active);
        assert!(PERFORMED.iter().all(|name| Outcome::NAMES.contains(name)));
    }
}
