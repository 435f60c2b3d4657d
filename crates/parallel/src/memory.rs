//! Multi-version memory: for each location, the base value and what the batch's transactions wrote.
//!
//! Invariant: a read at position `i` gives the value of the highest writer below `i`, or the base
//! value. What a writer last published stays until it publishes again; marking it as *estimates*
//! only tells readers to wait. Once all transactions below `i` are committed nothing below `i`
//! changes any more, so that a read at `i` is final.
//!
//! Balance, nonce, code and existence of an account are versioned apart. Storage is keyed by the
//! whole (address, slot); keys are compared in full. A wiped storage (self-destruct, creation) is a
//! version of its own: a slot version older than the latest wipe does not count.
//!
//! The same entries cache the base state, so that the second reader of a location finds it here.
//!
//! Locks: one per shard, held for one look-up or update, never while the base state is read and
//! never two at a time except the wipes' lock, which is released before a shard is locked.

use std::sync::atomic::{AtomicBool, Ordering};

use alloy_primitives::{
    Address, B256, U256,
    map::{AddressMap, B256Map, HashMap, HashSet},
};
use parking_lot::RwLock;
use plasma_vm::StorageProbeRef;
use revm::{
    primitives::KECCAK_EMPTY,
    state::{AccountInfo, Bytecode},
};
use smallvec::SmallVec;

use crate::{
    LocationKind,
    write_set::{AccountWrite, CodeWrite, WriteSet},
};

/// Shards per map. More than any plausible number of workers, so that two seldom meet.
const SHARDS: usize = 64;

/// A read met a value that an earlier transaction is known to be about to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Blocked {
    /// The earlier transaction.
    pub(crate) writer: u32,
    /// What it is about to change.
    pub(crate) kind: LocationKind,
}

/// A resolved value and the batch's transaction that wrote it (`None`: the base state).
#[derive(Clone, Debug)]
pub(crate) struct Resolved<T> {
    pub(crate) value: T,
    pub(crate) writer: Option<u32>,
}

/// An account as a reader sees it, field by field.
#[derive(Clone, Debug)]
pub(crate) struct AccountView {
    pub(crate) balance: Resolved<U256>,
    pub(crate) nonce: Resolved<u64>,
    pub(crate) code: Resolved<CodeWrite>,
    pub(crate) exists: Resolved<bool>,
}

impl AccountView {
    /// The form in which revm's journal loads accounts.
    pub(crate) fn into_info(self) -> Option<AccountInfo> {
        self.exists.value.then(|| AccountInfo {
            balance: self.balance.value,
            nonce: self.nonce.value,
            code_hash: self.code.value.hash,
            code: self.code.value.code,
            account_id: None,
        })
    }
}

/// What went wrong with a read that is not merely blocked.
#[derive(Debug)]
pub(crate) enum MemoryError<E> {
    Blocked(Blocked),
    Base(E),
}

impl<E> From<Blocked> for MemoryError<E> {
    fn from(blocked: Blocked) -> Self {
        Self::Blocked(blocked)
    }
}

/// One transaction's value of a location.
#[derive(Debug)]
struct Version<T> {
    writer: u32,
    estimate: bool,
    value: T,
}

/// The values of a location in the order of their writers. Most locations have one writer at most.
#[derive(Debug)]
struct Versions<T>(SmallVec<[Version<T>; 1]>);

impl<T> Default for Versions<T> {
    fn default() -> Self {
        Self(SmallVec::new())
    }
}

impl<T: Clone> Versions<T> {
    /// The latest version by a transaction before `reader`.
    fn before(&self, reader: u32) -> Option<&Version<T>> {
        let end = self.0.partition_point(|version| version.writer < reader);
        self.0[..end].last()
    }

    fn resolve(&self, reader: u32, kind: LocationKind) -> Result<Option<Resolved<T>>, Blocked> {
        match self.before(reader) {
            None => Ok(None),
            Some(version) if version.estimate => Err(Blocked { writer: version.writer, kind }),
            Some(version) => {
                Ok(Some(Resolved { value: version.value.clone(), writer: Some(version.writer) }))
            }
        }
    }

    fn set(&mut self, writer: u32, value: T) {
        let version = Version { writer, estimate: false, value };
        match self.0.binary_search_by_key(&writer, |version| version.writer) {
            Ok(at) => self.0[at] = version,
            Err(at) => self.0.insert(at, version),
        }
    }

