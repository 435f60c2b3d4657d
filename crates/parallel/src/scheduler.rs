//! Who does what next.
//!
//! Invariants:
//! - Every transaction is in exactly one [`Status`]; the worker that took it to `Executing` or
//!   `Committing` is the only one to execute it until it reports back.
//! - Transactions are committed in order, one at a time: `committed` counts them, and only the
//!   holder of a [`Task::Commit`] advances it.
//! - A suspended transaction waits for an earlier one that is not finished. The earliest uncommitted
//!   transaction therefore never waits, and the batch always gets on.
//! - A worker sleeps only while another one holds a task.
//!
//! All of it is behind one lock, taken once per task. The lock is also what orders memory: a result
//! is published before its execution is reported here, and taken up after.

use std::{cmp::Reverse, collections::BinaryHeap};

use parking_lot::{Condvar, Mutex};

/// A finished execution sets off the validation of later ones only if some are at least this far
/// ahead: what is nearer will shortly be validated by its commit.
const SWEEP_DISTANCE: usize = 3;

/// How far execution may run ahead of the commits: at first, and at most. Every void execution
/// halves the window and a calm stretch doubles it, so that transactions which all depend on each
/// other are soon executed one by one, each at its turn, at little waste.
const WINDOW_START: usize = 64;
const WINDOW_MAX: usize = 256;
/// Credit that makes a stretch of commits calm, ...
const CALM_STRETCH: u32 = 64;
/// ... what a commit adds whose execution ran ahead and proved right, ...
const CREDIT_AHEAD: u32 = 4;
/// ... and what one adds whose execution began at its turn, which says little.
const CREDIT_AT_TURN: u32 = 1;

/// A transaction that depends on none.
pub(crate) const NO_DEPENDENCY: u32 = u32::MAX;

/// What a worker is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Execute a transaction.
    Execute(u32),
    /// Check early whether an execution still stands.
    Validate { index: u32, incarnation: u32 },
    /// Commit a transaction. `settled`: it was executed with every earlier one committed, so that
    /// its reads need no validation.
    Commit { index: u32, settled: bool },
    /// The batch is over.
    Exit,
}

/// What a suspended transaction waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitFor {
    /// The next execution of an earlier transaction.
    Writer(u32),
    /// The commit of every earlier transaction.
    Commits,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    /// Not executed, or to be executed again; in the queue unless never handed out.
    Ready,
    Executing,
    /// Waits in another transaction's list of dependents.
    Suspended,
    /// Waits for its turn to commit.
    AwaitsTurn,
    Executed,
    Committing,
    Committed,
}

#[derive(Debug)]
struct Transaction {
    status: Status,
    incarnation: u32,
    /// The latest execution began with every earlier transaction committed.
    settled: bool,
    /// Who to wake when this one has been executed.
    dependents: Vec<u32>,
}

#[derive(Debug)]
struct State {
    transactions: Vec<Transaction>,
    /// Transactions committed; the one at this index commits next.
    committed: usize,
    /// A worker holds the commit.
    committing: bool,
    /// The first transaction that was never handed out.
    fresh: usize,
    /// How many transactions from `committed` on may be handed out.
    window: usize,
    /// Credit since the last void execution or change of the window.
    calm: u32,
    /// Suspended ones that were woken, and those whose execution was thrown away.
    queue: BinaryHeap<Reverse<u32>>,
    /// Executions from here on are to be validated early.
    sweep: usize,
    /// One past the last transaction ever executed.
    executed_end: usize,
    /// Workers that hold a task.
    busy: usize,
    sleeping: usize,
    over: bool,
    stalled: bool,
}

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Scheduler {
    state: Mutex<State>,
    wake: Condvar,
    /// For each transaction an earlier one that it is known to depend on, or [`NO_DEPENDENCY`].
    predicted: Vec<u32>,
}

