//! One thread's part in a batch.
//!
//! Invariant: a worker holds at most one task and reports back each one it took; a panic, wherever
//! it happens, ends the batch with an error and lets every worker leave.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
};

use alloy_evm::EvmEnv;
use parking_lot::Mutex;
use plasma_vm::StorageProbeRef;
use revm::context::TxEnv;

use crate::{
    Conflict, ExecutorError, TransactionOutcome,
    commit::Ledger,
    interleave::{self, Point},
    memory::Memory,
    scheduler::{Scheduler, Task, WaitFor},
    validation::{Validity, validate},
    vm::{Attempt, Failure, Interrupt, Speculation, Vm},
    write_set::WriteSet,
};

/// What all workers of a batch share.
pub(crate) struct Batch<'a, D: StorageProbeRef> {
    pub(crate) env: &'a EvmEnv,
    pub(crate) transactions: &'a [TxEnv],
    pub(crate) memory: Memory<'a, D>,
    pub(crate) ledger: Ledger,
    pub(crate) scheduler: Scheduler,
    /// One per transaction; contended only when an early validation meets a commit.
    pub(crate) slots: Vec<Mutex<Slot<D::Error>>>,
    /// The committed prefix of the batch.
    pub(crate) outcomes: Mutex<Vec<TransactionOutcome>>,
    pub(crate) conflicts: Mutex<Vec<Conflict>>,
    pub(crate) waits: Mutex<Vec<Conflict>>,
    /// The first error, which is the batch's.
    pub(crate) error: Mutex<Option<ExecutorError>>,
}

/// The latest execution of one transaction.
#[derive(Debug)]
pub(crate) struct Slot<E> {
    /// `None` before the first execution and from the commit on.
    pub(crate) attempt: Option<Attempt<E>>,
    /// What the memory holds of this transaction.
    pub(crate) published: WriteSet,
}

impl<E> Default for Slot<E> {
    fn default() -> Self {
        Self { attempt: None, published: WriteSet::default() }
    }
}

impl<E> Slot<E> {
    /// Makes the writes of `attempt` the transaction's writes.
    pub(crate) fn publish<D: StorageProbeRef<Error = E>>(
        &mut self,
        memory: &Memory<'_, D>,
        index: u32,
        attempt: &mut Attempt<E>,
    ) {
        let mut writes = std::mem::take(&mut attempt.writes);
        if !self.published.is_empty() {
            self.published.sort();
            writes.sort();
        }
        memory.publish(index, &writes, &self.published);
        self.published = writes;
    }
}

impl<'a, D: StorageProbeRef> Batch<'a, D> {
    pub(crate) fn new(
        state: &'a D,
        env: &'a EvmEnv,
        transactions: &'a [TxEnv],
        predicted: Vec<u32>,
    ) -> Self {
        Self {
            env,
            transactions,
            memory: Memory::new(state, transactions.len()),
            ledger: Ledger::default(),
            scheduler: Scheduler::new(predicted),
            slots: transactions.iter().map(|_| Mutex::default()).collect(),
            outcomes: Mutex::new(Vec::with_capacity(transactions.len())),
            conflicts: Mutex::default(),
            waits: Mutex::default(),
            error: Mutex::default(),
        }
    }

    /// Ends the batch with `error`, unless another error came first.
    pub(crate) fn fail(&self, error: ExecutorError) -> Task {
        self.error.lock().get_or_insert(error);
        self.scheduler.abort();
        Task::Exit
    }
}

/// One thread at work on a batch.
pub(crate) struct Worker<'a, D: StorageProbeRef> {
    pub(crate) batch: &'a Batch<'a, D>,
    vm: Vm<'a, D>,
}

/// Works on `batch` until it is over. Never panics.
pub(crate) fn run<'a, D: StorageProbeRef + Sync>(batch: &'a Batch<'a, D>)
where
    D::Error: std::error::Error + Send + Sync + 'static,
{
    // Nothing of the worker outlives a panic, and the batch is given up: nobody sees broken state.
    let work = AssertUnwindSafe(|| Worker::new(batch).work());
    if let Err(panic) = catch_unwind(work) {
        batch.fail(ExecutorError::Worker { message: panic_message(panic) });
    }
}

