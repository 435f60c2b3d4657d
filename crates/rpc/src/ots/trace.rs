//! What happened inside of one transaction.

use crate::{api::Api, debug::trace_sealed, error::RpcResult, params::Arguments};
use alloy_primitives::Bytes;
use alloy_rpc_types_trace::otterscan::{InternalOperation, TraceEntry};
use plasma_evm::tracing;

/// `ots_getInternalOperations`.
pub(super) fn internal_operations(
    api: &Api,
    arguments: Arguments<'_>,
) -> RpcResult<Vec<InternalOperation>> {
    trace_sealed(api, arguments.required(0)?, |state, env, tx, limits| {
        tracing::internal_operations(state, env, tx, limits)
    })
}

/// `ots_getTransactionError`: what a transaction returned that reverted; empty for any other.
pub(super) fn transaction_error(api: &Api, arguments: Arguments<'_>) -> RpcResult<Bytes> {
    trace_sealed(api, arguments.required(0)?, |state, env, tx, limits| {
        tracing::revert_output(state, env, tx, limits)
    })
}

/// `ots_traceTransaction`.
pub(super) fn transaction(api: &Api, arguments: Arguments<'_>) -> RpcResult<Vec<TraceEntry>> {
    trace_sealed(api, arguments.required(0)?, |state, env, tx, limits| {
        tracing::call_entries(state, env, tx, limits)
    })
}
