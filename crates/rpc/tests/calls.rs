//! `eth_call`, gas estimation and access lists over HTTP.

mod node;

use alloy_primitives::{Address, B256, U256};
use node::{ANSWERER, INVALID, LOOPER, Node, REVERTER, STORER, quantity};
use plasma_rpc::RpcConfig;
use serde_json::{Value, json};
use std::time::Duration;

const NOBODY: Address = Address::repeat_byte(0x99);

fn word(number: u64) -> String {
    B256::from(U256::from(number)).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_answers_what_the_code_returns() {
    let node = Node::start().await;
    // More than once, so that it also runs in place.
    for _ in 0..5 {
        let answer = node.call("eth_call", json!([{"to": ANSWERER}, "latest"])).await;
        assert_eq!(answer, word(42));
    }
    assert_eq!(node.call("eth_call", json!([{"to": ANSWERER}])).await, word(42));
    assert_eq!(node.call("eth_call", json!([{"to": ANSWERER}, "pending"])).await, word(42));
    assert_eq!(node.call("eth_call", json!([{"to": NOBODY}, "earliest"])).await, "0x");
    let by_hash = node.call("eth_getBlockByNumber", json!(["0x0", false])).await["hash"].clone();
    let id = json!({"blockHash": by_hash});
    assert_eq!(node.call("eth_call", json!([{"to": ANSWERER}, id])).await, word(42));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn state_and_block_overrides_are_seen_by_one_call_only() {
    let node = Node::start().await;
    let diff = json!({ANSWERER.to_string(): {"stateDiff": {B256::ZERO.to_string(): word(7)}}});
    let request = json!({"to": ANSWERER});
    assert_eq!(node.call("eth_call", json!([request, "latest", diff])).await, word(7));
    assert_eq!(node.call("eth_call", json!([request, "latest"])).await, word(42));
    let wiped = json!({ANSWERER.to_string(): {"state": {}}});
    assert_eq!(node.call("eth_call", json!([request, "latest", wiped])).await, word(0));
    // NUMBER PUSH0 MSTORE PUSH1 32 PUSH0 RETURN at an address without code
    let code = json!({NOBODY.to_string(): {"code": "0x435f5260205ff3"}});
    let block = json!({"number": "0x1234"});
    let request = json!({"to": NOBODY});
    let answer = node.call("eth_call", json!([request, "latest", code, block])).await;
    assert_eq!(answer, word(0x1234));
    let both = json!({NOBODY.to_string(): {"state": {}, "stateDiff": {}}});
    let refused = node.fail("eth_call", json!([request, "latest", both])).await;
    assert!(refused.message.contains("'state' and 'stateDiff'"), "{}", refused.message);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_told_as_geth_tells_them() {
    let node = Node::start().await;
    let reverted = node.fail("eth_call", json!([{"to": REVERTER}, "latest"])).await;
    assert_eq!((reverted.code, reverted.message.as_str()), (3, "execution reverted: no"));
    let data = reverted.data.unwrap();
    assert!(data.as_str().unwrap().starts_with("0x08c379a0"), "{data}");
    let invalid = node.fail("eth_call", json!([{"to": INVALID}, "latest"])).await;
    assert_eq!((invalid.code, invalid.message.as_str()), (-32000, "invalid opcode: INVALID"));
    assert_eq!(invalid.data, None);
    let gas = node.fail("eth_call", json!([{"to": LOOPER, "gas": "0x186a0"}, "latest"])).await;
    assert_eq!((gas.code, gas.message.as_str()), (-32000, "out of gas"));
    let low = node.fail("eth_call", json!([{"to": NOBODY, "gas": "0x5207"}, "latest"])).await;
    assert_eq!(low.message, "intrinsic gas too low: have 20999, want 21000");
    let poor = json!({"from": NOBODY, "to": NOBODY, "value": "0x1"});
    let poor = node.fail("eth_call", json!([poor, "latest"])).await;
    assert!(poor.message.starts_with("insufficient funds for gas * price + value"));
    let chain = node.fail("eth_call", json!([{"to": NOBODY, "chainId": "0x1"}, "latest"])).await;
    assert!(chain.message.starts_with("chainId does not match node's"), "{}", chain.message);
    let input = json!({"to": NOBODY, "data": "0x01", "input": "0x02"});
    let input = node.fail("eth_call", json!([input, "latest"])).await;
    assert_eq!(input.code, -32602);
    assert!(input.message.contains("both \"data\" and \"input\" are set and not equal"));
    let future = node.fail("eth_call", json!([{"to": NOBODY}, "0xffff"])).await;
    assert_eq!((future.code, future.message.as_str()), (-32000, "header not found"));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_runs_too_long_is_stopped() {
    let rpc = RpcConfig { call_timeout: Duration::ZERO, ..RpcConfig::default() };
    let node = Node::with(rpc, |_| ()).await;
    for method in ["eth_call", "eth_estimateGas", "eth_createAccessList"] {
        let stopped = node.fail(method, json!([{"to": LOOPER}, "latest"])).await;
        assert_eq!(stopped.code, -32000);
        assert!(stopped.message.starts_with("execution aborted (timeout"), "{}", stopped.message);
        assert!(stopped.message.contains("--rpc.evmtimeout"), "{}", stopped.message);
    }
    assert_eq!(node.call("eth_call", json!([{"to": ANSWERER}, "latest"])).await, word(42));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_estimate_is_enough_and_hardly_more() {
    let node = Node::start().await;
    let from = node.accounts.addresses()[0];
    let transfer = json!({"from": from, "to": NOBODY, "value": "0x1", "maxFeePerGas": "0x77359400",
                          "maxPriorityFeePerGas": "0x1", "nonce": "0x0", "chainId": "0x539"});
    assert_eq!(node.call("eth_estimateGas", json!([transfer, "pending"])).await, "0x5208");
    assert_eq!(node.call("eth_estimateGas", json!([transfer])).await, "0x5208");
    let store = json!({"from": from, "to": STORER, "input": word(9), "data": word(9)});
    let gas = quantity(&node.call("eth_estimateGas", json!([store, "pending"])).await);
    let with = |gas: u64| {
        let mut call = store.clone();
        call["gas"] = json!(format!("{gas:#x}"));
        call
    };
    node.call("eth_call", json!([with(gas), "latest"])).await;
    node.fail("eth_call", json!([with(gas * 97 / 100), "latest"])).await;
    let reverted = node.fail("eth_estimateGas", json!([{"to": REVERTER}])).await;
    assert_eq!((reverted.code, reverted.message.as_str()), (3, "execution reverted: no"));
    assert!(reverted.data.is_some());
    let invalid = node.fail("eth_estimateGas", json!([{"to": INVALID}])).await;
    assert_eq!((invalid.code, invalid.message.as_str()), (-32000, "invalid opcode: INVALID"));
    let endless = node.fail("eth_estimateGas", json!([{"to": LOOPER, "gas": "0x100000"}])).await;
    assert!(endless.message.starts_with("gas required exceeds allowance (1048576)"));
    let poor = json!({"from": NOBODY, "to": ANSWERER, "value": "0x1", "gasPrice": "0x77359400"});
    let poor = node.fail("eth_estimateGas", json!([poor])).await;
    assert_eq!(poor.message, "insufficient funds for transfer");
    let broke = json!({"from": NOBODY, "to": ANSWERER, "gasPrice": "0x77359400"});
    let broke = node.fail("eth_estimateGas", json!([broke])).await;
    assert_eq!(broke.message, "gas required exceeds allowance (0)");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_list_names_what_a_call_touches() {
    let node = Node::start().await;
    let found = node.call("eth_createAccessList", json!([{"to": ANSWERER}, "latest"])).await;
    let list = &found["accessList"];
    assert_eq!(list[0]["address"], json!(ANSWERER));
    assert_eq!(list[0]["storageKeys"], json!([B256::ZERO]));
    assert!(found.get("error").is_none());
    let from = node.accounts.addresses()[0];
    let transfer = json!({"from": from, "to": NOBODY, "value": "0xa"});
    let found = node.call("eth_createAccessList", json!([transfer, "latest"])).await;
    assert_eq!(found, json!({"accessList": [], "gasUsed": "0x5208"}));
    let failing = node.call("eth_createAccessList", json!([{"to": REVERTER}, "latest"])).await;
    assert_eq!(failing["error"], "execution reverted");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fill_completes_what_is_left_open() {
    let node = Node::start().await;
    let from = node.accounts.addresses()[0];
    let request = json!([{"from": from, "to": NOBODY, "value": "0x1"}]);
    let filled = node.call("eth_fillTransaction", request).await;
    let tx = &filled["tx"];
    assert_eq!(tx["type"], "0x2");
    assert_eq!(tx["gas"], "0x5208");
    assert_eq!(tx["nonce"], "0x0");
    assert_eq!(tx["chainId"], "0x539");
    assert!(quantity(&tx["maxFeePerGas"]) > quantity(&tx["maxPriorityFeePerGas"]));
    assert!(filled["raw"].as_str().unwrap().starts_with("0x02"));
    let legacy = json!([{"from": from, "to": NOBODY, "gasPrice": "0x77359400"}]);
    let filled = node.call("eth_fillTransaction", legacy).await;
    assert_eq!(filled["tx"]["gasPrice"], "0x77359400");
    let both = json!([{"from": from, "to": NOBODY, "gasPrice": "0x1", "maxFeePerGas": "0x1"}]);
    let refused = node.fail("eth_fillTransaction", both).await;
    assert!(refused.message.starts_with("both gasPrice and"), "{}", refused.message);
    let nothing = node.fail("eth_fillTransaction", json!([{"from": from}])).await;
    assert_eq!(nothing.message, "contract creation without any data provided");
    let reverting = node.fail("eth_fillTransaction", json!([{"from": from, "to": REVERTER}])).await;
    assert_eq!(reverting.code, 3);
    assert_ne!(filled["raw"], Value::Null);
    node.stop().await;
}
