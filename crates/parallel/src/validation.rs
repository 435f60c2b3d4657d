//! The reads of an execution, and resolving them again.
//!
//! Invariant: an execution whose recorded reads all resolve to the same values at a time when every
//! earlier transaction is committed is the execution that sequential order would have given, since
//! revm's result depends on nothing else. Reads are compared by value: a writer that ran again and
//! wrote the same value disturbs nobody.
//!
//! revm's journal asks for each account and slot once per transaction, hence plain lists. Code by
//! hash and block hashes cannot change within a batch and are not recorded. Reads of the
//! beneficiary's account happen only when every earlier transaction is committed and are final.

use alloy_primitives::{Address, B256, U256};
use plasma_vm::StorageProbeRef;

use revm::{primitives::KECCAK_EMPTY, state::AccountInfo};

use crate::{
    Conflict, LocationKind,
    memory::{Memory, MemoryError},
    sender::Assumed,
    stamps::Stamp,
    versions::Versioned,
};

/// Up to this many accounts a search through the list beats sorting it.
const LINEAR_SEARCH_MAX: usize = 16;

/// An account as it was read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AccountRead {
    pub(crate) address: Address,
    pub(crate) balance: U256,
    pub(crate) nonce: u64,
    pub(crate) code_hash: B256,
    pub(crate) exists: bool,
    pub(crate) versioned: Versioned,
}

impl AccountRead {
    pub(crate) fn new(address: Address, info: Option<&AccountInfo>, versioned: Versioned) -> Self {
        Self {
            address,
            balance: info.map_or(U256::ZERO, |info| info.balance),
            nonce: info.map_or(0, |info| info.nonce),
            code_hash: info.map_or(KECCAK_EMPTY, |info| info.code_hash),
            exists: info.is_some(),
            versioned,
        }
    }
}

/// A storage slot as it was read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SlotRead {
    pub(crate) address: Address,
    pub(crate) slot: U256,
    pub(crate) value: U256,
    /// Whether a transaction of the batch had written it.
    pub(crate) versioned: bool,
}

/// Whether an account without nonce and code had storage (EIP-7610).
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProbeRead {
    pub(crate) address: Address,
    pub(crate) has_storage: bool,
}

/// Everything that one execution read.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReadSet {
    pub(crate) accounts: Vec<AccountRead>,
    pub(crate) slots: Vec<SlotRead>,
    pub(crate) probes: Vec<ProbeRead>,
    /// Stamps of the accounts and slots, in the order in which they were read.
    pub(crate) stamps: Vec<Stamp>,
    /// Of the sender, whose account is not among `accounts` then, nor its stamp among `stamps`.
    pub(crate) assumed: Option<Assumed>,
    sorted: bool,
}

impl ReadSet {
    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.accounts.clear();
        self.slots.clear();
        self.probes.clear();
        self.stamps.clear();
        self.assumed = None;
        self.sorted = false;
    }

    /// Ends the recording: makes [`Self::account`] quick.
    pub(crate) fn finish(&mut self) {
        if self.accounts.len() > LINEAR_SEARCH_MAX {
            self.accounts.sort_unstable_by_key(|read| read.address);
            self.sorted = true;
        }
    }

    /// How an account was read.
    pub(crate) fn account(&self, address: Address) -> Option<&AccountRead> {
        if self.sorted {
            let at = self.accounts.binary_search_by_key(&address, |read| read.address).ok()?;
            Some(&self.accounts[at])
        } else {
            self.accounts.iter().find(|read| read.address == address)
        }
    }
}

/// The outcome of a validation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Validity {
    Valid,
    /// A read has changed. `None`: its writer withdrew the value, so that nobody can be named.
    Invalid(Option<Conflict>),
}

/// Resolves the reads of transaction `reader` again, but for what was assumed of its sender.
///
/// What nobody wrote cannot have changed, so that the base is not asked, except for probes. Should it
/// fail then, the execution counts as invalid and meets the error itself.
pub(crate) fn validate<D: StorageProbeRef>(
    memory: &Memory<D>,
    reader: u32,
    reads: &ReadSet,
) -> Validity {
    if reads.probes.is_empty() && memory.are_current(&reads.stamps) {
        return Validity::Valid;
    }
    let invalid = |address, slot, kind, writer: Option<u32>| {
        Validity::Invalid(writer.map(|writer| Conflict { reader, writer, address, slot, kind }))
    };
    for read in &reads.accounts {
        if let Some((kind, writer)) = memory.account_difference(read, reader) {
            return invalid(read.address, None, kind, writer);
        }
    }
    for read in &reads.slots {
        if let Some(writer) = memory.slot_difference(read, reader) {
            return invalid(read.address, Some(read.slot), LocationKind::Storage, writer);
        }
    }
    for read in &reads.probes {
        match memory.has_storage(read.address, reader) {
            Ok(now) if now.value == read.has_storage => {}
            Ok(now) => return invalid(read.address, None, LocationKind::Existence, now.writer),
            Err(MemoryError::Blocked(blocked)) => {
                return invalid(read.address, None, blocked.kind, Some(blocked.writer));
            }
            Err(MemoryError::Base(_)) => return Validity::Invalid(None),
        }
    }
    Validity::Valid
}
