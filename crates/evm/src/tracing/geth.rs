//! Geth's tracers, as `debug_trace*` names them.

use super::{
    Traced, TracingDatabase, TracingError,
    guard::{Guard, StepRecording, TraceLimits, parse_go_duration},
    steps::{self, StepTrace},
};
use crate::{EvmEnv, TxEnv};
use alloy_evm::Evm;
use alloy_rpc_types_eth::TransactionInfo;
use alloy_rpc_types_trace::geth::{
    GethDebugBuiltInTracerType as BuiltIn, GethDebugTracerConfig, GethDebugTracerType,
    GethDebugTracingOptions, GethDefaultTracingOptions, GethTrace, mux::MuxConfig,
};
use plasma_vm::PlasmaEvm;
use revm_inspectors::tracing::{DebugInspector, DebugInspectorError};
use serde::Serialize;
use serde_json::{Map, Value};
use std::convert::Infallible;

/// One of geth's tracers with its options, for any number of transactions.
#[derive(Debug)]
pub struct GethTracer {
    kind: Kind,
    limits: TraceLimits,
}

#[derive(Debug)]
enum Kind {
    /// The struct logger.
    Steps(GethDefaultTracingOptions),
    Other(Box<Other>),
}

/// A tracer of the library.
#[derive(Debug)]
struct Other {
    inspector: DebugInspector,
    name: String,
    recording: Option<StepRecording>,
}

/// What one of geth's tracers answers.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum GethAnswer {
    /// The steps of the struct logger.
    Steps(StepTrace),
    /// What any other tracer has found.
    Other(Box<GethTrace>),
}

impl GethTracer {
    /// The tracer that `options` ask for.
    ///
    /// A `timeout` among the options may shorten or lengthen `limits.timeout`, up to
    /// `longest_timeout`.
    ///
    /// # Errors
    /// An unknown tracer, JavaScript source without the feature `js-tracer`, a configuration or a timeout that cannot be read.
    pub fn new(
        options: GethDebugTracingOptions,
        limits: TraceLimits,
        longest_timeout: std::time::Duration,
    ) -> Result<Self, TracingError> {
        let mut options = options;
        let mut limits = limits;
        if let Some(timeout) = &options.timeout {
            limits.timeout = parse_go_duration(timeout)?.min(longest_timeout);
        }
        let name = match &options.tracer {
            None => return Ok(Self { kind: Kind::Steps(options.config), limits }),
            Some(GethDebugTracerType::JsTracer(source)) if source.is_empty() => {
                return Ok(Self { kind: Kind::Steps(options.config), limits });
            }
            // Without the feature this is said of everything that is no tracer's name; with it,
            // of names that no tracer has.
            Some(GethDebugTracerType::JsTracer(source)) => match TracingError::unknown(source) {
                TracingError::JavaScript if cfg!(feature = "js-tracer") => "JavaScript".to_owned(),
                refusal => return Err(refusal),
            },
            Some(named) => named.as_str().to_owned(),
        };
        if options.tracer == Some(BuiltIn::MuxTracer.into()) {
            options.tracer_config = complete_mux_config(options.tracer_config)?;
        }
        let recording = step_recording(&options);
        let inspector =
            DebugInspector::new(options).map_err(|error: DebugInspectorError<Infallible>| {
                TracingError::from_inspector(&name, error)
            })?;
        Ok(Self { kind: Kind::Other(Box::new(Other { inspector, name, recording })), limits })
    }

    /// Executes `tx` on `db` in `env` and answers its trace. Commits nothing.
    ///
    /// `info` tells where the transaction stands; leave its fields `None` for a call.
    ///
    /// # Errors
    /// The transaction is invalid there, the state cannot be read, or a limit was reached.
    pub fn trace<DB: TracingDatabase>(
        &mut self,
        db: &mut DB,
        env: &EvmEnv,
        tx: TxEnv,
        info: TransactionInfo,
    ) -> Result<Traced<GethAnswer>, TracingError> {
        match &mut self.kind {
            Kind::Steps(options) => {
                let traced = steps::trace(db, env, tx, options, self.limits)?;
                Ok(Traced { trace: GethAnswer::Steps(traced.trace), outcome: traced.outcome })
            }
            Kind::Other(other) => {
                let traced = other.trace(db, env, tx, info, self.limits)?;
                Ok(Traced {
                    trace: GethAnswer::Other(Box::new(traced.trace)),
                    outcome: traced.outcome,
                })
            }
        }
    }
}

