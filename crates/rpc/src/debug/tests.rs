//! Traces of blocks that a real chain made.

use crate::dev::harness::{Node, quantity};
use alloy_consensus::{Block, Header};
use alloy_eips::eip2718::Decodable2718;
use alloy_primitives::{Address, B256, Bytes, keccak256};
use alloy_rlp::Decodable;
use plasma_storage::Transaction;
use serde_json::{Value, json};

/// Creation code of: slot 1 := first word of the input; LOG1 of no data with topic 0x42.
const STORING: &str = "0x600b8060095f395ff35f35600155\
                       60425f5fa100";
const REVERTING: Address = Address::repeat_byte(0x33);

fn word(value: u8) -> B256 {
    B256::with_last_byte(value)
}

/// A node with the storing contract, which two transactions have called: the second in one block
/// with a third transaction before it.
struct Scene {
    node: Node,
    contract: Value,
    hashes: Vec<Value>,
}

async fn scene() -> Scene {
    let node = Node::start();
    let contract = node.send(json!({"data": STORING})).await["contractAddress"].clone();
    node.call("evm_setAutomine", json!([false])).await;
    let mut hashes = Vec::new();
    for value in 1..=3 {
        let call = json!({
            "from": node.accounts[0], "to": contract, "data": word(value), "gas": "0x186a0",
        });
        hashes.push(node.call("eth_sendTransaction", json!([call])).await);
    }
    node.call("evm_mine", json!([])).await;
    Scene { node, contract, hashes }
}