impl Scheduler {
    pub(crate) fn new(predicted: Vec<u32>) -> Self {
        let count = predicted.len();
        let transactions = (0..count)
            .map(|_| Transaction {
                status: Status::Ready,
                incarnation: 0,
                settled: false,
                dependents: Vec::new(),
            })
            .collect();
        Self {
            state: Mutex::new(State {
                transactions,
                committed: 0,
                committing: false,
                fresh: 0,
                window: WINDOW_START,
                calm: 0,
                queue: BinaryHeap::new(),
                sweep: count,
                executed_end: 0,
                busy: 0,
                sleeping: 0,
                over: count == 0,
                stalled: false,
            }),
            wake: Condvar::new(),
            predicted,
        }
    }

    /// A worker's first task.
    pub(crate) fn first(&self) -> Task {
        self.next(&mut self.state.lock())
    }

    /// Reports an execution as published; gives the next task.
    pub(crate) fn executed(&self, index: u32) -> Task {
        let mut state = self.state.lock();
        state.busy -= 1;
        let at = index as usize;
        let transaction = &mut state.transactions[at];
        debug_assert_eq!(transaction.status, Status::Executing);
        transaction.status = Status::Executed;
        state.executed_end = state.executed_end.max(at + 1);
        state.wake_dependents(at);
        state.start_sweep(at);
        self.next(&mut state)
    }

    /// Reports an execution as cut short; gives the next task.
    pub(crate) fn blocked(&self, index: u32, wait: WaitFor) -> Task {
        let mut state = self.state.lock();
        state.busy -= 1;
        if state.transactions[index as usize].settled {
            // Nothing that it reads can be unfinished: without this, a defect of the memory would
            // make the batch go round in circles.
            state.over = true;
            state.stalled = true;
        }
        state.suspend(index, wait);
        self.next(&mut state)
    }

    /// Reports an early validation as passed or out of date; gives the next task.
    pub(crate) fn validated(&self) -> Task {
        let mut state = self.state.lock();
        state.busy -= 1;
        self.next(&mut state)
    }

    /// Reports an early validation as failed. If the execution was still the current one and not
    /// being committed, the caller now holds the transaction and must execute it again.
    pub(crate) fn reclaim(&self, index: u32, incarnation: u32) -> bool {
        let mut state = self.state.lock();
        let transaction = &state.transactions[index as usize];
        let current =
            transaction.status == Status::Executed && transaction.incarnation == incarnation;
        if current {
            state.narrow();
            state.begin(index);
        }
        current
    }

    /// Reports a commit; gives the next task. `executed_again`: the transaction was executed by its
    /// committer.
    pub(crate) fn commit_done(&self, index: u32, executed_again: bool) -> Task {
        let mut state = self.state.lock();
        let at = index as usize;
        debug_assert!(state.committing && state.committed == at);
        state.busy -= 1;
        state.committing = false;
        state.transactions[at].status = Status::Committed;
        state.committed = at + 1;
        if executed_again {
            state.transactions[at].incarnation += 1;
            state.narrow();
            state.start_sweep(at);
        } else {
            let settled = state.transactions[at].settled;
            state.widen(if settled { CREDIT_AT_TURN } else { CREDIT_AHEAD });
        }
        state.wake_dependents(at);
        if let Some(next) = state.transactions.get_mut(at + 1) {
            if next.status == Status::AwaitsTurn {
                next.status = Status::Ready;
                state.queue.push(Reverse(index + 1));
            }
        } else {
            state.over = true;
        }
        self.next(&mut state)
    }

    /// Ends the batch early: every worker's next task is [`Task::Exit`].
    pub(crate) fn abort(&self) {
        let mut state = self.state.lock();
        state.over = true;
        self.wake.notify_all();
    }

    /// Executions per transaction, and whether the batch stopped with nothing left to run.
    pub(crate) fn finish(&self) -> (Vec<u32>, usize, bool) {
        let state = self.state.lock();
        let incarnations = state.transactions.iter().map(|t| t.incarnation).collect();
        (incarnations, state.committed, state.stalled)
    }

    fn next(&self, state: &mut parking_lot::MutexGuard<'_, State>) -> Task {
        loop {
            if state.over {
                if state.sleeping > 0 {
                    self.wake.notify_all();
                }
                return Task::Exit;
            }
            if let Some(task) = state.take(&self.predicted) {
                state.busy += 1;
                if state.sleeping > 0 && state.has_work() {
                    self.wake.notify_one();
                }
                return task;
            }
            if state.busy == 0 {
                state.over = true;
                state.stalled = true;
                continue;
            }
            state.sleeping += 1;
            self.wake.wait(state);
            state.sleeping -= 1;
        }
    }
}

