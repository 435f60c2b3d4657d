//! `eth_simulateV1` over a real chain.

mod node;

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_rlp::Encodable;
use node::{LOG_TOPIC, LOOPER, Node, REVERTER, STORER, quantity};
use plasma_rpc::RpcConfig;
use serde_json::{Value, json};
use std::time::Duration;

const ECRECOVER: &str = "0x0000000000000000000000000000000000000001";
const IDENTITY: &str = "0x0000000000000000000000000000000000000004";
const ELSEWHERE: &str = "0x0000000000000000000000000000000000123456";
const ETHER: &str = "0xeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee";

async fn simulate(node: &Node, request: Value) -> Vec<Value> {
    let answer = node.call("eth_simulateV1", json!([request, "latest"])).await;
    answer.as_array().unwrap().clone()
}

async fn refusal(node: &Node, request: Value) -> i64 {
    node.fail("eth_simulateV1", json!([request])).await.code
}

fn word(value: u64) -> Bytes {
    U256::from(value).to_be_bytes_vec().into()
}

/// Calls the address in the first word of the input with the value that came along, and reverts if
/// that fails.
const FORWARDER: &str = "0x5f5f5f5f345f355af1600f575f5ffd5b00";

#[tokio::test]
async fn calls_see_what_was_done_before_them_and_nothing_is_kept() {
    let node = Node::start().await;
    let from = node.accounts.addresses()[0];
    let head = node.call("eth_getBlockByNumber", json!(["latest", false])).await;
    let store = |value| json!({"from": from, "to": STORER, "input": word(value)});
    // PUSH0 SLOAD PUSH0 MSTORE PUSH1 32 PUSH0 RETURN
    let read = json!({"from": from, "to": STORER});
    let blocks = simulate(
        &node,
        json!({"blockStateCalls": [
            {"calls": [store(5), store(6)]},
            {"stateOverrides": {STORER.to_string(): {"code": "0x5f545f5260205ff3"}}, "calls": [read]},
        ]}),
    )
    .await;
    assert_eq!(blocks.len(), 2);
    assert_eq!(blocks[1]["calls"][0]["returnData"], json!(word(6)));
    assert_eq!(blocks[0]["parentHash"], head["hash"]);
    assert_eq!(blocks[1]["parentHash"], blocks[0]["hash"]);
    assert_eq!(quantity(&blocks[0]["number"]), 1);
    assert_eq!(quantity(&blocks[1]["timestamp"]), quantity(&head["timestamp"]) + 24);
    assert_eq!(blocks[0]["baseFeePerGas"], "0x0");
    assert_ne!(blocks[0]["stateRoot"], head["stateRoot"]);
    let calls = blocks[0]["calls"].as_array().unwrap();
    assert_eq!(calls[1]["status"], "0x1");
    assert_eq!(calls[1]["logs"][0]["logIndex"], "0x1");
    assert_eq!(calls[1]["logs"][0]["topics"], json!([LOG_TOPIC]));
    assert_eq!(calls[1]["logs"][0]["blockHash"], blocks[0]["hash"]);
    assert_eq!(calls[1]["logs"][0]["transactionHash"], blocks[0]["transactions"][1]);
    assert_eq!(node.call("eth_getStorageAt", json!([STORER, "0x0"])).await, json!(B256::ZERO));
    assert_eq!(node.call("eth_blockNumber", json!([])).await, "0x0");
    node.stop().await;
}

#[tokio::test]
async fn a_simulated_block_is_the_block_that_would_have_been_made() {
    let node = Node::start().await;
    let from = node.accounts.addresses()[0];
    node.send(0, 0, STORER, word(1)).await;
    let first = node.call("eth_getBlockByNumber", json!(["0x1", false])).await;
    node.send(0, 1, STORER, word(2)).await;
    let second = node.call("eth_getBlockByNumber", json!(["0x2", false])).await;
    let call = json!({
        "from": from, "to": STORER, "input": word(2), "gas": "0x30d40", "nonce": "0x1",
        "maxFeePerGas": "0x2540be400", "maxPriorityFeePerGas": "0x3b9aca00",
    });
    let request = json!({"validation": true, "blockStateCalls": [{
        "blockOverrides": {
            "time": second["timestamp"], "feeRecipient": second["miner"],
            "prevRandao": second["mixHash"], "gasLimit": second["gasLimit"],
            "beaconRoot": second["parentBeaconBlockRoot"],
        },
        "calls": [call],
    }]});
    let block = node.call("eth_simulateV1", json!([request, first["hash"]])).await[0].clone();
    for member in [
        "parentHash",
        "stateRoot",
        "receiptsRoot",
        "logsBloom",
        "gasUsed",
        "baseFeePerGas",
        "gasLimit",
        "withdrawalsRoot",
        "excessBlobGas",
        "blobGasUsed",
        "requestsHash",
        "mixHash",
    ] {
        assert_eq!(block[member], second[member], "{member}");
    }
    // The simulated transaction lacks the signature.
    assert_ne!(block["transactionsRoot"], second["transactionsRoot"]);
    node.stop().await;
}