impl<'a, D: StorageProbeRef + Sync> Worker<'a, D>
where
    D::Error: std::error::Error + Send + Sync + 'static,
{
    fn new(batch: &'a Batch<'a, D>) -> Self {
        Self { batch, vm: new_vm(batch) }
    }

    fn work(&mut self) {
        let mut task = self.batch.scheduler.first();
        loop {
            interleave::point(Point::Task);
            task = match task {
                Task::Execute(index) => self.execute(index),
                Task::Validate { index, incarnation } => self.validate(index, incarnation),
                Task::Commit { index, settled } => self.commit(index, settled),
                Task::Exit => return,
            };
        }
    }

    fn execute(&mut self, index: u32) -> Task {
        let batch = self.batch;
        match self.execute_attempt(index) {
            Ok(mut attempt) => {
                interleave::point(Point::Publish);
                let mut slot = batch.slots[index as usize].lock();
                slot.publish(&batch.memory, index, &mut attempt);
                slot.attempt = Some(attempt);
                drop(slot);
                interleave::point(Point::Report);
                batch.scheduler.executed(index)
            }
            Err(Interrupt::Writer(wait)) => {
                batch.waits.lock().push(wait);
                interleave::point(Point::Report);
                batch.scheduler.blocked(index, WaitFor::Writer(wait.writer))
            }
            Err(Interrupt::Beneficiary) => {
                interleave::point(Point::Report);
                batch.scheduler.blocked(index, WaitFor::Commits)
            }
        }
    }

    fn validate(&mut self, index: u32, incarnation: u32) -> Task {
        let batch = self.batch;
        let slot = batch.slots[index as usize].lock();
        let validity = match &slot.attempt {
            Some(attempt) => validate(&batch.memory, index, &attempt.reads),
            // Committed meanwhile.
            None => Validity::Valid,
        };
        drop(slot);
        interleave::point(Point::Report);
        match validity {
            Validity::Invalid(conflict) if batch.scheduler.reclaim(index, incarnation) => {
                batch.conflicts.lock().extend(conflict);
                let slot = batch.slots[index as usize].lock();
                batch.memory.mark_estimates(index, &slot.published);
                drop(slot);
                self.execute(index)
            }
            _ => batch.scheduler.validated(),
        }
    }

    /// One execution. A panic is its result like any other: it counts only if what was read stands.
    pub(crate) fn execute_attempt(&mut self, index: u32) -> Result<Attempt<D::Error>, Interrupt> {
        let transaction = &self.batch.transactions[index as usize];
        // The EVM is replaced after a panic; the memory's and ledger's locks are never left with a
        // half-made change, since no foreign code runs between two steps of one.
        let execution = AssertUnwindSafe(|| self.vm.execute(index, transaction));
        match catch_unwind(execution) {
            Ok(result) => result,
            Err(panic) => {
                let reads = self.vm.take_reads();
                self.vm = new_vm(self.batch);
                Ok(Attempt {
                    reads,
                    writes: WriteSet::default(),
                    speculation: Speculation::Failed(Failure::Panic(panic_message(panic))),
                })
            }
        }
    }
}

fn new_vm<'a, D: StorageProbeRef>(batch: &'a Batch<'a, D>) -> Vm<'a, D> {
    // A batch without transactions never gets a worker.
    Vm::new(&batch.memory, &batch.ledger, batch.env, &batch.transactions[0])
}

/// The message of a panic, as far as it has one.
pub(crate) fn panic_message(panic: Box<dyn Any + Send>) -> String {
    match panic.downcast::<String>() {
        Ok(message) => *message,
        Err(panic) => match panic.downcast::<&'static str>() {
            Ok(message) => (*message).to_owned(),
            Err(_) => "no message".to_owned(),
        },
    }
}
