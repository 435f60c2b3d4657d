//! What Otterscan asks of one transaction, as `ots_*` answers it, and gas by opcode.

use super::{
    Traced, TracingDatabase, TracingError,
    guard::{TraceLimits, inspect},
};
use crate::{EvmEnv, TxEnv};
use alloy_primitives::{Bytes, U256};
use alloy_rpc_types_trace::{
    opcode::OpcodeGas,
    otterscan::{InternalOperation, TraceEntry},
};
use revm::{context_interface::result::ExecutionResult, inspector::NoOpInspector};
use revm_inspectors::{
    opcode::OpcodeGasInspector,
    otterscan::InternalOperationsInspector,
    tracing::{
        TracingInspector, TracingInspectorConfig,
        types::{CallKind, CallTraceNode},
    },
};

/// The transfers, creations and self-destructions inside of `tx` in their order
/// (`ots_getInternalOperations`). As in Erigon, those that were undone are among them.
///
/// Executes on the state before the transaction and commits nothing.
///
/// # Errors
/// The transaction is invalid there, the state cannot be read, or a limit was reached.
pub fn internal_operations<DB: TracingDatabase>(
    db: &mut DB,
    env: &EvmEnv,
    tx: TxEnv,
    limits: TraceLimits,
) -> Result<Traced<Vec<InternalOperation>>, TracingError> {
    let mut inspector = InternalOperationsInspector::default();
    let outcome = inspect(db, env, tx, &mut inspector, limits, None)?;
    Ok(Traced { trace: inspector.into_operations(), outcome })
}

/// What `tx` returned when it reverted (`ots_getTransactionError`); empty where it did not.
///
/// Executes on the state before the transaction and commits nothing.
///
/// # Errors
/// As [`internal_operations`].
pub fn revert_output<DB: TracingDatabase>(
    db: &mut DB,
    env: &EvmEnv,
    tx: TxEnv,
    limits: TraceLimits,
) -> Result<Traced<Bytes>, TracingError> {
    let outcome = inspect(db, env, tx, &mut NoOpInspector, limits, None)?;
    let trace = match &outcome.result {
        ExecutionResult::Revert { output, .. } => output.clone(),
        ExecutionResult::Success { .. } | ExecutionResult::Halt { .. } => Bytes::new(),
    };
    Ok(Traced { trace, outcome })
}

/// The calls, creations and self-destructions of `tx` in their order, with their depths
/// (`ots_traceTransaction`). As in Erigon, calls of precompiles are left out, and static and delegate
/// calls have no value.
///
/// Executes on the state before the transaction and commits nothing.
///
/// # Errors
/// As [`internal_operations`].
pub fn call_entries<DB: TracingDatabase>(
    db: &mut DB,
    env: &EvmEnv,
    tx: TxEnv,
    limits: TraceLimits,
) -> Result<Traced<Vec<TraceEntry>>, TracingError> {
    let mut inspector = TracingInspector::new(TracingInspectorConfig::default_parity());
    let outcome = inspect(db, env, tx, &mut inspector, limits, None)?;
    let nodes = inspector.into_traces().into_nodes();
    let mut entries: Vec<TraceEntry> = Vec::with_capacity(nodes.len());
    // A contract destroys itself as the last thing that its frame does, after all frames in it.
    let mut ends: Vec<TraceEntry> = Vec::new();
    for node in nodes.iter().filter(|node| !node.is_precompile()) {
        let depth = depth(node);
        while let Some(end) = ends.pop_if(|end| end.depth > depth) {
            entries.push(end);
        }
        entries.push(entry(node));
        ends.extend(self_destruction(node));
    }
    entries.extend(ends.into_iter().rev());
    Ok(Traced { trace: entries, outcome })
}

fn depth(node: &CallTraceNode) -> u32 {
    u32::try_from(node.trace.depth).unwrap_or(u32::MAX)
}

fn entry(node: &CallTraceNode) -> TraceEntry {
    let trace = &node.trace;
    let has_value = !matches!(trace.kind, CallKind::StaticCall | CallKind::DelegateCall);
    TraceEntry {
        r#type: trace.kind.to_string(),
        depth: depth(node),
        from: trace.caller,
        to: trace.address,
        value: has_value.then_some(trace.value),
        input: trace.data.clone(),
        output: trace.output.clone(),
    }
}

fn self_destruction(node: &CallTraceNode) -> Option<TraceEntry> {
    let trace = &node.trace;
    Some(TraceEntry {
        r#type: "SELFDESTRUCT".to_owned(),
        depth: depth(node).saturating_add(1),
        from: trace.selfdestruct_address?,
        to: trace.selfdestruct_refund_target?,
        value: Some(trace.selfdestruct_transferred_value.unwrap_or(U256::ZERO)),
        input: Bytes::new(),
        output: Bytes::new(),
    })
}

/// How often each opcode ran in `tx` and what it cost, by its name (`trace_transactionOpcodeGas`).
/// What ran inside of a call or a creation does not count for it.
///
/// Executes on the state before the transaction and commits nothing.
///
/// # Errors
/// As [`internal_operations`].
pub fn opcode_gas<DB: TracingDatabase>(
    db: &mut DB,
    env: &EvmEnv,
    tx: TxEnv,
    limits: TraceLimits,
) -> Result<Traced<Vec<OpcodeGas>>, TracingError> {
    let mut inspector = OpcodeGasInspector::new();
    let outcome = inspect(db, env, tx, &mut inspector, limits, None)?;
    let mut trace: Vec<OpcodeGas> = inspector.opcode_gas_iter().collect();
    trace.sort_unstable_by(|one, two| one.opcode.cmp(&two.opcode));
    Ok(Traced { trace, outcome })
}
