//! Bounds on one trace: time and memory.

use super::{TracingDatabase, TracingError};
use crate::{EvmEnv, TxEnv};
use alloy_evm::{Evm, eth::EthEvmContext};
use plasma_vm::PlasmaEvm;
use revm::{
    Inspector,
    context_interface::{
        ContextError, ContextTr,
        result::{HaltReason, ResultAndState},
    },
    interpreter::{
        CallInputs, CallOutcome, CreateInputs, CreateOutcome, Interpreter,
        interpreter_types::{LoopControl, MemoryTr, ReturnData},
    },
};
use std::time::{Duration, Instant};

/// How long one trace may execute where the request names no `timeout`, as in geth.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

/// How much one trace may record, in bytes of memory.
const DEFAULT_MAX_BYTES: usize = 512 << 20;

/// What one recorded call takes without its input and output.
const BYTES_PER_CALL: usize = 1024;

/// Steps between two looks at the clock: a look costs about as much as a few instructions.
const STEPS_PER_CLOCK_CHECK: u64 = 1024;

/// What one recorded step takes without its stack: the record itself and its share of vectors.
const BYTES_PER_STEP: usize = 256;

/// Bounds on one trace.
#[derive(Clone, Copy, Debug)]
pub struct TraceLimits {
    /// How long it may execute.
    pub timeout: Duration,
    /// How many bytes it may record.
    pub max_bytes: usize,
    /// Asked now and then; where it answers true the trace ends.
    pub interrupted: fn() -> bool,
}

impl Default for TraceLimits {
    fn default() -> Self {
        Self { timeout: DEFAULT_TIMEOUT, max_bytes: DEFAULT_MAX_BYTES, interrupted: || false }
    }
}

/// What a tracer records at each step.
#[derive(Clone, Copy, Debug)]
pub(super) struct StepRecording {
    /// Steps are recorded up to this count.
    pub(super) limit: u64,
    /// The stack is copied at each of them.
    pub(super) stack: bool,
    /// The memory is copied at each of them.
    pub(super) memory: bool,
    /// What the last call returned is copied at each of them.
    pub(super) return_data: bool,
}

/// Stops an execution that outlives its trace's bounds.
///
/// It stands beside the tracer and stops the machine with an error of the whole execution, so that
/// nobody mistakes a trace that was cut off for a complete one.
#[derive(Debug)]
pub(super) struct Guard {
    started: Instant,
    limits: TraceLimits,
    recording: Option<StepRecording>,
    steps: u64,
    recorded: usize,
    stopped: Option<Stop>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    Time,
    Size,
    Interrupted,
}

impl Guard {
    pub(super) fn new(limits: TraceLimits, recording: Option<StepRecording>) -> Self {
        Self { started: Instant::now(), limits, recording, steps: 0, recorded: 0, stopped: None }
    }

    /// The error where this guard stopped the execution.
    pub(super) fn error(&self) -> Option<TracingError> {
        Some(match self.stopped? {
            Stop::Time => TracingError::TimedOut { limit: self.limits.timeout },
            Stop::Size => TracingError::TooLarge { limit: self.limits.max_bytes },
            Stop::Interrupted => TracingError::Interrupted,
        })
    }

    fn check(&mut self, stack_length: usize, memory: usize, return_data: usize) {
        if let Some(recording) = self.recording
            && self.steps < recording.limit
        {
            let stack = if recording.stack { stack_length * 32 } else { 0 };
            let memory = if recording.memory { memory } else { 0 };
            let return_data = if recording.return_data { return_data } else { 0 };
            self.record(BYTES_PER_STEP + stack + memory + return_data);
        }
        if self.steps.is_multiple_of(STEPS_PER_CLOCK_CHECK) {
            if self.started.elapsed() >= self.limits.timeout {
                self.stopped = Some(Stop::Time);
            } else if (self.limits.interrupted)() {
                self.stopped = Some(Stop::Interrupted);
            }
        }
        self.steps += 1;
    }

    /// Whether this guard stopped the execution.
    pub(super) const fn is_stopped(&self) -> bool {
        self.stopped.is_some()
    }

    /// Counts `bytes` that were recorded.
    pub(super) fn record(&mut self, bytes: usize) {
        self.recorded = self.recorded.saturating_add(bytes);
        if self.recorded > self.limits.max_bytes {
            self.stopped = Some(Stop::Size);
        }
    }
}

/// Calls count, too: tracers keep their inputs and outputs, which the gas of a call does not pay for
/// where memory is handed on.
impl<CTX: ContextTr> Inspector<CTX> for Guard {
    fn step(&mut self, interp: &mut Interpreter, context: &mut CTX) {
        self.check(interp.stack.len(), interp.memory.size(), interp.return_data.buffer().len());
        if self.stopped.is_some() {
            if context.error().is_ok() {
                *context.error() = Err(ContextError::Custom("the trace was stopped".into()));
            }
            interp.bytecode.reset_action();
            interp.halt_fatal();
        }
    }

    fn call(&mut self, _context: &mut CTX, inputs: &mut CallInputs) -> Option<CallOutcome> {
        self.record(BYTES_PER_CALL + inputs.input.len());
        None
    }

    fn call_end(&mut self, _: &mut CTX, _inputs: &CallInputs, outcome: &mut CallOutcome) {
        self.record(outcome.result.output.len());
    }

    fn create(&mut self, _context: &mut CTX, inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        self.record(BYTES_PER_CALL + inputs.init_code().len());
        None
    }

    fn create_end(&mut self, _: &mut CTX, _inputs: &CreateInputs, outcome: &mut CreateOutcome) {
        self.record(outcome.result.output.len());
    }
}

/// Executes `tx` with `inspector` listening, within `limits`. Commits nothing.
///
/// # Errors
/// The transaction is invalid there, the state cannot be read, or a limit was reached.
pub(super) fn inspect<'a, DB, I>(
    db: &'a mut DB,
    env: &EvmEnv,
    tx: TxEnv,
    inspector: &mut I,
    limits: TraceLimits,
    recording: Option<StepRecording>,
) -> Result<ResultAndState<HaltReason>, TracingError>
where
    DB: TracingDatabase,
    I: Inspector<EthEvmContext<&'a mut DB>>,
{
    let mut guard = Guard::new(limits, recording);
    let executed = {
        let listeners = (inspector, &mut guard);
        let evm = PlasmaEvm::new(db, env.clone());
        evm.with_inspector(listeners).transact_raw(tx)
    };
    match guard.error() {
        Some(error) => Err(error),
        None => executed.map_err(TracingError::from_evm),
    }
}

/// Reads a Go duration (`time.ParseDuration`), as geth's tracers take it: `5s`, `300ms`, `1m30s`.
///
/// # Errors
/// [`TracingError::Timeout`] where it is none, or is negative.
pub fn parse_go_duration(text: &str) -> Result<Duration, TracingError> {
    let invalid = || TracingError::Timeout(text.to_owned());
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut seconds = 0f64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(invalid)?;
        let (number, after) = rest.split_at(digits);
        let number: f64 = number.parse().map_err(|_| invalid())?;
        let unit_length =
            after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_length);
        seconds += number
            * match unit {
                "ns" => 1e-9,
                "us" | "µs" | "μs" => 1e-6,
                "ms" => 1e-3,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                _ => return Err(invalid()),
            };
        rest = after;
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| invalid())
}
