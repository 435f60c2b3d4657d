//! `eth_callMany`: calls one after the other, each on what those before it left behind, none of
//! which is kept. `debug_traceCallMany` goes the same way.

use crate::{
    api::Api,
    debug::prepare_inside,
    error::{self, RpcResult},
    exec::{self, Overrides, Prepared},
    params::Arguments,
};
use alloy_primitives::U256;
use alloy_rpc_types_eth::{
    Bundle, EthCallResponse, StateContext, TransactionIndex, TransactionRequest,
    state::StateOverride,
};

/// Seconds from the block of one bundle to that of the next.
const BLOCK_TIME: u64 = 12;

pub(super) fn call_many(
    api: &Api,
    arguments: Arguments<'_>,
) -> RpcResult<Vec<Vec<EthCallResponse>>> {
    let bundles: Vec<Bundle> = arguments.required(0)?;
    let context: StateContext = arguments.or_default(1)?;
    let overrides: Option<StateOverride> = arguments.optional(2)?;
    run_bundles(api, bundles, context, overrides, |prepared, call| {
        let transaction = prepared.transaction(call)?;
        let outcome = prepared.execute(transaction).map_err(error::from_simulation)?;
        prepared.commit(outcome.state);
        Ok(match exec::output(outcome.result) {
            Ok(output) => EthCallResponse { value: Some(output), error: None },
            Err(failure) => {
                EthCallResponse { value: None, error: Some(failure.message().to_owned()) }
            }
        })
    })
}

/// Hands the calls of all bundles to `execute`, which also keeps what they change. The first bundle
/// is in the block that `context` names, each further one in the next block.
///
/// # Errors
/// Where the block or its state is not there, time is up, or `execute` fails.
pub(crate) fn run_bundles<T>(
    api: &Api,
    bundles: Vec<Bundle>,
    context: StateContext,
    state: Option<StateOverride>,
    mut execute: impl FnMut(&mut Prepared, TransactionRequest) -> RpcResult<T>,
) -> RpcResult<Vec<Vec<T>>> {
    let StateContext { block_number: block, transaction_index } = context;
    let overrides = Overrides { state, block: None };
    exec::run_until(api.config.call_timeout, || {
        let mut prepared = match transaction_index.unwrap_or_default() {
            TransactionIndex::All => exec::prepare(api, block, overrides)?,
            TransactionIndex::Index(index) => prepare_inside(api, block, index as u64, overrides)?,
        };
        let mut answers = Vec::with_capacity(bundles.len());
        for (at, Bundle { transactions, block_override }) in bundles.into_iter().enumerate() {
            if at > 0 {
                let block = &mut prepared.env.block_env;
                block.number = block.number.saturating_add(U256::ONE);
                block.timestamp = block.timestamp.saturating_add(U256::from(BLOCK_TIME));
            }
            if let Some(overrides) = block_override {
                prepared.override_block(overrides);
            }
            let mut answered = Vec::with_capacity(transactions.len());
            for call in transactions {
                exec::check_time()?;
                answered.push(execute(&mut prepared, call)?);
            }
            answers.push(answered);
        }
        Ok(answers)
    })
}
