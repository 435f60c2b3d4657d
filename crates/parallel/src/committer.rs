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

mod one;

use std::{mem, sync::Arc};

use plasma_vm::StorageProbeRef;

use crate::{
    ConflictReport, ExecutorError, TransactionOutcome,
    executor::Switching,
    memory::{Memory, Tables},
    outcome::Outcomes,
    pace::{INTERVAL, Pace, Stretch, is_worth_a_call},
    scheduler::{Backoff, Phase},
    sequential::execute_in_order,
    worker::{Batch, Picker, catch},
};

#[cfg(test)]
pub(crate) use one::ASSUMED;

/// Trust in the workers that it begins with. At nothing the committer goes on alone.
const TRUST_START: u32 = 8;

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
}
