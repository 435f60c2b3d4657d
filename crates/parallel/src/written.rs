//! What transactions wrote, as they left it: found by who wrote it, not by where.
//!
//! Invariant: while a stamp names one writer, what that transaction wrote to the stamp's locations is found here:
//! in its outcome, once it is committed, and before that in its place of the window. A place is taken by
//! the transaction that many later only once the one before is committed, and the outcome is there by then.
//!
//! Most locations are written by one transaction of a batch. Its outcome has the values anyway; to put them into
//! tables as well took a quarter of the time.

use std::mem;

use alloy_primitives::{Address, U256};
use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use revm::state::{Account, EvmState};

use crate::{
    TransactionOutcome,
    appended::Appended,
    cache::AccountFate,
    page::{PAGE_SLOTS, join, page_of},
    scheduler::WINDOW,
    versions::{AccountEntry, Version},
    write_set::{SlotWrite, WriteSet},
};

/// What writes no more than this is looked for in its list.
const MOST_LISTED: usize = 64;

/// What a transaction of the window wrote that is not committed.
#[derive(Debug, Default)]
pub(crate) struct Listed {
    writer: u32,
    /// It is known to be wrong.
    void: bool,
    writes: WriteSet,
}

impl Listed {
    pub(crate) fn writes(&self) -> &WriteSet {
        &self.writes
    }

    fn account(&self, address: Address) -> AccountEntry {
        let mut entry = AccountEntry::default();
        let write = self.writes.accounts.iter().find(|write| write.address == address);
        if let Some(write) = write {
            if let Some(balance) = write.balance {
                entry.balance.set(self.writer, balance, 0);
            }
            if let Some(nonce) = write.nonce {
                entry.nonce.set(self.writer, nonce, 0);
            }
            if self.void {
                entry.balance.mark_estimate(self.writer);
                entry.nonce.mark_estimate(self.writer);
            }
        }
        entry
    }

    fn version(&self, write: &SlotWrite) -> Version<U256> {
        Version { writer: self.writer, estimate: self.void, value: write.value }
    }

    fn slots(&self, address: Address) -> impl Iterator<Item = &SlotWrite> {
        self.writes.slots.iter().filter(move |write| write.address == address)
    }
}

