//! The state that a simulated block begins with.

use alloy_primitives::{Address, B256, Bytes, U256, map::HashSet};
use plasma_evm::LayeredState;
use plasma_storage::{Account, StateChanges, StateReader, StorageError};
use std::sync::Arc;

/// The state after a sealed block and the simulated blocks on top of it.
#[derive(Clone)]
pub(super) struct SimulatedState {
    /// The state of the sealed block.
    base: Arc<dyn StateReader>,
    /// The same under what simulated blocks changed.
    layered: LayeredState,
    changes: Arc<StateChanges>,
    /// Number of the first simulated block.
    first: u64,
    /// Hashes of the simulated blocks.
    hashes: Vec<B256>,
}

impl SimulatedState {
    /// The state of sealed block `number`, on which nothing was simulated yet.
    pub(super) fn new(base: Arc<dyn StateReader>, number: u64) -> Self {
        Self {
            layered: LayeredState::new(base.clone(), Vec::new()),
            base,
            changes: Arc::default(),
            first: number + 1,
            hashes: Vec::new(),
        }
    }

    /// The state after the next simulated block, which has this hash and made these changes.
    pub(super) fn advance(self, hash: B256, changes: StateChanges) -> Self {
        let Self { base, layered, changes: before, first, mut hashes } = self;
        drop(layered);
        let mut all = Arc::unwrap_or_clone(before);
        all.merge(changes);
        let changes = Arc::new(all);
        hashes.push(hash);
        let layered = LayeredState::new(base.clone(), vec![changes.clone()]);
        Self { base, layered, changes, first, hashes }
    }
}

impl StateReader for SimulatedState {
    fn account(&self, address: Address) -> Result<Option<Account>, StorageError> {
        self.layered.account(address)
    }

    fn storage(&self, address: Address, slot: U256) -> Result<U256, StorageError> {
        self.layered.storage(address, slot)
    }

    fn has_storage(&self, address: Address, hidden: &HashSet<U256>) -> Result<bool, StorageError> {
        self.layered.has_storage(address, hidden)
    }

    fn code(&self, code_hash: B256) -> Result<Option<Bytes>, StorageError> {
        self.layered.code(code_hash)
    }

    fn block_hash(&self, number: u64) -> Result<Option<B256>, StorageError> {
        match number.checked_sub(self.first) {
            Some(index) => {
                Ok(usize::try_from(index).ok().and_then(|index| self.hashes.get(index)).copied())
            }
            None => self.base.block_hash(number),
        }
    }
}
