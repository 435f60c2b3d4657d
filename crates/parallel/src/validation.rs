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

use crate::{
    Conflict, LocationKind,
    memory::{AccountView, Memory, MemoryError},
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
}

impl AccountRead {
    pub(crate) fn new(address: Address, view: &AccountView) -> Self {
        Self {
            address,
            balance: view.balance.value,
            nonce: view.nonce.value,
            code_hash: view.code.value.hash,
            exists: view.exists.value,
        }
    }

    /// The first field that differs from `view`, and the transaction that wrote it.
    fn difference(&self, view: &AccountView) -> Option<(LocationKind, Option<u32>)> {
        if self.balance != view.balance.value {
            Some((LocationKind::Balance, view.balance.writer))
        } else if self.nonce != view.nonce.value {
            Some((LocationKind::Nonce, view.nonce.writer))
        } else if self.code_hash != view.code.value.hash {
            Some((LocationKind::Code, view.code.writer))
        } else if self.exists != view.exists.value {
            Some((LocationKind::Existence, view.exists.writer))
        } else {
            None
        }
    }
}

/// A storage slot as it was read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SlotRead {
    pub(crate) address: Address,
    pub(crate) slot: U256,
    pub(crate) value: U256,
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
    sorted: bool,
}

impl ReadSet {
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

/// Resolves the reads of transaction `reader` again.
///
/// Everything read is cached in the memory, so that the base state is not asked. Should it be (and
/// fail), the execution counts as invalid and meets the error itself.
pub(crate) fn validate<D: StorageProbeRef>(
    memory: &Memory<'_, D>,
    reader: u32,
    reads: &ReadSet,
) -> Validity {
    let conflict = |address, slot, kind, writer: Option<u32>| {
        Validity::Invalid(writer.map(|writer| Conflict { reader, writer, address, slot, kind }))
    };
    for read in &reads.accounts {
        match memory.account(read.address, reader) {
            Ok(view) => {
                if let Some((kind, writer)) = read.difference(&view) {
                    return conflict(read.address, None, kind, writer);
                }
            }
            Err(MemoryError::Blocked(blocked)) => {
                return conflict(read.address, None, blocked.kind, Some(blocked.writer));
            }
            Err(MemoryError::Base(_)) => return Validity::Invalid(None),
        }
    }
    for read in &reads.slots {
        let at = Some(read.slot);
        match memory.slot(read.address, read.slot, reader) {
            Ok(now) if now.value == read.value => {}
            Ok(now) => return conflict(read.address, at, LocationKind::Storage, now.writer),
            Err(MemoryError::Blocked(blocked)) => {
                return conflict(read.address, at, LocationKind::Storage, Some(blocked.writer));
            }
            Err(MemoryError::Base(_)) => return Validity::Invalid(None),
        }
    }
    for read in &reads.probes {
        match memory.has_storage(read.address, reader) {
            Ok(now) if now.value == read.has_storage => {}
            Ok(now) => return conflict(read.address, None, LocationKind::Existence, now.writer),
            Err(MemoryError::Blocked(blocked)) => {
                return conflict(read.address, None, blocked.kind, Some(blocked.writer));
            }
            Err(MemoryError::Base(_)) => return Validity::Invalid(None),
        }
    }
    Validity::Valid
}
