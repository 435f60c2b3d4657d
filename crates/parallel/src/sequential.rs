//! One-by-one execution: the reference that the parallel path must equal, and the baseline that it
//! must beat.
//!
//! Invariant: before transaction `i` runs, the cache holds the base state with the states of
//! transactions `0..i` committed. One EVM serves the whole batch; each resulting state is looked at
//! once to bring the cache up to date and then moved into the outcome.

use alloy_evm::EvmEnv;
use plasma_vm::{MainnetMachine, StorageProbeRef};
use revm::{
    Context, Database, ExecuteEvm, Journal,
    context::{
        BlockEnv, CfgEnv, LocalContext, TxEnv,
        result::{EVMError, ExecutionResult, HaltReason, InvalidTransaction},
    },
    context_interface::{Cfg, JournalTr},
    primitives::hardfork::SpecId,
    state::EvmState,
};

use crate::{
    BatchOutcome, ConflictReport, ExecutorError, TransactionOutcome,
    cache::BatchCache,
    ledger,
    payment::{Payment, Payments},
};

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
    let mut outcomes = Vec::with_capacity(transactions.len());
    let mut cache = BatchCache::new(state);
    execute_in_order(&mut cache, env, transactions, None, &mut outcomes, |_| true)?;
    Ok(BatchOutcome { outcomes, report: ConflictReport::sequential(transactions.len()) })
}

/// Appends the outcomes of `transactions` from where `outcomes` ends, as long as `go_on` says so;
/// it is asked before each with its index. `cache` stands at the first and moves on. With `payments`,
/// plain ones take their short way.
pub(crate) fn execute_in_order<D: StorageProbeRef>(
    cache: &mut BatchCache<D>,
    env: &EvmEnv,
    transactions: &[TxEnv],
    payments: Option<&Payments<'_>>,
    outcomes: &mut Vec<TransactionOutcome>,
    mut go_on: impl FnMut(usize) -> bool,
) -> Result<(), ExecutorError>
where
    D::Error: std::error::Error + Send + Sync + 'static,
{
    let from = outcomes.len();
    let Some(first) = transactions.get(from) else { return Ok(()) };
    let mut evm = machine(cache, env, first);
    let keeps_loaded = keeps_loaded(env.cfg_env.spec);

    for (index, transaction) in transactions.iter().enumerate().skip(from) {
        if !go_on(index) {
            return Ok(());
        }
        if let Some(payments) = payments {
            let cache = &mut *evm.context_mut().journaled_state.database;
            let paid = pay(cache, env, payments, transaction)
                .map_err(|source| ExecutorError::Database { index, source: Box::new(source) })?;
            if let Some((result, state)) = paid {
                cache.commit(&state);
                outcomes.push(TransactionOutcome::Executed { result, state });
                continue;
            }
        }
        match evm.transact(transaction) {
            Ok(executed) => {
                let mut state = executed.state;
                if !keeps_loaded {
                    state.retain(|_, account| account.is_touched());
                }
                evm.context_mut().journaled_state.database.commit(&state);
                outcomes.push(TransactionOutcome::Executed { result: executed.result, state });
            }
            Err(EVMError::Transaction(reason)) => {
                outcomes.push(TransactionOutcome::Invalid(reason))
            }
            Err(error) => return Err(batch_error(index, error)),
        }
    }
    Ok(())
}

/// Whether outcomes tell what was only loaded, too: a block access list (EIP-7928) names it.
pub(crate) fn keeps_loaded(spec: SpecId) -> bool {
    spec.is_enabled_in(SpecId::AMSTERDAM)
}

/// What executes one transaction after the other on a database.
pub(crate) type SequentialMachine<'a, DB> =
    MainnetMachine<Context<&'a BlockEnv, &'a TxEnv, &'a CfgEnv, DB, Journal<DB>, ()>>;

/// revm on `db`; `placeholder` is any transaction.
pub(crate) fn machine<'a, DB: Database>(
    db: DB,
    env: &'a EvmEnv,
    placeholder: &'a TxEnv,
) -> SequentialMachine<'a, DB> {
    let mut journal: Journal<_> = Journal::new(db);
    journal.set_spec_id(env.cfg_env.spec);
    journal.set_eip7708_config(
        env.cfg_env.is_eip7708_disabled(),
        env.cfg_env.is_eip8246_delayed_clear_disabled(),
    );
    MainnetMachine::new(Context {
        block: &env.block_env,
        tx: placeholder,
        cfg: &env.cfg_env,
        journaled_state: journal,
        chain: (),
        local: LocalContext::default(),
        error: Ok(()),
    })
}

/// Makes a plain payment, fee included; `None` where it is none.
pub(crate) fn pay<DB: Database>(
    db: &mut DB,
    env: &EvmEnv,
    payments: &Payments<'_>,
    transaction: &TxEnv,
) -> Result<Option<(ExecutionResult<HaltReason>, EvmState)>, DB::Error> {
    let Some(Payment { result, mut state, fee }) = payments.pay(db, transaction)? else {
        return Ok(None);
    };
    let (beneficiary, spec) = (env.block_env.beneficiary, env.cfg_env.spec);
    let account = ledger::paid(db.basic(beneficiary)?, fee, spec);
    if account.is_touched() || keeps_loaded(spec) {
        state.insert(beneficiary, account);
    }
    Ok(Some((result, state)))
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
