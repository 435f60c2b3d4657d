//! One-by-one execution: the reference that the parallel path must equal, and the baseline that it
//! must beat.
//!
//! Invariant: before transaction `i` runs, the cache holds the base state with the states of
//! transactions `0..i` committed. One EVM serves the whole batch; each resulting state is looked at
//! once to bring the cache up to date and then moved into the outcome.

use std::collections::hash_map::Entry;

use alloy_evm::EvmEnv;
use alloy_primitives::{
    Address, B256, U256,
    map::{AddressMap, B256Map, HashMap, HashSet, U256Map},
};
use plasma_vm::{MainnetMachine, StorageProbe, StorageProbeRef};
use revm::{
    Context, Database, ExecuteEvm, Journal,
    context::{
        LocalContext, TxEnv,
        result::{EVMError, InvalidTransaction},
    },
    context_interface::{Cfg, JournalTr},
    state::{Account, AccountInfo, Bytecode, EvmState},
};

use crate::{BatchOutcome, ConflictReport, ExecutorError, TransactionOutcome};

/// Executes `transactions` in order on top of `state`, one by one, with one EVM and one warm cache.
///
/// # Errors
///
/// [`ExecutorError`] when the state cannot be read, the environment is incomplete or the EVM fails;
/// an invalid transaction is an outcome, not an error.
pub fn execute_sequential<D: StorageProbeRef>(
    state: &D,
    env: &EvmEnv,
    transactions: &[TxEnv],
) -> Result<BatchOutcome, ExecutorError>
where
    D::Error: std::error::Error + Send + Sync + 'static,
{
    let report = ConflictReport::sequential(transactions.len());
    let Some(first) = transactions.first() else {
        return Ok(BatchOutcome { outcomes: Vec::new(), report });
    };
    let mut outcomes = Vec::with_capacity(transactions.len());
    let mut journal: Journal<_> = Journal::new(BatchCache::new(state));
    journal.set_spec_id(env.cfg_env.spec);
    journal.set_eip7708_config(
        env.cfg_env.is_eip7708_disabled(),
        env.cfg_env.is_eip8246_delayed_clear_disabled(),
    );
    let mut evm = MainnetMachine::new(Context {
        block: &env.block_env,
        tx: first,
        cfg: &env.cfg_env,
        journaled_state: journal,
        chain: (),
        local: LocalContext::default(),
        error: Ok(()),
    });

    for (index, transaction) in transactions.iter().enumerate() {
        match evm.transact(transaction) {
            Ok(executed) => {
                let mut state = executed.state;
                state.retain(|_, account| account.is_touched());
                evm.context_mut().journaled_state.database.commit(&state);
                outcomes.push(TransactionOutcome::Executed { result: executed.result, state });
            }
            Err(EVMError::Transaction(reason)) => {
                outcomes.push(TransactionOutcome::Invalid(reason))
            }
            Err(error) => return Err(batch_error(index, error)),
        }
    }
    Ok(BatchOutcome { outcomes, report })
}

/// Translates an error that is not about the transaction's validity.
pub(crate) fn batch_error<E>(index: usize, error: EVMError<E, InvalidTransaction>) -> ExecutorError
where
    E: std::error::Error + Send + Sync + 'static,
{
    match error {
        EVMError::Database(source) => ExecutorError::Database { index, source: Box::new(source) },
        EVMError::Header(source) => ExecutorError::Header { source },
        EVMError::Transaction(reason) => {
            ExecutorError::Evm { index, message: format!("unexpectedly invalid: {reason}") }
        }
        EVMError::Custom(message) => ExecutorError::Evm { index, message },
        EVMError::CustomAny(error) => ExecutorError::Evm { index, message: error.to_string() },
    }
}

/// What committing one touched account does to the state; the one place where revm's statuses are
/// interpreted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AccountFate {
    /// The account ceases to exist and its storage with it: it self-destructed, or it was touched
    /// and left empty (EIP-161; before Spurious Dragon revm clears the touch of such accounts).
    Gone,
    /// The account starts anew: its storage is what the state says and nothing else.
    Created,
    /// The account exists and its changed slots are updated.
    Changed,
}

