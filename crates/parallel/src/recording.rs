//! The database of a worker's EVM: what it is asked for comes from the multi-version memory and is recorded.
//!
//! Invariant: everything that an execution's result depends on is among its reads, or is final: code by
//! its hash, hashes of earlier blocks, and the beneficiary's account, which is told only once all earlier fees are paid.

use std::sync::Arc;

use alloy_primitives::{
    Address, B256, U256,
    map::{AddressMap, HashSet},
};
use plasma_vm::{StorageProbe, StorageProbeRef};
use revm::{
    Database, DatabaseRef,
    context::TxEnv,
    database_interface::DBErrorMarker,
    primitives::KECCAK_EMPTY,
    state::{AccountInfo, Bytecode},
};

use crate::{
    Conflict,
    interleave::{self, Point},
    ledger::Ledger,
    memory::{Memory, MemoryError},
    near::Near,
    own_code::OwnCodes,
    sender::{self, Assumed},
    validation::{AccountRead, ProbeRead, ReadSet, SlotRead},
    versions::Versioned,
};

/// Why an execution was cut short.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Interrupt {
    /// It read a value that an earlier transaction is about to change.
    Writer(Conflict),
    /// It read the beneficiary's account before all earlier fees were paid.
    Beneficiary,
}

/// The error with which a read ends an execution.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError<E> {
    #[error("the value is about to be changed by an earlier transaction")]
    Blocked,
    #[error(transparent)]
    Base(E),
}

impl<E: std::error::Error + Send + Sync + 'static> DBErrorMarker for ReadError<E> {}

/// The database of a worker's EVM.
pub(crate) struct RecordingDb<'a, D> {
    pub(crate) memory: Arc<Memory<D>>,
    ledger: &'a Ledger,
    known: Known,
    pub(crate) near: Near,
    pub(crate) beneficiary: Address,
    reader: u32,
    /// The transaction, where something may be assumed of its sender.
    sent: Option<&'a TxEnv>,
    /// Every earlier transaction is committed, so that nothing that is read has to be looked at again.
    is_final: bool,
    pub(crate) reads: ReadSet,
    pub(crate) interrupt: Option<Interrupt>,
}

impl<'a, D: StorageProbeRef> RecordingDb<'a, D> {
    pub(crate) fn new(memory: Arc<Memory<D>>, ledger: &'a Ledger, beneficiary: Address) -> Self {
        Self {
            memory,
            ledger,
            known: Known::default(),
            near: Near::default(),
            beneficiary,
            reader: 0,
            sent: None,
            is_final: false,
            reads: ReadSet::default(),
            interrupt: None,
        }
    }

    /// Begins with the transaction at position `reader`, whose reads go to the empty `reads`: all of them, or only
    /// accounts where they are final. It is `sent` where something may be assumed of its sender.
    pub(crate) fn begin(
        &mut self,
        reader: u32,
        sent: Option<&'a TxEnv>,
        is_final: bool,
        reads: ReadSet,
    ) {
        self.reader = reader;
        self.sent = sent;
        self.is_final = is_final;
        self.reads = reads;
        self.interrupt = None;
        self.near.begin();
    }

    fn memory_error(
        &mut self,
        error: MemoryError<D::Error>,
        address: Address,
        slot: Option<U256>,
    ) -> ReadError<D::Error> {
        match error {
            MemoryError::Base(error) => ReadError::Base(error),
            MemoryError::Blocked(blocked) => {
                let conflict = blocked.conflict(self.reader, address, slot);
                self.interrupt = Some(Interrupt::Writer(conflict));
                ReadError::Blocked
            }
        }
    }
}

/// Accounts as they are in the base, which does not change meanwhile: contracts, as many transactions call
/// the same few, and what others have written, as it is likely to be read again.
#[derive(Default)]
struct Known {
    /// With whether the code is the thread's own, or empty.
    infos: AddressMap<(Option<AccountInfo>, bool)>,
    codes: OwnCodes,
}

