//! One thread's part in a batch: executing ahead of the commits.
//!
//! Invariant: a worker ends each execution that it began, whatever comes of it, and holds the memory
//! only while it is counted as present. A panic, wherever it happens, ends the batch with an error.

use std::{
    any::Any,
    mem,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use alloy_evm::EvmEnv;
use parking_lot::Mutex;
use plasma_vm::StorageProbeRef;
use revm::context::TxEnv;

use crate::{
    Conflict, ExecutorError,
    affinity::Affinity,
    interleave::{self, Point},
    ledger::Ledger,
    memory::Memory,
    payment::Payments,
    recording::Interrupt,
    scheduler::{Backoff, Phase, Scheduler, State},
    validation::ReadSet,
    vm::{Attempt, Buffers, Failure, Speculation, Vm},
    write_set::WriteSet,
};

/// A place of the window.
pub(crate) struct Slot<E> {
    /// How the execution ended that waits for the committer.
    pub(crate) speculation: Option<Speculation<E>>,
    /// What it read, which the committer looks at where it is; afterwards lists for the next execution in this
    /// place.
    pub(crate) reads: ReadSet,
}

/// What all threads of a batch share.
pub(crate) struct Batch<'a, D: StorageProbeRef> {
    pub(crate) env: &'a EvmEnv,
    pub(crate) transactions: &'a [TxEnv],
    pub(crate) payments: Payments<'a>,
    pub(crate) scheduler: Scheduler,
    /// How transactions are shared out; `None`: as they come.
    pub(crate) affinity: Option<Affinity>,
    /// Workers that have come so far.
    came: AtomicU32,
    pub(crate) ledger: Ledger,
    /// One for each transaction of the window.
    pub(crate) slots: Box<[Mutex<Slot<D::Error>>]>,
    /// `None` while the committer goes on alone.
    pub(crate) memory: Mutex<Option<Arc<Memory<D>>>>,
    pub(crate) conflicts: Mutex<Vec<Conflict>>,
    pub(crate) waits: Mutex<Vec<Conflict>>,
    /// The first error of a worker, which is the batch's.
    error: Mutex<Option<ExecutorError>>,
}

impl<'a, D: StorageProbeRef> Batch<'a, D> {
    /// `transactions` are fewer than 2³²; at most so many `threads` work on them.
    pub(crate) fn new(
        env: &'a EvmEnv,
        transactions: &'a [TxEnv],
        payments: Payments<'a>,
        threads: usize,
    ) -> Self {
        let scheduler = Scheduler::new(transactions.len() as u32);
        Self {
            env,
            transactions,
            payments,
            slots: (0..scheduler.slots())
                .map(|_| Mutex::new(Slot { speculation: None, reads: ReadSet::default() }))
                .collect(),
            scheduler,
            affinity: Affinity::of(transactions, threads),
            came: AtomicU32::new(0),
            ledger: Ledger::default(),
            memory: Mutex::new(None),
            conflicts: Mutex::default(),
            waits: Mutex::default(),
            error: Mutex::default(),
        }
    }

    /// Forgets all executions.
    pub(crate) fn clear_slots(&self) {
        for slot in &self.slots {
            slot.lock().speculation = None;
        }
    }

    /// An EVM on `memory`.
    pub(crate) fn new_vm(&'a self, memory: Arc<Memory<D>>) -> Vm<'a, D> {
        // A batch without transactions never gets here.
        Vm::new(memory, &self.ledger, self.env, &self.payments, &self.transactions[0])
    }

    /// The error that broke the batch off while transaction `index` was waited for.
    pub(crate) fn take_error(&self, index: u32) -> ExecutorError {
        self.error.lock().take().unwrap_or_else(|| ExecutorError::Stalled {
            committed: index as usize,
            total: self.transactions.len(),
        })
    }
}

/// Runs `work`; a panic's message is its error.
pub(crate) fn catch<R>(work: impl FnOnce() -> R) -> Result<R, String> {
    // After a panic the batch is given up: nobody sees broken state.
    catch_unwind(AssertUnwindSafe(work)).map_err(panic_message)
}

/// Works on `batch` until there is nothing to do for a while. Never panics.
pub(crate) fn help<'a, D: StorageProbeRef + Sync>(batch: &'a Batch<'a, D>)
where
    D::Error: std::error::Error + Send + Sync + 'static,
{
    if let Err(message) = catch(|| work(batch)) {
        batch.error.lock().get_or_insert(ExecutorError::Worker { message });
        batch.scheduler.break_off();
    }
}

fn work<'a, D: StorageProbeRef + Sync>(batch: &'a Batch<'a, D>)
where
    D::Error: std::error::Error + Send + Sync + 'static,
{
    let scheduler = &batch.scheduler;
    // Dropped last: what is held of the memory goes before.
    let _present = scheduler.enter();
    let mut backoff = Backoff::default();
    loop {
        match scheduler.phase() {
            Phase::Parallel => break,
            // The committer comes to it after the transaction that it executes.
            Phase::Opening => backoff.wait_closely(),
            Phase::Alone => return,
        }
    }
    let Some(memory) = batch.memory.lock().clone() else { return };
    let mut vm = batch.new_vm(memory);
    backoff.reset();
    let mut picker = batch.affinity.as_ref().map(|affinity| {
        // Relaxed: numbers to tell workers apart. The committer is number 0.
        let number = batch.came.fetch_add(1, Ordering::Relaxed);
        Picker::new(affinity, affinity.worker(number))
    });
    while scheduler.phase() == Phase::Parallel {
        let chunk = match &mut picker {
            Some(picker) => picker.pick(batch, scheduler.chunk()),
            None => scheduler.claim(scheduler.chunk()),
        };
        let Some(chunk) = chunk else {
            if backoff.wait() {
                continue;
            }
            return;
        };
        backoff.reset();
        for index in chunk {
            if scheduler.phase() != Phase::Parallel {
                return;
            }
            speculate(batch, &mut vm, index);
        }
    }
}

/// Finds the transactions of the window that one thread had best execute, and others when there are no more.
#[derive(Debug)]
pub(crate) struct Picker<'a> {
    affinity: &'a Affinity,
    thread: u32,
    /// Its own transactions before this are done with, and those of others before that.
    own: u32,
    other: u32,
}