impl AccountFate {
    pub(crate) fn of(account: &Account) -> Self {
        if account.is_selfdestructed() {
            Self::Gone
        } else if account.is_created() {
            Self::Created
        } else if account.is_empty() {
            Self::Gone
        } else {
            Self::Changed
        }
    }
}

/// The base state with the batch's own changes on top, and everything that was read.
struct BatchCache<'a, D> {
    base: &'a D,
    accounts: AddressMap<CachedAccount>,
    codes: B256Map<Bytecode>,
    block_hashes: HashMap<u64, B256>,
}

/// One account as the batch sees it.
struct CachedAccount {
    /// `None`: the account does not exist.
    info: Option<AccountInfo>,
    storage: U256Map<U256>,
    /// The base state's storage no longer counts.
    wiped: bool,
}

impl<'a, D: StorageProbeRef> BatchCache<'a, D> {
    fn new(base: &'a D) -> Self {
        Self {
            base,
            accounts: AddressMap::default(),
            codes: B256Map::default(),
            block_hashes: HashMap::default(),
        }
    }

    fn account(&mut self, address: Address) -> Result<&mut CachedAccount, D::Error> {
        match self.accounts.entry(address) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => {
                let info = self.base.basic_ref(address)?;
                Ok(entry.insert(CachedAccount { info, storage: U256Map::default(), wiped: false }))
            }
        }
    }

    /// Applies the state of one transaction.
    fn commit(&mut self, state: &EvmState) {
        for (address, account) in state {
            let cached = self.accounts.entry(*address).or_insert_with(|| CachedAccount {
                info: None,
                storage: U256Map::default(),
                wiped: false,
            });
            match AccountFate::of(account) {
                AccountFate::Gone => {
                    cached.info = None;
                    cached.storage.clear();
                    cached.wiped = true;
                    continue;
                }
                AccountFate::Created => {
                    cached.storage.clear();
                    cached.wiped = true;
                }
                AccountFate::Changed => {}
            }
            cached.info = Some(account.info.clone());
            for (slot, value) in &account.storage {
                if value.is_changed() || cached.wiped {
                    cached.storage.insert(*slot, value.present_value);
                }
            }
        }
    }
}

impl<D: StorageProbeRef> Database for BatchCache<'_, D> {
    type Error = D::Error;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, D::Error> {
        Ok(self.account(address)?.info.clone())
    }

    fn code_by_hash(&mut self, code_hash: B256) -> Result<Bytecode, D::Error> {
        match self.codes.entry(code_hash) {
            Entry::Occupied(entry) => Ok(entry.get().clone()),
            Entry::Vacant(entry) => {
                Ok(entry.insert(self.base.code_by_hash_ref(code_hash)?).clone())
            }
        }
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, D::Error> {
        let base = self.base;
        let cached = self.account(address)?;
        match cached.storage.entry(slot) {
            Entry::Occupied(entry) => Ok(*entry.get()),
            Entry::Vacant(_) if cached.wiped => Ok(U256::ZERO),
            Entry::Vacant(entry) => Ok(*entry.insert(base.storage_ref(address, slot)?)),
        }
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, D::Error> {
        match self.block_hashes.entry(number) {
            Entry::Occupied(entry) => Ok(*entry.get()),
            Entry::Vacant(entry) => Ok(*entry.insert(self.base.block_hash_ref(number)?)),
        }
    }
}

impl<D: StorageProbeRef> StorageProbe for BatchCache<'_, D> {
    fn has_storage(&mut self, address: Address, hidden: &HashSet<U256>) -> Result<bool, D::Error> {
        let base = self.base;
        let cached = self.account(address)?;
        let mut hidden = hidden.clone();
        for (slot, value) in &cached.storage {
            if hidden.insert(*slot) && !value.is_zero() {
                return Ok(true);
            }
        }
        if cached.wiped { Ok(false) } else { base.has_storage_ref(address, &hidden) }
    }
}
