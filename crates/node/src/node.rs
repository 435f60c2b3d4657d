//! The running node.

use crate::{DataDir, KeeperSettings, NodeConfig, NodeError, datadir::dev_genesis_now, http};
use jsonrpsee::Methods;
use plasma_chain::{Chain, ChainConfig};
use plasma_chainspec::ChainSpec;
use plasma_keeper::{KeeperConfig, LaneKeys};
use plasma_rpc::{DevAccounts, RpcHandle};
use plasma_storage::{Database, DatabaseOptions};
use plasma_txpool::{PoolConfig, TxPool};
use std::{net::SocketAddr, path::Path, sync::Arc};
use tokio::task::JoinHandle;

/// A node that serves.
#[derive(Debug)]
pub struct Node {
    chain: Chain,
    rpc: RpcHandle,
    accounts: Arc<DevAccounts>,
    metrics: Option<(SocketAddr, JoinHandle<()>)>,
}

/// Opens the chain of a data directory without serving anything (import, export, replay).
pub fn open_chain(
    datadir: &DataDir,
    spec: Arc<ChainSpec>,
    config: ChainConfig,
    pool: PoolConfig,
    keeper: Option<KeeperConfig>,
    options: DatabaseOptions,
) -> Result<Chain, NodeError> {
    let db = Database::open(datadir.path(), options)?;
    let pool = Arc::new(TxPool::new(pool, spec.clone()));
    let chain = Chain::open(config, spec.clone(), db, pool, keeper)?;
    datadir.digest_genesis(&spec)?;
    Ok(chain)
}

impl Node {
    /// Starts everything; returns once requests are served. Must run inside a tokio runtime.
    pub async fn start(config: NodeConfig) -> Result<Self, NodeError> {
        // Before anything is made or opened.
        config.rpc.check_exposure(config.dev)?;
        let recorder = config.metrics.map(|_| http::install_recorder()).transpose()?;
        let datadir = DataDir::new(&config.datadir);
        let given = match &config.genesis {
            Some(path) => Some(
                std::fs::read_to_string(path)
                    .map_err(|source| NodeError::File { path: path.clone(), source })?,
            ),
            None => None,
        };
        let spec = match datadir.chain_spec(given.as_deref()) {
            Err(NodeError::NoGenesis(_)) if config.dev => {
                datadir.chain_spec(Some(&dev_genesis_now()))?
            }
            other => other?,
        };
        for fork in spec.experimental_forks() {
            tracing::warn!(target: "plasma::node", ?fork, "this fork is experimental");
        }
        std::thread::Builder::new()
            .name("kzg".into())
            .spawn(plasma_txpool::load_trusted_setup)
            .map_err(|error| {
                NodeError::Stopped(format!("no thread for the KZG set-up: {error}"))
            })?;
        let keeper = keeper_config(&spec, config.keeper.as_ref())?;
        let chain = open_chain(&datadir, spec, config.chain, config.pool, keeper, config.database)?;
        let accounts =
            Arc::new(if config.dev { DevAccounts::dev() } else { DevAccounts::default() });
        let rpc =
            plasma_rpc::serve(config.rpc, chain.clone(), accounts.clone(), Methods::new()).await?;
        let metrics = match (config.metrics, recorder) {
            (Some(address), Some(recorder)) => {
                Some(http::serve(address, recorder, chain.clone()).await?)
            }
            _ => None,
        };
        chain.start()?;
        Ok(Self { chain, rpc, accounts, metrics })
    }

    /// The chain.
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// Where JSON-RPC is served.
    pub fn http_address(&self) -> SocketAddr {
        self.rpc.http_address()
    }

    /// Where JSON-RPC is served to those with a token, if it is.
    pub fn auth_address(&self) -> Option<SocketAddr> {
        self.rpc.auth_address()
    }

    /// The unix socket where JSON-RPC is served, if it is.
    pub fn ipc_path(&self) -> Option<&Path> {
        self.rpc.ipc_path()
    }

    /// Where metrics and health are served.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics.as_ref().map(|(address, _)| *address)
    }

    /// The accounts whose keys a development node holds.
    pub fn accounts(&self) -> &DevAccounts {
        &self.accounts
    }

    /// Waits until block production stops by itself.
    pub async fn failed(&self) -> NodeError {
        NodeError::Stopped(self.chain.failed().await)
    }

    /// Stops in order: requests, production, disk.
    pub async fn stop(self) -> Result<(), NodeError> {
        self.rpc.stop().await;
        let chain = self.chain.clone();
        let stopped = tokio::task::spawn_blocking(move || chain.stop()).await;
        if let Some((_, task)) = self.metrics {
            task.abort();
        }
        match stopped {
            Ok(result) => Ok(result?),
            Err(error) => Err(NodeError::Stopped(error.to_string())),
        }
    }
}

/// The keeper's configuration where the chain has a registry and the node shall fire upkeeps.
fn keeper_config(
    spec: &ChainSpec,
    settings: Option<&KeeperSettings>,
) -> Result<Option<KeeperConfig>, NodeError> {
    let Some(settings) = settings else { return Ok(None) };
    let Some(registry) = spec.plasma().registry else {
        tracing::warn!(target: "plasma::keeper", "config.plasma.registry is not set in the genesis file: no upkeep will be fired");
        return Ok(None);
    };
    let lanes = match &settings.key_file {
        Some(path) => LaneKeys::from_file(path, settings.lanes)?,
        None => LaneKeys::from_secret(&LaneKeys::dev_secret().0, settings.lanes)?,
    };
    Ok(Some(KeeperConfig {
        gas_share_percent: spec.plasma().keeper_gas_share_percent,
        ..KeeperConfig::new(registry, lanes)
    }))
}
