//! How a chain is run.

use alloy_primitives::{Address, Bytes};
use std::{num::NonZeroUsize, time::Duration};

/// Which executor runs transactions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExecutorKind {
    /// One after the other.
    Sequential,
    /// Optimistically on all worker threads.
    #[default]
    Parallel,
}

/// Settings of block production.
#[derive(Clone, Debug)]
pub struct ChainConfig {
    /// How long a block stays open.
    pub block_time: Duration,
    /// How long one tick of an open block lasts.
    pub tick: Duration,
    /// A block as soon as transactions are ready, instead of one per `block_time`.
    pub automine: bool,
    /// A consensus layer drives the chain by the Engine API: blocks are made when it asks for one, and the head
    /// is what it says. Not together with `automine` or `dev`.
    pub driven: bool,
    /// Developers' commands (time, snapshots, patches of state) are allowed.
    pub dev: bool,
    /// Receives the priority fees.
    pub beneficiary: Address,
    /// Gas limit that blocks move towards (at most 1/1024 per block, as validity demands).
    pub gas_limit_target: u64,
    /// Extra data of produced headers; at most 32 bytes.
    pub extra_data: Bytes,
    /// Worker threads of the parallel executor.
    pub threads: NonZeroUsize,
    /// Which executor produced and imported blocks run on.
    pub executor: ExecutorKind,
    /// Most transactions taken from the pool for one batch.
    pub batch_limit: usize,
    /// Memory for nodes of the state trie; the others are read from the database when they are
    /// needed.
    pub trie_cache_bytes: usize,
}

/// Enough for the trie of 1,000,000 accounts.
const DEFAULT_TRIE_CACHE_BYTES: usize = 512 << 20;

impl Default for ChainConfig {
    fn default() -> Self {
        Self {
            block_time: Duration::from_secs(1),
            tick: Duration::from_millis(100),
            automine: false,
            driven: false,
            dev: false,
            beneficiary: Address::ZERO,
            gas_limit_target: 250_000_000,
            extra_data: Bytes::from_static(b"plasma"),
            threads: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            executor: ExecutorKind::Parallel,
            batch_limit: 20_000,
            trie_cache_bytes: DEFAULT_TRIE_CACHE_BYTES,
        }
    }
}
