//! The keeper: finds the upkeeps that are due and fires them in the same block.
//!
//! [`Keeper::load`] reads all upkeeps from the registry contract's state, so that a restart needs
//! no history. In each *round* ([`Keeper::round`]) it takes in what the batch before wrote and
//! logged, evaluates the upkeeps that this may have made due, and plans perform transactions from
//! its own accounts (*lanes*). [`Keeper::on_executed`] tells it what became of them,
//! [`Keeper::on_sealed`] closes the block and yields its decisions.
//!
//! Invariants:
//! - Every active upkeep has exactly one [`Outcome`] in every block ([`BlockDecisions`]).
//! - At most one perform per upkeep and block, or per upkeep and log; after a perform the upkeep is evaluated anew.
//! - Evaluating only what a batch touched decides as evaluating everything does.
//! - The same inputs give the same plan and the same record, bit for bit.
//! - The keeper knows nothing of JSON-RPC, of pools or of how transactions are executed.

#![forbid(unsafe_code)]

pub mod abi;
mod call;
mod check;
mod config;
mod decision;
mod error;
mod index;
mod keeper;
mod lanes;
mod logs;
mod perform;
mod record;
mod recording;
mod registry;
mod revert;
mod schedule;
mod simulation;
mod stats;
mod trigger;
mod upkeep;

pub use check::streams_error;
pub use config::{
    CHECK_GAS, KeeperConfig, LOG_PATIENCE_BLOCKS, LOG_PERFORM_GAS, MAX_PERFORM_DATA_BYTES,
    MAX_REVERT_DATA_BYTES, MAX_TRANSACTION_GAS, MAX_WAITING_LOGS, PERFORM_OVERHEAD_GAS,
    WASTEFUL_CHECK_GAS,
};
pub use decision::{Decision, DeferReason, DropReason, Outcome};
pub use error::KeeperError;
pub use keeper::{Keeper, NextDue, RoundInput, RoundPlan};
pub use lanes::{DEFAULT_LANES, LaneKeys};
pub use logs::{EmittedLog, LogFilter, LogPosition, SealedBlock};
pub use perform::PlannedPerform;
pub use record::{BlockDecisions, decode_decisions};
pub use registry::registered_upkeep;
pub use schedule::{Schedule, ScheduleError};
pub use simulation::{FailureReason, Simulation, simulate_upkeep};
pub use stats::{KeeperStats, LaneStatus, LaneWarning};
pub use trigger::Trigger;
pub use upkeep::{NOT_CANCELLED, UpkeepInfo};
