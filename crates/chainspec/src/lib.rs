//! The rules of a chain, read from a geth-format `genesis.json`: which fork is active at a block and
//! time, base fee, blob and keeper parameters, and the genesis block itself.
//!
//! [`ChainSpec::from_json`] checks the file field by field; what it refuses it names by JSON path,
//! with what was found and what was expected. [`ChainSpec`] implements
//! [`alloy_hardforks::EthereumHardforks`] and [`alloy_evm::eth::spec::EthExecutorSpec`], so that the
//! block executor takes it as it is.

#![forbid(unsafe_code)]

mod blobs;
mod error;
mod fields;
mod forks;
mod genesis;
mod plasma;
mod read;
mod spec;

pub use alloy_eips::{eip1559::BaseFeeParams, eip7840::BlobParams};
pub use alloy_genesis::Genesis;
pub use alloy_hardforks::{EthereumHardfork, EthereumHardforks, ForkCondition};
pub use error::ChainSpecError;
pub use genesis::GenesisAllocation;
pub use plasma::{DEFAULT_KEEPER_GAS_SHARE_PERCENT, PlasmaParams};
pub use spec::ChainSpec;
