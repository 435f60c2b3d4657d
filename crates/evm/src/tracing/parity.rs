//! Parity's traces, as `trace_*` answers them.

use super::{
    Traced, TracingDatabase, TracingError,
    guard::{Guard, StepRecording, TraceLimits},
};
use crate::{EvmEnv, TxEnv};
use alloy_evm::Evm;
use alloy_primitives::map::HashSet;
use alloy_rpc_types_eth::TransactionInfo;
use alloy_rpc_types_trace::parity::{LocalizedTransactionTrace, TraceResults, TraceType};
use plasma_vm::PlasmaEvm;
use revm::context_interface::result::{HaltReason, ResultAndState};
use revm_inspectors::tracing::{TracingInspector, TracingInspectorConfig};

/// The call frames of `tx` as a flat list with their place in the chain (`trace_transaction`).
///
/// Executes on the state before the transaction and commits nothing.
///
/// # Errors
/// The transaction is invalid there, the state cannot be read, or a limit was reached.
pub fn localized_traces<DB: TracingDatabase>(
    db: &mut DB,
    env: &EvmEnv,
    tx: TxEnv,
    info: TransactionInfo,
    limits: TraceLimits,
) -> Result<Traced<Vec<LocalizedTransactionTrace>>, TracingError> {
    let config = TracingInspectorConfig::default_parity();
    let (inspector, outcome) = inspect(db, env, tx, config, limits, None)?;
    let trace = inspector.into_parity_builder().into_localized_transaction_traces(info);
    Ok(Traced { trace, outcome })
}

/// Call frames, steps or state differences of `tx`, as `types` ask (`trace_replayTransaction`).
///
/// Executes on the state before the transaction and commits nothing.
///
/// # Errors
/// The transaction is invalid there, the state cannot be read, or a limit was reached.
pub fn trace_results<DB: TracingDatabase>(
    db: &mut DB,
    env: &EvmEnv,
    tx: TxEnv,
    types: &HashSet<TraceType>,
    limits: TraceLimits,
) -> Result<Traced<TraceResults>, TracingError> {
    let config = TracingInspectorConfig::from_parity_config(types);
    let recording = types.contains(&TraceType::VmTrace).then_some(StepRecording {
        limit: u64::MAX,
        stack: false,
        memory: false,
        return_data: false,
    });
    let (inspector, outcome) = inspect(db, env, tx, config, limits, recording)?;
    let trace = inspector
        .into_parity_builder()
        .into_trace_results_with_state(&outcome, types, &*db)
        .map_err(|error| TracingError::Database(Box::new(error)))?;
    Ok(Traced { trace, outcome })
}

fn inspect<DB: TracingDatabase>(
    db: &mut DB,
    env: &EvmEnv,
    tx: TxEnv,
    config: TracingInspectorConfig,
    limits: TraceLimits,
    recording: Option<StepRecording>,
) -> Result<(TracingInspector, ResultAndState<HaltReason>), TracingError> {
    let mut inspector = TracingInspector::new(config);
    let mut guard = Guard::new(limits, recording);
    let executed = {
        let listeners = (&mut inspector, &mut guard);
        let evm = PlasmaEvm::new(&mut *db, env.clone());
        evm.with_inspector(listeners).transact_raw(tx)
    };
    if let Some(error) = guard.error() {
        return Err(error);
    }
    Ok((inspector, executed.map_err(TracingError::from_evm)?))
}