    fn remove(&mut self, writer: u32) {
        if let Ok(at) = self.0.binary_search_by_key(&writer, |version| version.writer) {
            self.0.remove(at);
        }
    }

    fn mark_estimate(&mut self, writer: u32) {
        if let Ok(at) = self.0.binary_search_by_key(&writer, |version| version.writer) {
            self.0[at].estimate = true;
        }
    }
}

#[derive(Debug, Default)]
struct AccountEntry {
    /// Outer `None`: not read from the base state yet. Inner `None`: it does not exist there.
    base: Option<Option<AccountInfo>>,
    balance: Versions<U256>,
    nonce: Versions<u64>,
    /// `None`: nobody wrote any of it.
    rare: Option<Box<RareVersions>>,
}

/// The versions of what few transactions write.
#[derive(Debug, Default)]
struct RareVersions {
    code: Versions<CodeWrite>,
    exists: Versions<bool>,
}

impl AccountEntry {
    /// `None`: the base state has not been read yet.
    fn resolve(&self, reader: u32) -> Result<Option<AccountView>, Blocked> {
        let Some(base) = &self.base else { return Ok(None) };
        let balance = self.balance.resolve(reader, LocationKind::Balance)?;
        let nonce = self.nonce.resolve(reader, LocationKind::Nonce)?;
        let (code, exists) = match &self.rare {
            None => (None, None),
            Some(rare) => (
                rare.code.resolve(reader, LocationKind::Code)?,
                rare.exists.resolve(reader, LocationKind::Existence)?,
            ),
        };
        let info = base.as_ref();
        Ok(Some(AccountView {
            balance: balance.unwrap_or_else(|| Resolved {
                value: info.map_or(U256::ZERO, |info| info.balance),
                writer: None,
            }),
            nonce: nonce.unwrap_or_else(|| Resolved {
                value: info.map_or(0, |info| info.nonce),
                writer: None,
            }),
            code: code.unwrap_or_else(|| Resolved {
                value: info.map_or_else(CodeWrite::empty, |info| CodeWrite {
                    hash: info.code_hash,
                    code: info.code.clone(),
                }),
                writer: None,
            }),
            exists: exists.unwrap_or(Resolved { value: info.is_some(), writer: None }),
        }))
    }
}

#[derive(Debug, Default)]
struct SlotEntry {
    /// `None`: not read from the base state yet.
    base: Option<U256>,
    versions: Versions<U256>,
}

type SlotKey = (Address, U256);

/// See the module's documentation.
pub(crate) struct Memory<'a, D> {
    base: &'a D,
    accounts: Box<[RwLock<AddressMap<AccountEntry>>]>,
    slots: Box<[RwLock<HashMap<SlotKey, SlotEntry>>]>,
    wipes: RwLock<AddressMap<Versions<()>>>,
    any_wipe: AtomicBool,
    /// Whether accounts have storage in the base state, as far as it was asked.
    probes: RwLock<AddressMap<bool>>,
    codes: RwLock<B256Map<Bytecode>>,
    block_hashes: RwLock<HashMap<u64, B256>>,
}

impl<'a, D: StorageProbeRef> Memory<'a, D> {
    /// `transactions`: how many will use it, for a guess at its size.
    pub(crate) fn new(base: &'a D, transactions: usize) -> Self {
        // A payment touches two accounts.
        let accounts_per_shard = 2 * transactions / SHARDS;
        let new_accounts =
            || AddressMap::with_capacity_and_hasher(accounts_per_shard, Default::default());
        Self {
            base,
            accounts: (0..SHARDS).map(|_| RwLock::new(new_accounts())).collect(),
            slots: (0..SHARDS).map(|_| RwLock::default()).collect(),
            wipes: RwLock::default(),
            any_wipe: AtomicBool::new(false),
            probes: RwLock::default(),
            codes: RwLock::default(),
            block_hashes: RwLock::default(),
        }
    }

    fn account_shard(&self, address: Address) -> &RwLock<AddressMap<AccountEntry>> {
        // Any spread will do: keys are compared in full inside the shard.
        &self.accounts[usize::from(address[19] ^ address[10]) % SHARDS]
    }

    fn slot_shard(&self, key: &SlotKey) -> &RwLock<HashMap<SlotKey, SlotEntry>> {
        let (address, slot) = key;
        let spread = address[19] ^ slot.byte(0) ^ slot.byte(1).rotate_left(3);
        &self.slots[usize::from(spread) % SHARDS]
    }