fn slot_in(diff: &Value, contract: &Value) -> Value {
    let address = contract.as_str().unwrap().to_lowercase();
    diff[address]["storage"][word(1).to_string()].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_is_traced_after_those_before_it() {
    let Scene { node, contract, hashes } = scene().await;
    for (index, hash) in hashes.iter().enumerate() {
        let diff = node
            .call(
                "debug_traceTransaction",
                json!([hash, {"tracer": "prestateTracer", "tracerConfig": {"diffMode": true}}]),
            )
            .await;
        let value = index as u8 + 1;
        if value > 1 {
            assert_eq!(slot_in(&diff["pre"], &contract), json!(word(value - 1)));
        }
        assert_eq!(slot_in(&diff["post"], &contract), json!(word(value)));
        let receipt = node.call("eth_getTransactionReceipt", json!([hash])).await;
        let frame =
            node.call("debug_traceTransaction", json!([hash, {"tracer": "callTracer"}])).await;
        assert_eq!(frame["gasUsed"], receipt["gasUsed"]);
        let steps = node.call("debug_traceTransaction", json!([hash])).await;
        assert_eq!(steps["gas"], json!(quantity(&receipt["gasUsed"])));
        assert_eq!(steps["failed"], json!(false));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_is_traced_whole() {
    let Scene { node, hashes, .. } = scene().await;
    let block = node.latest().await;
    let options = json!({"tracer": "callTracer"});
    let by_number = node.call("debug_traceBlockByNumber", json!(["latest", options])).await;
    let by_hash = node.call("debug_traceBlockByHash", json!([block["hash"], options])).await;
    let raw = node.call("debug_getRawBlock", json!(["latest"])).await;
    let by_content = node.call("debug_traceBlock", json!([raw, options])).await;
    assert_eq!(by_number, by_hash);
    assert_eq!(by_number, by_content);
    for (result, hash) in by_number.as_array().unwrap().iter().zip(&hashes) {
        assert_eq!(&result["txHash"], hash);
        let alone = node.call("debug_traceTransaction", json!([hash, options])).await;
        assert_eq!(result["result"], alone);
    }
    assert_eq!(by_number.as_array().unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_that_fails_leaves_the_next_ones_right() {
    let Scene { node, .. } = scene().await;
    let options = json!({"timeout": "0", "tracer": "callTracer"});
    let results = node.call("debug_traceBlockByNumber", json!(["latest", options])).await;
    let results = results.as_array().unwrap();
    assert_eq!(results.len(), 3);
    for result in results {
        assert!(result["error"].as_str().unwrap().contains("timeout"), "{result}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parity_traces_agree_with_geths() {
    let Scene { node, contract, hashes } = scene().await;
    let frames = node.call("trace_block", json!(["latest"])).await;
    assert_eq!(frames.as_array().unwrap().len(), 3);
    for (index, hash) in hashes.iter().enumerate() {
        assert_eq!(&frames[index]["transactionHash"], hash);
        assert_eq!(frames[index]["transactionPosition"], json!(index));
        assert_eq!(frames[index]["action"]["to"], contract);
        let alone = node.call("trace_transaction", json!([hash])).await;
        assert_eq!(alone, json!([frames[index]]));
        assert_eq!(node.call("trace_get", json!([hash, []])).await, frames[index]);
        assert_eq!(node.call("trace_get", json!([hash, ["0x4"]])).await, Value::Null);
    }
    let filter = json!([{"fromBlock": "0x0", "toBlock": "0x2", "toAddress": [contract]}]);
    let found = node.call("trace_filter", filter).await;
    assert_eq!(found[0]["result"]["address"], contract, "the contract's creation counts too");
    assert_eq!(found.as_array().unwrap()[1..], frames.as_array().unwrap()[..]);
    let page = json!([{"fromBlock": "0x0", "toBlock": "0x2", "after": 2, "count": 1}]);
    assert_eq!(node.call("trace_filter", page).await, json!([frames[1]]));
    let replayed =
        node.call("trace_replayBlockTransactions", json!(["latest", ["trace", "stateDiff"]])).await;
    assert_eq!(replayed[2]["transactionHash"], hashes[2]);
    assert_eq!(replayed[2]["trace"][0]["action"], frames[2]["action"]);
    let alone =
        node.call("trace_replayTransaction", json!([hashes[2], ["trace", "stateDiff"]])).await;
    assert_eq!(alone["stateDiff"], replayed[2]["stateDiff"]);
    assert_eq!(node.call("trace_transaction", json!([B256::ZERO])).await, Value::Null);
    assert_eq!(node.call("trace_block", json!(["0x63"])).await, Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_traced_with_overrides() {
    let Scene { node, contract, .. } = scene().await;
    let call = json!({"from": node.accounts[1], "to": contract, "data": word(9)});
    let diff = json!({"tracer": "prestateTracer", "tracerConfig": {"diffMode": true}});
    let traced = node.call("debug_traceCall", json!([call, "latest", diff])).await;
    assert_eq!(slot_in(&traced["pre"], &contract), json!(word(3)));
    assert_eq!(slot_in(&traced["post"], &contract), json!(word(9)));

    let mut overridden = diff.clone();
    let address = contract.as_str().unwrap();
    overridden["stateOverrides"] =
        json!({address: {"stateDiff": {word(1).to_string(): word(0x55)}}});
    let traced = node.call("debug_traceCall", json!([call, "latest", overridden])).await;
    assert_eq!(slot_in(&traced["pre"], &contract), json!(word(0x55)));

    for index in 1..=3u8 {
        let mut inside = diff.clone();
        inside["txIndex"] = json!(format!("{index:#x}"));
        let traced = node.call("debug_traceCall", json!([call, "latest", inside])).await;
        assert_eq!(slot_in(&traced["pre"], &contract), json!(word(index)));
    }
    let far = json!([call, "latest", {"txIndex": "0x4"}]);
    assert!(node.fail("debug_traceCall", far).await.message.contains("out of range"));

    // NUMBER PUSH0 MSTORE PUSH1 32 PUSH0 RETURN
    let number = json!([
        {"to": REVERTING},
        "latest",
        {
            "tracer": "callTracer",
            "stateOverrides": {REVERTING.to_string(): {"code": "0x435f5260205ff3"}},
            "blockOverrides": {"number": "0x1234"},
        },
    ]);
    let traced = node.call("debug_traceCall", number).await;
    assert_eq!(traced["output"], json!(B256::left_padding_from(&[0x12, 0x34])));
}

#[tokio::test(flavor = "multi_thread")]
async fn patched_blocks_replay_with_their_patch() {
    let node = Node::start();
    let code = "0x5f545f5260205ff3"; // returns slot 0
    node.call("hardhat_setCode", json!([REVERTING, code])).await;
    node.call("hardhat_setStorageAt", json!([REVERTING, "0x0", word(0x42)])).await;
    let receipt = node.send(json!({"to": REVERTING})).await;
    node.call("hardhat_setStorageAt", json!([REVERTING, "0x0", word(0x43)])).await;
    node.call("evm_mine", json!([])).await;
    let traced = node
        .call(
            "debug_traceTransaction",
            json!([receipt["transactionHash"], {"tracer": "callTracer"}]),
        )
        .await;
    assert_eq!(traced["output"], json!(word(0x42)));
}

#[tokio::test(flavor = "multi_thread")]
async fn raw_forms_hash_to_their_names() {
    let Scene { node, hashes, .. } = scene().await;
    let block = node.latest().await;
    let bytes = |value: Value| serde_json::from_value::<Bytes>(value).unwrap();
    let header = bytes(node.call("debug_getRawHeader", json!(["latest"])).await);
    assert_eq!(json!(keccak256(&header)), block["hash"]);
    Header::decode(&mut header.as_ref()).unwrap();
    let raw = bytes(node.call("debug_getRawBlock", json!([block["hash"]])).await);
    let decoded = Block::<Transaction>::decode(&mut raw.as_ref()).unwrap();
    assert_eq!(decoded.body.transactions.len(), 3);
    assert_eq!(json!(decoded.header.hash_slow()), block["hash"]);
    for (hash, transaction) in hashes.iter().zip(&decoded.body.transactions) {
        let raw = bytes(node.call("debug_getRawTransaction", json!([hash])).await);
        assert_eq!(json!(keccak256(&raw)), *hash);
        assert_eq!(&Transaction::decode_2718(&mut raw.as_ref()).unwrap(), transaction);
    }
    let receipts = node.call("debug_getRawReceipts", json!(["latest"])).await;
    let receipts: Vec<Bytes> = serde_json::from_value(receipts).unwrap();
    assert_eq!(receipts.len(), 3);
    assert!(receipts.iter().all(|receipt| receipt[0] == 2), "type of the transactions");
    assert_eq!(
        json!(alloy_consensus::proofs::ordered_trie_root_with_encoder(
            &receipts,
            |receipt, out| out.extend_from_slice(receipt)
        )),
        block["receiptsRoot"]
    );
    assert_eq!(node.call("debug_getRawTransaction", json!([B256::ZERO])).await, json!("0x"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_traced_is_said_in_geths_words() {
    let node = Node::start();
    node.send(json!({"to": REVERTING})).await;
    let message = |failure: crate::dev::harness::Failure| (failure.code, failure.message);
    let unknown = node.fail("debug_traceTransaction", json!([B256::ZERO])).await;
    assert_eq!(message(unknown), (-32000, "transaction not found".to_owned()));
    let genesis = node.fail("debug_traceBlockByNumber", json!(["0x0"])).await;
    assert_eq!(message(genesis), (-32000, "genesis is not traceable".to_owned()));
    let hash = node.call("eth_getBlockByNumber", json!(["0x0", false])).await["hash"].clone();
    let call = json!({"to": REVERTING});
    let many = json!([[{"transactions": [call]}], {"blockNumber": "0x0", "transactionIndex": 0}]);
    for (method, params) in [
        ("debug_traceBlockByHash", json!([hash])),
        ("debug_traceCall", json!([call, "0x0", {"txIndex": "0x0"}])),
        ("debug_traceCallMany", many.clone()),
        ("debug_intermediateRoots", json!([hash])),
        ("debug_storageRangeAt", json!([hash, 0, REVERTING, "0x", 10])),
        ("debug_storageRangeAt", json!(["0x0", 0, REVERTING, "0x", 10])),
        ("eth_callMany", many),
    ] {
        let genesis = node.fail(method, params).await;
        assert_eq!(message(genesis), (-32000, "genesis is not traceable".to_owned()), "{method}");
    }
    let missing = node.fail("debug_traceBlockByNumber", json!(["0x63"])).await;
    assert!(missing.message.contains("not found"), "{}", missing.message);
    let pending = node.fail("debug_traceBlockByNumber", json!(["pending"])).await;
    assert!(pending.message.contains("pending"), "{}", pending.message);
    let script = json!([{"to": REVERTING}, "latest", {"tracer": "{result: function() {}}"}]);
    let (code, words) = message(node.fail("debug_traceCall", script).await);
    if cfg!(feature = "js-tracer") {
        assert_eq!(code, -32000, "no fault function: {words}");
    } else {
        assert_eq!(code, -32602);
        assert!(words.contains("the feature js-tracer"), "{words}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_intermediate_root_is_that_of_the_block() {
    let Scene { node, .. } = scene().await;
    let block = node.latest().await;
    let roots = node.call("debug_intermediateRoots", json!([block["hash"]])).await;
    let roots = roots.as_array().unwrap();
    assert_eq!(roots.len(), 3);
    // Nothing is written after the transactions of this block.
    assert_eq!(roots[2], block["stateRoot"]);
    assert!(roots[0] != roots[1] && roots[1] != roots[2]);
    let unknown = node.fail("debug_intermediateRoots", json!([word(1)])).await;
    assert_eq!(unknown.code, -32000);
}

#[tokio::test(flavor = "multi_thread")]
async fn storage_is_told_in_pieces_as_it_was_inside_the_block() {
    let Scene { node, contract, .. } = scene().await;
    for slot in 2..=4 {
        let slot = format!("{slot:#x}");
        node.call("anvil_setStorageAt", json!([contract, slot, word(9)])).await;
    }
    // The second transaction of the older block; then the younger one, which the patch precedes.
    let block = node.latest().await["hash"].clone();
    let range = |block: &Value, index: u64, start: &str, limit: u64| {
        json!([block, index, contract, start, limit])
    };
    let before = node.call("debug_storageRangeAt", range(&block, 1, "0x", 10)).await;
    let first = keccak256(word(1));
    assert_eq!(
        before,
        json!({"storage": {first.to_string(): {"key": word(1), "value": word(1)}}, "nextKey": null})
    );
    node.call("evm_mine", json!([])).await;
    let block = node.latest().await["hash"].clone();
    let mut hashes: Vec<B256> = (1..=4).map(|slot| keccak256(word(slot))).collect();
    hashes.sort();
    let mut start = "0x".to_owned();
    let mut found = Vec::new();
    for piece in [3, 1] {
        let answer = node.call("debug_storageRangeAt", range(&block, 0, &start, 3)).await;
        let storage = answer["storage"].as_object().unwrap();
        assert_eq!(storage.len(), piece);
        found.extend(storage.keys().map(|hash| hash.parse::<B256>().unwrap()));
        start = answer["nextKey"].as_str().unwrap_or_default().to_owned();
    }
    assert_eq!(found, hashes);
    assert_eq!(start, "");
    let outside = node.fail("debug_storageRangeAt", range(&block, 1, "0x", 3)).await;
    assert!(outside.message.contains("out of range"), "{}", outside.message);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_of_a_bundle_see_those_before_them() {
    let Scene { node, contract, .. } = scene().await;
    let from = node.accounts[0];
    let head = node.latest().await;
    // NUMBER SLOAD of slot 1, both as words: PUSH1 1 SLOAD PUSH0 MSTORE NUMBER PUSH1 32 MSTORE
    // PUSH1 64 PUSH0 RETURN; with input it stores instead.
    let code = "0x36601157600154 5f52 43602052 60405ff35b5f35600155 00".replace(' ', "");
    let overrides = json!({contract.as_str().unwrap(): {"code": code}, REVERTING.to_string(): {"code": "0x5f5ffd"}});
    let read = json!({"from": from, "to": contract});
    let store = json!({"from": from, "to": contract, "input": word(0x21)});
    let fails = json!({"from": from, "to": REVERTING});
    let bundles = json!([
        {"transactions": [read, store, read]},
        {"transactions": [fails, read], "blockOverride": {"number": "0x64"}},
    ]);
    let word_at = |answer: &Value, at: usize| {
        let output: Bytes = serde_json::from_value(answer["value"].clone()).unwrap();
        B256::from_slice(&output[32 * at..][..32])
    };
    for (index, stored) in [(json!(-1), 3), (json!(1), 1)] {
        let context = json!({"blockNumber": "latest", "transactionIndex": index});
        let answers = node.call("eth_callMany", json!([bundles, context, overrides])).await;
        assert_eq!(word_at(&answers[0][0], 0), word(stored));
        assert_eq!(
            json!(quantity(&json!(word_at(&answers[0][0], 1)))),
            json!(quantity(&head["number"]))
        );
        assert_eq!(answers[0][1], json!({"value": "0x"}));
        assert_eq!(word_at(&answers[0][2], 0), word(0x21));
        assert_eq!(answers[1][0], json!({"error": "execution reverted"}));
        assert_eq!(word_at(&answers[1][1], 0), word(0x21));
        assert_eq!(word_at(&answers[1][1], 1), word(0x64));
        // The same under a tracer.
        let options = json!({"tracer": "callTracer", "stateOverrides": overrides});
        let traces = node.call("debug_traceCallMany", json!([bundles, context, options])).await;
        assert_eq!(traces[0][2]["output"], answers[0][2]["value"]);
        assert_eq!(traces[1][0]["error"], "execution reverted");
        assert_eq!(traces[1][1]["output"], answers[1][1]["value"]);
    }
    let stored = node.call("eth_getStorageAt", json!([contract, "0x1", "latest"])).await;
    assert_eq!(stored, json!(word(3)));
}
