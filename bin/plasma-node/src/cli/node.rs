//! `plasma-node node`.

use super::{
    rpc_args::{AuthArgs, RpcArgs},
    units,
};
use alloy_primitives::Address;
use clap::{Args, ValueEnum};
use eyre::{Context as _, Result};
use plasma_chain::{ChainConfig, ExecutorKind};
use plasma_keeper::DEFAULT_LANES;
use plasma_node::{KeeperSettings, LogFormat, Node, NodeConfig, init_logging, print_banner};
use plasma_storage::{DEFAULT_MAPPED_BYTES, DEFAULT_REORG_BLOCKS, DatabaseOptions};
use plasma_txpool::PoolConfig;
use std::{net::SocketAddr, num::NonZeroUsize, path::PathBuf, time::Duration};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How far a development node can be taken back: long test suites go back far.
const DEV_REORG_BLOCKS: u64 = 1_000_000;

/// The default of `--trie.cache`.
fn trie_cache_mib() -> usize {
    ChainConfig::default().trie_cache_bytes >> 20
}

/// Arguments of `plasma-node node`.
#[derive(Debug, Args)]
pub(crate) struct NodeArgs {
    /// Development node: chain 1337, known keys, developers' methods, a block as soon as a
    /// transaction arrives.
    #[arg(long)]
    dev: bool,
    /// Where the database lies.
    #[arg(long, env = "PLASMA_DATADIR", default_value = "plasma-data")]
    datadir: PathBuf,
    /// Genesis file (geth's format) for a fresh data directory.
    #[arg(long, env = "PLASMA_GENESIS")]
    genesis: Option<PathBuf>,

    /// How long a block stays open, like 1s. With --dev it also turns off mining on demand.
    #[arg(long, env = "PLASMA_BLOCK_TIME", value_parser = units::duration, help_heading = "Blocks")]
    block_time: Option<Duration>,
    /// How often an open block takes transactions and fires upkeeps.
    #[arg(long, env = "PLASMA_TICK", default_value = "100ms", value_parser = units::duration, help_heading = "Blocks")]
    tick: Duration,
    /// Receives the priority fees.
    #[arg(long, alias = "miner.etherbase", env = "PLASMA_BENEFICIARY", default_value_t = Address::ZERO, help_heading = "Blocks")]
    beneficiary: Address,
    /// Gas limit that blocks move towards.
    #[arg(
        long = "gas-limit",
        alias = "miner.gaslimit",
        default_value_t = 250_000_000,
        help_heading = "Blocks"
    )]
    gas_limit: u64,
    /// Worker threads of the executor [default: one per core].
    #[arg(long, env = "PLASMA_THREADS", help_heading = "Blocks")]
    threads: Option<NonZeroUsize>,
    /// Which executor runs transactions.
    #[arg(long, default_value = "parallel", help_heading = "Blocks")]
    executor: Executor,
    /// Keep the state of this many past blocks only, and prune older ones [default: keep all].
    #[arg(long = "history.blocks", value_name = "BLOCKS", value_parser = clap::value_parser!(u64).range(1..), help_heading = "History")]
    history_blocks: Option<u64>,
    /// How far the chain can be taken back [default: 256; with --dev 1000000].
    #[arg(long = "history.reorg-blocks", value_name = "BLOCKS", value_parser = clap::value_parser!(u64).range(1..), help_heading = "History")]
    reorg_blocks: Option<u64>,

    /// Memory for the state trie in MiB; what does not fit is read from the database.
    #[arg(long = "trie.cache", env = "PLASMA_TRIE_CACHE", value_name = "MIB", default_value_t = trie_cache_mib(), help_heading = "Blocks")]
    trie_cache: usize,
    /// Pages of the database files that may stay mapped into the process, in MiB; the system's cache
    /// may hold more.
    #[arg(long = "db.mapped", env = "PLASMA_DB_MAPPED", value_name = "MIB", default_value_t = DEFAULT_MAPPED_BYTES >> 20, help_heading = "Blocks")]
    db_mapped: usize,

    /// Fire no upkeeps.
    #[arg(long = "no-keeper", help_heading = "Keeper")]
    no_keeper: bool,
    /// File with the keeper's secret; made with mode 0600 where absent [default:
    /// DATADIR/keeper.key; with --dev a well-known secret].
    #[arg(long = "keeper.key", env = "PLASMA_KEEPER_KEY", help_heading = "Keeper")]
    keeper_key: Option<PathBuf>,
    /// Accounts that the keeper sends from, so that performs run in parallel.
    #[arg(long = "keeper.lanes", default_value_t = DEFAULT_LANES, help_heading = "Keeper")]
    keeper_lanes: u32,

    #[command(flatten)]
    rpc: RpcArgs,
    #[command(flatten)]
    auth: AuthArgs,

    /// Serve Prometheus metrics and health here, like 127.0.0.1:9001.
    #[arg(long, env = "PLASMA_METRICS", help_heading = "Observability")]
    metrics: Option<SocketAddr>,
    /// Log level, or a list of target=level; the variable RUST_LOG wins.
    #[arg(long = "log", default_value = "info", help_heading = "Observability")]
    log: String,
    /// Log format.
    #[arg(long = "log.format", default_value = "text", help_heading = "Observability")]
    log_format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// An executor by name.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Executor {
    /// One transaction after the other.
    Sequential,
    /// Optimistically on all threads.
    Parallel,
}

