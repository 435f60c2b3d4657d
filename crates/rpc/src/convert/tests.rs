//! The JSON of blocks, transactions and receipts, member by member as geth writes it.

use super::*;
use crate::api::Target;
use alloy_consensus::{
    EthereumTxEnvelope, Header, SignableTransaction, TxEip1559, TxEip2930, TxEip4844, TxEip7702,
    TxLegacy, TxType, transaction::Recovered,
};
use alloy_primitives::{Address, B256, Bytes, Log, Signature, TxKind, U256};
use plasma_chain::ExecutedBlock;
use plasma_storage::{Receipt, Transaction};
use serde_json::{Value, json};
use std::{collections::BTreeSet, sync::Arc};

const SENDER: Address = Address::repeat_byte(0x11);
const TARGET: Address = Address::repeat_byte(0x22);

fn signature() -> Signature {
    Signature::new(U256::from(1), U256::from(2), true)
}

/// One transaction of each type.
fn transactions() -> Vec<Recovered<Transaction>> {
    let to = TxKind::Call(TARGET);
    let legacy = TxLegacy {
        chain_id: Some(1337),
        gas_price: 10,
        gas_limit: 50_000,
        to: TxKind::Create,
        input: Bytes::from_static(&[1, 2]),
        ..Default::default()
    };
    let access = TxEip2930 { chain_id: 1337, nonce: 1, gas_price: 10, to, ..Default::default() };
    let dynamic = TxEip1559 {
        chain_id: 1337,
        nonce: 2,
        max_fee_per_gas: 100,
        max_priority_fee_per_gas: 1,
        to,
        ..Default::default()
    };
    let blob = TxEip4844 {
        chain_id: 1337,
        nonce: 3,
        max_fee_per_gas: 100,
        max_priority_fee_per_gas: 1,
        max_fee_per_blob_gas: 3,
        blob_versioned_hashes: vec![B256::repeat_byte(1)],
        to: TARGET,
        ..Default::default()
    };
    let delegating = TxEip7702 {
        chain_id: 1337,
        nonce: 4,
        max_fee_per_gas: 100,
        max_priority_fee_per_gas: 1,
        to: TARGET,
        ..Default::default()
    };
    let all: Vec<Transaction> = vec![
        EthereumTxEnvelope::Legacy(legacy.into_signed(signature())),
        EthereumTxEnvelope::Eip2930(access.into_signed(signature())),
        EthereumTxEnvelope::Eip1559(dynamic.into_signed(signature())),
        EthereumTxEnvelope::Eip4844(blob.into_signed(signature())),
        EthereumTxEnvelope::Eip7702(delegating.into_signed(signature())),
    ];
    all.into_iter().map(|tx| Recovered::new_unchecked(tx, SENDER)).collect()
}

fn block() -> ExecutedBlock {
    let transactions = transactions();
    let types =
        [TxType::Legacy, TxType::Eip2930, TxType::Eip1559, TxType::Eip4844, TxType::Eip7702];
    let receipts = types.into_iter().zip(1..).map(|(tx_type, count)| Receipt {
        tx_type,
        success: tx_type != TxType::Eip2930,
        cumulative_gas_used: count * 21_000,
        logs: vec![Log::new_unchecked(TARGET, vec![B256::repeat_byte(7)], Bytes::new())],
    });
    let header = Header {
        number: 5,
        timestamp: 1_000,
        base_fee_per_gas: Some(9),
        excess_blob_gas: Some(0),
        blob_gas_used: Some(131_072),
        withdrawals_root: Some(B256::ZERO),
        parent_beacon_block_root: Some(B256::ZERO),
        requests_hash: Some(B256::ZERO),
        ..Default::default()
    };
    ExecutedBlock {
        hash: header.hash_slow(),
        header,
        receipts: receipts.collect(),
        transactions,
        ommers: Vec::new(),
        withdrawals: Some(Default::default()),
        ..Default::default()
    }
}

