//! Parity's traces of what is not on the chain: `trace_call`, `trace_callMany`, `trace_rawTransaction`.

use super::{from_tracing, limits};
use crate::{
    api::Api,
    error::{self, RpcResult},
    exec::{CallState, Overrides, Prepared, prepare, run_until},
    params::Arguments,
};
use alloy_eips::BlockId;
use alloy_primitives::{Bytes, map::HashSet};
use alloy_rpc_types_eth::{BlockOverrides, TransactionRequest, state::StateOverride};
use alloy_rpc_types_trace::parity::{TraceResults, TraceType};
use plasma_evm::{
    revm::database_interface::WrapDatabaseRef,
    tracing::{Traced, trace_results},
    tx_env,
};

/// `trace_call`: frames, steps or state differences of one call on the state after a block, under
/// overrides where there are any.
pub(super) fn call(api: &Api, arguments: Arguments<'_>) -> RpcResult<TraceResults> {
    let request: TransactionRequest = arguments.required(0)?;
    let types: HashSet<TraceType> = arguments.required(1)?;
    let block: Option<BlockId> = arguments.optional(2)?;
    let overrides = overrides(arguments.optional(3)?, arguments.optional(4)?)?;
    let prepared = prepare(api, block, overrides)?;
    Ok(trace_prepared(api, &prepared, request, &types)?.trace)
}

/// `trace_callMany`: the same for calls one after the other, each on what those before it left
/// behind.
pub(super) fn call_many(api: &Api, arguments: Arguments<'_>) -> RpcResult<Vec<TraceResults>> {
    let calls: Vec<(TransactionRequest, HashSet<TraceType>)> = arguments.required(0)?;
    let block: Option<BlockId> = arguments.optional(1)?;
    run_until(api.config.call_timeout, || {
        let mut prepared = prepare(api, block, Overrides::default())?;
        let mut results = Vec::with_capacity(calls.len());
        for (request, types) in calls {
            let traced = trace_prepared(api, &prepared, request, &types)?;
            prepared.commit(traced.outcome.state);
            results.push(traced.trace);
        }
        Ok(results)
    })
}

/// `trace_rawTransaction`: the same for a signed transaction as it would execute on the state after a
/// block; it goes nowhere.
pub(super) fn raw_transaction(api: &Api, arguments: Arguments<'_>) -> RpcResult<TraceResults> {
    let raw: Bytes = arguments.required(0)?;
    let types: HashSet<TraceType> = arguments.required(1)?;
    let block: Option<BlockId> = arguments.optional(2)?;
    let sent = plasma_txpool::decode_and_recover(&raw).map_err(error::from_pool)?;
    let (state, env) = api.state_and_env(block)?;
    let state = CallState::new(state);
    let transaction =
        alloy_consensus::transaction::Recovered::new_unchecked(sent.transaction, sent.sender);
    let traced = trace_results(
        &mut WrapDatabaseRef(&state),
        &env,
        tx_env(&transaction),
        &types,
        limits(api),
    );
    Ok(traced.map_err(from_tracing)?.trace)
}

/// Traces a call on a prepared state, which keeps nothing of it.
fn trace_prepared(
    api: &Api,
    prepared: &Prepared,
    request: TransactionRequest,
    types: &HashSet<TraceType>,
) -> RpcResult<Traced<TraceResults>> {
    let transaction = prepared.transaction(request)?;
    let env = prepared.env_for(&transaction);
    let mut state = WrapDatabaseRef(&prepared.state);
    trace_results(&mut state, &env, transaction, types, limits(api)).map_err(from_tracing)
}

fn overrides(
    state: Option<StateOverride>,
    block: Option<Box<BlockOverrides>>,
) -> RpcResult<Overrides> {
    super::call::refuse_moved_precompiles(state.as_ref(), "trace_call")?;
    Ok(Overrides { state, block })
}
