//! State of one block, for reading.

use crate::{
    Account, StateChanges, StateReader, StorageError, TrieNodeKey,
    engine::ReadTx,
    layer::Layer,
    reverse,
    table::{
        AccountHistory, AccountTrie, Accounts, BlockHashes, Codes, NodePlace, Storage,
        StorageHistory, StorageTrie, TableKey,
    },
    view::View,
};
use alloy_primitives::{Address, B256, Bytes, U256, map::HashSet};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
    sync::Arc,
};

/// The state after one block. Cloning is cheap, and any number of threads may read at once; it
/// stays as it is while the chain goes on. Long-lived snapshots keep old pages of the database
/// from being reused.
#[derive(Clone, Debug)]
pub struct StateSnapshot {
    view: Arc<View>,
    number: u64,
    place: Place,
}

/// Where the block stands in the view.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// The persisted block with this many layers above it.
    Layers(usize),
    /// Before the persisted block.
    History,
}

impl StateSnapshot {
    /// The state after `number` in `view`.
    pub(crate) fn new(view: Arc<View>, number: u64) -> Result<Self, StorageError> {
        let persisted = view.base.block.ok_or(StorageError::Empty)?;
        let latest = view.tip().ok_or(StorageError::Empty)?;
        if number > latest {
            return Err(StorageError::Unknown { number, latest });
        }
        if number < view.base.oldest {
            return Err(StorageError::Pruned { number, oldest: view.base.oldest });
        }
        let place = match number.checked_sub(persisted) {
            Some(layers) => Place::Layers(
                usize::try_from(layers).expect("layers are held in memory, so they can be counted"),
            ),
            None => Place::History,
        };
        Ok(Self { view, number, place })
    }

    /// The block after which this state stands.
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// RLP of the trie node at `key`, or `None` where there is none.
    ///
    /// # Errors
    /// [`StorageError::NoTrieNodes`] where the block is older than the persisted one: nodes are
    /// kept for the latest state only.
    pub fn trie_node(&self, key: &TrieNodeKey) -> Result<Option<Bytes>, StorageError> {
        let Place::Layers(count) = self.place else {
            let oldest = self.view.base.block.unwrap_or_default();
            return Err(StorageError::NoTrieNodes { number: self.number, oldest });
        };
        for layer in self.view.layers[..count].iter().rev() {
            if let Some(node) = layer.node(key) {
                return Ok(node.cloned());
            }
        }
        let reader = self.view.base.reader();
        match NodePlace::from(key) {
            NodePlace::Account(path) => reader.get::<AccountTrie>(&path),
            NodePlace::Storage(key) => reader.get::<StorageTrie>(&key),
        }
    }

    /// Tells `each` the changes that, applied one after another to this state, give the state after
    /// block `number` of the same chain: none where that is this one. Every slot that differs is told,
    /// so no storage needs to be wiped to apply them; new code needs no way back. Costs as much time
    /// as was changed in between; `each` is told of `part` accounts and slots at a time, and of those
    /// of one more block.
    ///
    /// # Errors
    /// [`StorageError::Unknown`] where `number` comes after this state, [`StorageError::Pruned`] where
    /// it is too old, and those of `each`.
    pub fn reverse_changes<E: From<StorageError>>(
        &self,
        number: u64,
        part: usize,
        each: impl FnMut(StateChanges) -> Result<(), E>,
    ) -> Result<(), E> {
        if number > self.number {
            return Err(StorageError::Unknown { number, latest: self.number }.into());
        }
        // Refuses what is too old before anything is told.
        self.at(number)?;
        reverse::reverse_changes(&self.view, self.number, number, part, each)
    }

    /// All accounts. Reads the whole state, so it is for small chains and for tools.
    pub fn accounts(&self) -> Result<BTreeMap<Address, Account>, StorageError> {
        let mut addresses = BTreeSet::new();
        let reader = self.view.base.reader();
        reader.scan::<Accounts>(&[], |address, _| {
            addresses.insert(address);
            ControlFlow::Continue(())
        })?;
        if matches!(self.place, Place::History) {
            // What is gone by now has left its values here.
            reader.scan::<AccountHistory>(&[], |(address, _), _| {
                addresses.insert(address);
                ControlFlow::Continue(())
            })?;
        }
        for layer in self.layers() {
            addresses.extend(layer.changes.accounts.keys());
        }
        let mut accounts = BTreeMap::new();
        for address in addresses {
            if let Some(account) = self.account(address)? {
                accounts.insert(address, account);
            }
        }
        Ok(accounts)
    }

    /// All slots of `address` that hold a value, in one map.
    pub fn slots(&self, address: Address) -> Result<BTreeMap<U256, U256>, StorageError> {
        let mut keys = BTreeSet::new();
        let reader = self.view.base.reader();
        reader.scan::<Storage>(address.as_slice(), |(_, slot), _| {
            keys.insert(slot);
            ControlFlow::Continue(())
        })?;
        if matches!(self.place, Place::History) {
            reader.scan::<StorageHistory>(address.as_slice(), |(_, slot, _), _| {
                keys.insert(slot);
                ControlFlow::Continue(())
            })?;
        }
        for layer in self.layers() {
            if let Some(change) = layer.changes.accounts.get(&address) {
                keys.extend(change.storage.keys());
            }
        }
        let mut slots = BTreeMap::new();
        for slot in keys {
            let value = self.storage(address, slot)?;
            if !value.is_zero() {
                slots.insert(slot, value);
            }
        }
        Ok(slots)
    }

    /// The state after block `number` of the same chain.
    ///
    /// # Errors
    /// [`StorageError::Unknown`] where that comes after all that was there when this snapshot was taken,
    /// [`StorageError::Pruned`] where it is too old.
    pub fn at(&self, number: u64) -> Result<Self, StorageError> {
        Self::new(Arc::clone(&self.view), number)
    }

