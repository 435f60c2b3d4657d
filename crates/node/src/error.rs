//! Why a node cannot start or go on.

use plasma_chain::ChainError;
use plasma_chainspec::ChainSpecError;
use plasma_keeper::KeeperError;
use plasma_rpc::RpcError;
use plasma_storage::StorageError;
use std::{net::SocketAddr, path::PathBuf};

/// A failure that ends the node, as a sentence for its operator.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// A file of the data directory cannot be used.
    #[error("{path}: {source}{}", advice(source), path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The data directory has no genesis yet.
    #[error(
        "{} holds no chain yet: run `plasma-node init --datadir {} genesis.json` first, or start with --dev",
        .0.display(), .0.display()
    )]
    NoGenesis(PathBuf),
    /// The genesis file that was given is not the one that the directory was made with.
    #[error("{} belongs to another chain: its genesis hash is {found}, the given file's is {given}", dir.display())]
    OtherGenesis {
        /// The data directory.
        dir: PathBuf,
        /// The directory's genesis hash.
        found: alloy_primitives::B256,
        /// The given file's genesis hash.
        given: alloy_primitives::B256,
    },
    /// The genesis file is wrong.
    #[error("genesis: {0}")]
    Genesis(#[from] ChainSpecError),
    /// The database failed.
    #[error("database: {0}")]
    Storage(#[from] StorageError),
    /// The chain could not be opened or stopped.
    #[error("chain: {0}")]
    Chain(#[from] ChainError),
    /// The keeper's keys are unusable.
    #[error("keeper: {0}")]
    Keeper(#[from] KeeperError),
    /// The JSON-RPC server could not start.
    #[error("JSON-RPC: {0}")]
    Rpc(#[from] RpcError),
    /// The metrics server could not start.
    #[error("metrics server on {address}: {source}")]
    Metrics {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The metrics recorder could not be installed.
    #[error("metrics: {0}")]
    Recorder(String),
    /// Block production stopped by itself.
    #[error("block production stopped: {0}")]
    Stopped(String),
}

/// What to do about a disk that is full or fails; nothing where the words of the system say enough.
fn advice(error: &std::io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::ENOSPC | libc::EDQUOT) => "; free disk space and start again",
        Some(libc::EIO | libc::EROFS) => "; check the disk and the system's log, then start again",
        _ => "",
    }
}
