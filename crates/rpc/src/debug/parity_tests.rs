//! Parity's traces of calls, gas by opcode, and small readers, against what other methods answer.

use crate::dev::harness::{Node, genesis_of_amsterdam, quantity};
use alloy_consensus::{TxEip1559, TypedTransaction};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use serde_json::{Value, json};

/// slot 1 := slot 1 + first word of the input; calls [`INNER`] with the same input.
const ADDING: Address = Address::repeat_byte(0xc1);
const INNER: Address = Address::repeat_byte(0xc2);

async fn scene() -> Node {
    let node = Node::start();
    let inner = INNER.to_string();
    let inner = inner.strip_prefix("0x").unwrap().to_lowercase();
    let adding = format!("0x5f35600154015f5f5f5f5f73{inner}5af150600155600154 5f52 60205ff3");
    node.call("anvil_setCode", json!([ADDING, adding.replace(' ', "")])).await;
    node.call("anvil_setCode", json!([INNER, "0x60016002015000"])).await;
    node
}

fn word(value: u64) -> B256 {
    U256::from(value).into()
}

const ALL: [&str; 3] = ["trace", "vmTrace", "stateDiff"];

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_traced_as_its_transaction_will_be() {
    let node = scene().await;
    let from = node.accounts[0];
    let fee = "0x2540be400";
    let call = json!({
        "from": from, "to": ADDING, "data": word(5), "gas": "0x30d40", "maxFeePerGas": fee,
        "maxPriorityFeePerGas": "0x0",
    });
    let before = node.call("trace_call", json!([call, ALL, "latest"])).await;
    let receipt = node.send(call).await;
    assert_eq!(receipt["status"], "0x1");
    let after =
        node.call("trace_replayTransaction", json!([receipt["transactionHash"], ALL])).await;
    assert_eq!(before["output"], json!(word(5)));
    for member in ["output", "trace", "vmTrace"] {
        assert_eq!(before[member], after[member], "{member}");
    }
    // The base fee of the next block is another one, so only what does not pay it is the same.
    let account = ADDING.to_string().to_lowercase();
    assert_eq!(before["stateDiff"][&account], after["stateDiff"][&account]);
    assert!(before["stateDiff"][&account]["storage"].is_object());
    assert_eq!(before["trace"].as_array().unwrap().len(), 2);
    let none = node.call("trace_call", json!([{"from": from, "to": ADDING}, []])).await;
    assert_eq!((&none["trace"], &none["vmTrace"]), (&json!([]), &Value::Null));
    assert_eq!(none["stateDiff"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_traced_on_each_other_and_under_overrides() {
    let node = scene().await;
    let from = node.accounts[0];
    let call = |value: u64| json!({"from": from, "to": ADDING, "data": word(value)});
    let calls = json!([[call(2), ["trace"]], [call(3), ["stateDiff"]], [call(4), []]]);
    let results = node.call("trace_callMany", json!([calls, "latest"])).await;
    let outputs: Vec<&Value> =
        results.as_array().unwrap().iter().map(|result| &result["output"]).collect();
    assert_eq!(outputs, [&json!(word(2)), &json!(word(5)), &json!(word(9))]);
    let slot = word(1).to_string();
    let diff = &results[1]["stateDiff"][ADDING.to_string().to_lowercase()]["storage"][&slot];
    assert_eq!(diff, &json!({"*": {"from": word(2), "to": word(5)}}));
    let stored = node.call("eth_getStorageAt", json!([ADDING, "0x1", "latest"])).await;
    assert_eq!(stored, json!(word(0)), "nothing is kept");
    let state = json!({ADDING.to_string(): {"stateDiff": {slot: word(0x40)}}});
    let params = json!([call(2), ["trace"], "latest", state, {"number": "0x64"}]);
    assert_eq!(node.call("trace_call", params).await["output"], json!(word(0x42)));
    let moved = json!({Address::with_last_byte(4).to_string(): {
        "movePrecompileToAddress": Address::repeat_byte(9)}});
    let refused = node.fail("trace_call", json!([call(2), ["trace"], "latest", moved])).await;
    assert_eq!(refused.code, -32602);
    let unknown = node.fail("trace_call", json!([call(2), ["steps"]])).await;
    assert_eq!(unknown.code, -32602);
    let missing = node.fail("trace_call", json!([call(2), ["trace"], "0x63"])).await;
    assert_eq!((missing.code, missing.message.as_str()), (-32000, "header not found"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_transaction_is_traced_and_goes_nowhere() {
    let node = scene().await;
    let accounts = crate::DevAccounts::dev();
    let signed = |nonce: u64| {
        let transaction = TxEip1559 {
            chain_id: 1337,
            nonce,
            gas_limit: 200_000,
            max_fee_per_gas: 10_000_000_000,
            max_priority_fee_per_gas: 0,
            to: TxKind::Call(ADDING),
            input: word(7).into(),
            ..TxEip1559::default()
        };
        let signed =
            accounts.sign_transaction(node.accounts[0], TypedTransaction::Eip1559(transaction));
        Bytes::from(signed.expect("a key of this node").encoded_2718())
    };
    let result = node.call("trace_rawTransaction", json!([signed(0), ALL])).await;
    assert_eq!(result["output"], json!(word(7)));
    assert_eq!(result["trace"][0]["action"]["from"], json!(node.accounts[0]));
    let nonce = node.call("eth_getTransactionCount", json!([node.accounts[0], "pending"])).await;
    assert_eq!(nonce, "0x0");
    let ahead = node.fail("trace_rawTransaction", json!([signed(3), ALL])).await;
    assert_eq!(ahead.code, -32000);
    assert!(ahead.message.starts_with("nonce too high"), "{}", ahead.message);
    let garbage = node.fail("trace_rawTransaction", json!(["0x02c0", ALL])).await;
    assert_eq!(garbage.code, -32000);
}

#[tokio::test(flavor = "multi_thread")]
async fn gas_by_opcode_counts_what_the_struct_logger_shows() {
    let node = scene().await;
    node.call("evm_setAutomine", json!([false])).await;
    let mut hashes = Vec::new();
    for value in 1..=2 {
        let call = json!({
            "from": node.accounts[0], "to": ADDING, "data": word(value), "gas": "0x30d40"
        });
        hashes.push(node.call("eth_sendTransaction", json!([call])).await);
    }
    node.call("evm_mine", json!([])).await;
    let block = node.call("trace_blockOpcodeGas", json!(["latest"])).await;
    assert_eq!(block["blockHash"], node.latest().await["hash"]);
    for (index, hash) in hashes.iter().enumerate() {
        let alone = node.call("trace_transactionOpcodeGas", json!([hash])).await;
        assert_eq!(alone["transactionHash"], *hash);
        assert_eq!(block["transactions"][index], alone);
        let steps = node.call("debug_traceTransaction", json!([hash])).await;
        let mut counts = std::collections::BTreeMap::<&str, (u64, u64)>::new();
        for step in steps["structLogs"].as_array().unwrap() {
            let count = counts.entry(step["op"].as_str().unwrap()).or_default();
            count.0 += 1;
            count.1 += step["gasCost"].as_u64().unwrap();
        }
        let told = alone["opcodeGas"].as_array().unwrap();
        assert_eq!(told.len(), counts.len());
        for opcode in told {
            let (count, gas) = counts[opcode["opcode"].as_str().unwrap()];
            assert_eq!(opcode["count"], count, "{opcode}");
            if opcode["opcode"] != "CALL" {
                assert_eq!(opcode["gasUsed"], gas, "{opcode}");
            }
        }
    }
    let unknown = node.call("trace_transactionOpcodeGas", json!([B256::ZERO])).await;
    assert_eq!(unknown, Value::Null);
    assert_eq!(node.call("trace_blockOpcodeGas", json!(["0x63"])).await, Value::Null);
    let genesis = node.call("trace_blockOpcodeGas", json!(["0x0"])).await;
    assert_eq!(genesis["transactions"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_told_as_its_proof_has_it() {
    let node = scene().await;
    node.send(json!({"to": ADDING, "data": word(5), "gas": "0x30d40"})).await;
    for address in [ADDING, INNER, node.accounts[0], node.accounts[5]] {
        for block in ["0x0", "0x1", "latest"] {
            let account = node.call("eth_getAccount", json!([address, block])).await;
            let proof = node.call("eth_getProof", json!([address, [], block])).await;
            if account.is_null() {
                assert_eq!((&proof["balance"], &proof["nonce"]), (&json!("0x0"), &json!("0x0")));
                continue;
            }
            for (member, same) in [
                ("balance", "balance"),
                ("nonce", "nonce"),
                ("codeHash", "codeHash"),
                ("storageRoot", "storageHash"),
            ] {
                assert_eq!(account[member], proof[same], "{address} {block} {member}");
            }
        }
    }
    let nobody = json!([Address::repeat_byte(0x99), "latest"]);
    assert_eq!(node.call("eth_getAccount", nobody).await, Value::Null);
    let code = node.call("eth_getCode", json!([INNER, "latest"])).await;
    let hash = keccak256(serde_json::from_value::<Bytes>(code.clone()).unwrap());
    assert_eq!(node.call("debug_codeByHash", json!([hash])).await, code);
    assert_eq!(node.call("debug_codeByHash", json!([B256::ZERO])).await, Value::Null);
    let raw = node.call("debug_getRawTransactions", json!(["latest"])).await;
    let hashes: Vec<B256> =
        serde_json::from_value::<Vec<Bytes>>(raw).unwrap().iter().map(keccak256).collect();
    assert_eq!(json!(hashes), node.latest().await["transactions"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn access_lists_are_told_in_geths_shape() {
    let node = Node::on(&genesis_of_amsterdam(), true);
    node.call("anvil_setCode", json!([ADDING, "0x5f35600155600254005f"])).await;
    node.send(json!({"to": ADDING, "data": word(5), "gas": "0x493e0"})).await;
    let block = node.latest().await;
    let list = node.call("eth_getBlockAccessList", json!(["latest"])).await;
    let (hash, number) = (&block["hash"], &block["number"]);
    for (method, id) in [
        ("eth_getBlockAccessList", hash),
        ("eth_getBlockAccessListByBlockHash", hash),
        ("eth_getBlockAccessListByBlockNumber", number),
    ] {
        assert_eq!(node.call(method, json!([id])).await, list, "{method}");
    }
    let raw = node.call("eth_getBlockAccessListRaw", json!(["latest"])).await;
    assert_eq!(node.call("debug_getRawBlockAccessList", json!(["latest"])).await, raw);
    let encoded: Bytes = serde_json::from_value(raw).unwrap();
    assert_eq!(block["blockAccessListHash"], json!(keccak256(&encoded)));
    // The shape can be read back and gives the same bytes.
    let read: Vec<alloy_eip7928::AccountChanges> = serde_json::from_value(list.clone()).unwrap();
    assert_eq!(Bytes::from(alloy_rlp::encode(read)), encoded);
    let account = json!(ADDING.to_string().to_lowercase());
    let entry = list.as_array().unwrap().iter().find(|it| it["address"] == account).unwrap();
    let expected = json!([{"key": word(1), "changes": [{"index": "0x1", "value": word(5)}]}]);
    assert_eq!(entry["storageChanges"], expected);
    assert_eq!(entry["storageReads"], json!([word(2)]));
    let sender = json!(node.accounts[0].to_string().to_lowercase());
    let entry = list.as_array().unwrap().iter().find(|it| it["address"] == sender).unwrap();
    assert_eq!(entry["nonceChanges"], json!([{"index": "0x1", "value": "0x1"}]));
    assert_eq!(quantity(&entry["balanceChanges"][0]["index"]), 1);
    assert_eq!(node.call("eth_getBlockAccessList", json!(["0x0"])).await, json!([]));
    assert_eq!(node.call("eth_getBlockAccessList", json!(["0x63"])).await, Value::Null);
    assert_eq!(node.call("eth_getBlockAccessList", json!(["pending"])).await, Value::Null);
    let old = Node::start();
    for method in ["eth_getBlockAccessList", "eth_getBlockAccessListRaw"] {
        let refused = old.fail(method, json!(["latest"])).await;
        assert_eq!(refused.code, -32001);
        assert!(refused.message.contains("before Amsterdam"), "{}", refused.message);
    }
}
