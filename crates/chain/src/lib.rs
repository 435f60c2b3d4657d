//! The one place where state changes: building, importing and replaying blocks, the canonical
//! head, and the events that follow.
//!
//! A [`Chain`] is a cheap handle. Readers ask it for blocks and states; one producer, behind one
//! lock, makes blocks. A block grows by *ticks*: each takes a batch from the pool, executes it in
//! parallel, lets the keeper fire what became due, and is journaled before anybody sees it.
//!
//! Invariants:
//! - nothing is published (head, pending, events, receipts) before its journal record is durable;
//! - all changes of state pass the producer's lock, so readers never see half a block;
//! - the head moves only together with the state trie, so a proof always belongs to a block;
//! - this crate knows nothing of JSON-RPC.

#![forbid(unsafe_code)]

mod access_list;
mod block;
mod chain;
mod config;
mod dev;
mod engine;
mod error;
mod events;
pub mod explain;
mod fork;
mod genesis;
mod import;
mod inclusion;
mod inner;
mod latency;
mod metrics;
mod open_block;
mod producer;
mod recent;
mod recover;
mod replay;
mod seal;
mod sequencer;
mod upkeeps;
mod validation;
mod view;

pub use block::{ExecutedBlock, PendingBlock};
pub use chain::{Chain, Submission};
pub use config::{ChainConfig, ExecutorKind};
pub use dev::DevControl;
pub use engine::{
    BuiltPayload, EngineControl, Forkchoice, ForkchoiceVerdict, PayloadId, PayloadRequest,
    PayloadVerdict, SyncProgress,
};
pub use error::ChainError;
pub use events::{ChainEvent, Tick, TickedBlock};
pub use fork::StateFork;
pub use import::{Imported, PreparedBlock};
pub use inclusion::Inclusion;
pub use plasma_parallel::ConflictReport;
pub use replay::{BlockReplay, ReplayDifference};