impl Other {
    fn trace<DB: TracingDatabase>(
        &mut self,
        db: &mut DB,
        env: &EvmEnv,
        tx: TxEnv,
        info: TransactionInfo,
        limits: TraceLimits,
    ) -> Result<Traced<GethTrace>, TracingError> {
        self.inspector.fuse().map_err(|error: DebugInspectorError<Infallible>| {
            TracingError::from_inspector(&self.name, error)
        })?;
        let mut guard = Guard::new(limits, self.recording);
        let executed = {
            let listeners = (&mut self.inspector, &mut guard);
            let evm = PlasmaEvm::new(&mut *db, env.clone());
            evm.with_inspector(listeners).transact_raw(tx.clone())
        };
        if let Some(error) = guard.error() {
            return Err(error);
        }
        let outcome = executed.map_err(TracingError::from_evm)?;
        let trace = self
            .inspector
            .get_result(Some(info.into()), &tx, &env.block_env, &outcome, db)
            .map_err(|error| TracingError::from_inspector(&self.name, error))?;
        Ok(Traced { trace, outcome })
    }
}

/// Traces one transaction on the state before it: [`GethTracer`] used once, with default limits.
///
/// # Errors
/// As [`GethTracer::new`] and [`GethTracer::trace`].
pub fn trace_transaction<DB: TracingDatabase>(
    db: &mut DB,
    env: &EvmEnv,
    tx: TxEnv,
    options: GethDebugTracingOptions,
    info: TransactionInfo,
) -> Result<Traced<GethAnswer>, TracingError> {
    let limits = TraceLimits::default();
    GethTracer::new(options, limits, limits.timeout)?.trace(db, env, tx, info)
}

/// Geth lets a tracer inside the mux tracer go without a configuration (`null` or `{}`); the
/// inspector insists on one for some and on none for others.
fn complete_mux_config(
    config: GethDebugTracerConfig,
) -> Result<GethDebugTracerConfig, TracingError> {
    let invalid = |reason: String| TracingError::Config { tracer: "muxTracer".to_owned(), reason };
    let Value::Object(tracers) = config.0 else {
        return Err(invalid("expected an object from tracer name to its tracerConfig".to_owned()));
    };
    let mut complete = MuxConfig::default();
    for (name, config) in tracers {
        let tracer: GethDebugTracerType = serde_json::from_value(Value::String(name.clone()))
            .map_err(|error| invalid(error.to_string()))?;
        let GethDebugTracerType::BuiltInTracer(tracer) = tracer else {
            return Err(TracingError::unknown(&name));
        };
        let config = match tracer {
            BuiltIn::CallTracer | BuiltIn::PreStateTracer | BuiltIn::FlatCallTracer => {
                Some(if config.is_null() { Value::Object(Map::new()) } else { config })
            }
            BuiltIn::FourByteTracer | BuiltIn::NoopTracer | BuiltIn::StateGasTracer => None,
            _ => return Err(invalid(format!("{name} cannot run inside the mux tracer"))),
        };
        complete.0.insert(tracer.into(), config.map(GethDebugTracerConfig));
    }
    Ok(complete.into())
}

/// What the chosen tracer records at each step, for the memory bound.
fn step_recording(options: &GethDebugTracingOptions) -> Option<StepRecording> {
    match &options.tracer {
        Some(GethDebugTracerType::JsTracer(_)) => Some(StepRecording {
            limit: options.config.limit.filter(|limit| *limit > 0).unwrap_or(u64::MAX),
            stack: options.config.is_stack_enabled(),
            memory: options.config.is_memory_enabled(),
            return_data: options.config.is_return_data_enabled(),
        }),
        Some(GethDebugTracerType::BuiltInTracer(BuiltIn::Erc7562Tracer)) => {
            Some(StepRecording { limit: u64::MAX, stack: true, memory: true, return_data: false })
        }
        None | Some(GethDebugTracerType::BuiltInTracer(_)) => None,
    }
}
