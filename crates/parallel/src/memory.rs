//! Multi-version memory: for each location, the base value and what the batch's transactions wrote.
//!
//! Invariant: a read at position `i` gives the value of the highest writer below `i`, or the base
//! value. What a writer last published stays until it publishes again or nobody can read it any more,
//! because all who could are committed; marking it as *estimates*
//! only tells readers to wait. Once all transactions below `i` are committed nothing below `i`
//! changes any more, so that a read at `i` is final.
//!
//! Balance, nonce, code and existence of an account are versioned apart. Storage is kept in pages of
//! 16 slots in a row, keyed by the whole (address, page); keys are compared in full. A wiped storage (self-destruct, creation) is a
//! version of its own: a slot version older than the latest wipe does not count.
//!
//! What nobody wrote is read from the base. What one transaction alone wrote is found with that transaction
//! (`written`), and only what several wrote, or who knows, has an entry in the tables: the stamps tell which it is.
//! The base is the batch's state with all transactions before the versions' first committed; it changes only
//! while nobody else holds the memory.
//!
//! Locks, in the order in which they are taken: a place of the window, a stamp's, another place of the window, a shard's.
//! A shard's is held for one look-up or update, and none while the base state is read.

mod publish;
mod tables;

use std::sync::atomic::Ordering;

use alloy_primitives::{
    Address, B256, U256,
    map::{AddressMap, B256Map, HashMap, HashSet},
};
use parking_lot::RwLock;
use plasma_vm::StorageProbeRef;
use revm::{
    DatabaseRef,
    primitives::KECCAK_EMPTY,
    state::{AccountInfo, Bytecode},
};

use crate::{
    LocationKind, TransactionOutcome,
    appended::Appended,
    cache::BatchCache,
    page::{Page, page_of},
    stamps::{Stamp, Stamps, Writers},
    validation::{AccountRead, SlotRead},
    versions::{AccountEntry, Blocked, Version, Versioned},
};

pub(crate) use tables::Tables;

/// A resolved value and the batch's transaction that wrote it (`None`: the base state).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resolved<T> {
    pub(crate) value: T,
    pub(crate) writer: Option<u32>,
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

/// See the module's documentation.
pub(crate) struct Memory<D> {
    base: BatchCache<D>,
    tables: Tables,
    /// Whether accounts have storage in the base state, as far as it was asked.
    probes: RwLock<AddressMap<bool>>,
    codes: RwLock<B256Map<Bytecode>>,
    block_hashes: RwLock<HashMap<u64, B256>>,
}

impl<D: StorageProbeRef> Memory<D> {
    pub(crate) fn new(base: BatchCache<D>, tables: Tables) -> Self {
        Self {
            base,
            tables,
            probes: RwLock::default(),
            codes: RwLock::default(),
            block_hashes: RwLock::default(),
        }
    }

    /// What is left of it when it is not needed any more.
    pub(crate) fn into_tables(self) -> Tables {
        self.tables
    }

    /// The state below the versions.
    pub(crate) fn base(&self) -> &BatchCache<D> {
        &self.base
    }

    /// The state below the versions, which nobody else reads while it is borrowed.
    pub(crate) fn base_mut(&mut self) -> &mut BatchCache<D> {
        &mut self.base
    }

    /// Begins a stretch whose transactions' outcomes come to `outcomes`.
    pub(crate) fn open(&mut self, outcomes: Appended<TransactionOutcome>) {
        self.tables.written.set_outcomes(Some(outcomes));
    }

    /// Ends a stretch: forgets all versions.
    pub(crate) fn close(&mut self) {
        self.tables.forget();
        self.probes.get_mut().clear();
    }

    /// Brings the base up to `outcomes`, those of the stretch that is over.
    pub(crate) fn fold(&mut self, outcomes: &[TransactionOutcome]) {
        for outcome in outcomes {
            if let TransactionOutcome::Executed { state, .. } = outcome {
                self.base.commit(state);
            }
        }
    }

    /// What was written of the account at `address`, told to `look`, where that was by `writers`.
    fn with_entry<R>(
        &self,
        address: Address,
        writers: Writers,
        reader: u32,
        look: impl FnOnce(Option<&AccountEntry>) -> R,
    ) -> R {
        match writers {
            Writers::One(writer) if writer < reader => {
                look(Some(&self.tables.written.account(writer, address)))
            }
            Writers::Nobody | Writers::One(_) => look(None),
            Writers::Many => look(self.tables.account_shard(address).read().get(&address)),
        }
    }

    /// The account at `address` as transaction `reader` sees it, and which fields of it somebody wrote,
    /// given what it is in the base and who wrote it.
    pub(crate) fn account(
        &self,
        address: Address,
        reader: u32,
        base: Option<AccountInfo>,
        writers: Writers,
    ) -> Result<(Option<AccountInfo>, Versioned), Blocked> {
        self.with_entry(address, writers, reader, |entry| match entry {
            Some(entry) => entry.resolve(base, reader),
            None => Ok((base, Versioned::default())),
        })
    }

    /// The account at `address` as transactions before `reader` have left it so far: what is about to
    /// change is passed over. `base` is what it is in the base, and `writers` wrote it.
    pub(crate) fn account_so_far(
        &self,
        address: Address,
        reader: u32,
        base: AccountInfo,
        writers: Writers,
    ) -> Option<AccountInfo> {
        self.with_entry(address, writers, reader, |entry| match entry {
            Some(entry) => entry.so_far(base, reader),
            None => Some(base),
        })
    }