fn members(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

fn names(text: &str) -> BTreeSet<&str> {
    text.split_whitespace().collect()
}

/// What every transaction has.
const COMMON: &str = "blockHash blockNumber blockTimestamp from gas gasPrice hash input nonce to \
                      transactionIndex value type chainId v r s";

#[test]
fn transactions_have_the_members_of_their_type() {
    let block = block();
    let extra = [
        "",
        "accessList yParity",
        "accessList yParity maxFeePerGas maxPriorityFeePerGas",
        "accessList yParity maxFeePerGas maxPriorityFeePerGas maxFeePerBlobGas \
         blobVersionedHashes",
        "accessList yParity maxFeePerGas maxPriorityFeePerGas authorizationList",
    ];
    for (index, extra) in extra.into_iter().enumerate() {
        let value = serde_json::to_value(block_transaction(&block, index).unwrap()).unwrap();
        let expected: BTreeSet<&str> = names(COMMON).union(&names(extra)).copied().collect();
        assert_eq!(members(&value), expected, "type {index}");
        assert_eq!(value["type"], format!("0x{index:x}"));
        assert_eq!(value["transactionIndex"], format!("0x{index:x}"));
        assert_eq!(value["blockTimestamp"], "0x3e8");
        assert_eq!(value["from"], json!(SENDER));
        // What is paid: the price, or base fee and tip.
        assert_eq!(value["gasPrice"], "0xa");
    }
    assert!(block_transaction(&block, 5).is_none());
}

#[test]
fn a_waiting_transaction_has_nulls_for_its_place() {
    let dynamic = transactions().swap_remove(2);
    let value = serde_json::to_value(pool_transaction(dynamic)).unwrap();
    for member in ["blockHash", "blockNumber", "blockTimestamp", "transactionIndex"] {
        assert_eq!(value.get(member), Some(&Value::Null), "{member}");
    }
    // No base fee is known yet, so the price is the cap.
    assert_eq!(value["gasPrice"], "0x64");
}

#[test]
fn receipts_have_the_members_of_their_type() {
    let block = block();
    let common = "blockHash blockNumber contractAddress cumulativeGasUsed effectiveGasPrice from \
                  gasUsed logs logsBloom status to transactionHash transactionIndex type";
    let blobs = Some(alloy_eips::eip7840::BlobParams::cancun());
    for index in 0..5 {
        let receipt = receipt(&block, index, index as u64, blobs).unwrap();
        let value = serde_json::to_value(receipt).unwrap();
        let extra = if index == 3 { "blobGasUsed blobGasPrice" } else { "" };
        let expected: BTreeSet<&str> = names(common).union(&names(extra)).copied().collect();
        assert_eq!(members(&value), expected, "type {index}");
        assert_eq!(value["gasUsed"], "0x5208");
        assert_eq!(value["status"], if index == 1 { "0x0" } else { "0x1" });
        assert_eq!(value["contractAddress"].is_null(), index != 0);
        assert_eq!(value["to"].is_null(), index == 0);
        let log = &value["logs"][0];
        assert_eq!(
            members(log),
            names(
                "address topics data blockNumber transactionHash transactionIndex blockHash \
                 blockTimestamp logIndex removed"
            )
        );
        assert_eq!(log["logIndex"], format!("0x{index:x}"));
    }
}

#[test]
fn blocks_have_geths_members() {
    let target = Target::Sealed(Arc::new(block()));
    let value: Value = serde_json::from_str(block_json(&target, false).unwrap().get()).unwrap();
    let header = "baseFeePerGas blobGasUsed difficulty excessBlobGas extraData gasLimit gasUsed \
                  hash logsBloom miner mixHash nonce number parentBeaconBlockRoot parentHash \
                  receiptsRoot requestsHash sha3Uncles stateRoot timestamp transactionsRoot \
                  withdrawalsRoot";
    let body = "size transactions uncles withdrawals";
    let expected: BTreeSet<&str> = names(header).union(&names(body)).copied().collect();
    assert_eq!(members(&value), expected);
    assert_eq!(value["transactions"][0], json!(transactions()[0].tx_hash()));
    let value: Value = serde_json::from_str(header_json(&target).unwrap().get()).unwrap();
    assert_eq!(members(&value), names(header));
    let full: Value = serde_json::from_str(block_json(&target, true).unwrap().get()).unwrap();
    assert_eq!(full["transactions"].as_array().unwrap().len(), 5);
    assert_eq!(full["transactions"][4]["type"], "0x4");
}

#[test]
fn a_block_from_before_the_forks_lacks_their_members() {
    let header = Header::default();
    let block = ExecutedBlock {
        hash: header.hash_slow(),
        header,
        transactions: Vec::new(),
        receipts: Vec::new(),
        ommers: Vec::new(),
        withdrawals: None,
        ..Default::default()
    };
    let target = Target::Sealed(Arc::new(block));
    let value: Value = serde_json::from_str(block_json(&target, true).unwrap().get()).unwrap();
    assert_eq!(
        members(&value),
        names(
            "difficulty extraData gasLimit gasUsed hash logsBloom miner mixHash nonce number \
             parentHash receiptsRoot sha3Uncles size stateRoot timestamp transactions \
             transactionsRoot uncles"
        )
    );
}

#[test]
fn logs_are_counted_over_the_whole_block() {
    let block = block();
    let all = alloy_rpc_types_eth::Filter::new();
    let found: Vec<_> = block_logs(&block, &all, false).map(|log| log.log_index).collect();
    assert_eq!(found, (0..5).map(Some).collect::<Vec<_>>());
    let none = alloy_rpc_types_eth::Filter::new().address(SENDER);
    assert_eq!(block_logs(&block, &none, false).count(), 0);
    let removed = block_logs(&block, &all, true).all(|log| log.removed);
    assert!(removed);
}

proptest::proptest! {
    #[test]
    fn logs_as_text_are_what_the_serializer_writes(
        open in proptest::bool::ANY,
        logs in proptest::collection::vec(
            (proptest::collection::vec(proptest::array::uniform32(0_u8..), 0..=4), proptest::collection::vec(0_u8.., 0..100)),
            0..5,
        ),
        number in 0_u64..,
    ) {
        let mut block = block();
        block.header.number = number;
        if open {
            block.hash = B256::ZERO;
        }
        let (mut text, mut written) = (LogText::new(), Vec::new());
        for (position, (topics, data)) in logs.into_iter().enumerate() {
            let topics = topics.into_iter().map(B256::from).collect();
            let log = alloy_primitives::Log::new_unchecked(Address::repeat_byte(7), topics, data.into());
            let index = position % block.transactions.len();
            text.push(&block, index, &log, position as u64);
            written.push(rpc_log(&block, index, &log, position as u64, false));
        }
        proptest::prop_assert_eq!(text.len(), written.len());
        proptest::prop_assert_eq!(text.finish(), serde_json::to_string(&written).unwrap());
    }
}
