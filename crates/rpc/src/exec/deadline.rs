//! Ending a call that runs too long.
//!
//! An inspector that looks at the clock would slow every call down, since an inspected EVM takes
//! another, slower loop. But code that runs long runs in loops, and each round of a loop passes a
//! `JUMPDEST`; that instruction, otherwise empty, counts and now and then looks at the clock. (Code
//! without loops is bounded by its size and by the depth of calls.)

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
    cell::Cell,
    time::{Duration, Instant},
};

const JUMPDEST: u8 = 0x5b;
const JUMPDEST_GAS: u16 = 1;

/// Rounds between two looks at the clock.
const ROUNDS_PER_LOOK: u32 = 1024;

thread_local! {
    static WATCH: Watch = const { Watch::new() };
}

/// The deadline of what this thread executes.
struct Watch {
    deadline: Cell<Option<Instant>>,
    rounds: Cell<u32>,
    expired: Cell<bool>,
}

impl Watch {
    const fn new() -> Self {
        Self { deadline: Cell::new(None), rounds: Cell::new(0), expired: Cell::new(false) }
    }

    fn start(&self, deadline: Option<Instant>) {
        self.deadline.set(deadline);
        self.rounds.set(0);
        self.expired.set(false);
    }

    /// True when time is up; from then on at every round.
    fn is_over(&self) -> bool {
        if self.expired.get() {
            return true;
        }
        let rounds = self.rounds.get().wrapping_add(1);
        self.rounds.set(rounds);
        if rounds.is_multiple_of(ROUNDS_PER_LOOK)
            && self.deadline.get().is_some_and(|deadline| Instant::now() >= deadline)
        {
            self.expired.set(true);
        }
        self.expired.get()
    }
}

fn watched_jumpdest<W: InterpreterTypes, H: ?Sized>(
    _context: InstructionContext<'_, H, W>,
) -> InstructionExecResult {
    if WATCH.with(Watch::is_over) { Err(InstructionResult::OutOfGas) } else { Ok(()) }
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

/// Fails where the time of the surrounding [`run_until`] is over: for work between executions.
pub(crate) fn check_time() -> RpcResult<()> {
    WATCH.with(|watch| {
        if watch.deadline.get().is_some_and(|deadline| Instant::now() >= deadline) {
            watch.expired.set(true);
            return Err(error::server_error("execution aborted"));
        }
        Ok(())
    })
}

/// Runs `execution`, all of whose EVMs on this thread stop when `limit` is over.
///
/// # Errors
/// -32000 where time was up, else the error of `execution`.
pub fn run_until<T>(limit: Duration, execution: impl FnOnce() -> RpcResult<T>) -> RpcResult<T> {
    WATCH.with(|watch| watch.start(Instant::now().checked_add(limit)));
    let answer = execution();
    if WATCH.with(|watch| watch.expired.get()) {
        return Err(error::server_error(format!(
            "execution aborted (timeout = {limit:?}, set by --rpc.evmtimeout)"
        )));
    }
    answer
}
