//! One consistent view: a version of the persisted state and the layers above it.

use crate::{
    Account, StorageError,
    cache::Cache,
    engine::{Environment, ReadTx},
    flat_state,
    layer::Layer,
};
use alloy_primitives::{Address, U256};
use std::{
    cell::Cell,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// Read transactions per version of the persisted state, at most.
const MAX_READERS_PER_BASE: usize = 32;

/// Hot values of the persisted state.
#[derive(Debug)]
pub(crate) struct Caches {
    pub(crate) accounts: Cache<Address, Option<Account>>,
    pub(crate) storage: Cache<(Address, U256), U256>,
}

impl Caches {
    /// Empty caches of about `entries` values together.
    pub(crate) fn new(entries: usize) -> Self {
        Self { accounts: Cache::new(entries / 4), storage: Cache::new(entries - entries / 4) }
    }

    /// Moves to `generation`, which `layers` lead to.
    pub(crate) fn advance(&self, generation: u64, layers: &[Arc<Layer>]) {
        let wipes = layers
            .iter()
            .any(|layer| layer.changes.accounts.values().any(crate::AccountChange::wipes_storage));
        let addresses = layers.iter().flat_map(|layer| layer.changes.accounts.keys().copied());
        self.accounts.advance(generation, addresses);
        if wipes {
            // Which slots a wipe removed is not told here.
            self.storage.reset(generation);
            return;
        }
        let slots =
            layers.iter().flat_map(|layer| {
                layer.changes.accounts.iter().flat_map(|(address, change)| {
                    change.storage.keys().map(|slot| (*address, *slot))
                })
            });
        self.storage.advance(generation, slots);
    }

    /// Moves to `generation` without any value.
    pub(crate) fn reset(&self, generation: u64) {
        self.accounts.reset(generation);
        self.storage.reset(generation);
    }
}

/// One version of the persisted state, open for reading from many threads.
pub(crate) struct Base {
    /// Transactions at the same version: a thread keeps to its own, since sharing one is slower
    /// than reading alone.
    readers: Vec<ReadTx>,
    /// The persisted block; `None` before genesis.
    pub(crate) block: Option<u64>,
    /// Oldest block whose state can be told.
    pub(crate) oldest: u64,
    /// Oldest block to which the persisted one can be taken back.
    pub(crate) oldest_unwind: u64,
    /// Distinguishes versions for the caches.
    pub(crate) generation: u64,
    pub(crate) caches: Arc<Caches>,
}

impl Base {
    /// Opens the version that stands now. The caller keeps writers away meanwhile.
    pub(crate) fn open(
        environment: &Arc<Environment>,
        generation: u64,
        caches: Arc<Caches>,
    ) -> Result<Self, StorageError> {
        let threads = std::thread::available_parallelism().map_or(4, std::num::NonZero::get);
        let count = (2 * threads).clamp(4, MAX_READERS_PER_BASE);
        let readers = (0..count).map(|_| environment.read()).collect::<Result<Vec<_>, _>>()?;
        let block = flat_state::persisted_block(&readers[0])?;
        let (oldest, oldest_unwind) = match block {
            Some(block) => (
                flat_state::oldest_state(&readers[0], block)?,
                flat_state::oldest_unwind(&readers[0], block)?,
            ),
            None => (0, 0),
        };
        Ok(Self { readers, block, oldest, oldest_unwind, generation, caches })
    }

    /// This thread's read transaction.
    pub(crate) fn reader(&self) -> &ReadTx {
        &self.readers[thread_number() % self.readers.len()]
    }
}

impl std::fmt::Debug for Base {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Base")
            .field("block", &self.block)
            .field("oldest", &self.oldest)
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

/// A base and the blocks above it, oldest first.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) base: Arc<Base>,
    pub(crate) layers: Vec<Arc<Layer>>,
}

impl View {
    /// The latest block; `None` before genesis.
    pub(crate) fn tip(&self) -> Option<u64> {
        self.layers.last().map(|layer| layer.number).or(self.base.block)
    }
}

/// A small number that differs between threads alive at the same time, as far as possible.
fn thread_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        // Only uniqueness matters, so no ordering with other memory is needed.
        static NUMBER: Cell<usize> = Cell::new(NEXT.fetch_add(1, Ordering::Relaxed));
    }
    NUMBER.with(Cell::get)
}
