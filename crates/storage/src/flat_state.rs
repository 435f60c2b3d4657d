//! The `state` environment: writes blocks into it. `unwind` takes them back, `prune` forgets.
//!
//! Invariant: one transaction moves everything (flat state, trie nodes, indexes, history and the
//! number of the persisted block), so that a crash leaves exactly one block's state.

use crate::{
    AccountChange, StateChanges, StorageError, TrieUpdates, address_index,
    change_set::{ChangeSetWriter, Prior},
    codec::Damage,
    engine::{Transaction, TransactionKind, WriteTx},
    layer::Layer,
    table::{
        AccountHistory, AccountTrie, Accounts, AddressIndex, BlockHashes, BlockNumbers, ChangeSets,
        Codes, Creations, LogIndex, META_BLOCK, NodePath, NodePlace, SenderNonces, StateMeta,
        Storage, StorageHistory, StorageTrie, Table, TransactionLocations, UnwindSets,
    },
};
use alloy_primitives::{Address, B256, Bytes, U256};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Number of the persisted block; `None` before genesis.
pub(crate) fn persisted_block<K: TransactionKind>(
    tx: &Transaction<K>,
) -> Result<Option<u64>, StorageError> {
    let Some(bytes) = tx.get::<StateMeta>(&META_BLOCK)? else { return Ok(None) };
    let bytes = <[u8; 8]>::try_from(bytes.as_ref())
        .map_err(|_| Damage("the block number has a wrong length").of(StateMeta::SPEC.name))?;
    Ok(Some(u64::from_be_bytes(bytes)))
}

/// The oldest block whose state can be told, when `persisted` is the persisted one.
pub(crate) fn oldest_state<K: TransactionKind>(
    tx: &Transaction<K>,
    persisted: u64,
) -> Result<u64, StorageError> {
    let first = tx.seek::<ChangeSets>(&[])?;
    Ok(first.map_or(persisted, |((number, _), _)| number.saturating_sub(1)))
}

/// Makes `number` the persisted block.
pub(crate) fn set_persisted_block(tx: &WriteTx, number: u64) -> Result<(), StorageError> {
    tx.put::<StateMeta>(&META_BLOCK, &Bytes::copy_from_slice(&number.to_be_bytes()))
}

/// Removes everything: an initialisation that was cut short is begun anew.
pub(crate) fn clear(tx: &WriteTx) -> Result<(), StorageError> {
    tx.clear::<Accounts>()?;
    tx.clear::<Storage>()?;
    tx.clear::<Codes>()?;
    tx.clear::<AccountTrie>()?;
    tx.clear::<StorageTrie>()?;
    tx.clear::<AccountHistory>()?;
    tx.clear::<StorageHistory>()?;
    tx.clear::<ChangeSets>()?;
    tx.clear::<UnwindSets>()?;
    tx.clear::<TransactionLocations>()?;
    tx.clear::<BlockNumbers>()?;
    tx.clear::<BlockHashes>()?;
    tx.clear::<LogIndex>()?;
    tx.clear::<AddressIndex>()?;
    tx.clear::<SenderNonces>()?;
    tx.clear::<Creations>()
}

/// Writes the genesis state, for which there is no way back.
pub(crate) fn write_genesis(
    tx: &WriteTx,
    hash: B256,
    changes: &StateChanges,
    trie: &TrieUpdates,
) -> Result<(), StorageError> {
    for (address, change) in &changes.accounts {
        if let Some(account) = &change.account {
            tx.put::<Accounts>(address, account)?;
        }
        for (slot, value) in change.storage.iter().filter(|(_, value)| !value.is_zero()) {
            tx.put::<Storage>(&(*address, *slot), value)?;
        }
    }
    for (hash, code) in &changes.codes {
        tx.put::<Codes>(hash, code)?;
    }
    for (key, node) in &trie.nodes {
        if let Some(node) = node {
            match NodePlace::from(key) {
                NodePlace::Account(path) => tx.put::<AccountTrie>(&path, node)?,
                NodePlace::Storage(key) => tx.put::<StorageTrie>(&key, node)?,
            }
        }
    }
    tx.put::<BlockNumbers>(&hash, &0)?;
    tx.put::<BlockHashes>(&0, &hash)?;
    set_persisted_block(tx, 0)
}

/// The oldest block to which the persisted one can be taken back.
pub(crate) fn oldest_unwind<K: TransactionKind>(
    tx: &Transaction<K>,
    persisted: u64,
) -> Result<u64, StorageError> {
    let first = tx.seek::<UnwindSets>(&[])?;
    Ok(first.map_or(persisted, |((number, _), _)| number.saturating_sub(1)))
}

