//! What an executed transaction writes to the multi-version memory, derived from revm's state.
//!
//! Invariant: applied to what the transaction read, the write set gives what committing its state
//! gives (`AccountFate` says how). A field that ends as it was read is not written: readers after it
//! then depend on the field's earlier writer, and validation protects the equality.

use alloy_primitives::{Address, U256};
use revm::{
    primitives::KECCAK_EMPTY,
    state::{Account, EvmState},
};

use crate::{cache::AccountFate, page::page_of, validation::ReadSet, versions::CodeWrite};

#[derive(Clone, Debug)]
pub(crate) struct AccountWrite {
    pub(crate) address: Address,
    pub(crate) balance: Option<U256>,
    pub(crate) nonce: Option<u64>,
    pub(crate) code: Option<CodeWrite>,
    pub(crate) exists: Option<bool>,
    /// Nothing of the storage that earlier transactions or the base state hold counts any more.
    pub(crate) wipe: bool,
}

impl AccountWrite {
    /// The write to a sender that was assumed before, see [`sender`](crate::sender).
    pub(crate) fn of_sender(address: Address, balance: U256, nonce: u64) -> Self {
        Self {
            address,
            balance: Some(balance),
            nonce: Some(nonce),
            code: None,
            exists: None,
            wipe: false,
        }
    }

    /// Whether anything besides the storage is written.
    pub(crate) fn has_fields(&self) -> bool {
        self.balance.is_some()
            || self.nonce.is_some()
            || self.code.is_some()
            || self.exists.is_some()
    }
}

/// One storage slot that a transaction writes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SlotWrite {
    pub(crate) address: Address,
    pub(crate) slot: U256,
    pub(crate) value: U256,
}

/// Everything that one execution of a transaction writes; slots of an account in their order.
#[derive(Clone, Debug, Default)]
pub(crate) struct WriteSet {
    pub(crate) accounts: Vec<AccountWrite>,
    pub(crate) slots: Vec<SlotWrite>,
}

impl WriteSet {
    /// Makes this empty set that of a transaction that read `reads` and ended in `state`. The
    /// beneficiary's account fields are left to the commit's ledger, and those of a sender that was assumed to
    /// the commit.
    pub(crate) fn derive(&mut self, state: &EvmState, reads: &ReadSet, beneficiary: Address) {
        self.accounts.reserve(state.len());
        for (address, account) in state.iter().filter(|(_, account)| account.is_touched()) {
            self.add(*address, account, reads, *address == beneficiary);
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.accounts.clear();
        self.slots.clear();
    }

    fn add(&mut self, address: Address, account: &Account, reads: &ReadSet, is_beneficiary: bool) {
        let fate = AccountFate::of(account);
        let mut write = AccountWrite {
            address,
            balance: None,
            nonce: None,
            code: None,
            exists: None,
            wipe: match fate {
                // A touched account that never existed has no storage to wipe.
                AccountFate::Gone => {
                    account.is_selfdestructed() || !account.is_loaded_as_not_existing()
                }
                // A contract is created only where there is no storage (EIP-7610), so that none is left of what
                // was there before, but for what has come into being without being created.
                AccountFate::Created => {
                    account.info.is_empty_code_hash() && account.info.nonce == 0
                }
                AccountFate::Changed => false,
            },
        };
        let is_assumed = reads.assumed.as_ref().is_some_and(|assumed| assumed.sender == address);
        if !is_beneficiary && !is_assumed {
            let gone = fate == AccountFate::Gone;
            let info = &account.info;
            let balance = if gone { U256::ZERO } else { info.balance };
            let nonce = if gone { 0 } else { info.nonce };
            let code_hash = if gone { KECCAK_EMPTY } else { info.code_hash };
            // Without a record of the read, every field counts as changed.
            let read = reads.account(address);
            write.balance = read.is_none_or(|read| read.balance != balance).then_some(balance);
            write.nonce = read.is_none_or(|read| read.nonce != nonce).then_some(nonce);
            write.code = read.is_none_or(|read| read.code_hash != code_hash).then(|| {
                if gone {
                    CodeWrite::empty()
                } else {
                    CodeWrite { hash: code_hash, code: info.code.clone() }
                }
            });
            write.exists = read.is_none_or(|read| read.exists == gone).then_some(!gone);
        }
        if write.wipe || write.has_fields() {
            self.accounts.push(write);
        }
        if fate == AccountFate::Gone {
            return;
        }
        let begin = self.slots.len();
        for (slot, value) in &account.storage {
            let written = value.is_changed()
                || (fate == AccountFate::Created && !value.present_value.is_zero());
            if written {
                self.slots.push(SlotWrite { address, slot: *slot, value: value.present_value });
            }
        }
        self.slots[begin..].sort_unstable_by_key(|write| write.slot);
    }

    /// The slots, page by page.
    pub(crate) fn pages(&self) -> impl Iterator<Item = &[SlotWrite]> {
        let page = |write: &SlotWrite| (write.address, page_of(write.slot).0);
        self.slots.chunk_by(move |one, next| page(one) == page(next))
    }

    /// Sorts the whole set, as [`Self::account`] and [`Self::writes_slot`] need it.
    pub(crate) fn sort(&mut self) {
        self.accounts.sort_unstable_by_key(|write| write.address);
        self.slots.sort_unstable_by_key(|write| (write.address, write.slot));
    }

    /// The write to an account; the set must be sorted.
    pub(crate) fn account(&self, address: Address) -> Option<&AccountWrite> {
        let at = self.accounts.binary_search_by_key(&address, |write| write.address).ok()?;
        Some(&self.accounts[at])
    }

    /// Whether a slot is written; the set must be sorted.
    pub(crate) fn writes_slot(&self, address: Address, slot: U256) -> bool {
        self.slots
            .binary_search_by_key(&(address, slot), |write| (write.address, write.slot))
            .is_ok()
    }
}
