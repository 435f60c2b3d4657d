//! Which type of transaction a request means, and building it.

use crate::error::{self, RpcResult};
use alloy_consensus::TypedTransaction;
use alloy_eips::eip2930::AccessList;
use alloy_rpc_types_eth::TransactionRequest;

/// Refuses a `type` that contradicts the other members. The builder goes by which of them are set
/// and would silently make another type of transaction.
pub(super) fn check(request: &TransactionRequest) -> RpcResult<()> {
    let Some(asked) = request.transaction_type else { return Ok(()) };
    let dynamic = request.has_eip1559_fields();
    let contradiction = match asked {
        0 => dynamic || request.access_list.as_ref().is_some_and(|list| !list.is_empty()),
        1 => dynamic,
        2 => request.gas_price.is_some(),
        3 => !request.has_eip4844_blob_data(),
        4 => request.authorization_list.is_none(),
        other => {
            return Err(error::server_error(format!("transaction type not supported: {other}")));
        }
    };
    if contradiction {
        return Err(error::invalid_params(format!(
            "transaction type {asked} does not fit the fields of the transaction"
        )));
    }
    Ok(())
}

/// Builds the transaction once chain id, nonce, gas and fees are there.
///
/// # Errors
/// -32000 where something is missing.
pub(super) fn build(mut request: TransactionRequest) -> RpcResult<TypedTransaction> {
    match request.transaction_type {
        Some(0) => request.access_list = None,
        Some(1) if request.access_list.is_none() => {
            request.access_list = Some(AccessList::default());
        }
        _ => {}
    }
    if request.sidecar.is_some() {
        request.populate_blob_hashes();
    }
    request.trim_conflicting_keys();
    request.build_consensus_tx().map_err(|failure| {
        error::server_error(format!("the transaction cannot be built: {}", failure.error))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_consensus::{Transaction as _, TxType};
    use alloy_primitives::Address;
    use serde_json::{Value, json};

    /// A request as it is after its gaps were filled, with `fields` on top.
    fn request(fields: Value) -> TransactionRequest {
        let mut all = json!({
            "to": Address::repeat_byte(1), "gas": "0x5208", "nonce": "0x3", "chainId": "0x539",
        });
        for (name, value) in fields.as_object().unwrap() {
            all[name] = value.clone();
        }
        serde_json::from_value(all).unwrap()
    }

    fn built(fields: Value) -> TypedTransaction {
        let request = request(fields);
        check(&request).unwrap();
        build(request).unwrap()
    }

    #[test]
    fn the_type_follows_the_fields() {
        let fees = json!({"maxFeePerGas": "0x9", "maxPriorityFeePerGas": "0x1"});
        let with_fees = |name: &str, value: Value| {
            let mut all = fees.clone();
            all[name] = value;
            built(all).tx_type()
        };
        assert_eq!(built(fees.clone()).tx_type(), TxType::Eip1559);
        assert_eq!(with_fees("accessList", json!([])), TxType::Eip1559);
        assert_eq!(with_fees("type", json!("0x2")), TxType::Eip1559);
        assert_eq!(with_fees("authorizationList", json!([])), TxType::Eip7702);
        assert_eq!(built(json!({"gasPrice": "0x9"})).tx_type(), TxType::Legacy);
        assert_eq!(built(json!({"gasPrice": "0x9", "accessList": []})).tx_type(), TxType::Eip2930);
    }

    #[test]
    fn a_named_type_is_kept() {
        let legacy = built(json!({"type": "0x0", "gasPrice": "0x9", "accessList": []}));
        assert_eq!(legacy.tx_type(), TxType::Legacy);
        assert_eq!(legacy.chain_id(), Some(1337));
        let listed = built(json!({"type": "0x1", "gasPrice": "0x9"}));
        assert_eq!(listed.tx_type(), TxType::Eip2930);
    }

    #[test]
    fn contradictions_are_refused() {
        let listed = json!([{"address": Address::ZERO, "storageKeys": []}]);
        for fields in [
            json!({"type": "0x0", "maxFeePerGas": "0x1"}),
            json!({"type": "0x0", "accessList": listed}),
            json!({"type": "0x1", "maxPriorityFeePerGas": "0x1"}),
            json!({"type": "0x2", "gasPrice": "0x1"}),
            json!({"type": "0x3"}),
            json!({"type": "0x4"}),
        ] {
            let refused = check(&request(fields.clone())).unwrap_err();
            assert!(refused.message().contains("does not fit"), "{fields}");
        }
        let unknown = check(&request(json!({"type": "0x7"}))).unwrap_err();
        assert_eq!(unknown.message(), "transaction type not supported: 7");
    }

    #[test]
    fn what_is_incomplete_is_not_built() {
        let error = build(request(json!({}))).unwrap_err();
        assert!(error.message().starts_with("the transaction cannot be built"));
    }
}
