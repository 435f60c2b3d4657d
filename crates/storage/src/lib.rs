//! Where a Plasma node keeps what it knows.
//!
//! Two MDBX environments lie in the data directory:
//!
//! - `journal` is append-only in block order: sealed blocks, their receipts, and the ticks of the
//!   open block. Every append is one durable commit. The journal is the truth.
//! - `state` is ordered by hash and address: accounts, storage, code, trie nodes, indexes and the
//!   way back for the last blocks. A background thread writes several blocks per commit. After a
//!   crash it may be behind the journal; the missing blocks are then executed again.
//!
//! The latest blocks live in memory as layers over one version of `state` ([`Database::latest`]),
//! so publishing a block never waits for a state commit, unless the background writer falls more
//! than [`DatabaseOptions::max_unpersisted_blocks`] behind.
//!
//! # Invariants
//! - One transaction moves everything in `state` from one block to another.
//! - A [`StateSnapshot`] never changes, and its reads come from one version.
//! - No type of the storage engine leaves the module `engine`.

mod address_index;
mod appearance;
mod cache;
mod change_set;
mod codec;
mod database;
mod engine;
mod error;
mod flat_state;
mod inspection;
mod journal;
mod layer;
mod lock;
mod log_index;
mod opening;
mod options;
mod persister;
mod prune;
mod range;
mod record;
mod record_codec;
mod reverse;
mod snapshot;
mod state;
mod stats;
mod table;
mod unwind;
mod view;

pub use address_index::{AddressBlock, AddressPage};
pub use appearance::{Appearances, ContractCreation, ContractOrigin, TransactionEntry};
pub use database::{Database, SCHEMA_VERSION};
pub use error::StorageError;
pub use inspection::{Inspection, compact};
pub use log_index::LogBlocks;
pub use options::{
    DEFAULT_CACHE_ENTRIES, DEFAULT_MAP_BYTES, DEFAULT_MAPPED_BYTES, DEFAULT_MAX_UNPERSISTED_BLOCKS,
    DEFAULT_PERSIST_BATCH, DEFAULT_PERSIST_INTERVAL, DEFAULT_REORG_BLOCKS, DatabaseOptions,
};
pub use range::AccountRange;
pub use record::{BlockRecord, Checkpoints, TickRecord};
pub use snapshot::StateSnapshot;
pub use state::{
    Account, AccountChange, Receipt, StateChanges, StateReader, Transaction, TrieNodeKey,
    TrieUpdates,
};
pub use stats::{DatabaseStats, EnvironmentStats, TableStats};