impl State {
    /// The most urgent task: the next commit, else whatever concerns the earliest transaction.
    fn take(&mut self, predicted: &[u32]) -> Option<Task> {
        if self.can_commit() {
            let index = self.committed;
            self.committing = true;
            let transaction = &mut self.transactions[index];
            transaction.status = Status::Committing;
            return Some(Task::Commit { index: index as u32, settled: transaction.settled });
        }
        while self.sweep < self.executed_end
            && self.transactions[self.sweep].status != Status::Executed
        {
            self.sweep += 1;
        }
        let queued = self.queue.peek().map_or(usize::MAX, |Reverse(index)| *index as usize);
        if self.sweep < self.executed_end && self.sweep < queued {
            let index = self.sweep;
            self.sweep += 1;
            let incarnation = self.transactions[index].incarnation;
            return Some(Task::Validate { index: index as u32, incarnation });
        }
        if let Some(Reverse(index)) = self.queue.pop() {
            self.begin(index);
            return Some(Task::Execute(index));
        }
        while self.fresh < self.handout_end() {
            let index = self.fresh as u32;
            self.fresh += 1;
            let dependency = predicted[index as usize];
            if dependency != NO_DEPENDENCY && !self.is_done(dependency) {
                self.transactions[index as usize].status = Status::Suspended;
                self.transactions[dependency as usize].dependents.push(index);
                continue;
            }
            self.begin(index);
            return Some(Task::Execute(index));
        }
        None
    }

    /// Whether a sleeping worker would find a task. Predicted dependencies may yet disappoint it.
    fn has_work(&self) -> bool {
        self.can_commit()
            || !self.queue.is_empty()
            || self.fresh < self.handout_end()
            || self.sweep < self.executed_end
    }

    fn handout_end(&self) -> usize {
        self.transactions.len().min(self.committed + self.window)
    }

    fn narrow(&mut self) {
        self.window = (self.window / 2).max(1);
        self.calm = 0;
    }

    fn widen(&mut self, credit: u32) {
        self.calm += credit;
        if self.calm >= CALM_STRETCH {
            self.window = (self.window * 2).min(WINDOW_MAX);
            self.calm = 0;
        }
    }

    fn can_commit(&self) -> bool {
        !self.committing
            && self.transactions.get(self.committed).is_some_and(|t| t.status == Status::Executed)
    }

    fn is_done(&self, index: u32) -> bool {
        matches!(self.transactions[index as usize].status, Status::Executed | Status::Committed)
    }

    fn begin(&mut self, index: u32) {
        let settled = self.committed == index as usize;
        let transaction = &mut self.transactions[index as usize];
        transaction.status = Status::Executing;
        transaction.incarnation += 1;
        transaction.settled = settled;
    }

    fn suspend(&mut self, index: u32, wait: WaitFor) {
        let (status, queued) = match wait {
            WaitFor::Writer(writer) if self.is_done(writer) => (Status::Ready, true),
            WaitFor::Writer(writer) => {
                self.transactions[writer as usize].dependents.push(index);
                (Status::Suspended, false)
            }
            WaitFor::Commits if self.committed == index as usize => (Status::Ready, true),
            WaitFor::Commits => (Status::AwaitsTurn, false),
        };
        self.transactions[index as usize].status = status;
        if queued {
            self.queue.push(Reverse(index));
        }
    }

    fn wake_dependents(&mut self, at: usize) {
        for dependent in std::mem::take(&mut self.transactions[at].dependents) {
            debug_assert_eq!(self.transactions[dependent as usize].status, Status::Suspended);
            self.transactions[dependent as usize].status = Status::Ready;
            self.queue.push(Reverse(dependent));
        }
    }

    /// What was executed after `at` may have read what `at` has just changed.
    fn start_sweep(&mut self, at: usize) {
        if self.executed_end > at + SWEEP_DISTANCE {
            self.sweep = self.sweep.min(at + 1);
        }
    }
}
