//! The state of a block while it is open.
//!
//! Invariant: a read sees the last committed write of this block, else the parent's post-state.

use crate::state_db::{StateDbError, account_info, cached_code, stored_account};
use alloy_eip7928::{BlockAccessIndex, BlockAccessList};
use alloy_primitives::{
    Address, B256, Bytes, U256,
    map::{AddressMap, HashMap, HashSet},
};
use plasma_storage::{Account, AccountChange, StateChanges, StateReader, StorageError};
use plasma_vm::{AccessListBuilder, StorageProbe, StorageProbeRef};
use revm::{
    Database, DatabaseCommit, DatabaseRef,
    state::{Account as EvmAccount, AccountInfo, Bytecode},
};
use std::sync::Arc;

/// A base state under layers of changes, oldest first: what readers of the open block see, and the
/// state after blocks that are not canonical.
#[derive(Clone)]
pub struct LayeredState {
    base: Arc<dyn StateReader>,
    layers: Vec<Arc<StateChanges>>,
    /// Hashes of the blocks among the layers.
    hashes: HashMap<u64, B256>,
}

impl std::fmt::Debug for LayeredState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LayeredState").field("layers", &self.layers.len()).finish_non_exhaustive()
    }
}

impl LayeredState {
    /// `base` with `layers` applied on top, in order.
    pub fn new(base: Arc<dyn StateReader>, layers: Vec<Arc<StateChanges>>) -> Self {
        Self { base, layers, hashes: HashMap::default() }
    }

    /// Puts block `number`, which has this hash and made these changes, on top.
    pub fn push_block(&mut self, number: u64, hash: B256, changes: Arc<StateChanges>) {
        self.layers.push(changes);
        self.hashes.insert(number, hash);
    }

    fn newest_first(&self) -> impl Iterator<Item = &StateChanges> {
        self.layers.iter().rev().map(AsRef::as_ref)
    }
}

impl StateReader for LayeredState {
    fn account(&self, address: Address) -> Result<Option<Account>, StorageError> {
        match self.newest_first().find_map(|layer| layer.accounts.get(&address)) {
            Some(change) => Ok(change.account),
            None => self.base.account(address),
        }
    }

    fn storage(&self, address: Address, slot: U256) -> Result<U256, StorageError> {
        match self.newest_first().find_map(|layer| changed_slot(layer, address, slot)) {
            Some(value) => Ok(value),
            None => self.base.storage(address, slot),
        }
    }

    fn has_storage(&self, address: Address, hidden: &HashSet<U256>) -> Result<bool, StorageError> {
        let mut hidden = hidden.clone();
        let mut changes = self.newest_first().filter_map(|layer| layer.accounts.get(&address));
        match changes.find_map(|change| change.has_storage(&mut hidden)) {
            Some(answer) => Ok(answer),
            None => self.base.has_storage(address, &hidden),
        }
    }

    fn code(&self, code_hash: B256) -> Result<Option<Bytes>, StorageError> {
        match self.newest_first().find_map(|layer| layer.codes.get(&code_hash)) {
            Some(code) => Ok(Some(code.clone())),
            None => self.base.code(code_hash),
        }
    }

    fn block_hash(&self, number: u64) -> Result<Option<B256>, StorageError> {
        match self.hashes.get(&number) {
            Some(hash) => Ok(Some(*hash)),
            None => self.base.block_hash(number),
        }
    }
}

/// What `changes` says of a slot: a written value, zero where the storage was wiped, or nothing.
fn changed_slot(changes: &StateChanges, address: Address, slot: U256) -> Option<U256> {
    let change = changes.accounts.get(&address)?;
    match change.storage.get(&slot) {
        Some(value) => Some(*value),
        None => change.storage_wiped.then_some(U256::ZERO),
    }
}

/// The state of an open block: the parent's post-state, the block's finished ticks, and the
/// changes of the tick in progress.
#[derive(Clone, Debug)]
pub struct BlockState {
    below: LayeredState,
    tick: StateChanges,
    /// What was accessed, where a block access list is kept.
    listing: Option<Listing>,
}

/// A block access list in the making (EIP-7928).
#[derive(Clone, Debug, Default)]
struct Listing {
    list: AccessListBuilder,
    /// Where what is committed next belongs; `None`: it is not listed.
    at: Option<BlockAccessIndex>,
}

impl BlockState {
    /// An open block on top of `parent`'s post-state.
    pub fn new(parent: Arc<dyn StateReader>) -> Self {
        Self {
            below: LayeredState::new(parent, Vec::new()),
            tick: StateChanges::default(),
            listing: None,
        }
    }

    /// Moves the state out and leaves an empty one on the same parent behind.
    pub(crate) fn take(&mut self) -> Self {
        let empty = Self::new(self.below.base.clone());
        std::mem::replace(self, empty)
    }

    /// Lists what is committed from now on at `index`; `None`: does not list it.
    pub(crate) fn list_at(&mut self, index: Option<BlockAccessIndex>) {
        self.listing.get_or_insert_default().at = index;
    }

    /// Takes the list out; `None` where none was kept.
    pub(crate) fn take_list(&mut self) -> Option<BlockAccessList> {
        Some(self.listing.take()?.list.finish())
    }

