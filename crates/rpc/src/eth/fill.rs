//! `eth_fillTransaction`: completes a transaction that somebody else will sign.

use super::fees;
use crate::{
    api::{Api, heavy},
    error::{self, RpcResult},
    exec::{self, Overrides},
};
use alloy_consensus::{SignableTransaction, TxEnvelope, TypedTransaction};
use alloy_eips::{BlockId, eip2718::Encodable2718};
use alloy_primitives::{B256, Signature, U256};
use alloy_rpc_types_eth::{FillTransaction, TransactionRequest};
use jsonrpsee::RpcModule;

pub(crate) fn register(module: &mut RpcModule<Api>) {
    heavy(module, "eth_fillTransaction", 1, |api, arguments| {
        let filled = fill(api, arguments.required(0)?)?;
        unsigned(filled)
    });
}

/// Puts in what `request` leaves open: chain id, nonce (after what waits in the pool), fees and gas.
///
/// # Errors
/// Where members contradict each other, the chain id is another chain's, or the gas cannot be
/// estimated because the call fails.
pub(crate) fn fill(api: &Api, mut request: TransactionRequest) -> RpcResult<TransactionRequest> {
    if request.input.unique_input().is_err() {
        return Err(error::invalid_argument(
            0,
            "both \"data\" and \"input\" are set and not equal",
        ));
    }
    let chain_id = api.chain.spec().chain_id();
    if let Some(asked) = request.chain_id
        && asked != chain_id
    {
        return Err(error::server_error(format!(
            "chainId does not match node's (have={asked}, want={chain_id})"
        )));
    }
    request.chain_id = Some(chain_id);
    request.normalize_input();
    if request.to.is_none() {
        if request.input.input().is_none_or(|input| input.is_empty()) {
            return Err(error::invalid_params("contract creation without any data provided"));
        }
        request.to = Some(alloy_primitives::TxKind::Create);
    }
    fill_nonce(api, &mut request)?;
    fill_fees(api, &mut request)?;
    if request.value.is_none() {
        request.value = Some(U256::ZERO);
    }
    if request.gas.is_none() {
        let call = request.clone();
        let gas = exec::run_until(api.config.call_timeout, || {
            let prepared = exec::prepare(api, Some(BlockId::pending()), Overrides::default())?;
            exec::estimate_gas(&prepared, call, |_, _| ())
        })?;
        request.gas = Some(gas);
    }
    Ok(request)
}

fn fill_nonce(api: &Api, request: &mut TransactionRequest) -> RpcResult<()> {
    if request.nonce.is_none() {
        let sender = request.from.unwrap_or_default();
        let account = api.state(Some(BlockId::pending()))?.account(sender);
        let nonce = account.map_err(error::from_storage)?.map_or(0, |account| account.nonce);
        request.nonce = Some(api.chain.pool().next_nonce(sender, nonce));
    }
    Ok(())
}

/// Legacy and access-list transactions name a gas price; all others get EIP-1559's two caps: the
/// suggested tip, and room for the base fee to double.
fn fill_fees(api: &Api, request: &mut TransactionRequest) -> RpcResult<()> {
    let dynamic = request.max_fee_per_gas.is_some() || request.max_priority_fee_per_gas.is_some();
    if request.gas_price.is_some() {
        if dynamic {
            return Err(error::invalid_params(
                "both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified",
            ));
        }
        return Ok(());
    }
    let base_fee = api.chain.pending().block.header.base_fee_per_gas;
    let old_type = matches!(request.transaction_type, Some(0 | 1));
    let (Some(base_fee), false) = (base_fee, old_type && !dynamic) else {
        let price = fees::suggested_tip(api)? + u128::from(base_fee.unwrap_or_default());
        request.gas_price = Some(price);
        return Ok(());
    };
    let tip = match request.max_priority_fee_per_gas {
        Some(tip) => tip,
        None => {
            let tip = fees::suggested_tip(api)?;
            request.max_fee_per_gas.map_or(tip, |cap| tip.min(cap))
        }
    };
    let cap = request.max_fee_per_gas.unwrap_or_else(|| tip + 2 * u128::from(base_fee));
    if cap < tip {
        return Err(error::invalid_params(format!(
            "maxFeePerGas ({cap}) < maxPriorityFeePerGas ({tip})"
        )));
    }
    request.max_priority_fee_per_gas = Some(tip);
    request.max_fee_per_gas = Some(cap);
    if request.blob_versioned_hashes.is_some() && request.max_fee_per_blob_gas.is_none() {
        request.max_fee_per_blob_gas = Some(2 * fees::blob_base_fee(api));
    }
    Ok(())
}

/// The transaction with an empty signature, as geth answers it.
fn unsigned(request: TransactionRequest) -> RpcResult<FillTransaction<TxEnvelope>> {
    let typed = request
        .build_consensus_tx()
        .map_err(|reason| error::invalid_params(reason.error.to_string()))?;
    let empty = Signature::from_scalars_and_parity(B256::ZERO, B256::ZERO, false);
    let tx: TxEnvelope = match typed {
        TypedTransaction::Legacy(tx) => tx.into_signed(empty).into(),
        TypedTransaction::Eip2930(tx) => tx.into_signed(empty).into(),
        TypedTransaction::Eip1559(tx) => tx.into_signed(empty).into(),
        TypedTransaction::Eip4844(tx) => tx.into_signed(empty).into(),
        TypedTransaction::Eip7702(tx) => tx.into_signed(empty).into(),
    };
    Ok(FillTransaction { raw: tx.encoded_2718().into(), tx })
}
