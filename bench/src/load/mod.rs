//! `plasma-bench load`: a load on any Ethereum node over JSON-RPC.
//!
//! Everything is signed and put into whole HTTP requests before the clock starts.

mod accounts;
mod burst;
mod due;
mod http;
mod metrics;
mod naive;
mod paced;
mod performs;
mod queries;
mod reads;
mod rpc;
mod subscribers;
mod target;
mod upkeeps;
mod watch;

use std::{path::PathBuf, time::Duration};

use alloy_primitives::{Address, address};
use clap::{Args, ValueEnum};
use eyre::Result;

use crate::{
    machine,
    report::{Report, Row},
};
use burst::{Burst, Payload};
use due::Due;
use http::Endpoint;
use naive::{CheckAt, Naive};
use paced::{Inclusion, Paced};
use performs::Performs;
use subscribers::Subscribers;
use target::Target;

/// Where Plasma's development chain has its registry.
const DEV_REGISTRY: Address = address!("0x506C61736d610000000000000000000000000001");
/// Transactions in one JSON-RPC batch.
const BATCH: usize = 100;

/// A phase of the load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Phase {
    /// A burst of transfers, one request each.
    Transfer,
    /// A burst of transfers in JSON-RPC batches of 100.
    TransferBatch,
    /// A burst of ERC-20 transfers, one request each.
    Token,
    /// A burst of ERC-20 transfers in JSON-RPC batches of 100.
    TokenBatch,
    /// A steady load: time from sending to the receipt, which is polled.
    Latency,
    /// A steady load through eth_sendRawTransactionSync.
    Sync,
    /// ERC-20 balances through eth_call as fast as they come.
    EthCall,
    /// What clients ask for most, as fast as it comes, on blocks that are made first; for a node that mines on demand.
    Queries,
    /// WebSocket connections that wait for heads and logs; for a node that mines on demand.
    Subscribers,
    /// Upkeeps due in every block; for a Plasma node only.
    Performs,
    /// The same, performed by a keeper outside of the node; for a Plasma node with --no-keeper.
    NaiveKeeper,
    /// Upkeeps that transactions make due: how long until they are performed; for a Plasma node only.
    Due,
}

/// The phases that any node can run.
const COMMON: [Phase; 7] = [
    Phase::Transfer,
    Phase::TransferBatch,
    Phase::Token,
    Phase::TokenBatch,
    Phase::Latency,
    Phase::Sync,
    Phase::EthCall,
];