impl<'a> Picker<'a> {
    pub(crate) fn new(affinity: &'a Affinity, thread: u32) -> Self {
        Self { affinity, thread, own: 0, other: 0 }
    }

    /// The next transaction to execute ahead, the committer being `lead` transactions away from it at least.
    pub(crate) fn pick<D: StorageProbeRef>(
        &mut self,
        batch: &Batch<'a, D>,
        lead: u32,
    ) -> Option<Range<u32>> {
        let Range { start, end } = batch.scheduler.window();
        let unclaimed = |index: &u32| batch.scheduler.is_unclaimed(*index);
        let transaction = |index: u32| &batch.transactions[index as usize];
        let is_own = |index: &u32| self.affinity.thread(transaction(*index)) == self.thread;
        self.own = self.own.max(start.saturating_add(lead));
        let own = (self.own..end).find(|index| is_own(index) && unclaimed(index));
        self.own = own.map_or(end.max(self.own), |index| index + 1);
        let picked = own.or_else(|| {
            // Far from where their own thread will come next.
            self.other = self.other.max(start + (end.saturating_sub(start)) / 2);
            let other = (self.other..end).find(unclaimed);
            self.other = other.map_or(end.max(self.other), |index| index + 1);
            other
        });
        picked.map(|index| index..index + 1)
    }
}

/// Executes transaction `index` ahead of its turn, unless somebody else has begun with it. Gives the
/// gas used, where the execution came to its end.
pub(crate) fn speculate<'a, D: StorageProbeRef + Sync>(
    batch: &'a Batch<'a, D>,
    vm: &mut Vm<'a, D>,
    index: u32,
) -> Option<u64>
where
    D::Error: std::error::Error + Send + Sync + 'static,
{
    let scheduler = &batch.scheduler;
    interleave::point(Point::Task);
    if !scheduler.advance(index, State::Unclaimed, State::Running) {
        return None;
    }
    let mut gas = None;
    let state = match execute_attempt(batch, vm, index, true) {
        Ok(mut attempt) => {
            interleave::point(Point::Publish);
            let floor = scheduler.next_commit();
            vm.publish_ahead(index, &mut attempt.buffers, floor);
            let Attempt { mut buffers, speculation } = attempt;
            gas = speculation.gas_used();
            let mut slot = batch.slots[scheduler.slot(index)].lock();
            slot.speculation = Some(speculation);
            mem::swap(&mut slot.reads, &mut buffers.reads);
            drop(slot);
            vm.reuse(buffers);
            State::Done
        }
        Err(interrupt) => {
            if let Interrupt::Writer(wait) = interrupt {
                batch.waits.lock().push(wait);
            }
            State::Left
        }
    };
    interleave::point(Point::Report);
    scheduler.finish(index, state);
    gas
}

/// One execution, `ahead` of the transaction's turn or at it. A panic is its result like any other: it counts only if what was read stands.
pub(crate) fn execute_attempt<'a, D: StorageProbeRef + Sync>(
    batch: &'a Batch<'a, D>,
    vm: &mut Vm<'a, D>,
    index: u32,
    ahead: bool,
) -> Result<Attempt<D::Error>, Interrupt>
where
    D::Error: std::error::Error + Send + Sync + 'static,
{
    let transaction = &batch.transactions[index as usize];
    // The EVM is replaced after a panic; the memory's and ledger's locks are never left with a
    // half-made change, since no foreign code runs between two steps of one.
    match catch_unwind(AssertUnwindSafe(|| vm.execute(index, transaction, ahead))) {
        Ok(result) => result,
        Err(panic) => {
            let reads = vm.take_reads();
            *vm = batch.new_vm(vm.memory().clone());
            Ok(Attempt {
                buffers: Buffers { reads, writes: WriteSet::default() },
                speculation: Speculation::Failed(Failure::Panic(panic_message(panic))),
            })
        }
    }
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
