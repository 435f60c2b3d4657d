//! Looking into one execution: geth's tracers and parity's traces.
//!
//! A trace executes a transaction on the state before it, with an inspector listening, and commits
//! nothing: the caller gets the trace together with the state changes and commits these where it
//! goes on to the next transaction of a block. The tracers themselves are `revm-inspectors`', but for
//! the struct logger; this module gives them an environment, keeps them within [`TraceLimits`], and
//! words their errors.
//!
//! JavaScript tracers need the feature `js-tracer`: they bring a JavaScript engine into the node.

mod calls;
mod error;
mod geth;
mod guard;
mod otterscan;
mod parity;
mod steps;

#[cfg(test)]
mod steps_tests;
#[cfg(test)]
mod tests;

pub use calls::{CallsTo, calls_to};
pub use error::TracingError;
pub use geth::{GethAnswer, GethTracer, trace_transaction};
pub use guard::{TraceLimits, parse_go_duration};
pub use otterscan::{call_entries, internal_operations, opcode_gas, revert_output};
pub use parity::{localized_traces, trace_results};
pub use steps::StepTrace;

pub use alloy_rpc_types_eth::TransactionInfo;
pub use alloy_rpc_types_trace::{
    geth::{
        CallConfig, CallFrame, DefaultFrame, FourByteFrame, GethDebugBuiltInTracerType,
        GethDebugTracerConfig, GethDebugTracerType, GethDebugTracingCallOptions,
        GethDebugTracingOptions, GethDefaultTracingOptions, GethTrace, PreStateConfig,
        PreStateFrame,
    },
    parity::{LocalizedTransactionTrace, TraceResults, TraceResultsWithTransactionHash, TraceType},
};

use plasma_vm::StorageProbe;
use revm::{
    DatabaseRef,
    context_interface::result::{HaltReason, ResultAndState},
};

/// A database that a tracer can execute on and look up the state before the transaction in.
///
/// [`Debug`](core::fmt::Debug) is what `alloy-evm` asks of every database.
pub trait TracingDatabase:
    alloy_evm::Database + StorageProbe + DatabaseRef<Error = <Self as revm::Database>::Error>
{
}

impl<T> TracingDatabase for T where
    T: alloy_evm::Database + StorageProbe + DatabaseRef<Error = <T as revm::Database>::Error>
{
}

/// What a tracer recorded, and what the transaction did to the state (not committed).
#[derive(Clone, Debug)]
pub struct Traced<T> {
    /// The trace.
    pub trace: T,
    /// Result and state changes of the execution that was traced.
    pub outcome: ResultAndState<HaltReason>,
}