/// Arguments of `plasma-bench load`.
#[derive(Debug, Args)]
pub(crate) struct LoadArgs {
    /// The node's JSON-RPC address. Account 0 of the mnemonic "test test … junk" pays.
    #[arg(long)]
    url: String,
    /// Phases, separated by commas [default: all that any node can run].
    #[arg(long, value_enum, value_delimiter = ',')]
    phases: Vec<Phase>,
    /// Transactions of each transfer burst.
    #[arg(long, default_value_t = 20_000)]
    transfers: usize,
    /// Transactions of each ERC-20 burst.
    #[arg(long, default_value_t = 10_000)]
    tokens: usize,
    /// Connections of bursts and reads.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    connections: u16,
    /// Accounts that send.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    accounts: u32,
    /// What the accounts' keys are derived from.
    #[arg(long, default_value = "plasma-bench")]
    seed: String,
    /// Transactions per second of the steady loads.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
    /// How long the steady loads last, in seconds.
    #[arg(long, default_value_t = 20)]
    steady_seconds: u32,
    /// How long reads last, in seconds.
    #[arg(long, default_value_t = 10)]
    read_seconds: u64,
    /// Blocks with one log each that the queries search.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
    query_blocks: u32,
    /// Only the queries whose row has a name that begins so.
    #[arg(long, default_value = "")]
    queries: String,
    /// WebSocket connections of the phase subscribers.
    #[arg(long, default_value_t = 1_000)]
    subscribers: usize,
    /// Events that the subscribers wait for.
    #[arg(long, default_value_t = 20)]
    events: usize,
    /// Upkeeps of the phases performs and naive-keeper, separated by commas: one row each.
    #[arg(long, value_delimiter = ',', default_value = "100")]
    upkeeps: Vec<usize>,
    /// Blocks that the phases performs and naive-keeper watch.
    #[arg(long, default_value_t = 10)]
    perform_blocks: u64,
    /// Blocks from one perform of such an upkeep to the next.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    perform_every: u64,
    /// The state that the keeper outside of the node asks about.
    #[arg(long, value_enum, default_value_t = CheckAt::Pending)]
    check_at: CheckAt,
    /// Upkeeps of the due phase. An upkeep is performed once per block at most, so that each should be made due less often.
    #[arg(long, default_value_t = 6_000, value_parser = clap::value_parser!(u32).range(1..))]
    due_upkeeps: u32,
    /// Upkeeps that each transaction of the due phase makes due.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=600))]
    due_batch: u32,
    /// Transactions of the due phase per second.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=200))]
    due_rate: u32,
    /// How long the due phase lasts, in seconds.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    due_seconds: u32,
    /// The node's metrics, like http://127.0.0.1:9001/metrics, whose histogram the due phase reads.
    #[arg(long)]
    metrics_url: Option<String>,
    /// Address of the upkeep registry.
    #[arg(long, default_value_t = DEV_REGISTRY)]
    registry: Address,
    /// Artifact of the contract that is performed.
    #[arg(long, default_value = "contracts/artifacts/Heartbeat.json")]
    artifact: PathBuf,
    /// The node's process, whose CPU time and memory are read.
    #[arg(long)]
    pid: Option<u32>,
    /// A burst that is not mined within this many seconds is reported as not finished.
    #[arg(long, default_value_t = 60)]
    timeout: u64,
    /// Put before the names of the rows, so that reports of several runs can be put together.
    #[arg(long, default_value = "")]
    label: String,
    /// A report (JSON) of an earlier run to compare with.
    #[arg(long)]
    baseline: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Loads a node.
pub(crate) fn run(args: &LoadArgs) -> Result<()> {
    let endpoint = Endpoint::parse(&args.url)?;
    let before = args.pid.and_then(machine::usage);
    let target = Target::prepare(
        endpoint,
        &args.seed,
        args.accounts,
        args.connections.into(),
        args.pid,
        Duration::from_secs(args.timeout),
    )?;
    let phases = if args.phases.is_empty() { &COMMON[..] } else { &args.phases };
    let mut report = Report { machine: machine::description(), rows: Vec::new() };
    for phase in phases {
        for row in run_phase(args, &target, *phase)? {
            eprintln!("{}: done", row.name);
            let finished =
                !row.figures.iter().any(|(name, value)| name == "finished" && *value == false);
            report.rows.push(row);
            if !finished {
                // What is left in the pool would be counted to the next phase.
                eprintln!("the burst was not mined in time; the phases after it are left out");
                return finish(args, report);
            }
        }
    }
    if let (Some(before), Some(after)) = (before, target.usage()) {
        report.rows.push(
            Row::new("memory", machine::cores())
                .figure("rss_after_mib", after.rss_mib)
                .figure("rss_peak_mib", after.peak_rss_mib)
                .figure("private_after_mib", after.private_mib)
                .figure("rss_before_mib", before.rss_mib),
        );
    }
    finish(args, report)
}

fn finish(args: &LoadArgs, mut report: Report) -> Result<()> {
    for row in &mut report.rows {
        row.name.insert_str(0, &args.label);
    }
    if let Some(path) = &args.baseline {
        report.compare(&Report::read(path)?);
    }
    report.print(args.json)
}

fn run_phase(args: &LoadArgs, target: &Target, phase: Phase) -> Result<Vec<Row>> {
    let burst = |name, payload, transactions, batch| {
        Burst { name, payload, transactions, batch }.run(target).map(|row| vec![row])
    };
    let paced = |name, inclusion| Paced {
        name,
        inclusion,
        per_second: args.rate,
        seconds: args.steady_seconds,
    };
    match phase {
        Phase::Transfer => burst("transfer", Payload::Transfer, args.transfers, 1),
        Phase::TransferBatch => burst("transfer-batch", Payload::Transfer, args.transfers, BATCH),
        Phase::Token => burst("token", Payload::Token, args.tokens, 1),
        Phase::TokenBatch => burst("token-batch", Payload::Token, args.tokens, BATCH),
        Phase::Latency => Ok(vec![paced("latency", Inclusion::Polled).run(target)?]),
        Phase::Sync if target.rpc()?.has("eth_sendRawTransactionSync")? => {
            Ok(vec![paced("sync", Inclusion::Synchronous).run(target)?])
        }
        Phase::Sync => {
            eprintln!("sync: the node has no eth_sendRawTransactionSync; left out");
            Ok(Vec::new())
        }
        Phase::EthCall => {
            let read = reads::token_balances(target, "eth-call");
            Ok(vec![read.run(target, Duration::from_secs(args.read_seconds))?])
        }
        Phase::Queries => {
            let duration = Duration::from_secs(args.read_seconds);
            queries::run(target, args.query_blocks as usize, duration, &args.queries)
        }
        Phase::Subscribers => {
            let subscribers = Subscribers { connections: args.subscribers, events: args.events };
            Ok(vec![subscribers.run(target)?])
        }
        Phase::Performs => performs(args).map(|performs| performs.run(target)).collect(),
        Phase::NaiveKeeper => performs(args)
            .map(|performs| Naive { performs, check_at: args.check_at }.run(target))
            .collect(),
        Phase::Due => {
            let due = Due {
                registry: args.registry,
                upkeeps: args.due_upkeeps,
                batch: args.due_batch.min(args.due_upkeeps),
                per_second: args.due_rate,
                seconds: args.due_seconds,
                metrics: args.metrics_url.as_deref().map(Endpoint::parse).transpose()?,
            };
            Ok(vec![due.run(target)?])
        }
    }
}

fn performs(args: &LoadArgs) -> impl Iterator<Item = Performs> {
    args.upkeeps.iter().map(|upkeeps| Performs {
        registry: args.registry,
        artifact: args.artifact.clone(),
        upkeeps: *upkeeps,
        every: args.perform_every,
        blocks: args.perform_blocks,
    })
}
