//! `plasma-node node`.

use super::units;
use alloy_primitives::Address;
use clap::{ArgGroup, Args, ValueEnum};
use eyre::{Context as _, Result};
use plasma_chain::{ChainConfig, ExecutorKind};
use plasma_keeper::DEFAULT_LANES;
use plasma_node::{KeeperSettings, LogFormat, Node, NodeConfig, init_logging, print_banner};
use plasma_rpc::{AuthConfig, RpcConfig};
use plasma_storage::{DEFAULT_MAPPED_BYTES, DEFAULT_REORG_BLOCKS, DatabaseOptions};
use plasma_txpool::PoolConfig;
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    num::NonZeroUsize,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How far a development node can be taken back: long test suites go back far.
const DEV_REORG_BLOCKS: u64 = 1_000_000;

/// Where consensus layers look for the Engine API.
const ENGINE_PORT: u16 = 8551;

/// The default of `--trie.cache`.
fn trie_cache_mib() -> usize {
    ChainConfig::default().trie_cache_bytes >> 20
}

/// Arguments of `plasma-node node`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("authenticated").args(["auth_port", "engine"]).multiple(true)))]
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
    /// Leave it to a consensus layer which blocks there are: it drives the node by the Engine API, on the
    /// authenticated port, and the node's own sequencer is off.
    #[arg(long, env = "PLASMA_ENGINE", conflicts_with_all = ["dev", "block_time"], help_heading = "Blocks")]
    engine: bool,
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

/// JSON-RPC settings.
#[derive(Debug, Args)]
struct RpcArgs {
    /// Address of HTTP and WebSocket.
    #[arg(long = "http.addr", env = "PLASMA_HTTP_ADDR", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), help_heading = "JSON-RPC")]
    http_addr: IpAddr,
    /// Port of HTTP and WebSocket; 0 takes a free one.
    #[arg(
        long = "http.port",
        env = "PLASMA_HTTP_PORT",
        default_value_t = 8545,
        help_heading = "JSON-RPC"
    )]
    http_port: u16,
    /// Origins that browsers may call from, separated by commas; * allows all.
    #[arg(long = "http.corsdomain", value_delimiter = ',', help_heading = "JSON-RPC")]
    cors: Vec<String>,
    /// Host names that are served, separated by commas; * allows all.
    #[arg(
        long = "http.vhosts",
        value_delimiter = ',',
        default_value = "localhost",
        help_heading = "JSON-RPC"
    )]
    vhosts: Vec<String>,
    /// Address of a second, WebSocket-only port.
    #[arg(long = "ws.addr", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), help_heading = "JSON-RPC")]
    ws_addr: IpAddr,
    /// Second, WebSocket-only port [default: none; WebSocket is also served on the HTTP port].
    #[arg(long = "ws.port", help_heading = "JSON-RPC")]
    ws_port: Option<u16>,
    /// Most bytes of a request.
    #[arg(long = "rpc.max-request-size", default_value_t = RpcConfig::default().max_request_bytes, help_heading = "JSON-RPC")]
    max_request_size: u32,
    /// Most bytes of an answer.
    #[arg(long = "rpc.max-response-size", default_value_t = RpcConfig::default().max_response_bytes, help_heading = "JSON-RPC")]
    max_response_size: u32,
    /// Most requests in a batch.
    #[arg(long = "rpc.max-batch", default_value_t = RpcConfig::default().max_batch, help_heading = "JSON-RPC")]
    max_batch: usize,
    /// Most connections at once.
    #[arg(long = "rpc.max-connections", default_value_t = RpcConfig::default().max_connections, help_heading = "JSON-RPC")]
    max_connections: u32,
    /// Gas of eth_call and eth_estimateGas; 0 means no cap.
    #[arg(long = "rpc.gascap", default_value_t = RpcConfig::default().call_gas_cap, help_heading = "JSON-RPC")]
    gas_cap: u64,
    /// Most blocks that a log query may search; blocks without matching logs do not count.
    #[arg(long = "rpc.max-log-blocks", default_value_t = RpcConfig::default().max_log_blocks, help_heading = "JSON-RPC")]
    max_log_blocks: u64,
    /// Most logs that a query may answer.
    #[arg(long = "rpc.max-logs", default_value_t = RpcConfig::default().max_logs, help_heading = "JSON-RPC")]
    max_logs: usize,
}

/// Settings of the authenticated port.
#[derive(Debug, Args)]
struct AuthArgs {
    /// Address of the authenticated port.
    #[arg(long = "authrpc.addr", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), requires = "authenticated", help_heading = "Authenticated JSON-RPC")]
    auth_addr: IpAddr,
    /// Port for HTTP and WebSocket with JWT authentication, usually 8551; 0 takes a free one
    /// [default: none; with --engine 8551].
    #[arg(long = "authrpc.port", help_heading = "Authenticated JSON-RPC")]
    auth_port: Option<u16>,
    /// Host names that the authenticated port serves, separated by commas; * allows all.
    #[arg(
        long = "authrpc.vhosts",
        value_delimiter = ',',
        default_value = "localhost",
        requires = "authenticated",
        help_heading = "Authenticated JSON-RPC"
    )]
    auth_vhosts: Vec<String>,
    /// File with the secret that tokens are signed with, 32 bytes in hex; made with mode 0600
    /// where absent [default: DATADIR/jwt.hex].
    #[arg(
        long = "authrpc.jwtsecret",
        value_name = "FILE",
        requires = "authenticated",
        help_heading = "Authenticated JSON-RPC"
    )]
    auth_secret: Option<PathBuf>,
}

impl AuthArgs {
    /// Without a port there is none, unless a consensus layer needs it.
    fn config(self, datadir: &Path, engine: bool) -> Option<AuthConfig> {
        let port = self.auth_port.or(engine.then_some(ENGINE_PORT))?;
        Some(AuthConfig {
            address: SocketAddr::new(self.auth_addr, port),
            virtual_hosts: self.auth_vhosts,
            secret_file: self.auth_secret.unwrap_or_else(|| datadir.join("jwt.hex")),
        })
    }
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
        driven: args.engine,
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
    let rpc = RpcConfig {
        http_address: SocketAddr::new(args.rpc.http_addr, args.rpc.http_port),
        ws_address: args.rpc.ws_port.map(|port| SocketAddr::new(args.rpc.ws_addr, port)),
        auth: args.auth.config(&args.datadir, args.engine),
        cors_origins: args.rpc.cors,
        virtual_hosts: args.rpc.vhosts,
        max_request_bytes: args.rpc.max_request_size,
        max_response_bytes: args.rpc.max_response_size,
        max_batch: args.rpc.max_batch,
        max_connections: args.rpc.max_connections,
        call_gas_cap: args.rpc.gas_cap,
        max_log_blocks: args.rpc.max_log_blocks,
        max_logs: args.rpc.max_logs,
        ..RpcConfig::default()
    };
    let rpc = if args.dev {
        // Hardhat's helpers serve only nodes that call themselves so.
        let client_version = format!("HardhatNetwork/{}", rpc.client_version);
        RpcConfig { client_version, ..rpc }
    } else {
        rpc
    };
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
