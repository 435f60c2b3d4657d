//! `debug_traceCall`: a call that is not on the chain, under a tracer.

use super::{Json, from_tracing, json, replay::Replay, sealed_block, tracer, transaction_index};
use crate::{
    api::Api,
    error::{self, RpcResult},
    eth::call_many::run_bundles,
    exec::{Overrides, Prepared, prepare},
    params::Arguments,
};
use alloy_eips::BlockId;
use alloy_rpc_types_eth::{Bundle, StateContext, TransactionRequest, state::StateOverride};
use plasma_evm::{
    revm::database_interface::WrapDatabaseRef,
    tracing::{GethAnswer, GethDebugTracingCallOptions, GethTracer, Traced, TransactionInfo},
};
use std::sync::Arc;

/// Traces a call on the state after a block, or, with `txIndex`, on the state before that
/// transaction of the block.
pub(super) fn trace_call(api: &Api, arguments: Arguments<'_>) -> RpcResult<Json> {
    let request: TransactionRequest = arguments.required(0)?;
    let block: Option<BlockId> = arguments.optional(1)?;
    let options: GethDebugTracingCallOptions = arguments.or_default(2)?;
    let overrides = overrides(&options)?;
    let mut tracer = tracer(api, options.tracing_options)?;
    let prepared = match options.tx_index {
        None => prepare(api, block, overrides)?,
        Some(index) => prepare_inside(api, block, index, overrides)?,
    };
    json(api, &trace_prepared(&prepared, &mut tracer, request)?.trace)
}

/// Traces calls one after the other, each on what those before it left behind: see
/// [`run_bundles`]. Overrides of blocks stand in the bundles.
pub(super) fn trace_call_many(api: &Api, arguments: Arguments<'_>) -> RpcResult<Json> {
    let bundles: Vec<Bundle> = arguments.required(0)?;
    let context: StateContext = arguments.or_default(1)?;
    let options: GethDebugTracingCallOptions = arguments.or_default(2)?;
    if options.block_overrides.is_some() || options.tx_index.is_some() {
        return Err(error::invalid_argument(
            2,
            "blockOverrides belong into the bundles (as blockOverride), and txIndex into the second \
             argument (as transactionIndex)",
        ));
    }
    let state = overrides(&options)?.state;
    let mut tracer = tracer(api, options.tracing_options)?;
    let traces = run_bundles(api, bundles, context, state, |prepared, call| {
        let traced = trace_prepared(prepared, &mut tracer, call)?;
        prepared.commit(traced.outcome.state);
        Ok(traced.trace)
    })?;
    json(api, &traces)
}

/// Traces a call on a prepared state, which keeps nothing of it.
fn trace_prepared(
    prepared: &Prepared,
    tracer: &mut GethTracer,
    request: TransactionRequest,
) -> RpcResult<Traced<GethAnswer>> {
    let transaction = prepared.transaction(request)?;
    let env = prepared.env_for(&transaction);
    let mut state = WrapDatabaseRef(&prepared.state);
    tracer.trace(&mut state, &env, transaction, TransactionInfo::default()).map_err(from_tracing)
}

fn overrides(options: &GethDebugTracingCallOptions) -> RpcResult<Overrides> {
    refuse_moved_precompiles(options.state_overrides.as_ref(), "debug_traceCall")?;
    Ok(Overrides {
        state: options.state_overrides.clone(),
        block: options.block_overrides.clone().map(Box::new),
    })
}

/// Tracers run with the precompiles where they are.
pub(super) fn refuse_moved_precompiles(
    overrides: Option<&StateOverride>,
    method: &str,
) -> RpcResult<()> {
    let mut all = overrides.into_iter().flatten();
    match all.find(|(_, account)| account.move_precompile_to.is_some()) {
        None => Ok(()),
        Some((address, _)) => Err(error::invalid_params(format!(
            "movePrecompileToAddress (at {address}) is not supported in {method}: use eth_call or \
             eth_simulateV1"
        ))),
    }
}

/// Prepares calls on the state before transaction `index` of `block`.
///
/// # Errors
/// Where the block or its state is not there, or the block has no such place.
pub(crate) fn prepare_inside(
    api: &Api,
    block: Option<BlockId>,
    index: u64,
    overrides: Overrides,
) -> RpcResult<Prepared> {
    let block =
        sealed_block(api, block.unwrap_or_default())?.ok_or_else(error::header_not_found)?;
    let index = transaction_index(&block, index)?;
    let mut replay = Replay::begin(api, &block)?;
    replay.skip_to(index)?;
    let (state, env) = replay.into_state_and_env();
    Prepared::new(api, Arc::new(state), env, overrides)
}
