//! What can be chosen when a database is opened.

use std::time::Duration;

/// The chain can be taken back by this many blocks unless chosen otherwise: as far as `BLOCKHASH`
/// sees, and far beyond any reorganisation of a single producer.
pub const DEFAULT_REORG_BLOCKS: u64 = 256;
/// Blocks that may wait for the background writer before the caller is slowed down.
pub const DEFAULT_MAX_UNPERSISTED_BLOCKS: usize = 64;
/// Blocks that are gathered for one commit, as long as [`DEFAULT_PERSIST_INTERVAL`] allows.
pub const DEFAULT_PERSIST_BATCH: usize = 16;
/// The oldest waiting block is written after this time even when the batch is not full.
pub const DEFAULT_PERSIST_INTERVAL: Duration = Duration::from_secs(2);
/// Hot values (accounts and slots) kept in memory.
pub const DEFAULT_CACHE_ENTRIES: usize = 1 << 20;
/// Largest size to which one environment can grow, in bytes (address space, not disk, is reserved).
pub const DEFAULT_MAP_BYTES: usize = 1 << 40;
/// Pages of the data files that may stay mapped, in bytes.
pub const DEFAULT_MAPPED_BYTES: usize = 128 << 20;

/// How a [`Database`](crate::Database) works.
#[derive(Clone, Debug)]
pub struct DatabaseOptions {
    /// State of this many blocks before the latest is served, at least 1; `None`: of all blocks
    /// that this database has seen.
    pub history_blocks: Option<u64>,
    /// The chain can be taken back by this many blocks, at least 1, as long as their state is kept.
    /// Nothing else needs what is kept for it (old trie nodes, mostly), which is why it has a bound
    /// of its own: reading past state and proving it do without.
    pub reorg_blocks: u64,
    /// Blocks that may wait in memory for the background writer; more make the caller wait. At least 1.
    pub max_unpersisted_blocks: usize,
    /// Blocks gathered for one commit of the state environment; at least 1.
    pub persist_batch: usize,
    /// The oldest waiting block is written after this time at the latest.
    pub persist_interval: Duration,
    /// Accounts and slots kept in memory because they were read lately; 0 turns the cache off.
    pub cache_entries: usize,
    /// Largest size of each environment in bytes. Only address space is reserved.
    pub map_bytes: usize,
    /// Where more pages of the data files than this many bytes are mapped and in memory, all are let
    /// go after the next commit of the state, at most once a second. They are the
    /// system's cache, which keeps them as long as it sees fit, but they count as this process' memory.
    pub mapped_bytes: usize,
}

impl Default for DatabaseOptions {
    fn default() -> Self {
        Self {
            history_blocks: None,
            reorg_blocks: DEFAULT_REORG_BLOCKS,
            max_unpersisted_blocks: DEFAULT_MAX_UNPERSISTED_BLOCKS,
            persist_batch: DEFAULT_PERSIST_BATCH,
            persist_interval: DEFAULT_PERSIST_INTERVAL,
            cache_entries: DEFAULT_CACHE_ENTRIES,
            map_bytes: DEFAULT_MAP_BYTES,
            mapped_bytes: DEFAULT_MAPPED_BYTES,
        }
    }
}