#[tokio::test]
async fn validation_checks_nonce_fee_and_funds() {
    let node = Node::start().await;
    let [rich, poor] = [node.accounts.addresses()[0], Address::repeat_byte(0x99)];
    let one = |call: Value, validation: bool| json!({"validation": validation, "blockStateCalls": [{"calls": [call]}]});
    let fee = json!("0x2540be400");
    let with_nonce =
        |nonce: &str| json!({"from": rich, "to": poor, "maxFeePerGas": fee, "nonce": nonce});
    assert_eq!(refusal(&node, one(with_nonce("0x1"), true)).await, -38011);
    simulate(&node, one(with_nonce("0x1"), false)).await;
    node.send(0, 0, STORER, word(1)).await;
    assert_eq!(refusal(&node, one(with_nonce("0x0"), true)).await, -38010);
    let free = json!({"from": rich, "to": poor});
    assert_eq!(refusal(&node, one(free.clone(), true)).await, -38012);
    simulate(&node, one(free, false)).await;
    let pays = json!({"from": poor, "to": rich, "value": "0x1"});
    assert_eq!(refusal(&node, one(pays, false)).await, -38014);
    let little = json!({"from": rich, "to": poor, "gas": "0x5207"});
    assert_eq!(refusal(&node, one(little, false)).await, -38013);
    let head = node.call("eth_getBlockByNumber", json!(["latest", false])).await;
    let much = format!("{:#x}", quantity(&head["gasLimit"]) + 1);
    let much = json!({"from": rich, "to": poor, "gas": much});
    assert_eq!(refusal(&node, one(much, false)).await, -38015);
    assert_eq!(refusal(&node, json!({"blockStateCalls": []})).await, -32602);
    assert_eq!(refusal(&node, json!({"blockStateCalls": vec![json!({}); 257]})).await, -38026);
    node.stop().await;
}

#[tokio::test]
async fn failed_calls_tell_why_and_the_block_goes_on() {
    let node = Node::start().await;
    let from = node.accounts.addresses()[0];
    let blocks = simulate(
        &node,
        json!({"blockStateCalls": [{"calls": [
            {"from": from, "to": REVERTER},
            {"from": from, "input": "0xfe", "gas": "0x186a0"},
            {"from": from, "to": STORER, "input": word(3), "gas": "0x30d40"},
        ]}]}),
    )
    .await;
    let calls = blocks[0]["calls"].as_array().unwrap();
    assert_eq!(calls[0]["status"], "0x0");
    assert_eq!(calls[0]["returnData"], "0x");
    assert_eq!(calls[0]["error"]["code"], 3);
    assert_eq!(calls[0]["error"]["message"], "execution reverted: no");
    assert!(calls[0]["error"]["data"].as_str().unwrap().starts_with("0x08c379a0"));
    assert_eq!(calls[1]["error"]["code"], -32015);
    assert!(calls[1]["error"].get("data").is_none());
    assert_eq!(calls[1]["gasUsed"], "0x186a0");
    assert_eq!(calls[2]["status"], "0x1");
    assert_eq!(calls[2]["logs"][0]["logIndex"], "0x0");
    node.stop().await;
}

#[tokio::test]
async fn transfers_are_logged_where_ether_moves_and_only_there() {
    let node = Node::start().await;
    let from = node.accounts.addresses()[0];
    let target = Address::repeat_byte(0x42);
    let forwarder = Address::repeat_byte(0xf0);
    let forward = |to: Address| json!({"from": from, "to": forwarder, "value": "0x7", "input": to.into_word(), "gas": "0x30d40"});
    let request = |traced: bool| {
        json!({"traceTransfers": traced, "blockStateCalls": [{
            "stateOverrides": {forwarder.to_string(): {"code": FORWARDER}},
            "calls": [forward(target), forward(REVERTER), forward(STORER)],
        }]})
    };
    let blocks = simulate(&node, request(true)).await;
    let calls = blocks[0]["calls"].as_array().unwrap();
    let first = calls[0]["logs"].as_array().unwrap();
    assert_eq!(first.len(), 2, "{}", calls[0]);
    assert_eq!(first[0]["address"], ETHER);
    assert_eq!(first[0]["topics"][1], json!(from.into_word()));
    assert_eq!(first[1]["topics"][2], json!(target.into_word()));
    assert_eq!(first[1]["data"], json!(word(7)));
    assert_eq!(calls[1]["status"], "0x0");
    assert_eq!(calls[1]["logs"], json!([]));
    let last = calls[2]["logs"].as_array().unwrap();
    assert_eq!(last.len(), 3);
    assert_eq!(last[2]["address"], json!(STORER));
    // The two transfers that were reverted have had their numbers.
    assert_eq!(last[2]["logIndex"], "0x6");
    // The blocks are the same whether transfers are told or not.
    let untold = simulate(&node, request(false)).await;
    assert_eq!(untold[0]["hash"], blocks[0]["hash"]);
    assert_eq!(untold[0]["calls"][2]["logs"].as_array().unwrap().len(), 1);
    node.stop().await;
}

