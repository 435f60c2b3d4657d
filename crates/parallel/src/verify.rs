//! Verifying the transactions of a block by its block access list (EIP-7928).
//!
//! Invariant: every transaction is executed once, on what the list says of the state before it, and
//! what it did is held against the list; the failure reported is that of the first transaction that
//! has one. So the verdict does not depend on who executed what when.
//!
//! Nothing is speculated and nothing waits: threads share nothing but the list, which they only read.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use alloy_eip7928::BlockAccessIndex;
use alloy_evm::EvmEnv;
use alloy_primitives::{Address, B256, U256, map::HashSet};
use parking_lot::Mutex;
use plasma_vm::{StorageProbe, StorageProbeRef};
use revm::{
    Database, ExecuteEvm,
    context::{TxEnv, result::EVMError},
    state::{AccountId, AccountInfo, Bytecode},
};

use crate::{
    AccessList, AccessListError, ExecutorError, ParallelExecutor, TransactionOutcome,
    access_list::{ListedReadError, Seen},
    own_code::OwnCodes,
    payment::Payments,
    sequential::{batch_error, machine, pay},
    worker::catch,
};

/// Transactions that a thread takes at a time, at most.
const CHUNK_MOST: usize = 32;

/// Blocks whose transactions may use less gas than this are verified by the calling thread alone:
/// the others would come too late.
const WORTH_A_CALL_GAS: u64 = 1_000_000;

/// Why the transactions of a block could not be verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The list is not that of the block: the block is invalid.
    #[error("transaction {transaction}: {source}")]
    List {
        /// Position of the transaction within the block.
        transaction: usize,
        /// The difference.
        #[source]
        source: AccessListError,
    },
    /// The execution itself failed.
    #[error(transparent)]
    Execution(#[from] ExecutorError),
}

/// The outcomes of a block's transactions, in order, as the threads left them: parts of some
/// transactions each.
#[derive(Debug, Default)]
pub struct VerifiedTransactions {
    parts: Vec<Vec<TransactionOutcome>>,
}

impl IntoIterator for VerifiedTransactions {
    type Item = TransactionOutcome;
    type IntoIter = std::iter::Flatten<std::vec::IntoIter<Vec<TransactionOutcome>>>;

    fn into_iter(self) -> Self::IntoIter {
        self.parts.into_iter().flatten()
    }
}

/// The state before one transaction, as the list says.
struct ListedDb<'a, 'l, D> {
    list: &'a AccessList<'l>,
    base: &'a D,
    index: BlockAccessIndex,
    codes: OwnCodes,
}

