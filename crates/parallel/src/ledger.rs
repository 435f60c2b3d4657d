//! The ledger of the beneficiary: whom every transaction pays and few ask about.
//!
//! Invariant: during a parallel stretch the beneficiary's account fields live here alone, never in
//! the memory, and only commits, which are ordered, change them.

use alloy_evm::EvmEnv;
use alloy_primitives::{Address, U256};
use parking_lot::Mutex;
use plasma_vm::StorageProbeRef;
use revm::{
    DatabaseRef,
    primitives::hardfork::SpecId,
    state::{Account, AccountInfo, EvmState, TransactionId},
};

use crate::{cache::AccountFate, memory::Memory, sequential::keeps_loaded};

/// The beneficiary's account as the commits so far have left it.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    page: Mutex<Page>,
}

#[derive(Debug, Default)]
struct Page {
    /// Transactions whose fees have been paid.
    settled: u32,
    /// Outer `None`: not read from the base yet. Inner `None`: it does not exist.
    account: Option<Option<AccountInfo>>,
}

impl Page {
    fn account<D: StorageProbeRef>(
        &mut self,
        memory: &Memory<D>,
        beneficiary: Address,
    ) -> Result<&mut Option<AccountInfo>, D::Error> {
        if self.account.is_none() {
            // The memory holds no versions of the beneficiary's fields.
            self.account = Some(memory.base().basic_ref(beneficiary)?);
        }
        Ok(self.account.as_mut().expect("it was set just above"))
    }
}

impl Ledger {
    /// Begins a stretch at transaction `index`.
    pub(crate) fn open(&self, index: u32) {
        *self.page.lock() = Page { settled: index, account: None };
    }

    /// Ends a stretch: the beneficiary's account, unless nobody read or paid it.
    pub(crate) fn close(&self) -> Option<Option<AccountInfo>> {
        self.page.lock().account.take()
    }

    /// The beneficiary's account for transaction `reader`; `None` unless all earlier transactions
    /// are committed.
    pub(crate) fn read<D: StorageProbeRef>(
        &self,
        memory: &Memory<D>,
        beneficiary: Address,
        reader: u32,
    ) -> Option<Result<Option<AccountInfo>, D::Error>> {
        let mut page = self.page.lock();
        if page.settled != reader {
            return None;
        }
        Some(page.account(memory, beneficiary).map(|account| account.clone()))
    }

    /// Completes the final `state` of transaction `index` with its deferred fee, and takes the
    /// beneficiary's account over from it.
    pub(crate) fn settle<D: StorageProbeRef>(
        &self,
        memory: &Memory<D>,
        env: &EvmEnv,
        index: u32,
        state: Option<(&mut EvmState, Option<U256>)>,
    ) -> Result<(), D::Error> {
        let (beneficiary, spec) = (env.block_env.beneficiary, env.cfg_env.spec);
        let mut page = self.page.lock();
        debug_assert_eq!(page.settled, index);
        if let Some((state, deferred_fee)) = state {
            if let Some(fee) = deferred_fee {
                let info = page.account(memory, beneficiary)?.clone();
                let account = paid(info, fee, spec);
                if account.is_touched() || keeps_loaded(spec) {
                    state.insert(beneficiary, account);
                }
            }
            if let Some(account) = state.get(&beneficiary).filter(|account| account.is_touched()) {
                page.account = Some(match AccountFate::of(account) {
                    AccountFate::Gone => None,
                    AccountFate::Created | AccountFate::Changed => Some(account.info.clone()),
                });
            }
        }
        page.settled = index + 1;
        Ok(())
    }
}

/// The beneficiary's account as revm leaves it when all a transaction does with it is to pay the
/// fee: loaded, touched, credited, and finalised by the rules of the fork.
pub(crate) fn paid(info: Option<AccountInfo>, fee: U256, spec: SpecId) -> Account {
    let mut account = match info {
        Some(info) => Account::from(info),
        None => Account::new_not_existing(TransactionId::ZERO),
    };
    account.mark_touch();
    // revm leaves a balance that would overflow as it is.
    if let Some(balance) = account.info.balance.checked_add(fee) {
        account.info.balance = balance;
    }
    // Before EIP-161 an empty account that is touched comes into being, or stays.
    if !spec.is_enabled_in(SpecId::SPURIOUS_DRAGON) && account.is_empty() {
        if account.is_loaded_as_not_existing() {
            account.mark_created();
        } else {
            account.unmark_touch();
        }
    }
    account
}