#[tokio::test]
async fn precompiles_move_and_overrides_that_contradict_are_refused() {
    let node = Node::start().await;
    let from = node.accounts.addresses()[0];
    let call = |to: &str| json!({"from": from, "to": to, "input": "0x1234"});
    let moved = |overrides: Value| {
        json!({"blockStateCalls": [
            {"stateOverrides": overrides, "calls": [call(IDENTITY), call(ELSEWHERE)]},
            {"calls": [call(IDENTITY), call(ELSEWHERE)]},
        ]})
    };
    let blocks =
        simulate(&node, moved(json!({IDENTITY: {"movePrecompileToAddress": ELSEWHERE}}))).await;
    let outputs = |block: &Value| {
        [block["calls"][0]["returnData"].clone(), block["calls"][1]["returnData"].clone()]
    };
    assert_eq!(outputs(&blocks[0]), ["0x", "0x1234"]);
    assert_eq!(outputs(&blocks[1]), ["0x1234", "0x"]);
    for overrides in [
        json!({ELSEWHERE: {"movePrecompileToAddress": IDENTITY}}),
        json!({IDENTITY: {"movePrecompileToAddress": ELSEWHERE}, ELSEWHERE: {"nonce": "0x1"}}),
        json!({IDENTITY: {"movePrecompileToAddress": ECRECOVER}, ECRECOVER: {"nonce": "0x1"}}),
        json!({ELSEWHERE: {"state": {}, "stateDiff": {}}}),
    ] {
        assert_eq!(refusal(&node, moved(overrides.clone())).await, -32000, "{overrides}");
    }
    node.stop().await;
}

#[tokio::test]
async fn moved_precompiles_leave_their_warmth_behind() {
    let node = Node::start().await;
    let from = node.accounts.addresses()[0];
    // PUSH20 address, BALANCE, POP, STOP
    let reads = |address: &str| format!("0x73{}315000", &address[2..]);
    let [original, destination] = [Address::repeat_byte(0xa1), Address::repeat_byte(0xa2)];
    let blocks = simulate(
        &node,
        json!({"blockStateCalls": [{
            "stateOverrides": {
                IDENTITY: {"movePrecompileToAddress": ELSEWHERE},
                original.to_string(): {"code": reads(IDENTITY)},
                destination.to_string(): {"code": reads(ELSEWHERE)},
            },
            "calls": [{"from": from, "to": original}, {"from": from, "to": destination}],
        }]}),
    )
    .await;
    let gas = |call: usize| quantity(&blocks[0]["calls"][call]["gasUsed"]);
    // 21000, PUSH20 3, BALANCE 100 or 2600 (EIP-2929), POP 2.
    assert_eq!((gas(0), gas(1)), (21_105, 23_605));
    node.stop().await;
}

#[tokio::test]
async fn a_nonce_at_its_end_begins_anew_without_validation() {
    let node = Node::start().await;
    let [from, to] = [Address::repeat_byte(0x55), Address::repeat_byte(0x66)];
    let request = |validation: bool| {
        json!({"validation": validation, "returnFullTransactions": true, "blockStateCalls": [{
            "blockOverrides": {"baseFeePerGas": "0x0"},
            "stateOverrides": {from.to_string(): {"nonce": "0xffffffffffffffff"}},
            "calls": [{"from": from, "to": to}, {"from": from, "to": to}],
        }]})
    };
    let blocks = simulate(&node, request(false)).await;
    let nonces = [0, 1].map(|index| blocks[0]["transactions"][index]["nonce"].clone());
    assert_eq!(nonces, ["0xffffffffffffffff", "0x0"]);
    assert_eq!(refusal(&node, request(true)).await, -38011);
    node.stop().await;
}

