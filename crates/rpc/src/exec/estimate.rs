//! `eth_estimateGas`: the least gas with which a call succeeds, by geth's search.

use super::{
    Prepared,
    environment::{balance, has_code},
};
use crate::error::{self, RpcResult};
use alloy_primitives::{TxKind, U256};
use alloy_rpc_types_eth::TransactionRequest;
use plasma_evm::{
    EVMError, ExecutionResult, HaltReason, InvalidTransaction, ResultAndState, SpecId, TxEnv,
    revm::context_interface::block::Block as _,
};

/// Gas of a plain transfer.
const TRANSFER_GAS: u64 = 21_000;
/// Gas that a call with value hands to its callee on top.
const CALL_STIPEND: u64 = 2_300;
/// EIP-7825: most gas of one transaction from Osaka on.
const TRANSACTION_GAS_CAP: u64 = 1 << 24;
/// The search ends when the answer is known up to this share (in thousandths), as geth's does.
const TOLERANCE_PER_MILLE: u64 = 15;

/// What one trial showed.
enum Trial {
    Enough(ExecutionResult),
    /// More gas might help.
    TooLittle,
    /// The call fails for another reason.
    Failed(ExecutionResult),
}

/// Estimates the gas of `request`. `see` is shown the call with the most gas that it may get and what came of that, which is what a
/// transaction would do; not where the call is a plain transfer.
///
/// # Errors
/// Code 3 or -32000 where the call fails however much gas it gets, -32000 where the sender cannot
/// pay for it.
pub fn estimate_gas(
    prepared: &Prepared,
    request: TransactionRequest,
    see: impl FnOnce(&TxEnv, &ResultAndState<HaltReason>),
) -> RpcResult<u64> {
    let mut transaction = prepared.transaction(request.clone())?;
    let fee_cap = request.max_fee_per_gas.or(request.gas_price).unwrap_or_default();
    let mut high = upper_bound(prepared, &request, &transaction, fee_cap)?;
    if is_plain_transfer(prepared, &transaction)? && high >= TRANSFER_GAS {
        let trial = attempt(prepared, &mut transaction, TRANSFER_GAS, |_, _| ())?;
        if let Trial::Enough(_) = trial {
            return Ok(TRANSFER_GAS);
        }
    }
    let result = match attempt(prepared, &mut transaction, high, see)? {
        Trial::Enough(result) => result,
        Trial::Failed(result) => return Err(failure(result)),
        Trial::TooLittle => {
            return Err(error::server_error(format!("gas required exceeds allowance ({high})")));
        }
    };
    // Less than what was used cannot do. What was used before refunds, with room for EIP-150's
    // 63/64 and a stipend, often does.
    let mut low = result.tx_gas_used().saturating_sub(1);
    let spent = result.gas().total_gas_spent();
    let likely = (spent + CALL_STIPEND).saturating_mul(64) / 63;
    if likely < high {
        match attempt(prepared, &mut transaction, likely, |_, _| ())? {
            Trial::Enough(_) => high = likely,
            _ => low = likely,
        }
    }
    while low + 1 < high {
        if u128::from(high - low) * 1000 < u128::from(high) * u128::from(TOLERANCE_PER_MILLE) {
            break;
        }
        // Most calls need little more than they use: lean towards the low end.
        let middle = low.midpoint(high).min(low.saturating_mul(2).max(low + 1));
        match attempt(prepared, &mut transaction, middle, |_, _| ())? {
            Trial::Enough(_) => high = middle,
            _ => low = middle,
        }
    }
    Ok(high)
}

/// The most gas that the call may get: by its own limit, the block's, the sender's funds, the
/// node's cap and EIP-7825.
fn upper_bound(
    prepared: &Prepared,
    request: &TransactionRequest,
    transaction: &TxEnv,
    fee_cap: u128,
) -> RpcResult<u64> {
    let mut bound = match request.gas {
        Some(gas) if gas >= TRANSFER_GAS => gas,
        _ => prepared.env.block_env.gas_limit(),
    };
    if prepared.env.cfg_env.spec.is_enabled_in(SpecId::OSAKA) {
        bound = bound.min(TRANSACTION_GAS_CAP);
    }
    if fee_cap > 0 {
        let balance = balance(&prepared.state, transaction.caller)?;
        let Some(available) = balance.checked_sub(transaction.value) else {
            return Err(error::server_error("insufficient funds for transfer"));
        };
        if available.is_zero() && !transaction.value.is_zero() {
            return Err(error::server_error("insufficient funds for transfer"));
        }
        let allowance = available / U256::from(fee_cap);
        bound = u64::try_from(allowance).unwrap_or(u64::MAX).min(bound);
    }
    Ok(prepared.capped_gas(Some(bound)))
}

fn is_plain_transfer(prepared: &Prepared, transaction: &TxEnv) -> RpcResult<bool> {
    let TxKind::Call(to) = transaction.kind else { return Ok(false) };
    Ok(transaction.data.is_empty()
        && transaction.authorization_list.is_empty()
        && transaction.access_list.0.is_empty()
        && !has_code(&prepared.state, to)?)
}

fn attempt(
    prepared: &Prepared,
    transaction: &mut TxEnv,
    gas: u64,
    see: impl FnOnce(&TxEnv, &ResultAndState<HaltReason>),
) -> RpcResult<Trial> {
    transaction.gas_limit = gas;
    match prepared.execute(transaction.clone()) {
        Ok(outcome) => {
            see(transaction, &outcome);
            Ok(match outcome.result {
                result @ ExecutionResult::Success { .. } => Trial::Enough(result),
                ExecutionResult::Halt { reason: HaltReason::OutOfGas(_), .. } => Trial::TooLittle,
                result => Trial::Failed(result),
            })
        }
        Err(EVMError::Transaction(
            InvalidTransaction::CallGasCostMoreThanGasLimit { .. }
            | InvalidTransaction::GasFloorMoreThanGasLimit { .. },
        )) => Ok(Trial::TooLittle),
        Err(other) => Err(error::from_simulation(other)),
    }
}

fn failure(result: ExecutionResult) -> jsonrpsee::types::ErrorObjectOwned {
    match super::output(result) {
        Err(error) => error,
        Ok(_) => error::internal("a successful estimate was taken for a failed one"),
    }
}