/// Where a transaction's writes are.
enum Found<'a> {
    Committed(&'a TransactionOutcome),
    Listed(RwLockReadGuard<'a, Listed>),
}

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Written {
    window: Box<[RwLock<Listed>]>,
    /// `None` while nobody reads.
    outcomes: Option<Appended<TransactionOutcome>>,
}

impl Default for Written {
    fn default() -> Self {
        Self { window: (0..WINDOW).map(|_| RwLock::default()).collect(), outcomes: None }
    }
}

impl Written {
    /// Begins or ends with the outcomes of a batch.
    pub(crate) fn set_outcomes(&mut self, outcomes: Option<Appended<TransactionOutcome>>) {
        self.outcomes = outcomes;
    }

    fn place(&self, writer: u32) -> &RwLock<Listed> {
        &self.window[writer as usize % self.window.len()]
    }

    /// Whether so much can be found here; the rest has to be put into tables.
    pub(crate) fn holds(writes: &WriteSet) -> bool {
        writes.accounts.len() + writes.slots.len() <= MOST_LISTED
    }

    /// Takes over what `writer` wrote ahead of its turn, for which `writes` gets a list that is not needed any more.
    pub(crate) fn list(&self, writer: u32, writes: &mut WriteSet) -> RwLockReadGuard<'_, Listed> {
        let mut listed = self.place(writer).write();
        listed.writer = writer;
        listed.void = false;
        mem::swap(&mut listed.writes, writes);
        RwLockWriteGuard::downgrade(listed)
    }

    /// What `writer`, which is not committed, has listed.
    pub(crate) fn listed(&self, writer: u32) -> RwLockReadGuard<'_, Listed> {
        self.place(writer).read()
    }

    /// Tells readers that what `writer` has listed is wrong.
    pub(crate) fn mark_void(&self, writer: u32) {
        self.place(writer).write().void = true;
    }

    fn outcome(&self, writer: u32) -> Option<&TransactionOutcome> {
        self.outcomes.as_ref()?.get(writer as usize)
    }

    fn find(&self, writer: u32) -> Found<'_> {
        if let Some(outcome) = self.outcome(writer) {
            return Found::Committed(outcome);
        }
        // Recursive: the one that asks may be the writer, which is publishing its list.
        let listed = self.place(writer).read_recursive();
        if listed.writer == writer {
            return Found::Listed(listed);
        }
        drop(listed);
        Found::Committed(self.outcome(writer).expect("a place goes on only after the commit"))
    }

    /// The account at `address` as `writer` wrote it, which is the only one that wrote any of it.
    pub(crate) fn account(&self, writer: u32, address: Address) -> AccountEntry {
        match self.find(writer) {
            Found::Listed(listed) => listed.account(address),
            Found::Committed(outcome) => {
                let account = touched(outcome, address);
                account.map_or_else(AccountEntry::default, |account| entry(writer, account))
            }
        }
    }

    /// A slot as `writer` wrote it, which is the only one that did.
    pub(crate) fn slot(&self, writer: u32, address: Address, slot: U256) -> Option<Version<U256>> {
        match self.find(writer) {
            Found::Listed(listed) => {
                let write = listed.slots(address).find(|write| write.slot == slot)?;
                Some(listed.version(write))
            }
            Found::Committed(outcome) => {
                let value = touched(outcome, address)?.storage.get(&slot)?.present_value;
                Some(Version { writer, estimate: false, value })
            }
        }
    }

    /// Tells `each` the slots of a page as `writer` wrote them, which is the only one that did.
    pub(crate) fn page(
        &self,
        writer: u32,
        address: Address,
        page: U256,
        mut each: impl FnMut(u8, Version<U256>),
    ) {
        match self.find(writer) {
            Found::Listed(listed) => {
                for write in listed.slots(address) {
                    let (of_page, at) = page_of(write.slot);
                    if of_page == page {
                        each(at, listed.version(write));
                    }
                }
            }
            Found::Committed(outcome) => {
                let Some(account) = touched(outcome, address) else { return };
                for at in 0..PAGE_SLOTS {
                    if let Some(slot) = account.storage.get(&join(page, at)) {
                        each(at, Version { writer, estimate: false, value: slot.present_value });
                    }
                }
            }
        }
    }

    /// Tells all that `writer` wrote, of which the caller picks: accounts' balances and nonces, and slots.
    pub(crate) fn all(
        &self,
        writer: u32,
        mut account: impl FnMut(Address, &dyn Fn() -> AccountEntry),
        mut slot: impl FnMut(Address, U256, Version<U256>),
    ) {
        match self.find(writer) {
            Found::Listed(listed) => {
                for write in &listed.writes.accounts {
                    account(write.address, &|| listed.account(write.address));
                }
                for write in &listed.writes.slots {
                    slot(write.address, write.slot, listed.version(write));
                }
            }
            Found::Committed(outcome) => {
                for (address, written) in state(outcome).into_iter().flatten() {
                    if !leaves_something(written) {
                        continue;
                    }
                    account(*address, &|| entry(writer, written));
                    for (key, value) in &written.storage {
                        let value = value.present_value;
                        slot(*address, *key, Version { writer, estimate: false, value });
                    }
                }
            }
        }
    }
}

fn state(outcome: &TransactionOutcome) -> Option<&EvmState> {
    match outcome {
        TransactionOutcome::Executed { state, .. } => Some(state),
        TransactionOutcome::Invalid(_) => None,
    }
}

/// Whether the account is there after the transaction, which has touched it.
fn leaves_something(account: &Account) -> bool {
    account.is_touched() && AccountFate::of(account) != AccountFate::Gone
}

fn touched(outcome: &TransactionOutcome, address: Address) -> Option<&Account> {
    state(outcome)?.get(&address).filter(|account| leaves_something(account))
}

/// What `writer`, the only one that wrote any of it, has made of an account. What it has left as it was is told as
/// well: it is the same for whoever comes later, and all who came before are committed.
fn entry(writer: u32, account: &Account) -> AccountEntry {
    let mut entry = AccountEntry::default();
    entry.balance.set(writer, account.info.balance, 0);
    entry.nonce.set(writer, account.info.nonce, 0);
    entry
}