    /// Ends the tick in progress and returns what it changed.
    pub fn end_tick(&mut self) -> Arc<StateChanges> {
        let tick = Arc::new(std::mem::take(&mut self.tick));
        if !tick.is_empty() {
            self.below.layers.push(tick.clone());
        }
        tick
    }

    /// The state as of the last finished tick; stays as it is while the block goes on.
    pub fn published(&self) -> LayeredState {
        self.below.clone()
    }

    /// Changes of the tick in progress.
    pub fn tick_changes(&self) -> &StateChanges {
        &self.tick
    }

    /// Applies `changes` as they are (developers' patches).
    pub fn apply(&mut self, changes: StateChanges) {
        self.tick.merge(changes);
    }

    /// Everything that the block changed.
    pub fn into_changes(mut self) -> StateChanges {
        self.end_tick();
        let mut layers = self.below.layers.into_iter();
        let Some(first) = layers.next() else { return StateChanges::default() };
        let mut all = Arc::unwrap_or_clone(first);
        for layer in layers {
            all.merge(Arc::unwrap_or_clone(layer));
        }
        all
    }
}

impl StateReader for BlockState {
    fn account(&self, address: Address) -> Result<Option<Account>, StorageError> {
        match self.tick.accounts.get(&address) {
            Some(change) => Ok(change.account),
            None => self.below.account(address),
        }
    }

    fn storage(&self, address: Address, slot: U256) -> Result<U256, StorageError> {
        match changed_slot(&self.tick, address, slot) {
            Some(value) => Ok(value),
            None => self.below.storage(address, slot),
        }
    }

    fn has_storage(&self, address: Address, hidden: &HashSet<U256>) -> Result<bool, StorageError> {
        let mut hidden = hidden.clone();
        let change = self.tick.accounts.get(&address);
        match change.and_then(|change| change.has_storage(&mut hidden)) {
            Some(answer) => Ok(answer),
            None => self.below.has_storage(address, &hidden),
        }
    }

    fn code(&self, code_hash: B256) -> Result<Option<Bytes>, StorageError> {
        match self.tick.codes.get(&code_hash) {
            Some(code) => Ok(Some(code.clone())),
            None => self.below.code(code_hash),
        }
    }

    fn block_hash(&self, number: u64) -> Result<Option<B256>, StorageError> {
        self.below.block_hash(number)
    }
}

impl DatabaseRef for BlockState {
    type Error = StateDbError;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, StateDbError> {
        Ok(StateReader::account(self, address)?.map(account_info))
    }

    fn code_by_hash_ref(&self, code_hash: B256) -> Result<Bytecode, StateDbError> {
        cached_code(code_hash, || Ok(StateReader::code(self, code_hash)?))
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, StateDbError> {
        Ok(StateReader::storage(self, address, slot)?)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, StateDbError> {
        StateReader::block_hash(self, number)?.ok_or(StateDbError::MissingBlockHash(number))
    }
}

impl Database for BlockState {
    type Error = StateDbError;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, StateDbError> {
        self.basic_ref(address)
    }

    fn code_by_hash(&mut self, code_hash: B256) -> Result<Bytecode, StateDbError> {
        self.code_by_hash_ref(code_hash)
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, StateDbError> {
        self.storage_ref(address, slot)
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, StateDbError> {
        self.block_hash_ref(number)
    }
}

impl StorageProbeRef for BlockState {
    fn has_storage_ref(
        &self,
        address: Address,
        hidden: &HashSet<U256>,
    ) -> Result<bool, StateDbError> {
        Ok(StateReader::has_storage(self, address, hidden)?)
    }
}

impl StorageProbe for BlockState {
    fn has_storage(
        &mut self,
        address: Address,
        hidden: &HashSet<U256>,
    ) -> Result<bool, StateDbError> {
        self.has_storage_ref(address, hidden)
    }
}

impl DatabaseCommit for BlockState {
    fn commit(&mut self, changes: AddressMap<EvmAccount>) {
        self.commit_iter(&mut changes.into_iter());
    }

    fn commit_iter(&mut self, changes: &mut dyn Iterator<Item = (Address, EvmAccount)>) {
        for (address, account) in changes {
            if let Some(Listing { list, at: Some(index) }) = &mut self.listing {
                list.add(*index, address, &account);
            }
            if account.is_touched() {
                commit_account(&mut self.tick, address, account);
            }
        }
    }
}

/// Adds what a transaction did to one touched account. The journal has already translated the
/// rules from before EIP-161 into flags, so an empty touched account is always removed here.
fn commit_account(changes: &mut StateChanges, address: Address, account: EvmAccount) {
    let entry = changes.accounts.entry(address).or_default();
    if account.is_selfdestructed() || (account.is_empty() && !account.is_created()) {
        *entry = AccountChange { account: None, storage_wiped: true, ..AccountChange::default() };
        return;
    }
    if account.is_created() {
        // A new contract starts with empty storage, whatever stood at this address before.
        entry.storage_wiped = true;
        entry.storage.clear();
    }
    // Only creation and EIP-7702 give an account code; a called contract's code is not news.
    if let Some(code) = &account.info.code
        && (account.is_created() || code.is_eip7702())
        && !code.is_empty()
    {
        changes.codes.entry(account.info.code_hash).or_insert_with(|| code.original_bytes());
    }
    entry.account = Some(stored_account(&account.info));
    for (slot, value) in account.storage {
        if value.is_changed() {
            entry.storage.insert(slot, value.present_value);
        }
    }
}
