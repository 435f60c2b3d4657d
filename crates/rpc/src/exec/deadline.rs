//! Ending a call that runs too long, or whose client has gone.
//!
//! An inspector that looks at the clock would slow every call down, since an inspected EVM takes
//! another, slower loop. But code that runs long runs in loops, and each round of a loop passes a
//! `JUMPDEST`; that instruction, otherwise empty, counts and now and then looks at the clock. (Code
//! without loops is bounded by its size and by the depth of calls.) Tracers listen to every step
//! anyway and ask [`is_interrupted`].

use crate::error::{self, RpcResult};
use alloy_evm::Database;
use plasma_evm::{
    EvmEnv, PlasmaEvm,
    revm::{
        context_interface::Host,
        interpreter::{
            Instruction, InstructionContext, InstructionExecResult, InstructionResult,
            InterpreterTypes,
        },
    },
};
use std::{
    cell::{Cell, RefCell},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

const JUMPDEST: u8 = 0x5b;
const JUMPDEST_GAS: u16 = 1;

/// Rounds between two looks at the clock.
const ROUNDS_PER_LOOK: u32 = 1024;

thread_local! {
    static WATCH: Watch = const { Watch::new() };
}

/// What may end the work of this thread.
struct Watch {
    deadline: Cell<Option<Instant>>,
    /// Set when nobody waits for the answer any more.
    abandoned: RefCell<Option<Arc<AtomicBool>>>,
    rounds: Cell<u32>,
    /// Time was up, or nobody waits.
    over: Cell<bool>,
}

impl Watch {
    const fn new() -> Self {
        Self {
            deadline: Cell::new(None),
            abandoned: RefCell::new(None),
            rounds: Cell::new(0),
            over: Cell::new(false),
        }
    }

    /// Looks at the clock and at the client. What is over stays over.
    fn look(&self) -> bool {
        if !self.over.get() {
            let late = self.deadline.get().is_some_and(|deadline| Instant::now() >= deadline);
            self.over.set(late || self.is_abandoned());
        }
        self.over.get()
    }

    /// [`Self::look`] now and then.
    fn count(&self) -> bool {
        let rounds = self.rounds.get().wrapping_add(1);
        self.rounds.set(rounds);
        self.over.get() || (rounds.is_multiple_of(ROUNDS_PER_LOOK) && self.look())
    }

    fn is_abandoned(&self) -> bool {
        let abandoned = self.abandoned.borrow();
        abandoned.as_ref().is_some_and(|flag| flag.load(Ordering::Relaxed))
    }

    /// Runs `work` with a deadline that is not after the one that stands. Tells whether it was met.
    fn within<T>(&self, limit: Duration, work: impl FnOnce() -> T) -> (T, bool) {
        let before = Restore { watch: self, deadline: self.deadline.get(), over: self.over.get() };
        let own = Instant::now().checked_add(limit);
        self.deadline.set(own.into_iter().chain(before.deadline).min());
        let answer = work();
        let in_time = !self.over.get();
        drop(before);
        if !in_time {
            // It may have been the deadline around this one that ended the work.
            self.look();
        }
        (answer, in_time)
    }
}

/// Puts back what stood before, also when the work panics: its thread goes on with other work.
struct Restore<'a> {
    watch: &'a Watch,
    deadline: Option<Instant>,
    over: bool,
}

impl Drop for Restore<'_> {
    fn drop(&mut self) {
        self.watch.deadline.set(self.deadline);
        self.watch.over.set(self.over);
    }
}

fn watched_jumpdest<W: InterpreterTypes, H: ?Sized>(
    _context: InstructionContext<'_, H, W>,
) -> InstructionExecResult {
    if WATCH.with(Watch::count) { Err(InstructionResult::OutOfGas) } else { Ok(()) }
}

/// An EVM over `database` whose loops obey [`run_until`].
pub(crate) fn watched_evm<D: Database>(database: D, env: EvmEnv) -> PlasmaEvm<D> {
    let mut evm = PlasmaEvm::new(database, env);
    let instructions = &mut evm.machine_mut().inner.instruction;
    instructions.insert_instruction(JUMPDEST, watched(), JUMPDEST_GAS);
    evm
}

fn watched<W: InterpreterTypes, H: Host + ?Sized>() -> Instruction<W, H> {
    Instruction::new(watched_jumpdest)
}

/// Fails where the time of the surrounding [`run_until`] is over or the client has gone: for work
/// between executions.
pub(crate) fn check_time() -> RpcResult<()> {
    if is_interrupted() { Err(error::server_error("execution aborted")) } else { Ok(()) }
}

