//! What can go wrong in the keeper itself. An upkeep that misbehaves is no error but a decision.

use alloy_primitives::{Address, U256};
use plasma_storage::StorageError;
use std::path::PathBuf;

/// Why the keeper could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    /// The state could not be read.
    #[error("the keeper could not read the state: {0}")]
    Storage(#[from] StorageError),
    /// The EVM could not run a call (missing code or block hash, or a fault of the configuration).
    #[error("the keeper could not execute a call to {target}: {reason}")]
    Execution {
        /// The contract that was called.
        target: Address,
        /// The EVM's own words.
        reason: String,
    },
    /// There is no contract at the registry's address.
    #[error(
        "no contract stands at the registry address {0}: deploy the registry there in genesis, or correct config.plasma.registry"
    )]
    NoRegistry(Address),
    /// The registry did not answer a view call as its interface demands.
    #[error("the registry at {registry} did not answer {call}: {reason}")]
    Registry {
        /// The registry's address.
        registry: Address,
        /// The function that was called.
        call: &'static str,
        /// What came back.
        reason: String,
    },
    /// An upkeep's status could not be read although the registry lists it.
    #[error("the registry lists upkeep {id:#x} but does not tell its status: {reason}")]
    UpkeepStatus {
        /// The upkeep.
        id: U256,
        /// What came back.
        reason: String,
    },
    /// An upkeep with a log trigger was to be checked without a log.
    #[error(
        "upkeep {id:#x} is due for logs and cannot be checked without one: call the registry's checkUpkeep(id, abi.encode(log)), or give perform data"
    )]
    NeedsLog {
        /// The upkeep.
        id: U256,
    },
    /// A journaled decision record could not be decoded.
    #[error("a keeper record could not be decoded: {0}")]
    Record(String),
    /// The keeper's secret could not be read or written.
    #[error("the keeper key file {} {reason}", path.display())]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it and what to do.
        reason: String,
    },
    /// A key cannot be derived from this secret.
    #[error("lane {lane} has no valid key under this secret; choose another secret")]
    LaneKey {
        /// Number of the lane, from 0.
        lane: u32,
    },
}
