//! All that the node measures: names, types, units and meanings, as `/metrics` describes them and `docs/metrics.md`
//! lists them.

use metrics::{describe_counter, describe_gauge, describe_histogram};

/// Buckets of all durations, in seconds.
pub(crate) const SECONDS_BUCKETS: [f64; 14] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
];

/// Buckets of metrics that need others: an upkeep that is deferred waits for blocks, and whether one is performed within a
/// tick and 50 ms is to be told.
pub(crate) const OTHER_BUCKETS: [(&str, &[f64]); 2] = [
    (
        "keeper_due_to_performed_blocks",
        &[0.0, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0],
    ),
    (
        "keeper_due_to_performed_seconds",
        &[
            0.001, 0.002_5, 0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.075, 0.1, 0.125, 0.15, 0.2,
            0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0,
        ],
    ),
];

/// How Prometheus sees a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
    /// A distribution in buckets.
    Histogram,
    /// Quantiles of the last minute.
    Summary,
}

use Kind::{Counter, Gauge, Histogram, Summary};

/// Name, type, unit and meaning.
type Metric = (&'static str, Kind, &'static str, &'static str);

#[rustfmt::skip] // a table
const METRICS: [Metric; 39] = [
    ("keeper_upkeeps", Gauge, "upkeeps", "Active upkeeps in the last block"),
    ("keeper_outcomes_total", Counter, "upkeeps", "What became of active upkeeps, one count each in every block (of a log upkeep one for each log), by `outcome`"),
    ("keeper_performs_total", Counter, "performs", "Performs in sealed blocks, by `outcome`: `performed` or `performedReverted`"),
    ("keeper_missed_total", Counter, "upkeeps", "Active upkeeps without an outcome in a block; must stay 0"),
    ("keeper_logs_waiting", Gauge, "logs", "Logs that upkeeps wait with after the last block, those of that block included"),
    ("keeper_due", Gauge, "upkeeps", "Length of the queue after the last block: upkeeps that are due, can be performed and wait for gas or a lane"),
    ("keeper_deferred", Gauge, "upkeeps", "Upkeeps with the outcome `deferred` in the last block, for whatever reason"),
    ("keeper_underfunded", Gauge, "upkeeps", "Upkeeps that were due in the last block and could not pay"),
    ("keeper_due_to_performed_blocks", Histogram, "blocks", "Blocks from the one in which an upkeep was found due to the one that performed it"),
    ("keeper_due_to_performed_seconds", Histogram, "seconds", "Time from the start of the tick that found an upkeep due until its perform was durable; not of those that were due before the node was started"),
    ("keeper_block_gas_reserved", Gauge, "gas", "Gas of the last block's performs, as they were charged"),
    ("keeper_gas_share_used", Gauge, "fraction", "Part of the keeper's share of the last block's gas that its performs reserved, 0 to 1"),
    ("keeper_evaluations_total", Counter, "evaluations", "Upkeeps that were looked at, most of them by simulating their check"),
    ("keeper_lanes", Gauge, "accounts", "The keeper's accounts"),
    ("keeper_lanes_active", Gauge, "accounts", "Those of them that the registry authorises"),
    ("keeper_lanes_low", Gauge, "accounts", "Those of the active ones that hold less than 1 ether"),
    ("plasma_head_block", Gauge, "block", "Number of the head"),
    ("plasma_transactions_total", Counter, "transactions", "Transactions in sealed blocks, performs included"),
    ("plasma_gas_used_total", Counter, "gas", "Gas used in sealed blocks"),
    ("plasma_performs_total", Counter, "transactions", "Perform transactions in sealed blocks"),
    ("plasma_incarnations_total", Counter, "executions", "Executions of the transactions in sealed blocks: more than transactions where they got in each other's way"),
    ("plasma_rejected_transactions_total", Counter, "transactions", "Transactions that were left out of a block because they had become invalid"),
    ("plasma_tick_seconds", Histogram, "seconds", "Time of ticks that added something, journal included"),
    ("plasma_tick_transactions", Summary, "transactions", "What such ticks added"),
    ("plasma_seal_seconds", Histogram, "seconds", "Time of sealing a block, journal included"),
    ("plasma_state_root_seconds", Histogram, "seconds", "The part of it that the state root took"),
    ("plasma_journal_commit_seconds", Histogram, "seconds", "Time of the journal's commits, by `record`: `tick` or `block`"),
    ("plasma_journal_commit_seconds_summary", Summary, "seconds", "The same as quantiles"),
    ("plasma_state_commit_seconds", Histogram, "seconds", "Time of writing the state of one or more blocks"),
    ("plasma_state_commit_blocks", Summary, "blocks", "Blocks that such a commit wrote"),
    ("plasma_state_unpersisted_blocks", Gauge, "blocks", "Journaled blocks whose state is not written yet"),
    ("plasma_mapped_resident_bytes", Gauge, "bytes", "Memory that mapped pages of the database take"),
    ("plasma_txpool_pending", Gauge, "transactions", "Transactions that wait for a block"),
    ("plasma_txpool_queued", Gauge, "transactions", "Transactions that wait for an earlier nonce"),
    ("plasma_txpool_bytes", Gauge, "bytes", "Size of both"),
    ("plasma_txpool_added_total", Counter, "transactions", "Submissions, by `result`: `ok` or `refused`"),
    ("rpc_requests_total", Counter, "requests", "JSON-RPC requests, by `method`; `unknown` for methods that do not exist, `refused` for requests above the rate limit"),
    ("rpc_errors_total", Counter, "requests", "Requests that were answered with an error, by `method`"),
    ("rpc_request_seconds", Histogram, "seconds", "Time of requests, by `method`"),
];

/// Gives all metrics their descriptions, for the recorder that is installed.
pub(crate) fn describe() {
    for (name, kind, unit, meaning) in METRICS {
        let text = format!("{meaning} ({unit})");
        match kind {
            Counter => describe_counter!(name, text),
            Gauge => describe_gauge!(name, text),
            Histogram | Summary => describe_histogram!(name, text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_documentation_lists_what_is_described_in_the_same_words() {
        let documentation = include_str!("../../../docs/metrics.md");
        let listed: BTreeSet<_> =
            documentation.lines().filter(|line| line.starts_with("| `")).collect();
        let rows = METRICS.map(|(name, kind, unit, meaning)| {
            let kind = format!("{kind:?}").to_lowercase();
            format!("| `{name}` | {kind} | {unit} | {meaning} |")
        });
        assert_eq!(listed, rows.iter().map(String::as_str).collect());
    }

    #[test]
    fn every_name_is_listed_once_and_buckets_belong_to_histograms() {
        let names: BTreeSet<_> = METRICS.map(|(name, ..)| name).into();
        assert_eq!(names.len(), METRICS.len());
        for (name, kind, unit, _) in METRICS {
            assert_eq!(name.ends_with("_total"), kind == Counter, "{name}");
            let has_buckets = name.ends_with("_seconds")
                || OTHER_BUCKETS.iter().any(|(bucketed, _)| *bucketed == name);
            assert_eq!(has_buckets, kind == Histogram, "{name}");
            let is_time = name.contains("_seconds");
            assert_eq!(is_time, unit == "seconds", "{name}");
        }
        for (_, buckets) in OTHER_BUCKETS {
            assert!(buckets.is_sorted());
        }
    }
}