/// True where the work of this thread shall end: time is over, or nobody waits for it.
pub(crate) fn is_interrupted() -> bool {
    WATCH.with(Watch::look)
}

/// Runs `execution`, all of whose EVMs on this thread stop when `limit` is over, which
/// `--rpc.evmtimeout` sets.
///
/// # Errors
/// As [`run_within`].
pub fn run_until<T>(limit: Duration, execution: impl FnOnce() -> RpcResult<T>) -> RpcResult<T> {
    run_within(limit, "--rpc.evmtimeout", execution)
}

/// Runs `execution`, all of whose EVMs on this thread stop when `limit`, which `flag` sets, is over.
/// Within another such run the earlier deadline counts.
///
/// # Errors
/// -32000 where time was up or the client has gone, else the error of `execution`.
pub(crate) fn run_within<T>(
    limit: Duration,
    flag: &'static str,
    execution: impl FnOnce() -> RpcResult<T>,
) -> RpcResult<T> {
    WATCH.with(|watch| {
        let (answer, in_time) = watch.within(limit, execution);
        if in_time {
            return answer;
        }
        Err(if watch.is_abandoned() {
            error::server_error("execution aborted: the client has gone")
        } else {
            error::server_error(format!("execution aborted (timeout = {limit:?}, set by {flag})"))
        })
    })
}

/// Runs `job`, which is to be quick; `None` where it was not and has been stopped.
pub(crate) fn run_briefly<T>(
    limit: Duration,
    job: impl FnOnce() -> RpcResult<T>,
) -> Option<RpcResult<T>> {
    WATCH.with(|watch| {
        let (answer, in_time) = watch.within(limit, job);
        in_time.then_some(answer)
    })
}

/// Runs `job`, which ends early where it looks and `abandoned` is set.
pub(crate) fn run_unless<T>(abandoned: Arc<AtomicBool>, job: impl FnOnce() -> T) -> T {
    /// Takes the flag and what came of it away again, whatever becomes of the job: its thread goes on
    /// with other work.
    struct Clear;

    impl Drop for Clear {
        fn drop(&mut self) {
            WATCH.with(|watch| {
                watch.abandoned.take();
                watch.over.set(false);
            });
        }
    }

    WATCH.with(|watch| watch.abandoned.replace(Some(abandoned)));
    let _clear = Clear;
    WATCH.with(|watch| watch.within(Duration::MAX, job).0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earlier_deadline_counts_and_the_later_one_comes_back() {
        let outer = run_within(Duration::from_secs(3600), "--outer", || {
            let inner = run_within(Duration::ZERO, "--inner", || {
                assert!(is_interrupted());
                run_within(Duration::from_secs(7200), "--inmost", || {
                    check_time()?;
                    Ok(())
                })
            });
            let message = inner.unwrap_err().message().to_owned();
            assert!(message.contains("--inner"), "{message}");
            assert!(!is_interrupted());
            Ok(1)
        });
        assert_eq!(outer.unwrap(), 1);
        assert!(!is_interrupted());
    }

    #[test]
    fn what_is_not_brief_is_told_and_leaves_nothing_behind() {
        assert_eq!(run_briefly(Duration::from_secs(3600), || Ok(1)), Some(Ok(1)));
        assert_eq!(run_briefly(Duration::ZERO, || check_time().map(|()| 1)), None);
        let inside = || run_until(Duration::from_secs(3600), || check_time().map(|()| 1));
        assert_eq!(run_briefly(Duration::ZERO, inside), None);
        assert!(!is_interrupted());
    }

    #[test]
    fn work_ends_when_nobody_waits_for_it() {
        let flag = Arc::new(AtomicBool::new(false));
        let set = flag.clone();
        let answer = run_unless(flag, || {
            assert!(!is_interrupted());
            set.store(true, Ordering::Relaxed);
            run_within(Duration::from_secs(3600), "--flag", check_time)
        });
        let message = answer.unwrap_err().message().to_owned();
        assert!(message.contains("the client has gone"), "{message}");
        assert!(!is_interrupted());
    }

    #[test]
    fn a_panic_leaves_the_thread_as_it_was() {
        let flag = Arc::new(AtomicBool::new(true));
        let panicked = std::panic::catch_unwind(|| {
            run_unless(flag, || {
                run_within(Duration::ZERO, "--flag", || -> RpcResult<()> { panic!() })
            })
        });
        assert!(panicked.is_err() && !is_interrupted());
    }
}
