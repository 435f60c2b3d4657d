//! Everything that a node is told.

use plasma_chain::ChainConfig;
use plasma_rpc::RpcConfig;
use plasma_storage::DatabaseOptions;
use plasma_txpool::PoolConfig;
use std::{net::SocketAddr, path::PathBuf};

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// Settings of the keeper.
#[derive(Clone, Debug)]
pub struct KeeperSettings {
    /// File with the secret that the lanes' keys derive from; made where absent. `None`: the
    /// well-known development secret.
    pub key_file: Option<PathBuf>,
    /// Number of lanes.
    pub lanes: u32,
}

/// Settings of a node.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// Where the database lies.
    pub datadir: PathBuf,
    /// Genesis file for a fresh directory, or to check an existing one against.
    pub genesis: Option<PathBuf>,
    /// Development node: known keys, developers' methods, mining on demand.
    pub dev: bool,
    /// Block production.
    pub chain: ChainConfig,
    /// The transaction pool.
    pub pool: PoolConfig,
    /// JSON-RPC.
    pub rpc: RpcConfig,
    /// The keeper; `None`: this node fires no upkeeps.
    pub keeper: Option<KeeperSettings>,
    /// The database: how much history it keeps.
    pub database: DatabaseOptions,
    /// Where metrics and health are served.
    pub metrics: Option<SocketAddr>,
}
