//! From a call to the unsigned transaction that stands in the simulated block.

use crate::error::{self, RpcResult};
use alloy_consensus::{
    SignableTransaction, Signed, TxEip1559, TxEip4844, TxEip7702, TxLegacy,
    proofs::ordered_trie_root_with_encoder,
    transaction::{Recovered, RlpEcdsaEncodableTx},
};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Signature, TxKind, U256, keccak256};
use alloy_rlp::{BufMut, EMPTY_STRING_CODE, Header as RlpHeader};
use alloy_rpc_types_eth::TransactionRequest;
use plasma_storage::Transaction;

/// What fills the members that a call leaves out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Defaults {
    pub(super) chain_id: u64,
    pub(super) nonce: u64,
    pub(super) gas: u64,
}

/// The transaction of a call. Its signature is all zeros. The type is the legacy one with a
/// `gasPrice`, whatever else the call has (its access list is left to the execution), else
/// EIP-1559's unless the members of the call need another.
///
/// # Errors
/// Where members of the call contradict each other or the chain.
pub(super) fn unsigned(
    call: TransactionRequest,
    defaults: Defaults,
) -> RpcResult<Recovered<Transaction>> {
    check(&call, defaults.chain_id)?;
    let Defaults { chain_id, nonce, gas: gas_limit } = defaults;
    let from = call.from.unwrap_or_default();
    let to = call.to.unwrap_or(TxKind::Create);
    let value = call.value.unwrap_or_default();
    let input = call.input.into_input().unwrap_or_default();
    let max_fee_per_gas = call.max_fee_per_gas.unwrap_or_default();
    let max_priority_fee_per_gas = call.max_priority_fee_per_gas.unwrap_or_default();
    let signature = Signature::new(U256::ZERO, U256::ZERO, false);
    let transaction: Transaction = if let Some(gas_price) = call.gas_price {
        let legacy = TxLegacy { chain_id: None, nonce, gas_price, gas_limit, to, value, input };
        let mut encoded = Vec::new();
        encode_unsigned(&legacy, &mut encoded);
        Signed::new_unchecked(legacy, signature, keccak256(&encoded)).into()
    } else if let Some(authorization_list) = call.authorization_list {
        TxEip7702 {
            chain_id,
            nonce,
            gas_limit,
            max_fee_per_gas,
            max_priority_fee_per_gas,
            to: callee(to)?,
            value,
            access_list: call.access_list.unwrap_or_default(),
            authorization_list,
            input,
        }
        .into_signed(signature)
        .into()
    } else if let Some(blob_versioned_hashes) = call.blob_versioned_hashes {
        TxEip4844 {
            chain_id,
            nonce,
            gas_limit,
            max_fee_per_gas,
            max_priority_fee_per_gas,
            to: callee(to)?,
            value,
            access_list: call.access_list.unwrap_or_default(),
            blob_versioned_hashes,
            max_fee_per_blob_gas: call.max_fee_per_blob_gas.unwrap_or_default(),
            input,
        }
        .into_signed(signature)
        .into()
    } else {
        TxEip1559 {
            chain_id,
            nonce,
            gas_limit,
            max_fee_per_gas,
            max_priority_fee_per_gas,
            to,
            value,
            access_list: call.access_list.unwrap_or_default(),
            input,
        }
        .into_signed(signature)
        .into()
    };
    Ok(Recovered::new_unchecked(transaction, from))
}

/// The root of the transactions' trie.
pub(super) fn root(transactions: &[Transaction]) -> B256 {
    ordered_trie_root_with_encoder(transactions, |transaction, out| match transaction {
        Transaction::Legacy(legacy) => encode_unsigned(legacy.tx(), out),
        other => other.encode_2718(out),
    })
}

/// Writes a legacy transaction with zeros for `v`, `r` and `s`, as geth has it in simulated blocks.
/// No signed transaction has this `v`, hence the encoding of the library does not either.
fn encode_unsigned(transaction: &TxLegacy, out: &mut dyn BufMut) {
    const SIGNATURE: [u8; 3] = [EMPTY_STRING_CODE; 3];
    let payload_length = transaction.rlp_encoded_fields_length() + SIGNATURE.len();
    RlpHeader { list: true, payload_length }.encode(out);
    transaction.rlp_encode_fields(out);
    out.put_slice(&SIGNATURE);
}

fn check(call: &TransactionRequest, chain_id: u64) -> RpcResult<()> {
    if call.gas_price.is_some()
        && (call.max_fee_per_gas.is_some() || call.max_priority_fee_per_gas.is_some())
    {
        return Err(error::server_error(
            "both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified",
        ));
    }
    if call.gas_price.is_some()
        && (call.authorization_list.is_some() || call.blob_versioned_hashes.is_some())
    {
        return Err(error::invalid_params(
            "a call with blobs or authorizations takes maxFeePerGas, not gasPrice",
        ));
    }
    if call.authorization_list.is_some() && call.blob_versioned_hashes.is_some() {
        return Err(error::invalid_params("a call cannot have both blobs and authorizations"));
    }
    if let Some(asked) = call.chain_id
        && asked != chain_id
    {
        return Err(error::server_error(format!(
            "chainId does not match node's (have={asked}, want={chain_id})"
        )));
    }
    if call.input.unique_input().is_err() {
        return Err(error::invalid_params(
            "both \"data\" and \"input\" are set and not equal. Please use \"input\" to pass \
             transaction call data",
        ));
    }
    Ok(())
}

fn callee(to: TxKind) -> RpcResult<Address> {
    to.to().copied().ok_or_else(|| {
        error::invalid_params("a call with blobs or authorizations cannot create a contract")
    })
}
