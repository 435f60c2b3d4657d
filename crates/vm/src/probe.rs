//! The question that revm's databases do not answer: has an account any storage?

use alloy_primitives::{Address, U256, map::HashSet};
use revm::{
    Database, DatabaseRef,
    database::{AccountState, CacheDB, EmptyDBTyped},
    database_interface::{DBErrorMarker, WrapDatabaseRef},
};

/// A [`Database`] that knows whether an account has storage.
pub trait StorageProbe: Database {
    /// True where a slot of `address` outside `hidden` holds a value.
    ///
    /// # Errors
    /// The state cannot be read.
    fn has_storage(
        &mut self,
        address: Address,
        hidden: &HashSet<U256>,
    ) -> Result<bool, Self::Error>;
}

/// A [`DatabaseRef`] that knows whether an account has storage.
pub trait StorageProbeRef: DatabaseRef {
    /// True where a slot of `address` outside `hidden` holds a value.
    ///
    /// # Errors
    /// The state cannot be read.
    fn has_storage_ref(
        &self,
        address: Address,
        hidden: &HashSet<U256>,
    ) -> Result<bool, Self::Error>;
}

impl<T: StorageProbe> StorageProbe for &mut T {
    fn has_storage(
        &mut self,
        address: Address,
        hidden: &HashSet<U256>,
    ) -> Result<bool, Self::Error> {
        (**self).has_storage(address, hidden)
    }
}

impl<T: StorageProbeRef> StorageProbeRef for &T {
    fn has_storage_ref(
        &self,
        address: Address,
        hidden: &HashSet<U256>,
    ) -> Result<bool, Self::Error> {
        (**self).has_storage_ref(address, hidden)
    }
}

impl<T: StorageProbeRef> StorageProbe for WrapDatabaseRef<T> {
    fn has_storage(
        &mut self,
        address: Address,
        hidden: &HashSet<U256>,
    ) -> Result<bool, Self::Error> {
        self.0.has_storage_ref(address, hidden)
    }
}

impl<D: StorageProbeRef> StorageProbe for CacheDB<D> {
    fn has_storage(
        &mut self,
        address: Address,
        hidden: &HashSet<U256>,
    ) -> Result<bool, Self::Error> {
        self.has_storage_ref(address, hidden)
    }
}

impl<D: StorageProbeRef> StorageProbeRef for CacheDB<D> {
    fn has_storage_ref(
        &self,
        address: Address,
        hidden: &HashSet<U256>,
    ) -> Result<bool, Self::Error> {
        let Some(account) = self.cache.accounts.get(&address) else {
            return self.db.has_storage_ref(address, hidden);
        };
        let mut hidden = hidden.clone();
        for (slot, value) in &account.storage {
            if hidden.insert(*slot) && !value.is_zero() {
                return Ok(true);
            }
        }
        match account.account_state {
            AccountState::StorageCleared | AccountState::NotExisting => Ok(false),
            AccountState::Touched | AccountState::None => self.db.has_storage_ref(address, &hidden),
        }
    }
}

impl<E> StorageProbeRef for EmptyDBTyped<E>
where
    E: DBErrorMarker + std::error::Error + Send + Sync + 'static,
{
    fn has_storage_ref(&self, _address: Address, _hidden: &HashSet<U256>) -> Result<bool, E> {
        Ok(false)
    }
}