    /// This thread's read transaction.
    pub(crate) fn reader(&self) -> &ReadTx {
        self.view.base.reader()
    }

    /// True before the persisted block: what was changed since has left its values in the history.
    pub(crate) const fn is_history(&self) -> bool {
        matches!(self.place, Place::History)
    }

    /// The layers of this state over the persisted one.
    pub(crate) fn layers(&self) -> &[Arc<Layer>] {
        match self.place {
            Place::Layers(count) => &self.view.layers[..count],
            Place::History => &[],
        }
    }

    fn persisted_account(&self, address: Address) -> Result<Option<Account>, StorageError> {
        let base = &self.view.base;
        if let Some(account) = base.caches.accounts.get(base.generation, &address) {
            return Ok(account);
        }
        let account = base.reader().get::<Accounts>(&address)?;
        base.caches.accounts.insert(base.generation, address, account);
        Ok(account)
    }

    fn persisted_slot(&self, address: Address, slot: U256) -> Result<U256, StorageError> {
        let base = &self.view.base;
        let key = (address, slot);
        if let Some(value) = base.caches.storage.get(base.generation, &key) {
            return Ok(value);
        }
        let value = base.reader().get::<Storage>(&key)?.unwrap_or_default();
        base.caches.storage.insert(base.generation, key, value);
        Ok(value)
    }

    /// The first persisted slot of `address` that is not below `from`.
    pub(crate) fn persisted_slot_from(
        &self,
        address: Address,
        from: U256,
    ) -> Result<Option<U256>, StorageError> {
        let record = self.view.base.reader().seek::<Storage>(&(address, from).encode())?;
        Ok(record.and_then(|((found, slot), _)| (found == address).then_some(slot)))
    }

    /// [`StateReader::has_storage`] of a block before the persisted one: a slot that held a value
    /// then holds one still, or has been changed since.
    fn had_storage(&self, address: Address, hidden: &HashSet<U256>) -> Result<bool, StorageError> {
        let held = |slot| Ok(!hidden.contains(&slot) && !self.storage(address, slot)?.is_zero());
        let mut next = Some(U256::ZERO);
        while let Some(from) = next {
            let Some(slot) = self.persisted_slot_from(address, from)? else { break };
            if held(slot)? {
                return Ok(true);
            }
            next = slot.checked_add(U256::ONE);
        }
        let mut next = Some(U256::ZERO);
        while let Some(from) = next {
            let from = (address, from, 0).encode();
            let slot = match self.view.base.reader().seek::<StorageHistory>(&from)? {
                Some(((found, slot, _), _)) if found == address => slot,
                _ => break,
            };
            if held(slot)? {
                return Ok(true);
            }
            next = slot.checked_add(U256::ONE);
        }
        Ok(false)
    }
}

impl StateReader for StateSnapshot {
    fn account(&self, address: Address) -> Result<Option<Account>, StorageError> {
        let Place::Layers(count) = self.place else {
            // The first change after the block tells what stood before it, and so at the block.
            let reader = self.view.base.reader();
            let from = (address, self.number + 1).encode();
            return match reader.seek::<AccountHistory>(&from)? {
                Some(((found, _), before)) if found == address => Ok(before),
                _ => reader.get::<Accounts>(&address),
            };
        };
        for layer in self.view.layers[..count].iter().rev() {
            if let Some(account) = layer.account(address) {
                return Ok(account);
            }
        }
        self.persisted_account(address)
    }

    fn storage(&self, address: Address, slot: U256) -> Result<U256, StorageError> {
        let Place::Layers(count) = self.place else {
            let reader = self.view.base.reader();
            let from = (address, slot, self.number + 1).encode();
            return match reader.seek::<StorageHistory>(&from)? {
                Some(((found, at, _), before)) if (found, at) == (address, slot) => Ok(before),
                _ => Ok(reader.get::<Storage>(&(address, slot))?.unwrap_or_default()),
            };
        };
        for layer in self.view.layers[..count].iter().rev() {
            if let Some(value) = layer.storage(address, slot) {
                return Ok(value);
            }
        }
        self.persisted_slot(address, slot)
    }

    fn has_storage(&self, address: Address, hidden: &HashSet<U256>) -> Result<bool, StorageError> {
        let Place::Layers(count) = self.place else {
            return self.had_storage(address, hidden);
        };
        let mut hidden = hidden.clone();
        for layer in self.view.layers[..count].iter().rev() {
            if let Some(change) = layer.changes.accounts.get(&address)
                && let Some(answer) = change.has_storage(&mut hidden)
            {
                return Ok(answer);
            }
        }
        let mut next = Some(U256::ZERO);
        while let Some(from) = next {
            match self.persisted_slot_from(address, from)? {
                None => return Ok(false),
                // Slots without a value have no record.
                Some(slot) if !hidden.contains(&slot) => return Ok(true),
                Some(slot) => next = slot.checked_add(U256::ONE),
            }
        }
        Ok(false)
    }

    fn code(&self, code_hash: B256) -> Result<Option<Bytes>, StorageError> {
        // A hash names one code for ever, so it does not matter which block brought it.
        for layer in self.view.layers.iter().rev() {
            if let Some(code) = layer.code(code_hash) {
                return Ok(Some(code.clone()));
            }
        }
        self.view.base.reader().get::<Codes>(&code_hash)
    }

    fn block_hash(&self, number: u64) -> Result<Option<B256>, StorageError> {
        if number > self.number {
            return Ok(None);
        }
        if let Some(layer) = self.view.layers.iter().find(|layer| layer.number == number) {
            return Ok(Some(layer.hash));
        }
        self.view.base.reader().get::<BlockHashes>(&number)
    }
}