    /// The account at `address` as transaction `reader` sees it.
    pub(crate) fn account(
        &self,
        address: Address,
        reader: u32,
    ) -> Result<AccountView, MemoryError<D::Error>> {
        let shard = self.account_shard(address);
        if let Some(entry) = shard.read().get(&address)
            && let Some(view) = entry.resolve(reader)?
        {
            return Ok(view);
        }
        // Two readers may both come here; both read the same value.
        let info = self.base.basic_ref(address).map_err(MemoryError::Base)?;
        let mut shard = shard.write();
        let entry = shard.entry(address).or_default();
        entry.base = Some(info);
        Ok(entry.resolve(reader)?.expect("the base value was set just above"))
    }

    /// The value of a storage slot as transaction `reader` sees it.
    pub(crate) fn slot(
        &self,
        address: Address,
        slot: U256,
        reader: u32,
    ) -> Result<Resolved<U256>, MemoryError<D::Error>> {
        let wipe = self.latest_wipe(address, reader);
        let key = (address, slot);
        let shard = self.slot_shard(&key);
        {
            let shard = shard.read();
            let entry = shard.get(&key);
            let version = entry.and_then(|entry| entry.versions.before(reader));
            match (wipe, version) {
                (Some((wiper, estimate)), version) if version.is_none_or(|v| v.writer < wiper) => {
                    if estimate {
                        return Err(Blocked { writer: wiper, kind: LocationKind::Existence }.into());
                    }
                    return Ok(Resolved { value: U256::ZERO, writer: Some(wiper) });
                }
                (_, Some(version)) if version.estimate => {
                    return Err(
                        Blocked { writer: version.writer, kind: LocationKind::Storage }.into()
                    );
                }
                (_, Some(version)) => {
                    return Ok(Resolved { value: version.value, writer: Some(version.writer) });
                }
                (_, None) => {
                    if let Some(value) = entry.and_then(|entry| entry.base) {
                        return Ok(Resolved { value, writer: None });
                    }
                }
            }
        }
        let value = self.base.storage_ref(address, slot).map_err(MemoryError::Base)?;
        let mut shard = shard.write();
        let entry = shard.entry(key).or_default();
        entry.base = Some(value);
        // A writer may have published meanwhile; its value counts.
        Ok(entry
            .versions
            .resolve(reader, LocationKind::Storage)?
            .unwrap_or(Resolved { value, writer: None }))
    }

    /// Whether an account that has neither nonce nor code for transaction `reader` has storage
    /// (EIP-7610).
    ///
    /// Slots that the batch wrote need not be looked for. Only code at an address writes its slots,
    /// and an account with code, a delegation (EIP-7702) or a construction behind it is without
    /// nonce and code only after it was removed, which wiped its storage. The exception are
    /// contracts from before EIP-158, which start at nonce 0 and may stay without code; but then
    /// addresses follow from the creator's nonce alone, so that none is created twice.
    pub(crate) fn has_storage(
        &self,
        address: Address,
        reader: u32,
    ) -> Result<Resolved<bool>, MemoryError<D::Error>> {
        match self.latest_wipe(address, reader) {
            Some((writer, true)) => {
                return Err(Blocked { writer, kind: LocationKind::Existence }.into());
            }
            Some((wiper, false)) => return Ok(Resolved { value: false, writer: Some(wiper) }),
            None => {}
        }
        if let Some(value) = self.probes.read().get(&address) {
            return Ok(Resolved { value: *value, writer: None });
        }
        let value = self.base.has_storage_ref(address, &HashSet::default());
        let value = value.map_err(MemoryError::Base)?;
        self.probes.write().insert(address, value);
        Ok(Resolved { value, writer: None })
    }

    /// The latest transaction before `reader` that wiped the storage at `address`, and whether that
    /// is an estimate.
    fn latest_wipe(&self, address: Address, reader: u32) -> Option<(u32, bool)> {
        // Relaxed: a stale `false` only makes this read miss a wipe that is being published, as if
        // the read had come earlier. The read at commit cannot miss it: publishing ends before the
        // scheduler's lock tells of the execution, and the commit began under that lock later.
        if !self.any_wipe.load(Ordering::Relaxed) {
            return None;
        }
        let wipes = self.wipes.read();
        wipes.get(&address)?.before(reader).map(|version| (version.writer, version.estimate))
    }

