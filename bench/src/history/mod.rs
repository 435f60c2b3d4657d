//! `plasma-bench history`: past state and logs read from a database of its own.
//!
//! The database is made first, outside of all timing: accounts with one slot each at genesis, then
//! blocks that each change some of them and log now and then. Every block goes through the journal
//! and the background writer, as a node's blocks do, but no trie is kept. What is timed is storage
//! alone, in one thread.

mod generate;

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use alloy_primitives::{Address, B256};
use clap::Args;
use eyre::{Result, ensure};
use plasma_storage::{Database, StateReader};

use crate::{
    machine,
    report::{Report, Row},
    statistics::quantile_ms,
};
use generate::{Generated, Random};

/// Longest search of the logs of a rare address, over all blocks.
const LOG_SEARCH_LIMIT_MS: f64 = 50.0;
/// Longest opening of the database.
const OPEN_LIMIT_MS: f64 = 2_000.0;
/// A past value may take this much longer than the latest one.
const PAST_READ_LIMIT_RATIO: f64 = 10.0;

/// Arguments of `plasma-bench history`.
#[derive(Debug, Args)]
pub(crate) struct HistoryArgs {
    /// Accounts at genesis, each with one slot.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    accounts: u64,
    /// Blocks with changes and logs.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    blocks: u64,
    /// Accounts whose balance and slot each block changes.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    changes: u64,
    /// Reads of each kind, and a tenth as many searches.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(10..))]
    reads: u64,
    /// Where the database is made; a finished one is used again [default: a folder that is removed
    /// afterwards].
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the benchmark.
pub(crate) fn run(args: &HistoryArgs) -> Result<()> {
    let temporary = std::env::temp_dir().join(format!("plasma-bench-{}", std::process::id()));
    let dir = args.dir.clone().unwrap_or_else(|| temporary.clone());
    let outcome = measure(args, &dir);
    if args.dir.is_none() && temporary.exists() {
        std::fs::remove_dir_all(&temporary)?;
    }
    outcome?.print(args.json)
}

fn measure(args: &HistoryArgs, dir: &std::path::Path) -> Result<Report> {
    let generated = Generated::new(args.accounts, args.blocks, args.changes);
    generated.ensure(dir)?;
    let mut report = Report { machine: machine::description(), rows: Vec::new() };

    let mut opened = Vec::new();
    for _ in 0..5 {
        let started = Instant::now();
        let db = generate::open(dir)?;
        let head = db.latest()?.number();
        ensure!(db.block_record(head)?.is_some(), "block {head} is not there");
        opened.push(started.elapsed());
    }
    report.rows.push(
        timed_row("open", &mut opened)
            .figure("accounts", args.accounts)
            .figure("blocks", args.blocks)
            .figure("limit_ms", OPEN_LIMIT_MS),
    );
    let db = generate::open(dir)?;
    report.rows.extend(reads(&db, &generated, args)?);
    report.rows.extend(searches(&db, &generated, args)?);
    Ok(report)
}

/// Accounts and slots at the latest block and at random past ones.
fn reads(db: &Database, generated: &Generated, args: &HistoryArgs) -> Result<Vec<Row>> {
    let mut random = Random::new(1);
    let mut rows = Vec::new();
    for (name, slots) in [("account", false), ("slot", true)] {
        let mut medians = Vec::new();
        for past in [false, true] {
            let mut times = Vec::with_capacity(args.reads as usize);
            for _ in 0..args.reads {
                let block = if past { random.below(args.blocks) } else { args.blocks };
                let account = random.below(args.accounts);
                let address = generated.address(account);
                // Opening the block's state belongs to the read.
                let started = Instant::now();
                let state = db.snapshot(block)?;
                if slots {
                    let value = state.storage(address, Generated::slot())?;
                    times.push(started.elapsed());
                    ensure!(value == generated.value_at(account, block), "a slot is wrong");
                } else {
                    let found = state.account(address)?;
                    times.push(started.elapsed());
                    let nonce = found.map(|account| account.nonce);
                    ensure!(
                        nonce == Some(generated.nonce_at(account, block)),
                        "an account is wrong"
                    );
                }
            }
            let name = format!("{name}-{}", if past { "past" } else { "latest" });
            let row = timed_row(&name, &mut times);
            medians.push(quantile_ms(&mut times, 0.5).unwrap_or(f64::NAN));
            rows.push(row);
        }
        let times_latest = medians[1] / medians[0];
        if let Some(row) = rows.pop() {
            rows.push(
                row.figure("times_latest", times_latest)
                    .figure("limit_times_latest", PAST_READ_LIMIT_RATIO),
            );
        }
    }
    Ok(rows)
}

/// Logs of all blocks: by a rare address, by a rare topic, by both common and rare wishes.
fn searches(db: &Database, generated: &Generated, args: &HistoryArgs) -> Result<Vec<Row>> {
    let rounds = (args.reads / 10).clamp(1, 200);
    let common = (generated.common_emitter(), generated.common_topic());
    type Wish = (&'static str, Vec<Address>, Vec<Vec<B256>>, bool);
    let wishes: [Wish; 4] = [
        ("logs-rare-address", vec![generated.rare_emitter()], Vec::new(), true),
        ("logs-rare-topic", Vec::new(), vec![Vec::new(), vec![generated.rare_topic()]], true),
        (
            "logs-common-address-rare-topic",
            vec![common.0],
            vec![vec![common.1], vec![generated.rare_topic()]],
            true,
        ),
        ("logs-common-address", vec![common.0], vec![vec![common.1]], false),
    ];
    let mut rows = Vec::new();
    for (name, addresses, topics, rare) in wishes {
        let mut times = Vec::new();
        let (mut candidates, mut logs) = (0, 0);
        for _ in 0..if rare { rounds } else { 5 } {
            let started = Instant::now();
            let found = db.log_blocks(0..=args.blocks, &addresses, &topics, usize::MAX)?;
            ensure!(found.stopped_at.is_none(), "{name}: the search ended early");
            candidates = found.blocks.len();
            logs = 0;
            if rare {
                // What a query reads of each block.
                for block in found.blocks {
                    let Some(record) = db.block_record(block)? else { continue };
                    let all = record.receipts.iter().flat_map(|receipt| &receipt.logs);
                    logs += all
                        .filter(|log| addresses.is_empty() || addresses.contains(&log.address))
                        .count();
                }
            }
            times.push(started.elapsed());
        }
        let mut row = timed_row(name, &mut times)
            .figure("blocks", args.blocks)
            .figure("candidate_blocks", candidates);
        if rare {
            ensure!(candidates as u64 == generated.rare_blocks(), "{name}: {candidates} blocks");
            row = row.figure("logs", logs).figure("limit_ms", LOG_SEARCH_LIMIT_MS);
        }
        rows.push(row);
    }
    Ok(rows)
}

fn timed_row(name: &str, times: &mut [Duration]) -> Row {
    let mut figure = |quantile| quantile_ms(times, quantile).unwrap_or(f64::NAN);
    let (middle, high) = (figure(0.5), figure(0.99));
    // Reads take microseconds.
    if high < 1.0 {
        return Row::new(name, 1).figure("p50_us", middle * 1000.0).figure("p99_us", high * 1000.0);
    }
    Row::new(name, 1).figure("p50_ms", middle).figure("p99_ms", high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generated_history_is_read_back() {
        let args = HistoryArgs {
            accounts: 50,
            blocks: 3_000,
            changes: 3,
            reads: 300,
            dir: None,
            json: false,
        };
        let dir = std::env::temp_dir().join(format!("plasma-bench-test-{}", std::process::id()));
        let report = measure(&args, &dir);
        std::fs::remove_dir_all(&dir).unwrap();
        // Measuring compares every value that it reads.
        let names: Vec<_> = report.unwrap().rows.into_iter().map(|row| row.name).collect();
        assert_eq!(names.len(), 9, "{names:?}");
    }
}
