//! Any [`StateReader`] as a revm database.

use alloy_primitives::{
    Address, B256, KECCAK256_EMPTY, U256,
    map::{B256Map, HashSet},
};
use parking_lot::RwLock;
use plasma_storage::{Account, StateReader, StorageError};
use plasma_vm::StorageProbeRef;
use revm::{
    DatabaseRef,
    database_interface::DBErrorMarker,
    state::{AccountInfo, Bytecode},
};
use std::sync::LazyLock;

/// Contracts whose analysed code stays in memory; on overflow the cache starts anew.
const CODE_CACHE_ENTRIES: usize = 16_384;

/// Analysed code by hash. Code never changes under its hash, so one cache serves every state.
static CODE_CACHE: LazyLock<RwLock<B256Map<Bytecode>>> = LazyLock::new(RwLock::default);

/// A state could not answer during execution.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StateDbError {
    /// The state's own error.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// An account names code that the database does not hold.
    #[error("code {0} is missing from the database")]
    MissingCode(B256),
    /// A block hash inside the BLOCKHASH window is not known.
    #[error("hash of block {0} is missing from the database")]
    MissingBlockHash(u64),
}

impl DBErrorMarker for StateDbError {}

/// Reads a [`StateReader`] as revm does: accounts with analysed code attached on demand.
#[derive(Clone, Copy)]
pub struct StateDb<R>(pub R);

impl<R> std::fmt::Debug for StateDb<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("StateDb").finish_non_exhaustive()
    }
}

impl<R: std::ops::Deref<Target: StateReader>> DatabaseRef for StateDb<R> {
    type Error = StateDbError;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, StateDbError> {
        Ok(self.0.account(address)?.map(account_info))
    }

    fn code_by_hash_ref(&self, code_hash: B256) -> Result<Bytecode, StateDbError> {
        cached_code(code_hash, || Ok(self.0.code(code_hash)?))
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, StateDbError> {
        Ok(self.0.storage(address, slot)?)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, StateDbError> {
        self.0.block_hash(number)?.ok_or(StateDbError::MissingBlockHash(number))
    }
}

impl<R: std::ops::Deref<Target: StateReader>> StorageProbeRef for StateDb<R> {
    fn has_storage_ref(
        &self,
        address: Address,
        hidden: &HashSet<U256>,
    ) -> Result<bool, StateDbError> {
        Ok(self.0.has_storage(address, hidden)?)
    }
}

/// revm's form of a stored account; its code is fetched by hash when it is wanted.
pub(crate) fn account_info(account: Account) -> AccountInfo {
    AccountInfo {
        balance: account.balance,
        nonce: account.nonce,
        code_hash: account.bytecode_hash.unwrap_or(KECCAK256_EMPTY),
        code: None,
        account_id: None,
    }
}

/// The stored form of revm's account.
pub(crate) fn stored_account(info: &AccountInfo) -> Account {
    let has_code = info.code_hash != KECCAK256_EMPTY && !info.code_hash.is_zero();
    Account {
        nonce: info.nonce,
        balance: info.balance,
        bytecode_hash: has_code.then_some(info.code_hash),
    }
}

/// Analysed code from the process-wide cache, or from `load`.
pub(crate) fn cached_code(
    code_hash: B256,
    load: impl FnOnce() -> Result<Option<alloy_primitives::Bytes>, StateDbError>,
) -> Result<Bytecode, StateDbError> {
    if code_hash == KECCAK256_EMPTY {
        return Ok(Bytecode::default());
    }
    if let Some(code) = CODE_CACHE.read().get(&code_hash) {
        return Ok(code.clone());
    }
    let raw = load()?.ok_or(StateDbError::MissingCode(code_hash))?;
    // Before London a contract's code could begin as a delegation does (EIP-3541), and was none.
    let code = Bytecode::new_raw_checked(raw.clone()).unwrap_or_else(|_| Bytecode::new_legacy(raw));
    let mut cache = CODE_CACHE.write();
    if cache.len() >= CODE_CACHE_ENTRIES {
        cache.clear();
    }
    cache.insert(code_hash, code.clone());
    Ok(code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{Bytes, keccak256};

    #[test]
    fn code_that_only_begins_like_a_delegation_is_code() {
        let raw = Bytes::from_static(&[0xef, 0x01]);
        let hash = keccak256(&raw);
        // The second time it comes from the cache.
        for _ in 0..2 {
            let code = cached_code(hash, || Ok(Some(raw.clone()))).unwrap();
            assert!(code.is_legacy());
            assert_eq!(code.original_bytes(), raw);
        }
        let missing = cached_code(keccak256([1]), || Ok(None));
        assert!(matches!(missing, Err(StateDbError::MissingCode(_))));
    }
}
