//! The base state with committed transactions on top, and everything that was read of it.
//!
//! Invariant: what it answers is the base state after every transaction applied to it.

use std::collections::hash_map::Entry;

use alloy_primitives::{
    Address, B256, U256,
    map::{AddressMap, B256Map, HashMap, HashSet, U256Map},
};
use plasma_vm::{StorageProbe, StorageProbeRef};
use revm::{
    Database, DatabaseRef,
    state::{Account, AccountInfo, Bytecode, EvmState},
};

/// What committing one touched account does to the state; the one place where revm's statuses are
/// interpreted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AccountFate {
    /// The account ceases to exist and its storage with it: it self-destructed, or it was touched
    /// and left empty (EIP-161; before Spurious Dragon revm clears the touch of such accounts).
    Gone,
    /// The account starts anew: its storage is what the state says and nothing else.
    Created,
    /// The account exists and its changed slots are updated.
    Changed,
}

impl AccountFate {
    pub(crate) fn of(account: &Account) -> Self {
        if account.is_selfdestructed() {
            Self::Gone
        } else if account.is_created() {
            Self::Created
        } else if account.is_empty() {
            Self::Gone
        } else {
            Self::Changed
        }
    }
}

/// One account as the batch sees it.
#[derive(Debug)]
struct CachedAccount {
    /// `None`: the account does not exist.
    info: Option<AccountInfo>,
    storage: U256Map<U256>,
    /// The base state's storage no longer counts.
    wiped: bool,
}

impl CachedAccount {
    fn new(info: Option<AccountInfo>) -> Self {
        Self { info, storage: U256Map::default(), wiped: false }
    }
}

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct BatchCache<D> {
    base: D,
    accounts: AddressMap<CachedAccount>,
    codes: B256Map<Bytecode>,
    block_hashes: HashMap<u64, B256>,
}

impl<D: StorageProbeRef> BatchCache<D> {
    pub(crate) fn new(base: D) -> Self {
        Self {
            base,
            accounts: AddressMap::default(),
            codes: B256Map::default(),
            block_hashes: HashMap::default(),
        }
    }

    fn account(&mut self, address: Address) -> Result<&mut CachedAccount, D::Error> {
        match self.accounts.entry(address) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => {
                let info = self.base.basic_ref(address)?;
                Ok(entry.insert(CachedAccount::new(info)))
            }
        }
    }

    /// Applies the state of one transaction: the accounts that it touched.
    pub(crate) fn commit(&mut self, state: &EvmState) {
        for (address, account) in state.iter().filter(|(_, account)| account.is_touched()) {
            let cached = self.accounts.entry(*address).or_insert_with(|| CachedAccount::new(None));
            match AccountFate::of(account) {
                AccountFate::Gone => {
                    cached.info = None;
                    cached.storage.clear();
                    cached.wiped = true;
                    continue;
                }
                AccountFate::Created => {
                    cached.storage.clear();
                    cached.wiped = true;
                }
                AccountFate::Changed => {}
            }
            cached.info = Some(account.info.clone());
            for (slot, value) in &account.storage {
                if value.is_changed() || cached.wiped {
                    cached.storage.insert(*slot, value.present_value);
                }
            }
        }
    }

    /// Sets an account's fields.
    pub(crate) fn set_account(&mut self, address: Address, info: Option<AccountInfo>) {
        match self.accounts.entry(address) {
            Entry::Occupied(entry) => entry.into_mut().info = info,
            Entry::Vacant(entry) => {
                entry.insert(CachedAccount::new(info));
            }
        }
    }
}

impl<D: StorageProbeRef> Database for BatchCache<D> {
    type Error = D::Error;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, D::Error> {
        Ok(self.account(address)?.info.clone())
    }

    fn code_by_hash(&mut self, code_hash: B256) -> Result<Bytecode, D::Error> {
        match self.codes.entry(code_hash) {
            Entry::Occupied(entry) => Ok(entry.get().clone()),
            Entry::Vacant(entry) => {
                Ok(entry.insert(self.base.code_by_hash_ref(code_hash)?).clone())
            }
        }
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, D::Error> {
        let Self { base, accounts, .. } = self;
        let cached = match accounts.entry(address) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(CachedAccount::new(base.basic_ref(address)?)),
        };
        match cached.storage.entry(slot) {
            Entry::Occupied(entry) => Ok(*entry.get()),
            Entry::Vacant(_) if cached.wiped => Ok(U256::ZERO),
            Entry::Vacant(entry) => Ok(*entry.insert(base.storage_ref(address, slot)?)),
        }
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, D::Error> {
        match self.block_hashes.entry(number) {
            Entry::Occupied(entry) => Ok(*entry.get()),
            Entry::Vacant(entry) => Ok(*entry.insert(self.base.block_hash_ref(number)?)),
        }
    }
}

impl<D: StorageProbeRef> StorageProbe for BatchCache<D> {
    fn has_storage(&mut self, address: Address, hidden: &HashSet<U256>) -> Result<bool, D::Error> {
        self.has_storage_ref(address, hidden)
    }
}

/// Reads that leave no trace, for readers on several threads.
impl<D: StorageProbeRef> DatabaseRef for BatchCache<D> {
    type Error = D::Error;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, D::Error> {
        match self.accounts.get(&address) {
            Some(cached) => Ok(cached.info.clone()),
            None => self.base.basic_ref(address),
        }
    }

    fn code_by_hash_ref(&self, code_hash: B256) -> Result<Bytecode, D::Error> {
        match self.codes.get(&code_hash) {
            Some(code) => Ok(code.clone()),
            None => self.base.code_by_hash_ref(code_hash),
        }
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, D::Error> {
        match self.accounts.get(&address) {
            None => self.base.storage_ref(address, slot),
            Some(cached) => match cached.storage.get(&slot) {
                Some(value) => Ok(*value),
                None if cached.wiped => Ok(U256::ZERO),
                None => self.base.storage_ref(address, slot),
            },
        }
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, D::Error> {
        match self.block_hashes.get(&number) {
            Some(hash) => Ok(*hash),
            None => self.base.block_hash_ref(number),
        }
    }
}

impl<D: StorageProbeRef> StorageProbeRef for BatchCache<D> {
    fn has_storage_ref(&self, address: Address, hidden: &HashSet<U256>) -> Result<bool, D::Error> {
        let Some(cached) = self.accounts.get(&address) else {
            return self.base.has_storage_ref(address, hidden);
        };
        let mut hidden = hidden.clone();
        for (slot, value) in &cached.storage {
            if hidden.insert(*slot) && !value.is_zero() {
                return Ok(true);
            }
        }
        if cached.wiped { Ok(false) } else { self.base.has_storage_ref(address, &hidden) }
    }
}
