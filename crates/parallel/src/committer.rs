//! The thread that commits: the caller's.
//!
//! Invariant: `outcomes` are those of sequential execution for the transactions before its end. The
//! next is taken over from a worker only if everything that its execution read resolves to the same
//! values now that every earlier transaction is final; otherwise it is executed here, where nothing
//! it reads can change.
//!
//! The committer is a sequential executor that takes what it can get: it waits for a worker only
//! while that one executes the very transaction it needs, and spends the time on a later one. Where
//! workers' executions keep proving void it sends them away and goes on alone for a stretch, at the
//! speed of sequential execution; and it begins alone, as workers take a moment to wake up.

use std::{mem, ops::Range, sync::Arc};

use plasma_vm::StorageProbeRef;
use revm::context::result::EVMError;

use crate::{
    ConflictReport, ExecutorError, TransactionOutcome,
    executor::Switching,
    interleave::{self, Point},
    memory::{Memory, Tables},
    outcome::Outcomes,
    pace::{INTERVAL, Pace, Stretch, is_worth_a_call},
    recording::ReadError,
    scheduler::{Backoff, Phase, State},
    sender,
    sequential::{batch_error, execute_in_order},
    validation::{ReadSet, Validity, validate},
    vm::{Attempt, Buffers, Failure, Speculation, Vm},
    worker::{Batch, Picker, Slot, catch, execute_attempt, speculate},
    write_set::AccountWrite,
};

/// Trust in the workers: what it begins with, its most, and what an execution of theirs adds when it
/// proves right. A void one takes one off. At nothing the committer goes on alone.
const TRUST_START: u32 = 8;
const TRUST_MOST: u32 = 32;
const TRUST_GAIN: u32 = 2;

/// Transactions of the first stretch alone and of the longest. Each is four times the one before.
const STRETCH_FIRST: u32 = 256;
const STRETCH_MOST: u32 = 8_192;
/// The longest that the clock alone gives rise to, which others on the machine may have disturbed.
const STRETCH_MOST_BY_CLOCK: u32 = 2_048;
/// A parallel stretch that lasted this many transactions makes the next one alone short again.
const GOOD_STRETCH: u32 = 1_024;

/// See the module's documentation.
pub(crate) struct Committer<'a, 's, D: StorageProbeRef> {
    batch: &'a Batch<'a, D>,
    /// Asks for one more worker.
    call_worker: &'s dyn Fn(),
    /// Workers wanted.
    wanted: usize,
    /// Workers asked for since the last time that none was present.
    called: usize,
    switching: Switching,
    outcomes: Outcomes,
    incarnations: Vec<u32>,
    trust: u32,
    went_parallel: bool,
    /// The next stretch alone.
    stretch: u32,
    /// Where the present stretch began.
    since: u32,
    pace: Pace,
    /// Finds what to execute ahead while a worker is waited for; `None`: whatever comes next.
    picker: Option<Picker<'a>>,
    /// The memory of a batch that is over.
    used: Option<Arc<Memory<D>>>,
}

/// Who has executed a transaction, and what is still to be published of it.
enum Executed {
    /// A worker, or the committer before the transaction's turn: the `sender`, where it was assumed.
    Ahead { sender: Option<AccountWrite> },
    /// The committer at its turn: everything, in place of an earlier execution's where that was `void`.
    Here { buffers: Buffers, void: bool },
}

/// What a batch comes to.
pub(crate) struct Committed {
    pub(crate) outcomes: Outcomes,
    pub(crate) report: ConflictReport,
    /// How long to begin the next batch alone, in transactions.
    pub(crate) next_alone: u32,
    /// Tables for the next batch.
    pub(crate) tables: Option<Tables>,
}

