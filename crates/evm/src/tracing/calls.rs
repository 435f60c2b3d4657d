//! What was handed to one address, such as that of `console.log`.

use super::{
    Traced, TracingDatabase, TracingError,
    guard::{TraceLimits, inspect},
};
use crate::{EvmEnv, TxEnv};
use alloy_primitives::{Address, Bytes};
use revm::{
    Inspector,
    context_interface::{
        ContextTr,
        result::{ExecutionResult, HaltReason},
    },
    interpreter::{CallInputs, CallOutcome},
};

/// Most calls that are kept.
const MAX_CALLS: usize = 1_000;

/// Most bytes of input that are kept, all calls together.
const MAX_BYTES: usize = 1 << 20;

/// An inspector that keeps the input of every call to one address, in order, also of those that
/// were undone. It keeps at most 1,000 inputs of 1 MiB in all and counts the others.
#[derive(Clone, Debug)]
pub struct CallsTo {
    target: Address,
    inputs: Vec<Bytes>,
    bytes: usize,
    omitted: usize,
}

impl CallsTo {
    /// Listens for calls to `target`.
    pub const fn new(target: Address) -> Self {
        Self { target, inputs: Vec::new(), bytes: 0, omitted: 0 }
    }

    /// The inputs that were kept.
    pub fn inputs(&self) -> &[Bytes] {
        &self.inputs
    }

    /// How many more calls there were.
    pub const fn omitted(&self) -> usize {
        self.omitted
    }
}

impl<CTX: ContextTr> Inspector<CTX> for CallsTo {
    fn call(&mut self, context: &mut CTX, inputs: &mut CallInputs) -> Option<CallOutcome> {
        if inputs.bytecode_address == self.target {
            let input = inputs.input.bytes(context);
            if self.inputs.len() < MAX_CALLS && self.bytes + input.len() <= MAX_BYTES {
                self.bytes += input.len();
                self.inputs.push(input);
            } else {
                self.omitted += 1;
            }
        }
        None
    }
}

/// The calls of `tx` to `target`, and what `tx` came to.
///
/// Executes on the state before the transaction and commits nothing.
///
/// # Errors
/// The transaction is invalid there, the state cannot be read, or a limit was reached.
pub fn calls_to<DB: TracingDatabase>(
    db: &mut DB,
    env: &EvmEnv,
    tx: TxEnv,
    target: Address,
    limits: TraceLimits,
) -> Result<Traced<(CallsTo, ExecutionResult<HaltReason>)>, TracingError> {
    let mut inspector = CallsTo::new(target);
    let outcome = inspect(db, env, tx, &mut inspector, limits, None)?;
    Ok(Traced { trace: (inspector, outcome.result.clone()), outcome })
}
