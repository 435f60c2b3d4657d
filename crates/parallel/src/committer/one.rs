//! Committing one transaction.
//!
//! Invariant: see the committer. Nothing of a transaction is published as committed before its outcome is there.

use std::ops::Range;

use plasma_vm::StorageProbeRef;
use revm::context::result::EVMError;

use super::Committer;
use crate::{
    ExecutorError, TransactionOutcome,
    interleave::{self, Point},
    memory::Memory,
    recording::ReadError,
    scheduler::{Backoff, State},
    sender,
    sequential::batch_error,
    validation::{ReadSet, Validity, validate},
    vm::{Attempt, Buffers, Failure, Speculation, Vm},
    worker::{Batch, Slot, execute_attempt, speculate},
    write_set::AccountWrite,
};

/// The most trust in the workers, and what an execution of theirs adds when it proves right. A void one takes one off.
const TRUST_MOST: u32 = 32;
const TRUST_GAIN: u32 = 2;

/// Who has executed a transaction, and what is still to be published of it.
enum Executed {
    /// A worker, or the committer before the transaction's turn: the `sender`, where it was assumed.
    Ahead { sender: Option<AccountWrite> },
    /// The committer at its turn: everything, in place of an earlier execution's where that was `void`.
    Here { buffers: Buffers, void: bool },
}

impl<'a, D: StorageProbeRef + Sync> Committer<'a, '_, D>
where
    D::Error: std::error::Error + Send + Sync + 'static,
{
    /// Commits the next transaction.
    pub(super) fn commit_next(&mut self, vm: &mut Vm<'a, D>) -> Result<(), ExecutorError> {
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
