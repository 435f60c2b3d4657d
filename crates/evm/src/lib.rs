//! How one block executes, whatever runs its transactions.
//!
//! This crate turns Plasma's state vocabulary ([`plasma_storage::StateReader`],
//! [`plasma_storage::StateChanges`]) into what revm and alloy-evm want, and back:
//!
//! - [`StateDb`]: any state as a revm database, with analysed code shared process-wide;
//! - [`BlockState`]: the state of an open block, an overlay that grows tick by tick;
//! - [`block_env`], [`next_block_env`]: the environment of an existing or of the next block;
//! - [`BlockCommitter`]: system calls before and after the transactions, ordered commit of
//!   outcomes, receipts, gas, requests. Executing a transaction and committing its outcome are
//!   apart, so that workers may execute out of order while one thread commits in order;
//! - [`assemble_header`]: the header that follows from an executed block;
//! - [`simulate`]: a call whose changes are thrown away;
//! - [`record_accesses`]: what a transaction reads and writes;
//! - [`complete_appearances`]: by which addresses a transaction can be found;
//! - [`tracing`]: the tracers of geth and of OpenEthereum;
//! - [`json`]: text of theirs, and of others, that is passed on unread.
//!
//! Invariant: nothing above this crate and `plasma-parallel` names a revm type that is not
//! re-exported here, since revm changes its interfaces often.

mod accesses;
mod appearances;
mod assemble;
mod block_state;
mod committer;
mod dao;
mod env;
pub mod json;
mod rewards;
mod rules;
mod simulate;
mod state_db;
pub mod tracing;

pub use accesses::{Accesses, Location, Recorded, record_accesses};
pub use alloy_evm;
pub use appearances::complete as complete_appearances;
pub use assemble::{BlockParts, assemble_header, priority_fees};
pub use block_state::{BlockState, LayeredState};
pub use committer::{
    BlockCommitter, BlockContext, BlockError, FinishedBlock, Outcome, ReceiptBuilder,
};
pub use env::{NextBlockAttributes, block_env, next_block_env, tx_env};
pub use plasma_vm::{MainnetMachine, PlasmaEvm, StorageProbe, StorageProbeRef};
pub use revm;
pub use revm::{
    context::{BlockEnv, TxEnv},
    context_interface::result::{
        EVMError, ExecutionResult, HaltReason, InvalidTransaction, ResultAndState,
    },
    primitives::hardfork::SpecId,
    state::EvmState,
};
pub use rewards::{BlockRewards, block_rewards};
pub use simulate::{SimulationError, simulate};
pub use state_db::{StateDb, StateDbError};

/// Configuration and block environment of one execution.
pub type EvmEnv = alloy_evm::EvmEnv<SpecId>;