impl<'a, 's, D: StorageProbeRef + Sync> Committer<'a, 's, D>
where
    D::Error: std::error::Error + Send + Sync + 'static,
{
    /// `begin_alone` is what the batch before has left, `outcomes` what is committed already, with space for all.
    pub(crate) fn new(
        batch: &'a Batch<'a, D>,
        wanted: usize,
        switching: Switching,
        begin_alone: u32,
        outcomes: Vec<TransactionOutcome>,
        call_worker: &'s dyn Fn(),
    ) -> Self {
        let count = batch.transactions.len();
        Self {
            batch,
            call_worker,
            wanted,
            called: 0,
            switching,
            outcomes: Outcomes::Own(outcomes),
            incarnations: vec![1; count],
            trust: TRUST_START,
            went_parallel: false,
            stretch: begin_alone.max(STRETCH_FIRST),
            since: 0,
            pace: Pace::start(),
            picker: batch.affinity.as_ref().map(|affinity| Picker::new(affinity, 0)),
            used: None,
        }
    }

    /// Commits the rest of the batch; `begun` is the stretch that has been gone alone. Sends the workers away, whatever the end.
    pub(crate) fn run(
        mut self,
        memory: Memory<D>,
        begun: Stretch,
    ) -> Result<Committed, ExecutorError> {
        let scheduler = &self.batch.scheduler;
        let result = self.commit_all(memory, begun);
        scheduler.set_phase(Phase::Alone);
        // A worker that is just leaving is cheaper to wait for here than asleep.
        let mut backoff = Backoff::default();
        while scheduler.present() > 0 && backoff.wait() {}
        result?;
        let report = ConflictReport {
            parallel: true,
            threads: u32::try_from(self.wanted + 1).unwrap_or(u32::MAX),
            incarnations: self.incarnations,
            conflicts: std::mem::take(&mut *self.batch.conflicts.lock()),
            waits: std::mem::take(&mut *self.batch.waits.lock()),
        };
        let tables = self.used.and_then(Arc::into_inner).and_then(|it| it.into_tables().clear());
        // Blocks resemble those before them; and a batch that never tried leads to an earlier try.
        let shown = if self.went_parallel { self.stretch } else { 0 };
        let next_alone = Some(shown / 4).filter(|next| *next >= STRETCH_FIRST).unwrap_or(0);
        Ok(Committed { outcomes: self.outcomes, report, next_alone, tables })
    }

    fn next(&self) -> u32 {
        self.outcomes.len() as u32
    }

    fn is_over(&self) -> bool {
        self.outcomes.len() == self.batch.transactions.len()
    }

    fn commit_all(&mut self, mut memory: Memory<D>, begun: Stretch) -> Result<(), ExecutorError> {
        if self.switching == Switching::Auto {
            self.go_alone(&mut memory, begun)?;
        }
        while !self.is_over() {
            let Some(next) = self.go_parallel(memory)? else { return Ok(()) };
            memory = next;
            let least = self.stretch_alone();
            let stretch = Stretch::begin(self.outcomes.len(), least, self.batch.transactions.len());
            self.go_alone(&mut memory, stretch)?;
        }
        self.used = Some(Arc::new(memory));
        Ok(())
    }

    fn call_workers(&mut self, phase: Phase) {
        self.batch.scheduler.set_phase(phase);
        let present = self.batch.scheduler.present();
        if present == 0 {
            self.called = 0;
        }
        for _ in self.called.max(present)..self.wanted {
            (self.call_worker)();
            self.called += 1;
        }
    }

    /// How long to go on alone after a parallel stretch.
    fn stretch_alone(&mut self) -> u32 {
        if self.switching == Switching::Often {
            return self.next() % 5;
        }
        // What the clock ended was no good, however long it took to tell.
        if self.next() - self.since >= GOOD_STRETCH && !self.pace.is_slow() {
            self.stretch = STRETCH_FIRST;
        }
        let most = if self.trust == 0 { STRETCH_MOST } else { STRETCH_MOST_BY_CLOCK };
        let stretch = self.stretch.min(most);
        self.stretch = (stretch * 4).min(most);
        stretch
    }

    /// Commits alone while `stretch` holds and then on until workers are there to help.
    fn go_alone(
        &mut self,
        memory: &mut Memory<D>,
        mut stretch: Stretch,
    ) -> Result<(), ExecutorError> {
        let batch = self.batch;
        let mut called = false;
        let mut outcomes = self.take_outcomes()?;
        let result = catch(|| {
            execute_in_order(
                memory.base_mut(),
                batch.env,
                batch.transactions,
                Some(&batch.payments),
                &mut outcomes,
                |index| {
                    if stretch.holds(index) {
                        return true;
                    }
                    if !called {
                        let calls = self.wanted == 0
                            || self.switching != Switching::Auto
                            || stretch.calls_at(index, batch.transactions);
                        if !calls {
                            return true;
                        }
                        called = true;
                        self.call_workers(Phase::Opening);
                    }
                    self.wanted > 0 && batch.scheduler.present() == 0
                },
            )
        });
        self.outcomes = Outcomes::Own(outcomes);
        result.unwrap_or_else(|message| {
            Err(ExecutorError::Panicked { index: self.outcomes.len(), message })
        })
    }

    /// Commits with the help of workers as long as they are of use. Gives the memory back with
    /// everything that is committed in its base; `None` once the batch is over.
    fn go_parallel(&mut self, mut memory: Memory<D>) -> Result<Option<Memory<D>>, ExecutorError> {
        let batch = self.batch;
        self.since = self.next();
        self.went_parallel = true;
        self.trust = TRUST_START;
        memory.open(self.outcomes.share());
        let memory = Arc::new(memory);
        batch.ledger.open(self.next());
        *batch.memory.lock() = Some(memory.clone());
        batch.scheduler.open(self.next());
        self.call_workers(Phase::Parallel);
        let mut vm = batch.new_vm(memory);
        let mut leaving = false;
        self.pace = Pace::start();
        while !self.is_over() {
            if leaving && batch.scheduler.present() == 0 {
                break;
            }
            self.commit_next(&mut vm)?;
            if !leaving && self.is_enough() {
                leaving = true;
                batch.scheduler.set_phase(Phase::Alone);
            }
        }
        batch.memory.lock().take();
        let memory = vm.into_memory();
        if self.is_over() {
            self.used = Some(memory);
            return Ok(None);
        }
        let mut memory = Arc::into_inner(memory).ok_or_else(|| ExecutorError::Worker {
            message: "a worker kept the memory after it had left".into(),
        })?;
        memory.close();
        let outcomes = self.take_outcomes()?;
        memory.fold(&outcomes[self.since as usize..]);
        self.outcomes = Outcomes::Own(outcomes);
        if let Some(account) = batch.ledger.close() {
            memory.base_mut().set_account(batch.env.block_env.beneficiary, account);
        }
        batch.clear_slots();
        Ok(Some(memory))
    }

    /// The outcomes, while nobody else reads them.
    fn take_outcomes(&mut self) -> Result<Vec<TransactionOutcome>, ExecutorError> {
        let outcomes = mem::replace(&mut self.outcomes, Outcomes::Own(Vec::new()));
        outcomes.into_own().ok_or_else(|| ExecutorError::Worker {
            message: "a worker kept the outcomes after it had left".into(),
        })
    }

    /// Looks at the clock: hands out more or less at a time, and calls workers who have gone.
    fn turn(&mut self) {
        let scheduler = &self.batch.scheduler;
        let present = scheduler.present();
        let (chunk, took) = self.pace.turn(present as u32 + 1);
        scheduler.set_chunk(chunk);
        if present == 0
            && scheduler.phase() == Phase::Parallel
            && is_worth_a_call(
                self.batch.transactions.len() - self.outcomes.len(),
                INTERVAL as usize,
                took,
            )
        {
            self.call_workers(Phase::Parallel);
        }
    }

    /// Whether it is time to go on alone.
    fn is_enough(&self) -> bool {
        match self.switching {
            Switching::Auto => {
                let left = self.batch.transactions.len() as u32 - self.next();
                self.trust == 0 || self.pace.pays_to_leave(self.next() - self.since, left)
            }
            Switching::Never => false,
            Switching::Often => self.next() - self.since > self.since % 7,
        }
    }

    /// Commits the next transaction.
    fn commit_next(&mut self, vm: &mut Vm<'a, D>) -> Result<(), ExecutorError> {
        let index = self.next();
        let batch = self.batch;
        let scheduler = &batch.scheduler;
        let mut backoff = Backoff::default();
        let mut begun = None;
        let (speculation, written) = loop {
            interleave::point(Point::Task);
            match scheduler.state(index) {
                state @ (State::Unclaimed | State::Left) => {
                    if !scheduler.advance(index, state, State::Taken) {
                        continue;
                    }
                    if state == State::Left {
                        self.trust = self.trust.saturating_sub(1);
                        self.incarnations[index as usize] += 1;
                    }
                    self.reserve(index);
                    begun = self.pace.begin();
                    let Attempt { buffers, speculation } = self.execute(vm, index)?;
                    break (speculation, Executed::Here { buffers, void: false });
                }
                State::Done => {
                    let mut slot = batch.slots[scheduler.slot(index)].lock();
                    let Slot { speculation, reads } = &mut *slot;
                    let Some(mut done) = speculation.take() else {
                        return Err(defect(index, "its execution was lost"));
                    };
                    if let Some(sender) = self.stands(vm.memory(), index, reads, &mut done) {
                        break (done, Executed::Ahead { sender });
                    }
                    drop(slot);
                    // Workers need not execute against what is known to be wrong.
                    vm.memory().mark_estimates(index);
                    self.incarnations[index as usize] += 1;
                    let Attempt { buffers, speculation } = self.execute(vm, index)?;
                    break (speculation, Executed::Here { buffers, void: true });
                }
                State::Running => {
                    if scheduler.is_broken() {
                        return Err(batch.take_error(index));
                    }
                    // The worker will be ready in a moment, or there is time for something else.
                    if !backoff.wait_shortly() {
                        let ahead = match &mut self.picker {
                            Some(picker) => picker.pick(batch, 1),
                            None => scheduler.claim(scheduler.chunk()),
                        };
                        match ahead {
                            Some(ahead) => {
                                self.speculate_until(vm, ahead, index);
                                backoff.reset();
                            }
                            None => backoff.wait_on(),
                        }
                    }
                }
                State::Taken => return Err(defect(index, "it was taken twice")),
            }
        };
        let outcome = self.settle(vm, index, speculation)?;
        let gas = outcome.gas_used();
        self.outcomes.push(outcome);
        // After the outcome, where what was written is found from now on.
        interleave::point(Point::Publish);
        match written {
            Executed::Ahead { sender: None } => {}
            Executed::Ahead { sender: Some(write) } => vm.memory().publish_sender(index, &write),
            Executed::Here { mut buffers, void } => {
                vm.publish_committed(index, &mut buffers.writes, void);
                vm.reuse(buffers);
            }
        }
        scheduler.committed(index);
        self.pace.end(begun, gas);
        if self.pace.commit(gas) {
            self.turn();
        }
        Ok(())
    }

    /// Executes transactions ahead while `awaited` is being executed by a worker. The rest stays for
    /// the committer, who will execute them at their turn, where nothing needs checking.
    fn speculate_until(&mut self, vm: &mut Vm<'a, D>, ahead: Range<u32>, awaited: u32) {
        for index in ahead {
            let begun = self.pace.begin();
            if let Some(gas) = speculate(self.batch, vm, index) {
                self.pace.end(begun, gas);
            }
            if self.batch.scheduler.state(awaited) != State::Running {
                return;
            }
        }
    }

    /// Leaves the transactions after `index` that nobody has to the committer for a while, so that
    /// workers do not pick what it comes to next.
    fn reserve(&self, index: u32) {
        let scheduler = &self.batch.scheduler;
        if self.picker.is_none() && scheduler.cursor() <= index {
            scheduler.skip_to(index + scheduler.chunk());
        }
    }

    /// Whether a worker's execution stands, which is completed then: `None` where it does not, else the sender
    /// where that was assumed.
    fn stands(
        &mut self,
        memory: &Memory<D>,
        index: u32,
        reads: &ReadSet,
        speculation: &mut Speculation<D::Error>,
    ) -> Option<Option<AccountWrite>> {
        let batch = self.batch;
        let conflict = match validate(memory, index, reads) {
            Validity::Valid => {
                if let Some(sender) = complete(batch, memory, index, reads, speculation) {
                    self.trust = (self.trust + TRUST_GAIN).min(TRUST_MOST);
                    self.pace.helped();
                    return Some(sender);
                }
                None
            }
            Validity::Invalid(conflict) => conflict,
        };
        self.trust = self.trust.saturating_sub(1);
        batch.conflicts.lock().extend(conflict);
        None
    }

    /// Executes transaction `index` at its turn.
    fn execute(&self, vm: &mut Vm<'a, D>, index: u32) -> Result<Attempt<D::Error>, ExecutorError> {
        execute_attempt(self.batch, vm, index, false)
            .map_err(|_| defect(index, "a final read was blocked"))
    }

    /// Turns an accepted execution into the transaction's outcome.
    fn settle(
        &self,
        vm: &Vm<'a, D>,
        index: u32,
        speculation: Speculation<D::Error>,
    ) -> Result<TransactionOutcome, ExecutorError> {
        let batch = self.batch;
        let at = index as usize;
        let database_error =
            |source| ExecutorError::Database { index: at, source: Box::new(source) };
        match speculation {
            Speculation::Executed { result, mut state, deferred_fee } => {
                let change = Some((&mut state, deferred_fee));
                batch
                    .ledger
                    .settle(vm.memory(), batch.env, index, change)
                    .map_err(database_error)?;
                Ok(TransactionOutcome::Executed { result, state })
            }
            Speculation::Invalid(reason) => {
                batch.ledger.settle(vm.memory(), batch.env, index, None).map_err(database_error)?;
                Ok(TransactionOutcome::Invalid(reason))
            }
            Speculation::Failed(Failure::Panic(message)) => {
                Err(ExecutorError::Panicked { index: at, message })
            }
            Speculation::Failed(Failure::Error(error)) => Err(match error {
                EVMError::Database(ReadError::Base(source)) => database_error(source),
                other => batch_error(at, other),
            }),
        }
    }
}

/// How often tests have seen assumptions about senders fall and stand.
#[cfg(test)]
pub(crate) static ASSUMED: [std::sync::atomic::AtomicUsize; 2] =
    [const { std::sync::atomic::AtomicUsize::new(0) }; 2];

/// Completes an execution whose reads stand with the sender as it is now, where that was assumed, and gives what is
/// written of it; `None` where the assumption was wrong.
fn complete<D: StorageProbeRef>(
    batch: &Batch<'_, D>,
    memory: &Memory<D>,
    index: u32,
    reads: &ReadSet,
    speculation: &mut Speculation<D::Error>,
) -> Option<Option<AccountWrite>> {
    let Some(assumed) = &reads.assumed else { return Some(None) };
    let Speculation::Executed { state, .. } = speculation else { return None };
    let transaction = &batch.transactions[index as usize];
    let write = sender::complete(memory, index, transaction, assumed, state);
    #[cfg(test)]
    ASSUMED[usize::from(write.is_some())].fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    write.map(Some)
}

/// An error that only a defect of this crate can cause.
fn defect(index: u32, what: &str) -> ExecutorError {
    ExecutorError::Worker { message: format!("transaction {index}: {what}") }
}