    /// The first field of `read` that transaction `reader` would see otherwise now, and who wrote it.
    pub(crate) fn account_difference(
        &self,
        read: &AccountRead,
        reader: u32,
    ) -> Option<(LocationKind, Option<u32>)> {
        let writers = self.account_writers(read.address);
        self.with_entry(read.address, writers, reader, |entry| match entry {
            Some(entry) => entry.difference(read, reader),
            None => AccountEntry::default().difference(read, reader),
        })
    }

    /// Who has written the account at `address`.
    pub(crate) fn account_writers(&self, address: Address) -> Writers {
        let stamps = &self.tables.stamps;
        stamps.find(stamps.account_spot(address)).writers()
    }

    fn page_writers(&self, address: Address, page: U256) -> Writers {
        let stamps = &self.tables.stamps;
        stamps.find(stamps.page_spot(address, page)).writers()
    }

    /// The value of a storage slot as transaction `reader` sees it, and whether anybody wrote it.
    pub(crate) fn slot(
        &self,
        address: Address,
        slot: U256,
        reader: u32,
    ) -> Result<(U256, bool), MemoryError<D::Error>> {
        match self.slot_version(address, slot, reader)? {
            Some(version) => Ok((version.value, true)),
            None => {
                let value = self.base.storage_ref(address, slot).map_err(MemoryError::Base)?;
                Ok((value, false))
            }
        }
    }

    /// Tells `each` the slots of a page that transactions before `reader` wrote: place, and value or who is
    /// about to change it. Gives whether every later reader sees the same, until somebody writes
    /// the page, which was by `writers`. Storage must not have been wiped in this stretch.
    pub(crate) fn page(
        &self,
        (address, page): (Address, U256),
        reader: u32,
        writers: Writers,
        mut each: impl FnMut(u8, Result<U256, Blocked>),
    ) -> bool {
        let mut lasts = true;
        match writers {
            Writers::Nobody => {}
            Writers::One(writer) if writer >= reader => lasts = false,
            Writers::One(writer) => {
                self.tables.written.page(writer, address, page, |at, version| {
                    lasts &= !version.estimate;
                    each(at, version.known(LocationKind::Storage).map(|known| known.value));
                });
            }
            Writers::Many => {
                let key = (address, page);
                let shard = self.tables.page_shard(&key).read();
                for (at, versions) in shard.get(&key).map_or(&[][..], Page::slots) {
                    lasts &= versions.all_before(reader);
                    match versions.resolve(reader, LocationKind::Storage) {
                        Ok(Some(version)) => each(*at, Ok(version.value)),
                        Ok(None) => {}
                        Err(blocked) => {
                            lasts = false;
                            each(*at, Err(blocked));
                        }
                    }
                }
            }
        }
        lasts
    }

    /// Whether anybody has wiped an account's storage in this stretch.
    pub(crate) fn any_wipe(&self) -> bool {
        // Relaxed: see `latest_wipe`.
        self.tables.any_wipe.load(Ordering::Relaxed)
    }

    /// Who wrote the slot that is not any more as in `read` for transaction `reader`; `None`: it is
    /// as it was. Inner `None`: whoever wrote it has taken it back.
    pub(crate) fn slot_difference(&self, read: &SlotRead, reader: u32) -> Option<Option<u32>> {
        match self.slot_version(read.address, read.slot, reader) {
            Ok(Some(version)) if version.value == read.value => None,
            Ok(Some(version)) => Some(version.writer),
            Ok(None) if read.versioned => Some(None),
            Ok(None) => None,
            Err(blocked) => Some(Some(blocked.writer)),
        }
    }

    /// The value that a transaction before `reader` gave to a slot; `None`: the base's.
    fn slot_version(
        &self,
        address: Address,
        slot: U256,
        reader: u32,
    ) -> Result<Option<Resolved<U256>>, Blocked> {
        let wipe = self.latest_wipe(address, reader);
        let (page, at) = page_of(slot);
        let version = match self.page_writers(address, page) {
            Writers::One(writer) if writer < reader => {
                self.tables.written.slot(writer, address, slot)
            }
            Writers::Nobody | Writers::One(_) => None,
            Writers::Many => {
                let key = (address, page);
                let shard = self.tables.page_shard(&key).read();
                shard.get(&key).and_then(|it| it.slot(at)).and_then(|it| it.before(reader)).copied()
            }
        };
        match (wipe, version) {
            (Some((wiper, estimate)), version) if version.is_none_or(|v| v.writer < wiper) => {
                if estimate {
                    return Err(Blocked { writer: wiper, kind: LocationKind::Existence });
                }
                Ok(Some(Resolved { value: U256::ZERO, writer: Some(wiper) }))
            }
            (_, Some(version)) => {
                let Version { value, writer, .. } = *version.known(LocationKind::Storage)?;
                Ok(Some(Resolved { value, writer: Some(writer) }))
            }
            (_, None) => Ok(None),
        }
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
        // the read had come earlier. The read at commit cannot miss it: the slot's state tells of an
        // execution after its writes are published (release), and the commit has read it (acquire).
        if !self.any_wipe() {
            return None;
        }
        let wipes = self.tables.wipes.read();
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

    /// The stamps of all locations.
    pub(crate) fn stamps(&self) -> &Stamps {
        &self.tables.stamps
    }

    /// Whether all reads with these stamps still give what they gave, for a reader whose earlier
    /// transactions are all committed; false where that cannot be told.
    pub(crate) fn are_current(&self, stamps: &[Stamp]) -> bool {
        // Wipes change many slots and no stamps.
        !self.any_wipe() && stamps.iter().all(|stamp| self.tables.stamps.is_current(*stamp))
    }
}