impl<D: StorageProbeRef> Database for ListedDb<'_, '_, D>
where
    D::Error: std::error::Error + Send + Sync + 'static,
{
    type Error = ListedReadError<D::Error>;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, Self::Error> {
        let mut info = self.list.account(address, self.index, self.base)?;
        if let Some(info) = &mut info {
            match info.code {
                Some(_) => _ = self.codes.give(info),
                None => self.codes.give_empty(info),
            }
        }
        Ok(info)
    }

    fn code_by_hash(&mut self, code_hash: B256) -> Result<Bytecode, Self::Error> {
        self.base.code_by_hash_ref(code_hash).map_err(ListedReadError::Base)
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, Self::Error> {
        self.list.slot(address, slot, self.index, None, self.base)
    }

    fn storage_by_account_id(
        &mut self,
        address: Address,
        account_id: AccountId,
        slot: U256,
    ) -> Result<U256, Self::Error> {
        self.list.slot(address, slot, self.index, Some(account_id), self.base)
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, Self::Error> {
        self.base.block_hash_ref(number).map_err(ListedReadError::Base)
    }
}

impl<D: StorageProbeRef> StorageProbe for ListedDb<'_, '_, D>
where
    D::Error: std::error::Error + Send + Sync + 'static,
{
    fn has_storage(
        &mut self,
        address: Address,
        hidden: &HashSet<U256>,
    ) -> Result<bool, Self::Error> {
        // The batch writes no slot of an account that has neither nonce nor code afterwards.
        self.base.has_storage_ref(address, hidden).map_err(ListedReadError::Base)
    }
}

/// What the threads share.
struct Run<'a, 'l, D> {
    list: &'a AccessList<'l>,
    base: &'a D,
    env: &'a EvmEnv,
    transactions: &'a [TxEnv],
    payments: Payments<'a>,
    threads: usize,
    /// The next transaction that nobody has.
    cursor: AtomicUsize,
    /// The first failure or invalid transaction so far; nobody goes on beyond it.
    failed: AtomicUsize,
    failure: Mutex<Option<(usize, VerifyError)>>,
    parts: Mutex<Vec<(usize, Vec<TransactionOutcome>)>>,
}

impl<D: StorageProbeRef + Sync> Run<'_, '_, D>
where
    D::Error: std::error::Error + Send + Sync + 'static,
{
    /// Takes the next transactions: fewer towards the end, so that all threads end together.
    fn claim(&self) -> Option<std::ops::Range<usize>> {
        let count = self.transactions.len();
        // Relaxed: the cursor only shares out numbers.
        let begin = self.cursor.load(Relaxed);
        let chunk = (count.saturating_sub(begin) / (4 * self.threads)).clamp(1, CHUNK_MOST);
        let begin = self.cursor.fetch_add(chunk, Relaxed);
        (begin < count && begin <= self.failed.load(Relaxed))
            .then(|| begin..count.min(begin + chunk))
    }

    fn fail(&self, index: usize, error: VerifyError) {
        let mut failure = self.failure.lock();
        if failure.as_ref().is_none_or(|(first, _)| index < *first) {
            *failure = Some((index, error));
            self.failed.fetch_min(index, Relaxed);
        }
    }

    /// Works until nothing is left. Never panics.
    fn work(&self) {
        let mut seen = Seen::default();
        let mut at = 0;
        let worked = catch(|| self.verify_chunks(&mut seen, &mut at));
        self.list.add(seen);
        if let Err(message) = worked {
            self.fail(at, ExecutorError::Panicked { index: at, message }.into());
        }
    }

    fn verify_chunks(&self, seen: &mut Seen, at: &mut usize) {
        let Some(first) = self.transactions.first() else { return };
        let db = ListedDb {
            list: self.list,
            base: self.base,
            index: BlockAccessIndex::PRE_EXECUTION,
            codes: OwnCodes::default(),
        };
        let mut evm = machine(db, self.env, first);
        while let Some(chunk) = self.claim() {
            let begin = chunk.start;
            let mut part = Vec::with_capacity(chunk.len());
            for index in chunk {
                *at = index;
                let place = BlockAccessIndex::from_tx_index(index as u64);
                evm.context_mut().journaled_state.database.index = place;
                let list_error = |source| VerifyError::List { transaction: index, source };
                let transaction = &self.transactions[index];
                let db = &mut evm.context_mut().journaled_state.database;
                // An error is left to revm, which meets it again.
                let paid = pay(db, self.env, &self.payments, transaction).ok().flatten();
                let done = match paid {
                    Some(done) => Ok(done),
                    None => evm.transact(transaction).map(|done| (done.result, done.state)),
                };
                let outcome = match done {
                    Ok((result, state)) => self
                        .list
                        .check_into(place, &state, seen)
                        .map(|()| TransactionOutcome::Executed { result, state })
                        .map_err(list_error),
                    Err(EVMError::Transaction(reason)) => {
                        // The block is invalid: nothing after this is of interest.
                        self.failed.fetch_min(index, Relaxed);
                        Ok(TransactionOutcome::Invalid(reason))
                    }
                    Err(EVMError::Database(ListedReadError::List(source))) => {
                        Err(list_error(source))
                    }
                    Err(EVMError::Database(ListedReadError::Base(source))) => {
                        Err(ExecutorError::Database { index, source: Box::new(source) }.into())
                    }
                    Err(error) => Err(batch_error(index, error).into()),
                };
                match outcome {
                    Ok(outcome) => part.push(outcome),
                    Err(error) => return self.fail(index, error),
                }
            }
            self.parts.lock().push((begin, part));
        }
    }
}

impl ParallelExecutor {
    /// Executes the transactions of a block on what its block access list says of the state before
    /// each, and holds what they do against the list. `base` is the state before the block, or after
    /// what comes before its transactions. The caller checks the block's other steps
    /// ([`AccessList::check`]) and ends with [`AccessList::finish`]; only then is anything certain.
    ///
    /// The environment's fork is Amsterdam or later.
    ///
    /// # Errors
    /// [`VerifyError`] for the first transaction that does not do what the list says; an invalid
    /// transaction is an outcome, not an error, and outcomes after it may lack.
    pub fn verify<D: StorageProbeRef + Sync>(
        &self,
        base: &D,
        env: &EvmEnv,
        transactions: &[TxEnv],
        list: &AccessList<'_>,
    ) -> Result<VerifiedTransactions, VerifyError>
    where
        D::Error: std::error::Error + Send + Sync + 'static,
    {
        let pool = if is_worth_a_call(transactions) { self.helpers() } else { None };
        let helpers = pool.map_or(0, |pool| pool.current_num_threads().min(transactions.len() - 1));
        let run = Run {
            list,
            base,
            env,
            transactions,
            payments: Payments::new(env),
            threads: helpers + 1,
            cursor: AtomicUsize::new(0),
            failed: AtomicUsize::new(usize::MAX),
            failure: Mutex::default(),
            parts: Mutex::default(),
        };
        match pool {
            Some(pool) => pool.in_place_scope(|scope| {
                for _ in 0..helpers {
                    scope.spawn(|_| run.work());
                }
                run.work();
            }),
            None => run.work(),
        }
        if let Some((_, error)) = run.failure.into_inner() {
            return Err(error);
        }
        let mut parts = run.parts.into_inner();
        parts.sort_unstable_by_key(|(begin, _)| *begin);
        Ok(VerifiedTransactions { parts: parts.into_iter().map(|(_, part)| part).collect() })
    }
}

fn is_worth_a_call(transactions: &[TxEnv]) -> bool {
    let gas = transactions.iter().fold(0u64, |sum, it| sum.saturating_add(it.gas_limit));
    transactions.len() > 1 && gas >= WORTH_A_CALL_GAS
}
