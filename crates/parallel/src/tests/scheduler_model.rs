//! A model of the scheduler: the real one, with the atomics of loom, which tries all orders in which
//! a committer and two workers may get on and all values that an atomic may be read to have.
//!
//! What executing is stands for itself: each transaction has a cell that whoever executes it needs
//! for himself, each slot one for what was executed, and the memory one that workers share and the
//! committer has alone between two stretches. Loom finds two that meet at a cell.

use std::ops::Range;

use loom::{
    cell::UnsafeCell,
    model::Builder,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};

mod atomics {
    pub(crate) use loom::sync::atomic::{
        AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
    };
}

#[path = "../scheduler.rs"]
#[allow(
    dead_code,
    clippy::duplicate_mod,
    reason = "the same scheduler on other atomics; the model does without the waiting"
)]
mod scheduler;

use scheduler::{Phase, Scheduler, State};

/// What all threads share.
struct Model {
    scheduler: Scheduler,
    count: u32,
    /// Whether there is a memory for workers, and the memory.
    open: Mutex<bool>,
    memory: UnsafeCell<()>,
    /// For each transaction, who executes it.
    executions: Vec<UnsafeCell<()>>,
    /// For each slot, which transaction's execution it holds.
    results: Vec<(UnsafeCell<()>, AtomicU32)>,
}

const NOTHING: u32 = u32::MAX;

impl Model {
    fn new(count: u32, window: u32) -> Self {
        let scheduler = Scheduler::with_window(count, window);
        scheduler.set_chunk(1);
        let results = (0..scheduler.slots())
            .map(|_| (UnsafeCell::new(()), AtomicU32::new(NOTHING)))
            .collect();
        Self {
            scheduler,
            count,
            open: Mutex::new(false),
            memory: UnsafeCell::new(()),
            executions: (0..count).map(|_| UnsafeCell::new(())).collect(),
            results,
        }
    }

    /// Executes a transaction, which takes a while.
    fn execute(&self, index: u32) {
        let execution = self.executions[index as usize].get_mut();
        drop(execution);
    }

    /// What a worker does, and a committer that has to wait.
    fn speculate(&self, index: u32) {
        if !self.scheduler.advance(index, State::Unclaimed, State::Running) {
            return;
        }
        self.execute(index);
        // Every third is given up.
        let state = if index % 3 == 2 { State::Left } else { State::Done };
        if state == State::Done {
            let (cell, result) = &self.results[self.scheduler.slot(index)];
            let cell = cell.get_mut();
            // Relaxed: it is for the state to make it visible.
            assert_eq!(result.load(Ordering::Relaxed), NOTHING, "a result was left lying");
            result.store(index, Ordering::Relaxed);
            drop(cell);
        }
        self.scheduler.finish(index, state);
    }

    fn work(&self) {
        let _present = self.scheduler.enter();
        if self.scheduler.phase() != Phase::Parallel || !*self.open.lock().unwrap() {
            return;
        }
        let memory = self.memory.get();
        let mut patience = 1;
        while self.scheduler.phase() == Phase::Parallel {
            let Some(chunk) = self.scheduler.claim(self.scheduler.chunk()) else {
                if patience == 0 {
                    break;
                }
                patience -= 1;
                thread::yield_now();
                continue;
            };
            for index in chunk {
                if self.scheduler.phase() != Phase::Parallel {
                    break;
                }
                self.speculate(index);
            }
        }
        drop(memory);
    }

    /// Commits one transaction.
    fn commit(&self, index: u32) {
        let scheduler = &self.scheduler;
        loop {
            match scheduler.state(index) {
                state @ (State::Unclaimed | State::Left) => {
                    if scheduler.advance(index, state, State::Taken) {
                        if scheduler.cursor() <= index {
                            scheduler.skip_to(index + scheduler.chunk());
                        }
                        self.execute(index);
                        break;
                    }
                }
                State::Done => {
                    let (cell, result) = &self.results[scheduler.slot(index)];
                    let cell = cell.get_mut();
                    assert_eq!(result.load(Ordering::Relaxed), index, "another's result");
                    result.store(NOTHING, Ordering::Relaxed);
                    drop(cell);
                    // It is accepted as it is, or executed again.
                    self.execute(index);
                    break;
                }
                State::Running => match scheduler.claim(1) {
                    Some(ahead) => self.speculate(ahead.start),
                    None => thread::yield_now(),
                },
                State::Taken => panic!("{index} was taken twice"),
            }
        }
        scheduler.committed(index);
    }

    /// Commits with workers: at least the transactions of `range`, and then on until they are gone.
    /// Gives the first transaction that is not committed.
    fn go_parallel(&self, range: Range<u32>) -> u32 {
        let mut next = range.start;
        *self.open.lock().unwrap() = true;
        self.scheduler.open(next);
        let mut leaving = false;
        while next < self.count && !(leaving && self.scheduler.present() == 0) {
            self.commit(next);
            next += 1;
            if !leaving && next >= range.end {
                leaving = true;
                self.scheduler.set_phase(Phase::Alone);
            }
        }
        *self.open.lock().unwrap() = false;
        if next < self.count {
            for (cell, result) in &self.results {
                let cell = cell.get_mut();
                result.store(NOTHING, Ordering::Relaxed);
                drop(cell);
            }
        }
        next
    }

    /// Commits one transaction without workers.
    fn go_alone(&self, index: u32) {
        let memory = self.memory.get_mut();
        self.execute(index);
        drop(memory);
    }

    /// The end: workers are sent away.
    fn close(&self) {
        self.scheduler.set_phase(Phase::Alone);
        while self.scheduler.present() > 0 {
            thread::yield_now();
        }
    }
}

fn check(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 10_000;
    builder.check(model);
}

fn workers(model: &Arc<Model>, count: usize) -> Vec<thread::JoinHandle<()>> {
    (0..count)
        .map(|_| {
            let model = model.clone();
            thread::spawn(move || model.work())
        })
        .collect()
}

fn one_stretch(helpers: usize, count: u32, window: u32) {
    let model = Arc::new(Model::new(count, window));
    let helpers = workers(&model, helpers);
    assert_eq!(model.go_parallel(0..count), count);
    model.close();
    for helper in helpers {
        helper.join().unwrap();
    }
}

/// The window goes around more than once.
#[test]
fn one_stretch_with_one_worker() {
    check(2, || one_stretch(1, 5, 2));
}

#[test]
fn one_stretch_with_two_workers() {
    check(1, || one_stretch(2, 4, 2));
}

/// Smaller, and looked at more closely: one slot for all.
#[test]
fn one_slot_with_two_workers() {
    check(2, || one_stretch(2, 2, 1));
}

/// A worker comes while workers are sent away.
#[test]
fn a_late_worker() {
    check(3, || {
        let model = Arc::new(Model::new(3, 2));
        let helpers = workers(&model, 1);
        let next = model.go_parallel(0..1);
        if next < model.count {
            model.go_alone(next);
        }
        model.close();
        for helper in helpers {
            helper.join().unwrap();
        }
    });
}

/// Workers are sent away and called again, or have not come before they are sent away.
#[test]
fn two_stretches_with_one_worker() {
    check(2, || {
        let model = Arc::new(Model::new(3, 1));
        let mut helpers = workers(&model, 1);
        let next = model.go_parallel(0..1);
        if next < model.count {
            model.go_alone(next);
            helpers.extend(workers(&model, 1));
            model.go_parallel(next + 1..model.count);
        }
        model.close();
        for helper in helpers {
            helper.join().unwrap();
        }
    });
}
