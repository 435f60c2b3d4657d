//! `eth_createAccessList`: what a call touches, as an EIP-2930 list.

use super::Prepared;
use crate::error::{self, RpcResult};
use alloy_primitives::U256;
use alloy_rpc_types_eth::{AccessListResult, TransactionRequest};
use plasma_evm::ExecutionResult;
use revm_inspectors::access_list::AccessListInspector;

/// Most rounds until the list has to be stable. A list changes gas costs, and these may change what
/// a contract does; two rounds are enough for all but contrived contracts.
const MAX_ROUNDS: usize = 16;

/// The list of accounts and slots that `request` touches, sender, receiver and precompiles left
/// out, with the gas that the call uses when it carries the list. A failure of the call is told in
/// the answer's `error`.
///
/// # Errors
/// Where the call is invalid, or does not come to a stable list.
pub fn create_access_list(
    prepared: &Prepared,
    mut request: TransactionRequest,
) -> RpcResult<AccessListResult> {
    let mut list = request.access_list.take().unwrap_or_default();
    for _ in 0..MAX_ROUNDS {
        request.access_list = Some(list.clone());
        let transaction = prepared.transaction(request.clone())?;
        let inspector = AccessListInspector::new(list.clone());
        let (outcome, inspector) =
            prepared.inspect(transaction, inspector).map_err(error::from_simulation)?;
        let mut found = inspector.into_access_list();
        found.0.sort_unstable_by_key(|item| item.address);
        if found == list {
            return Ok(AccessListResult {
                access_list: found,
                gas_used: U256::from(outcome.result.tx_gas_used()),
                error: failure(&outcome.result),
            });
        }
        list = found;
    }
    Err(error::server_error(format!(
        "the access list is still changing after {MAX_ROUNDS} rounds of execution"
    )))
}

fn failure(result: &ExecutionResult) -> Option<String> {
    match result {
        ExecutionResult::Success { .. } => None,
        ExecutionResult::Revert { .. } => Some("execution reverted".to_owned()),
        ExecutionResult::Halt { reason, .. } => Some(error::halt_message(reason)),
    }
}
