//! Further ways to send, which development nodes have.

use super::send::{Sender, Submitted, sender_of};
use crate::{
    api::Api,
    error::{self, RpcResult},
    eth::submit::{receipt_within, sync_timeout},
    params::{Arguments, Number, Quantity},
};
use alloy_consensus::Transaction as _;
use alloy_primitives::{Bytes, TxKind};
use alloy_rpc_types_eth::TransactionRequest;
use jsonrpsee::RpcModule;
use plasma_txpool::PoolTransaction;
use std::sync::Arc;

pub(super) fn register(module: &mut RpcModule<Api>, sender: Sender) {
    let own = sender.clone();
    let registered =
        module.register_async_method("eth_sendTransactionSync", move |params, api: Arc<Api>, _| {
            let (sender, worker_api) = (own.clone(), api.clone());
            async move {
                let timeout = Arguments::new(&params, 2)?.optional::<Quantity>(1)?;
                let timeout = sync_timeout(&api, timeout);
                let job = move || {
                    let request = Arguments::new(&params, 2)?.required(0)?;
                    sender.submit(&worker_api, request)
                };
                let submitted = api.submitters.run(job).await?;
                receipt_within(&api, submitted.hash, timeout).await
            }
        });
    registered.expect("each method is registered once");
    for (name, most, submit) in [
        ("eth_sendUnsignedTransaction", 1, unsigned as Submit),
        ("eth_resend", 3, resend as Submit),
    ] {
        let sender = sender.clone();
        let registered = module.register_async_method(name, move |params, api: Arc<Api>, _| {
            let (sender, worker_api) = (sender.clone(), api.clone());
            async move {
                let job = move || submit(&sender, &worker_api, &Arguments::new(&params, most)?);
                let submitted = api.submitters.run(job).await?;
                RpcResult::Ok(submitted.settled(&api).await)
            }
        });
        registered.expect("each method is registered once");
    }
}

type Submit = fn(&Sender, &Api, &Arguments<'_>) -> RpcResult<Submitted>;

/// `eth_sendUnsignedTransaction`: sends for any account, as if it were impersonated.
fn unsigned(sender: &Sender, api: &Api, arguments: &Arguments<'_>) -> RpcResult<Submitted> {
    let request: TransactionRequest = arguments.required(0)?;
    sender.submit_as(api, sender_of(&request)?, false, request)
}

/// `eth_resend [transaction, gasPrice, gasLimit]`: sends a transaction that waits once more, with
/// another price or another gas limit. Sender and nonce name it; what else the request says must
/// be as it is there.
fn resend(sender: &Sender, api: &Api, arguments: &Arguments<'_>) -> RpcResult<Submitted> {
    let mut request: TransactionRequest = arguments.required(0)?;
    let price: Option<Number> = arguments.optional(1)?;
    let gas: Option<Quantity> = arguments.optional(2)?;
    let from = sender_of(&request)?;
    let nonce = request
        .nonce
        .ok_or_else(|| error::server_error("missing transaction nonce in transaction spec"))?;
    let content = api.chain.pool().content_from(from);
    let waiting = [content.pending, content.queued]
        .into_iter()
        .filter_map(|mut by_sender| by_sender.remove(&from))
        .find_map(|mut by_nonce| by_nonce.remove(&nonce))
        .filter(|waiting| same_purpose(&request, waiting))
        .ok_or_else(|| {
            error::server_error(format!(
                "transaction not found: none of {from} with nonce {nonce} and these contents waits"
            ))
        })?;
    request.gas = match gas {
        Some(Quantity(gas)) if gas > 0 => Some(gas),
        _ => request.gas.or(Some(waiting.transaction.gas_limit())),
    };
    if let Some(Number(price)) = price.filter(|price| !price.0.is_zero()) {
        let price = u128::try_from(price)
            .map_err(|_| error::invalid_argument(1, "the gas price does not fit in 128 bits"))?;
        request.gas_price = Some(price);
        request.max_fee_per_gas = None;
        request.max_priority_fee_per_gas = None;
        request.transaction_type = None;
    }
    sender.submit(api, request)
}

/// Whether `request` does what `waiting` does.
fn same_purpose(request: &TransactionRequest, waiting: &PoolTransaction) -> bool {
    let transaction = &waiting.transaction;
    let input: &Bytes = transaction.input();
    transaction.kind() == request.to.unwrap_or(TxKind::Create)
        && transaction.value() == request.value.unwrap_or_default()
        && request.input.input().map_or(input.is_empty(), |given| given == input)
}
