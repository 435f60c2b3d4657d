//! The state that a call sees.

use alloy_primitives::{Address, B256, U256, map::HashSet};
use plasma_evm::{
    StateDb, StateDbError, StorageProbeRef,
    revm::{
        DatabaseRef,
        database::CacheDB,
        state::{AccountInfo, Bytecode},
    },
};
use plasma_storage::StateReader;
use std::sync::Arc;

type Base = StateDb<Arc<dyn StateReader>>;

/// A state, with or without overrides on top of it.
pub enum CallState {
    /// The state as it is: nothing is copied.
    Plain(Base),
    /// The state under overrides.
    Overridden(Box<CacheDB<Base>>),
}

impl CallState {
    /// `state` without overrides.
    pub fn new(state: Arc<dyn StateReader>) -> Self {
        Self::Plain(StateDb(state))
    }

    /// The layer that overrides go to; made on first use.
    pub fn overlay(&mut self) -> &mut CacheDB<Base> {
        if let Self::Plain(base) = self {
            *self = Self::Overridden(Box::new(CacheDB::new(StateDb(base.0.clone()))));
        }
        match self {
            Self::Overridden(overlay) => overlay,
            Self::Plain(_) => unreachable!("a plain state was replaced just above"),
        }
    }
}

impl std::fmt::Debug for CallState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Plain(_) => "CallState::Plain",
            Self::Overridden(_) => "CallState::Overridden",
        })
    }
}

impl DatabaseRef for CallState {
    type Error = StateDbError;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, StateDbError> {
        match self {
            Self::Plain(base) => base.basic_ref(address),
            Self::Overridden(overlay) => overlay.basic_ref(address),
        }
    }

    fn code_by_hash_ref(&self, code_hash: B256) -> Result<Bytecode, StateDbError> {
        match self {
            Self::Plain(base) => base.code_by_hash_ref(code_hash),
            Self::Overridden(overlay) => overlay.code_by_hash_ref(code_hash),
        }
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, StateDbError> {
        match self {
            Self::Plain(base) => base.storage_ref(address, slot),
            Self::Overridden(overlay) => overlay.storage_ref(address, slot),
        }
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, StateDbError> {
        match self {
            Self::Plain(base) => base.block_hash_ref(number),
            Self::Overridden(overlay) => overlay.block_hash_ref(number),
        }
    }
}

impl StorageProbeRef for CallState {
    fn has_storage_ref(
        &self,
        address: Address,
        hidden: &HashSet<U256>,
    ) -> Result<bool, StateDbError> {
        match self {
            Self::Plain(base) => base.has_storage_ref(address, hidden),
            Self::Overridden(overlay) => overlay.has_storage_ref(address, hidden),
        }
    }
}