/// Writes the block after the persisted one, and the way back. Its logs are left to
/// [`log_index::write`](crate::log_index::write), which takes several blocks at once.
pub(crate) fn write_block(tx: &WriteTx, block: &Layer) -> Result<(), StorageError> {
    let number = block.number;
    let mut unwind = ChangeSetWriter::<UnwindSets>::new(tx, number);
    for (index, transaction) in (0..).zip(&block.transactions) {
        tx.put::<TransactionLocations>(&transaction.hash, &(number, index))?;
        unwind.push(&Prior::Transaction(transaction.hash))?;
    }
    address_index::write(tx, block, &mut unwind)?;
    for key in &block.log_keys {
        unwind.push(&Prior::Log(*key))?;
    }
    let mut priors = ChangeSetWriter::<ChangeSets>::new(tx, number);
    let accounts: BTreeMap<_, _> = block.changes.accounts.iter().collect();
    for (address, change) in accounts {
        write_account(tx, &mut priors, number, *address, change)?;
    }
    for (hash, code) in &block.changes.codes {
        if tx.get::<Codes>(hash)?.is_none() {
            tx.put::<Codes>(hash, code)?;
            unwind.push(&Prior::Code(*hash))?;
        }
    }
    priors.finish()?;
    write_nodes(tx, &mut unwind, &block.trie)?;
    unwind.finish()?;
    tx.put::<BlockNumbers>(&block.hash, &number)?;
    tx.put::<BlockHashes>(&number, &block.hash)?;
    set_persisted_block(tx, number)
}

fn write_account(
    tx: &WriteTx,
    priors: &mut ChangeSetWriter<'_, ChangeSets>,
    number: u64,
    address: Address,
    change: &AccountChange,
) -> Result<(), StorageError> {
    let before = tx.get::<Accounts>(&address)?;
    if before != change.account {
        tx.put::<AccountHistory>(&(address, number), &before)?;
        priors.push(&Prior::Account(address, before))?;
        match &change.account {
            Some(account) => tx.put::<Accounts>(&address, account)?,
            None => drop(tx.delete::<Accounts>(&address)?),
        }
    }
    let mut wiped = HashMap::new();
    if change.wipes_storage() {
        for ((_, slot), value) in tx.with_prefix::<Storage>(address.as_slice())? {
            wiped.insert(slot, value);
        }
    }
    let slots: BTreeSet<U256> =
        change.storage.keys().copied().chain(wiped.keys().copied()).collect();
    for slot in slots {
        let key = (address, slot);
        let before = match wiped.get(&slot) {
            Some(value) => *value,
            None if change.wipes_storage() => U256::ZERO,
            None => tx.get::<Storage>(&key)?.unwrap_or_default(),
        };
        let after = change.storage.get(&slot).copied().unwrap_or_default();
        if before == after {
            continue;
        }
        tx.put::<StorageHistory>(&(address, slot, number), &before)?;
        priors.push(&Prior::Slot(address, slot, before))?;
        if after.is_zero() {
            tx.delete::<Storage>(&key)?;
        } else {
            tx.put::<Storage>(&key, &after)?;
        }
    }
    Ok(())
}

fn write_nodes(
    tx: &WriteTx,
    priors: &mut ChangeSetWriter<'_, UnwindSets>,
    trie: &TrieUpdates,
) -> Result<(), StorageError> {
    let mut wiped: HashMap<(B256, NodePath), Bytes> = HashMap::new();
    for owner in &trie.wiped {
        for (key, node) in tx.with_prefix::<StorageTrie>(owner.as_slice())? {
            tx.delete::<StorageTrie>(&key)?;
            wiped.insert(key, node);
        }
    }
    let nodes: BTreeMap<_, _> = trie.nodes.iter().collect();
    for (key, node) in nodes {
        let place = NodePlace::from(key);
        let before = match &place {
            NodePlace::Account(path) => tx.get::<AccountTrie>(path)?,
            NodePlace::Storage(key) => match wiped.remove(key) {
                Some(node) => Some(node),
                None => tx.get::<StorageTrie>(key)?,
            },
        };
        put_node(tx, &place, node.as_ref())?;
        if before.as_ref() != node.as_ref() {
            priors.push(&Prior::node(place, before))?;
        }
    }
    for (key, node) in wiped {
        priors.push(&Prior::StorageNode(key, Some(node)))?;
    }
    Ok(())
}

/// Sets or removes a trie node.
pub(crate) fn put_node(
    tx: &WriteTx,
    place: &NodePlace,
    node: Option<&Bytes>,
) -> Result<(), StorageError> {
    match (place, node) {
        (NodePlace::Account(path), Some(node)) => tx.put::<AccountTrie>(path, node),
        (NodePlace::Account(path), None) => tx.delete::<AccountTrie>(path).map(drop),
        (NodePlace::Storage(key), Some(node)) => tx.put::<StorageTrie>(key, node),
        (NodePlace::Storage(key), None) => tx.delete::<StorageTrie>(key).map(drop),
    }
}