    /// Code by hash: content-addressed, hence the same for every reader.
    pub(crate) fn code(&self, hash: B256) -> Result<Bytecode, D::Error> {
        if hash == KECCAK_EMPTY {
            return Ok(Bytecode::default());
        }
        if let Some(code) = self.codes.read().get(&hash) {
            return Ok(code.clone());
        }
        let code = self.base.code_by_hash_ref(hash)?;
        self.codes.write().insert(hash, code.clone());
        Ok(code)
    }

    /// Hash of an earlier block: no transaction changes it.
    pub(crate) fn block_hash(&self, number: u64) -> Result<B256, D::Error> {
        if let Some(hash) = self.block_hashes.read().get(&number) {
            return Ok(*hash);
        }
        let hash = self.base.block_hash_ref(number)?;
        self.block_hashes.write().insert(number, hash);
        Ok(hash)
    }

    /// Makes `new` the writes of `writer`, in place of `old`. Both are sorted unless `old` is empty.
    pub(crate) fn publish(&self, writer: u32, new: &WriteSet, old: &WriteSet) {
        for write in &new.accounts {
            self.publish_account(writer, write);
        }
        for write in &new.slots {
            let key = (write.address, write.slot);
            let mut shard = self.slot_shard(&key).write();
            shard.entry(key).or_default().versions.set(writer, write.value);
        }
        if !old.is_empty() {
            self.withdraw(writer, new, old);
        }
    }

    fn publish_account(&self, writer: u32, write: &AccountWrite) {
        if write.wipe {
            // Relaxed: see `latest_wipe`.
            self.any_wipe.store(true, Ordering::Relaxed);
            self.wipes.write().entry(write.address).or_default().set(writer, ());
        }
        if !write.has_fields() {
            return;
        }
        let mut shard = self.account_shard(write.address).write();
        let entry = shard.entry(write.address).or_default();
        if let Some(balance) = write.balance {
            entry.balance.set(writer, balance);
        }
        if let Some(nonce) = write.nonce {
            entry.nonce.set(writer, nonce);
        }
        if write.code.is_some() || write.exists.is_some() {
            let rare = entry.rare.get_or_insert_default();
            if let Some(code) = &write.code {
                rare.code.set(writer, code.clone());
            }
            if let Some(exists) = write.exists {
                rare.exists.set(writer, exists);
            }
        }
    }

    /// Removes what `old` wrote and `new` does not.
    fn withdraw(&self, writer: u32, new: &WriteSet, old: &WriteSet) {
        for stale in &old.accounts {
            let kept = new.account(stale.address);
            if stale.wipe
                && !kept.is_some_and(|kept| kept.wipe)
                && let Some(versions) = self.wipes.write().get_mut(&stale.address)
            {
                versions.remove(writer);
            }
            let mut shard = self.account_shard(stale.address).write();
            let Some(entry) = shard.get_mut(&stale.address) else { continue };
            if stale.balance.is_some() && kept.is_none_or(|kept| kept.balance.is_none()) {
                entry.balance.remove(writer);
            }
            if stale.nonce.is_some() && kept.is_none_or(|kept| kept.nonce.is_none()) {
                entry.nonce.remove(writer);
            }
            let Some(rare) = &mut entry.rare else { continue };
            if stale.code.is_some() && kept.is_none_or(|kept| kept.code.is_none()) {
                rare.code.remove(writer);
            }
            if stale.exists.is_some() && kept.is_none_or(|kept| kept.exists.is_none()) {
                rare.exists.remove(writer);
            }
        }
        for stale in &old.slots {
            if !new.writes_slot(stale.address, stale.slot) {
                let key = (stale.address, stale.slot);
                if let Some(entry) = self.slot_shard(&key).write().get_mut(&key) {
                    entry.versions.remove(writer);
                }
            }
        }
    }

    /// Marks what `writer` published as about to change.
    pub(crate) fn mark_estimates(&self, writer: u32, writes: &WriteSet) {
        for write in &writes.accounts {
            if write.wipe
                && let Some(versions) = self.wipes.write().get_mut(&write.address)
            {
                versions.mark_estimate(writer);
            }
            let mut shard = self.account_shard(write.address).write();
            let Some(entry) = shard.get_mut(&write.address) else { continue };
            entry.balance.mark_estimate(writer);
            entry.nonce.mark_estimate(writer);
            if let Some(rare) = &mut entry.rare {
                rare.code.mark_estimate(writer);
                rare.exists.mark_estimate(writer);
            }
        }
        for write in &writes.slots {
            let key = (write.address, write.slot);
            if let Some(entry) = self.slot_shard(&key).write().get_mut(&key) {
                entry.versions.mark_estimate(writer);
            }
        }
    }
}