impl From<Executor> for ExecutorKind {
    fn from(executor: Executor) -> Self {
        match executor {
            Executor::Sequential => Self::Sequential,
            Executor::Parallel => Self::Parallel,
        }
    }
}

/// Runs a node until it is told to stop.
pub(crate) fn run(args: NodeArgs) -> Result<()> {
    let format = match args.log_format {
        Format::Text => LogFormat::Text,
        Format::Json => LogFormat::Json,
    };
    init_logging(&args.log, format).map_err(|error| eyre::eyre!(error))?;
    let dev = args.dev;
    let config = config(args);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("rpc")
        .build()
        .context("cannot start the async runtime")?;
    runtime.block_on(async {
        let node = Node::start(config).await?;
        // From here on, before anybody is told where it serves, signals stop it in order.
        let mut signals = StopSignals::new()?;
        print_banner(node.chain(), node.accounts(), node.http_address());
        tracing::info!(
            target: "plasma::node",
            http = %node.http_address(),
            authrpc = ?node.auth_address(),
            ipc = ?node.ipc_path(),
            metrics = ?node.metrics_address(),
            head = node.chain().head().number(),
            dev,
            "serving"
        );
        tokio::select! {
            signal = signals.first() => {
                tracing::info!(target: "plasma::node", signal, "stopping");
                node.stop().await?;
                tracing::info!(target: "plasma::node", "stopped");
                Ok(())
            }
            error = node.failed() => {
                // What was acknowledged is in the journal already; nothing else may be written.
                Err(error.into())
            }
        }
    })
}

/// Interrupt and terminate.
struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
}

impl StopSignals {
    /// From now on these signals do not end the process by themselves.
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits for one of them and tells its name.
    async fn first(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "interrupt",
            _ = self.terminate.recv() => "terminate",
        }
    }
}

fn config(args: NodeArgs) -> NodeConfig {
    let automine = args.dev && args.block_time.is_none();
    let defaults = ChainConfig::default();
    let chain = ChainConfig {
        block_time: args.block_time.unwrap_or(defaults.block_time),
        tick: args.tick,
        automine,
        dev: args.dev,
        beneficiary: args.beneficiary,
        gas_limit_target: args.gas_limit,
        threads: args.threads.unwrap_or(defaults.threads),
        executor: args.executor.into(),
        trie_cache_bytes: args.trie_cache.saturating_mul(1 << 20),
        ..defaults
    };
    let keeper = (!args.no_keeper).then(|| KeeperSettings {
        key_file: match (args.keeper_key, args.dev) {
            (Some(path), _) => Some(path),
            (None, true) => None,
            (None, false) => Some(args.datadir.join("keeper.key")),
        },
        lanes: args.keeper_lanes,
    });
    let rpc = args.rpc.config(&args.datadir, args.auth.config(&args.datadir), args.dev);
    NodeConfig {
        datadir: args.datadir,
        genesis: args.genesis,
        dev: args.dev,
        chain,
        // Keyless deployments of well-known factories are signed for no chain in particular.
        pool: PoolConfig { allow_unprotected: args.dev, ..PoolConfig::default() },
        rpc,
        keeper,
        database: DatabaseOptions {
            history_blocks: args.history_blocks,
            reorg_blocks: args.reorg_blocks.unwrap_or(if args.dev {
                DEV_REORG_BLOCKS
            } else {
                DEFAULT_REORG_BLOCKS
            }),
            mapped_bytes: args.db_mapped.saturating_mul(1 << 20),
            ..DatabaseOptions::default()
        },
        metrics: args.metrics,
    }
}
