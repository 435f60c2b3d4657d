//! Calls that change nothing.

use super::call_many;
use crate::{
    api::{Api, heavy},
    dev::console,
    error::{self, RpcResult},
    exec::{self, Overrides},
    params::Arguments,
};
use alloy_eips::BlockId;
use alloy_primitives::{Bytes, TxKind, U64};
use alloy_rpc_types_eth::{AccessListResult, TransactionRequest};
use jsonrpsee::RpcModule;
use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

/// One request of `eth_call` and its kin.
struct Request {
    call: TransactionRequest,
    block: Option<BlockId>,
    overrides: Overrides,
}

pub(crate) fn register(module: &mut RpcModule<Api>) {
    guessed(module, "eth_call", BlockId::latest(), call);
    guessed(module, "eth_estimateGas", BlockId::latest(), estimate);
    guessed(module, "eth_createAccessList", BlockId::latest(), access_list);
    heavy(module, "eth_callMany", 3, call_many::call_many);
}

/// Registers a method that runs in place while calls of the same code are cheap.
fn guessed<T>(
    module: &mut RpcModule<Api>,
    name: &'static str,
    default_block: BlockId,
    answer: fn(&Api, &Request) -> RpcResult<T>,
) where
    T: serde::Serialize + Clone + Send + 'static,
{
    let registered =
        module.register_async_method(name, move |params, api: Arc<Api>, _| async move {
            let request = request(&Arguments::new(&params, 4)?, default_block)?;
            let workers = api.workers.clone();
            let kind = Kind { method: name, request: &request }.digest();
            workers.run_guessed(kind, move || answer(&api, &request)).await
        });
    registered.expect("each method is registered once");
}

fn request(arguments: &Arguments<'_>, default_block: BlockId) -> RpcResult<Request> {
    let call: TransactionRequest = arguments.required(0)?;
    if call.input.unique_input().is_err() {
        return Err(error::invalid_argument(
            0,
            "both \"data\" and \"input\" are set and not equal. Please use \"input\" to pass \
             transaction call data",
        ));
    }
    Ok(Request {
        call,
        block: Some(arguments.optional(1)?.unwrap_or(default_block)),
        overrides: Overrides { state: arguments.optional(2)?, block: arguments.optional(3)? },
    })
}

/// What tells calls of different cost apart: method, callee, function, and whether there are
/// overrides.
struct Kind<'a> {
    method: &'static str,
    request: &'a Request,
}

impl Kind<'_> {
    fn digest(&self) -> u64 {
        let mut hasher = std::hash::DefaultHasher::new();
        self.method.hash(&mut hasher);
        let call = &self.request.call;
        if let Some(TxKind::Call(to)) = call.to {
            to.hash(&mut hasher);
        }
        let input = call.input.input().map_or(&[][..], |input| input.as_ref());
        input.get(..4).hash(&mut hasher);
        let overrides = &self.request.overrides;
        (overrides.state.is_some() || overrides.block.is_some()).hash(&mut hasher);
        hasher.finish()
    }
}

fn call(api: &Api, request: &Request) -> RpcResult<Bytes> {
    exec::run_until(api.config.call_timeout, || {
        let prepared = exec::prepare(api, request.block, request.overrides.clone())?;
        let transaction = prepared.transaction(request.call.clone())?;
        let again = console::listens(api).then(|| transaction.clone());
        let outcome = prepared.execute(transaction).map_err(error::from_simulation)?;
        if let Some(again) = again {
            console::tell_call("eth_call", &prepared, again, &outcome);
        }
        exec::output(outcome.result)
    })
}

fn estimate(api: &Api, request: &Request) -> RpcResult<U64> {
    exec::run_until(api.config.call_timeout, || {
        let prepared = exec::prepare(api, request.block, request.overrides.clone())?;
        let gas = exec::estimate_gas(&prepared, request.call.clone(), |transaction, outcome| {
            if console::listens(api) {
                console::tell_call("eth_estimateGas", &prepared, transaction.clone(), outcome);
            }
        });
        gas.map(U64::from)
    })
}

fn access_list(api: &Api, request: &Request) -> RpcResult<AccessListResult> {
    exec::run_until(api.config.call_timeout, || {
        let prepared = exec::prepare(api, request.block, request.overrides.clone())?;
        exec::create_access_list(&prepared, request.call.clone())
    })
}
