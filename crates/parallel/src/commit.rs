//! Ordered commit, and the ledger of the beneficiary.
//!
//! Invariant: the commit of transaction `i` begins with transactions `0..i` committed, so that
//! every read it resolves is final. An execution is accepted only if its reads resolve to what it
//! read; otherwise the transaction is executed again here, where nothing it reads can change. What
//! is appended to the outcomes is therefore what sequential execution gives.
//!
//! The beneficiary's account fields live in the [`Ledger`] alone, never in the memory: every
//! transaction pays it, and only commits, which are ordered, change it.

use alloy_primitives::{Address, U256};
use parking_lot::Mutex;
use plasma_vm::StorageProbeRef;
use revm::{
    context::result::EVMError,
    primitives::hardfork::SpecId,
    state::{Account, AccountInfo, EvmState, TransactionId},
};

use crate::{
    ExecutorError, TransactionOutcome,
    memory::{Memory, MemoryError},
    scheduler::Task,
    sequential::{AccountFate, batch_error},
    validation::{Validity, validate},
    vm::{Failure, ReadError, Speculation},
    worker::Worker,
};

/// The beneficiary's account as the commits so far have left it.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    page: Mutex<Page>,
}

#[derive(Debug, Default)]
struct Page {
    /// Transactions whose fees have been paid.
    settled: u32,
    /// Outer `None`: not read from the base state yet. Inner `None`: it does not exist.
    account: Option<Option<AccountInfo>>,
}

impl Page {
    fn account<D: StorageProbeRef>(
        &mut self,
        memory: &Memory<'_, D>,
        beneficiary: Address,
    ) -> Result<&mut Option<AccountInfo>, D::Error> {
        if self.account.is_none() {
            // The memory holds no versions of the beneficiary's fields: this is the base value.
            self.account = Some(match memory.account(beneficiary, 0) {
                Ok(view) => view.into_info(),
                Err(MemoryError::Base(error)) => return Err(error),
                Err(MemoryError::Blocked(_)) => {
                    unreachable!("no transaction comes before the first")
                }
            });
        }
        Ok(self.account.as_mut().expect("it was set just above"))
    }
}

impl Ledger {
    /// The beneficiary's account for transaction `reader`; `None` unless all earlier transactions
    /// are committed.
    pub(crate) fn read<D: StorageProbeRef>(
        &self,
        memory: &Memory<'_, D>,
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
    fn settle<D: StorageProbeRef>(
        &self,
        memory: &Memory<'_, D>,
        beneficiary: Address,
        spec: SpecId,
        index: u32,
        state: Option<(&mut EvmState, Option<U256>)>,
    ) -> Result<(), D::Error> {
        let mut page = self.page.lock();
        debug_assert_eq!(page.settled, index);
        if let Some((state, deferred_fee)) = state {
            if let Some(fee) = deferred_fee {
                let info = page.account(memory, beneficiary)?.clone();
                let account = paid(info, fee, spec);
                if account.is_touched() {
                    state.insert(beneficiary, account);
                }
            }
            if let Some(account) = state.get(&beneficiary) {
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
fn paid(info: Option<AccountInfo>, fee: U256, spec: SpecId) -> Account {
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

impl<'a, D: StorageProbeRef + Sync> Worker<'a, D>
where
    D::Error: std::error::Error + Send + Sync + 'static,
{
    /// Commits transaction `index`, executing it again if need be; gives the next task.
    ///
    /// `settled`: the recorded execution began with every earlier transaction committed.
    pub(crate) fn commit(&mut self, index: u32, settled: bool) -> Task {
        let batch = self.batch;
        let mut slot = batch.slots[index as usize].lock();
        let Some(mut attempt) = slot.attempt.take() else {
            return batch.fail(defect(index, "its execution was lost before its commit"));
        };
        let mut executed_again = false;
        if !settled
            && let Validity::Invalid(conflict) = validate(&batch.memory, index, &attempt.reads)
        {
            batch.conflicts.lock().extend(conflict);
            // Readers ahead need not execute against what is known to be wrong.
            batch.memory.mark_estimates(index, &slot.published);
            executed_again = true;
            attempt = match self.execute_attempt(index) {
                Ok(attempt) => attempt,
                Err(_) => return batch.fail(defect(index, "a final read was blocked")),
            };
            slot.publish(&batch.memory, index, &mut attempt);
        }
        drop(slot);
        match self.settle(index, attempt.speculation) {
            Ok(outcome) => {
                batch.outcomes.lock().push(outcome);
                batch.scheduler.commit_done(index, executed_again)
            }
            Err(error) => batch.fail(error),
        }
    }

    /// Turns an accepted execution into the transaction's outcome.
    fn settle(
        &self,
        index: u32,
        speculation: Speculation<D::Error>,
    ) -> Result<TransactionOutcome, ExecutorError> {
        let batch = self.batch;
        let beneficiary = batch.env.block_env.beneficiary;
        let spec = batch.env.cfg_env.spec;
        let database_error =
            |source| ExecutorError::Database { index: index as usize, source: Box::new(source) };
        match speculation {
            Speculation::Executed { result, mut state, deferred_fee } => {
                let change = Some((&mut state, deferred_fee));
                batch
                    .ledger
                    .settle(&batch.memory, beneficiary, spec, index, change)
                    .map_err(database_error)?;
                Ok(TransactionOutcome::Executed { result, state })
            }
            Speculation::Invalid(reason) => {
                batch
                    .ledger
                    .settle(&batch.memory, beneficiary, spec, index, None)
                    .map_err(database_error)?;
                Ok(TransactionOutcome::Invalid(reason))
            }
            Speculation::Failed(Failure::Panic(message)) => {
                Err(ExecutorError::Panicked { index: index as usize, message })
            }
            Speculation::Failed(Failure::Error(error)) => Err(match error {
                EVMError::Database(ReadError::Base(source)) => database_error(source),
                other => batch_error(index as usize, other),
            }),
        }
    }
}

/// An error that only a defect of this crate can cause.
fn defect(index: u32, what: &str) -> ExecutorError {
    ExecutorError::Worker { message: format!("transaction {index}: {what}") }
}