#[tokio::test]
async fn a_gas_price_makes_a_legacy_transaction_whose_access_list_counts() {
    let node = Node::start().await;
    let from = node.accounts.addresses()[0];
    let call = json!({
        "from": from, "to": STORER, "input": word(3), "gas": "0x30d40", "nonce": "0x2",
        "gasPrice": "0x5", "value": "0x0",
    });
    let mut listed = call.clone();
    listed["accessList"] = json!([{"address": STORER, "storageKeys": [B256::ZERO]}]);
    let one = |call: &Value| json!({"returnFullTransactions": true, "blockStateCalls": [{"calls": [call]}]});
    let plain = simulate(&node, one(&call)).await[0].clone();
    let listed = simulate(&node, one(&listed)).await[0].clone();
    for block in [&plain, &listed] {
        assert_eq!(block["transactions"][0]["type"], "0x0");
    }
    let gas = |block: &Value| quantity(&block["calls"][0]["gasUsed"]);
    // 2400 and 1900 for the list (EIP-2930) against 2100 for a cold slot (EIP-2929).
    assert_eq!(gas(&listed), gas(&plain) + 2_400 + 1_900 - 2_100);
    // All members in a list that ends with three zeros for the signature.
    let mut fields = Vec::new();
    for field in [2u64, 5, 200_000] {
        field.encode(&mut fields);
    }
    STORER.encode(&mut fields);
    0u64.encode(&mut fields);
    word(3).encode(&mut fields);
    fields.extend([0x80; 3]);
    let mut encoded = Vec::new();
    alloy_rlp::Header { list: true, payload_length: fields.len() }.encode(&mut encoded);
    encoded.extend(fields);
    assert_eq!(plain["transactions"][0]["hash"], json!(keccak256(&encoded)));
    // A trie with one value is one leaf: the nibbles of RLP's key 0x80, after the prefix 0x20.
    let mut leaf = Vec::new();
    [0x20u8, 0x80].as_slice().encode(&mut leaf);
    encoded.as_slice().encode(&mut leaf);
    let mut node_rlp = Vec::new();
    alloy_rlp::Header { list: true, payload_length: leaf.len() }.encode(&mut node_rlp);
    node_rlp.extend(leaf);
    assert_eq!(plain["transactionsRoot"], json!(keccak256(&node_rlp)));
    node.stop().await;
}

#[tokio::test]
async fn withdrawals_are_paid_and_full_transactions_are_told() {
    let node = Node::start().await;
    let from = node.accounts.addresses()[0];
    let poor = Address::repeat_byte(0x77);
    let withdrawal =
        json!({"index": "0x0", "validatorIndex": "0x1", "address": poor, "amount": "0x2"});
    let blocks = simulate(
        &node,
        json!({"returnFullTransactions": true, "blockStateCalls": [
            {"blockOverrides": {"withdrawals": [withdrawal]}},
            {"calls": [{"from": poor, "to": from, "value": "0x77359400"}]},
        ]}),
    )
    .await;
    assert_eq!(blocks[0]["withdrawals"], json!([withdrawal]));
    assert_eq!(blocks[1]["calls"][0]["status"], "0x1");
    let transaction = &blocks[1]["transactions"][0];
    assert_eq!(transaction["from"], json!(poor));
    assert_eq!(transaction["type"], "0x2");
    assert_eq!(transaction["blockHash"], blocks[1]["hash"]);
    assert_eq!(transaction["r"], "0x0");
    node.stop().await;
}

#[tokio::test]
async fn gas_and_time_of_a_request_are_bounded() {
    let config = RpcConfig {
        call_gas_cap: 100_000,
        call_timeout: Duration::from_millis(50),
        ..RpcConfig::default()
    };
    let node = Node::with(config, |_| ()).await;
    let from = node.accounts.addresses()[0];
    let calls = |to: Address, count: usize| json!({"blockStateCalls": [{"calls": vec![json!({"from": from, "to": to}); count]}]});
    let blocks = simulate(&node, calls(Address::repeat_byte(0x42), 4)).await;
    assert_eq!(blocks[0]["gasUsed"], "0x14820");
    assert_eq!(refusal(&node, calls(Address::repeat_byte(0x42), 5)).await, -38013);
    // The first call takes all gas there is.
    assert_eq!(refusal(&node, calls(LOOPER, 2)).await, -38026);
    node.stop().await;

    let config = RpcConfig {
        call_gas_cap: 0,
        call_timeout: Duration::from_millis(50),
        ..RpcConfig::default()
    };
    let node = Node::with(config, |_| ()).await;
    let forever = json!({"blockStateCalls": [{
        "blockOverrides": {"gasLimit": "0xffffffffffff"},
        "calls": [{"from": from, "to": LOOPER}],
    }]});
    let failure = node.fail("eth_simulateV1", json!([forever])).await;
    assert_eq!(failure.code, -32000);
    assert!(failure.message.contains("--rpc.evmtimeout"), "{}", failure.message);
    node.stop().await;
}
