//! What can go wrong while tracing.

use revm::context_interface::result::{EVMError, InvalidTransaction};
use revm_inspectors::tracing::{DebugInspectorError, MuxError};
use std::{error::Error, time::Duration};

/// Why there is no trace.
#[derive(Debug, thiserror::Error)]
pub enum TracingError {
    /// The tracer's name is not one that this node has.
    #[error(
        "tracer {0:?} is not known: use callTracer, prestateTracer, 4byteTracer, flatCallTracer, \
         muxTracer, noopTracer, erc7562Tracer, stateGasTracer, or none for the struct logger"
    )]
    UnknownTracer(String),

    /// The tracer was given as JavaScript source.
    #[error(
        "JavaScript tracers are not built in: use one of the named tracers, such as callTracer, or \
         build the node with the feature js-tracer"
    )]
    JavaScript,

    /// A JavaScript tracer does not parse, lacks a function or threw.
    #[error("the JavaScript tracer failed: {0}")]
    Script(String),

    /// The tracer does not accept its `tracerConfig`.
    #[error("invalid tracerConfig for {tracer}: {reason}")]
    Config {
        /// Name of the tracer.
        tracer: String,
        /// What was wrong with it.
        reason: String,
    },

    /// `timeout` is not a Go duration.
    #[error("invalid timeout {0:?}: expected a duration such as \"5s\" or \"300ms\"")]
    Timeout(String),

    /// The execution took longer than allowed.
    #[error(
        "execution timeout: the trace took longer than {limit:?}; set a longer `timeout` (up to \
         --rpc.trace-timeout)"
    )]
    TimedOut {
        /// What was allowed.
        limit: Duration,
    },

    /// It was told to end before its time.
    #[error("the trace was interrupted")]
    Interrupted,

    /// The trace grew larger than allowed.
    #[error(
        "the trace is larger than {limit} bytes in memory (--rpc.max-trace-size): use `limit`, `disableStack`, `disableStorage`, \
         or a tracer that records less, such as callTracer"
    )]
    TooLarge {
        /// What was allowed, in bytes.
        limit: usize,
    },

    /// The transaction is not valid on this state and in this block.
    #[error("the transaction cannot be executed: {0}")]
    Invalid(InvalidTransaction),

    /// The state could not be read.
    #[error("reading the state failed: {0}")]
    Database(#[source] Box<dyn Error + Send + Sync>),

    /// The environment or the machine itself failed.
    #[error("execution failed: {0}")]
    Execution(String),
}

impl TracingError {
    pub(super) fn from_evm<E>(error: EVMError<E>) -> Self
    where
        E: Error + Send + Sync + 'static,
    {
        match error {
            EVMError::Transaction(invalid) => Self::Invalid(invalid),
            EVMError::Database(error) => Self::Database(Box::new(error)),
            other => Self::Execution(other.to_string()),
        }
    }

    pub(super) fn from_inspector<E>(tracer: &str, error: DebugInspectorError<E>) -> Self
    where
        E: Error + Send + Sync + 'static,
    {
        match error {
            DebugInspectorError::Database(error) => Self::Database(Box::new(error)),
            #[cfg(feature = "js-tracer")]
            DebugInspectorError::JsInspector(error) => Self::Script(error.to_string()),
            DebugInspectorError::JsTracerNotEnabled => Self::JavaScript,
            DebugInspectorError::UnsupportedTracer => Self::UnknownTracer(tracer.to_owned()),
            DebugInspectorError::MuxInspector(MuxError::UnsupportedTracerType(name)) => {
                Self::unknown(name.as_str())
            }
            other => Self::Config { tracer: tracer.to_owned(), reason: other.to_string() },
        }
    }

    /// A tracer that is not built in: by name, or as the source that geth would run.
    pub(super) fn unknown(tracer: &str) -> Self {
        let is_name = !tracer.is_empty()
            && tracer.len() <= 64
            && tracer.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
        if is_name { Self::UnknownTracer(tracer.to_owned()) } else { Self::JavaScript }
    }
}