impl Known {
    /// The account at `address` in the base of `memory`; it is kept if it has code or `keep` says so.
    fn of_base<D: StorageProbeRef>(
        &mut self,
        memory: &Memory<D>,
        address: Address,
        keep: bool,
    ) -> Result<Option<AccountInfo>, D::Error> {
        if let Some((info, owned)) = self.infos.get_mut(&address) {
            if let (Some(info), false) = (&mut *info, *owned) {
                *owned = self.codes.give(info);
            }
            return Ok(info.clone());
        }
        let mut info = memory.base().basic_ref(address)?;
        if let Some(info) = &mut info {
            self.codes.give_empty(info);
        }
        let has_code = info.as_ref().is_some_and(|info| info.code_hash != KECCAK_EMPTY);
        if keep || has_code {
            self.infos.insert(address, (info.clone(), !has_code));
        }
        Ok(info)
    }
}

impl<D: StorageProbeRef> Database for RecordingDb<'_, D> {
    type Error = ReadError<D::Error>;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, Self::Error> {
        interleave::point(Point::Read);
        if address == self.beneficiary {
            return match self.ledger.read(&self.memory, address, self.reader) {
                Some(account) => account.map_err(ReadError::Base),
                None => {
                    self.interrupt = Some(Interrupt::Beneficiary);
                    Err(ReadError::Blocked)
                }
            };
        }
        let Self { memory, known, reads, .. } = self;
        let stamp = memory.stamps().read_account(address, &mut reads.stamps);
        let untouched = stamp.is_untouched();
        let base = known.of_base(memory, address, !untouched).map_err(ReadError::Base)?;
        let sent = self.sent.filter(|transaction| transaction.caller == address);
        let sender_in_base = sent.and_then(|_| base.clone());
        let account = if untouched {
            Ok((base, Versioned::default()))
        } else {
            memory.account(address, self.reader, base, stamp.writers())
        };
        if let (Some(transaction), Some(base)) = (sent, sender_in_base) {
            let so_far = match &account {
                Ok((info, _)) => info.clone(),
                Err(_) => {
                    memory.account_so_far(address, self.reader, base.clone(), stamp.writers())
                }
            };
            if let Some(mut info) = sender::assume(transaction, &base, so_far) {
                // Whatever comes of the account meanwhile, it is looked at again in the end.
                reads.stamps.pop();
                known.codes.give_empty(&mut info);
                reads.assumed = Some(Assumed {
                    sender: address,
                    balance: info.balance,
                    base: (base.balance, base.nonce),
                    was_looked_at: false,
                });
                return Ok(Some(info));
            }
        }
        match account {
            Ok((mut info, versioned)) => {
                reads.accounts.push(AccountRead::new(address, info.as_ref(), versioned));
                if let Some(info) = &mut info {
                    known.codes.give_empty(info);
                }
                Ok(info)
            }
            Err(blocked) => Err(self.memory_error(blocked.into(), address, None)),
        }
    }

    fn code_by_hash(&mut self, code_hash: B256) -> Result<Bytecode, Self::Error> {
        self.memory.code(code_hash).map_err(ReadError::Base)
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, Self::Error> {
        interleave::point(Point::Read);
        let Self { memory, near, reads, .. } = self;
        match near.slot(memory, (address, slot), self.reader, &mut reads.stamps) {
            Ok((value, versioned)) => {
                if !self.is_final {
                    reads.slots.push(SlotRead { address, slot, value, versioned });
                }
                Ok(value)
            }
            Err(error) => Err(self.memory_error(error, address, Some(slot))),
        }
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, Self::Error> {
        self.memory.block_hash(number).map_err(ReadError::Base)
    }
}

impl<D: StorageProbeRef> StorageProbe for RecordingDb<'_, D> {
    fn has_storage(
        &mut self,
        address: Address,
        _hidden: &HashSet<U256>,
    ) -> Result<bool, Self::Error> {
        interleave::point(Point::Read);
        // The hidden slots are those that a creation at this address loaded before it was reverted. It was
        // let through because there was no storage, so there is nothing for them to hide.
        match self.memory.has_storage(address, self.reader) {
            Ok(resolved) => {
                self.reads.probes.push(ProbeRead { address, has_storage: resolved.value });
                Ok(resolved.value)
            }
            Err(error) => Err(self.memory_error(error, address, None)),
        }
    }
}
